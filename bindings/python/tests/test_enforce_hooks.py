"""`modelseal.enforce`: races that others lose, hooks that come and go, decisions that end."""

from __future__ import annotations

import builtins
import gc
import io
import os
import pickle
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from importlib import import_module, reload

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
    Publisher,
    publisher,
    refused,
    write_model,
)
from modelseal._hooks import gate, judge  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402  (bound before anything is enforced)

safetensors_numpy = import_module("safetensors.numpy")

pytestmark = needs_posix


@pytest.mark.parametrize("how", ["in place", "by a rename", "by a link"])
def test_a_swap_after_the_check_does_nothing(model, policy, tmp_path, monkeypatch, how):
    """The race that verifying first and opening afterwards loses, decided by a hook at its worst moment."""
    evil = write_model(tmp_path / "evil", values=3)
    original = judge.Judge.descriptor

    def swap(self, place):
        number = original(self, place)
        command = {
            "in place": f"cat '{evil}/model.safetensors' > '{model}/model.safetensors'",
            "by a rename": f"cp '{evil}/model.safetensors' '{model}/x' && mv '{model}/x' '{model}/model.safetensors'",
            "by a link": f"ln -sf '{evil}/model.safetensors' '{model}/model.safetensors'",
        }
        subprocess.run(["sh", "-c", command[how]], check=True)
        return number

    with enforce(policy):
        with monkeypatch.context() as patched:
            patched.setattr(judge.Judge, "descriptor", swap)
            opened = safetensors.safe_open(model / "model.safetensors", framework="np")
        assert opened.get_tensor("w").sum() == 45
        with pytest.raises(modelseal.ModelDenied):
            load_file(model / "model.safetensors")
    assert load_file(model / "model.safetensors")["w"].sum() == 3


def test_a_loader_that_keeps_the_file_open_still_has_the_verified_bytes(model, policy):
    with enforce(policy):
        mapped = numpy.load(model / "plain.npy", mmap_mode="r")
        later = open(model / "config.json")
        flip(model / "plain.npy")
        flip(model / "config.json")
        assert mapped.tolist() == [0, 1, 2]
    assert later.read() == '{"model_type": "toy"}'
    later.close()


def test_loading_leaves_no_descriptor_behind(model, policy):
    def descriptors():
        gc.collect()  # what exceptions and their frames hold on to
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here to count descriptors in")
    with enforce(policy):
        load_file(model / "model.safetensors")
        before = descriptors()
        for _ in range(50):
            load_file(model / "model.safetensors")
            (model / "config.json").read_text()
            numpy.load(model / "plain.npy")
            with pytest.raises(modelseal.ModelDenied):
                numpy.load(model / "model.sig", allow_pickle=True)
        assert descriptors() <= before
        assert gate._given == {}


def test_of_several_policies_all_have_to_allow(model, publisher, policy, tmp_path):
    other = Publisher(tmp_path / "other", "other").policy("other")
    inner, outer = enforce(other), enforce(policy)
    path = model / "model.safetensors"
    with outer:
        load_file(path)
        with inner:
            with refused("signature.no-trusted-signer"):
                load_file(path)
            with outer, refused("signature.no-trusted-signer"):
                load_file(path)
        load_file(path)
        with enforce(publisher.policy("second")):
            assert load_file(path)["w"].sum() == 45
    # Removed in the other order.
    outer.install()
    inner.install()
    outer.remove()
    with refused("signature.no-trusted-signer"):
        load_file(path)
    inner.remove()
    assert load_file(path)["w"].sum() == 45
    with pytest.raises(modelseal.UsageError):
        inner.remove()


def test_everything_is_put_back(policy):
    originals = (
        builtins.open,
        io.open,
        safetensors.safe_open,
        safetensors_numpy.load_file,
        numpy.load,
        pickle.load,
        load_file,
    )
    for _ in range(3):
        with enforce(policy), enforce(policy):
            assert builtins.open is not originals[0] and load_file is not originals[-1]
            assert pickle.loads(pickle.dumps(open)) is open
    now = (
        builtins.open,
        io.open,
        safetensors.safe_open,
        safetensors_numpy.load_file,
        numpy.load,
        pickle.load,
        load_file,
    )
    assert all(one is other for one, other in zip(originals, now))
    assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("modelseal")]


