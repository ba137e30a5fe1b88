"""Times modelseal beside its peers. Run by compare.sh, which finds them.

Each work is done in rounds; in each round every tool runs once, in rotating order, so that what else the machine does
falls on all alike. Figures are medians over the rounds; ratios are medians of the ratios within each round."""

import argparse
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

GIB = 1 << 30


def main():
    args = arguments()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="modelseal-bench-", dir=args.directory))
    try:
        bench = Bench(args, scratch)
        for work in WORKS:
            if not args.only or work.__name__ in args.only:
                work(bench)
        bench.report()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modelseal", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the data; 1.0 is 8 GiB")
    parser.add_argument("--directory", help="where the data is made (default: the system's temporary directory)")
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--only", type=lambda text: set(text.split(",")), help=", ".join(w.__name__ for w in WORKS))
    return parser.parse_args()


class Bench:
    def __init__(self, args, scratch):
        self.args, self.scratch, self.rows = args, scratch, []
        self.cores = len(os.sched_getaffinity(0))
        self.run([args.modelseal, "key", "generate", "--no-password", "--algorithm", "p256", "--output", scratch / "key"])
        self.key, self.public = scratch / "key.key", scratch / "key.pub"

    def data(self, name, files, size):
        """`files` files of `size` bytes, not compressible, read once so that the page cache is warm."""
        directory = self.scratch / name
        directory.mkdir()
        block = os.urandom(1 << 20)
        for at in range(files):
            folder = directory / f"part-{at // 1000:03}" if files > 1000 else directory
            folder.mkdir(exist_ok=True)
            with open(folder / f"file-{at:06}.bin", "wb") as out:
                left = size
                while left > 0:
                    out.write(at.to_bytes(8, "big") + left.to_bytes(8, "big") + block[16 : min(left, len(block))])
                    left -= len(block)
                out.truncate(size)
        subprocess.run(f"find {shlex.quote(str(directory))} -type f -print0 | xargs -0 cat > /dev/null", shell=True, check=True)
        return directory

    def run(self, command):
        """Wall seconds, CPU seconds, peak memory in MiB."""
        started = time.monotonic()
        shell = isinstance(command, str)
        child = subprocess.Popen(["/bin/bash", "-c", command] if shell else [str(c) for c in command],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        error = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        if status != 0:
            sys.exit(f"{command} failed: {error.decode(errors='replace')}")
        return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def compare(self, work, metric, target, tools):
        """`tools` is a list of (name, command); the first is ours, and ratios are to the second."""
        column = {"wall": 0, "cpu": 1}[metric]
        figures = {name: [] for name, _ in tools}
        for at in range(self.args.rounds):
            for turn in range(len(tools)):
                name, command = tools[(at + turn) % len(tools)]
                figures[name].append(self.run(command))
        ours, against = tools[0][0], tools[1][0]
        ratios = sorted(a[column] / b[column] for a, b in zip(figures[ours], figures[against]))
        for name, _ in tools:
            wall, cpu, memory = (statistics.median(f[i] for f in figures[name]) for i in range(3))
            print(f"  {name:24} wall {wall:8.3f} s   cpu {cpu:8.3f} s   peak {memory:6.0f} MiB", file=sys.stderr)
        row = {"work": work, "metric": metric, "against": against, "ratio": statistics.median(ratios), "low": ratios[0],
               "high": ratios[-1], "target": target, "tools": {
                   name: [statistics.median(f[i] for f in figures[name]) for i in range(3)] for name, _ in tools}}
        self.rows.append(row)
        print(f"{work}: {row['ratio']:.3f} of {against} ({metric}), target {target}", file=sys.stderr)

    def report(self):
        machine = f"{cpu_name()}, {self.cores} cores, {platform.system()} {platform.release()}"
        scale = "" if self.args.scale == 1 else f", data scaled by {self.args.scale}"
        print(f"{machine}; medians of {self.args.rounds} rounds, page cache warm{scale}\n")
        print("| work | figure | against | ratio (lowest..highest) | target | ours | theirs |")
        print("|---|---|---|---|---|---|---|")
        for row in self.rows:
            names = list(row["tools"])
            ours, theirs = row["tools"][names[0]], row["tools"][names[1]]
            column = {"wall": 0, "cpu": 1}[row["metric"]]
            met = "" if row["ratio"] <= row["target"] else " **missed**"
            print(f"| {row['work']} | {row['metric']} | {row['against']} | {row['ratio']:.3f} ({row['low']:.3f}..{row['high']:.3f}) "
                  f"| {row['target']}{met} | {ours[column]:.2f} s, {ours[2]:.0f} MiB | {theirs[column]:.2f} s, {theirs[2]:.0f} MiB |")
        if self.args.json:
            document = {"machine": machine, "rounds": self.args.rounds, "scale": self.args.scale, "rows": self.rows}
            pathlib.Path(self.args.json).write_text(json.dumps(document, indent=1) + "\n")


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def openssl(directory, jobs=1, batch=1):
    return f"find {shlex.quote(str(directory))} -type f -print0 | xargs -0 -P{jobs} -n{batch} openssl dgst -sha256"


def eight_files(bench):
    data = bench.data("eight", 8, int(GIB * bench.args.scale))
    ours = [bench.args.modelseal, "digest", data]
    bench.compare("8 x 1 GiB, files", "cpu", 0.50, [("modelseal digest", ours), ("openssl dgst", openssl(data, 1, 8))])
    bench.compare("8 x 1 GiB, files", "wall", 0.50,
                  [("modelseal digest", ours), (f"xargs -P{bench.cores} openssl", openssl(data, bench.cores))])
    verify_beside_the_reference(bench, "8 x 1 GiB, verify", data)
    shutil.rmtree(data)


def one_file(bench):
    data = bench.data("one", 1, int(8 * GIB * bench.args.scale))
    file, tool = data / "file-000000.bin", bench.args.modelseal
    plain = ["openssl", "dgst", "-sha256", file]
    shards = [tool, "digest", data, "--method", "shards", "--shard-size", "64MiB"]
    bench.compare("1 x 8 GiB, shards of 64 MiB", "wall", 0.23, [("modelseal digest shards", shards), ("openssl dgst", plain)])
    bench.compare("1 x 8 GiB, files", "wall", 0.85, [("modelseal digest", [tool, "digest", data]), ("openssl dgst", plain)])
    verify_beside_the_reference(bench, "1 x 8 GiB, verify", data)
    shutil.rmtree(data)


def verify_beside_the_reference(bench, work, data):
    signature, tool = data.with_suffix(".sig"), bench.args.modelseal
    bench.run([tool, "sign", "key", data, "--private-key", bench.key, "--signature", signature])
    verify = ["verify", "key", data, "--signature", signature]
    bench.compare(work, "wall", 0.45,
                  [("modelseal verify", [tool, *verify, "--public-key", bench.public]),
                   ("reference verify", [bench.args.reference, *verify, "--public_key", bench.public])])


def small_files(bench):
    data = bench.data("small", max(1000, int(100_000 * bench.args.scale)), 4096)
    ours = [bench.args.modelseal, "digest", data]
    bench.compare("100,000 x 4 KiB", "cpu", 0.75, [("modelseal digest", ours), ("xargs -n1000 openssl", openssl(data, 1, 1000))])
    key, public = ["--private-key", bench.key], ["--private_key", bench.key]
    bench.compare("100,000 x 4 KiB, sign", "cpu", 0.07, [
        ("modelseal sign", [bench.args.modelseal, "sign", "key", data, *key, "--signature", bench.scratch / "a.sig", "--force"]),
        ("reference sign", [bench.args.reference, "sign", "key", data, *public, "--signature", bench.scratch / "b.sig"])])
    shutil.rmtree(data)


def start_up(bench):
    data = bench.data("tiny", 3, 1000)
    signature = bench.scratch / "tiny.sig"
    bench.run([bench.args.modelseal, "sign", "key", data, "--private-key", bench.key, "--signature", signature])
    verify = ["verify", "key", data, "--signature", signature]
    bench.compare("3 small files, verify", "wall", 0.03,
                  [("modelseal verify", [bench.args.modelseal, *verify, "--public-key", bench.public]),
                   ("reference verify", [bench.args.reference, *verify, "--public_key", bench.public])])
    shutil.rmtree(data)


WORKS = [start_up, small_files, eight_files, one_file]

if __name__ == "__main__":
    main()
