//! Keys made with OpenSSL 3.0, good and wrong; the expected hashes were computed with `openssl` and `sha256sum`.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as aws, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;

use super::*;

/// Algorithm, Base64 SubjectPublicKeyInfo, fingerprint, hint.
const GOOD: [(KeyAlgorithm, &str, &str, &str); 4] = [
    (
        KeyAlgorithm::P256,
        concat!(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEReYgJ0JrECG6/KKcHskuX82nlE99kyGEspOcdlaYc/mkR42D6YZF5h",
            "ihp0iP1TPoBWCGvIqR9OOfEa2gSIrpYg==",
        ),
        "4e47112c52619b501b6e4a69274bf9a61867f7b3a52f0b5f40d86885ab40c075",
        "04d614e188460c795bcbefbee93adeed7f1e145a24f668bb0dd4752ec198ad6b",
    ),
    (
        KeyAlgorithm::P384,
        concat!(
            "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAES7oWg3m+I9M9ZjR/YlVd2HoSVFCm0rFKB6PB/he4iPqoRpAZLLSpRH47sD",
            "R11CA4GXnrytEHPr3AvMC0BCxKFX9lJanpdfXaZhT2DM3a78haAKxgM1+Tzmy97pF88O1a",
        ),
        "7e6099c9164ad3175123757b70a20fea44c6285f1feb9b0f8f3b174670784a25",
        "df24c5a50c2000e33454867e9ae31699935a4ecb406ebb9c7b6ad60e13f0493a",
    ),
    (
        KeyAlgorithm::P521,
        concat!(
            "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBH9tq+5ZwfbHPPQC6tN5DHSN+EqfwBMfPLtg+Ap3x5ymPs59WVjXZ1s",
            "2nMowO50ximxj5pnGla/t4yhPblvFJKzIAZDM/KCOKa2cBa2Peqn89gWXNaSFsugl8VwxBqGJN9z+Z+lVOn9xMUU7V",
            "jUYsEmHWLqNHmy1L1bDg9g1O2fQIDmY=",
        ),
        "e03b6913a1186a9b7e2b4450f3d77aa7527919ab521780db4c11c4cece8a35f2",
        "2489dde3a79bc0a2430cd85d4b4f20ac1faffca9f47f3384698cc7ef04752405",
    ),
    (
        KeyAlgorithm::Ed25519,
        "MCowBQYDK2VwAyEAm3TYNjn7yR6a1Pf7EwxPWpUO2ySlWZIMFkraGSLZFas=",
        "bf8255b024706d9920917ddff0dfeb2ac76fb39453db52008c8b3c217d45daae",
        "88493dac8654b1d47fc45602f1d8fe9ca30a089f71e5f0f8827667f5303fa15a",
    ),
];
const EXPLICIT_CURVE: &str = concat!(
    "MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA//////////////",
    "//MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+",
    "J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/h",
    "p/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IA",
    "BEXmICdCaxAhuvyinB7JLl/Np5RPfZMhhLKTnHZWmHP5pEeNg+mGReYYoadIj9Uz6AVghryKkfTjnxGtoEiK6WI=",
);
const COMPRESSED: &str = "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACReYgJ0JrECG6/KKcHskuX82nlE99kyGEspOcdlaYc/k=";
const HYBRID: &str = concat!(
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAGReYgJ0JrECG6/KKcHskuX82nlE99kyGEspOcdlaYc/mkR42D6YZF5h",
    "ihp0iP1TPoBWCGvIqR9OOfEa2gSIrpYg==",
);
const RSA: &str = concat!(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArT8IIyJgOaqnjnxOlzwWOmVXuw6dQzO5iBNlwIdmBATLqZ",
    "teoI87GPtAPoiPjxeQQsVGcBaTwjd5CmbDLakYUGNvcHpxSp53Du3E++yYQR92lWHUNib1aedUn9XE/kYdE//b7JOA",
    "igGwyi4OMqSBY89UnRHAvgzcUitXXRvAC8bso/TNk6ElRri5ttptaVbP8uFaN0LucLGEWUkklIBkvIr0hWErkeOUfy",
    "ayjTyZ7JtPNVVOHA0+EoAl7G0zHh2jP5I5UsN6p/OR/9HK5JfW8TzTIqbIJlkTbkuFwpzHLZUMiiffRzzdA6TUFLWn",
    "scJsBtSeuiLjHOvrnME2EOsXkwIDAQAB",
);
const X25519: &str = "MCowBQYDK2VuAyEA2yQ2chujtz606RxI0QFo5JPRCd2tteJnpnQeQqT2EA8=";
const ED448: &str = concat!(
    "MEMwBQYDK2VxAzoA4fNw31WYjm06T4G60R6Hl0g9Kj3OAX6FZ1oYYZorSI3+TR9uAA3NiUN7YES71unJJSm0RTZJWf",
    "mA",
);
const BRAINPOOL: &str = concat!(
    "MFowFAYHKoZIzj0CAQYJKyQDAwIIAQEHA0IABJf3n8Z7tgo6J68mZIoid7/tftzsJp5GhDBfCzYYyXOGPbA2yEp89T",
    "ooiBz4HRtHqzPoH3evSh4P3XkAJ1PHL3w=",
);

