"""The certificate method, and the form of the first release, which had no other."""

from cryptography.hazmat.primitives import hashes

from . import oms
from .cases_bundle import put
from .oms import SMALL, b64, encode, resources

CHAIN = ("verificationMaterial", "x509CertificateChain", "certificates")


def add(s):
    accepted(s)
    refused(s)
    malformed(s)
    first_release(s)


def accepted(s):
    def good(name, why, *chain, **more):
        s.certificate(f"certificate-{name}", why, True, chain=chain, **more)

    for curve in ("p256", "p384", "p521"):
        good(curve, f"A {curve} leaf under an intermediate and a root.", f"leaf-{curve}", "int")
    good("with-root", "The root travels in the bundle too.", "leaf-p256", "int", "root")
    good("deep", "Two intermediates.", "leaf-deep", "int-deep-2", "int-deep-1")
    good("direct", "A leaf right under the root.", "leaf-direct")
    good(
        "intermediate-from-verifier",
        "The verifier brings the intermediate beside the root.",
        "leaf-p256",
        roots=("root", "int"),
    )
    good("several-roots", "The right root among others.", "leaf-p256", "int", roots=("root-other", "root"))
    good(
        "rsa-authorities",
        "RSA authorities over an EC leaf, the root valid until the year 9999.",
        "leaf-rsa-ca",
        "int-rsa",
        roots=("root-rsa",),
    )
    good(
        "ca-flag-on-leaf",
        "As in the first published bundles: a signer with the CA flag and its issuer's name.",
        "leaf-ca-flag",
        "int-rsa",
        roots=("root-rsa",),
        spec="11",
    )
    good(
        "no-eku", "Key usage digitalSignature and no extended usage, as large publishers have it.", "leaf-no-eku", "int"
    )
    good("no-key-usage", "Extended usage codeSigning and no key usage.", "leaf-no-ku", "int")
    good(
        "self-signed-trusted",
        "A self-signed certificate that the verifier trusts as it is.",
        "leaf-self",
        roots=("leaf-self",),
    )
    good(
        "expired-at-its-time",
        "An expired leaf, judged at a time when it was valid.",
        "leaf-expired",
        "int",
        verify_time="2024-07-01T00:00:00Z",
    )
    good("unknown-optional-extension", "An unknown extension that is not critical.", "leaf-unknown-optional", "int")
    good(
        "tlog-absent",
        "A certificate bundle needs no transparency log entries.",
        "leaf-p256",
        "int",
        shape=lambda b: b["verificationMaterial"].pop("tlogEntries") and None,
        spec="11.1",
    )


def refused(s):
    def bad(name, why, *chain, **more):
        s.certificate(f"certificate-{name}", why, False, chain=chain, **more)

    bad("expired", "The leaf has expired.", "leaf-expired", "int")
    bad("future", "The leaf is not valid yet.", "leaf-future", "int")
    bad(
        "before-everything",
        "Judged at a time before any of the chain was valid.",
        "leaf-p256",
        "int",
        verify_time="2023-12-31T23:59:59Z",
    )
    bad("intermediate-expired", "The intermediate has expired.", "leaf-by-expired", "int-expired")
    bad("root-expired", "The root has expired.", "leaf-by-expired-root", "int-expired-root", roots=("root-expired",))
    bad("other-root", "The verifier trusts another root.", "leaf-p256", "int", roots=("root-other",))
    bad(
        "root-same-name",
        "The verifier trusts a root of the same name with another key.",
        "leaf-p256",
        "int",
        roots=("root-same-name",),
    )
    bad("root-in-bundle", "A root that only the bundle vouches for.", "leaf-p256", "int", "root", roots=("root-other",))
    bad("intermediate-missing", "The intermediate is missing.", "leaf-p256")
    bad("order-reversed", "The leaf does not come first.", "int", "leaf-p256", signer="leaf-p256")
    bad("order-reversed-signed-by-first", "The authority comes first, and its key signed.", "int", "leaf-p256")
    bad("authority-as-leaf", "An authority's own certificate signs a model; its usage is certificates only.", "int")
    bad(
        "authority-as-leaf-digital-signature",
        "An ordinary authority that lists digitalSignature too, and no extended usage, is no signer of models.",
        "leaf-cert-sign",
        "int",
    )
    bad("self-signed", "A self-signed certificate that nobody trusts.", "leaf-self")
    bad("tls", "A certificate for web servers.", "leaf-tls", "int")
    bad("any-eku", "anyExtendedKeyUsage does not name code signing.", "leaf-any-eku", "int")
    bad("key-agreement", "Key usage without digitalSignature.", "leaf-key-agreement", "int")
    bad("no-usage", "Neither key usage nor extended usage.", "leaf-no-usage", "int")
    bad("unknown-critical-extension", "An unknown critical extension in the leaf.", "leaf-unknown-critical", "int")
    bad(
        "unknown-critical-extension-intermediate",
        "An unknown critical extension in the intermediate.",
        "leaf-by-unknown-critical",
        "int-unknown-critical",
    )
    bad(
        "name-outside-constraints",
        "The leaf's name lies outside what the intermediate may issue.",
        "leaf-outside-name",
        "int-named",
    )
    bad("issuer-not-ca", "The issuer is not an authority.", "leaf-by-not-ca", "int-not-ca")
    bad(
        "issuer-without-cert-sign",
        "The issuer's key usage does not include certificates.",
        "leaf-by-no-cert-sign",
        "int-no-cert-sign",
    )
    bad("path-too-long", "An intermediate below one that allows none.", "leaf-too-deep", "int-too-deep", "int")
    bad(
        "intermediate-forged",
        "The intermediate names the root as issuer, but another key signed it.",
        "leaf-by-forged",
        "int-forged",
    )
    bad("rsa-leaf", "A correct RSA signature: not a key type of OMS.", "leaf-rsa", "int", spec="4.2")
    bad(
        "leaf-swapped",
        "Another valid leaf of the same chain in place of the signer's.",
        "leaf-p384",
        "int",
        signer="leaf-p256",
    )
    bad(
        "mesh",
        "Twenty certificates of one name that certify each other: no path leads out, and the search must end.",
        "leaf-mesh",
        *(f"mesh-{i}-by-{j}" for i in range(5) for j in range(5) if i != j),
    )


