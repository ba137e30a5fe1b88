"""`enforce` across processes: forked, spawned, and switched on from outside by MODELSEAL_POLICY."""

from __future__ import annotations

import multiprocessing
import os
import site
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import modelseal
import pytest

pytest.importorskip("numpy", reason="numpy is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

from enforcing import Publisher, enforce, flip, write_model, needs_posix, nothing_stays  # noqa: E402, F401
from modelseal._enforce import from_environment  # noqa: E402
from modelseal._hooks import gate  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

pytestmark = needs_posix

switched = pytest.mark.skipif(
    not any(os.path.exists(os.path.join(place, "modelseal.pth")) for place in [*site.getsitepackages(), *sys.path]),
    reason="modelseal.pth is not installed: this is no installed wheel",
)


@pytest.fixture(scope="module")
def publisher(tmp_path_factory):
    return Publisher(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def policy(publisher):
    return publisher.policy()


@pytest.fixture
def model(tmp_path, publisher):
    return publisher.sign(write_model(tmp_path / "model"))


@pytest.fixture
def unsigned(tmp_path):
    return write_model(tmp_path / "unsigned")


def total_or_code(path: Path) -> str:
    try:
        return str(load_file(path)["w"].sum())
    except modelseal.ModelDenied as error:
        return error.code


def load(path: Path) -> object:
    return load_file(path)


def in_fork(work) -> str:
    """What `work` says in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def test_a_forked_child_enforces(model, unsigned, policy):
    with enforce(policy):
        assert total_or_code(model / "model.safetensors") == "45.0"
        assert in_fork(lambda: total_or_code(model / "model.safetensors")) == "45.0"
        assert in_fork(lambda: total_or_code(unsigned / "model.safetensors")) == "signature.missing"
        flip(model / "model.safetensors")
        assert in_fork(lambda: total_or_code(model / "model.safetensors")) == "integrity.digest-mismatch"


def test_a_child_that_is_forked_while_another_thread_decides_does_not_wait_for_it(model, policy):
    """Every lock is held by a thread that the child does not have."""
    with enforce(policy):
        load_file(model / "model.safetensors")
        held, done = threading.Event(), threading.Event()
        (deciding,) = gate._judges.values()
        (entry,) = deciding._entries.values()

        def hold():
            with gate._lock, deciding._lock, entry.lock:
                held.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        try:
            assert in_fork(lambda: total_or_code(model / "model.safetensors")) == "45.0"
        finally:
            done.set()
            holder.join()


def test_workers_of_a_forked_pool_enforce(model, unsigned, policy):
    with enforce(policy), multiprocessing.get_context("fork").Pool(2) as pool:
        paths = [model / "model.safetensors", unsigned / "model.safetensors"] * 4
        assert pool.map(total_or_code, paths) == ["45.0", "signature.missing"] * 4


def test_a_refusal_comes_back_from_a_worker_as_what_it_is(unsigned, policy):
    with enforce(policy), multiprocessing.get_context("fork").Pool(1) as pool:
        with pytest.raises(modelseal.ModelDenied) as found:
            pool.apply(load, (unsigned / "model.safetensors",))
        assert found.value.code == "signature.missing"


def test_what_the_variables_say(model, policy, publisher, tmp_path):
    named = "hf://huggingface.co/acme/minilm"
    only = publisher.policy("only", models=(named,))
    environment = {"MODELSEAL_POLICY": str(only), "MODELSEAL_POLICY_UNSIGNED": "1"}
    with from_environment({**environment, "MODELSEAL_MODELS": f"{named}={model} ; "}):
        assert total_or_code(model / "model.safetensors") == "45.0"
    with from_environment(environment):
        assert total_or_code(model / "model.safetensors") == "policy.no-matching-rule"
    with from_environment({**environment, "MODELSEAL_POLICY": f"{policy}{os.pathsep}{only}"}):
        assert total_or_code(model / "model.safetensors") == "policy.no-matching-rule"
    for broken in ("", str(tmp_path / "none.toml")):
        with from_environment({"MODELSEAL_POLICY": broken}), pytest.raises(modelseal.ModelsealError):
            load_file(model / "model.safetensors")
    with pytest.raises(modelseal.UsageError):
        from_environment({**environment, "MODELSEAL_MODELS": "no reference"})


def run(code: str, policy: object, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with MODELSEAL_POLICY set, which is all that is done to it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELSEAL_")}
    if policy is not None:
        environment.update(MODELSEAL_POLICY=str(policy), MODELSEAL_POLICY_UNSIGNED="1")
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, timeout=120)


LOAD = """
    import sys
    from safetensors.numpy import load_file
    print(load_file(sys.argv[1])["w"].sum())
"""


@switched
def test_the_switch_hooks_what_is_imported_later(model, unsigned, policy):
    assert run(LOAD, policy, model / "model.safetensors").stdout == "45.0\n"
    refusal = run(LOAD, policy, unsigned / "model.safetensors")
    assert refusal.returncode == 1 and "[signature.missing]" in refusal.stderr
    assert run(LOAD, None, unsigned / "model.safetensors").stdout == "45.0\n"


@switched
def test_the_switch_fails_closed(model, tmp_path):
    for policy in (tmp_path / "none.toml", ""):
        refusal = run(LOAD, policy, model / "model.safetensors")
        assert refusal.returncode == 1 and "ModelsealError" not in refusal.stdout
        assert "was refused" in refusal.stderr and "45.0" not in refusal.stdout
    assert run("print('nothing is loaded')", tmp_path / "none.toml").stdout == "nothing is loaded\n"
    broken = run(LOAD, tmp_path / "none.toml", model / "model.safetensors", MODELSEAL_MODELS="no reference")
    assert broken.returncode != 0 and "MODELSEAL_MODELS" in broken.stderr and not broken.stdout


@switched
def test_a_process_whose_hooks_cannot_be_put_in_ends(model, policy, tmp_path):
    (tmp_path / "broken" / "modelseal").mkdir(parents=True)
    (tmp_path / "broken" / "modelseal" / "__init__.py").write_text("raise ImportError('half of it is missing')")
    ended = run("print('goes on')", policy, PYTHONPATH=str(tmp_path / "broken"))
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "half of it is missing" in ended.stderr
    assert run("print('goes on')", None, PYTHONPATH=str(tmp_path / "broken")).stdout == "goes on\n"


@switched
def test_without_the_variable_nothing_is_imported():
    code = "import sys; print([name for name in sys.modules if name.startswith('modelseal')])"
    assert run(code, None).stdout == "[]\n"


@switched
def test_a_spawned_worker_enforces_by_the_switch(model, unsigned, policy, tmp_path):
    script = tmp_path / "spawning.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys

            def load(path):
                from safetensors.numpy import load_file
                try:
                    return str(load_file(path)["w"].sum())
                except Exception as error:
                    return error.code

            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    print(pool.map(load, sys.argv[1:]))
            """
        )
    )
    environment = {**os.environ, "MODELSEAL_POLICY": str(policy), "MODELSEAL_POLICY_UNSIGNED": "1"}
    paths = [str(model / "model.safetensors"), str(unsigned / "model.safetensors")]
    made = subprocess.run(
        [sys.executable, script, *paths], env=environment, capture_output=True, text=True, timeout=120
    )
    assert made.stdout == "['45.0', 'signature.missing']\n", made.stderr


