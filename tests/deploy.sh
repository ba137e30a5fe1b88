#!/usr/bin/env bash
# The recipes of deploy/: linted, and run where they can run here. tests/deploy.sh MODELSEAL
# The plugin for vLLM is tested with the wheel of the Python package that MODELSEAL_WHEEL names, or the newest in target/wheels. With
# MODELSEAL_TEST_VLLM, a Python that has vLLM, that package and the plugin installed, vLLM's own code is run, too.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
modelseal=$(realpath -- "$1")
cd "$root"
python=${PYTHON:-python3}
requirements=deploy/requirements-test.txt
venv=.venv/deploy

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "the linters come as programs for Linux on x86-64; skipped here"
    exit 77
fi
if ! "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))'; then
    echo "KServe's storage package needs Python 3.10 to 3.13; skipped here (set PYTHON)"
    exit 77
fi
wheel=${MODELSEAL_WHEEL:-}
if [ -z "$wheel" ]; then
    for built in target/wheels/modelseal-*.whl; do
        if [ -e "$built" ] && { [ -z "$wheel" ] || [ "$built" -nt "$wheel" ]; }; then wheel=$built; fi
    done
fi
wanted=$(cat "$requirements" tests/deploy.sh | cksum)
if [ "$(cat "$venv/.modelseal-tests" 2>/dev/null)" != "$wanted" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps -r "$requirements"
    echo "$wanted" >"$venv/.modelseal-tests"
fi
export PATH=$root/$venv/bin:$PATH

"$venv/bin/python" -B tests/deploy_lint.py
"$venv/bin/python" -B tests/deploy_run.py "$modelseal"

if [ -n "$wheel" ]; then
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps --no-index --force-reinstall "$wheel"
    "$venv/bin/python" -B deploy/vllm/tests/test_modelseal_vllm.py "$modelseal"
else
    echo "no wheel of the Python package: the plugin for vLLM was linted, and not run"
fi
if [ -n "${MODELSEAL_TEST_VLLM:-}" ]; then
    "$MODELSEAL_TEST_VLLM" -B deploy/vllm/tests/test_modelseal_vllm.py "$modelseal"
fi
