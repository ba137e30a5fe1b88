#!/usr/bin/env bash
# Judges the samples in MODELSEAL_SAMPLES with ours, picklescan, fickling, modelscan and modelaudit, and prints what each
# missed, per family. Exit status 1 when a verdict of ours breaks a promise.
# usage: MODELSEAL_SAMPLES=DIR bench/scoreboard.sh [--peers NAME,..] [--families NAME,..] [--timeout SECONDS] [--json FILE]
# The peers are installed once, each in an environment of its own (about 2.5 GB, most of it TensorFlow for modelscan).
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
samples=${MODELSEAL_SAMPLES:?is not set: it names the directory in which inspection/index.json is}
environments=$("$root/bench/scanners/setup.sh")
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p modelseal-inspect --example verdicts
exec python3 -B "$root/bench/scoreboard.py" --ours "${CARGO_TARGET_DIR:-$root/target}/release/examples/verdicts" \
  --samples "$samples" --environments "$environments" "$@"
