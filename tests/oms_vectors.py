#!/usr/bin/env python3
"""Runs folders of OMS cases (testdata/README.md says what they hold) against a verifier.

usage: oms_vectors.py DIR... [-k TEXT] [-j N] -- ADAPTER [ARG]...      a verifier that speaks the OMS conformance protocol:
           verify-model --method M --model-path P --bundle B [--public-key K] [--cert-chain C]... [--ignore-paths ABS]...
           [--ignore-unsigned-files] [--allow-symlinks]; the exit code is the verdict, OMS_VERIFY_TIME sets the clock
       oms_vectors.py DIR... [-k TEXT] [-j N] --modelseal PROGRAM          the command line itself
       oms_vectors.py DIR... [-k TEXT] [-j N] --reference MODEL_SIGNING    the reference tool, against what the cases say of it

A line for each wrong verdict, then the count. A crash (a signal, exit code 101, `panicked at`, 60 seconds) is always a failure."""

import argparse
import base64
import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

TIMEOUT = 60
WORLD_READABLE_DIR = 0o755


def main():
    args, adapter = sys.argv[1:], None
    if "--" in args:
        cut = args.index("--")
        args, adapter = args[:cut], args[cut + 1 :]
        # The cases run in directories of their own.
        adapter[:1] = [os.path.abspath(adapter[0])] if adapter and os.path.exists(adapter[0]) else adapter[:1]
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("dirs", nargs="+", type=pathlib.Path)
    p.add_argument("-k", default="", help="only cases with this in their name")
    p.add_argument("-j", type=int, default=os.cpu_count() or 1)
    p.add_argument("--modelseal")
    p.add_argument("--reference")
    p.add_argument("-v", action="store_true", help="print every verdict with the verifier's last line")
    opt = p.parse_args(args)
    doors = {"adapter": adapter, "modelseal": opt.modelseal, "reference": opt.reference}
    given = [(name, program) for name, program in doors.items() if program]
    if len(given) != 1:
        p.error("give one of -- ADAPTER, --modelseal PROGRAM and --reference MODEL_SIGNING")
    cases = [
        f for d in opt.dirs for f in sorted(d.resolve().iterdir()) if (f / "case.json").exists() and opt.k in f.name
    ]
    if not cases:
        raise SystemExit("no cases found")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(opt.j) as pool:
        for folder, (outcome, line) in zip(cases, pool.map(lambda f: run(f, *given[0]), cases)):
            counts[outcome] += 1
            if outcome != "passed" or opt.v:
                print(f"{outcome.upper()} {folder.name}: {line}", flush=True)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    sys.exit(counts["failed"] > 0)


def run(folder, door, program):
    """The outcome and a line that explains it."""
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    expected = case["expected"]
    if (expected == "reject") != folder.name.endswith("_fail"):
        return "failed", "the folder's name and `expected` disagree"
    if case.get("requires") == "non-root" and os.geteuid() == 0:
        return "skipped", "needs a user without root's rights"
    if door == "adapter" and "beyond" in case:
        return "skipped", case["beyond"]
    if door == "modelseal" and "verify_time" in case:
        return "skipped", "no option of a shipped program sets the clock"
    if door == "reference" and "reference_skip" in case:
        return "skipped", "the reference: " + case["reference_skip"]
    expected = case.get(door, {}).get("verdict", expected)
    with tempfile.TemporaryDirectory() as scratch:
        model, bundle = place(folder, case, pathlib.Path(scratch))
        command = COMMANDS[door](program, folder.parent.parent, case, model, bundle)
        env = dict(os.environ)
        env.pop("OMS_VERIFY_TIME", None)
        if "verify_time" in case:
            env["OMS_VERIFY_TIME"] = case["verify_time"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, env=env, cwd=scratch)
            code, text = done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        except subprocess.TimeoutExpired:
            code, text = None, f"no answer in {TIMEOUT} seconds"
        except OSError as error:
            raise SystemExit(f"cannot run {command[0]}: {error}") from None
        finally:
            for d in [p for p in model.rglob("*") if p.is_dir() and not p.is_symlink()] if model.is_dir() else []:
                d.chmod(WORLD_READABLE_DIR)  # so that the folder can be removed
    crashed = code is None or code < 0 or code == 101 or "panicked at" in text
    got = "crash" if crashed else "accept" if code == 0 else "reject"
    line = f"expected {expected}, got {got} (exit {code}): {text[-300:]!r}"
    return ("passed" if got == expected else "failed"), line


