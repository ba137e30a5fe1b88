#!/usr/bin/env python3
"""modelseal beside the real model-signing 1.1.1: each signs, the other verifies; then the reference's own command lines.

usage: tests/interop.py [matrix] [commands]       default: both
MODELSEAL is the binary (default target/debug/modelseal). tests/setup.sh makes the Python environment."""

import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv/bin"
try:
    from model_signing import hashing, signing, verifying
except ImportError:
    if pathlib.Path(sys.executable).parent == VENV or not (VENV / "python").exists():
        raise SystemExit("interop.py: run tests/setup.sh first") from None
    os.execv(str(VENV / "python"), [str(VENV / "python"), *sys.argv])

sys.dont_write_bytecode = True
import peer_commands

MODELSEAL = pathlib.Path(os.environ.get("MODELSEAL", ROOT / "target/debug/modelseal")).resolve()
PEER = VENV / "model_signing"
KEYS = ROOT / "testdata/keys"
SHARD = 1000
TIMEOUT = 120
# Sorting by whole names puts a-b.bin before a/b, sorting by components after it.
MODEL = {
    "config.json": b'{"layers": 2}\n',
    "a-b.bin": b"1" * 10,
    "a/b": b"2" * 10,
    "weights/part-0.bin": bytes(range(250)) * 10,
    "weights/part-1.bin": b"3" * SHARD,
    "modèle 模型.txt": b"name\n",
}
PEER_HASH = {"sha256": "sha256", "blake2b": "blake2", "blake3": "blake3"}


class Refused(Exception):
    """A verifier or a signer said no; carries what it said."""


def run(program, *args, cwd):
    done = subprocess.run([str(program), *map(str, args)], capture_output=True, cwd=cwd, timeout=TIMEOUT)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode < 0 or done.returncode == 101 or "panicked at" in text:
        raise RuntimeError(f"crash (exit {done.returncode}): {text[-300:]}")
    if done.returncode:
        raise Refused(f"exit {done.returncode}: {text.strip()}")


class Ours:
    def sign_key(self, w, key, alg, method):
        size = ["--shard-size", SHARD] if method == "shards" else []
        run(
            MODELSEAL,
            "sign",
            "key",
            w.model,
            "--private-key",
            key,
            "--signature",
            w.sig,
            "--hash",
            alg,
            "--method",
            method,
            *size,
            cwd=w.dir,
        )

    def verify_key(self, w, model, key, alg, method):
        run(MODELSEAL, "verify", "key", model, "--public-key", key, "--signature", w.sig, cwd=w.dir)

    def sign_certificate(self, w, key, leaf, chain):
        run(
            MODELSEAL,
            "sign",
            "certificate",
            w.model,
            "--private-key",
            key,
            "--signing-certificate",
            leaf,
            *flags("--certificate-chain", chain),
            "--signature",
            w.sig,
            cwd=w.dir,
        )

    def verify_certificate(self, w, model, root):
        run(MODELSEAL, "verify", "certificate", model, "--certificate-chain", root, "--signature", w.sig, cwd=w.dir)


class Peer:
    """The reference: its library where only that can choose hash and method, else its command line."""

    def config(self, alg, method):
        if method == "shards":
            return hashing.Config().use_shard_serialization(hashing_algorithm=PEER_HASH[alg], shard_size=SHARD)
        return hashing.Config().use_file_serialization(hashing_algorithm=PEER_HASH[alg])

    def sign_key(self, w, key, alg, method):
        with refusals():
            signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(self.config(alg, method)).sign(
                w.model, w.sig
            )

    def verify_key(self, w, model, key, alg, method):
        with refusals():
            verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(
                self.config(alg, method)
            ).verify(model, w.sig)

    def sign_certificate(self, w, key, leaf, chain):
        run(
            PEER,
            "sign",
            "certificate",
            w.model,
            "--private_key",
            key,
            "--signing_certificate",
            leaf,
            *flags("--certificate_chain", chain),
            "--signature",
            w.sig,
            cwd=w.dir,
        )

    def verify_certificate(self, w, model, root):
        run(PEER, "verify", "certificate", model, "--certificate_chain", root, "--signature", w.sig, cwd=w.dir)


