"""The programs that interop.py brings together, each with the same verbs: sign_ and verify_ of model, file, statement, key
and certificate. A model signature is a DSSE envelope over the model's OMS statement; who has no notion of models signs the
statement that the reference made and verifies it for the digest that it names."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TIMEOUT = 180
OMS = "https://model_signing/signature/v1.0"


class Refused(Exception):
    """A program said no; carries what it said, and its exit status."""

    def __init__(self, code, said):
        super().__init__(f"exit {code}: {said.strip()}")
        self.code = code


class Crash(Exception):
    """A program broke instead of saying no."""


class Unsupported(Exception):
    """Not something this program does."""


def run(w, program, *args, prefix=()):
    home = w.dir / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [*prefix, str(program), *map(str, args)], capture_output=True, stdin=subprocess.DEVNULL, cwd=w.dir,
        timeout=TIMEOUT, env={**os.environ, "HOME": str(home), "COLUMNS": "500", "COSIGN_PASSWORD": ""},
    )
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode < 0 or done.returncode == 101 or "panicked at" in text or "goroutine 1 " in text:
        raise Crash(f"crash (exit {done.returncode}): {text[-300:]}")
    if done.returncode:
        raise Refused(done.returncode, text)
    return done.stdout.decode("utf-8", "replace")


def said(program, *args):
    """What a program prints, or "" when it cannot be run."""
    try:
        done = subprocess.run([str(program), *args], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr


def trust(stack, name="trusted_root"):
    return stack.dir / f"{name}.json"


class Tool:
    """One program: its version, and why it is missing if it is."""

    missing = None
    version = "?"

    def __init__(self, tools, venv, folder):
        self.tools, self.venv, self.folder = tools, venv, folder
        self.find()

    def sign_file(self, w, stack, token):
        raise Unsupported

    def verify_file(self, w, stack, identity, issuer, tampered=False):
        raise Unsupported

    def sign_statement(self, w, stack, token):
        self.sign_model(w, stack, token)

    def verify_statement(self, w, stack, identity, issuer, tampered=False):
        self.verify_model(w, stack, identity, issuer, tampered)

    def verify_key(self, w, stack, key, tampered=False):
        raise Unsupported

    def verify_certificate(self, w, stack, root, tampered=False):
        raise Unsupported


@functools.cache
def without_network():
    """A prefix that runs a program where there is no network, if this user may."""
    prefix = ("unshare", "--map-root-user", "--net", "--")
    if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
        return prefix
    return ()


class Modelseal(Tool):
    name = "modelseal"

    def find(self):
        self.program = pathlib.Path(os.environ.get("MODELSEAL", ROOT / "target/debug/modelseal")).resolve()
        adapter = self.program.with_name("modelseal-sigstore-conformance")
        self.adapter = pathlib.Path(os.environ.get("MODELSEAL_ADAPTER", adapter)).resolve()
        offline = "verifies without network" if without_network() else "verifies with network: no unshare here"
        self.version = f"{said(self.program, '--version').strip()}, {offline}"
        if not re.search(r"^ +sigstore\b", said(self.program, "sign", "--help"), re.M):
            self.missing = f"{self.program} has no method sigstore" if self.program.exists() else f"no {self.program}"

    def sign_model(self, w, stack, token):
        run(
            w, self.program, "sign", "sigstore", w.model, "--identity-token", token,
            "--trust-config", trust(stack, "trust_config"), "--signature", w.bundle,
        )

    def verify_model(self, w, stack, identity, issuer, tampered=False):
        """The report of a verification (`modelseal.result/v1`)."""
        said = run(
            w, self.program, "verify", "sigstore", w.tampered if tampered else w.model, "--signature", w.bundle,
            "--identity", identity, "--identity-provider", issuer, "--trusted-root", trust(stack), "--format", "json",
            prefix=without_network(),
        )
        return json.loads(said)

    # Files and statements of others are the conformance adapter's business.

    def sign_file(self, w, stack, token):
        self.sign_bundle(w, stack, token, w.file)

    def verify_file(self, w, stack, identity, issuer, tampered=False):
        self.verify_bundle(w, stack, identity, issuer, w.other_file if tampered else w.file)

    def sign_statement(self, w, stack, token):
        self.sign_bundle(w, stack, token, "--in-toto", w.statement)

    def verify_statement(self, w, stack, identity, issuer, tampered=False):
        self.verify_bundle(w, stack, identity, issuer, f"sha256:{w.other_digest if tampered else w.digest}")

    def sign_bundle(self, w, stack, token, *what):
        run(
            w, self.adapter, "sign-bundle", "--identity-token", token, "--bundle", w.bundle, "--trusted-root",
            trust(stack), "--signing-config", trust(stack, "signing_config"), *what,
        )

    def verify_bundle(self, w, stack, identity, issuer, what):
        run(
            w, self.adapter, "verify-bundle", "--bundle", w.bundle, "--certificate-identity", identity,
            "--certificate-oidc-issuer", issuer, "--trusted-root", trust(stack), what, prefix=without_network(),
        )

    def sign_key(self, w, stack, key):
        run(w, self.program, "sign", "key", w.model, "--private-key", key, *self.evidence(w, stack))

    def verify_key(self, w, stack, key, tampered=False):
        self.verify_with("key", "--public-key", w, stack, key, tampered)

    def sign_certificate(self, w, stack, pki):
        run(
            w, self.program, "sign", "certificate", w.model, "--private-key", pki / "leaf-p256.key.pem",
            "--signing-certificate", pki / "leaf-p256.pem", "--certificate-chain", pki / "int.pem",
            *self.evidence(w, stack),
        )

    def verify_certificate(self, w, stack, root, tampered=False):
        self.verify_with("certificate", "--certificate-chain", w, stack, root, tampered)

    def evidence(self, w, stack):
        return (
            "--signature", w.bundle, "--tsa-url", stack.urls["timestamps"], "--rekor-url", stack.urls["rekor"],
            "--trusted-root", trust(stack),
        )

    def verify_with(self, method, flag, w, stack, trusted, tampered):
        said = run(
            w, self.program, "verify", method, w.tampered if tampered else w.model, "--signature", w.bundle, flag,
            trusted, "--trusted-root", trust(stack), "--format", "json", prefix=without_network(),
        )
        evidence = json.loads(said)["evidence"]
        if len(evidence["log-entries"]) != 1 or len(evidence["times"]) != 1:
            raise AssertionError(f"reported {evidence}, not one log entry and one time")


class Cosign(Tool):
    name = "cosign"

    def find(self):
        self.program = self.tools / "cosign"
        found = re.search(r"GitVersion: +(\S+)", said(self.program, "version"))
        self.version, self.missing = (found[1], None) if found else ("?", f"no {self.program}")

    def sign_model(self, w, stack, token):
        run(w, self.program, "attest-blob", "-y", w.file, "--statement", w.statement, *self.signing(w, stack, token))

    def verify_model(self, w, stack, identity, issuer, tampered=False):
        verifying = self.verifying(w, stack, identity, issuer)
        run(w, self.program, "verify-blob-attestation", *self.claims(w, tampered), *verifying)

    def sign_file(self, w, stack, token):
        run(w, self.program, "sign-blob", "-y", w.file, *self.signing(w, stack, token))

    def verify_file(self, w, stack, identity, issuer, tampered=False):
        file = w.other_file if tampered else w.file
        run(w, self.program, "verify-blob", file, *self.verifying(w, stack, identity, issuer))

    def verify_key(self, w, stack, key, tampered=False):
        run(
            w, self.program, "verify-blob-attestation", *self.claims(w, tampered), "--bundle", w.bundle, "--key", key,
            "--trusted-root", trust(stack), "--use-signed-timestamps",
        )

    def sign_key(self, w, stack, key):
        run(w, self.program, "import-key-pair", "-y", "--key", key, "--output-key-prefix", w.dir / "key")
        run(
            w, self.program, "attest-blob", "-y", w.file, "--statement", w.statement, "--key", w.dir / "key.key",
            "--trusted-root", trust(stack), "--signing-config", trust(stack, "signing_config"), "--bundle", w.bundle,
        )

    def claims(self, w, tampered):
        return "--type", OMS, "--digestAlg", "sha256", "--digest", w.other_digest if tampered else w.digest

    def signing(self, w, stack, token):
        return (
            "--identity-token", token, "--trusted-root", trust(stack), "--signing-config",
            trust(stack, "signing_config"), "--bundle", w.bundle,
        )

    def verifying(self, w, stack, identity, issuer):
        return (
            "--bundle", w.bundle, "--trusted-root", trust(stack), "--certificate-identity", identity,
            "--certificate-oidc-issuer", issuer,
        )


class SigstoreGo(Tool):
    """sigstore-go by the client that it runs the public conformance suite with."""

    name = "sigstore-go"

    def find(self):
        self.program = self.tools / "sgconf"
        if not self.program.exists():
            self.missing = f"no {self.program}"
            return
        built = said("go", "version", "-m", str(self.program))
        found = re.search(r"\sgithub\.com/sigstore/sigstore-go\s+(\S+)", built)
        self.version = f"{found[1] if found else '?'}, conformance client"

    def sign_model(self, w, stack, token):
        self.sign(w, stack, token, "--in-toto", w.statement)

    def verify_model(self, w, stack, identity, issuer, tampered=False):
        self.verify(w, stack, identity, issuer, f"sha256:{w.other_digest if tampered else w.digest}")

    def sign_file(self, w, stack, token):
        self.sign(w, stack, token, w.file)

    def verify_file(self, w, stack, identity, issuer, tampered=False):
        self.verify(w, stack, identity, issuer, w.other_file if tampered else w.file)

    def verify_key(self, w, stack, key, tampered=False):
        run(
            w, self.program, "verify-bundle", "--bundle", w.bundle, "--key", key, "--trusted-root", trust(stack),
            f"sha256:{w.other_digest if tampered else w.digest}",
        )

    def sign(self, w, stack, token, *what):
        run(
            w, self.program, "sign-bundle", "--identity-token", token, "--bundle", w.bundle, "--trusted-root",
            trust(stack), "--signing-config", trust(stack, "signing_config"), *what,
        )

    def verify(self, w, stack, identity, issuer, what):
        run(
            w, self.program, "verify-bundle", "--bundle", w.bundle, "--certificate-identity", identity,
            "--certificate-oidc-issuer", issuer, "--trusted-root", trust(stack), what,
        )


# Its command line makes statements of its own only; the library signs any.
SIGN_STATEMENT = """
import pathlib, sys
from sigstore.dsse import Statement
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
config, token, statement, bundle = sys.argv[1:]
context = SigningContext.from_trust_config(ClientTrustConfig.from_json(pathlib.Path(config).read_text()))
with context.signer(IdentityToken(token)) as signer:
    signed = signer.sign_dsse(Statement(pathlib.Path(statement).read_bytes()))
