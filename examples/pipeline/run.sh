#!/usr/bin/env bash
# Trains a small base model, fine-tunes it, converts it, and records each step; then verifies the lineage of the result, and
# shows what is said when the base model is swapped.
#   examples/pipeline/run.sh [DIRECTORY]
# DIRECTORY (new; a temporary one unless given) keeps what is made. MODELSEAL is the program (default: on the PATH), PYTHON an
# interpreter with NumPy; without one an environment is made in the directory.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
modelseal=$(command -v "${MODELSEAL:-modelseal}") || {
    echo "run.sh: no modelseal; install it, or set MODELSEAL" >&2
    exit 1
}
modelseal=$(cd -- "$(dirname -- "$modelseal")" && pwd)/$(basename -- "$modelseal")
if [ $# -gt 0 ]; then
    mkdir -- "$1"
    work=$(cd -- "$1" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
python=${PYTHON:-python3}
if ! "$python" -c 'import numpy' 2>/dev/null; then
    "$python" -m venv "$work/.python"
    "$work/.python/bin/python" -m pip --quiet --disable-pip-version-check install -r "$here/requirements.txt"
    python=$work/.python/bin/python
fi
export PYTHONDONTWRITEBYTECODE=1
cp -R "$here/data" "$here/requirements.txt" "$work"
cd "$work"

modelseal() { "$modelseal" "$@"; }
# step CODE COMMAND...: shows and runs a command, and stops unless it exits with CODE
step() {
    local wanted=$1 got=0
    shift
    printf '\n$ %s\n' "$*"
    "$@" || got=$?
    [ "$wanted" = 0 ] || echo "(exit $got)"
    [ "$got" = "$wanted" ] || { echo "run.sh: exit $got where $wanted was due" >&2; exit 1; }
}
train() { "$python" "$here/$1.py" "${@:2}"; }

common=(--ci none --builder-id https://pipeline.example.com/trainer --lockfile pkg:generic/pipeline-requirements=requirements.txt)
signed=(--private-key pipeline.key --store store)
BASE=pkg:huggingface/example/tiny-base@1
TUNED=pkg:huggingface/example/tiny-support@1

step 0 modelseal key generate --no-password --output pipeline

echo; echo "## The base model"
step 0 modelseal attest begin --record base.json --dataset hf://datasets/example/proverbs=data/proverbs.txt
step 0 train make_base data/proverbs.txt base 400 0.5 9007199254740993
step 0 modelseal attest finish base --record base.json --build-type training --entry-point make_base.py \
    --parameter steps=400 --parameter rate=0.5 --parameter seed=9007199254740993 "${common[@]}" "${signed[@]}"

echo; echo "## A fine-tune of it"
step 0 modelseal attest begin --record tuned.json --base "$BASE=base" --dataset hf://datasets/example/support=data/support.txt
step 0 train fine_tune base data/support.txt tuned 200 0.3 42
step 0 modelseal attest finish tuned --record tuned.json --build-type fine-tune --entry-point fine_tune.py \
    --parameter steps=200 --parameter rate=0.3 --parameter seed=42 "${common[@]}" "${signed[@]}"

echo; echo "## The same weights as GGUF"
step 0 modelseal attest begin --record gguf.json --base "$TUNED=tuned"
step 0 train convert tuned gguf
step 0 modelseal attest finish gguf --record gguf.json --build-type convert --entry-point convert.py \
    --target-format gguf "${common[@]}" "${signed[@]}"

echo; echo "## Where the result comes from"
step 0 modelseal lineage gguf --store store --public-key pipeline.pub
step 0 modelseal verify provenance gguf --store store --public-key pipeline.pub \
    --builder-id https://pipeline.example.com/trainer --parameter /format=gguf --any-parameter /entryPoint --any-parameter /baseModel
step 0 modelseal lineage --affected-by-model base --store store --public-key pipeline.pub

echo; echo "## Somebody swaps the base model on the disk"
step 0 cp -R base swapped
printf '\n$ one byte of swapped/model.safetensors is changed\n'
printf '\377' | dd of=swapped/model.safetensors bs=1 seek=8000 conv=notrunc 2>/dev/null
step 1 modelseal lineage gguf --store store --public-key pipeline.pub --at "$BASE=swapped"

echo; echo "## Or trains on the swapped one, and everything else goes its way"
step 0 modelseal attest begin --record again.json --base "$BASE=swapped" --dataset hf://datasets/example/support=data/support.txt
step 0 train fine_tune swapped data/support.txt tuned-again 200 0.3 42
step 0 modelseal attest finish tuned-again --record again.json --build-type fine-tune --entry-point fine_tune.py \
    --parameter steps=200 --parameter rate=0.3 --parameter seed=42 "${common[@]}" "${signed[@]}"
step 1 modelseal lineage tuned-again --store store --public-key pipeline.pub
