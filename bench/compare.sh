#!/usr/bin/env bash
# Times modelseal beside openssl and the reference implementation, in one run on one machine, and prints a table.
# usage: bench/compare.sh [--rounds N] [--scale F] [--json FILE] [--only WORK,..]
#   --scale 0.125 makes the data eight times smaller. Needs about 20 GB of disk and memory for the page cache at scale 1.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/tests/setup.sh" >&2
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p modelseal-cli
exec "$root/.venv/bin/python" "$root/bench/compare.py" --modelseal "$root/target/release/modelseal" \
  --reference "$root/.venv/bin/model_signing" "$@"
