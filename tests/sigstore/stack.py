#!/usr/bin/env python3
"""A private Sigstore instance on loopback: the real servers as plain processes.

usage: stack.py start DIR | stop DIR | run DIR -- COMMAND...

`start` runs an identity provider (issuer.py), a certificate transparency log, Fulcio, Rekor v2 and a timestamp authority,
and writes `trusted_root.json`, `signing_config.json`, `trust_config.json` and `stack.json` (URLs, processes) into DIR; logs
are in DIR/log. `run` starts, runs the command with SIGSTORE_STACK=DIR, and stops whatever came of it. The programs come from
build-tools.sh, whose directory is SIGSTORE_TOOLS. Exit status 3: a server's program is missing, nothing was started."""

import base64
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = pathlib.Path(__file__).resolve().parent
CACHE = os.environ.get("MODELSEAL_CI_TOOLS") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"), "modelseal-tools"
)
TOOLS = pathlib.Path(os.environ.get("SIGSTORE_TOOLS") or pathlib.Path(CACHE, "sigstore-stack")).resolve()
SERVERS = ("ctlog", "fulcio", "rekor", "tsa")
# The timestamp server serves metrics there and takes no other port, so that a second stack waits for the first.
TSA_METRICS = 2112
TSA_PATIENCE = 900
PATIENCE = 60
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()


class Missing(Exception):
    """A server's program is not there."""


class Failed(Exception):
    """A server does not work."""


