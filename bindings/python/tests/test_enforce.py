"""`modelseal.enforce`: what loads, what is refused, and what loaders are given."""

from __future__ import annotations

import ctypes
import io
import os
import pickle
import subprocess
import sys
from importlib import import_module

import modelseal
import pytest

numpy = pytest.importorskip("numpy", reason="numpy is not installed")
safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")

from enforcing import (  # noqa: E402, F401
    enforce,
    flip,
    flipped,
    model,
    needs_posix,
    nothing_stays,
    policy,
    Publisher,
    publisher,
    refused,
    write_model,
)
# Bound before anything is enforced.
from safetensors import safe_open  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

pytestmark = needs_posix


def test_a_signed_model_loads_as_it_does_without(model, policy):
    before = load_file(model / "model.safetensors")["w"]
    with enforce(policy):
        assert numpy.array_equal(load_file(model / "model.safetensors")["w"], before)
        assert numpy.array_equal(
            import_module("safetensors.numpy").load_file(str(model / "model.safetensors"))["w"], before
        )
        with safetensors.safe_open(model / "model.safetensors", framework="np") as opened:
            assert numpy.array_equal(opened.get_tensor("w"), before)
        with safetensors.safe_open(filename=str(model / "model.safetensors"), framework="np") as opened:
            assert list(opened.keys()) == ["w"]


def test_a_file_of_no_signed_model_is_refused(tmp_path, policy):
    unsigned = write_model(tmp_path / "unsigned")
    with enforce(policy):
        with refused("signature.missing"):
            load_file(unsigned / "model.safetensors")
        with refused("signature.missing"):
            safetensors.safe_open(str(unsigned / "model.safetensors"), framework="np")
        with refused("signature.missing"):
            safe_open(str(unsigned / "model.safetensors"), framework="np")
        with pytest.raises(FileNotFoundError):
            load_file(tmp_path / "nothing.safetensors")
    assert load_file(unsigned / "model.safetensors")["w"].sum() == 45


def test_somebody_elses_signature_is_none(tmp_path, model, policy):
    Publisher(tmp_path / "other", "other").sign(model)
    with enforce(policy), refused("signature.no-trusted-signer"):
        load_file(model / "model.safetensors")


@pytest.mark.parametrize("name", ["config.json", "sub/vocab.txt", "model.safetensors", "plain.npy", "objects.npy"])
def test_a_flipped_bit_anywhere_refuses_the_whole_model(model, policy, name):
    with flipped(model / name), enforce(policy), refused("integrity.digest-mismatch"):
        load_file(model / "model.safetensors")


def test_compared_when_read_a_flipped_bit_refuses_its_own_file(model, policy):
    with flipped(model / "config.json"), enforce(policy, check="read"):
        assert load_file(model / "model.safetensors")["w"].sum() == 45
        with refused("integrity.digest-mismatch"):
            open(model / "config.json").read()


@pytest.mark.parametrize("added", ["adapter_model.safetensors", "modeling_x.py", "sub/more.json"])
def test_a_file_that_nobody_signed_is_refused(model, policy, added):
    def add():
        subprocess.run(["cp", model / "model.safetensors", model / added], check=True)

    with enforce(policy):
        load_file(model / "model.safetensors")
        add()
        # The model is known by now, and what was added is not of it.
        with pytest.raises(modelseal.ModelDenied) as found:
            open(model / added, "rb").read()
        assert found.value.code.startswith("integrity."), found.value
        with pytest.raises(modelseal.ModelDenied):
            load_file(model / added)
    with enforce(policy), refused("integrity.file-unsigned"):
        load_file(model / "model.safetensors")


def test_what_is_read_by_open_was_verified(model, policy):
    with enforce(policy):
        assert (model / "config.json").read_text() == '{"model_type": "toy"}'
        load_file(model / "model.safetensors")
        assert (model / "config.json").read_text() == '{"model_type": "toy"}'
        with open(model / "config.json", encoding="utf-8") as opened:
            assert opened.name == str(model / "config.json") and opened.encoding == "utf-8"
        flip(model / "sub/vocab.txt")
        for read in (
            lambda path: open(path).read(),
            lambda path: io.open(path, "rb").read(),
            lambda path: path.read_text(),
            lambda path: numpy.fromfile(path),
            lambda path: numpy.memmap(path, mode="r"),
        ):
            with refused("integrity.digest-mismatch"):
                read(model / "sub/vocab.txt")
        with pytest.raises(FileNotFoundError):
            open(model / "none.json")
        with pytest.raises(IsADirectoryError):
            open(model / "sub")
        with refused("error.unsupported"):
            open(model / "config.json", "r+")