def malformed(s):
    def bad(name, why, shape=None, chain=("leaf-p256", "int"), **more):
        s.certificate(f"certificate-{name}", why, False, chain=chain, shape=shape, spec="4.1", **more)

    leaf, authority = s.pki.chain("leaf-p256", "int")
    bad("none", "A chain of no certificates.", put(*CHAIN, []))
    bad("garbage", "The leaf is not a certificate.", put(*CHAIN, 0, "rawBytes", b64(b"not a certificate")))
    bad("truncated", "The leaf ends in the middle.", put(*CHAIN, 0, "rawBytes", b64(leaf[:-20])))
    bad("trailing-bytes", "Bytes after the leaf.", put(*CHAIN, 0, "rawBytes", b64(leaf + b"\0")))
    bad("pem-inside", "PEM in place of DER.", put(*CHAIN, 0, "rawBytes", b64(s.pki.files()["leaf-p256.pem"])))
    bad(
        "leaf-changed",
        "One bit of the leaf's signature changed.",
        put(*CHAIN, 0, "rawBytes", b64(leaf[:-1] + bytes([leaf[-1] ^ 1]))),
    )
    bad("roots-empty", "The file of trusted roots is empty.", roots=("../empty",))
    bad("roots-are-keys", "The file of trusted roots holds a public key.", roots=("../p256.pub",))


def first_release(s):
    """Version 0.2.0: files as subjects, another predicate type, and a faulty encoding under the signature."""

    def v02(files, change=None):
        def hook(st):
            st["subject"] = [
                {
                    "name": r["name"],
                    "digest": {"sha256": r["digest"]},
                    "annotations": {"actual_hash_algorithm": "file-sha256"},
                }
                for r in resources(files)
            ]
            st["predicateType"], st["predicate"] = "https://model_signing/Digests/v0.1", {"unused": ""}
            if change:
                change(st)

        return hook

    def case(name, why, ok, files=SMALL, change=None, **more):
        common = dict(
            last=v02(files, change),
            message=more.pop("message", oms.pae_v02),
            spec="11",
            shape=put("dsseEnvelope", "signatures", 0, "keyid", None),
        )
        if more.pop("by_key", False):
            s.key(f"first-release-{name}", why, ok, **common, **more)
        else:
            s.certificate(
                f"first-release-{name}",
                why,
                ok,
                chain=("leaf-rsa-ca", "int-rsa"),
                roots=("root-rsa",),
                digest=hashes.SHA256(),
                **common,
                **more,
            )

    case("certificate", "The first release signed SHA-256 even with P-384 keys.", True)
    case("key", "The first release with a key.", True, by_key=True)
    pretty = lambda st: encode(st).replace(",", ",\n  ").encode()
    case(
        "quoting",
        "Quotes of both kinds, a tab, a line feed and unicode pass through the notation of Python literals.",
        True,
        files={**SMALL, "it's café\t.bin": b"x"},
        setup=[{"op": "write", "path": "it's café\t.bin", "text": "x"}],
        payload=pretty,
    )
    case("changed", "A file changed.", False, setup=[{"op": "flip", "path": "config.json", "offset": 1}])
    case("added", "A file was added.", False, setup=[{"op": "write", "path": "evil.py", "text": "x"}])
    case("removed", "A file is gone.", False, setup=[{"op": "remove", "path": "config.json"}])
    case(
        "twice",
        "A file is listed twice.",
        False,
        change=lambda st: st["subject"].append({**st["subject"][0], "digest": {"sha256": "00" * 32}}),
    )
    case(
        "parent",
        "A name that leaves the model.",
        False,
        files={**SMALL, "../outside.bin": b"x"},
        setup=[{"op": "write", "path": "../outside.bin", "text": "x"}],
        flags={"ignore_unsigned_files": True},
    )
    case("nothing", "No file is listed.", False, change=put("subject", []))
