"""The container: JSON text, media type, verification material, envelope, signature, key."""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import utils

from . import keys, oms
from .oms import b64, encode, hint, pae, signatures

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def put(*path_and_value):
    """A hook that sets one member, however deep."""
    *path, last, value = path_and_value

    def hook(b):
        for step in path:
            b = b[step]
        b[last] = value

    return hook


def drop(*path):
    *path, last = path

    def hook(b):
        for step in path:
            b = b[step]
        del b[last]

    return hook


def sig(b):
    return base64.b64decode(signatures(b)[0]["sig"])


def resign(change):
    def hook(b):
        signatures(b)[0]["sig"] = b64(change(sig(b)))

    return hook


def add(s):
    keys_and_ids(s)
    text(s)
    media_types(s)
    material(s)
    envelope(s)
    signature_values(s)
    trust(s)


def keys_and_ids(s):
    for name in ("p256", "p384", "p521"):
        s.key(f"key-{name}", f"A model signed with a {name} key.", True, spec="4.2", key=name)
    beyond = "Ed25519 is not in the registry of OMS, whose suite wants it refused"
    s.key("key-ed25519", "A model signed with an Ed25519 key.", True, spec="4.2", key="ed25519", beyond=beyond)
    s.key(
        "key-id-absent",
        "keyid may be left out.",
        True,
        spec="4.1",
        shape=drop("dsseEnvelope", "signatures", 0, "keyid"),
    )
    s.key(
        "key-id-null",
        "Old releases wrote keyid as null.",
        True,
        spec="11.2",
        shape=put("dsseEnvelope", "signatures", 0, "keyid", None),
    )
    s.key(
        "key-id-other",
        "keyid names nothing in OMS, so its value does not matter.",
        True,
        spec="4.1",
        shape=put("dsseEnvelope", "signatures", 0, "keyid", "somebody else"),
    )
    s.key(
        "key-tlog-absent",
        "A key bundle needs no transparency log entries.",
        True,
        spec="11.1",
        shape=drop("verificationMaterial", "tlogEntries"),
    )
    s.key(
        "key-timestamps-empty",
        "Timestamp data is allowed beside a key.",
        True,
        spec="4.1",
        shape=put("verificationMaterial", "timestampVerificationData", {"rfc3161Timestamps": []}),
    )


def text(s):
    def raw(change):
        return lambda b: change((encode(b) + "\n").encode())

    s.key("json-empty-file", "A bundle of zero bytes.", False, spec="8.1", text=lambda b: b"")
    s.key("json-truncated", "The file ends in the middle.", False, spec="8.1", text=raw(lambda t: t[:-40]))
    s.key("json-trailing-bytes", "Bytes after the document.", False, spec="8.1", text=raw(lambda t: t + b"}"))
    s.key(
        "json-two-documents", "Two bundles in one file: which one counts?", False, spec="8.1", text=raw(lambda t: t + t)
    )
    s.key("json-array", "The bundle inside an array.", False, spec="8.1", text=raw(lambda t: b"[" + t + b"]"))
    s.key(
        "json-byte-order-mark",
        "A byte order mark is not JSON.",
        False,
        spec="8.1",
        text=raw(lambda t: b"\xef\xbb\xbf" + t),
    )
    s.key(
        "json-not-utf8",
        "A byte that is not UTF-8 inside a string.",
        False,
        spec="8.1",
        text=raw(lambda t: t.replace(b'"keyid":""', b'"keyid":"\xff"')),
    )
    s.key(
        "json-pretty",
        "White space between members changes nothing.",
        True,
        spec="8.1",
        text=raw(lambda t: t.replace(b",", b" ,\r\n\t").replace(b"{", b"{ ")),
    )
    s.key(
        "json-deep",
        "10,000 arrays inside each other must not exhaust the stack.",
        False,
        spec="8.1",
        text=raw(lambda t: t.replace(b'"tlogEntries":[]', b'"tlogEntries":' + b"[" * 10000 + b"]" * 10000)),
    )
    s.key(
        "json-huge-file",
        "The file is a good bundle followed by zeros up to 2 GiB: refused by size, not read into memory.",
        False,
        spec="8.1",
        bundle_size=2 << 30,
        reference_skip="it reads all of it",
    )
    s.key(
        "json-member-unknown",
        "The schema of the bundle allows no other members.",
        False,
        spec="8.1",
        shape=put("comment", "hello"),
    )
    s.key(
        "json-member-unknown-envelope",
        "The schema of the envelope allows no other members.",
        False,
        spec="8.1",
        shape=put("dsseEnvelope", "comment", "hello"),
    )
    for name, path in {
        "bundle": ("mediaType",),
        "material": ("verificationMaterial", "publicKey"),
        "key": ("verificationMaterial", "publicKey", "hint"),
        "envelope": ("dsseEnvelope", "payload"),
        "signature": ("dsseEnvelope", "signatures", 0, "sig"),
    }.items():
        s.key(
            f"json-twice-{name}",
            f"{path[-1]} is there twice: readers disagree about which one counts.",
            False,
            spec="8.1",
            text=lambda b, p=path: encode(b, p).encode(),
        )


