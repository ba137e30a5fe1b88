#!/usr/bin/env python3
"""Runs the commands of docs/policy.md and compares what they print with what the page says.

usage: policy_tutorial.py MODELSEAL [--write]

A comment `<!-- file: NAME -->` says that the block after it is a file, `<!-- run: COMMAND -->` that something happens that the page does
not show. Keys are new in each run, so digests and times are compared by where they stand: a digest of the page stands for
the one that was printed in its place, and the day on which the page's policies end for one that is yet to come. `--write` puts what was printed into the page."""

import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "policy.md"
HEX = re.compile(r"\b[0-9a-f]{64}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

HALF_A_YEAR = datetime.timedelta(days=182)
LATER = (datetime.datetime.now(datetime.timezone.utc) + HALF_A_YEAR).strftime("%Y-%m-%dT00:00:00Z")
# A day, and the one after it, on the page and in this run.
DAYS = {"2027-06-30T00:00:00Z": LATER, "2027-07-01T00:00:00Z": LATER.replace("T00", "T12")}


def main():
    program, write = pathlib.Path(sys.argv[1]).resolve(), "--write" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(program, pathlib.Path(folder))
        text = PAGE.read_text()
        page = runner.page(text)
    if write:
        PAGE.write_text(page)
    print(f"{runner.commands} commands, {len(runner.wrong)} with other output than docs/policy.md says")
    for command, said, found in runner.wrong:
        print(f"\n$ {command}\n--- the page\n{said}\n--- now\n{found}")
    sys.exit(bool(runner.wrong) and not write)


class Runner:
    def __init__(self, program, folder):
        self.folder, self.commands, self.wrong, self.digests = folder, 0, [], {}
        (folder / "bin").mkdir()
        (folder / "bin" / "modelseal").symlink_to(program)
        self.work = folder / "work"
        self.work.mkdir()
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        # A state directory of its own, whoever runs this.
        wrapper = 'modelseal() { case "$1" in verify) command modelseal "$@" --state-dir ../state;; *) command modelseal "$@";; esac; }'
        self.environment = {**os.environ, "PATH": path, "HOME": str(folder), "LC_ALL": "C"}
        self.wrapper = wrapper

    def page(self, page):
        parts = re.split(r"(<!-- (?:file|run): .*? -->\n|^```.*?^```\n)", page, flags=re.MULTILINE | re.DOTALL)
        out, file = [], None
        for part in parts:
            if part.startswith("<!-- run: "):
                done = self.run(part[len("<!-- run: ") : -len(" -->\n")])
                assert done.returncode == 0, (part, done.stderr)
            elif part.startswith("<!-- file: "):
                file = part[len("<!-- file: ") : -len(" -->\n")]
            elif part.startswith("```console"):
                part = self.console(part)
            elif part.startswith("```") and file:
                part = HEX.sub(lambda found: self.digests.get(found[0], found[0]), part)
                text = "".join(part.splitlines(keepends=True)[1:-1])
                for day, later in DAYS.items():
                    text = text.replace(day, later)
                (self.work / file).write_text(text)
                file = None
            out.append(part)
        return "".join(out)

    def console(self, block):
        lines = block.splitlines()[1:-1]
        out = ["```console"]
        while lines:
            command = [lines.pop(0)]
            while command[-1].endswith("\\"):
                command.append(lines.pop(0))
            said = []
            while lines and not lines[0].startswith("$ "):
                said.append(lines.pop(0))
            found = self.compare("\n".join(command)[2:], "\n".join(said))
            out += ["\n".join(command), *([found] if found else [])]
        return "\n".join(out) + "\n```\n"

    def compare(self, command, said):
        self.commands += 1
        if command == "echo $?":
            found = str(self.status)
        else:
            done = self.run(command)
            self.status = done.returncode
            found = "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())
            for day, later in DAYS.items():
                found = found.replace(later, day)
        if HEX.sub("", TIME.sub("", said)) == HEX.sub("", TIME.sub("", found)):
            for digest, printed in zip(HEX.findall(said), HEX.findall(found)):
                self.digests.setdefault(digest, printed)
        mapped = HEX.sub(lambda digest: self.digests.get(digest[0], digest[0]), said)
        if TIME.sub("", mapped) != TIME.sub("", found):
            self.wrong.append((command, mapped, found))
        return found

    def run(self, command):
        script = f"{self.wrapper}\n{command}"
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(
            ["bash", "-c", script], cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, timeout=60, **both
        )


main()
