#!/usr/bin/env bash
# Times an attestation store of 1,000 to 100,000 really signed bundles and prints a table: building the index, opening the
# store again, asking it.
# usage: bench/lineage.sh [--dir DIR] [COUNT..]
#   DIR is where the stores are generated (about 1 GB for 100,000 bundles); a temporary directory unless given.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
arguments=("$@")
[[ " $* " =~ \ [0-9]+\  ]] || arguments+=(1000 10000 100000)
exec cargo bench --quiet -p modelseal --bench lineage -- "${arguments[@]}"