def test_modules_that_are_imported_while_it_is_enforced_are_hooked(model, unsigned, policy):
    code = """
        import sys, modelseal
        assert "safetensors" not in sys.modules
        with modelseal.enforce(sys.argv[1], policy_unsigned=True):
            from safetensors import safe_open
            from safetensors.numpy import load_file
            print(load_file(sys.argv[2])["w"].sum())
            for load in (load_file, lambda path: safe_open(path, framework="np")):
                try:
                    load(sys.argv[3])
                except modelseal.ModelDenied as error:
                    print(error.code)
        print(load_file(sys.argv[3])["w"].sum())
    """
    made = run(code, None, policy, model / "model.safetensors", unsigned / "model.safetensors")
    assert made.stdout == "45.0\nsignature.missing\nsignature.missing\n45.0\n", made.stderr


def test_modules_that_another_importer_finds_first_are_hooked(model, unsigned, policy):
    code = """
        import sys, modelseal
        from importlib.machinery import PathFinder
        enforced = modelseal.enforce(sys.argv[1], policy_unsigned=True).install()
        sys.meta_path.insert(0, PathFinder)
        import safetensors.numpy
        import wave  # any import at all: what was missed is caught up with
        sys.meta_path.remove(PathFinder)
        import colorsys
        try:
            safetensors.numpy.load_file(sys.argv[3])
        except modelseal.ModelDenied as error:
            print(error.code)
    """
    made = run(code, None, policy, model / "model.safetensors", unsigned / "model.safetensors")
    assert made.stdout == "signature.missing\n", made.stderr
