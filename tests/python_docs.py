#!/usr/bin/env python3
"""Runs the Python examples of a page, in order and in one namespace, in a directory of their own.

usage: python_docs.py PAGE

Run by the interpreter that has the package. A comment `<!-- run: COMMAND -->` or `<!-- python: CODE -->` says that something happens that the
page does not show. Examples with `>>>` must print what they say, `...` for anything."""

import doctest
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile

PARTS = re.compile(r"<!-- (run|python): (.*?) -->\n|^```(python)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def main():
    page = pathlib.Path(sys.argv[1]).resolve()
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    names, count, text = {}, 0, page.read_text()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ.update(PATH=path, HOME=folder, XDG_STATE_HOME=folder + "/state")
        for part in PARTS.finditer(text):
            kind, said = part[1] or part[3], part[2] or part[4]
            line = text.count("\n", 0, part.start()) + 2
            if kind == "run":
                subprocess.run(said, shell=True, check=True, stdout=subprocess.DEVNULL)
            elif ">>>" in said:
                examples = doctest.DocTestParser().get_doctest(said, names, page.name, str(page), line - 1)
                runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
                runner.run(examples, clear_globs=False)
                # The examples have a copy of the names.
                names.update(examples.globs)
                count += len(examples.examples)
                if runner.summarize().failed:
                    sys.exit(1)
            else:
                exec(compile("\n" * (line - 1) + said, str(page), "exec"), names)
                count += 1
        os.chdir("/")
    if not count:
        sys.exit(f"{page.name} has no Python examples")
    print(f"{page.name}: {count} examples")


main()
