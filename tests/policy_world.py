"""What the cases of policy_examples.py are made with: keys, models, signed statements, and a run of modelseal for each."""

import base64
import datetime
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import urllib.request

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples" / "policies"
IN_TOTO = "application/vnd.in-toto+json"
DENY_FEED = "application/vnd.modelseal.deny-feed.v1+json"
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)

modelseal = os.path.abspath(sys.argv[1])
DOUBLE = pathlib.Path(modelseal).parent / "modelseal-sigstore-double"
SIGN = pathlib.Path(modelseal).parent / "modelseal-sigstore-conformance"
verbose = "-v" in sys.argv
counts = {"passed": 0, "failed": 0, "skipped": 0}


def safetensors(data):
    """A file with one tensor of these bytes."""
    header = json.dumps({"weights": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


class World:
    """A folder with keys, models and bundles for one example, and the example with its placeholders replaced."""

    def __init__(self, place, sigstore=None):
        place.mkdir()
        self.place, self.sigstore = place, sigstore
        self.replace, self.identities, self.stand_in = {}, {}, []
        self.bundles = 0

    def example(self, name, identities=(), instead_of_claims=False):
        """`identities` are the example's keyless signers; without Sigstore, keys stand in for them."""
        self.text = (EXAMPLES / f"{name}.toml").read_text()
        self.instead_of_claims = instead_of_claims
        (self.place / "keys").mkdir()
        how = ""
        if identities and self.sigstore:
            self.identities, how = dict(identities), ", with identities"
            root = (self.sigstore.folder / "trusted_root.json").read_bytes()
            (self.place / "trusted_root.json").write_bytes(root)
            self.replace["sha256", 1] = hashlib.sha256(root).hexdigest()
        elif identities:
            self.stand_in, how = list(identities), ", with keys in place of identities"
            for signer in identities:
                self.key(signer)
        print(f"\n{name}{how}")

    def key(self, name):
        """Makes a key; gives the fingerprint of its public half."""
        private, public = self.place / f"{name}.key", self.place / "keys" / f"{name}.pub"
        must("key", "generate", "--algorithm", "p256", "--no-password", "--output", private.with_suffix(""))
        private.with_suffix(".pub").rename(public)
        der = openssl("pkey", "-pubin", "-in", public, "-outform", "DER")
        return hashlib.sha256(der).hexdigest()

    def model(self, name, weights=b"weights", extra=None):
        model = self.place / "models" / name
        model.mkdir(parents=True)
        (model / "model.safetensors").write_bytes(safetensors(weights))
        (model / "config.json").write_text('{"model_type": "toy"}\n')
        if extra:
            (model / "extra.bin").write_bytes(extra)
        return model

    def out(self):
        self.bundles += 1
        return self.place / f"{self.bundles}.sigstore.json"

    def sign(self, model, signer):
        out = self.out()
        if signer in self.identities:
            token, config = self.sigstore.token(self.identities[signer]), self.sigstore.folder / "trust_config.json"
            must(
                "sign",
                "sigstore",
                model,
                "--trust-config",
                config,
                "--identity-token-file",
                token,
                "--yes",
                "--signature",
                out,
            )
            return out
        must("sign", "key", model, "--private-key", self.place / f"{signer}.key", "--signature", out)
        return out

    def copy(self, bundle):
        """The same signature in other bytes."""
        out = self.out()
        out.write_text(json.dumps(json.loads(bundle.read_text()), indent=3))
        return out

    def attest(self, model, signer, predicate_type, predicate, name=None):
        # The root digest is there for signers that want a SHA-256; by itself it covers no names.
        digests = measured(model)
        subject = {"name": name or model.name, "digest": {"dirHash": digests["manifest"], "sha256": digests["root"]}}
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
        if signer in self.identities:
            return self.sigstore.sign(self.identities[signer], statement, self.out())
        return self.envelope(signer, IN_TOTO, json.dumps(statement).encode(), self.out())

    def envelope(self, signer, payload_type, payload, out):
        """A bundle with a DSSE envelope that `signer` signs: ECDSA over the pre-authentication encoding."""
        pae = b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)
        signature = openssl("dgst", "-sha256", "-sign", self.place / f"{signer}.key", stdin=pae)
        pem = (self.place / "keys" / f"{signer}.pub").read_bytes()
        material = {"publicKey": {"hint": hashlib.sha256(pem).hexdigest()}, "tlogEntries": []}
        return bundle(material, payload_type, payload, signature, out)

    def authority(self, name):
        extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"
        self.request(name, f"/CN={name}", extensions, None)
        der = openssl("x509", "-in", self.place / f"{name}.pem", "-outform", "DER")
        return hashlib.sha256(der).hexdigest()

    def certificate(self, name, issuer, subject, usage="codeSigning"):
        extensions = f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usage}"
        self.request(name, subject, extensions, issuer)

    def request(self, name, subject, extensions, issuer):
        self.key(name)
        key, csr, ext = (self.place / f"{name}.{end}" for end in ("key", "csr", "ext"))
        ext.write_text(f"{extensions}\nsubjectKeyIdentifier=hash\n")
        openssl("req", "-new", "-key", key, "-subj", subject, "-out", csr)
        by = (
            ["-CA", self.place / f"{issuer}.pem", "-CAkey", self.place / f"{issuer}.key", "-CAcreateserial"]
            if issuer
            else ["-signkey", key]
        )
        openssl("x509", "-req", "-in", csr, "-days", "2", "-extfile", ext, "-out", self.place / f"{name}.pem", *by)

    def revocation_list(self, issuer, revoked=(), made=NOW - datetime.timedelta(minutes=1), name=None):
        """Makes or replaces a list in crl/, which openssl signs."""
        folder = self.place / "crl"
        folder.mkdir(exist_ok=True)
        lines = []
        for certificate in revoked:
            serial = openssl("x509", "-in", self.place / f"{certificate}.pem", "-noout", "-serial").decode()
            serial = serial.strip().removeprefix("serial=")
            dates = f"{made + days(30):%y%m%d%H%M%SZ}\t{made:%y%m%d%H%M%SZ}"
            lines.append(f"R\t{dates}\t{serial}\tunknown\t/CN={certificate}\n")
        index, config = self.place / "index.txt", self.place / "ca.conf"
        index.write_text("".join(lines))
        config.write_text(f"[ca]\ndefault_ca = a\n[a]\ndatabase = {index}\ndefault_md = sha256\n")
        dates = ["-crl_lastupdate", f"{made:%Y%m%d%H%M%SZ}", "-crl_nextupdate", f"{made + days(30):%Y%m%d%H%M%SZ}"]
        pair = ["-cert", self.place / f"{issuer}.pem", "-keyfile", self.place / f"{issuer}.key"]
        openssl("ca", "-gencrl", "-config", config, *pair, *dates, "-out", folder / f"{name or issuer}.crl")

    def sign_with_certificate(self, model, name, root):
        out = self.out()
        key, leaf, chain = self.place / f"{name}.key", self.place / f"{name}.pem", self.place / f"{root}.pem"
        must(
            "sign",
            "certificate",
            model,
            "--private-key",
            key,
            "--signing-certificate",
            leaf,
            "--certificate-chain",
            chain,
            "--signature",
            out,
        )
        return out

    def sign_with_key_of_certificate(self, model, name):
        """As somebody would whose certificate is not for signing: `sign certificate` refuses to."""
        made = json.loads(self.sign(model, name).read_text())
        leaf = openssl("x509", "-in", self.place / f"{name}.pem", "-outform", "DER")
        payload = base64.b64decode(made["dsseEnvelope"]["payload"])
        pae = b"DSSEv1 %d %s %d %s" % (len(IN_TOTO), IN_TOTO.encode(), len(payload), payload)
        signature = openssl("dgst", "-sha256", "-sign", self.place / f"{name}.key", stdin=pae)
        chain = {"certificates": [{"rawBytes": base64.b64encode(leaf).decode()}]}
        return bundle({"x509CertificateChain": chain, "tlogEntries": []}, IN_TOTO, payload, signature, self.out())

    def policy(self, whole, enforce_after):
        """The example for a case: dates and placeholders replaced; unless `whole`, without what cannot be decided yet."""
        text = self.text
        for (kind, n), value in self.replace.items():
            text, count = re.subn(rf"(?<=\D)[1-6]0{{62}}{n}\b", value, text)
            assert count == 1, (kind, n, count)
        out, section = [], ""
        for line in text.splitlines():
            if line.startswith("["):
                section = line.split("#")[0].strip()
            name = line.split("=")[0].strip()
            if "[undecided]" in line and not line.startswith("#") and not whole:
                continue
            if name in ("expires", "not-after"):
                line = f"{name} = {rfc3339(NOW + days(30 if section == '[[waiver]]' else 180))}"
            if name == "enforce-after" and enforce_after:
                line = f"{name} = {rfc3339(enforce_after)}"
            if self.stand_in:
                out += self.without_keyless(section, name, line)
            elif self.identities:
                out += self.with_identities(section, name, line)
            else:
                out.append(line)
        path = self.place / "policy.toml"
        path.write_text("\n".join(out) + "\n")
        return path

    def without_keyless(self, section, name, line):
        signer = section.removeprefix("[signers.").removesuffix("]")
        if section.startswith("[trust-roots.") or section.endswith(".claims]"):
            return []
        if signer in self.stand_in:
            public = self.place / "keys" / f"{signer}.pub"
            der = openssl("pkey", "-pubin", "-in", public, "-outform", "DER")
            if name == "kind":
                return [
                    'kind = "key"',
                    f'file = "keys/{signer}.pub"',
                    f'spki-sha256 = "{hashlib.sha256(der).hexdigest()}"',
                ]
            return [] if name in ("trust-root", "issuer", "identity") else [line]
        if section in ("[rule.signature]", "[[rule.attestation]]"):
            return [] if name in ("transparency", "max-age", "signed-after", "select") else [line]
        return [line]

    def with_identities(self, section, name, line):
        if name == "issuer":
            email = self.identities[section.removeprefix("[signers.").removesuffix("]")]
            identity = [f'identity = "{email}"'] if self.instead_of_claims else []
            return [f'issuer = "{self.sigstore.url}"', *identity]
        return [] if section.endswith(".claims]") and self.instead_of_claims else [line]

    def case(self, what, model, reference, bundles, verdict, code=None, whole=False, enforce_after=None):
        policy = self.policy(whole, enforce_after)
        found = run("policy", "lint", policy)
        if found.returncode != 0:
            report(False, f"{what}: the policy is not fit for use", found.stdout + found.stderr)
            return
        flags = [flag for bundle in bundles for flag in ("--bundle", bundle)]
        arguments = [
            "verify",
            model,
            "--policy",
            policy,
            "--policy-unsigned",
            "--state-dir",
            self.place / "state",
            "--as",
            reference,
            *flags,
        ]
        done = run(*arguments, "--format", "json")
        try:
            result = json.loads(done.stdout)
        except json.JSONDecodeError:
            report(False, f"{what}: no result", done.stdout + done.stderr)
            return
        # What is wrong before there is anything to decide about has a code and no checks.
        checks = result.get("checks") or [
            {"status": "fail", "code": result.get("code"), "message": result.get("message")}
        ]
        bad = [check for check in checks if check["status"] not in ("pass", "skip")]
        codes = {check["code"] for check in bad}
        status = 0 if verdict == "allow" else 1
        right = (
            result.get("verdict", "deny") == verdict
            and done.returncode == status
            and (code is None and not codes or code in codes)
        )
        shown = "; ".join(f"{check['code']} ({check['status']}): {check['message']}" for check in bad)
        report(
            right,
            f"{what}: {result.get('verdict', 'no verdict')}" + (f", {shown}" if shown else ""),
            f"wanted {verdict}, {code}; exit status {done.returncode}\n{done.stdout}",
        )