def test_what_python_opens_by_another_way_is_refused(model, policy):
    with enforce(policy):
        load_file(model / "model.safetensors")
        with refused("error.unsupported"):
            os.open(model / "config.json", os.O_RDONLY)
        with refused("error.unsupported"):
            ctypes.CDLL(str(model / "model.safetensors"))
    os.close(os.open(model / "config.json", os.O_RDONLY))


def test_code_of_a_model_is_imported_when_it_is_signed(model, policy, publisher, monkeypatch):
    monkeypatch.syspath_prepend(model)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (model / "signed_module.py").write_text("ran = True")
    publisher.sign(model)
    with enforce(policy, check="read"):
        load_file(model / "model.safetensors")
        assert import_module("signed_module").ran
        (model / "added_module.py").write_text("ran = True")
        with pytest.raises(modelseal.ModelDenied):
            import_module("added_module")
        flip(model / "signed_module.py")
        del sys.modules["signed_module"]
        with pytest.raises(modelseal.ModelDenied):
            import_module("signed_module")


def test_an_object_of_open_model_is_taken(model, policy):
    with enforce(policy):
        opened = modelseal.open_model(model, policy=policy, policy_unsigned=True).open("objects.npy")
        assert numpy.load(opened, allow_pickle=True)[0] == {"a": 1}


def test_evidence_and_writing_are_let_through(model, policy, tmp_path):
    with enforce(policy):
        load_file(model / "model.safetensors")
        assert b"payload" in (model / "model.sig").read_bytes()
        (model / "new.txt").write_text("written")
        (tmp_path / "elsewhere.txt").write_text("written")
        assert (tmp_path / "elsewhere.txt").read_text() == "written"


def test_arrays_and_pickles(model, policy, tmp_path):
    numpy.save(tmp_path / "data.npy", numpy.arange(3))
    numpy.save(tmp_path / "objects.npy", numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    numpy.savez(tmp_path / "data.npz", a=numpy.arange(3))
    with enforce(policy):
        assert numpy.load(model / "objects.npy", allow_pickle=True)[0] == {"a": 1}
        assert numpy.load(model / "plain.npy", mmap_mode="r").tolist() == [0, 1, 2]
        with open(model / "objects.npy", "rb") as opened:
            assert numpy.load(opened, allow_pickle=True)[0] == {"a": 1}
        # Data, which runs nothing.
        assert numpy.load(tmp_path / "data.npy").tolist() == [0, 1, 2]
        assert numpy.load(tmp_path / "data.npz")["a"].tolist() == [0, 1, 2]
        with refused("signature.missing"):
            numpy.load(tmp_path / "objects.npy", allow_pickle=True)
        with open(tmp_path / "objects.npy", "rb") as opened, refused("signature.missing"):
            numpy.load(opened, allow_pickle=True)
        with refused("signature.missing"):
            numpy.load(io.BytesIO((tmp_path / "objects.npy").read_bytes()), allow_pickle=True)
        flip(model / "plain.npy")
        with refused("integrity.digest-mismatch"):
            numpy.load(model / "plain.npy")
    flip(model / "plain.npy")
    with enforce(policy, allow_objects=True):
        data = io.BytesIO((tmp_path / "objects.npy").read_bytes())
        assert numpy.load(data, allow_pickle=True)[0] == {"a": 1}


def test_a_file_object_that_was_opened_before_is_read_again_and_verified(model, policy, publisher):
    (model / "head.pkl").write_bytes(b"skip" + pickle.dumps({"a": 1}))
    publisher.sign(model)
    with open(model / "head.pkl", "rb") as before:
        before.seek(4)
        with enforce(policy):
            assert pickle.load(before) == {"a": 1}
            flip(model / "head.pkl")
            before.seek(4)
            with refused("integrity.digest-mismatch"):
                pickle.load(before)


def test_joblib(model, policy, publisher, tmp_path):
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    joblib.dump({"w": numpy.arange(2000.0)}, model / "w.joblib")
    joblib.dump([1], tmp_path / "outside.joblib")
    publisher.sign(model)
    memory = joblib.Memory(tmp_path / "cache", verbose=0)
    with enforce(policy):
        assert joblib.load(model / "w.joblib")["w"].sum() == 1999000
        assert joblib.load(str(model / "w.joblib"), mmap_mode="r")["w"].sum() == 1999000
        with open(model / "w.joblib", "rb") as opened:
            assert joblib.load(opened)["w"].sum() == 1999000
        with refused("signature.missing"):
            joblib.load(tmp_path / "outside.joblib")
        cached = memory.cache(len)
        assert [cached("abc"), cached("abc")] == [3, 3]
        flip(model / "w.joblib")
        with refused("integrity.digest-mismatch"):
            joblib.load(model / "w.joblib")


def test_tokenizers(model, policy, publisher):
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    made.save(str(model / "tokenizer.json"))
    publisher.sign(model)
    with enforce(policy):
        assert tokenizers.Tokenizer.from_file(str(model / "tokenizer.json")).get_vocab_size() == 2
        flip(model / "tokenizer.json")
        with refused("integrity.digest-mismatch"):
            tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))


