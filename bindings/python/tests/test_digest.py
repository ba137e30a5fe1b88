"""`digest`, and what every function has: paths, progress, cancelling, the interpreter's lock, forks."""

import json
import os
import pathlib
import pickle
import signal
import threading
import time

import pytest
from conftest import run

import modelseal


def test_says_what_the_command_line_says(model):
    digest = modelseal.digest(model)
    assert digest.report == json.loads(run("digest", model, "--format", "json").stdout)
    assert (digest.name, digest.files, digest.method, digest.hash) == ("model", 3, "files", "sha256")
    assert digest.bytes == 256000 + 13
    assert [r.name for r in digest.resources] == ["config.json", "sub/empty", "weights.bin"]
    assert digest == modelseal.digest(str(model)) == modelseal.digest(os.fsencode(model))
    assert digest != modelseal.digest(model, hash="blake3")
    assert pickle.loads(pickle.dumps(digest)) == digest
    with pytest.raises(AttributeError):
        digest.root = "sha256:00"


def test_shards_hashes_ignored_paths_and_threads(model):
    by_shards = modelseal.digest(model, method="shards", shard_size=100_000, threads=1)
    assert by_shards.shard_size == 100_000
    assert [r.name for r in by_shards.resources][2:] == [
        "weights.bin:0:100000",
        "weights.bin:100000:200000",
        "weights.bin:200000:256000",
    ]
    assert modelseal.digest(model, method="shards").shard_size == 1_000_000_000
    assert modelseal.digest(model, hash="blake2b").resources[0].digest.startswith("blake2b:")
    assert modelseal.digest(model, ignore=[model / "sub", "model/config.json"]).files == 1
    assert modelseal.digest(model, ignore=model / "sub").files == 2
    (model / "link").symlink_to("config.json")
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.digest(model)
    assert denied.value.code == "integrity.symlink"
    assert modelseal.digest(model, allow_symlinks=True).files == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "bytes"},
        {"hash": "md5"},
        {"shard_size": 5},
        {"method": "shards", "shard_size": 0},
        {"threads": 0},
    ],
)
def test_wrong_values(model, wrong):
    with pytest.raises(modelseal.UsageError) as error:
        modelseal.digest(model, **wrong)
    assert error.value.code == "usage.flags"
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("wrong", [{"threads": -1}, {"shard_size": "5", "method": "shards"}, {"progress": 5}])
def test_wrong_types(model, wrong):
    with pytest.raises((TypeError, OverflowError)):
        modelseal.digest(model, **wrong)


def test_all_but_the_path_is_given_by_name(model):
    with pytest.raises(TypeError):
        modelseal.digest(model, "files")
    with pytest.raises(TypeError):
        modelseal.digest(5)


def test_what_is_not_there_is_undecided(tmp_path):
    with pytest.raises(modelseal.UndecidedError) as error:
        modelseal.digest(tmp_path / "nothing")
    assert error.value.code == "error.io"
    assert "nothing" in str(error.value)
    again = pickle.loads(pickle.dumps(error.value))
    assert (type(again), str(again), again.code) == (type(error.value), str(error.value), "error.io")
    with pytest.raises(modelseal.ModelsealError):
        modelseal.digest("with\0nul")


def test_names_that_are_not_utf8(tmp_path, keys):
    odd = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/od\xff"))
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    (odd / "model").mkdir()
    (odd / "model" / "file").write_bytes(b"bytes")
    assert modelseal.digest(odd / "model").files == 1
    modelseal.sign(odd / "model", signature=odd / "m.sig", private_key=keys / "own.key")
    with modelseal.open_model(os.fsencode(odd / "model"), signature=odd / "m.sig", public_key=keys / "own.pub") as opened:
        assert opened.read("file") == b"bytes"
        assert opened.path == str(odd / "model")
    assert run("digest", odd / "model").returncode == 0


def test_progress_is_told_before_and_at_the_end(model):
    told = []
    modelseal.digest(model, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 256013)
    assert told[-1] == (256013, 256013)
    assert told == sorted(told)


def test_what_progress_raises_cancels(endless):
    class Enough(Exception):
        pass

    calls = []

    def progress(done, total):
        calls.append((done, total))
        if len(calls) == 3:
            raise Enough(done)

    with pytest.raises(Enough):
        modelseal.digest(endless, progress=progress)
    assert len(calls) == 3
    assert 0 < calls[-1][0] < calls[-1][1]


def test_other_threads_run_meanwhile_and_ctrl_c_cancels(endless):
    # The digest ends only when it is cancelled, and it is cancelled by a thread that has to run for it.
    counted = []

    def count():
        for n in range(500):
            counted.append(n)
            time.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)

    started = []

    def progress(done, total):
        if not started:
            started.append(threading.Thread(target=count))
            started[0].start()

    with pytest.raises(KeyboardInterrupt):
        modelseal.digest(endless, progress=progress)
    started[0].join()
    assert len(counted) == 500


def test_ctrl_c_without_progress(endless):
    # Whenever the signal comes, nothing but its handler ends the digest.
    thread = threading.Thread(target=lambda: (time.sleep(0.3), os.kill(os.getpid(), signal.SIGINT)))
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        modelseal.digest(endless)
    thread.join()


def test_several_digests_at_once(model):
    expected = modelseal.digest(model)
    found = []
    threads = [threading.Thread(target=lambda: found.append(modelseal.digest(model))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks(model, endless):
    expected = modelseal.digest(model)
    begun, stop = threading.Event(), threading.Event()

    def progress(done, total):
        begun.set()
        if stop.is_set():
            raise InterruptedError

    def work():
        with pytest.raises(InterruptedError):
            modelseal.digest(endless, progress=progress)

    busy = threading.Thread(target=work)
    busy.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        same = False
        try:
            same = modelseal.digest(model) == expected
        finally:
            os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    stop.set()
    busy.join()


def test_importing_starts_no_thread_and_little_else():
    import subprocess
    import sys

    code = (
        "import sys, modelseal; import os; "
        "heavy = {'numpy', 'torch', 'dataclasses', 'ctypes', 'json', 'safetensors'} & set(sys.modules); "
        "assert not heavy, heavy; "
        "assert not os.path.isdir('/proc/self/task') or len(os.listdir('/proc/self/task')) == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(modelseal.__all__) <= set(dir(modelseal))
    for name in modelseal.__all__:
        assert getattr(modelseal, name) is not None
    with pytest.raises(AttributeError):
        modelseal.nothing