pathlib.Path(bundle).write_text(signed.to_json())
"""


class Sigstore(Tool):
    """PyPI's sigstore."""

    name = "sigstore"

    def find(self):
        self.program = self.venv / "sigstore"
        self.version = said(self.program, "--version").strip().removeprefix("sigstore ") + " (PyPI)"
        if self.venv.parent.name != "sigstore":
            self.missing = "it needs Python 3.11 or newer in the version that Rekor v2 takes"

    def sign_model(self, w, stack, token):
        config = trust(stack, "trust_config")
        run(w, self.venv / "python", "-B", "-c", SIGN_STATEMENT, config, token, w.statement, w.bundle)

    def verify_model(self, w, stack, identity, issuer, tampered=False):
        self.verify(w, stack, identity, issuer, f"sha256:{w.other_digest if tampered else w.digest}")

    def sign_file(self, w, stack, token):
        run(
            w, self.program, "--trust-config", trust(stack, "trust_config"), "sign", "--identity-token", token,
            "--bundle", w.bundle, w.file,
        )

    def verify_file(self, w, stack, identity, issuer, tampered=False):
        self.verify(w, stack, identity, issuer, w.other_file if tampered else w.file)

    def verify(self, w, stack, identity, issuer, what):
        run(
            w, self.program, "--verbose", "--trust-config", trust(stack, "trust_config"), "verify", "identity", "--bundle",
            w.bundle, "--cert-identity", identity, "--cert-oidc-issuer", issuer, "--offline", what,
        )