def media_types(s):
    s.key(
        "media-type-parameter",
        "The other spelling of version 0.3.",
        True,
        spec="8.1",
        shape=put("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.3"),
    )
    for name, value in {
        "v0.1": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "v0.2": "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "v0.4": "application/vnd.dev.sigstore.bundle.v0.4+json",
        "none": "application/vnd.dev.sigstore.bundle+json",
        "json": "application/json",
        "empty": "",
    }.items():
        s.key(
            f"media-type-{name}",
            f"mediaType {value!r} is not the version that OMS uses.",
            False,
            spec="8.1",
            shape=put("mediaType", value),
        )
    s.key("media-type-absent", "No mediaType.", False, spec="8.1", shape=drop("mediaType"))
    s.key("media-type-number", "mediaType is a number.", False, spec="8.1", shape=put("mediaType", 3))


def material(s):
    own, other = keys.public(keys.KEYS["p256"]), keys.public(keys.KEYS["p256-other"])
    legacy = lambda pem: {"publicKey": {"rawBytes": b64(pem), "keyDetails": "PKIX_ECDSA_P256_SHA_256"}}
    leaf = {"certificates": [{"rawBytes": b64(s.pki.chain("leaf-p256")[0])}]}
    s.key(
        "material-raw-bytes",
        "Releases before 1.1 put the whole key where the hint is now.",
        True,
        spec="11.2",
        material=legacy(own),
    )
    s.key(
        "material-raw-bytes-other",
        "The embedded key is not the one the verifier trusts.",
        False,
        spec="11.2",
        material=legacy(other),
    )
    s.key(
        "material-hint-other",
        "The hint names another key than the verifier's.",
        False,
        spec="4.1",
        material={"publicKey": {"hint": hint(other)}},
    )
    s.key(
        "material-hint-empty",
        "The key identifier says nothing.",
        False,
        spec="4.1",
        material={"publicKey": {"hint": ""}},
    )
    s.key("material-key-empty", "Neither hint nor key.", False, spec="4.1", material={"publicKey": {}})
    s.key("material-none", "Verification material of no kind.", False, spec="4.1", material={})
    s.key("material-absent", "No verificationMaterial.", False, spec="4.1", shape=drop("verificationMaterial"))
    s.key("material-null", "verificationMaterial is null.", False, spec="4.1", shape=put("verificationMaterial", None))
    s.key(
        "material-two-kinds",
        "A key and a chain in one bundle: they are alternatives.",
        False,
        spec="4.1",
        shape=put("verificationMaterial", "x509CertificateChain", leaf),
    )
    s.key(
        "material-key-for-certificate",
        "A key bundle offered where a certificate is asked for.",
        False,
        spec="4.1",
        as_method="certificate",
        with_trust={"roots": ["keys/pki/root.pem"]},
    )
    s.certificate(
        "material-certificate-for-key",
        "A certificate bundle offered where a key is asked for, by the very key of its leaf.",
        False,
        spec="4.1",
        chain=["leaf-p256", "int"],
        as_method="key",
        with_trust={"public_key": "keys/pki/leaf-p256.pub.pem"},
    )
    s.key(
        "material-single-certificate",
        "`certificate` belongs to the sigstore method.",
        False,
        spec="4.1",
        material={"certificate": leaf["certificates"][0]},
    )


