//! Object identifiers that private key files carry, and the names that error messages give them.

use der::asn1::ObjectIdentifier;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

// Keys: RFC 5480 §2.1.1, RFC 8410 §3.
pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
pub(super) const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
pub(super) const P384: ObjectIdentifier = oid("1.3.132.0.34");
pub(super) const P521: ObjectIdentifier = oid("1.3.132.0.35");
pub(super) const ED25519: ObjectIdentifier = oid("1.3.101.112");

// Password-based encryption: RFC 8018 appendix C, RFC 7914 §7, NIST AES arc.
pub(super) const PBES2: ObjectIdentifier = oid("1.2.840.113549.1.5.13");
pub(super) const PBKDF2: ObjectIdentifier = oid("1.2.840.113549.1.5.12");
pub(super) const SCRYPT: ObjectIdentifier = oid("1.3.6.1.4.1.11591.4.11");
pub(super) const HMAC_SHA1: ObjectIdentifier = oid("1.2.840.113549.2.7");
pub(super) const HMAC_SHA256: ObjectIdentifier = oid("1.2.840.113549.2.9");
pub(super) const HMAC_SHA384: ObjectIdentifier = oid("1.2.840.113549.2.10");
pub(super) const HMAC_SHA512: ObjectIdentifier = oid("1.2.840.113549.2.11");
pub(super) const AES_128_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.2");
pub(super) const AES_192_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.22");
pub(super) const AES_256_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.42");

/// What to call `oid` in a message: `RSA (1.2.840.113549.1.1.1)`, or the number alone when it has no name here.
pub(super) fn describe(oid: &ObjectIdentifier) -> String {
    let number = oid.to_string();
    match UNSUPPORTED.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => format!("{name} ({number})"),
        None => format!("object identifier {number}"),
    }
}

/// Names of what is met in key files and not supported.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.2.156.10197.1.301", "SM2"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.8", "brainpoolP256t1"),
    ("1.3.36.3.3.2.8.1.1.9", "brainpoolP320r1"),
    ("1.3.36.3.3.2.8.1.1.10", "brainpoolP320t1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.12", "brainpoolP384t1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    ("1.3.36.3.3.2.8.1.1.14", "brainpoolP512t1"),
    ("1.2.840.113549.3.7", "3DES-CBC"),
    ("1.3.14.3.2.7", "DES-CBC"),
    ("1.2.840.113549.3.2", "RC2-CBC"),
    ("1.2.840.113549.2.8", "HMAC-SHA-224"),
    ("1.2.840.113549.1.5.3", "PBES1 MD5 and DES"),
    ("1.2.840.113549.1.5.6", "PBES1 MD5 and RC2"),
    ("1.2.840.113549.1.5.10", "PBES1 SHA-1 and DES"),
    ("1.2.840.113549.1.5.11", "PBES1 SHA-1 and RC2"),
    ("1.2.840.113549.1.12.1.1", "PKCS#12 SHA-1 and RC4"),
    ("1.2.840.113549.1.12.1.3", "PKCS#12 SHA-1 and 3DES"),
    ("1.2.840.113549.1.12.1.6", "PKCS#12 SHA-1 and RC2"),
];
