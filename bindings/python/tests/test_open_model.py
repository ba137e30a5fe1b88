"""`open_model`: what is given out is what was signed, whatever happens to the files meanwhile."""

import io
import json
import os
import pickle
import random
import threading
import zipfile

import pytest
from conftest import (
    CHANGED,
    flip_a_bit,
    open_again,
    overwrite,
    raw_file,
    sign_and_open,
    sign_flip_and_open,
    ways,
)

import modelseal


def test_what_a_model_says(opened, model):
    assert opened.files == {"config.json": 13, "sub/empty": 0, "weights.bin": 256000}
    assert opened.path == str(model)
    assert opened.report["verdict"] == "allow"
    assert opened.verified.signer.method == "key"
    assert opened.read("config.json") == b'{"layers": 2}'
    assert opened.read("sub/empty") == b""
    with opened.open("config.json") as file:
        assert json.load(file) == {"layers": 2}
    with opened as same:
        assert same is opened
    for call in (opened.read, opened.open, opened.descriptor, opened.safetensors):
        with pytest.raises(ValueError, match="closed"):
            call("config.json")
    with pytest.raises(ValueError, match="closed"):
        opened.__enter__()


def test_only_signed_files_by_their_names(opened):
    for name in ("nothing", "sub", "sub/../config.json", "/etc/passwd", "./config.json", "", "config.json\0"):
        for call in (opened.read, opened.open, opened.descriptor, opened.safetensors):
            with pytest.raises(modelseal.ModelDenied) as denied:
                call(name)
            assert denied.value.code == "integrity.not-signed"
    for call in (opened.read, opened.open):
        with pytest.raises(TypeError):
            call(b"config.json")


def test_a_file_that_nobody_signed_is_refused_at_once(model, keys):
    sign_and_open(model, keys)
    (model / "adapter.bin").write_bytes(b"new")
    with pytest.raises(modelseal.ModelDenied) as denied:
        open_again(model, keys)
    assert denied.value.code == "integrity.file-unsigned"