class refusals:
    """Turns what the reference's library raises into Refused."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and isinstance(error, Exception):
            raise Refused(f"{type(error).__name__}: {error}") from error


def flags(name, values):
    return [x for v in values for x in (name, v)]


class Work:
    """A scratch folder with a model, a copy with one bit changed, and the path of a signature."""

    def __init__(self, scratch, files=MODEL, changed="weights/part-1.bin"):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        self.model, self.tampered, self.sig = self.dir / "model", self.dir / "tampered/model", self.dir / "model.sig"
        for name, data in files.items():
            path = self.model / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        shutil.copytree(self.model, self.tampered)
        data = bytearray((self.tampered / changed).read_bytes())
        data[-1] ^= 1
        (self.tampered / changed).write_bytes(data)


def must_refuse(what, action):
    try:
        action()
    except Refused:
        return
    raise AssertionError(f"{what} accepted a tampered copy")


def exchange(w, sign, verify, verify_too, cannot=None):
    """One cell: `sign` signs; `verify` (the other tool) and `verify_too` (the signer's own) accept, and refuse the tampered copy.
    `cannot` = (text of the refusal, short reason) where the reference is known not to manage."""
    try:
        sign(w)
        verify_too(w, w.model)
        must_refuse("the signer's own tool", lambda: verify_too(w, w.tampered))
        try:
            verify(w, w.model)
        except Refused as error:
            if cannot and cannot[0] in str(error):
                return "peer cannot", cannot[1]
            raise
        if cannot:
            return "FAIL", "the reference can do this now: " + cannot[1]
        must_refuse("the other tool", lambda: verify(w, w.tampered))
    except (Refused, RuntimeError, AssertionError, subprocess.TimeoutExpired, OSError) as error:
        text = str(error)
        return "FAIL", text if len(text) < 500 else text[:200] + " ... " + text[-250:]
    return "ok", ""


def matrix(scratch):
    ours, peer, rows = Ours(), Peer(), []
    for curve in ("p256", "p384", "p521"):
        private, public = KEYS / f"{curve}.pem", KEYS / f"{curve}.pub.pem"
        for alg in ("sha256", "blake2b", "blake3"):
            for method in ("files", "shards"):
                sign = lambda tool: lambda w: tool.sign_key(w, private, alg, method)
                verify = lambda tool: lambda w, model: tool.verify_key(w, model, public, alg, method)
                theirs_cannot = ours_cannot = None
                if method == "shards":
                    ours_cannot = (
                        "-sharded-" if alg != "blake3" else "Missing files",
                        f"it reads only resources that name the algorithm {alg}-sharded-N"
                        if alg != "blake3"
                        else "it has no blake3 shards",
                    )
                if (alg, method) == ("blake3", "shards"):
                    theirs = ("peer cannot", "it has no blake3 shards: it writes files")
                else:
                    theirs = exchange(Work(scratch), sign(peer), verify(ours), verify(peer), theirs_cannot)
                rows.append(
                    (
                        f"key {curve} {alg} {method}",
                        theirs,
                        exchange(Work(scratch), sign(ours), verify(peer), verify(ours), ours_cannot),
                    )
                )
    pki = KEYS / "pki"
    for leaf, chain, root in (
        ("leaf-p256", ["int"], "root"),
        ("leaf-p384", ["int"], "root"),
        ("leaf-p521", ["int"], "root"),
        ("leaf-p256", ["int", "root"], "root"),
        ("leaf-rsa-ca", ["int-rsa"], "root-rsa"),
        ("leaf-no-eku", ["int"], "root"),
    ):
        sign = lambda tool: (
            lambda w: tool.sign_certificate(
                w, pki / f"{leaf}.key.pem", pki / f"{leaf}.pem", [pki / f"{c}.pem" for c in chain]
            )
        )
        verify = lambda tool: lambda w, model: tool.verify_certificate(w, model, pki / f"{root}.pem")
        rows.append(
            (
                f"certificate {leaf} + {' + '.join(chain)}",
                exchange(Work(scratch), sign(peer), verify(ours), verify(peer)),
                exchange(Work(scratch), sign(ours), verify(peer), verify(ours)),
            )
        )
    return rows + shapes(scratch, ours, peer)


def shapes(scratch, ours, peer):
    """Models of unusual shape, under the defaults of both command lines."""
    private, public, rows = KEYS / "p256.pem", KEYS / "p256.pub.pem", []

    def cli(program, underscore, *extra):
        dash = "_" if underscore else "-"
        f = lambda name: "--" + name.replace("-", dash)
        sign = lambda w: run(
            program, "sign", "key", w.model, f("private-key"), private, "--signature", w.sig, *extra, cwd=w.dir
        )
        verify = lambda w, model: run(
            program, "verify", "key", model, f("public-key"), public, "--signature", w.sig, *extra, cwd=w.dir
        )
        return sign, verify

    def row(name, make, extra=(), cannot=None, ours_signs=()):
        (ps, pv), (os_, ov) = cli(PEER, True, *extra), cli(MODELSEAL, False, *extra)
        if ours_signs:
            os_, _ = cli(MODELSEAL, False, *extra, *ours_signs)
        rows.append((name, exchange(make(), ps, ov, pv), exchange(make(), os_, pv, ov, cannot)))

    def single():
        w = Work(scratch, {"weights.bin": bytes(300)}, "weights.bin")
        w.model, w.tampered = w.model / "weights.bin", w.tampered / "weights.bin"
        return w

    def inside():
        w = Work(scratch)
        w.sig = w.model / "model.sig"
        # The tampered copy has its own place for the bundle; the one given lies outside of it, as after a download.
        return w

    def linked():
        w = Work(scratch)
        for m in (w.model, w.tampered):
            (m / "alias.bin").symlink_to("weights/part-1.bin")
        return w

    row("empty file", lambda: Work(scratch, {**MODEL, "pkg/__init__.py": b""}))
    row("names with colon and quote", lambda: Work(scratch, {**MODEL, "a:b.bin": b"x", 'it\'s "odd".txt': b"y"}))
    row("signature inside the model", inside)
    row("fs-verity annotations", lambda: Work(scratch, {**MODEL, "empty": b""}), ours_signs=["--fs-verity"])
    row("signed symlink", linked, ["--allow_symlinks"])
    row("one file", single, cannot=("Missing files", "it lists a single file as a dot and takes no other name"))
    return rows


def print_matrix(rows):
    width = max(len(name) for name, *_ in rows)
    print(f"{'':{width}}  {'reference signs':16} {'modelseal signs':16}")
    print(f"{'':{width}}  {'modelseal checks':16} {'reference checks':16}")
    notes = []
    for name, theirs, ours in rows:
        cells = []
        for kind, why in (theirs, ours):
            if why and (kind, why) not in notes:
                notes.append((kind, why))
            cells.append(kind + (f" [{notes.index((kind, why)) + 1}]" if why else ""))
        print(f"{name:{width}}  {cells[0]:16} {cells[1]:16}".rstrip())
    for i, (kind, why) in enumerate(notes, 1):
        print(f"[{i}] {kind}: {why}")


def main():
    parts = sys.argv[1:] or ["matrix", "commands"]
    if set(parts) - {"matrix", "commands"}:
        raise SystemExit(__doc__)
    if not MODELSEAL.exists():
        raise SystemExit(f"interop.py: no {MODELSEAL}; build it or set MODELSEAL")
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        if "matrix" in parts:
            rows = matrix(scratch)
            print_matrix(rows)
            counts.update(
                {"ok": "passed", "FAIL": "failed"}.get(cell[0], "skipped") for _, *cells in rows for cell in cells
            )
        if "commands" in parts:
            counts.update(peer_commands.run_all(PEER, MODELSEAL, KEYS, pathlib.Path(scratch)))
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped (the reference cannot)")
    sys.exit(counts["failed"] > 0)


if __name__ == "__main__":
    main()
