#!/usr/bin/env bash
# Installs the other scanners, each in an environment of its own, and prints where: bench/scanners/setup.sh [NAME..]
# They are kept in the cache directory; quick when the pins have not changed.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/modelseal-tools/scanners
[ $# -gt 0 ] || set -- picklescan fickling modelscan modelaudit
for name in "$@"; do
    wanted=$(cksum <"$here/$name.txt")
    [ "$(cat "$cache/$name/.modelseal" 2>/dev/null)" = "$wanted" ] && continue
    rm -rf "${cache:?}/$name"
    "${PYTHON:-python3}" -m venv "$cache/$name"
    # --no-deps: the lists are complete, so nothing unpinned can come in.
    "$cache/$name/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps -r "$here/$name.txt" >&2
    echo "$wanted" >"$cache/$name/.modelseal"
done
echo "$cache"
