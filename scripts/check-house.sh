#!/usr/bin/env bash
# Checks the rules of this repository that no compiler checks: who imports whom, where unsafe code may be, file lengths,
# and what no file may mention. Prints every breach; exit status 1 when there is one.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

breaches=0
breach() {
    echo "house rule: $*" >&2
    breaches=$((breaches + 1))
}

# Which of our crates a crate may import, in any way.
may_import() {
    case $1 in
    modelseal-core | modelseal-sha256 | modelseal-testkit) echo "" ;;
    modelseal-model) echo "modelseal-core modelseal-sha256" ;;
    modelseal-inspect) echo "modelseal-core" ;;
    # The testkit is for tests; the compiler of a release does not see it.
    modelseal-attest | modelseal-verify) echo "modelseal-core modelseal-testkit" ;;
    modelseal) echo "modelseal-attest modelseal-core modelseal-inspect modelseal-model modelseal-testkit modelseal-verify" ;;
    modelseal-cli) echo "modelseal modelseal-testkit" ;;
    modelseal-python) echo "modelseal modelseal-cli" ;;
    modelseal-oms-conformance | modelseal-conformance) echo "modelseal" ;;
    *) echo "none: add it to scripts/check-house.sh" ;;
    esac
}

imports=$(cargo metadata --no-deps --locked --format-version 1 | python3 -c '
import json, sys
packages = json.load(sys.stdin)["packages"]
ours = {p["name"] for p in packages}
for p in packages:
    print(p["name"], p["manifest_path"], *sorted({d["name"] for d in p["dependencies"]} & ours))')
while read -r crate manifest found; do
    allowed=$(may_import "$crate")
    for import in $found; do
        [[ " $allowed " == *" $import "* ]] || breach "$crate imports $import"
    done
    if [ "$crate" = modelseal-python ]; then
        # Each place says that it is one, and why.
        grep -qx 'unsafe_code = "deny"' "$manifest" || breach "$crate does not deny unsafe code"
    elif [ "$crate" != modelseal-sha256 ]; then
        grep -A1 -x '\[lints\]' "$manifest" | grep -qx 'workspace = true' ||
            breach "$crate does not take the workspace's lints, which forbid unsafe code"
    fi
done <<<"$imports"
grep -qx 'unsafe_code = "forbid"' Cargo.toml || breach "the workspace does not forbid unsafe code"

for crate in attest cli modelseal python verify; do
    package=modelseal-$crate
    [ "$crate" = modelseal ] && package=modelseal
    cargo tree --locked -p "$package" -e normal --prefix none | grep -q '^modelseal-testkit ' &&
        breach "$package depends on the testkit, which is for tests"
done
tree=$(cargo tree --locked -p modelseal-verify -e normal --prefix none)
for heavy in tokio reqwest rayon hyper; do
    grep -q "^$heavy " <<<"$tree" && breach "modelseal-verify depends on $heavy"
done
for pure in core verify; do
    [ -f "crates/$pure/clippy.toml" ] || breach "crates/$pure has no clippy.toml to forbid files, network and clock"
done

# Everything that is or would be committed and still exists.
files=()
while IFS= read -r -d '' file; do
    [ -f "$file" ] && [ ! -L "$file" ] && files+=("$file")
done < <(git ls-files -z --cached --others --exclude-standard)

while read -r lines file; do
    [ "$file" = total ] || [ "$lines" -le 900 ] || breach "$file has $lines lines; split it"
done < <(printf '%s\0' "${files[@]}" | grep -zE '\.(rs|py|sh)$' | xargs -0 wc -l)
lines=$(wc -l <cli/src/main.rs)
[ "$lines" -lt 60 ] || breach "cli/src/main.rs has $lines lines; a door is under 60"

# nowhere WHAT PATTERN FILE...: no line of these files matches
nowhere() {
    local what=$1 pattern=$2 found
    shift 2
    found=$(grep -nIE -e "$pattern" -- "$@" | cut -c1-160 || true)
    [ -z "$found" ] || breach "$what:"$'\n'"$found"
}
mapfile -t text < <(printf '%s\n' "${files[@]}" | grep -vE '(^|/)Cargo\.lock$')
mapfile -t text_outside_ci < <(printf '%s\n' "${text[@]}" | grep -v '^\.ci/')
mapfile -t rust < <(printf '%s\n' "${text[@]}" | grep '\.rs$')
nowhere "the host of a package registry" \
    '(crates[.]io|pypi[.]org|pythonhosted[.]org|npmjs[.](org|com)|proxy[.]golang[.]org)' "${text[@]}"
nowhere "a path of one machine" '(^|[^[:alnum:]_.)}-])/(wor[k]|home/[a-z]|root/[.])(/|[^[:alnum:]_-]|$)' "${text[@]}"
nowhere "a directory outside the repository" '[.][.]/share[d](/|[^[:alnum:]._-]|$)' "${text_outside_ci[@]}"
nowhere "an ignored test" '^[[:space:]]*#\[ignor[e]' "${rust[@]}"

[ "$breaches" = 0 ] || { echo "$breaches house rules broken" >&2; exit 1; }
echo "house rules hold (${#files[@]} files)"
