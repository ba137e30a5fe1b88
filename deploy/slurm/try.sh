#!/usr/bin/env bash
# Runs modelseal-digest.sbatch under a real Slurm of two nodes on this host, and compares the merged document with that
# of the whole model. Needs root and the Debian packages slurm-wlm and munge. Everything listens on 127.0.0.1 and is
# stopped at the end. MODELSEAL is the binary (default target/debug/modelseal).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export MODELSEAL=${MODELSEAL:-${CARGO_TARGET_DIR:-$here/../../target}/debug/modelseal}
MODELSEAL=$(realpath -- "$MODELSEAL")
dir=$(mktemp -d)
chmod 755 "$dir"
export SLURM_CONF=$dir/slurm.conf
pids=()
stop() {
    status=$?
    [ "$status" = 0 ] || tail -n 20 "$dir"/*.log >&2 || true
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf -- "$dir"
    exit "$status"
}
trap stop EXIT

mkdir "$dir"/{munge,state,n1,n2,work}
chmod 755 "$dir/munge"
dd if=/dev/urandom of="$dir/munge/key" bs=128 count=1 status=none
chmod 400 "$dir/munge/key"
munged --foreground --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
    --seed-file="$dir/munge/seed" --log-file="$dir/munged.log" >"$dir/munged.out" 2>&1 &
pids+=($!)

cat >"$SLURM_CONF" <<EOF
ClusterName=try
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation=$dir/state
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdSpoolDir=$dir/%n
SlurmdPidFile=$dir/%n.pid
SlurmdLogFile=$dir/%n.log
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17001 CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17002 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=5 State=UP
EOF
for _ in $(seq 50); do
    [ ! -S "$dir/munge/socket" ] || break
    sleep 0.1
done
slurmctld -D >"$dir/slurmctld.out" 2>&1 &
pids+=($!)
for node in n1 n2; do
    slurmd -D -N "$node" >"$dir/$node.out" 2>&1 &
    pids+=($!)
done
for _ in $(seq 100); do
    [ "$(sinfo -h -t idle -o %D 2>/dev/null)" != 2 ] || break
    sleep 0.2
done
sinfo -N -o '%N %T %c'

cd "$dir/work"
mkdir model
for n in $(seq 40); do head -c "$((n * n * 20000))" /dev/urandom >"model/$n.bin"; done
flags=(--method shards --shard-size 4MiB)
job=$(sbatch --parsable --array=1-6 "$here/modelseal-digest.sbatch" "$PWD/model" "$PWD/parts" "${flags[@]}")
merge=$(sbatch --parsable --wait --dependency="afterok:$job" --output=merge.log "$here/modelseal-digest.sbatch" \
    --merge "$PWD/parts")
for part in 1 2 3 4 5 6; do
    echo "task $part on $(scontrol show job "${job}_$part" | sed -n 's/^ *NodeList=//p'):" \
        "$(head -n 1 "modelseal-digest-${job}_$part.log")"
done
echo "merge (job $merge) on $(scontrol show job "$merge" | sed -n 's/^ *NodeList=//p'):"
cat merge.log
"$MODELSEAL" digest "$PWD/model" "${flags[@]}" --out whole.json | sed 's/^/whole: /'
cmp parts/digest.json whole.json && echo "the merged document is that of the whole, byte for byte"

# A task that is run again replaces its part; a merge without it is refused.
rm parts/part-3.json
if "$MODELSEAL" digest --merge parts/part-*.json; then exit 1; fi
PARTS=6 sbatch --wait --array=3 "$here/modelseal-digest.sbatch" "$PWD/model" "$PWD/parts" "${flags[@]}"
"$MODELSEAL" digest --merge parts/part-*.json --out parts/digest.json >/dev/null
cmp parts/digest.json whole.json && echo "the same after task 3 was run again alone"
