"""A small certificate authority: one good chain and every way we know of to get one wrong."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU
from cryptography.x509.oid import NameOID

from . import keys

FROM, TO = dt.datetime(2024, 1, 1), dt.datetime(2049, 12, 31)
PAST = (dt.datetime(2024, 1, 1), dt.datetime(2025, 1, 1))
FUTURE = (dt.datetime(2049, 1, 1), dt.datetime(2049, 12, 31))
FOREVER = dt.datetime(9999, 12, 31, 23, 59, 59)
SIGN, CA_USE = {"digital_signature"}, {"key_cert_sign", "crl_sign"}
CODE = [EKU.CODE_SIGNING]


class Authority:
    def __init__(self):
        self.keys, self.certs = {}, {}
        self._roots()
        self._intermediates()
        self._leaves()

    def key(self, label, kind="p256"):
        if label not in self.keys:
            self.keys[label] = keys.rsa_key(label) if kind == "rsa" else keys.ec_key(kind, "pki " + label)
        return self.keys[label]

    def issue(
        self,
        name,
        key,
        issuer=None,
        *,
        dn=None,
        ca=None,
        ku=(),
        eku=(),
        when=(FROM, TO),
        extra=(),
        signed_by=None,
        ids=True,
    ):
        """`ca` is None for an end entity, -1 for a CA without a path length, else the path length."""
        parent, parent_key = self.certs[issuer] if issuer else (None, key)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "modelseal testdata"),
                x509.NameAttribute(NameOID.COMMON_NAME, dn or name),
            ]
        )
        b = x509.CertificateBuilder().subject_name(subject).issuer_name(parent.subject if parent else subject)
        b = b.public_key(key.public_key()).serial_number(int.from_bytes(keys.stream("serial " + name, 12), "big") | 1)
        b = b.not_valid_before(when[0]).not_valid_after(when[1])
        b = b.add_extension(x509.BasicConstraints(ca is not None, ca if ca is not None and ca >= 0 else None), True)
        if ku:
            b = b.add_extension(key_usage(ku), True)
        if eku:
            b = b.add_extension(x509.ExtendedKeyUsage(eku), False)
        if ids:
            b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            if parent:
                b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(parent_key.public_key()), False)
        for value, critical in extra:
            b = b.add_extension(value, critical)
        self.certs[name] = (sign(b, signed_by or parent_key), key)

    def chain(self, *names):
        return [self.certs[n][0].public_bytes(ser.Encoding.DER) for n in names]

    def _roots(self):
        self.issue("root", self.key("root", "p384"), ca=-1, ku=CA_USE)
        self.issue("root-other", self.key("root-other"), ca=-1, ku=CA_USE)
        self.issue("root-same-name", self.key("root-same-name"), dn="root", ca=-1, ku=CA_USE)
        self.issue("root-expired", self.key("root-expired"), ca=-1, ku=CA_USE, when=PAST)
        self.issue("root-rsa", self.key("root-rsa", "rsa"), ca=-1, ku=CA_USE, when=(FROM, FOREVER))

    def _intermediates(self):
        self.issue("int", self.key("int", "p384"), "root", ca=0, ku=CA_USE)
        self.issue("int-rsa", self.key("int-rsa", "rsa"), "root-rsa", ca=-1, ku=CA_USE)
        self.issue("int-deep-1", self.key("int-deep-1"), "root", ca=1, ku=CA_USE)
        self.issue("int-deep-2", self.key("int-deep-2"), "int-deep-1", ca=0, ku=CA_USE)
        self.issue("int-too-deep", self.key("int-too-deep"), "int", ca=0, ku=CA_USE)
        self.issue("int-expired", self.key("int-expired"), "root", ca=0, ku=CA_USE, when=PAST)
        self.issue("int-not-ca", self.key("int-not-ca"), "root", ku=SIGN, eku=CODE)
        self.issue("int-no-cert-sign", self.key("int-no-cert-sign"), "root", ca=0, ku={"crl_sign"})
        self.issue(
            "int-unknown-critical", self.key("int-unknown-critical"), "root", ca=0, ku=CA_USE, extra=[unknown(True)]
        )
        self.issue("int-named", self.key("int-named"), "root", ca=0, ku=CA_USE, extra=[permitted("models.example")])
        self.issue("int-forged", self.key("int-forged"), "root", ca=0, ku=CA_USE, signed_by=self.key("root-other"))
        self.issue("int-expired-root", self.key("int-expired-root"), "root-expired", ca=0, ku=CA_USE)
        for i in range(5):  # CAs of one name that all certify each other: no path ends anywhere
            self.issue(f"mesh-{i}", self.key(f"mesh-{i}"), dn="mesh", ca=-1, ku=CA_USE, ids=False)
        for i in range(5):
            for j in range(5):
                if i != j:
                    self.issue(
                        f"mesh-{i}-by-{j}", self.key(f"mesh-{i}"), f"mesh-{j}", dn="mesh", ca=-1, ku=CA_USE, ids=False
                    )

    def _leaves(self):
        for curve in ("p256", "p384", "p521"):
            self.issue(f"leaf-{curve}", self.key(f"leaf-{curve}", curve), "int", ku=SIGN, eku=CODE)
        leaf = self.key("leaf-p256")
        good = dict(ku=SIGN, eku=CODE)
        self.issue("leaf-no-eku", leaf, "int", ku=SIGN)
        self.issue("leaf-no-ku", leaf, "int", eku=CODE)
        self.issue("leaf-deep", leaf, "int-deep-2", **good)
        self.issue("leaf-too-deep", leaf, "int-too-deep", **good)
        self.issue("leaf-direct", leaf, "root", **good)
        self.issue("leaf-rsa-ca", self.key("leaf-p384", "p384"), "int-rsa", when=(FROM, FOREVER), **good)
        # As in the first published bundles: a CA flag on the signer, and the issuer's own name.
        self.issue("leaf-ca-flag", self.key("leaf-p384", "p384"), "int-rsa", dn="int-rsa", ca=-1, **good)
        self.issue("leaf-cert-sign", leaf, "int", ca=-1, ku=SIGN | {"key_cert_sign"})
        self.issue("leaf-expired", leaf, "int", when=PAST, **good)
        self.issue("leaf-future", leaf, "int", when=FUTURE, **good)
        self.issue("leaf-tls", leaf, "int", ku=SIGN, eku=[EKU.SERVER_AUTH])
        self.issue("leaf-any-eku", leaf, "int", ku=SIGN, eku=[EKU.ANY_EXTENDED_KEY_USAGE])
        self.issue("leaf-key-agreement", leaf, "int", ku={"key_agreement"})
        self.issue("leaf-no-usage", leaf, "int")
        self.issue("leaf-unknown-critical", leaf, "int", extra=[unknown(True)], **good)
        self.issue("leaf-unknown-optional", leaf, "int", extra=[unknown(False)], **good)
        self.issue("leaf-outside-name", leaf, "int-named", extra=[dns("evil.example")], **good)
        self.issue("leaf-rsa", self.key("leaf-rsa", "rsa"), "int", **good)
        self.issue("leaf-self", leaf, **good)
        self.issue("leaf-mesh", leaf, "mesh-0", ids=False, **good)
        for issuer in ("expired", "not-ca", "no-cert-sign", "unknown-critical", "forged", "expired-root"):
            self.issue(f"leaf-by-{issuer}", leaf, f"int-{issuer}", **good)

    def files(self):
        """Name to bytes of everything under testdata/keys/pki. Most certificates live only inside the bundles of their cases."""
        out = {}
        for name in (
            "root",
            "root-other",
            "root-same-name",
            "root-expired",
            "root-rsa",
            "int",
            "int-rsa",
            "int-not-ca",
        ):
            out[name + ".pem"] = self.certs[name][0].public_bytes(ser.Encoding.PEM)
        for name in (
            "leaf-p256",
            "leaf-p384",
            "leaf-p521",
            "leaf-rsa-ca",
            "leaf-no-eku",
            "leaf-tls",
            "leaf-expired",
            "leaf-self",
        ):
            cert, key = self.certs[name]
            out[name + ".pem"] = cert.public_bytes(ser.Encoding.PEM)
            out[name + ".key.pem"] = keys.pkcs8(key)
        out["leaf-p256.pub.pem"] = keys.public(self.keys["leaf-p256"])
        out["chain.pem"] = out["int.pem"] + out["root.pem"]
        return out


def sign(builder, key):
    if isinstance(key, rsa.RSAPrivateKey):
        return builder.sign(key, hashes.SHA256())
    return builder.sign(key, ec_hash(key), ecdsa_deterministic=True)


def ec_hash(key):
    return {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]


def ecdsa(key, message, digest=None):
    return key.sign(message, ec.ECDSA(digest or ec_hash(key), deterministic_signing=True))


def key_usage(bits):
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{n: n in bits for n in names})


def unknown(critical):
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.71819"), b"\x05\x00"), critical


def dns(name):
    return x509.SubjectAlternativeName([x509.DNSName(name)]), False


def permitted(name):
    return x509.NameConstraints([x509.DNSName(name)], None), True
