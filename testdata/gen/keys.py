"""Test keys from fixed labels. They are public: nothing real may ever be signed with them."""

import base64
import functools
import hashlib

from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from . import der

PASSWORD = "correct horse"  # of every encrypted key here
CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "secp256k1": ec.SECP256K1()}


def stream(label, size):
    return hashlib.shake_256(b"modelseal testdata " + label.encode()).digest(size)


def ec_key(curve, label):
    bits = CURVES[curve].key_size - 1  # the order of each of these curves has one bit more
    n = int.from_bytes(stream(f"{curve} {label}", 66), "big") % (1 << bits) | 1
    return ec.derive_private_key(n, CURVES[curve])


def ed_key(label):
    return ed25519.Ed25519PrivateKey.from_private_bytes(stream("ed25519 " + label, 32))


def rsa_key(label, bits=2048):
    p, q = (prime(f"{label} {x}", bits // 2) for x in "pq")
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key()


def prime(label, bits):
    start = int.from_bytes(stream(label, bits // 8), "big") | (3 << (bits - 2)) | 1
    return next(n for n in range(start, start + (1 << 20), 2) if n % 65537 != 1 and is_prime(n))


def is_prime(n):
    if any(n % p == 0 for p in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)):
        return False
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19):
        x = pow(base, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def pem(kind, data):
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""]).encode()


def pkcs8_der(key):
    return key.private_bytes(ser.Encoding.DER, ser.PrivateFormat.PKCS8, ser.NoEncryption())


def pkcs8(key):
    return pem("PRIVATE KEY", pkcs8_der(key))


def sec1(key):
    return key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.TraditionalOpenSSL, ser.NoEncryption())


def public(key):
    return key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)


def encrypted(key, kdf, label):
    """PKCS#8 under PBES2 with AES-256-CBC; the salt and the vector come from the label."""
    salt, iv, password = stream(label + " salt", 16), stream(label + " iv", 16), PASSWORD.encode()
    if kdf == "pbkdf2":
        rounds = 4096
        secret = hashlib.pbkdf2_hmac("sha256", password, salt, rounds, 32)
        prf = der.seq(der.oid("1.2.840.113549.2.9"), der.NULL)
        params = der.seq(der.oid("1.2.840.113549.1.5.12"), der.seq(der.octets(salt), der.integer(rounds), prf))
    else:
        cost = 16384
        secret = hashlib.scrypt(password, salt=salt, n=cost, r=8, p=1, maxmem=1 << 26, dklen=32)
        numbers = der.seq(der.octets(salt), der.integer(cost), der.integer(8), der.integer(1))
        params = der.seq(der.oid("1.3.6.1.4.1.11591.4.11"), numbers)
    plain = pkcs8_der(key)
    pad = 16 - len(plain) % 16
    box = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    sealed = box.update(plain + bytes([pad]) * pad) + box.finalize()
    scheme = der.seq(
        der.oid("1.2.840.113549.1.5.13"), der.seq(params, der.seq(der.oid("2.16.840.1.101.3.4.1.42"), der.octets(iv)))
    )
    return pem("ENCRYPTED PRIVATE KEY", der.seq(scheme, der.octets(sealed)))


def dsa_public():
    """A DSA public key in the shape that OpenSSL writes; the numbers are primes of the usual sizes, the group is not used."""
    p, q, g, y = prime("dsa p", 1024), prime("dsa q", 160), 4, 9
    algorithm = der.seq(der.oid("1.2.840.10040.4.1"), der.seq(der.integer(p), der.integer(q), der.integer(g)))
    return pem("PUBLIC KEY", der.seq(algorithm, der.tlv(0x03, b"\x00", der.integer(y))))


def small_order_ed25519():
    """The neutral element as a public key: a verifier that does not refuse it accepts one signature for every message."""
    point = b"\x01" + bytes(31)
    return pem("PUBLIC KEY", der.seq(der.seq(der.oid("1.3.101.112")), der.tlv(0x03, b"\x00", point)))


KEYS = {
    "p256": ec_key("p256", "signer"),
    "p384": ec_key("p384", "signer"),
    "p521": ec_key("p521", "signer"),
    "ed25519": ed_key("signer"),
    "p256-other": ec_key("p256", "other"),
    "secp256k1": ec_key("secp256k1", "signer"),
    "rsa": rsa_key("signer"),
}


@functools.cache
def files():
    """Name to bytes of everything under testdata/keys except the certificates."""
    out = {}
    for name, key in KEYS.items():
        out[f"{name}.pem"] = pkcs8(key)
        out[f"{name}.pub.pem"] = public(key)
    for name in ("p256", "p384", "p521"):
        out[f"{name}.sec1.pem"] = sec1(KEYS[name])
    for name in ("p256", "p384", "p521", "ed25519"):
        out[f"{name}.enc.pem"] = encrypted(KEYS[name], "pbkdf2", name)
    out["p256.enc-scrypt.pem"] = encrypted(KEYS["p256"], "scrypt", "p256 scrypt")
    # What `openssl ecparam -genkey` writes: the curve first, then the key.
    out["p256.sec1-params.pem"] = pem("EC PARAMETERS", der.oid("1.2.840.10045.3.1.7")) + sec1(KEYS["p256"])
    out["p256.der"] = pkcs8_der(KEYS["p256"])
    out["p256.truncated.pem"] = out["p256.pem"][:150]
    out["p256.truncated.pub.pem"] = out["p256.pub.pem"][:90]
    out["dsa.pub.pem"] = dsa_public()
    out["ed25519.small-order.pub.pem"] = small_order_ed25519()
    out["empty.pem"] = b""
    out["password.txt"] = (PASSWORD + "\n").encode()
    return out
