"""The types that the package promises: checked against themselves, the native part, and a program that uses them."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy")

HERE = pathlib.Path(__file__).resolve().parent


def mypy(tmp_path, module, *words):
    command = [sys.executable, "-m", module, *map(str, words)]
    # Away from the sources, so that what is installed is what is checked.
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_and_a_program_that_uses_it(tmp_path):
    settings = ["--strict", "--warn-unreachable", "--config-file", HERE.parent / "pyproject.toml"]
    mypy(tmp_path, "mypy", *settings, "-p", "modelseal")
    mypy(tmp_path, "mypy", "--strict", "--config-file=", HERE / "typed_example.py")


def test_the_stub_is_what_the_native_part_is(tmp_path):
    mypy(tmp_path, "mypy.stubtest", "--ignore-disjoint-bases", "modelseal._native")
