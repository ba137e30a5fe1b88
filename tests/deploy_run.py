#!/usr/bin/env python3
"""Runs what deploy/ ships, as far as it runs without a cluster: the init container's script under three shells, KServe's
initializer with KServe's own downloader, and what starts and feeds Triton, on models that the real program signed.

    deploy_run.py MODELSEAL
"""

from __future__ import annotations

import fcntl
import hashlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
MODELSEAL = ""
NAME = "hf://huggingface.co/example/ranker"

POLICY = """\
schema = "modelseal.policy/v1"
id = "example.com/models"
version = 1
expires = {expires}

[signers.release]
kind = "key"
file = "release.pub"
spki-sha256 = "{fingerprint}"

[[rule]]
name = "ours"
models = ["hf://huggingface.co/example/*", "s3://models.example.com/*"]
mode = "enforce"
bind = "signer"
signature = {{ signers = ["release"] }}
"""


def modelseal(*arguments: str | Path, cwd: Path) -> str:
    return subprocess.run([MODELSEAL, *arguments], cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def entries(folder: Path) -> list[str]:
    """All that is in a folder, hidden or not."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


class Recipe(unittest.TestCase):
    """A model that is signed, one whose bytes changed, and a policy."""

    def setUp(self) -> None:
        self.here = Path(tempfile.mkdtemp(prefix="modelseal-deploy-")).resolve()
        self.addCleanup(self.clear)
        said = modelseal("key", "generate", "--output", "release", "--algorithm", "p256", "--no-password", cwd=self.here)
        (fingerprint,) = [line.split()[-1] for line in said.splitlines() if line.startswith("fingerprint:")]
        expires = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.policy = self.here / "policy.toml"
        self.policy.write_text(POLICY.format(fingerprint=fingerprint, expires=expires))
        self.good = self.model("good")
        self.bad = self.here / "bad"
        shutil.copytree(self.good, self.bad)
        with open(self.bad / "1/weights.bin", "r+b") as file:
            file.seek(54321)
            (byte,) = file.read(1)
            file.seek(54321)
            file.write(bytes([byte ^ 1]))
        self.log = self.here / "termination-log"
        self.target = self.here / "volume/model"
        self.target.parent.mkdir()

    def clear(self) -> None:
        for folder, _, _ in os.walk(self.here):
            os.chmod(folder, 0o700)
        shutil.rmtree(self.here)

    def model(self, name: str) -> Path:
        model = self.here / name
        (model / "1").mkdir(parents=True)
        (model / "config.pbtxt").write_text(f'name: "{name}"\n')
        (model / "1/weights.bin").write_bytes(os.urandom(200_000))
        self.sign(name)
        return model

    def sign(self, name: str, *options: str) -> None:
        modelseal("sign", "key", name, "--private-key", "release.key", "--signature", f"{name}/model.sig", *options, cwd=self.here)

    def script(self, name: str, text: str) -> Path:
        script = self.here / name
        script.write_text("#!/bin/sh\n" + text)
        script.chmod(0o755)
        return script

    def linked(self, name: str, link: str) -> Path:
        """A model whose signer takes a link for the bytes that it leads to; now it leads to `link`, where the same bytes are."""
        model = self.here / name
        shutil.copytree(self.good, model)
        shutil.copy(self.good / "1/weights.bin", model / "0.bin")
        shutil.copy(self.good / "1/weights.bin", self.here / "volume/outside.bin")
        (model / "model.sig").unlink()
        self.sign(name, "--allow-symlinks")
        (model / "1/weights.bin").unlink()
        (model / "1/weights.bin").symlink_to(link)
        return model

    @property
    def under_policy(self) -> list[str]:
        # The temporary directory is everybody's, so the policy must be asked for; in an image it is where only root writes.
        return ["--policy", str(self.policy), "--policy-unsigned", "--as", NAME]

    def environment(self, **more: str | Path) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MODELSEAL")}
        environment |= {"MODELSEAL": MODELSEAL, "MODELSEAL_TERMINATION_LOG": str(self.log)}
        return environment | {k: str(v) for k, v in more.items()}

    def assertSame(self, copy: Path, original: Path) -> None:
        self.assertEqual(entries(copy), entries(original))
        for name in entries(original):
            if (original / name).is_file():
                self.assertEqual((copy / name).read_bytes(), (original / name).read_bytes(), name)


class InitContainer(Recipe):
    def run_script(self, source: Path, *options: str, shell: str = "sh", **more: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*shell.split(), str(DEPLOY / "docker/modelseal-init"), str(source), str(self.target), *(options or self.under_policy)]
        return subprocess.run(command, env=self.environment(**more), capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def test_in_each_shell(self) -> None:
        # The image has busybox' shell.
        for shell in ("sh", "bash", "busybox sh"):
            if shutil.which(shell.split()[0]) is None:
                print(f"no {shell} here; not tried")
                continue
            with self.subTest(shell):
                run = self.run_script(self.good, shell=shell)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertSame(self.target, self.good)
                self.assertEqual(entries(self.target.parent), ["model", *(f"model/{n}" for n in entries(self.good))])
                writable = [p for p in self.target.rglob("*") if p.stat().st_mode & 0o222]
                self.assertEqual((writable, self.target.stat().st_mode & 0o222), ([], 0))

                run = self.run_script(self.bad, shell=shell)
                self.assertEqual(run.returncode, 1, run.stderr)
                # The copy of before is gone, too: nothing is served in place of what was refused.
                self.assertEqual(entries(self.target.parent), [])
                said = self.log.read_text()
                self.assertIn("[integrity.digest-mismatch]", said)
                self.assertIn("1/weights.bin", said)
                self.assertIn("what to do: ", said)
                self.log.unlink()

    def test_what_is_verified_is_the_copy(self) -> None:
        # Whoever can write to the source does so at the worst time: between the copying and the verdict.
        judge = self.here / "judge"
        judge.write_text(f'#!/bin/sh\ncp "{self.bad}/1/weights.bin" "{self.good}/1/weights.bin"\nexec "{MODELSEAL}" "$@"\n')
        judge.chmod(0o755)
        signed = (self.good / "1/weights.bin").read_bytes()
        run = self.run_script(self.good, MODELSEAL=judge)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotEqual((self.good / "1/weights.bin").read_bytes(), signed)
        self.assertEqual((self.target / "1/weights.bin").read_bytes(), signed)

    def test_what_is_not_signed_is_refused(self) -> None:
        (self.good / "extra.py").write_text("import os\n")
        run = self.run_script(self.good)
        self.assertEqual((run.returncode, entries(self.target.parent)), (1, []))
        self.assertIn("extra.py", self.log.read_text())

    def test_links_do_not_lead_out(self) -> None:
        # Not even to the signed bytes: the signer allowed no links.
        os.rename(self.good / "1/weights.bin", self.here / "elsewhere")
        (self.good / "1/weights.bin").symlink_to(self.here / "elsewhere")
        run = self.run_script(self.good)
        self.assertEqual((run.returncode, entries(self.target.parent)), (1, []), run.stderr)

    def test_links_that_the_signer_allowed(self) -> None:
        outside = self.here / "volume/outside.bin"
        for name, link, status in (
            ("inside", "../0.bin", 0),
            ("absolute", str(outside), 1),
            # As the copy lies in the volume while it is verified, and as if it had its name by then.
            ("relative", "../../../outside.bin", 1),
            ("own-name", "../../model/0.bin", 1),
        ):
            with self.subTest(name):
                source = self.linked(name, link)
                for shell in ("sh", "busybox sh"):
                    if shutil.which(shell.split()[0]) is None:
                        continue
                    run = self.run_script(source, shell=shell)
                    self.assertEqual(run.returncode, status, run.stderr)
                    if status:
                        self.assertEqual(entries(self.target.parent), ["outside.bin"])
                        self.assertIn("./1/weights.bin", self.log.read_text())
                        self.assertIn("lead out of the model", self.log.read_text())

    def test_two_runs_for_one_volume(self) -> None:
        # While the first verifies, another run for the same volume begins, with another model.
        script = DEPLOY / "docker/modelseal-init"
        for target in (self.target, self.target.parent / "other"):
            inner = f'MODELSEAL="{MODELSEAL}" sh "{script}" "{self.bad}" "{target}" {" ".join(self.under_policy)}'
            judge = self.script("judge", f'{inner} >"{self.here}/second" 2>&1\necho $? >>"{self.here}/second"\nexec "{MODELSEAL}" "$@"\n')
            for shell in ("sh", "busybox sh"):
                if shutil.which(shell.split()[0]) is None:
                    continue
                with self.subTest(target.name, shell=shell):
                    run = self.run_script(self.good, shell=shell, MODELSEAL=judge)
                    self.assertEqual(run.returncode, 0, run.stderr)
                    self.assertSame(self.target, self.good)
                    second = (self.here / "second").read_text()
                    self.assertTrue(second.endswith("\n3\n"), second)
                    self.assertIn("does another run write to it?", second)
                    self.assertEqual([p.name for p in self.target.parent.iterdir()], ["model"])

    def test_gits_own_files_do_not_come_along(self) -> None:
        # Nobody signed them, and the verification does not look at them.
        (self.good / ".git").mkdir()
        (self.good / ".git/hook").write_text("evil")
        (self.good / ".gitattributes").write_text("evil")
        run = self.run_script(self.good)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(entries(self.target), ["1", "1/weights.bin", "config.pbtxt", "model.sig"])

    def test_a_volume_that_cannot_be_written_to(self) -> None:
        # What `mkdir`, `rm` and `mv` say there is not "denied".
        bin = self.here / "bin"
        bin.mkdir()
        for program in ("mktemp", "rm", "mv", "flock"):
            with self.subTest(program):
                shutil.rmtree(self.target, ignore_errors=True)
                if program == "rm":
                    self.target.mkdir()
                failing = self.script(f"bin/{program}", 'echo "Read-only file system" >&2\nexit 1\n')
                run = self.run_script(self.good, PATH=f"{bin}:{os.environ['PATH']}")
                failing.unlink()
                self.assertEqual(run.returncode, 3, run.stderr)
                self.assertIn("modelseal-init: '", self.log.read_text())
                self.assertEqual(entries(self.target) if self.target.exists() else [], [])
                self.log.unlink()
        for folder in self.target.parent.glob(".modelseal-staging*"):
            shutil.rmtree(folder)

    def test_a_target_that_is_no_name(self) -> None:
        for name in ("/..", "/.", "//", "/.modelseal-staging.x"):
            self.target = Path(f"{self.here}/volume")
            command = ["sh", str(DEPLOY / "docker/modelseal-init"), str(self.good), f"{self.target}{name}", *self.under_policy]
            run = subprocess.run(command, env=self.environment(), capture_output=True, text=True)
            self.assertEqual(run.returncode, 2, run.stderr)

    def test_could_not_decide_is_not_denied(self) -> None:
        for what, source, options, more, status in (
            ("no source", self.here / "nowhere", self.under_policy, {}, 3),
            ("no program", self.good, self.under_policy, {"MODELSEAL": "/nowhere/modelseal"}, 3),
            ("no policy", self.good, ["--policy", "/nowhere.toml", "--policy-unsigned"], {}, 2),
            ("a wrong option", self.good, ["--no-such-option"], {}, 2),
        ):
            with self.subTest(what):
                run = self.run_script(source, *options, **more)
                self.assertEqual(run.returncode, status, run.stderr)
                self.assertEqual(entries(self.target.parent), [])
                self.assertTrue(self.log.read_text().strip())

    def test_frozen_where_the_kernel_can(self) -> None:
        run = self.run_script(self.good, MODELSEAL_FREEZE="1")
        if run.returncode == 0:
            with self.assertRaises(OSError):
                (self.target / "1/weights.bin").chmod(0o644)
                open(self.target / "1/weights.bin", "r+b").close()
            self.assertSame(self.target, self.good)
        else:
            # It is not left to chance: without fs-verity there is no model.
            self.assertEqual((run.returncode, entries(self.target.parent)), (3, []), run.stderr)
            self.assertIn("[error.not-frozen]", self.log.read_text())
        run = self.run_script(self.bad, MODELSEAL_FREEZE="1")
        self.assertIn(run.returncode, (1, 3))
        self.assertEqual(entries(self.target.parent), [])

    def test_killed_and_started_again(self) -> None:
        staging = self.target.parent / ".modelseal-staging"
        (staging / "model/sub").mkdir(parents=True)
        (staging / "model/sub/half").write_text("half")
        (staging / "model/sub").chmod(0o555)
        run = self.run_script(self.good)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(entries(self.target.parent), ["model", *(f"model/{n}" for n in entries(self.good))])


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Server:
    """An HTTP server for the time of a `with`."""

    def __init__(self, handler: object) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.url

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


COMMIT = "0123456789" * 4


class Hub(Files):
    """A hub with one repository, `example/good`, as far as a snapshot of it needs one."""

    def reply(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        root = Path(self.directory)
        files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        path = self.path.partition("?")[0]
        tags = {name: hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() for name, data in files.items()}
        if path.startswith("/api/models/example/good/tree/"):
            tree = [{"type": "file", "path": n, "size": len(d), "oid": tags[n]} for n, d in files.items()]
            self.reply(json.dumps(tree).encode(), Content_Type="application/json")
        elif path.startswith("/api/models/example/good"):
            about = {"id": "example/good", "sha": COMMIT, "private": False, "siblings": [{"rfilename": n} for n in files]}
            self.reply(json.dumps(about).encode(), Content_Type="application/json")
        elif path.startswith(f"/example/good/resolve/{COMMIT}/"):
            name = path.split("/", 5)[5]
            self.reply(files[name], ETag=f'"{tags[name]}"', X_Repo_Commit=COMMIT, Accept_Ranges="bytes")
        else:
            self.send_error(404)

    do_HEAD = do_GET


class KServe(Recipe):
    def initialize(self, *arguments: str | Path, references: str = "", **more: str | Path) -> subprocess.CompletedProcess[str]:
        given: dict[str, str | Path] = {"MODELSEAL_POLICIES": self.policy, "MODELSEAL_VERIFY_OPTIONS": "--policy-unsigned"}
        environment = self.environment(MODELSEAL_REFERENCES=references, **given | more)
        command = [sys.executable, "-B", str(DEPLOY / "kserve/initializer.py"), *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    @property
    def local(self) -> str:
        return f"file://{self.here}/=hf://huggingface.co/example/"

    def test_files(self) -> None:
        run = self.initialize(f"file://{self.good}", self.target, references=self.local)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertSame(self.target, self.good)
        # KServe alone would have linked to them.
        self.assertEqual([p for p in self.target.rglob("*") if p.is_symlink()], [])
        self.assertIn("reference: hf://huggingface.co/example/good", run.stdout)

        again = self.initialize(f"file://{self.good}", self.target, references=self.local)
        self.assertEqual(again.returncode, 0, again.stderr)
        (self.target / "config.pbtxt").chmod(0o644)
        (self.target / "config.pbtxt").write_text("changed")
        changed = self.initialize(f"file://{self.good}", self.target, references=self.local)
        self.assertEqual(changed.returncode, 1)
        self.assertIn("[integrity.digest-mismatch]", self.log.read_text())

    def test_a_changed_model_appears_nowhere(self) -> None:
        run = self.initialize(f"file://{self.bad}", self.target, references=self.local)
        self.assertEqual(run.returncode, 1)
        self.assertEqual(entries(self.target.parent), ["model"])
        said = self.log.read_text()
        self.assertIn("[integrity.digest-mismatch]", said)
        self.assertIn("what to do: ", said)

    def test_http_and_archives(self) -> None:
        for model in ("good", "bad"):
            with tarfile.open(self.here / f"{model}.tar.gz", "w:gz") as archive:
                archive.add(self.here / model, arcname=".")
        with Server(lambda *a: Files(*a, directory=str(self.here))) as url:
            references = f"{url}/=s3://models.example.com/"
            run = self.initialize(f"{url}/bad.tar.gz", self.target, references=references)
            self.assertEqual((run.returncode, entries(self.target)), (1, []), run.stderr)
            run = self.initialize(f"{url}/good.tar.gz", self.target, references=references)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertSame(self.target, self.good)
            missing = self.initialize(f"{url}/nothing.tar.gz", self.here / "volume/other", references=references)
            self.assertEqual((missing.returncode, entries(self.here / "volume/other")), (3, []))
            self.assertIn("could not be downloaded", self.log.read_text())
            # https:// names no model; somebody has to say which one it is.
            unnamed = self.initialize(f"{url}/good.tar.gz", self.here / "volume/third")
            self.assertEqual(unnamed.returncode, 2)
            self.assertIn("MODELSEAL_REFERENCES", self.log.read_text())

    def test_the_hub(self) -> None:
        for model, status in (self.good, 0), (self.bad, 1):
            with self.subTest(model.name), Server(lambda *a: Hub(*a, directory=str(model))) as url:
                target = self.here / "volume" / model.name
                cache = self.here / f"cache-{model.name}"
                run = self.initialize("hf://example/good", target, HF_ENDPOINT=url, HF_HOME=cache, HF_HUB_DISABLE_XET="1")
                self.assertEqual(run.returncode, status, run.stderr)
                if status == 0:
                    # Without what the hub's client notes beside the files, which nobody signed.
                    self.assertSame(target, model)
                    self.assertIn("reference: hf://huggingface.co/example/good", run.stdout)
                else:
                    self.assertEqual(entries(target), [])
                    self.assertIn("[integrity.digest-mismatch]", self.log.read_text())

    def test_all_or_the_pod_does_not_start(self) -> None:
        first, second = self.here / "volume/a", self.here / "volume/b"
        run = self.initialize(f"file://{self.good}", first, f"file://{self.bad}", second, references=self.local)
        self.assertEqual((run.returncode, entries(second)), (1, []))

    def test_another_name_is_another_model(self) -> None:
        run = self.initialize(f"file://{self.good}", self.target, references=f"file://{self.here}/=hf://huggingface.co/somebody/")
        self.assertEqual((run.returncode, entries(self.target)), (1, []))
        self.assertIn("[policy.no-matching-rule]", self.log.read_text())

    def test_stopped_and_started_again(self) -> None:
        (self.target / ".modelseal-staging/model").mkdir(parents=True)
        (self.target / "config.pbtxt").write_text("moved already")
        run = self.initialize(f"file://{self.good}", self.target, references=self.local)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertSame(self.target, self.good)

    def test_links_that_the_signer_allowed(self) -> None:
        for link, status in (("../0.bin", 0), (str(self.here / "volume/outside.bin"), 1), ("../../../../outside.bin", 1)):
            with self.subTest(link):
                name = f"linked-{len(link)}"
                source = self.linked(name, link)
                target = self.here / "volume" / name
                run = self.initialize(f"file://{source}", target, references=self.local)
                self.assertEqual(run.returncode, status, run.stderr)
                if status:
                    self.assertEqual(entries(target), [])
                    self.assertIn("'1/weights.bin' leads out of the model", self.log.read_text())

    def test_gits_own_files_do_not_come_along(self) -> None:
        (self.good / ".git").mkdir()
        (self.good / ".git/hook").write_text("evil")
        (self.good / ".gitattributes").write_text("evil")
        for _ in range(2):
            run = self.initialize(f"file://{self.good}", self.target, references=self.local)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(entries(self.target), ["1", "1/weights.bin", "config.pbtxt", "model.sig"])

    def test_two_runs_for_one_destination(self) -> None:
        self.target.mkdir()
        lock = os.open(self.target, os.O_RDONLY)
        self.addCleanup(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = self.initialize(f"file://{self.good}", self.target, references=self.local)
        self.assertEqual((run.returncode, entries(self.target)), (3, []))
        self.assertIn("does another run write to it?", self.log.read_text())

    def test_nonsense_is_no_verdict(self) -> None:
        run = self.initialize("http://[bad/x", self.target)
        self.assertEqual((run.returncode, entries(self.target.parent)), (2, []), run.stderr)
        self.assertIn("'http://[bad/x' is no URI", self.log.read_text())
        run = self.initialize(f"file://{self.good}", self.target, references=self.local, MODELSEAL_VERIFY_OPTIONS="--format 'json")
        self.assertEqual((run.returncode, entries(self.target)), (2, []), run.stderr)
        self.assertIn("MODELSEAL_VERIFY_OPTIONS is no command line", self.log.read_text())

    def test_what_is_missing_is_said(self) -> None:
        for what, arguments, more, status in (
            ("no arguments", [], {}, 2),
            ("half of a pair", [f"file://{self.good}"], {}, 2),
            ("no policy", [f"file://{self.good}", self.target], {"MODELSEAL_POLICIES": ""}, 2),
            ("no program", [f"file://{self.good}", self.target], {"MODELSEAL": "/nowhere/modelseal"}, 3),
            ("no such model", [f"file://{self.here}/nowhere", self.target], {}, 3),
        ):
            with self.subTest(what):
                environment = self.environment(
                    **{"MODELSEAL_POLICIES": self.policy, "MODELSEAL_VERIFY_OPTIONS": "--policy-unsigned"} | more  # type: ignore[arg-type]
                )
                command = [sys.executable, "-B", str(DEPLOY / "kserve/initializer.py"), *map(str, arguments)]
                run = subprocess.run(command, env=environment, capture_output=True, text=True)
                self.assertEqual(run.returncode, status, run.stderr)
                self.assertEqual(entries(self.target) if self.target.exists() else [], [])
                self.assertTrue(self.log.read_text().strip())

    def test_references(self) -> None:
        sys.path.insert(0, str(DEPLOY / "kserve"))
        import initializer  # type: ignore[import-not-found]

        for uri, given, expected in (
            ("hf://acme/ranker", "", "hf://huggingface.co/acme/ranker"),
            ("hf://acme/ranker:v2", "", "hf://huggingface.co/acme/ranker@v2"),
            ("s3://b/models/ranker/", "", "s3://b/models/ranker"),
            ("gs://b/ranker", "", "gs://b/ranker"),
            ("https://h.example/m/ranker", "https://h.example/=s3://x/,https://h.example/m/=s3://m/", "s3://m/ranker"),
        ):
            self.assertEqual(initializer.reference(uri, {"MODELSEAL_REFERENCES": given}), expected)


# In place of Triton: it says what it sees of its repository, and whether it could read a file that is none of its business.
TRITONSERVER = """#!/bin/sh
for argument; do
    case $argument in
    --model-repository=*) repository=${argument#*=} ;;
    *) echo "argument $argument" ;;
    esac
