#!/usr/bin/env bash
# The recipes of deploy/: linted, and run where they can run here. tests/deploy.sh MODELSEAL
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
