#!/usr/bin/env bash
# Writes the JSON Schemas of `--format json` into docs/schemas; with --check, compares instead.
# MODELSEAL is the binary (default target/debug/modelseal).
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
modelseal=${MODELSEAL:-${CARGO_TARGET_DIR:-$root/target}/debug/modelseal}
into=$root/docs/schemas
if [ "${1:-}" = --check ]; then
    into=$(mktemp -d)
    trap 'rm -rf "$into"' EXIT
fi
mkdir -p "$into"
for name in result signature digest part key bundle trust error statement lint explain policy-test policy-diff \
    policy-signature policy-verification import affected store attestation run-record provenance lineage inspection rule exec; do
    "$modelseal" schema "$name" >"$into/modelseal.$name.v1.schema.json"
done
if [ "${1:-}" = --check ]; then
    diff -r "$root/docs/schemas" "$into" || {
        echo "docs/schemas is not what 'modelseal schema' prints; run scripts/schemas.sh and commit the result" >&2
        exit 1
    }
    echo "docs/schemas is what 'modelseal schema' prints"
fi
