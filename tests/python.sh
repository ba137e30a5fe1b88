#!/usr/bin/env bash
# The Python package: builds the wheel, installs it alone in a clean environment, and runs there what README says and the
# program; then installs what the tests need and runs them and the examples of the documentation. PYTHON is the
# interpreter (default python3, 3.9 or newer). Compiles in the development profile: tests need no speed.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
package=$root/bindings/python
python=${PYTHON:-python3}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target} PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
maturin=1.16.0
tools=${MODELSEAL_CI_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/modelseal-tools}/maturin-$maturin

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || {
    echo "python.sh: $python is older than Python 3.9; set PYTHON to a newer one" >&2
    exit 1
}
if ! "$tools/bin/maturin" --version 2>/dev/null | grep -qF "$maturin"; then
    rm -rf "$tools"
    "$python" -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --no-deps "maturin==$maturin"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# It is kept: other tests install it, too.
wheels=$CARGO_TARGET_DIR/wheels
rm -rf "$wheels"
# What is not in the repository must not get into the wheel, and building must leave nothing behind.
before=$(git -C "$root" status --porcelain --ignored -- bindings)
(cd "$package" && "$tools/bin/maturin" build --profile dev --locked --quiet --interpreter "$python" --out "$wheels")
after=$(git -C "$root" status --porcelain --ignored -- bindings)
[ "$before" = "$after" ] || { echo "python.sh: building left something behind: $after" >&2; exit 1; }
wheel=$(echo "$wheels"/modelseal-*-cp39-abi3-*.whl)
[ -f "$wheel" ] || { echo "python.sh: no wheel for the stable interface of Python 3.9 was built" >&2; exit 1; }
ls -l "$wheel" | sed "s|$wheels/||"

"$python" -m venv "$scratch/venv"
clean=$scratch/venv/bin
# No index: the wheel needs nothing.
"$clean/python" -m pip install --quiet --no-index "$wheel"
echo "ok   installed alone"
[ "$("$clean/modelseal" --version)" = "$("${MODELSEAL:-$CARGO_TARGET_DIR/debug/modelseal}" --version)" ]
"$clean/python" -m modelseal --help >/dev/null
echo "ok   the program"
"$clean/python" "$root/tests/python_docs.py" "$root/README.md"
"$clean/python" "$root/tests/python_docs.py" "$package/README.md"

"$clean/python" -m pip install --quiet --no-deps -r "$package/requirements-test.txt" -r "$package/requirements-enforce.txt"
"$clean/python" -m pip check
"$clean/python" "$root/tests/python_docs.py" "$root/docs/python.md"
"$clean/python" "$root/tests/python_docs.py" "$root/docs/enforce.md"
cd "$package"
"$clean/python" -m pytest --quiet