def test_somebody_elses_patch_on_top_is_not_lost(model, policy, tmp_path, monkeypatch):
    calls = []
    outside = write_model(tmp_path / "outside") / "model.safetensors"
    before = safetensors_numpy.load_file
    first = enforce(policy).install()
    ours = safetensors_numpy.load_file

    def theirs(*args, **kwargs):
        calls.append(args)
        return ours(*args, **kwargs)

    safetensors_numpy.load_file = theirs
    try:
        first.remove()
        assert safetensors_numpy.load_file is theirs
        assert safetensors_numpy.load_file(outside)["w"].sum() == 45
        with enforce(policy):
            assert safetensors_numpy.load_file(model / "model.safetensors")["w"].sum() == 45
            with refused("signature.missing"):
                safetensors_numpy.load_file(outside)
        assert safetensors_numpy.load_file is theirs and len(calls) == 2
    finally:
        safetensors_numpy.load_file = before


def test_a_reloaded_module_is_hooked_again(model, policy, tmp_path):
    outside = write_model(tmp_path / "outside") / "model.safetensors"
    with enforce(policy):
        for module in (safetensors, safetensors_numpy):
            reload(module)
            with refused("signature.missing"):
                safetensors_numpy.load_file(outside)
            with refused("signature.missing"):
                safetensors.safe_open(outside, framework="np")
            assert safetensors_numpy.load_file(model / "model.safetensors")["w"].sum() == 45
    assert safetensors_numpy.load_file(outside)["w"].sum() == 45
    assert isinstance(safetensors.safe_open, type)


def test_from_many_threads_at_once_a_model_is_decided_about_once(model, policy, monkeypatch):
    decided, results, start = [], [], threading.Barrier(8)
    original = judge.Judge._decide
    monkeypatch.setattr(judge.Judge, "_decide", lambda self, place: decided.append(place) or original(self, place))

    def work():
        start.wait()
        with enforce(policy):
            results.append(load_file(model / "model.safetensors")["w"].sum())

    with enforce(policy):
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [45] * 8
    assert len(decided) == 1


def test_a_decision_that_has_ended_is_made_again(model, publisher, monkeypatch):
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=6)
    with enforce(publisher.policy("short", until=until)):
        assert load_file(model / "model.safetensors")["w"].sum() == 45
        while datetime.now(timezone.utc) < until:
            time.sleep(0.05)
        with refused("policy.expired"):
            load_file(model / "model.safetensors")
        with refused("policy.expired"):
            open(model / "config.json").read()


def test_a_changed_policy_counts_at_once(model, publisher, tmp_path):
    path = publisher.policy("changing")
    with enforce(path):
        load_file(model / "model.safetensors")
        path.write_text(
            path.read_text().replace("file:///**", "file:///nowhere/**").replace("version = 1", "version = 2")
        )
        with refused("policy.no-matching-rule"):
            load_file(model / "model.safetensors")
        path.unlink()
        with pytest.raises(modelseal.ModelsealError):
            load_file(model / "model.safetensors")


def test_a_model_that_was_replaced_by_another_good_one_loads(model, policy, publisher, tmp_path):
    newer = publisher.sign(write_model(tmp_path / "newer", values=3))
    with enforce(policy):
        assert load_file(model / "model.safetensors")["w"].sum() == 45
        subprocess.run(["sh", "-c", f"cp -r '{newer}'/. '{model}'"], check=True)
        assert load_file(model / "model.safetensors")["w"].sum() == 3


def test_two_policies_that_are_shown_different_bytes_allow_nothing(model, publisher, policy, tmp_path, monkeypatch):
    """A writer who has the file changed between the two looks at it, at just the right moments."""
    other = tmp_path / "other bytes"
    other.write_bytes((model / "model.safetensors").read_bytes()[:-1] + b"\x01")
    original, seen = judge.Judge.descriptor, []

    def descriptor(self, place):
        seen.append(self)
        return original(self, place) if len(seen) == 1 else os.open(other, os.O_RDONLY)

    with enforce(policy), enforce(publisher.policy("second")):
        load_file(model / "model.safetensors")
        monkeypatch.setattr(judge.Judge, "descriptor", descriptor)
        with refused("integrity.changed-during-verify"):
            load_file(model / "model.safetensors")
    assert len(seen) == 2
