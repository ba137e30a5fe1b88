"""Times inspection and watches its memory. Run by inspect.sh.

Each comparison is done in rounds, in which both run once, and its ratio is the median of the rounds' ratios."""

import argparse
import collections
import datetime
import decimal
import io
import json
import os
import pathlib
import pickle
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import types
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20
# The bounds that are promised.
MEMORY, SECONDS_PER_MB, OPCODES_MB_S, FILES_PER_S = 64_000_000, 2.0, 200, 20_000


def main():
    args = arguments()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="modelseal-inspect-", dir=args.directory))
    good = True
    try:
        for work in WORKS:
            if not args.only or work.__name__ in args.only:
                good &= work(args, scratch)
                print(flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0 if good else 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("modelseal", "verdicts", "picklescan"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the large models; 1.0 is 1 GiB each")
    parser.add_argument("--directory", help="where the data is made (default: the system's temporary directory)")
    parser.add_argument("--only", type=lambda text: set(text.split(",")), help=", ".join(w.__name__ for w in WORKS))
    return parser.parse_args()


class Run:
    """A command's end: wall and CPU seconds, peak memory in bytes, and what it wrote."""

    def __init__(self, command, limit=600):
        started = time.monotonic()
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=subprocess.DEVNULL)
            while True:
                pid, status, usage = os.wait4(child.pid, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() - started > limit:
                    child.kill()
                time.sleep(0.0005)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.wall, self.cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
            self.peak, self.code = usage.ru_maxrss * 1024, child.returncode
            out.seek(0)
            self.text = out.read().decode(errors="replace")


def aside(work):
    """Does `work` in a process of its own: a child's peak is never below what its parent holds."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except Exception as error:  # the parent's clean-up is not the child's to run
            print(f"making data failed: {error!r}", file=sys.stderr)
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def ratio(rounds, ours, theirs, column):
    pairs = []
    for turn in range(rounds):
        first, second = (ours, theirs) if turn % 2 else (theirs, ours)
        runs = {id(first): Run(first), id(second): Run(second)}
        pairs.append((runs[id(ours)], runs[id(theirs)]))
    middle = lambda index: statistics.median(getattr(pair[index], column) for pair in pairs)
    return statistics.median(getattr(a, column) / getattr(b, column) for a, b in pairs), middle(0), middle(1), pairs


def large_models(args, scratch):
    """What inspecting takes of what hashing takes: both read through the page cache."""
    good = True
    print("| 1 GiB | inspect | digest | inspect / digest (wall) | at most |\n|---|---|---|---|---|")
    count = max(1, int(16 * args.scale))
    for name, make in [("torch zip.pt, 16 tensors", torch_zip), ("model.safetensors, 16 tensors", safetensors)]:
        path = scratch / name.split(",")[0].replace(" ", ".")
        aside(lambda: make(path, count))
        has_command = Run([args.modelseal, "inspect", "--help"]).code == 0
        ours = [args.modelseal, "inspect", path] if has_command else [args.verdicts, "-q", path]
        share, wall, theirs, pairs = ratio(args.rounds, ours, [args.modelseal, "digest", path], "wall")
        good &= share <= 0.1
        print(f"| {name} | {wall:.3f} s, {pairs[0][0].peak // MIB} MiB | {theirs:.3f} s | {share:.3f} | 0.1 |")
        path.unlink()
    return good


def small_pickles(args, scratch):
    folder = scratch / "small"
    folder.mkdir()
    rng = random.Random(1)
    for number in range(20_000):
        value = {"rate": rng.random(), "name": f"run-{number}", "tags": ["a", "b", str(number)], "set": {1, 2, number}}
        value |= {"when": datetime.datetime(2026, 1, 1), "cost": decimal.Decimal(number), "pad": "x" * rng.randrange(400)}
        value["order"] = collections.OrderedDict(x=number, y=[1, 2, 3])
        (folder / f"{number:05}.pkl").write_bytes(pickle.dumps(value, rng.choice([2, 4, 5])))
    names = sorted(folder.iterdir())
    share, ours, theirs, pairs = ratio(args.rounds, [args.verdicts, "-q", *names], [args.picklescan, "-p", folder], "cpu")
    rates = [len(names) / ours, len(names) / theirs]
    met = rates[0] >= FILES_PER_S and 1 / share >= 10
    print("| 20,000 small pickles, one process | files per second of CPU | at least |\n|---|---|---|")
    print(f"| modelseal | {rates[0]:,.0f} | {FILES_PER_S:,} |\n| picklescan, the fastest peer | {rates[1]:,.0f} | |")
    print(f"| ratio | {1 / share:.1f} | 10 |\n\n{pairs[0][0].text.strip()}")
    shutil.rmtree(folder)
    return met


def opcodes(args, scratch):
    """Pickles of one kind of value each. A second, tiny one takes the start of the program away."""
    print(f"| pickle | MB | MB/s | at least | peak | verdict |\n|---|---|---|---|---|---|")
    good = True
    values = {
        "integers": lambda: list(range(10_000_000)),
        "numbers by number": lambda: {n: float(n) for n in range(3_000_000)},
        "numbers by text": lambda: {f"layer.{n}.weight": n for n in range(1_000_000)},
        "texts": lambda: [str(n) for n in range(3_000_000)],
        "tuples": lambda: [(n, str(n % 1000), None) for n in range(1_000_000)],
        "nested lists": lambda: [[n, [n]] for n in range(1_000_000)],
        "bytes of 1 MiB": lambda: [os.urandom(MIB) for _ in range(50)],
    }
    tiny = scratch / "tiny.pkl"
    tiny.write_bytes(pickle.dumps(1))
    for name, value in values.items():
        path = scratch / "opcodes.pkl"
        aside(lambda: path.write_bytes(pickle.dumps(value(), 4)))
        size = path.stat().st_size
        runs = [(Run([args.verdicts, "-q", path]), Run([args.verdicts, "-q", tiny])) for _ in range(args.rounds)]
        speed = size / 1e6 / max(1e-4, statistics.median(a.cpu - b.cpu for a, b in runs))
        met = name != "integers" or speed >= OPCODES_MB_S
        good &= met
        peak = max(a.peak for a, _ in runs)
        verdict = runs[0][0].text.rsplit("{", 1)[-1].split(":")[0].strip('"')
        least = OPCODES_MB_S if name == "integers" else ""
        print(f"| {name} | {size / 1e6:.1f} | {speed:,.0f} | {least} | {peak // MIB} MiB | {verdict} |", flush=True)
    return good


def hostile(args, scratch):
    """Time and memory of each input of hostile.py, against the bounds."""
    made = subprocess.run([sys.executable, "-B", HERE / "hostile.py", scratch / "hostile"], check=True, capture_output=True, text=True)
    print(f"| input | bytes | seconds | peak | at most | verdict |\n|---|---|---|---|---|---|")
    good = True
    for line in made.stdout.splitlines():
        name, largest = line.split("\t")
        path = scratch / "hostile" / name
        size = path.stat().st_size
        run = Run([args.verdicts, path], limit=60)
        most_memory, most_time = MEMORY + 2 * int(largest), SECONDS_PER_MB * max(1.0, size / 1e6)
        met = run.peak <= most_memory and run.cpu <= most_time and run.code == 0
        good &= met
        verdict = run.text.split(" ", 1)[0]
        print(f"| {name} | {size:,} | {run.cpu:.2f} | {run.peak / 1e6:.1f} MB | {most_memory / 1e6:.1f} MB | "
              f"{verdict}{'' if met else ' **missed**'} |", flush=True)
    shutil.rmtree(scratch / "hostile")
    return good


def torch_zip(path, count):
    """As torch.save writes it; PyTorch itself is not needed, only its names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    storage = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2():
        pass

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch.FloatStorage, utils._rebuild_tensor_v2 = storage, _rebuild_tensor_v2
    sys.modules |= {"torch": torch, "torch._utils": utils}

    class Tensor:
        def __init__(self, key):
            self.key = key

        def __reduce__(self):
            shape = (4096, 4096)
            return _rebuild_tensor_v2, (Storage(self.key), 0, shape, (4096, 1), False, collections.OrderedDict())

    class Storage:
        def __init__(self, key):
            self.key = key

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", storage, value.key, "cpu", 4096 * 4096) if isinstance(value, Storage) else None

    data = io.BytesIO()
    Pickler(data, 2).dump(collections.OrderedDict((f"layer.{n}.weight", Tensor(str(n))) for n in range(count)))
    block = os.urandom(64 * MIB)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data.getvalue())
        archive.writestr("archive/byteorder", "little")
        for number in range(count):
            archive.writestr(f"archive/data/{number}", block)
        archive.writestr("archive/version", "3\n")


def safetensors(path, count):
    size, header = 64 * MIB, {}
    for n in range(count):
        header[f"layer.{n}.weight"] = {"dtype": "F32", "shape": [4096, 4096], "data_offsets": [n * size, (n + 1) * size]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = os.urandom(size)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _ in range(count):
            file.write(block)


WORKS = [large_models, small_pickles, opcodes, hostile]

if __name__ == "__main__":
    sys.exit(main())
