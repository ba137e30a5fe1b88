"""`sign` and `verify`: keys, passwords, certificates, identities, policies."""

import json
import os
import pathlib

import pytest
from conftest import flip_a_bit, run

import modelseal

TESTDATA = pathlib.Path(__file__).resolve().parents[3] / "testdata"


def test_a_key(model, keys):
    signed = modelseal.sign(model, private_key=keys / "own.key")
    assert signed.signature == "model.sig"
    assert (signed.name, signed.files, signed.bytes) == ("model", 3, 256013)
    assert signed.signer.method == "key"
    assert (signed.root, signed.manifest) == (modelseal.digest(model).root, modelseal.digest(model).manifest)
    verified = modelseal.verify(model, public_key=keys / "own.pub")
    assert (verified.verdict, verified.signer, verified.manifest) == ("allow", signed.signer, signed.manifest)
    assert (verified.files, verified.bytes) == (3, 256013)
    assert str(verified.signer).startswith("Ed25519 key ")
    by_command = run("verify", "key", model, "--public-key", keys / "own.pub", "--format", "json")
    said, found = json.loads(by_command.stdout), dict(verified.report)
    del said["now"], found["now"], said["model"], found["model"]
    assert found == said


def test_keys_as_bytes(model, keys):
    modelseal.sign(model, private_key=(keys / "own.key").read_bytes(), signature=model / "in.sig")
    found = modelseal.verify(model, public_key=(keys / "own.pub").read_bytes(), signature=model / "in.sig")
    assert found.files == 3


def test_a_changed_model_is_denied(model, keys):
    modelseal.sign(model, private_key=keys / "own.key")
    flip_a_bit(model / "weights.bin", 77)
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, public_key=keys / "own.pub")
    error = denied.value
    assert error.code == "integrity.digest-mismatch"
    assert [check["id"] for check in error.checks] == ["bundle", "signature", "statement", "integrity"]
    assert error.checks[-1]["status"] == "fail"
    assert error.fix in str(error) and error.code in str(error) and "weights.bin" in error.message
    assert error.report["differences"]["changed"][0]["path"] == "weights.bin"


def test_another_key_is_denied_and_names_what_to_do(model, keys):
    modelseal.sign(model, private_key=keys / "own.key")
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, public_key=keys / "other.pub")
    assert denied.value.code == "signature.no-trusted-signer"
    assert denied.value.fix
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, identity="alice@example.com", identity_provider="https://accounts.google.com")
    assert denied.value.code == "signature.method-mismatch"


def test_no_signature(model, keys):
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, public_key=keys / "own.pub")
    assert denied.value.code == "signature.missing"


def test_another_signature_is_replaced_only_by_force(model, keys):
    modelseal.sign(model, private_key=keys / "own.key")
    (model / "more").write_text("more")
    with pytest.raises(modelseal.UsageError) as error:
        modelseal.sign(model, private_key=keys / "own.key")
    assert error.value.code == "usage.output"
    modelseal.sign(model, private_key=keys / "own.key", force=True)
    assert modelseal.verify(model, public_key=keys / "own.pub").files == 4


def test_what_was_signed_says_how_to_measure(model, keys):
    modelseal.sign(model, private_key=keys / "own.key", method="shards", shard_size=99, hash="blake3", ignore="model/sub")
    verified = modelseal.verify(model, public_key=keys / "own.pub")
    assert verified.report["signed"]["serialization"]["shard-size"] == 99
    assert verified.files == 2


@pytest.mark.parametrize("password", ["open sesame", b"open sesame", lambda: "open sesame", lambda: b"open sesame"])
def test_passwords(model, keys, password):
    modelseal.sign(model, private_key=keys / "locked.key", password=password)
    assert modelseal.verify(model, public_key=keys / "locked.pub").verdict == "allow"


@pytest.mark.parametrize("password", [None, "wrong", "", b"", lambda: None])
def test_wrong_passwords(model, keys, password):
    with pytest.raises(modelseal.UsageError) as error:
        modelseal.sign(model, private_key=keys / "locked.key", password=password)
    assert error.value.code == "usage.password"
    assert not pathlib.Path("model.sig").exists()


def test_a_password_is_asked_for_when_it_is_needed_only(model, keys):
    def never():
        raise AssertionError("asked")

    modelseal.sign(model, private_key=keys / "own.key", password=never)

    class Closed(Exception):
        pass

    def closed():
        raise Closed

    with pytest.raises(Closed):
        modelseal.sign(model, private_key=keys / "locked.key", password=closed, force=True)
    with pytest.raises(TypeError):
        modelseal.sign(model, private_key=keys / "locked.key", password=5, force=True)


def test_certificates(model):
    pki = TESTDATA / "keys" / "pki"
    leaf, root = pki / "leaf-p256.pem", pki / "root.pem"
    signed = modelseal.sign(
        model,
        private_key=pki / "leaf-p256.key.pem",
        signing_certificate=leaf,
        certificate_chain=[pki / "int.pem"],
    )
    assert signed.signer.method == "certificate"
    verified = modelseal.verify(model, certificates=root, certificate_identity=signed.signer.identity)
    assert verified.signer == signed.signer
    assert modelseal.verify(model, certificates=[root.read_bytes()]).verdict == "allow"
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, certificates=root, certificate_identity="CN=Somebody Else")
    assert denied.value.code == "identity.subject-mismatch"


