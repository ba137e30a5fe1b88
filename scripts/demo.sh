#!/usr/bin/env bash
# Builds modelseal, makes a small model, signs it, verifies it, and shows a changed copy refused.
# MODELSEAL is a binary to use instead of building one. Writes only to target/ and to a temporary directory.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${MODELSEAL:-}" ]; then
    command -v cargo >/dev/null || { echo "demo.sh: no cargo; install Rust 1.89 or newer (rustup.rs)" >&2; exit 1; }
    cargo build --release --locked --manifest-path "$root/Cargo.toml" -p modelseal-cli
    MODELSEAL=${CARGO_TARGET_DIR:-$root/target}/release/modelseal
fi
MODELSEAL=$(cd -- "$(dirname -- "$MODELSEAL")" && pwd)/$(basename -- "$MODELSEAL")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# step CODE COMMAND...: shows and runs a command, and stops unless it exits with CODE
step() {
    local wanted=$1 got=0
    shift
    printf '\n$ %s\n' "$*"
    "$@" || got=$?
    [ "$wanted" = 0 ] || echo "(exit $got)"
    [ "$got" = "$wanted" ] || { echo "demo.sh: exit $got where $wanted was due" >&2; exit 1; }
}
modelseal() { "$MODELSEAL" "$@"; }

mkdir -p my-model/weights
printf '{"model_type": "demo", "layers": 2}\n' >my-model/config.json
head -c 1000000 /dev/zero >my-model/weights/part-0.bin
head -c 500000 /dev/zero | tr '\0' '\377' >my-model/weights/part-1.bin

step 0 modelseal key generate --no-password --output demo
step 0 modelseal sign key my-model --private-key demo.key --signature my-model.sig
step 0 modelseal verify key my-model --public-key demo.pub --signature my-model.sig
step 0 cp -R my-model tampered
printf '\n$ %s\n' "printf x | dd of=tampered/weights/part-1.bin bs=1 seek=1000 conv=notrunc"
printf x | dd of=tampered/weights/part-1.bin bs=1 seek=1000 conv=notrunc 2>/dev/null
step 1 modelseal verify key tampered --public-key demo.pub --signature my-model.sig
