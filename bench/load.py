#!/usr/bin/env python3
"""Times loading safetensors: by safetensors' own loader, by the reference tool and then that loader, and by modelseal,
all in one run, each in a process of its own, in turns.

    bench/load.py [--gib 4] [--rounds 3] [--work DIRECTORY] [--only warm,cold,throttled,tensor]

Needs Python with venv, cargo, and three times the size of memory: page cache, tensors, and what each process takes and gives
back before, so that nobody's time is that of a virtual machine getting memory from its host. Builds a release wheel and
keeps it, with everything else, in DIRECTORY (default: target/bench-load). Prints a table, and writes DIRECTORY/load.json.

Cases: `files` is four files signed whole, `shards` one file signed in shards of 64 MiB. `warm` lies in the page cache; `cold`
was thrown out of it before (which needs no root, and shows nothing on a file system in memory). `throttled` is cold from a
disk that gives 1 GB/s, by a control group (root; left out where there is none). `tensor` is one tensor of 16 MiB out of a file
of twice the size, in shards of 16 MiB. Processor time is user and system time of the load, which begins when everything is
imported. One thread.
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import statistics
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MIB = 1 << 20
TENSOR = 16 * MIB
SHARD = 64 * MIB

# ---- what each process does; argv: folder of the model, key


def load_plain(model, _key):
    from safetensors.numpy import load_file

    return [load_file(file) for file in sorted(pathlib.Path(model).glob("*.safetensors"))]


def load_ours(model, key):
    import modelseal

    return modelseal.open_model(model, signature=f"{model}.sig", public_key=key, threads=1).load_safetensors()


def tensor_plain(model, _key):
    from safetensors import safe_open

    (file,) = pathlib.Path(model).glob("*.safetensors")
    with safe_open(str(file), framework="numpy") as tensors:
        return tensors.get_tensor(sorted(tensors.keys())[7])


def tensor_ours(model, key):
    import modelseal

    opened = modelseal.open_model(model, signature=f"{model}.sig", public_key=key, threads=1)
    (name,) = opened.files
    tensors = opened.safetensors(name)
    return tensors[sorted(tensors)[7]]


WORK = {f.__name__: f for f in (load_plain, load_ours, tensor_plain, tensor_ours)}


def settle(model):
    """Takes the memory that the model needs, cached and loaded, as far as it is free, and gives it back. A virtual machine
    asks its host for memory that nobody has used for seconds, which takes several times as long as the load and is nobody's
    merit."""
    import numpy

    needed = 2 * sum(file.stat().st_size for file in pathlib.Path(model).iterdir())
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    numpy.empty(min(needed, free - free // 8), dtype=numpy.uint8).fill(1)


def work(name, model, key):
    import numpy  # noqa: F401
    import modelseal  # noqa: F401
    import safetensors.numpy  # noqa: F401

    settle(model)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    kept = WORK[name](model, key)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    del kept
    print(json.dumps({"wall": wall, "cpu": cpu, "peak_mib": after.ru_maxrss / 1024}))


# ---- the run


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, **options)


def prepare(directory, gib):
    """The wheel, the environment, the models and their signatures; what is there already is kept."""
    directory.mkdir(parents=True, exist_ok=True)
    run("cargo", "build", "--release", "--locked", "-p", "modelseal-cli", cwd=ROOT)
    tools = directory / "tools"
    if not (tools / "bin/maturin").exists():
        run(sys.executable, "-m", "venv", tools)
        run(tools / "bin/pip", "install", "--quiet", "maturin==1.16.0")
    run(tools / "bin/maturin", "build", "--release", "--quiet", "--out", directory / "wheels", cwd=ROOT / "bindings/python")
    venv = directory / "venv"
    if not (venv / "bin/python").exists():
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin/pip", "install", "--quiet", "numpy", "safetensors")
    wheel = max((directory / "wheels").glob("*.whl"), key=lambda path: path.stat().st_mtime)
    run(venv / "bin/pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel)
    modelseal = ROOT / "target/release/modelseal"
    key = directory / "bench"
    if not key.with_suffix(".key").exists():
        run(modelseal, "key", "generate", "--no-password", "--algorithm", "p256", "--output", key, stdout=subprocess.DEVNULL)
    models = {"files": (4, gib, 0), "shards": (1, gib, SHARD), "tensor": (1, 2 * gib, TENSOR)}
    for name, (files, size, shard) in models.items():
        model = directory / name
        if pathlib.Path(f"{model}.sig").exists():
            continue
        write_model(model, files, int(size * 1024) * MIB // files)
        # The reference's command line knows whole files only.
        by_shards = ["--method", "shards", "--shard-size", shard]
        for signature, options in ((f"{model}.whole.sig", []), (f"{model}.sig", by_shards if shard else [])):
            run(modelseal, "sign", "key", model, "--private-key", f"{key}.key", "--signature", signature, *options,
                stdout=subprocess.DEVNULL)
    return venv / "bin/python", modelseal, f"{key}.pub"


def write_model(model, files, size):
    model.mkdir(exist_ok=True)
    noise = os.urandom(TENSOR)
    for number in range(files):
        count = size // TENSOR
        header = {f"t{n:05}": {"dtype": "F32", "shape": [TENSOR // 4], "data_offsets": [n * TENSOR, (n + 1) * TENSOR]}
                  for n in range(count)}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(model / f"model-{number}.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for n in range(count):
                file.write(struct.pack("<Q", n) + noise[8:])
            file.flush()
            os.fsync(file.fileno())


def warm(model):
    for file in model.iterdir():
        with open(file, "rb", buffering=0) as bytes_:
            while bytes_.read(4 * MIB):
                pass


def cool(model):
    for file in model.iterdir():
        with open(file, "rb") as bytes_:
            os.posix_fadvise(bytes_.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(python, name, model, key, group=None):
    join = group and (lambda: (group / "cgroup.procs").write_text("0"))
    command = (python, __file__, "--work-on", name, model, key)
    return json.loads(run(*command, stdout=subprocess.PIPE, preexec_fn=join).stdout)


@contextlib.contextmanager
def throttled(directory):
    """A control group whose processes read a GB in a second from the disk of this directory; None where there is none."""
    number = os.stat(directory).st_dev
    disk = pathlib.Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    disk = disk.parent if (disk / "partition").exists() else disk
    group = None
    # Of version 1, and of version 2.
    for root, file, rate in (("blkio", "blkio.throttle.read_bps_device", ""), (".", "io.max", "rbps=")):
        at = pathlib.Path("/sys/fs/cgroup", root, f"modelseal-bench-{os.getpid()}")
        try:
            at.mkdir()
            (at / file).write_text(f"{(disk / 'dev').read_text().strip()} {rate}{10**9}")
        except OSError:
            with contextlib.suppress(OSError):
                at.rmdir()
            continue
        group = at
        break
    try:
        yield group
    finally:
        if group:
            group.rmdir()


def reference(model, key):
    """The reference tool's verification alone, as its own command line is used."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(ROOT / ".venv/bin/model_signing", "verify", "key", model, "--signature", f"{model}.whole.sig", "--public_key", key,
        stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target/bench-load")
    parser.add_argument("--only", default="warm,cold,throttled,tensor")
    parser.add_argument("--work-on", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work_on:
        return work(*arguments.work_on)
    only = arguments.only.split(",")
    run(ROOT / "tests/setup.sh")
    directory = arguments.work.resolve()
    python, _, key = prepare(directory, arguments.gib)
    found = {}

    def note(case, who, figures):
        found.setdefault(case, {}).setdefault(who, []).append(figures)

    def both(checked, loaded):
        return {"wall": checked["wall"] + loaded["wall"], "cpu": checked["cpu"] + loaded["cpu"]}

    def plain(model, group=None):
        return timed(python, "load_plain", model, key, group)

    def ours(model, group=None):
        return timed(python, "load_ours", model, key, group)

    def checked(model):
        return both(reference(model, key), plain(model))

    for number in range(arguments.rounds):
        turn = -1 if number % 2 else 1
        two = [("safetensors", plain), ("modelseal", ours)][::turn]
        three = [("safetensors", plain), ("reference, then safetensors", checked), ("modelseal", ours)][::turn]
        for case in ("files", "shards"):
            model = directory / case
            if "warm" in only:
                warm(model)
                for who, load in three:
                    note(f"{case}, warm", who, load(model))
            if "cold" in only:
                for who, load in two:
                    cool(model)
                    note(f"{case}, cold", who, load(model))
            if "throttled" in only:
                with throttled(directory) as group:
                    for who, load in two if group else []:
                        cool(model)
                        note(f"{case}, throttled", who, load(model, group))
        if "tensor" in only:
            model = directory / "tensor"
            warm(model)
            note("one tensor", "safetensors", timed(python, "tensor_plain", model, key))
            note("one tensor", "modelseal", timed(python, "tensor_ours", model, key))
            note("one tensor", "modelseal, the whole", timed(python, "load_ours", model, key))

    table = {}
    print(f"{'case':18} {'who':30} {'wall s':>8} {'cpu s':>8}   (medians of {arguments.rounds})")
    for case, rows in found.items():
        base = None
        for who, figures in rows.items():
            wall, cpu = (statistics.median(f[what] for f in figures) for what in ("wall", "cpu"))
            base = base or (wall, cpu)
            table.setdefault(case, {})[who] = {"wall": wall, "cpu": cpu}
            print(f"{case:18} {who:30} {wall:8.3f} {cpu:8.3f}   x {wall / base[0]:.2f} wall, {cpu / base[1]:.2f} cpu")
    for case, rows in table.items():
        if "reference, then safetensors" in rows:
            part = rows["modelseal"]["wall"] / rows["reference, then safetensors"]["wall"]
            print(f"{case}: {part:.2f} of the wall time of the reference tool and then safetensors")
        if "modelseal, the whole" in rows:
            part = rows["modelseal"]["wall"] / rows["modelseal, the whole"]["wall"]
            print(f"{case}: {100 * part:.1f}% of the wall time of the whole")
    (directory / "load.json").write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    sys.exit(main())