def test_an_identity(tmp_path):
    bundles = TESTDATA / "sigstore"
    told = {
        "signature": bundles / "keyless-v2.json",
        "identity_provider": (bundles / "issuer").read_text().strip(),
        "trusted_root": bundles / "trusted_root.json",
    }
    # They sign another model than any that is here: the signer is verified, and then the model is denied.
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(TESTDATA / "models" / "small", identity="dev@example.com", **told)
    assert denied.value.report["signer"]["identity"]["value"] == "dev@example.com"
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(TESTDATA / "models" / "small", identity="eve@example.com", **told)
    assert denied.value.code == "identity.subject-mismatch"


@pytest.mark.parametrize(
    "said, code",
    [
        ({"private_key": "nothing.key"}, "usage.file"),
        ({"private_key": b"no key"}, "usage.private-key"),
        ({"identity_token": "no token"}, "usage.identity-token"),
        ({}, "usage.flags"),
        ({"private_key": b"x", "identity_token": "y"}, "usage.flags"),
        ({"identity_token": "y", "ambient": True}, "usage.flags"),
        ({"ambient": True, "password": "p"}, "usage.flags"),
        ({"private_key": b"x", "certificate_chain": b"c"}, "usage.flags"),
        ({"private_key": b"x", "staging": True}, "usage.flags"),
        ({"ambient": True, "staging": True, "trust_config": b"{}"}, "usage.flags"),
        ({"ambient": True, "trust_config": b"{}"}, "usage.trust-config"),
    ],
)
def test_who_signs_must_be_clear(model, said, code):
    with pytest.raises(modelseal.UsageError) as error:
        modelseal.sign(model, **said)
    assert error.value.code == code


@pytest.mark.parametrize(
    "said, code",
    [
        ({}, "usage.flags"),
        ({"public_key": b"x", "policy": "p"}, "usage.flags"),
        ({"public_key": b"x"}, "usage.public-key"),
        ({"public_key": "nothing.pub"}, "usage.file"),
        ({"certificates": b"x"}, "usage.certificate"),
        ({"identity": "alice"}, "usage.flags"),
        ({"identity": "", "identity_provider": "i"}, "usage.identity"),
        ({"identity": "a", "identity_provider": ""}, "usage.identity"),
        ({"identity": "a", "identity_pattern": "b", "identity_provider": "i"}, "usage.flags"),
        ({"identity_pattern": "(", "identity_provider": "i"}, "usage.identity"),
        ({"public_key": b"x", "as_": "hf://huggingface.co/a/b"}, "usage.flags"),
        ({"public_key": b"x", "identity_provider": "i"}, "usage.flags"),
        ({"public_key": b"x", "certificate_identity": "i"}, "usage.flags"),
        ({"public_key": b"x", "require_log": True}, "usage.flags"),
        ({"public_key": b"x", "accept_unverified": True}, "usage.flags"),
        ({"policy": "p", "signature": "s"}, "usage.flags"),
        ({"policy": "p", "ignore": "s"}, "usage.flags"),
        ({"policy": "p", "ignore_git_paths": False}, "usage.flags"),
    ],
)
def test_whom_to_believe_must_be_clear(model, keys, said, code):
    modelseal.sign(model, private_key=keys / "own.key")
    for judge in (modelseal.verify, modelseal.open_model):
        with pytest.raises(modelseal.UsageError) as error:
            judge(model, **said)
        assert error.value.code == code


def test_policies(model, keys, policy, tmp_path):
    modelseal.sign(model, private_key=keys / "own.key", signature=model / "model.sig")
    name = {"as_": "hf://huggingface.co/example/toy", "policy_unsigned": True, "state": tmp_path / "state"}
    verified = modelseal.verify(model, policy=policy, **name)
    assert (verified.verdict, verified.signer, verified.report["rule"]) == ("allow", None, "ours")
    assert verified.manifest == modelseal.digest(model, ignore=model / "model.sig").manifest
    assert modelseal.verify(model, policy=[policy], **name).verdict == "allow"
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, policy=policy, **{**name, "as_": "hf://huggingface.co/somebody/toy"})
    assert denied.value.code == "policy.no-matching-rule"
    flip_a_bit(model / "weights.bin", 0)
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, policy=policy, **name)
    assert denied.value.code == "integrity.digest-mismatch"
    assert all({"id", "status"} <= set(check) for check in denied.value.checks)


def test_policies_that_cannot_be_used(model, policy):
    with pytest.raises(modelseal.ModelsealError) as error:
        modelseal.verify(model, policy=policy)
    assert error.value.code == "policy.signature-missing"
    policy.write_text("nonsense")
    with pytest.raises(modelseal.UsageError) as error:
        modelseal.verify(model, policy=policy, policy_unsigned=True)
    assert error.value.code == "policy.invalid"


def test_what_is_allowed_unverified_needs_a_word(model, policy):
    name = {"as_": "hf://huggingface.co/toys/toy", "policy": policy, "policy_unsigned": True}
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, **name)
    assert denied.value.code == "signature.missing"
    assert "accept_unverified" in denied.value.fix
    assert modelseal.verify(model, accept_unverified=True, **name).verdict == "allow-unverified"


def test_what_is_not_read_cannot_be_printed_wrong(model, keys):
    (model / "evil\x1b[31m").write_text("x")
    modelseal.sign(model, private_key=keys / "own.key")
    os.unlink(model / "evil\x1b[31m")
    with pytest.raises(modelseal.ModelDenied) as denied:
        modelseal.verify(model, public_key=keys / "own.pub")
    assert "\x1b" not in str(denied.value)
