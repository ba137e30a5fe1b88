#!/bin/sh
# Writes the test data again, into a temporary folder, and compares it with what is committed.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
"$here/../tests/setup.sh"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$here/../.venv/bin/python" -B "$here/generate.py" "$fresh"
for part in keys models oms; do
    diff -r "$fresh/$part" "$here/$part" || {
        echo "check.sh: testdata/$part is not what testdata/generate.py writes; run it and commit the result" >&2
        exit 1
    }
done
echo "testdata is what generate.py writes"