def test_a_single_file(tmp_path, keys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.gguf").write_bytes(b"weights")
    opened = sign_and_open(tmp_path / "weights.gguf", keys)
    assert opened.read(*opened.files) == b"weights"


@pytest.mark.parametrize("method", ["files", "shards"])
@pytest.mark.parametrize("when", ["before it is opened", "after"])
def test_a_flipped_bit_gives_no_byte(model, keys, method, when):
    if when == "after":
        opened = sign_and_open(model, keys, **ways(method))
        file = opened.open("weights.bin")
        flip_a_bit(model / "weights.bin", 0)
    else:
        opened = sign_flip_and_open(model, keys, "weights.bin", 0, **ways(method))
        file = opened.open("weights.bin")
    raw = raw_file(opened, "weights.bin")
    buffer = bytearray(b"\xaa" * 500)
    for read in (
        lambda: opened.read("weights.bin"),
        lambda: opened.descriptor("weights.bin"),
        lambda: file.read(1),
        lambda: raw.readinto(buffer),
        lambda: raw.read(1),
        lambda: opened.copy_to("copy"),
    ):
        with pytest.raises(modelseal.ModelDenied) as denied:
            read()
        error = denied.value
        assert error.code in CHANGED if when == "after" else error.code == "integrity.digest-mismatch"
        assert error.fix and "weights.bin" in error.message
        if read.__code__.co_names[0] != "copy_to":
            assert error.file == "weights.bin"
            assert error.checks[0]["code"] == error.code
        assert pickle.loads(pickle.dumps(error)).file == error.file
    assert set(buffer) == {0xAA}
    assert not os.path.exists("copy") or os.listdir("copy") == []
    assert opened.read("config.json") == b'{"layers": 2}'


def test_by_shards_the_other_shards_are_good(model, keys):
    opened = sign_flip_and_open(model, keys, "weights.bin", 5500, **ways("shards"))
    expected = bytes(range(256)) * 1000
    raw = raw_file(opened, "weights.bin")
    assert raw.read(3000) == expected[:3000]
    raw.seek(10_000)
    assert raw.read(3000) == expected[10_000:13_000]
    raw.seek(5000)
    with pytest.raises(modelseal.ModelDenied):
        raw.read(1)
    raw.seek(0)
    # Not even what was good before.
    with pytest.raises(modelseal.ModelDenied):
        raw.read(1)


@pytest.mark.parametrize("method", ["files", "shards"])
def test_a_mismatch_poisons_the_file(model, keys, method):
    opened = sign_flip_and_open(model, keys, "weights.bin", 3, **ways(method))
    file = raw_file(opened, "weights.bin")
    with pytest.raises(modelseal.ModelDenied):
        file.read(10)
    flip_a_bit(model / "weights.bin", 3)
    with pytest.raises(modelseal.ModelDenied) as denied:
        file.read(10)
    assert denied.value.code == "integrity.digest-mismatch"
    assert open_again(model, keys).open("weights.bin").read(4) == bytes(range(4))


def test_a_file_that_was_swapped(opened, model):
    other = model.parent / "other"
    other.write_bytes(b"!" * 256000)
    os.replace(other, model / "weights.bin")
    with pytest.raises(modelseal.ModelDenied):
        opened.read("weights.bin")


def test_a_file_that_became_a_link(opened, model):
    same = model.parent / "same"
    same.write_bytes((model / "weights.bin").read_bytes())
    (model / "weights.bin").unlink()
    (model / "weights.bin").symlink_to(same)
    with pytest.raises(modelseal.ModelDenied):
        opened.read("weights.bin")


def test_a_file_that_was_truncated_or_grew(opened, model):
    for size in (255_999, 256_001, 0):
        os.truncate(model / "weights.bin", size)
        with pytest.raises(modelseal.ModelDenied):
            opened.read("weights.bin")
        with pytest.raises(modelseal.ModelDenied):
            opened.open("weights.bin").read()


def test_an_empty_file_is_compared_too(model, keys):
    opened = sign_and_open(model, keys)
    (model / "config.json").write_bytes(b"")
    with pytest.raises(modelseal.ModelDenied):
        opened.read("config.json")
    again = open_again(model, keys)
    for read in (again.read, lambda name: again.open(name).read(), lambda name: raw_file(again, name).read(1)):
        with pytest.raises(modelseal.ModelDenied):
            read("config.json")


def test_what_was_read_stays_whatever_is_written(opened, model):
    expected = bytes(range(256)) * 1000
    data = opened.read("weights.bin")
    file = raw_file(opened, "weights.bin")
    assert file.read() == expected
    overwrite(model / "weights.bin", 0, b"!" * 256000)
    file.seek(0)
    assert file.read() == expected
    assert data == expected


@pytest.mark.parametrize("seed", range(4))
def test_files_are_as_files_are(opened, seed):
    expected = bytes(range(256)) * 1000
    rng = random.Random(seed)
    ours, theirs = opened.open("weights.bin"), io.BytesIO(expected)
    if seed % 2:
        ours = ours.detach()
    for _ in range(2000):
        act = rng.randrange(7)
        if act == 0:
            to = rng.choice([0, 1, 999, 1000, 255_999, 256_000, 256_001, 10**12, rng.randrange(256_000)])
            assert ours.seek(to) == theirs.seek(to)
        elif act == 1:
            by = rng.randrange(-300_000, 1000)
            assert ours.seek(by, 1) == theirs.seek(by, 1)
        elif act == 2:
            by = -rng.randrange(300_000)
            assert ours.seek(by, 2) == theirs.seek(by, 2)
        elif act == 3:
            size = rng.choice([0, 1, 7, 1000, 5000, 200_000, -1])
            assert ours.read(size) == theirs.read(size)
        elif act == 4:
            one, other = bytearray(rng.choice([0, 1, 700, 3000])), None
            other = bytearray(len(one))
            assert ours.readinto(one) == theirs.readinto(other)
            assert one == other
        elif act == 5:
            assert ours.readline(300) == theirs.readline(300)
        else:
            assert ours.tell() == theirs.tell()


def test_files_refuse_what_files_refuse(opened):
    for file in (opened.open("weights.bin"), raw_file(opened, "weights.bin")):
        assert file.readable() and file.seekable() and not file.writable() and not file.isatty()
        assert "weights.bin" in repr(file) and file.name == "weights.bin" and file.mode == "rb"
        with pytest.raises(ValueError):
            file.seek(-1)
        with pytest.raises(ValueError):
            file.seek(0, 9)
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
        with pytest.raises((TypeError, BufferError)):
            file.readinto(b"not writable")
        file.close()
        for call in (file.read, file.tell, file.readable, lambda: file.seek(0), lambda: file.readinto(bytearray(1))):
            with pytest.raises(ValueError, match="closed"):
                call()


def test_other_libraries_read_them(model, keys):
    with zipfile.ZipFile(model / "archive.zip", "w") as archive:
        archive.writestr("a.txt", "text " * 1000)
    opened = sign_and_open(model, keys, **ways("shards"))
    with opened.open("archive.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("a.txt") == b"text " * 1000


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux")
def test_descriptors_are_sealed(opened):
    descriptor = opened.descriptor("weights.bin")
    try:
        assert not os.get_inheritable(descriptor)
        with open(f"/proc/self/fd/{descriptor}", "rb") as file:
            assert file.read() == bytes(range(256)) * 1000
        with pytest.raises(OSError):
            os.write(descriptor, b"x")
        with pytest.raises(OSError):
            os.ftruncate(descriptor, 0)
        with pytest.raises(OSError):
            open(f"/proc/self/fd/{descriptor}", "r+b", buffering=0).write(b"x")
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
    finally:
        os.close(descriptor)


def test_copies(opened, tmp_path):
    opened.copy_to(tmp_path / "copy")
    assert (tmp_path / "copy" / "weights.bin").read_bytes() == bytes(range(256)) * 1000
    assert (tmp_path / "copy" / "sub" / "empty").read_bytes() == b""
    with pytest.raises(modelseal.UsageError) as error:
        opened.copy_to(os.fsencode(tmp_path / "copy"))
    assert error.value.code == "usage.output"


def test_what_progress_raises_cancels_a_read(opened):
    class Enough(Exception):
        pass

    def progress(done, total):
        assert total == 256000
        raise Enough

    for call in (opened.read, opened.descriptor):
        with pytest.raises(Enough):
            call("weights.bin", progress=progress)
    told = []
    opened.read("weights.bin", progress=lambda *both: told.append(both))
    assert (told[0], told[-1]) == ((0, 256000), (256000, 256000))


def test_threads_share_a_model(opened):
    expected = bytes(range(256)) * 1000
    file, wrong = raw_file(opened, "weights.bin"), []

    def work(seed):
        rng = random.Random(seed)
        for _ in range(50):
            at, size = rng.randrange(256_000), rng.randrange(5000)
            if file._file.read_at(at, size) != expected[at : at + size] or opened.read("config.json")[:2] != b'{"':
                wrong.append((at, size))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_more_than_there_is_memory(endless, keys):
    # Signed unread: who would hash it?
    empty = endless.parent / "small"
    empty.mkdir()
    (empty / "weights.bin").write_bytes(b"x")
    modelseal.sign(empty, signature="small.sig", private_key=keys / "own.key", force=True)
    (empty / "weights.bin").unlink()
    (endless / "weights.bin").rename(empty / "weights.bin")
    with modelseal.open_model(empty, signature="small.sig", public_key=keys / "own.pub") as opened:
        for call in (opened.read, opened.descriptor, opened.safetensors, lambda name: opened.open(name).read(1)):
            with pytest.raises(modelseal.ModelsealError) as error:
                call("weights.bin")
            assert error.value.code == "error.memory"
    os.unlink("small.sig")


def test_under_a_policy(model, keys, policy):
    name = {"policy": policy, "policy_unsigned": True, "as_": "hf://huggingface.co/example/toy"}
    with pytest.raises(modelseal.ModelDenied):
        modelseal.open_model(model, **name)
    modelseal.sign(model, private_key=keys / "own.key", signature=model / "model.sig")
    with modelseal.open_model(model, **name) as opened:
        assert opened.report["rule"] == "ours"
        # The signature lies in the model and is no file of it.
        assert set(opened.files) == {"config.json", "sub/empty", "weights.bin"}
        assert opened.read("config.json") == b'{"layers": 2}'
        flip_a_bit(model / "weights.bin", 9)
        with pytest.raises(modelseal.ModelDenied) as denied:
            opened.read("weights.bin")
        assert denied.value.code in CHANGED
    with pytest.raises(modelseal.ModelDenied):
        modelseal.open_model(model, **{**name, "as_": "hf://huggingface.co/somebody/toy"})


def test_what_is_allowed_unverified_is_what_was_measured(model, policy):
    name = {"policy": policy, "policy_unsigned": True, "as_": "hf://huggingface.co/toys/toy"}
    with pytest.raises(modelseal.ModelDenied):
        modelseal.open_model(model, **name)
    with modelseal.open_model(model, accept_unverified=True, **name) as opened:
        assert opened.verified.verdict == "allow-unverified"
        assert opened.read("config.json") == b'{"layers": 2}'
        flip_a_bit(model / "weights.bin", 9)
        with pytest.raises(modelseal.ModelDenied):
            opened.read("weights.bin")


def test_the_signature_is_found_in_the_model_where_there_is_none_here(model, keys):
    modelseal.sign(model, private_key=keys / "own.key", signature=model / "model.sig")
    assert modelseal.verify(model, public_key=keys / "own.pub").verdict == "allow"
    assert modelseal.open_model(str(model), public_key=keys / "own.pub").read("config.json")
    modelseal.sign(model, private_key=keys / "other.key", ignore=model / "model.sig")
    with pytest.raises(modelseal.ModelDenied):
        modelseal.open_model(model, public_key=keys / "own.pub")  # the one in the working directory comes first


def test_remedies_name_arguments(model, keys):
    with pytest.raises(modelseal.ModelDenied) as found:
        modelseal.open_model(model, public_key=keys / "own.pub")
    assert found.value.fix == "name the signature file with signature="
    modelseal.sign(model, private_key=keys / "own.key")
    (model / "--as").write_text("x")
    with pytest.raises(modelseal.ModelDenied) as found:
        modelseal.verify(model, public_key=keys / "own.pub")
    assert "'--as' is not signed" in found.value.message
    assert "ignore=, or look at signed files only with ignore_unsigned_files=True" in found.value.fix


def test_a_remedy_is_given_once():
    error = modelseal.ModelDenied("it is a pipe: remove it, or ignore it", code="usage.file", fix="remove it")
    assert str(error) == "it is a pipe: remove it, or ignore it [usage.file]"


def test_a_file_of_a_model_is_not_the_model(model, keys):
    modelseal.sign(model, private_key=keys / "own.key")
    for ask in (modelseal.open_model, modelseal.verify):
        with pytest.raises(modelseal.ModelDenied) as found:
            ask(model / "config.json", public_key=keys / "own.pub")
        assert found.value.code == "integrity.file-missing" and found.value.checks
        assert "is a single file" in found.value.message and found.value.fix == "give the directory of the model"
