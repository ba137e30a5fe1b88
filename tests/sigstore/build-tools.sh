#!/usr/bin/env bash
# Builds the Sigstore programs that the interoperability tests run, at pinned versions: tests/sigstore/build-tools.sh [DIRECTORY]
# Quick when they are there. What cannot be built is skipped with the reason, and the tests that need it say so too.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
dir=${1:-${MODELSEAL_CI_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/modelseal-tools}/sigstore-stack}
mkdir -p "$dir"
dir=$(cd -- "$dir" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false' GOBIN=$scratch/bin

built=0 skipped=0
skip() {
    skipped=$((skipped + 1))
    printf 'skipped  %-7s %s\n' "$1" "$2"
}

# program NAME MODULE VERSION COMMAND...: the program NAME, from this version of the module, by a command that leaves one
# file in $GOBIN. (Two of the servers are both called `posix`.)
program() {
    local name=$1 module=$2 version=$3 start=$SECONDS
    shift 3
    if ! command -v go >/dev/null; then
        skip "$name" "no go; install Go 1.26 or newer"
        return
    fi
    if { [ "$name" = ctlog ] && [ "$dir/$name" -nt "$here/ctlog/main.go" ]; } || { [ "$name" != ctlog ] &&
        go version -m "$dir/$name" 2>/dev/null | grep -qE "[[:space:]]${module}[[:space:]]+${version}([[:space:]]|\$)"; }; then
        printf 'present  %-7s %s@%s\n' "$name" "$module" "$version"
        built=$((built + 1))
        return
    fi
    rm -rf "$GOBIN" && mkdir "$GOBIN"
    if timeout 1800 "$@" >"$scratch/log" 2>&1 && mv "$GOBIN"/* "$dir/$name"; then
        touch "$dir/$name"
        printf 'built    %-7s %s@%s (%d s, %d MB)\n' "$name" "$module" "$version" $((SECONDS - start)) \
            $(($(stat -c %s "$dir/$name") / 1000000))
        built=$((built + 1))
    else
        rm -f "$dir/$name"
        skip "$name" "$(grep -v '^go: downloading' "$scratch/log" | tail -n 2 | tr '\n' ' ' | cut -c1-300)"
    fi
}

install() {
    program "$1" "$2" "$4" go install "$2$3@$4"
}

# TesseraCT's command asks for versions of its storage that are no releases and cannot be had everywhere; ctlog is a small
# command over the same handlers.
ctlog() {
    cp -r "$here/ctlog" "$scratch/ctlog" && cd "$scratch/ctlog" && go build -o "$GOBIN/ctlog" .
}

install fulcio github.com/sigstore/fulcio "" v1.8.8
install rekor github.com/sigstore/rekor-tiles/v2 /cmd/rekor-server/posix v2.3.0
export -f ctlog
export here scratch
program ctlog github.com/transparency-dev/tesseract v0.1.2 bash -c ctlog
install tsa github.com/sigstore/timestamp-authority/v2 /cmd/timestamp-server v2.1.3
install sgconf github.com/sigstore/sigstore-go /test/conformance v1.2.1
install cosign github.com/sigstore/cosign/v3 /cmd/cosign v3.1.2

echo "$built programs in $dir, $skipped skipped"
