#!/usr/bin/env bash
# Fuzzes every target for SECONDS each (default 20), in a way of its own each time, or that of a SEED:
#     scripts/fuzz.sh [SECONDS [SEED]]
# Needs nightly Rust and cargo-fuzz. Without them it runs the targets over the seeds on stable Rust, and says so.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
seconds=${1:-20}
seed=${2:-0} # 0: another one each time
cd "$root"
python3 -B fuzz/seeds.py

if ! cargo +nightly --version >/dev/null 2>&1 || ! cargo fuzz --version >/dev/null 2>&1; then
    echo "NOT FUZZED: nightly Rust or cargo-fuzz is missing; replaying the seeds on stable Rust instead"
    exec cargo test --release --locked --manifest-path fuzz/Cargo.toml --test seeds
fi

# No address sanitizer: the code under test has no unsafe blocks, and the targets run twice as fast without.
cargo +nightly fuzz build --sanitizer none
failed=()
for target in $(cargo +nightly fuzz list); do
    printf '\n--- fuzz %s, %s s\n' "$target" "$seconds"
    cargo +nightly fuzz run --sanitizer none "$target" -- \
        -max_total_time="$seconds" -seed="$seed" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -verbosity=0 ||
        failed+=("$target")
done
[ ${#failed[@]} = 0 ] || { echo "fuzz targets failed: ${failed[*]}; inputs in fuzz/artifacts" >&2; exit 1; }
