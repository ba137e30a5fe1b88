"""Building blocks of the OMS cases: models, statements, envelopes, bundles, and the suite that writes them out."""

import base64
import dataclasses
import hashlib
import json
import re

import blake3
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from . import keys, pki

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
GIT = [".git", ".gitattributes", ".github", ".gitignore"]

SMALL = {
    "config.json": b'{"layers": 2, "width": 64}\n',
    "tokenizer.txt": b"a\nb\nc\n",
    "weights/part-0.bin": keys.stream("part 0", 70),
    "weights/part-1.bin": keys.stream("part 1", 33),
}
WITH_EMPTY = {"config.json": b"{}\n", "sub/__init__.py": b"", "weights.bin": keys.stream("with empty", 40)}
SINGLE = keys.stream("single", 90)
# A directory is a dictionary of names, a single-file model its bytes.
MODELS = {"small": SMALL, "with-empty": WITH_EMPTY, "tiny.gguf": SINGLE}

HASHES = {
    "sha256": lambda b: hashlib.sha256(b).hexdigest(),
    "blake2b": lambda b: hashlib.blake2b(b).hexdigest(),
    "blake3": lambda b: blake3.blake3(b).hexdigest(),
}


def resources(files, method="files", alg="sha256", shard=None):
    digest = HASHES[alg]
    out = []
    for name, data in files.items():
        if method == "files":
            out.append({"name": name, "digest": digest(data), "algorithm": alg})
            continue
        for start in range(0, max(len(data), 1), shard):
            end = min(start + shard, len(data))
            out.append({"name": f"{name}:{start}:{end}", "digest": digest(data[start:end]), "algorithm": alg})
    return sorted(out, key=lambda r: r["name"])


def statement(files=None, name="small", method="files", alg="sha256", shard=None):
    serialization = {"method": method, "hash_type": alg, "allow_symlinks": False, "ignore_paths": list(GIT)}
    if shard:
        serialization["shard_size"] = shard
    predicate = {
        "resources": resources(SMALL if files is None else files, method, alg, shard),
        "serialization": serialization,
    }
    out = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": ""}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return reroot(out)


def reroot(st):
    """Puts the root digest right for the resources as they stand; leaves statements alone that have none."""
    try:
        root = b"".join(bytes.fromhex(r["digest"]) for r in st["predicate"]["resources"])
        st["subject"][0]["digest"]["sha256"] = hashlib.sha256(root).hexdigest()
    except (KeyError, TypeError, ValueError, IndexError):
        pass
    return st


def encode(value, twice=None, at=()):
    """Compact JSON. The member at path `twice` is written two times, which `json.dumps` cannot do."""
    if isinstance(value, dict):
        parts = []
        for k, v in value.items():
            here = at + (k,)
            parts += [json.dumps(k) + ":" + encode(v, twice, here)] * (2 if here == twice else 1)
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(encode(v, twice, at + (i,)) for i, v in enumerate(value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def pae(payload, kind=PAYLOAD_TYPE):
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def pae_v02(payload):
    """What the first release signed: another prefix, and the bytes in the notation of a Python literal."""
    return f"DSSEV1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} {payload!r}".encode()


def sign(key, message, digest=None):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), pki.hashes.SHA256())
    return pki.ecdsa(key, message, digest)


def b64(data):
    return base64.b64encode(data).decode()


def hint(pem):
    return hashlib.sha256(pem).hexdigest()


def bundle(payload, signature, material):
    envelope = {
        "payload": b64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": b64(signature), "keyid": ""}],
    }
    return {"mediaType": MEDIA_TYPE, "verificationMaterial": {**material, "tlogEntries": []}, "dsseEnvelope": envelope}


def signatures(b):
    return b["dsseEnvelope"]["signatures"]


@dataclasses.dataclass
class Case:
    name: str
    why: str
    ok: bool
    bundle: bytes
    method: str
    trust: dict
    model: str = "small"
    spec: str = ""
    setup: tuple = ()
    flags: dict = dataclasses.field(default_factory=dict)
    more: dict = dataclasses.field(
        default_factory=dict
    )  # verify_time, signature_inside_model_as, bundle_size, requires

    def folder(self):
        return self.name + ("" if self.ok else "_fail")

    def document(self, differs):
        out = {
            "method": self.method,
            "model": "models/" + self.model,
            "trust": self.trust,
            "setup": list(self.setup),
            "flags": self.flags,
            **self.more,
        }
        out["spec"] = "OMS 1.0 section " + self.spec if re.match(r"\d", self.spec) else self.spec
        out["expected"] = "accept" if self.ok else "reject"
        if differs:
            out["reference"] = {"verdict": "reject" if self.ok else "accept", "why": differs}
        return out


class Suite:
    def __init__(self):
        self.cases = {}
        self.pki = pki.Authority()

    def add(self, case):
        assert re.fullmatch(r"[a-z0-9.-]+", case.name) and case.name not in self.cases, case.name
        self.cases[case.name] = case

    def key(
        self,
        name,
        why,
        ok,
        *,
        spec,
        key="p256",
        trust=None,
        files=None,
        subject="small",
        method="files",
        alg="sha256",
        shard=None,
        edit=None,
        last=None,
        payload=None,
        message=pae,
        digest=None,
        material=None,
        shape=None,
        text=None,
        **rest,
    ):
        """One case of the `key` method. The hooks run in the order of the parameters:
        `edit(statement)`, root digest, `last(statement)`, `payload(statement) -> bytes`, `message(payload) -> bytes to sign`,
        `shape(bundle)`, `text(bundle) -> bytes of the file`."""
        st = statement(files, subject, method, alg, shard)
        if edit:
            edit(st)
        reroot(st)
        if last:
            last(st)
        data = payload(st) if payload else encode(st).encode()
        private = keys.KEYS[key]
        material = {"publicKey": {"hint": hint(keys.public(private))}} if material is None else material
        b = bundle(data, sign(private, message(data), digest), material)
        self._finish(
            name, why, ok, b, "key", {"public_key": f"keys/{trust or key + '.pub'}.pem"}, shape, text, spec, rest
        )

    def certificate(
        self,
        name,
        why,
        ok,
        *,
        chain,
        spec="8.2",
        signer=None,
        roots=("root",),
        last=None,
        files=None,
        payload=None,
        message=pae,
        digest=None,
        shape=None,
        text=None,
        **rest,
    ):
        """One case of the `certificate` method; `chain` names certificates, or gives DER bytes; the first one's key signs."""
        st = statement(files)
        if last:
            last(st)
        data = payload(st) if payload else encode(st).encode()
        der = [c if isinstance(c, bytes) else self.pki.chain(c)[0] for c in chain]
        b = bundle(
            data,
            sign(self.pki.certs[signer or chain[0]][1], message(data), digest),
            {"x509CertificateChain": {"certificates": [{"rawBytes": b64(c)} for c in der]}},
        )
        self._finish(
            name, why, ok, b, "certificate", {"roots": [f"keys/pki/{r}.pem" for r in roots]}, shape, text, spec, rest
        )

    def _finish(self, name, why, ok, b, method, trust, shape, text, spec, rest):
        if shape:
            b = shape(b) or b
        data = text(b) if text else (encode(b) + "\n").encode()
        known = {k: rest.pop(k) for k in ("model", "setup", "flags") if k in rest}
        method, trust = rest.pop("as_method", method), rest.pop("with_trust", trust)
        self.add(Case(name, why, ok, data, method, trust, spec=spec, more=rest, **known))