done
for model in "$repository"/*/; do
    model=$(basename "$model")
    echo "model $model $(cksum <"$repository/$model/1/weights.bin")"
    (echo x >"$repository/$model/1/weights.bin") 2>/dev/null && echo "wrote to $model"
done
cat "$OUTSIDE" 2>/dev/null && echo "read $OUTSIDE"
exit 42
"""


def stop_all(group: int) -> None:
    """Ends what a test that failed left."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Triton(Recipe):
    def start(self, repository: Path, prefix: str, **more: str | Path) -> subprocess.CompletedProcess[str]:
        # When root runs this, the server is somebody else, who must get there.
        self.here.chmod(0o755)
        server = self.here / "tritonserver"
        server.write_text(TRITONSERVER)
        server.chmod(0o755)
        environment = self.environment(
            MODELSEAL_POLICIES=self.policy,
            MODELSEAL_REFERENCE_PREFIX=prefix,
            MODELSEAL_EXEC_OPTIONS="--policy-unsigned",
            TRITONSERVER=server,
            TMPDIR=self.here,
            OUTSIDE=self.bad / "1/weights.bin",
        ) | {k: str(v) for k, v in more.items()}
        command = ["sh", str(DEPLOY / "triton/modelseal-tritonserver"), str(repository), "--http-port=1"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def seen(self, model: str, original: Path) -> str:
        with open(original / "1/weights.bin", "rb") as file:
            return f"model {model} " + subprocess.run(["cksum"], stdin=file, capture_output=True, text=True, check=True).stdout.strip()

    def test_starts_with_what_was_verified(self) -> None:
        repository = self.here / "repository"
        for name in ("ranker", "embedder"):
            shutil.copytree(self.good, repository / name)
        run = self.start(repository, "hf://huggingface.co/example")
        # The server's own status comes through.
        self.assertEqual(run.returncode, 42, run.stderr)
        expected = ["argument --http-port=1", *(self.seen(name, self.good) for name in ("embedder", "ranker"))]
        self.assertEqual(run.stdout.splitlines(), expected)

        shutil.copytree(self.bad, repository / "zz-bad")
        run = self.start(repository, "hf://huggingface.co/example")
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        self.assertIn("integrity.digest-mismatch", run.stderr)
        # The repository of links is removed when the server has ended.
        self.assertEqual(list(self.here.glob("triton-repository.*")), [])

    def test_it_ends_when_it_is_told_to(self) -> None:
        # The server says that it runs, and waits to be stopped.
        server = self.script("server", "trap 'echo stopped; exit 7' TERM\necho runs\nwhile :; do sleep 0.05; done\n")
        told = self.script("told", 'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
        repository = self.here / "repository"
        shutil.copytree(self.good, repository / "ranker")
        environment = self.environment(MODELSEAL=told, MODELSEAL_POLICIES=self.policy, TRITONSERVER=server, TMPDIR=self.here)
        for shell in ("sh", "bash", "busybox sh"):
            if shutil.which(shell.split()[0]) is None:
                continue
            with self.subTest(shell):
                command = [*shell.split(), str(DEPLOY / "triton/modelseal-tritonserver"), str(repository)]
                run = subprocess.Popen(
                    command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True
                )
                self.addCleanup(stop_all, run.pid)
                assert run.stdout is not None
                self.assertEqual(run.stdout.readline(), "runs\n")
                self.assertEqual(len(list(self.here.glob("triton-repository.*"))), 1)
                run.terminate()
                self.assertEqual((run.communicate()[0], run.returncode), ("stopped\n", 7))
                self.assertEqual(list(self.here.glob("triton-repository.*")), [])

    def test_a_repository_that_was_signed_as_a_whole(self) -> None:
        repository = self.here / "repository"
        (repository / "ranker/1").mkdir(parents=True)
        shutil.copy(self.good / "1/weights.bin", repository / "ranker/1")
        modelseal("sign", "key", "repository", "--private-key", "release.key", "--signature", "repository/model.sig", cwd=self.here)
        name = "s3://models.example.com/triton"
        run = self.start(repository, "", MODELSEAL_REFERENCE=name)
        self.assertEqual((run.returncode, run.stdout.splitlines()[1:]), (42, [self.seen("ranker", self.good)]), run.stderr)
        # That it was signed so is not to be guessed from its files, and not to be guessed away.
        run = self.start(repository, name)
        self.assertEqual((run.returncode, run.stdout), (2, ""), run.stderr)
        self.assertIn("MODELSEAL_REFERENCE", run.stderr)
        os.rename(repository / "model.sig", self.here / "model.sig")
        os.rename(repository / "ranker", self.here / "ranker")
        shutil.copytree(self.model("another"), repository / "ranker")
        run = self.start(repository, "", MODELSEAL_REFERENCE=name)
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        shutil.rmtree(repository / "ranker")
        os.rename(self.here / "model.sig", repository / "model.sig")
        os.rename(self.here / "ranker", repository / "ranker")
        # One more model, signed or not, is not what was signed.
        shutil.copytree(self.good, repository / "more")
        run = self.start(repository, "", MODELSEAL_REFERENCE=name)
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)

    def test_names_as_the_readme_has_them(self) -> None:
        repository = self.here / "repository"
        shutil.copytree(self.good, repository / "ranker")
        run = self.start(repository, "s3://models.example.com")
        self.assertEqual((run.returncode, run.stdout.splitlines()[1:]), (42, [self.seen("ranker", self.good)]), run.stderr)

    def test_without_models_or_policy(self) -> None:
        (self.here / "empty").mkdir()
        self.assertEqual(self.start(self.here / "empty", "hf://huggingface.co/example").returncode, 3)
        self.assertEqual(self.start(self.here / "nowhere", "hf://huggingface.co/example").returncode, 2)
        command = ["sh", str(DEPLOY / "triton/modelseal-tritonserver"), str(self.here)]
        self.assertEqual(subprocess.run(command, env=self.environment(), capture_output=True).returncode, 2)

    def test_strict_unless_told(self) -> None:
        told = self.here / "told"
        told.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        told.chmod(0o755)
        environment = self.environment(MODELSEAL=told, MODELSEAL_POLICIES="/a.toml:/b.toml", MODELSEAL_REFERENCE="s3://x/y", TMPDIR=self.here)
        command = ["sh", str(DEPLOY / "triton/modelseal-tritonserver"), str(self.good), "--http-port=1"]
        policies = ["--policy", "/b.toml", "--policy", "/a.toml", "--model", f"s3://x/y={self.good}", "--"]
        server = ["tritonserver", f"--model-repository={self.good}", "--http-port=1"]
        for more, expected in (
            ({}, ["exec", "--strict"]),
            # Further options are no reason to drop it.
            ({"MODELSEAL_EXEC_OPTIONS": "--allow-write /dev"}, ["exec", "--allow-write", "/dev", "--strict"]),
            ({"MODELSEAL_EXEC_OPTIONS": ""}, ["exec", "--strict"]),
            ({"MODELSEAL_NOT_STRICT": "1", "MODELSEAL_EXEC_OPTIONS": "--copy"}, ["exec", "--copy"]),
        ):
            run = subprocess.run(command, env=environment | more, capture_output=True, text=True, check=True)
            self.assertEqual(run.stdout.splitlines(), [*expected, *policies, *server])

    def test_no_place_for_the_links(self) -> None:
        repository = self.here / "repository"
        shutil.copytree(self.good, repository / "ranker")
        run = self.start(repository, "s3://models.example.com", TMPDIR="/nowhere")
        self.assertEqual((run.returncode, run.stdout), (3, ""), run.stderr)
        self.assertIn("modelseal-tritonserver: '/nowhere'", run.stderr)

    def load(self, name: str, source: Path, url: str, shell: str = "sh", **more: str | Path) -> subprocess.CompletedProcess[str]:
        key = self.here / "key"
        key.write_text("modelseal-key: 4711\n")
        (self.here / "volume").mkdir(exist_ok=True)
        environment = self.environment(
            MODELSEAL_INIT=DEPLOY / "docker/modelseal-init",
            TRITON_REPOSITORY=self.here / "volume",
            TRITON_URL=url,
            TRITON_KEY_FILE=key,
        ) | {k: str(v) for k, v in more.items()}
        command = [shell, str(DEPLOY / "triton/modelseal-triton-load"), name, str(source), *self.under_policy]
        return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def test_loads(self) -> None:
        repository = self.here / "volume"
        asked: list[tuple[str, str | None, bytes, bool]] = []

        class Control(Files):
            """Takes down what it is asked, and whether the model was there by then."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                name = self.path.split("/")[-2]
                asked.append((self.path, self.headers["modelseal-key"], body, (repository / name / "config.pbtxt").is_file()))
                self.send_response(400 if name == "unloadable" else 200)
                self.end_headers()
                self.wfile.write(b'{"error": "no backend"}' if name == "unloadable" else b"")

        with Server(Control) as url:
            run = self.load("ranker", self.good, url)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(asked, [("/v2/repository/models/ranker/load", "4711", b"{}", True)])
            self.assertSame(repository / "ranker", self.good)

            run = self.load("ranker", self.bad, url)
            self.assertEqual((run.returncode, len(asked), entries(repository)), (1, 1, []))
            self.assertIn("[integrity.digest-mismatch]", run.stderr)

            run = self.load("unloadable", self.good, url)
            self.assertEqual((run.returncode, len(asked)), (3, 2))
            self.assertIn("no backend", run.stderr)
            for name in ("../ranker", "", ".hidden", "a/b", "a b"):
                self.assertEqual(self.load(name, self.good, url).returncode, 2, name)
            self.assertEqual(len(asked), 2)

    def test_loads_nothing_by_mistake(self) -> None:
        nobody = "http://127.0.0.1:1"
        for shell in ("sh", "bash"):
            for more, status in (
                ({"MODELSEAL_INIT": "/nowhere/modelseal-init"}, 3),
                ({"MODELSEAL_INIT": self.script("killed", "kill -9 $$\n")}, 3),
                ({"TRITON_REPOSITORY": ""}, 2),
                ({"TRITON_KEY_FILE": ""}, 2),
                ({"TRITON_KEY_FILE": "/nowhere/key"}, 3),
                ({}, 3),
            ):
                run = self.load("ranker", self.good, nobody, shell, **more)
                self.assertEqual(run.returncode, status, (more, run.stderr))
                self.assertIn("modelseal-triton-load: ", run.stderr)


if __name__ == "__main__":
    MODELSEAL = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