def place(folder, case, scratch):
    """Copies the model and the bundle and does what `setup` says."""
    data = folder.parent.parent
    source = data / case["model"]
    model = scratch / "w" / source.name
    model.parent.mkdir()
    (shutil.copytree if source.is_dir() else shutil.copy)(source, model)
    for step in case["setup"]:
        apply(model, step)
    bundle = (
        model / case["signature_inside_model_as"] if "signature_inside_model_as" in case else scratch / "bundle.sig"
    )
    shutil.copy(folder / "bundle.sig", bundle)
    if "bundle_size" in case:
        os.truncate(bundle, case["bundle_size"])
    return model, bundle


def apply(model, step):
    path, op = model / step["path"], step["op"]
    if op in ("write", "symlink", "mkfifo", "socket"):
        path.parent.mkdir(parents=True, exist_ok=True)
    if op == "write":
        path.write_bytes(base64.b64decode(step["base64"]) if "base64" in step else step["text"].encode())
    elif op == "append":
        path.write_bytes(path.read_bytes() + step["text"].encode())
    elif op == "flip":
        data = bytearray(path.read_bytes())
        data[step["offset"]] ^= 1
        path.write_bytes(data)
    elif op == "truncate":
        os.truncate(path, step["size"])
    elif op == "remove":
        path.unlink()
    elif op == "rename":
        (model / step["to"]).parent.mkdir(parents=True, exist_ok=True)
        path.rename(model / step["to"])
    elif op == "swap":
        other = model / step["with"]
        a, b = path.read_bytes(), other.read_bytes()
        path.write_bytes(b)
        other.write_bytes(a)
    elif op == "symlink":
        path.symlink_to(step["target"])
    elif op == "mkfifo":
        os.mkfifo(path)
    elif op == "socket":
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
    elif op == "mkdir":
        path.mkdir(parents=True)
    elif op == "chmod":
        path.chmod(int(step["mode"], 8))
    else:
        raise SystemExit(f"unknown step {op}")


def adapter_command(adapter, data, case, model, bundle):
    c = [*adapter, "verify-model", "--method", case["method"], "--model-path", str(model), "--bundle", str(bundle)]
    return c + options(data, case, model, "--public-key", "--cert-chain", "-")


def modelseal_command(program, data, case, model, bundle):
    c = [str(pathlib.Path(program).resolve()), "verify", case["method"], str(model), "--signature", str(bundle)]
    return c + options(data, case, model, "--public-key", "--certificate-chain", "-")


def reference_command(program, data, case, model, bundle):
    c = [str(pathlib.Path(program).resolve()), "verify", case["method"], str(model), "--signature", str(bundle)]
    return c + options(data, case, model, "--public_key", "--certificate_chain", "_")


def options(data, case, model, key, chain, dash):
    out, flags, trust = [], case["flags"], case["trust"]
    if "public_key" in trust:
        out += [key, str(data / trust["public_key"])]
    for root in trust.get("roots", []):
        out += [chain, str(data / root)]
    for path in flags.get("ignore_paths", []):
        out += ["--ignore-paths", str(model / path)]
    for name in ("ignore_unsigned_files", "allow_symlinks"):
        if flags.get(name):
            out.append("--" + name.replace("_", dash))
    return out


COMMANDS = {"adapter": adapter_command, "modelseal": modelseal_command, "reference": reference_command}

if __name__ == "__main__":
    main()