class Stack:
    """A running instance. `with Stack(dir) as stack:` starts and stops it."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory).resolve()
        self.state = {"processes": {}}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        absent = [name for name in SERVERS if not (TOOLS / name).exists()]
        if absent:
            raise Missing(f"no {', '.join(absent)} in {TOOLS}; tests/sigstore/build-tools.sh says why")
        begun = time.monotonic()
        for folder in ("keys", "log", "ct", "rekor"):
            # Another start is another instance: logs of other keys are of no use to it.
            shutil.rmtree(self.dir / folder, ignore_errors=True)
            (self.dir / folder).mkdir(parents=True)
        keys = Keys(self.dir / "keys")
        names = ["issuer", "ctlog", "fulcio", "fulcio_grpc", "fulcio_metrics", "rekor", "rekor_grpc", "rekor_metrics"]
        names.append("tsa")
        ports = dict(zip(names, free_ports(len(names))))
        self.urls = {name: f"http://localhost:{ports[name]}" for name in ("issuer", "ctlog", "fulcio", "rekor", "tsa")}
        self.urls["ci_issuer"] = self.urls["issuer"] + "/ci"
        self.urls["timestamps"] = self.urls["tsa"] + "/api/v1/timestamp"
        self.state["urls"] = self.urls
        try:
            self.servers(keys, ports)
        except BaseException:
            self.stop()
            raise
        root, config = trusted_root(keys, self.urls), signing_config(self.urls)
        self.write("trusted_root.json", root)
        self.write("signing_config.json", config)
        self.write("trust_config.json", {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": root,
            "signingConfig": config,
        })
        self.state["start_seconds"] = round(time.monotonic() - begun, 1)
        self.write("stack.json", self.state)

    def servers(self, keys, ports):
        issuers = {"issuer": "email", "ci_issuer": "github-workflow"}
        self.write("fulcio.json", {"OIDCIssuers": {
            self.urls[name]: {"IssuerURL": self.urls[name], "ClientID": "sigstore", "Type": kind}
            for name, kind in issuers.items()
        }})
        self.spawn("issuer", sys.executable, "-B", HERE / "issuer.py", ports["issuer"])
        self.wait("issuer", "/keys")  # Fulcio asks for it once, when it starts
        self.spawn(
            "ctlog", TOOLS / "ctlog", f"-listen=127.0.0.1:{ports['ctlog']}", f"-key={keys.path('ct.key')}",
            f"-roots={keys.path('ca-root.pem')}", f"-storage={self.dir / 'ct'}",
        )
        self.wait("ctlog", "/ct/v1/get-roots")
        self.spawn(
            "fulcio", TOOLS / "fulcio", "serve", "--host=127.0.0.1", f"--port={ports['fulcio']}", "--grpc-host=127.0.0.1",
            f"--grpc-port={ports['fulcio_grpc']}", f"--metrics-port={ports['fulcio_metrics']}",
            f"--legacy-unix-domain-socket=@modelseal-fulcio-{ports['fulcio']}", "--ca=fileca", "--fileca-watch=false",
            f"--fileca-cert={keys.path('ca.pem')}", f"--fileca-key={keys.path('ca.key')}",
            f"--fileca-key-passwd={Keys.PASSWORD}", f"--ct-log-url={self.urls['ctlog']}",
            f"--ct-log-public-key-path={keys.path('ct.pub')}", f"--config-path={self.dir / 'fulcio.json'}",
        )
        self.spawn(
            "rekor", TOOLS / "rekor", "serve", "--http-address=127.0.0.1", f"--http-port={ports['rekor']}",
            "--grpc-address=127.0.0.1", f"--grpc-port={ports['rekor_grpc']}",
            f"--http-metrics-port={ports['rekor_metrics']}", "--hostname=localhost", f"--storage-dir={self.dir / 'rekor'}",
            f"--signer-filepath={keys.path('rekor.key')}", "--checkpoint-interval=500ms", "--batch-max-age=100ms",
        )
        if not is_free(TSA_METRICS):
            print(f"stack.py: waiting for port {TSA_METRICS}, which timestamp-server insists on", file=sys.stderr)
            if not until(lambda: is_free(TSA_METRICS), TSA_PATIENCE):
                raise Failed(f"port {TSA_METRICS}, where timestamp-server insists to serve metrics, is taken")
        self.spawn(
            "tsa", TOOLS / "tsa", "serve", "--host=127.0.0.1", f"--port={ports['tsa']}", "--timestamp-signer=file",
            f"--file-signer-key-path={keys.path('tsa.key')}", f"--certificate-chain-path={keys.path('tsa.pem')}",
            "--disable-ntp-monitoring",
        )
        self.wait("fulcio", "/healthz")
        self.wait("rekor", "/healthz")
        self.wait("tsa", "/ping")

    def spawn(self, name, *command):
        environment = {**os.environ, "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_EXPORTER": "none"}
        with open(self.dir / "log" / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                env=environment, start_new_session=True,
            )
        self.state["processes"][name] = {"pid": process.pid, "born": born(process.pid)}
        self.write("stack.json", self.state)

    def wait(self, name, path):
        process = self.state["processes"][name]

        def answers():
            if not alive(process):
                raise Failed(f"{name} ended at once: {self.log_end(name)}")
            try:
                return urllib.request.urlopen(self.urls[name] + path, timeout=5).status == 200
            except (urllib.error.URLError, OSError):
                return False

        if not until(answers, PATIENCE):
            raise Failed(f"{name} does not answer: {self.log_end(name)}")

    def stop(self):
        """Ends every process and returns the most memory each held, in bytes, by name."""
        if not self.state["processes"] and (self.dir / "stack.json").exists():
            self.state = json.loads((self.dir / "stack.json").read_text())
        processes = self.state["processes"]
        peak = {name: memory(process["pid"]) for name, process in processes.items() if alive(process)}
        for how, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
            for process in filter(alive, processes.values()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process["pid"], how)
            if until(lambda: not any(map(alive, processes.values())), patience):
                break
        self.state["processes"] = {}
        return peak

    def token(self, ci=False, **query):
        """A token of the e-mail issuer, or of the CI issuer."""
        issuer = self.urls["ci_issuer" if ci else "issuer"]
        query = "&".join(f"{key}={value}" for key, value in query.items())
        return urllib.request.urlopen(f"{issuer}/token?{query}", timeout=10).read().decode()

    def write(self, name, document):
        (self.dir / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def log_end(self, name):
        text = (self.dir / "log" / f"{name}.log").read_text(errors="replace").strip()
        return " / ".join(text.splitlines()[-3:])[-600:] or "its log is empty"


class Keys:
    """The keys and certificates of the instance, as files and as values."""

    PASSWORD = "fulcio"

    def __init__(self, folder):
        self.folder = folder
        curve = ec.SECP256R1()
        root_key, ca_key, ct_key = (ec.generate_private_key(c) for c in (ec.SECP384R1(), ec.SECP384R1(), curve))
        tsa_root_key, tsa_key = (ec.generate_private_key(curve) for _ in range(2))
        rekor_key = ed25519.Ed25519PrivateKey.generate()
        root = certificate("test-root", root_key, authority=1)
        ca = certificate("test-fulcio", ca_key, root, root_key, authority=0, usage=ExtendedKeyUsageOID.CODE_SIGNING)
        tsa_root = certificate("test-tsa-root", tsa_root_key, authority=0)
        tsa = certificate("test-tsa", tsa_key, tsa_root, tsa_root_key, usage=ExtendedKeyUsageOID.TIME_STAMPING)
        self.ca, self.tsa = [ca, root], [tsa, tsa_root]
        self.ct, self.rekor = ct_key.public_key(), rekor_key.public_key()
        pkcs8, sec1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
        locked = serialization.BestAvailableEncryption(self.PASSWORD.encode())
        for name, data in {
            "ca.key": ca_key.private_bytes(PEM, pkcs8, locked),
            "ct.key": ct_key.private_bytes(PEM, sec1, PLAIN),
            "rekor.key": rekor_key.private_bytes(PEM, pkcs8, PLAIN),
            "tsa.key": tsa_key.private_bytes(PEM, pkcs8, PLAIN),
            "ct.pub": self.ct.public_bytes(PEM, SPKI),
            "rekor.pub": self.rekor.public_bytes(PEM, SPKI),
            "ca-root.pem": root.public_bytes(PEM),
            "ca.pem": b"".join(c.public_bytes(PEM) for c in self.ca),
            "tsa.pem": b"".join(c.public_bytes(PEM) for c in self.tsa),
        }.items():
            self.path(name).write_bytes(data)

    def path(self, name):
        return self.folder / name


def certificate(name, key, issuer=None, issuer_key=None, authority=None, usage=None):
    """`authority`: how many authorities may follow below it; None for an end entity."""
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "localhost"), x509.NameAttribute(NameOID.COMMON_NAME, name),
    ])
    now = datetime.datetime.now(datetime.timezone.utc)
    signing = authority is not None
    public, signer = key.public_key(), issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(signing, authority), critical=True)
        .add_extension(
            x509.KeyUsage(not signing, False, False, False, False, signing, signing, False, False), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if usage:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([usage]), critical=usage == ExtendedKeyUsageOID.TIME_STAMPING
        )
    return builder.sign(signer, hashes.SHA384() if isinstance(signer.curve, ec.SECP384R1) else hashes.SHA256())


def trusted_root(keys, urls):
    """sigstore.trustroot.v1.TrustedRoot. The id of a Rekor v2 log is the hash of its checkpoint key with its origin (C2SP
    signed-note), the id of a CT log that of its public key (RFC 6962)."""
    start = {"start": keys.ca[0].not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ")}
    raw = serialization.PublicFormat.Raw
    rekor_id = hashlib.sha256(b"localhost\n\x01" + keys.rekor.public_bytes(serialization.Encoding.Raw, raw)).digest()
    ct_spki = keys.ct.public_bytes(DER, SPKI)

    def log(url, key, details, identifier):
        return {
            "baseUrl": url,
            "hashAlgorithm": "SHA2_256",
            "publicKey": {"rawBytes": b64(key.public_bytes(DER, SPKI)), "keyDetails": details, "validFor": start},
            "logId": {"keyId": b64(identifier)},
        }

    def authority(url, chain):
        name = chain[0].subject
        return {
            "subject": {
                "organization": "localhost",
                "commonName": name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value,
            },
            "uri": url,
            "certChain": {"certificates": [{"rawBytes": b64(c.public_bytes(DER))} for c in chain]},
            "validFor": start,
        }

    return {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [log(urls["rekor"], keys.rekor, "PKIX_ED25519", rekor_id)],
        "certificateAuthorities": [authority(urls["fulcio"], keys.ca)],
        "ctlogs": [log(urls["ctlog"], keys.ct, "PKIX_ECDSA_P256_SHA_256", hashlib.sha256(ct_spki).digest())],
        "timestampAuthorities": [authority(urls["timestamps"], keys.tsa)],
    }


def signing_config(urls):
    """sigstore.trustroot.v1.SigningConfig, v0.2."""

    def service(name, version=1):
        valid = {"start": "2024-01-01T00:00:00Z"}
        return [{"url": urls[name], "majorApiVersion": version, "validFor": valid, "operator": "localhost"}]

    return {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service("fulcio"),
        "oidcUrls": service("issuer"),
        "rekorTlogUrls": service("rekor", 2),
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": service("timestamps"),
        "tsaConfig": {"selector": "ANY"},
    }


def b64(data):
    return base64.b64encode(data).decode()


def free_ports(count):
    """Ports that nobody listens on now, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def stat(pid):
    """The fields of /proc/PID/stat after the name, or None."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def born(pid):
    """When a process started; with its number that says which process it is."""
    fields = stat(pid)
    return fields and fields[19]


def alive(process):
    fields = stat(process["pid"])
    return bool(fields) and fields[0] != "Z" and fields[19] == process["born"]


def memory(pid):
    """The most memory that a process held so far (VmHWM), in bytes."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def say_memory(peak):
    each = ", ".join(f"{name} {size >> 20}" for name, size in peak.items())
    print(f"peak memory: {sum(peak.values()) >> 20} MiB ({each})")


def main():
    arguments = sys.argv[1:]
    command = arguments[3:] if arguments[2:3] == ["--"] else []
    if len(arguments) < 2 or arguments[0] not in ("start", "stop", "run") or (arguments[0] == "run") != bool(command):
        raise SystemExit(__doc__)
    stack = Stack(arguments[1])
    if arguments[0] == "stop":
        return say_memory(stack.stop())
    # So that a stack never outlives a run that was told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        stack.start()
    except (Missing, Failed) as why:
        print(f"stack.py: {why}", file=sys.stderr)
        sys.exit(3 if isinstance(why, Missing) else 1)
    print(f"Sigstore on {stack.urls['fulcio']}, started in {stack.state['start_seconds']} s")
    if arguments[0] == "run":
        try:
            code = subprocess.run(command, check=False, env={**os.environ, "SIGSTORE_STACK": str(stack.dir)}).returncode
        finally:
            say_memory(stack.stop())
        sys.exit(code)


if __name__ == "__main__":
    main()
