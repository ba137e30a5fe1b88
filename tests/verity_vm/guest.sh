#!/bin/sh
# The first process of the virtual machine of tests/verity_vm.sh. Prints `ok NAME` or `FAIL NAME` for each check.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
# No terminal: progress bars would fill the log.
mkfifo /tmp/said
cat /tmp/said >/dev/ttyS1 &
exec </dev/null >/tmp/said 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk sha512_generic; do
    [ ! -f /modules/$module.ko ] || insmod /modules/$module.ko
done
echo "kernel $(uname -r)"
export HOME=/tmp PATH=/bin
if ! mount -t ext4 /dev/vda /mnt || ! mount -t ext4 /dev/vdb /plain; then
    echo "FAIL no disks"
    ls /dev/vd* /modules
    dmesg | tail -n 20
    exec >&- 2>&-
    wait
    poweroff -f
fi
cd /mnt

# run COMMAND...: prints the command and what it says, and keeps both
run() {
    echo "\$ $*"
    "$@" >/tmp/out 2>&1
    rc=$?
    cat /tmp/out
}
fail() {
    echo "FAIL $1"
    echo "wanted: $2"
    echo "found (exit $rc): $(cat /tmp/out)"
}
status() { [ "$rc" = "$2" ] && echo "ok $1" || fail "$1" "exit $2"; }
has() { grep -qF -- "$2" /tmp/out && echo "ok $1" || fail "$1" "$2"; }
lacks() { grep -qF -- "$2" /tmp/out && fail "$1" "no: $2" || echo "ok $1"; }
same() {
    if [ "$2" = "$3" ]; then echo "ok $1"; else
        echo "FAIL $1"
        echo "wanted: $2"
        echo "found: $3"
    fi
}
key="--public-key /in/key.pub"
by="$key --signature /in/model.sig"
fresh() {
    cp -r /in/model "$1"
    sync
}
is_frozen() { fsverity measure "$1" >/dev/null 2>&1 && echo yes || echo no; }

# A model that nobody froze is read.
fresh model
run modelseal verify key model $by
status "an unfrozen model is verified" 0
lacks "without the kernel" "kernel"

# A model that is denied for its signature is left as it is.
run modelseal freeze key model --public-key /in/other.pub --signature /in/model.sig
status "a stranger's model is denied" 1
has "and nothing is frozen" "nothing was frozen"
same "as the kernel says, too" no "$(is_frozen model/config.json)"

# A whole model at once.
fresh first
run modelseal freeze key first $by
status "a model is frozen at once" 0
has "all of it" "frozen:    4 files, 4 of them now"
has "and verified by the kernel" "kernel:    verified by the kernel: 4 of 4 files"

# Somebody has a file open for writing.
exec 7>>model/tokenizer/vocab.txt
run modelseal freeze key model $by
exec 7>&-
status "a writer stands in the way" 3
has "the file is named" "'model/tokenizer/vocab.txt' cannot be frozen: it is open for writing; 2 of 4 files are frozen and stay so"
has "with its code" "code: error.file-in-use"
has "and what to do" "fuser -v FILE"
run modelseal verify key model $by
status "a half-frozen model is verified" 0
has "half by the kernel" "kernel:    verified by the kernel: 2 of 4 files"

# Doing it again ends it.
run modelseal freeze key model $by
status "freezing goes on" 0
has "it froze the rest" "frozen:    4 files, 2 of them now"
has "and verified all by the kernel" "kernel:    verified by the kernel: 4 of 4 files"
(cd model && find . -type f | sort | while read -r file; do
    fsverity measure "$file" | sed 's, \./, ,'
done) >/tmp/measured
same "the kernel's digests are those of the fsverity tool" "$(cat /in/digests)" "$(cat /tmp/measured)"
modelseal sign key model --private-key /in/key.key --fs-verity --dry-run >/tmp/statement
for digest in $(sed 's/sha256:\([0-9a-f]*\) .*/\1/' /tmp/measured); do
    grep -c "\"fsverity-sha256\":\"$digest\"" /tmp/statement
done >/tmp/counts
same "and those that are signed" "1 1 1 1" "$(cat /tmp/counts | tr '\n' ' ' | sed 's/ $//')"
run modelseal freeze key model $by
status "freezing is idempotent" 0
has "nothing was left to freeze" "frozen:    4 files, 0 of them now"
run modelseal verify key model $by
has "verify says so by itself" "kernel:    verified by the kernel: 4 of 4 files"
run modelseal verify key model $by --format json
has "and in JSON" '"verified": 4'
run modelseal verify key model $key --signature /in/shards.sig
has "with shards as well" "kernel:    verified by the kernel: 4 of 4 files"
run modelseal verify key model $key --signature /in/plain.sig
status "a signature without annotations is verified" 0
lacks "by reading" "verified by the kernel"

# Nobody writes to it.
run sh -c 'echo x >>model/weights.bin'
status "a write is refused" 1
has "by the kernel" "Operation not permitted"

# Policies.
run modelseal verify model --policy /in/policy.toml --policy-unsigned --as hf://huggingface.co/example/model --bundle /in/model.sig
status "a policy allows" 0
has "by the kernel under a policy" "kernel:    verified by the kernel: 4 of 4 files"
run modelseal verify model --policy /in/denylist.toml --policy-unsigned --as hf://huggingface.co/example/model --bundle /in/model.sig
status "a policy with denied files allows" 0
lacks "having read them" "verified by the kernel"
run modelseal verify model --policy /in/policy.toml --policy-unsigned --as hf://huggingface.co/example/model --bundle /in/model.sig --bundle /in/plain.sig
status "two signatures are good" 0
lacks "one of which says nothing of the kernel" "verified by the kernel"
fresh under-policy
run modelseal freeze under-policy --policy /in/policy.toml --policy-unsigned --as hf://huggingface.co/example/model --bundle /in/model.sig
status "freezing under a policy" 0
has "freezes" "frozen:    4 files, 4 of them now"
run modelseal freeze under-policy --policy /in/policy.toml --policy-unsigned --as hf://huggingface.co/example/model
status "without a signature it is denied" 1
has "and left as it is" "nothing was frozen"