#[test]
fn good_keys() {
    for (algorithm, text, fingerprint, hint) in GOOD {
        let key = PublicKey::from_pem(pem("PUBLIC KEY", text).as_bytes()).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.spki_der(), bytes(text));
        assert_eq!((key.fingerprint().as_str(), key.hint().as_str()), (fingerprint, hint), "{algorithm}");
        let windows =
            format!("Key of the release team\r\n{}\r\n", pem("PUBLIC KEY", text).replace('\n', "\r\n"));
        assert_eq!(PublicKey::from_pem(windows.as_bytes()).unwrap(), key);
        assert_eq!(format!("{key:?}"), format!("PublicKey({algorithm}, sha256:{fingerprint})"));
    }
}

#[test]
fn text_that_is_not_one_public_key() {
    let good = pem("PUBLIC KEY", GOOD[0].1);
    let der = String::from_utf8_lossy(&[0x30, 0x59, 0x30, 0x13]).into_owned();
    let rows: Vec<(String, &str, &str)> = vec![
        (String::new(), "NotPem", "BEGIN PUBLIC KEY"),
        ("hello".to_owned(), "NotPem", "BEGIN PUBLIC KEY"),
        (der, "DerInsteadOfPem", "-inform DER"),
        ("ssh-ed25519 AAAAC3Nza me@here\n".to_owned(), "OpenSsh", "ssh-keygen -e -m PKCS8"),
        (good[..good.len() / 2].to_owned(), "TruncatedPem", "PUBLIC KEY"),
        (good.replace("-----END PUBLIC KEY-----", ""), "TruncatedPem", "cut off"),
        (good.replace("END PUBLIC", "END PRIVATE"), "TruncatedPem", "no matching"),
        (format!("{}{good}", &good[..60]), "TruncatedPem", "cut off"),
        ("-----BEGIN ".to_owned(), "TruncatedPem", "unreadable"),
        ("-----BEGIN \x1b[2J-----".to_owned(), "TruncatedPem", "unreadable"),
        (good.replace("MFkw", "M!kw"), "Base64", "damaged"),
        (pem("PRIVATE KEY", "AAAA"), "PrivateKey", "-pubout"),
        (pem("EC PRIVATE KEY", "AAAA"), "PrivateKey", "EC PRIVATE KEY"),
        (pem("ENCRYPTED PRIVATE KEY", "AAAA"), "PrivateKey", "ENCRYPTED"),
        (pem("OPENSSH PRIVATE KEY", "AAAA"), "PrivateKey", "OPENSSH"),
        (pem("EC PARAMETERS", "AAAA") + &pem("EC PRIVATE KEY", "AAAA"), "PrivateKey", "EC PRIVATE KEY"),
        (good.clone() + &pem("PRIVATE KEY", "AAAA"), "PrivateKey", "-pubout"),
        (pem("CERTIFICATE", "AAAA"), "Certificate", "openssl x509"),
        (pem("RSA PUBLIC KEY", "AAAA"), "OtherPem", "Ed25519"),
        (pem("PGP PUBLIC KEY BLOCK", "AAAA"), "OtherPem", "PGP"),
        (good.repeat(2), "SeveralBlocks", "2 PEM blocks"),
        (good.clone() + "x", "TrailingText", "after the public key"),
        (pem("PUBLIC KEY", ""), "Malformed", "SubjectPublicKeyInfo"),
        (" ".repeat(100_000) + &good, "TooLarge", "65536"),
    ];
    for (text, expected, says) in rows {
        let error = PublicKey::from_pem(text.as_bytes()).unwrap_err();
        assert_eq!(variant(&error), expected, "{text:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = PublicKey::from_pem(&bytes(GOOD[0].1)).unwrap_err();
    assert_eq!(error, PublicKeyError::DerInsteadOfPem);
}

#[test]
fn der_that_is_not_a_supported_key() {
    let p256 = bytes(GOOD[0].1);
    let with = |at: usize, byte: u8| {
        let mut changed = p256.clone();
        changed[at] ^= byte;
        changed
    };
    let ed25519 = |key: &[u8]| spki(&[0x30, 5, 6, 3, 0x2B, 0x65, 0x70], key);
    let reduced = |y: u8| {
        let mut key = [0xFF; 32];
        (key[0], key[31]) = (y, 0x7F);
        ed25519(&key)
    };
    let dsa = spki(&[0x30, 9, 6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x38, 4, 1], &[2, 1, 5]);
    let unknown = spki(&[0x30, 5, 6, 3, 0x2A, 3, 4], &[1]);
    let infinity = spki(&p256[2..23], &[0]);
    let short = spki(&p256[2..23], &p256[26..90]);
    let implicit = spki(&[0x30, 11, 6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1, 5, 0], &p256[26..]);
    let rows: Vec<(Vec<u8>, &str, &str)> = vec![
        (bytes(RSA), "UnsupportedAlgorithm", "rsaEncryption (1.2.840.113549.1.1.1)"),
        (dsa, "UnsupportedAlgorithm", "1.2.840.10040.4.1"),
        (bytes(X25519), "UnsupportedAlgorithm", "1.3.101.110"),
        (bytes(ED448), "UnsupportedAlgorithm", "1.3.101.113"),
        (unknown, "UnsupportedAlgorithm", "1.2.3.4"),
        (bytes(BRAINPOOL), "UnsupportedCurve", "brainpoolP256r1"),
        (bytes(EXPLICIT_CURVE), "UnnamedCurve", "named_curve"),
        (implicit, "UnnamedCurve", "named_curve"),
        (bytes(COMPRESSED), "CompressedPoint", "-conv_form uncompressed"),
        (bytes(HYBRID), "NotOnCurve", "P-256"),
        (infinity, "NotOnCurve", "P-256"),
        (with(40, 1), "NotOnCurve", "P-256"),
        (with(90, 1), "NotOnCurve", "P-256"),
        (short, "Length", "64 bytes"),
        (ed25519(&[5; 31]), "Length", "31 bytes"),
        (ed25519(&[2; 32]), "NotOnCurve", "Ed25519"),
        (spki(&[0x30, 7, 6, 3, 0x2B, 0x65, 0x70, 5, 0], &[5; 32]), "UnexpectedParameters", "RFC 8410"),
        ([p256.as_slice(), &[0]].concat(), "TrailingBytes", "1 bytes"),
        (p256[..90].to_vec(), "Malformed", "SubjectPublicKeyInfo"),
        (with(25, 1), "Malformed", "whole bytes"),
        (vec![], "Malformed", ""),
        // The encodings of y = p + 3 and p + 4: the first is a point, and has a shorter name already.
        (reduced(0xF0), "NotOnCurve", "Ed25519"),
        (reduced(0xF1), "NotOnCurve", "Ed25519"),
    ];
    for (der, expected, says) in rows {
        let error = PublicKey::from_spki_der(&der).unwrap_err();
        assert_eq!(variant(&error), expected, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    // The eight points of small order, each in every encoding that decodes (first and last byte; the rest by rule).
    let mut identity = [0; 32];
    identity[0] = 1;
    let zero = [0; 32];
    let mut minus_one = [0xFF; 32];
    (minus_one[0], minus_one[31]) = (0xEC, 0x7F);
    let order_8 = bytes("JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/AU=");
    for point in [&identity[..], &zero, &minus_one, &order_8] {
        for sign in [0, 0x80] {
            let mut point = point.to_vec();
            point[31] |= sign;
            let error = PublicKey::from_spki_der(&ed25519(&point)).unwrap_err();
            assert!(
                matches!(error, PublicKeyError::SmallOrder | PublicKeyError::NotOnCurve { .. }),
                "{error}"
            );
        }
        assert_eq!(PublicKey::from_spki_der(&ed25519(point)), Err(PublicKeyError::SmallOrder));
    }
}

#[test]
fn signatures() {
    let curves = [
        (&aws::ECDSA_P256_SHA256_ASN1_SIGNING, &aws::ECDSA_P256_SHA256_ASN1_SIGNING, 0),
        (&aws::ECDSA_P384_SHA384_ASN1_SIGNING, &aws::ECDSA_P384_SHA384_ASN1_SIGNING, 1),
        (&aws::ECDSA_P521_SHA512_ASN1_SIGNING, &aws::ECDSA_P521_SHA256_ASN1_SIGNING, 2),
    ];
    let random = SystemRandom::new();
    for (signing, sha256, good) in curves {
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let template = bytes(GOOD[good].1);
        let point = pair.public_key().as_ref();
        let key = [&template[..template.len() - point.len()], point].concat();
        let key = PublicKey::from_spki_der(&key).unwrap();
        let signature = pair.sign(&random, b"message").unwrap();
        assert_eq!(key.verify(b"message", signature.as_ref()), Ok(()));
        assert_eq!(key.verify(b"messagf", signature.as_ref()), Err(BadSignature));
        assert_eq!(key.verify(b"message", &[]), Err(BadSignature));
        // r = s = 0, the signature that some verifiers took for any message (CVE-2022-21449).
        assert_eq!(key.verify(b"message", &[0x30, 6, 2, 1, 0, 2, 1, 0]), Err(BadSignature));
        // The historical form accepts SHA-256 and, beyond P-256, only that.
        let current = key.verify_historical_v0_2_ecdsa_sha256(b"message", signature.as_ref());
        assert_eq!(current.is_ok(), good == 0);
        if good == 2 {
            let pkcs8 = pair.to_pkcs8v1().unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(sha256, pkcs8.as_ref()).unwrap();
            let signature = pair.sign(&random, b"message").unwrap();
            assert_eq!(key.verify_historical_v0_2_ecdsa_sha256(b"message", signature.as_ref()), Ok(()));
            assert_eq!(key.verify(b"message", signature.as_ref()), Err(BadSignature));
        }
    }
    let pair = Ed25519KeyPair::generate().unwrap();
    let key = spki(&[0x30, 5, 6, 3, 0x2B, 0x65, 0x70], pair.public_key().as_ref());
    let key = PublicKey::from_spki_der(&key).unwrap();
    let signature = pair.sign(b"message");
    assert_eq!(key.verify(b"message", signature.as_ref()), Ok(()));
    assert_eq!(key.verify(b"messagf", signature.as_ref()), Err(BadSignature));
    assert_eq!(key.verify(b"message", &signature.as_ref()[..63]), Err(BadSignature));
    assert_eq!(key.verify_historical_v0_2_ecdsa_sha256(b"message", signature.as_ref()), Err(BadSignature));

    // R is the identity and S = H(R, A, "message") a: the equation of RFC 8032 holds, and strict verifiers refuse it.
    let key = bytes("D3YIeDSJaEwEcmABWVY45SWMLtC9s9GNnjRT6ou0WK0=");
    let signature =
        bytes("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADkd6VJY9p7mML03dANYGJmHn9OJ/T6+RmR1M1H5ofEBQ==");
    let lenient = VerifyingKey::from_bytes(key.as_slice().try_into().unwrap()).unwrap();
    let parsed = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    assert!(ed25519_dalek::Verifier::verify(&lenient, b"message", &parsed).is_ok());
    let key = PublicKey::from_spki_der(&spki(&[0x30, 5, 6, 3, 0x2B, 0x65, 0x70], &key)).unwrap();
    assert_eq!(key.verify(b"message", &signature), Err(BadSignature));
}

/// Every truncation and every changed byte of a key: an error or another key, never a panic, and never an equal key.
#[test]
fn damaged_keys() {
    for (_, text, _, _) in GOOD {
        let der = bytes(text);
        let key = PublicKey::from_spki_der(&der).unwrap();
        for length in 0..der.len() {
            PublicKey::from_spki_der(&der[..length]).unwrap_err();
        }
        for at in 0..der.len() {
            for byte in 0..=255 {
                let mut changed = der.clone();
                changed[at] = byte;
                let same = PublicKey::from_spki_der(&changed).is_ok_and(|changed| changed == key);
                assert_eq!(same, changed == der);
            }
        }
        let text = pem("PUBLIC KEY", text);
        for at in 0..text.len() {
            let _ = PublicKey::from_pem(&text.as_bytes()[..at]);
            let _ = PublicKey::from_pem(&text.as_bytes()[at..]);
        }
    }
}

fn pem(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

fn bytes(base64: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
}

/// A SubjectPublicKeyInfo of under 128 bytes from a whole AlgorithmIdentifier and a key.
fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u8::try_from(bytes).unwrap();
    let bits = [&[3, length(key.len() + 1), 0], key].concat();
    [&[0x30, length(algorithm.len() + bits.len())], algorithm, &bits].concat()
}

fn variant(error: &PublicKeyError) -> String {
    format!("{error:?}").split([' ', '{']).next().unwrap().to_owned()
}