def envelope(s):
    other_type = "application/json"
    s.key("envelope-absent", "No envelope.", False, spec="8.1", shape=drop("dsseEnvelope"))
    s.key(
        "envelope-message-signature",
        "A signature over an artifact in place of an envelope.",
        False,
        spec="8.1",
        text=lambda b: encode(
            {
                **{k: v for k, v in b.items() if k != "dsseEnvelope"},
                "messageSignature": {
                    "messageDigest": {"algorithm": "SHA2_256", "digest": b64(bytes(32))},
                    "signature": signatures(b)[0]["sig"],
                },
            }
        ).encode(),
    )
    s.key(
        "envelope-type-signed",
        "Another payload type, correctly signed.",
        False,
        spec="6.7",
        message=lambda p: pae(p, other_type),
        shape=put("dsseEnvelope", "payloadType", other_type),
    )
    s.key(
        "envelope-type-swapped",
        "The payload type was changed after signing.",
        False,
        spec="8.2",
        shape=put("dsseEnvelope", "payloadType", other_type),
    )
    s.key(
        "envelope-type-lies",
        "Signed as another type, labelled in-toto.",
        False,
        spec="8.2",
        message=lambda p: pae(p, other_type),
    )
    s.key("envelope-type-absent", "No payload type.", False, spec="8.1", shape=drop("dsseEnvelope", "payloadType"))
    s.key(
        "envelope-payload-changed",
        "One byte of the payload changed after signing.",
        False,
        spec="8.2",
        shape=lambda b: put(
            "dsseEnvelope",
            "payload",
            b64(base64.b64decode(b["dsseEnvelope"]["payload"]).replace(b'"small"', b'"smell"')),
        )(b),
    )
    s.key("envelope-payload-empty", "An empty payload, correctly signed.", False, spec="8.3", payload=lambda st: b"")
    s.key(
        "envelope-payload-not-base64",
        "The payload is not base64.",
        False,
        spec="8.1",
        shape=put("dsseEnvelope", "payload", "{}"),
    )
    s.key(
        "envelope-payload-padding",
        "Base64 with its padding cut short.",
        False,
        spec="8.1",
        payload=lambda st: encode(st).encode() + b" " * ((1 - len(encode(st).encode())) % 3),
        shape=lambda b: put("dsseEnvelope", "payload", b["dsseEnvelope"]["payload"][:-1])(b),
    )
    s.key("envelope-no-signature", "No signature.", False, spec="8.1", shape=put("dsseEnvelope", "signatures", []))
    s.key(
        "envelope-two-signatures",
        "Two good signatures: a bundle holds exactly one.",
        False,
        spec="4",
        shape=lambda b: signatures(b).append(dict(signatures(b)[0])),
    )
    s.key(
        "envelope-good-then-bad",
        "A good signature and a bad one.",
        False,
        spec="4",
        shape=lambda b: signatures(b).append({"sig": b64(b"bad"), "keyid": ""}),
    )
    s.key(
        "envelope-bad-then-good",
        "A bad signature and a good one.",
        False,
        spec="4",
        shape=lambda b: signatures(b).insert(0, {"sig": b64(b"bad"), "keyid": ""}),
    )


