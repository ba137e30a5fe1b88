"""Scans the samples with every scanner and counts what each missed and where it cried wolf. Run by scoreboard.sh.

The samples are hostile: they are handed to scanners that only read them, in processes without a network where the system
lets us have such, and never loaded. A scanner that hangs or dies is started anew and has that file as `timeout` or `crash`."""

import argparse
import collections
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ["picklescan", "fickling", "modelscan", "modelaudit"]
# Formats whose loaders unpickle, or that hold what they do.
PICKLES = set("pickle joblib npy npz torch-zip torch-legacy torch-tar torch-pt2 torchscript zip tar gzip bzip2 xz 7z polyglot nemo raw".split())
SILENT = {"clean", "skipped"}


def main():
    args = arguments()
    index = json.loads((args.samples / "inspection/index.json").read_text())["files"]
    files = [file for file in index if not args.families or file["family"] in args.families]
    commands = {"modelseal": [args.ours, "-s"]}
    for peer in args.peers:
        commands[peer] = [args.environments / peer / "bin/python", "-B", HERE / "scanners/worker.py", peer]
    answers = {}
    with tempfile.TemporaryDirectory(prefix="modelseal-scoreboard-") as scratch:
        for name, command in commands.items():
            start = time.monotonic()
            answers[name] = scan_all(name, command, files, args, scratch)
            print(f"{name}: {len(files)} files in {time.monotonic() - start:.1f} s", file=sys.stderr)
    if args.json:
        rows = [{"file": f["file"], "expected": f["expected"], "family": f["family"]} | {n: a[f["file"]] for n, a in answers.items()} for f in files]
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    report(files, answers, args)
    ours = answers["modelseal"]
    wrong = [f["file"] for f in files if is_wrong(f["expected"], ours[f["file"]]["verdict"])]
    print("\n".join(f"wrong: {file}: {ours[file]['verdict']}" for file in wrong))
    return 1 if wrong else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", required=True, type=os.path.abspath, help="the example 'verdicts' of crates/inspect")
    parser.add_argument("--samples", type=pathlib.Path, required=True)
    parser.add_argument("--environments", type=pathlib.Path, required=True)
    parser.add_argument("--peers", type=lambda text: [name for name in text.split(",") if name], default=PEERS)
    parser.add_argument("--families", type=lambda text: set(text.split(",")))
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one file (default 60)")
    parser.add_argument("--json", type=pathlib.Path, help="also write every answer to this file")
    return parser.parse_args()


class Worker:
    """A scanner's process, which answers a line for each line."""

    def __init__(self, command, environment, directory):
        self.child = subprocess.Popen(isolated() + [str(part) for part in command], stdin=subprocess.PIPE, env=environment,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=directory, start_new_session=True)
        self.pending = b""
        # TensorFlow alone takes seconds to start.
        if self.line(300) != b"ready":
            sys.exit(f"{command} does not start")

    def line(self, seconds):
        """The next line; b"" when it has died, None when it takes too long."""
        end = time.monotonic() + seconds
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                return None
            read = os.read(self.child.stdout.fileno(), 1 << 16)
            if not read:
                return b""
            self.pending += read
        line, self.pending = self.pending.split(b"\n", 1)
        return line

    def end(self):
        self.child.kill()
        self.child.wait()


def isolated():
    """A prefix that takes the network away, where that can be had without being root."""
    command = ["unshare", "--user", "--map-root-user", "--net"]
    can = shutil.which("unshare") and subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return command if can else []


def scan_all(name, command, files, args, scratch):
    home = pathlib.Path(scratch, name)
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    # Scanners that tell their makers what they scan are asked not to, and could not.
    environment |= {"PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    answers, worker = {}, None
    for file in files:
        worker = worker or Worker(command, environment, home)
        path = (args.samples / "inspection" / file["file"]).resolve()
        worker.child.stdin.write(f"{path}\n".encode())
        worker.child.stdin.flush()
        line = worker.line(args.timeout)
        if line:
            answers[file["file"]] = json.loads(line)
            continue
        verdict = "timeout" if line is None else "crash"
        answers[file["file"]] = {"verdict": verdict, "detail": [], "seconds": args.timeout}
        worker.end()
        worker = None
    if worker:
        worker.end()
    return answers


def is_wrong(expected, verdict):
    """Whether our verdict breaks a promise. That at most 2% of clean files are called suspicious is counted by the report."""
    if expected in ("malicious", "suspicious"):
        return verdict not in ("malicious", "suspicious", "malformed")
    if expected == "malformed":
        return verdict in SILENT
    return verdict not in ("clean", "suspicious")


def report(files, answers, args):
    names = list(answers)
    print("Per family: what was called clean or not looked at, of the files that are not clean; and what was alarmed about, of")
    print("those that are. '-' stands for none.\n")
    print(f"{'family':<26}{'expected':<11}{'files':>5}  " + "".join(f"{name:>12}" for name in names))
    rows = collections.defaultdict(list)
    for file in files:
        rows[file["family"], file["expected"]].append(file["file"])
    for (family, expected), members in sorted(rows.items()):
        cells = ""
        for name in names:
            silent = sum(answers[name][member]["verdict"] in SILENT for member in members)
            count = len(members) - silent if expected == "clean" else silent
            cells += f"{count or '-':>12}"
        print(f"{family:<26}{expected:<11}{len(members):>5}  {cells}")
    for title, chosen in [
        ("All files", files),
        ("Files that are pickles or hold some", [file for file in files if file["format"] in PICKLES]),
        ("All others", [file for file in files if file["format"] not in PICKLES]),
    ]:
        print(f"\n{title}\n{'':<44}{'files':>5}  " + "".join(f"{name:>12}" for name in names))
        for expected, what, verdicts in [
            ("malicious", "called malicious", {"malicious"}),
            ("malicious", "called clean, or not looked at", SILENT),
            ("suspicious", "called clean, or not looked at", SILENT),
            ("malformed", "called clean, or not looked at", SILENT),
            ("clean", "called malicious or malformed", {"malicious", "malformed"}),
            ("clean", "called suspicious", {"suspicious"}),
            ("clean", "could not be decided", {"unknown", "error", "timeout", "crash"}),
        ]:
            members = [file["file"] for file in chosen if file["expected"] == expected]
            cells = ""
            for name in names:
                count = sum(answers[name][member]["verdict"] in verdicts for member in members)
                cells += f"{f'{count} {count * 100 / len(members):4.0f}%' if members else '-':>12}"
            print(f"{expected + ': ' + what:<44}{len(members):>5}  {cells}")
    seconds = {name: sum(answer["seconds"] for answer in answers[name].values()) for name in names}
    failed = {name: collections.Counter(answer["verdict"] for answer in answers[name].values()) for name in names}
    print(f"\n{'timeouts, crashes':<51}" + "".join(f"{failed[name]['timeout'] + failed[name]['crash']:>12}" for name in names))
    print(f"{'seconds for all, without starting':<51}" + "".join(f"{seconds[name]:>12.2f}" for name in names))


if __name__ == "__main__":
    sys.exit(main())
