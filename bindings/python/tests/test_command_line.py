"""The command line that comes with the package: it is the program, in the interpreter's process."""

import os
import pathlib
import signal
import subprocess
import sys
import sysconfig

import pytest
from conftest import run

import modelseal

SCRIPT = pathlib.Path(sysconfig.get_path("scripts")) / "modelseal"


def test_exit_statuses(model, keys):
    assert run("sign", "key", model, "--private-key", keys / "own.key").returncode == 0
    assert run("verify", "key", model, "--public-key", keys / "own.pub").returncode == 0
    assert run("verify", "key", model, "--public-key", keys / "other.pub").returncode == 1
    assert run("verify", "key", model, "--public-key", "nothing").returncode == 2
    assert run("digest", "nothing").returncode == 3
    assert run("--nonsense").returncode == 2
    assert run().returncode == 2


def test_the_script_and_the_module_are_one():
    by_script = subprocess.run([SCRIPT, "--help"], capture_output=True, check=True)
    by_module = subprocess.run([sys.executable, "-m", "modelseal", "--help"], capture_output=True, check=True)
    assert by_script.stdout == by_module.stdout
    assert b"Usage: modelseal " in by_script.stdout
    version = subprocess.run([SCRIPT, "--version"], capture_output=True, check=True, text=True)
    assert version.stdout.split()[1] == modelseal.__version__


def test_a_reader_that_goes_away(model):
    process = subprocess.Popen([SCRIPT, "policy", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="no /proc here")
def test_ctrl_c(endless):
    process = subprocess.Popen([SCRIPT, "digest", endless], stderr=subprocess.PIPE, text=True)
    # The thread that waits for signals is there once there is a second one.
    status = pathlib.Path(f"/proc/{process.pid}/status")
    while "Threads:\t1\n" in status.read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert "cancelled" in process.stderr.read()
    assert process.wait() == 130


def test_ctrl_c_before_it_begins():
    # As the program does it: it ends by the signal, without a word.
    code = (
        "import os, signal; from modelseal import _cli, _native; "
        "_native.main = lambda words: os.kill(os.getpid(), signal.SIGINT) or 0; _cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


@pytest.mark.skipif(os.name != "posix", reason="descriptors of POSIX")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_are_taken_for_nothing_else(model, keys, closed):
    # Where 1 is free, the next file that is opened gets it, and what is printed goes into that file.
    code = (
        "import os; from modelseal import _cli, _native; "
        "_native.main = lambda words: 0 if os.open(os.devnull, os.O_RDONLY) > 2 else 9; _cli.main()"
    )
    done = subprocess.run(["sh", "-c", f"exec '{sys.executable}' -c '{code}' {closed}"], capture_output=True)
    assert done.returncode == 0, done.stderr
    command = f"exec '{SCRIPT}' sign key model --private-key '{keys / 'own.key'}' {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert modelseal.verify(model, public_key=keys / "own.pub").verdict == "allow"


def test_an_error_of_the_program_is_no_denial():
    code = (
        "from modelseal import _cli, _native; "
        "_native.main = lambda words: 101; _cli.main()"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 101
