#!/usr/bin/env bash
# Type-checks the workspace for macOS and Windows on any machine, so that what is written for them goes on compiling:
#     scripts/check-platforms.sh [TARGET...]
# Nothing is linked or run. The C of dependencies is not compiled: a compiler that writes empty files stands in. Exits with 77
# where the targets' standard libraries cannot be installed.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(aarch64-apple-darwin x86_64-pc-windows-gnu)

stand_in=$(mktemp -d)
trap 'rm -rf "$stand_in"' EXIT
cat >"$stand_in/cc" <<'END'
#!/usr/bin/env bash
output= previous=
for argument in "$@"; do
    [ "$argument" != -E ] || exec cc -E -x c "${@: -1}" # which compiler it is
    [ "$previous" != -o ] || output=$argument
    previous=$argument
done
[ -z "$output" ] || : >"$output"
END
cat >"$stand_in/ar" <<'END'
#!/usr/bin/env bash
for argument in "$@"; do
    case $argument in *.a) printf '!<arch>\n' >"$argument" ;; esac
done
END
chmod +x "$stand_in"/*

for target in "${targets[@]}"; do
    rustup target add "$target" || { echo "no standard library for $target: not checked"; exit 77; }
    of=${target//-/_}
    env "CC_$of=$stand_in/cc" "CXX_$of=$stand_in/cc" "AR_$of=$stand_in/ar" RUSTFLAGS="-D warnings" \
        cargo check --workspace --locked --quiet --target "$target"
    echo "$target: compiles"
done