class ModelSigning(Tool):
    """PyPI's model-signing, the reference implementation of OMS."""

    name = "model-signing"

    def find(self):
        self.program = self.venv / "model_signing"
        found = re.search(r"[\d.]+$", said(self.program, "--version").strip())
        self.version = f"{found[0] if found else '?'} (PyPI)"
        if self.venv.parent.name != "sigstore":
            self.missing = "it needs Python 3.11 or newer with the PyPI sigstore that Rekor v2 takes"

    def sign_model(self, w, stack, token):
        run(
            w, self.program, "sign", "sigstore", w.model, "--identity_token", token, "--trust_config",
            trust(stack, "trust_config"), "--signature", w.bundle,
        )

    def verify_model(self, w, stack, identity, issuer, tampered=False):
        run(
            w, self.program, "verify", "sigstore", w.tampered if tampered else w.model, "--signature", w.bundle,
            "--identity", identity, "--identity_provider", issuer, "--trust_config", trust(stack, "trust_config"),
        )

    def verify_key(self, w, stack, key, tampered=False):
        run(
            w, self.program, "verify", "key", w.tampered if tampered else w.model, "--signature", w.bundle,
            "--public_key", key,
        )

    def verify_certificate(self, w, stack, root, tampered=False):
        run(
            w, self.program, "verify", "certificate", w.tampered if tampered else w.model, "--signature", w.bundle,
            "--certificate_chain", root,
        )


def reference_statement(w, key, venv):
    """Signs the model with the reference and a key: its payload is the statement that the others sign."""
    run(w, venv / "model_signing", "sign", "key", w.model, "--private_key", key, "--signature", w.bundle)
