"""`enforce` at its edges: links that flip, paths out of a model, arrays without `numpy.load`, arguments, remedies."""

from __future__ import annotations

import io
import subprocess
import traceback
import zipfile

import modelseal
import pytest

numpy = pytest.importorskip("numpy", reason="numpy is not installed")
safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")

from enforcing import (  # noqa: E402, F401
    enforce,
    flip,
    model,
    needs_posix,
    nothing_stays,
    policy,
    publisher,
    refused,
    write_model,
)
from modelseal._enforce import from_environment  # noqa: E402
from modelseal._hooks import gate  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

pytestmark = needs_posix


def test_a_link_that_leads_elsewhere_by_the_time_of_opening(model, policy, tmp_path, monkeypatch):
    outside, link = write_model(tmp_path / "outside"), tmp_path / "link"
    link.symlink_to(model)
    original = gate.known

    def known(path, by):
        subprocess.run(["ln", "-sfn", outside, link], check=True)
        return original(path, by)

    with enforce(policy):
        load_file(model / "model.safetensors")
        monkeypatch.setattr(gate, "known", known)
        with refused("integrity.changed-during-verify"):
            open(link / "config.json")


def test_a_subfolder_leads_nowhere_out_of_a_model(model, policy, publisher, tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    for folder in (model, model / "sub", tmp_path / "unsigned"):
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text('{"model_type": "bert", "hidden_size": 64}')
    publisher.sign(model)
    with enforce(policy):
        assert transformers.AutoConfig.from_pretrained(model, subfolder="sub").hidden_size == 64
        with refused("signature.missing"):
            transformers.AutoConfig.from_pretrained(model, subfolder="../unsigned")
        with refused("signature.missing"):
            transformers.AutoConfig.from_pretrained(model, subfolder=str(tmp_path / "unsigned"))


def test_arrays_that_are_read_without_numpy_load(model, policy, publisher, tmp_path):
    outside = write_model(tmp_path / "outside")
    for folder in (model, outside):
        numpy.savez(folder / "objects.npz", a=numpy.array([{"a": 1}], dtype=object))
    publisher.sign(model)
    with enforce(policy):
        for path in (str(model / "objects.npz"), model / "objects.npz"):
            assert numpy.lib.npyio.NpzFile(path, allow_pickle=True)["a"][0] == {"a": 1}
        with numpy.load(model / "objects.npz", allow_pickle=True) as archive:
            assert archive["a"][0] == {"a": 1}
        with open(model / "objects.npy", "rb") as file:
            assert numpy.lib.format.read_array(file, allow_pickle=True)[0] == {"a": 1}
        with refused("signature.missing"):
            numpy.lib.npyio.NpzFile(outside / "objects.npz", allow_pickle=True)
        with open(outside / "objects.npz", "rb") as file, refused("signature.missing"):
            numpy.lib.npyio.NpzFile(file, False, True)
        with open(outside / "objects.npy", "rb") as file, refused("signature.missing"):
            numpy.lib.format.read_array(file, allow_pickle=True)
        with zipfile.ZipFile(outside / "objects.npz") as packed, packed.open("a.npy") as file:
            with refused("signature.missing"):
                numpy.lib.format.read_array(file, allow_pickle=True)
        with open(outside / "plain.npy", "rb") as file:  # no pickles: data
            assert numpy.lib.format.read_array(file).tolist() == [0, 1, 2]
        flip(model / "objects.npz")
        with refused("integrity.digest-mismatch"):
            numpy.lib.npyio.NpzFile(model / "objects.npz", allow_pickle=True)


@pytest.mark.parametrize(
    "arguments, options, said",
    [
        (("policy.toml",), {"polcy": 1}, "no argument 'polcy'"),
        ((5,), {}, "not 5"),
        (("",), {}, "is empty"),
        (("policy.toml",), {"as_": "hf://huggingface.co/acme/toy"}, "models="),
        (("policy.toml",), {"public_key": "own.pub"}, "public_key and policy"),
        ((), {"policy_unsigned": True}, "whom to believe"),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments, options, said):
    with pytest.raises(modelseal.UsageError) as found:
        modelseal.enforce(*arguments, **options)
    assert said in found.value.message and found.value.code == "usage.flags"


def test_a_variable_that_is_set_and_empty_lets_nothing_load(model, policy):
    for value in ("", f"{policy}:", ":"):
        with from_environment({"MODELSEAL_POLICY": value, "MODELSEAL_POLICY_UNSIGNED": "1"}):
            with pytest.raises(modelseal.UsageError, match="MODELSEAL_POLICY is empty, or one of the paths") as found:
                load_file(model / "model.safetensors")
            assert "/MODELSEAL_POLICY" not in str(found.value)
    with from_environment({"MODELSEAL_POLICY": str(policy), "MODELSEAL_POLICY_UNSIGNED": "1"}):
        assert load_file(model / "model.safetensors")["w"].sum() == 45


def test_a_refusal_is_told_once_and_in_terms_of_python(model, policy, publisher, tmp_path):
    others = publisher.policy("others", models=("hf://huggingface.co/others/*",))
    with enforce(others):
        try:
            load_file(model / "model.safetensors")
        except modelseal.ModelDenied as error:
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            assert text.count("Traceback") == 1, text
            assert "models={REFERENCE: PATH}" in str(error) and "--" not in str(error)
    with modelseal.enforce(policy), pytest.raises(modelseal.ModelDenied) as found:
        load_file(model / "model.safetensors")
    assert "policy_unsigned=True (MODELSEAL_POLICY_UNSIGNED=1)" in str(found.value)
    assert "--" not in str(found.value)