class Sigstore:
    """A Sigstore instance of this machine's own."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.count = folder, 0

    def __enter__(self):
        self.process = subprocess.Popen([DOUBLE, self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=10)

    def token(self, email):
        self.count += 1
        path = self.folder / f"{self.count}.token"
        with urllib.request.urlopen(f"{self.url}/token?email={email}", timeout=10) as answer:
            path.write_bytes(answer.read())
        return path

    def sign(self, email, statement, out):
        self.count += 1
        path = self.folder / f"{self.count}.json"
        path.write_text(json.dumps(statement))
        trust = [
            "--trusted-root",
            self.folder / "trusted_root.json",
            "--signing-config",
            self.folder / "signing_config.json",
        ]
        token = self.token(email).read_text().strip()
        command = [SIGN, "sign-bundle", "--in-toto", *trust, "--identity-token", token, "--bundle", out, path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SystemExit(f"{command}: {done.stderr}")
        return out


def bundle(material, payload_type, payload, signature, out):
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }
    out.write_text(
        json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "verificationMaterial": material,
                "dsseEnvelope": envelope,
            }
        )
    )
    return out


def manifest(model):
    return measured(model)["manifest"]


def measured(model):
    """The manifest digest and the root digest, in hexadecimal."""
    digests = json.loads(must("digest", model, "--format", "json").stdout)["digests"]
    return {name: digest.rsplit(":", 1)[1] for name, digest in digests.items()}


def days(n):
    return datetime.timedelta(days=n)


def rfc3339(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def run(*arguments):
    command = [modelseal, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def must(*arguments):
    done = run(*arguments)
    if done.returncode != 0:
        raise SystemExit(f"{arguments}: {done.stderr}")
    return done


def openssl(*arguments, stdin=b""):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, input=stdin, timeout=60)
    if done.returncode != 0:
        raise SystemExit(f"openssl {arguments}: {done.stderr.decode()}")
    return done.stdout


def report(right, line, more):
    outcome = {True: "passed", False: "failed", None: "skipped"}[right]
    counts[outcome] += 1
    print(f"  {'' if right else outcome.upper() + ' '}{line}")
    if more and (verbose or right is False):
        print("    " + more.strip().replace("\n", "\n    "))