def test_a_path_of_a_descriptor_is_of_the_file_behind_it(model, policy, tmp_path):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    unsigned = write_model(tmp_path / "unsigned") / "model.safetensors"
    numbers = [os.open(path, os.O_RDONLY) for path in (unsigned, model / "model.safetensors")]
    outside, inside = (f"/proc/self/fd/{number}" for number in numbers)
    with enforce(policy):
        assert load_file(inside)["w"].sum() == 45
        with refused("signature.missing"):
            load_file(outside)
        with refused("signature.missing"):
            load_file(outside.replace("self", str(os.getpid())))
        flip(model / "model.safetensors")
        with refused("integrity.digest-mismatch"):
            load_file(inside)
    for number in numbers:
        os.close(number)


def test_links_and_dots_lead_to_the_same_model(model, policy, tmp_path, monkeypatch):
    (tmp_path / "alias").symlink_to(model)
    (tmp_path / "file.safetensors").symlink_to(model / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    with enforce(policy):
        for path in (
            "alias/model.safetensors",
            "model/sub/../model.safetensors",
            "file.safetensors",
            "./model//model.safetensors",
        ):
            assert load_file(path)["w"].sum() == 45, path
        number = os.open(tmp_path, os.O_RDONLY)
        assert load_file(f"/proc/self/fd/{number}/model/model.safetensors")["w"].sum() == 45
        os.close(number)
        flip(model / "model.safetensors")
        for path in ("alias/model.safetensors", "model/sub/../model.safetensors", "file.safetensors"):
            with refused("integrity.digest-mismatch"):
                load_file(path)
            with refused("integrity.digest-mismatch"):
                open(path, "rb").read()


@pytest.mark.parametrize("linked", ["model.safetensors", "sub"])
def test_another_models_signed_file_is_not_this_models(model, policy, publisher, tmp_path, linked):
    other = write_model(tmp_path / "other", values=3)
    (other / "sub" / "more.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    publisher.sign(other)
    subprocess.run(["sh", "-c", f"rm -r '{model}/{linked}' && ln -s '{other}/{linked}' '{model}/{linked}'"], check=True)
    wanted = model / ("sub/more.safetensors" if linked == "sub" else linked)
    with enforce(policy):
        for _ in range(2):
            with pytest.raises(modelseal.ModelDenied):
                load_file(wanted)
        assert load_file(other / "model.safetensors")["w"].sum() == 3


def test_a_folder_of_a_known_model_that_becomes_a_link_leads_nowhere_else(model, policy, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "vocab.txt").write_text("evil")
    with enforce(policy):
        load_file(model / "model.safetensors")
        assert open(model / "sub/vocab.txt").read() == "a\nb\n"
        subprocess.run(["sh", "-c", f"rm -r '{model}/sub' && ln -s '{elsewhere}' '{model}/sub'"], check=True)
        with pytest.raises(modelseal.ModelDenied):
            open(model / "sub/vocab.txt").read()


def test_the_name_that_is_asked_for_is_what_the_policy_judges(model, publisher):
    only_acme = publisher.policy("acme", models=("hf://huggingface.co/acme/minilm",))
    with enforce(only_acme), refused("policy.no-matching-rule"):
        load_file(model / "model.safetensors")
    with enforce(only_acme, models={"hf://huggingface.co/acme/minilm": model}):
        assert load_file(model / "model.safetensors")["w"].sum() == 45
    with enforce(only_acme, models={"hf://huggingface.co/acme/other": model}), refused("policy.no-matching-rule"):
        load_file(model / "model.safetensors")


def test_a_program_that_fetches_models_names_them(model, publisher):
    asked, other = "hf://huggingface.co/acme/minilm", "hf://huggingface.co/acme/other"
    only_acme = publisher.policy("acme", models=(asked,))
    modelseal.name_model(model, other)  # nobody listens
    with enforce(only_acme):
        modelseal.name_model(model, asked)
        assert load_file(model / "model.safetensors")["w"].sum() == 45
    with enforce(only_acme, models={other: model}):
        modelseal.name_model(model, asked)
        with refused("policy.no-matching-rule"):
            load_file(model / "model.safetensors")


def test_a_single_file_is_a_model_of_its_own(tmp_path, publisher, policy):
    folder = write_model(tmp_path / "files")
    publisher.sign(folder / "model.safetensors")
    with enforce(policy):
        assert load_file(folder / "model.safetensors")["w"].sum() == 45
        with pytest.raises(modelseal.ModelDenied):
            numpy.load(folder / "objects.npy", allow_pickle=True)
    named = "hf://huggingface.co/acme/one"
    with enforce(publisher.policy("one", models=(named,)), models={named: folder / "model.safetensors"}):
        assert load_file(folder / "model.safetensors")["w"].sum() == 45


def test_with_a_key_instead_of_a_policy(model, publisher, tmp_path):
    with modelseal.enforce(public_key=publisher._directory / "release.pub"):
        assert load_file(model / "model.safetensors")["w"].sum() == 45
        flip(model / "model.safetensors")
        with refused("integrity.digest-mismatch"):
            load_file(model / "model.safetensors")
    with pytest.raises(modelseal.UsageError):
        modelseal.enforce()
    with pytest.raises(modelseal.UsageError):
        modelseal.enforce("policy.toml", check="some")


def test_a_policy_that_cannot_be_read_lets_nothing_load(model, tmp_path):
    (tmp_path / "broken.toml").write_text("schema = ")
    for path in (tmp_path / "none.toml", tmp_path / "broken.toml"):
        with enforce(path), pytest.raises(modelseal.ModelsealError):
            load_file(model / "model.safetensors")


def test_of_what_is_in_a_name_nothing_reaches_a_terminal(tmp_path, policy):
    odd = write_model(tmp_path / "odd\x1b[31m\n") / "model.safetensors"
    with enforce(policy), pytest.raises(modelseal.ModelDenied) as found:
        load_file(odd)
    assert str(found.value).isprintable()


def test_torch(model, policy, publisher, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.save({"w": torch.arange(4.0)}, model / "w.pt")
    torch.save({"w": torch.arange(4.0)}, tmp_path / "outside.pt")
    publisher.sign(model)
    with enforce(policy):
        for options in ({}, {"mmap": True}, {"weights_only": False}):
            assert torch.load(model / "w.pt", **options)["w"].sum() == 6
        with open(model / "w.pt", "rb") as opened:
            assert torch.load(opened)["w"].sum() == 6
        with refused("signature.missing"):
            torch.load(tmp_path / "outside.pt")
        with refused("signature.missing"):
            torch.load(io.BytesIO((tmp_path / "outside.pt").read_bytes()))
        flip(model / "w.pt")
        with refused("integrity.digest-mismatch"):
            torch.load(model / "w.pt")
