#!/usr/bin/env bash
# fs-verity on a real kernel: Debian's, in a virtual machine (QEMU without acceleration, as it runs everywhere). The model is
# signed here; tests/verity_vm/guest.sh freezes and verifies it there, on an ext4 that is made for it.
#   tests/verity_vm.sh [--show]     --show prints all that the guest printed
# MODELSEAL is the binary (default target/debug/modelseal). Downloads are kept in MODELSEAL_CI_TOOLS. Exit status 77 where
# something that it needs is missing.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
modelseal=$(realpath -- "${MODELSEAL:-${CARGO_TARGET_DIR:-$root/target}/debug/modelseal}")
cache=${MODELSEAL_CI_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/modelseal-tools}/verity-vm
PATH=$PATH:/usr/sbin:/sbin
limit=500

skip() {
    echo "skipped: $*"
    exit 77
}
[ "$(uname -sm)" = "Linux x86_64" ] || skip "the guest is Debian for x86-64"
for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio fsverity:fsverity mkfs.ext4:e2fsprogs \
    debugfs:e2fsprogs strip:binutils dpkg-deb:dpkg; do
    command -v "${tool%%:*}" >/dev/null || skip "there is no ${tool%%:*} (Debian package ${tool#*:})"
done
ldd "$(command -v busybox)" >/dev/null 2>&1 && skip "busybox is not static (Debian package busybox-static)"

# The kernel: downloaded once, never installed.
mkdir -p "$cache"
if [ ! -s "$cache/vmlinuz" ]; then
    command -v apt-get >/dev/null || skip "there is no apt-get to download a kernel with"
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }')
    [ -n "$package" ] || skip "apt knows no linux-image-cloud-amd64 (apt-get update)"
    fresh=$(mktemp -d "$cache/fresh.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    (cd "$fresh" && apt-get download -qq "$package" 2>/dev/null) || skip "$package cannot be downloaded"
    dpkg-deb -x "$fresh"/*.deb "$fresh/x"
    rm -rf "$cache/modules"
    mkdir "$cache/modules"
    # In the order in which they need each other.
    for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk \
        sha512_generic; do
        find "$fresh/x/lib/modules" -name "$module.ko" -exec cp {} "$cache/modules/" \;
        [ -s "$cache/modules/$module.ko" ] || echo "(the module $module is not there: built in)"
    done
    mv "$fresh"/x/boot/vmlinuz-* "$cache/vmlinuz"
    rm -rf "$fresh"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
tree=initramfs
mkdir -p $tree/{bin,dev,proc,sys,tmp,mnt,plain,in,lib,modules,etc}

# A model, and what it is by the independent tool.
mkdir -p $tree/in/model/tokenizer
printf '{"layers": 2}\n' >$tree/in/model/config.json
printf 'a b c\n' >$tree/in/model/tokenizer/vocab.txt
: >$tree/in/model/tokenizer/empty
seq 1 400000 >$tree/in/model/weights.bin
"$modelseal" key generate --no-password --output $tree/in/key >/dev/null
"$modelseal" key generate --no-password --output $tree/in/other >/dev/null
"$modelseal" sign key $tree/in/model --private-key $tree/in/key.key --fs-verity --signature $tree/in/model.sig |
    grep -qx "fs-verity: the kernel's digests of 4 files are signed, too" || { echo "sign --fs-verity" >&2; exit 1; }
(cd $tree/in/model && find . -type f | sort | xargs fsverity digest | sed 's, \./, ,') >$tree/in/digests
"$modelseal" sign key $tree/in/model --private-key $tree/in/key.key --signature $tree/in/plain.sig >/dev/null
"$modelseal" sign key $tree/in/model --private-key $tree/in/key.key --fs-verity --signature $tree/in/shards.sig \
    --method shards --shard-size 1000000 >/dev/null
# A sparse model that the guest makes again. Not of 64 GiB: the kernel has to hash all of it once, and without
# acceleration it does that at some 20 MB/s.
mkdir sparse
truncate -s 96M sparse/weights.bin
printf '{}\n' >sparse/config.json
"$modelseal" sign key sparse --private-key $tree/in/key.key --fs-verity --signature $tree/in/sparse.sig >/dev/null
spki=$(openssl pkey -pubin -in $tree/in/key.pub -outform DER | sha256sum | cut -d' ' -f1)
for policy in policy denylist; do
    cat >$tree/in/$policy.toml <<TOML
schema = "modelseal.policy/v1"
id = "example/frozen"
version = 1
expires = 2099-01-01T00:00:00Z

signers.publisher = { kind = "key", file = "key.pub", spki-sha256 = "$spki" }

[[rule]]
name = "ours"
models = ["hf://huggingface.co/example/*"]
bind = "signer"
signature = { signers = ["publisher"] }
TOML
done
# Digests of the files that somebody else judges, too.
cat >>$tree/in/denylist.toml <<TOML

[[deny]]
id = "example-1"
reason = "a file that must not be loaded"
file-digests = ["sha256:$(printf '%064d' 7)"]
TOML

# What runs in the guest.
cp "$(command -v busybox)" $tree/bin/
for name in sh mount umount insmod poweroff; do ln -s busybox $tree/bin/$name; done
strip -o $tree/bin/modelseal "$modelseal"
cp "$(command -v fsverity)" "$(command -v debugfs)" $tree/bin/
for program in $tree/bin/{modelseal,fsverity,debugfs}; do
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$tree${library%/*}"
        cp -nL "$library" "$tree$library" 2>/dev/null || true
    done
done
cp "$cache"/modules/*.ko $tree/modules/
printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >$tree/etc/passwd
cp "$root/tests/verity_vm/guest.sh" $tree/init
chmod 755 $tree/init
(cd $tree && find . | cpio -o -H newc --quiet) >initramfs.cpio
for disk in verity plain; do
    truncate -s 768M $disk.img
    mkfs.ext4 -q -b 4096 $([ $disk = verity ] && echo "-O verity") -E lazy_itable_init=1 $disk.img
done

start=$SECONDS
timeout $limit qemu-system-x86_64 -accel tcg -cpu max -m 1024 -smp 1 -nographic -monitor none -no-reboot -nodefaults \
    -kernel "$cache/vmlinuz" -initrd initramfs.cpio -append "console=ttyS0 panic=-1 quiet loglevel=3" \
    -serial file:console -serial file:said \
    -drive file=verity.img,format=raw,if=virtio -drive file=plain.img,format=raw,if=virtio </dev/null || {
    echo "the virtual machine did not end within $limit s" >&2
    tail -n 30 console said >&2
    exit 1
}
tr -d '\r' <said >said.txt
[ "${1:-}" != --show ] || cat said.txt
grep -E '^(ok|FAIL|time) ' said.txt || true
# Every check of the script has to have been made, in its order, and to have passed.
sed -n 's/^ *\(same\|has\|lacks\|status\) "\([^"]*\)".*/\2/p' "$root/tests/verity_vm/guest.sh" >wanted
sed -n 's/^ok //p' said.txt >passed
if ! diff wanted passed >missing || grep -q '^FAIL ' said.txt || ! grep -qx 'the guest is done' said.txt; then
    echo "these checks were not made, or did not pass:" >&2
    cat missing >&2
    grep -A12 '^FAIL ' said.txt >&2 || tail -n 40 said.txt console >&2
    exit 1
fi
echo "fs-verity on Linux $(sed -n 's/^kernel //p' said.txt): $(wc -l <passed) checks passed in $((SECONDS - start)) s"
