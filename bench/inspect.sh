#!/usr/bin/env bash
# Times inspection: large models beside hashing them, many small pickles beside the fastest other scanner, opcodes, and the
# time and peak memory of inputs that are made to take both. Exit status 1 when a bound is broken.
# usage: bench/inspect.sh [--rounds N] [--scale F] [--only WORK,..] [--directory DIR]
#   --scale 0.125 makes the large models eight times smaller. Needs about 4 GB of disk at scale 1.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
environments=$("$root/bench/scanners/setup.sh" picklescan)
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p modelseal-cli
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p modelseal-inspect --example verdicts
release=${CARGO_TARGET_DIR:-$root/target}/release
exec python3 -B "$root/bench/inspection_cost.py" --modelseal "$release/modelseal" --verdicts "$release/examples/verdicts" \
  --picklescan "$environments/picklescan/bin/picklescan" "$@"