def signature_values(s):
    low = lambda v: utils.decode_dss_signature(v)
    der = lambda r, t: utils.encode_dss_signature(r, t)
    s.key("signature-empty", "An empty signature.", False, spec="8.2", shape=resign(lambda v: b""))
    s.key(
        "signature-not-base64",
        "The signature is not base64.",
        False,
        spec="8.1",
        shape=put("dsseEnvelope", "signatures", 0, "sig", "!!!!"),
    )
    s.key(
        "signature-changed",
        "One bit of the signature changed.",
        False,
        spec="8.2",
        shape=resign(lambda v: v[:-1] + bytes([v[-1] ^ 1])),
    )
    s.key(
        "signature-trailing-byte",
        "A byte after the DER of the signature.",
        False,
        spec="8.2",
        shape=resign(lambda v: v + b"\0"),
    )
    s.key(
        "signature-fixed-size",
        "r and s side by side in place of DER.",
        False,
        spec="8.2",
        shape=resign(lambda v: b"".join(n.to_bytes(32, "big") for n in low(v))),
    )
    s.key("signature-zero", "r and s are zero.", False, spec="8.2", shape=resign(lambda v: der(0, 0)))
    s.key(
        "signature-other-half",
        "ECDSA knows two values of s for one signature, and both are valid.",
        True,
        spec="8.2",
        shape=resign(lambda v: der(low(v)[0], P256_ORDER - low(v)[1])),
    )
    s.key(
        "signature-bare-payload",
        "Signed over the payload alone, without its type and length.",
        False,
        spec="6.7",
        message=lambda p: p,
    )
    s.key(
        "signature-of-base64",
        "Signed over the base64 text of the payload.",
        False,
        spec="6.7",
        message=lambda p: pae(b64(p).encode()),
    )
    s.key(
        "signature-v0.2-encoding",
        "The faulty encoding of the first release is not honoured under the current predicate.",
        False,
        spec="11.2",
        message=oms.pae_v02,
    )
    s.key("signature-p384-sha256", "P-384 goes with SHA-384.", False, spec="4.2", key="p384", digest=hashes.SHA256())
    plus_order = lambda v: v[:32] + (int.from_bytes(v[32:], "little") + ED25519_ORDER).to_bytes(32, "little")
    s.key(
        "signature-ed25519-second-form",
        "s plus the group order: a second encoding that RFC 8032 forbids.",
        False,
        spec="4.2",
        key="ed25519",
        shape=resign(plus_order),
    )
    weak = keys.small_order_ed25519()
    s.key(
        "signature-ed25519-small-order",
        "Under the neutral element as public key this signature fits every message.",
        False,
        spec="4.2",
        key="ed25519",
        trust="ed25519.small-order.pub",
        material={"publicKey": {"hint": hint(weak)}},
        shape=resign(lambda v: b"\x01" + bytes(63)),
    )


def trust(s):
    def against(name, why, trust, **more):
        s.key(
            f"trust-{name}",
            why,
            False,
            spec="8.2",
            trust=trust,
            material={"publicKey": {"hint": hint(keys.files()[trust + ".pem"])}},
            **more,
        )

    against("other-key", "The verifier trusts another key of the same curve; the hint follows it.", "p256-other.pub")
    against("other-curve", "The verifier trusts a key of another curve; the hint follows it.", "p384.pub")
    against("ed25519-for-p256", "The verifier trusts an Ed25519 key; the signature is ECDSA.", "ed25519.pub")
    against("p256-for-ed25519", "The verifier trusts a P-256 key; the signature is Ed25519.", "p256.pub", key="ed25519")
    against(
        "secp256k1",
        "A correct signature on a curve that OMS does not know.",
        "secp256k1.pub",
        key="secp256k1",
        digest=hashes.SHA256(),
    )
    against("rsa", "A correct RSA signature: not a key type of OMS.", "rsa.pub", key="rsa")
    against("dsa", "A DSA key: not a key type of OMS.", "dsa.pub")
    s.key(
        "trust-truncated-key", "The trusted key file ends in the middle.", False, spec="8.2", trust="p256.truncated.pub"
    )
    s.key("trust-private-key", "A private key where a public one is expected.", False, spec="8.2", trust="p256")
    s.key(
        "trust-certificate-as-key",
        "A certificate where a public key is expected.",
        False,
        spec="8.2",
        trust="pki/leaf-p256",
    )
    s.key("trust-empty-file", "The trusted key file is empty.", False, spec="8.2", trust="empty")
    s.key("trust-missing-file", "The trusted key file does not exist.", False, spec="8.2", trust="no-such-file")