# Other bytes: found out after they were frozen, which is the order that is sound.
fresh changed
echo '{"layers": 3}' >changed/config.json
run modelseal freeze key changed $by
status "a changed model is denied" 1
has "its change is named" "changed:    config.json"
has "its files stay frozen" "4 files are frozen and stay so"
same "as the kernel says" yes "$(is_frozen changed/config.json)"
run modelseal freeze changed --policy /in/policy.toml --policy-unsigned --as hf://huggingface.co/example/model --bundle /in/model.sig
status "denied under a policy" 1
has "and frozen under a policy" "4 files are frozen and stay so"

# Enabled by the independent tool: one as we do, one with a salt, one with another hash, one with other blocks.
fresh mixed
fsverity enable mixed/config.json
fsverity enable mixed/weights.bin --salt=abcd
fsverity enable mixed/tokenizer/vocab.txt --hash-alg=sha512
run modelseal verify key mixed $by
status "other parameters are read" 0
has "those of the tool are ours" "kernel:    verified by the kernel: 1 of 4 files"
has "a salt is said" "warning: the kernel's fs-verity digest of 'weights.bin' is not the signed one"
run modelseal freeze key mixed $by
status "they are frozen all the same" 0
has "the rest is frozen now" "frozen:    4 files, 1 of them now"

# Killed in the middle: the second file is large. The first is frozen, then it is killed.
mkdir killed
truncate -s 96M killed/weights.bin
echo '{}' >killed/config.json
modelseal freeze key killed $key --signature /in/sparse.sig >/tmp/out 2>&1 &
until [ "$(is_frozen killed/config.json)" = yes ] || ! kill -0 $!; do usleep 20000; done
kill -9 $!
wait $!
same "killed in the middle" "yes no" "$(is_frozen killed/config.json) $(is_frozen killed/weights.bin)"
run sh -c 'echo >>killed/weights.bin'
status "the unfrozen file can be written to" 0
truncate -s 96M killed/weights.bin
start=$(date +%s)
run modelseal freeze key killed $key --signature /in/sparse.sig
status "freezing again ends it" 0
has "with the second file" "frozen:    2 files, 1 of them now"
echo "time to freeze 96 MiB: $(($(date +%s) - start)) s, without acceleration"
echo 3 >/proc/sys/vm/drop_caches
modelseal --version >/dev/null
time -f "time to start and print a version: %e s" modelseal --version 2>&1 | grep '^time'
time -f "time to verify 96 MiB, frozen: %e s" modelseal verify key killed $key --signature /in/sparse.sig >/tmp/out 2>&1
grep '^time' /tmp/out
has "a frozen sparse model is verified by the kernel" "kernel:    verified by the kernel: 2 of 2 files"
modelseal sign key killed --private-key /in/key.key --signature /tmp/unannotated.sig >/dev/null
time -f "time to verify 96 MiB, read: %e s" modelseal verify key killed $key --signature /tmp/unannotated.sig 2>&1 | grep '^time'

# Not the owner.
fresh owned
chmod -R a+rX owned /in
run su nobody -c "modelseal freeze key /mnt/owned $by"
status "somebody else cannot freeze" 3
has "and is told why" "this user may not write to it"
run su nobody -c "modelseal verify key /mnt/model $by"
has "but verifies by the kernel" "kernel:    verified by the kernel: 4 of 4 files"

# A link.
fresh linked
ln -s ../model/config.json linked/alias.json
run modelseal freeze key linked $by
status "links are not followed" 1
same "nothing behind one, or beside it, is frozen" "no" "$(is_frozen linked/config.json)"

# Read-only.
fresh later
mount -o remount,ro /mnt
run modelseal verify key model $by
has "read-only, the kernel still answers" "kernel:    verified by the kernel: 4 of 4 files"
run modelseal freeze key later $by
status "read-only, nothing can be frozen" 3
has "which is said" "the file system (ext4) is mounted read-only; no file was changed"

# A bit on the disk, below the file system: the kernel knows the file by the same digest, and gives no byte of that block out.
block=$(debugfs -R "bmap /model/weights.bin 100" /dev/vda 2>/dev/null)
cd /
umount /mnt
dd if=/dev/vda of=/tmp/block bs=4096 skip="$block" count=1 2>/dev/null
tr '0' '1' </tmp/block >/tmp/other
dd if=/tmp/other of=/dev/vda bs=4096 seek="$block" conv=notrunc 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
mount -t ext4 /dev/vda /mnt
cd /mnt
run modelseal verify key model $by
status "the digest of the file is as it was" 0
has "by the kernel alone" "kernel:    verified by the kernel: 4 of 4 files"
run sh -c 'cat model/weights.bin >/dev/null'
status "what was changed cannot be read" 1
has "by anybody" "Input/output error"
run modelseal verify key model $key --signature /in/plain.sig
status "nor by us" 3
has "who name the file" "cannot read 'model/weights.bin'"

# ext4 without the feature.
cp -r /in/model /plain/model
run modelseal freeze key /plain/model $by
status "an ext4 without verity" 3
has "is told from others" "there is no fs-verity on this file system (ext4); no file was changed"
has "with its remedy" 'tune2fs -O verity'
run modelseal verify key /plain/model $by
status "and verified by reading" 0

echo "the guest is done"
exec >&- 2>&-
wait
poweroff -f
