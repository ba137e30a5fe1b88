//! Every form in which OpenSSL writes a supported key is read as the same key.

use modelseal_attest::private_key::{KeyAlgorithm, PrivateKey};

use crate::openssl::{
    BIT_STRING, CURVES, INTEGER, OCTETS, SEQUENCE, der, generate, load, load_with, oid, openssl, pem,
    pkcs8_ec, tlv,
};

/// `key` is what OpenSSL takes for the key in `original`, and signs so that OpenSSL and our own verifiers accept.
#[track_caller]
fn assert_same(key: &PrivateKey, original: &[u8], algorithm: KeyAlgorithm) {
    assert_eq!(key.algorithm(), algorithm);
    let public = openssl("pkey -pubout", original);
    assert_eq!(key.public_key_pem(), String::from_utf8(public.clone()).expect("PEM"));
    assert_eq!(key.public_key_spki_der(), der(&public, "PUBLIC KEY"));
    assert_signs(key);
}

#[track_caller]
pub(crate) fn assert_signs(key: &PrivateKey) {
    let message = b"a message to sign";
    let signature = key.sign(message).expect("a signature");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a UTF-8 path").to_owned();
    let (public, signed, signature_file) = (path("public.pem"), path("message"), path("signature"));
    std::fs::write(&public, key.public_key_pem()).expect("written");
    std::fs::write(&signed, message).expect("written");
    std::fs::write(&signature_file, &signature).expect("written");

    let digest = |bits: u16| format!("dgst -sha{bits} -verify {public} -signature {signature_file} {signed}");
    let command = match key.algorithm() {
        KeyAlgorithm::Ed25519 => {
            format!("pkeyutl -verify -pubin -inkey {public} -rawin -in {signed} -sigfile {signature_file}")
        }
        KeyAlgorithm::P256 => digest(256),
        KeyAlgorithm::P384 => digest(384),
        KeyAlgorithm::P521 => digest(512),
    };
    openssl(&command, b"");
    assert_verifies(key, message, &signature);
}

#[track_caller]
fn assert_verifies(key: &PrivateKey, message: &[u8], signature: &[u8]) {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, UnparsedPublicKey,
    };
    let spki = key.public_key_spki_der();
    let tail = |length: usize| &spki[spki.len() - length..];
    match key.algorithm() {
        KeyAlgorithm::Ed25519 => {
            let public =
                ed25519_dalek::VerifyingKey::from_bytes(tail(32).try_into().expect("32")).expect("a point");
            let signature = ed25519_dalek::Signature::from_slice(signature).expect("64 bytes");
            public.verify_strict(message, &signature).expect("a good signature");
        }
        KeyAlgorithm::P256 => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, tail(65))
                .verify(message, signature)
                .expect("good");
        }
        KeyAlgorithm::P384 => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, tail(97))
                .verify(message, signature)
                .expect("good");
        }
        KeyAlgorithm::P521 => {
            UnparsedPublicKey::new(&ECDSA_P521_SHA512_ASN1, tail(133))
                .verify(message, signature)
                .expect("good");
        }
    }
}

#[test]
fn pkcs8() {
    for algorithm in KeyAlgorithm::ALL {
        let original = generate(algorithm);
        assert_same(&load(&original).expect("PKCS#8"), &original, algorithm);
    }
}

#[test]
fn sec1_in_every_form_that_openssl_writes() {
    for algorithm in CURVES {
        let original = generate(algorithm);
        for form in ["ec", "ec -no_public", "ec -conv_form compressed", "pkey -traditional"] {
            let sec1 = openssl(form, &original);
            assert!(sec1.starts_with(b"-----BEGIN EC PRIVATE KEY-----"), "{form}");
            assert_same(&load(&sec1).expect(form), &original, algorithm);
        }
    }
}

#[test]
fn sec1_after_its_parameters() {
    for (algorithm, curve) in CURVES.into_iter().zip(["prime256v1", "secp384r1", "secp521r1"]) {
        let both = openssl(&format!("ecparam -genkey -name {curve}"), b"");
        assert!(both.starts_with(b"-----BEGIN EC PARAMETERS-----"));
        assert_same(&load(&both).expect("with parameters"), &both, algorithm);
    }
}

#[test]
fn sec1_whose_curve_only_the_parameters_block_names() {
    let original = openssl("ecparam -genkey -name secp384r1", b"");
    let parameters = pem("EC PARAMETERS", &der(&original, "EC PARAMETERS"));
    let full = der(&original, "EC PRIVATE KEY");
    // version and 48-byte scalar, without [0] parameters and [1] public key
    let bare = tlv(SEQUENCE, &[&[INTEGER, 1, 1], &tlv(OCTETS, &[&full[8..56]])]);
    let bare = pem("EC PRIVATE KEY", &bare);
    let key = load(&[parameters, bare].concat()).expect("curve from the block before");
    assert_same(&key, &original, KeyAlgorithm::P384);
}

#[test]
fn pkcs8_with_a_compressed_point() {
    for algorithm in CURVES {
        let original = generate(algorithm);
        let compressed = openssl("pkey -ec_conv_form compressed", &original);
        assert!(compressed.len() < original.len());
        // OpenSSL keeps the form when it prints the public key: ours is always the uncompressed one.
        assert_same(&load(&compressed).expect("compressed"), &original, algorithm);
    }
}

#[test]
fn pkcs8_with_the_curve_named_inside_too() {
    let original = generate(KeyAlgorithm::P521);
    let inner = der(&openssl("ec", &original), "EC PRIVATE KEY");
    let key = load(&pem("PRIVATE KEY", &pkcs8_ec("1.3.132.0.35", &inner))).expect("named twice");
    assert_same(&key, &original, KeyAlgorithm::P521);
}

#[test]
fn encrypted_pkcs8_in_every_supported_combination() {
    let schemes = [
        "-v2 aes-128-cbc -v2prf hmacWithSHA1",
        "-v2 aes-192-cbc -v2prf hmacWithSHA256",
        "-v2 aes-256-cbc -v2prf hmacWithSHA384",
        "-v2 aes-256-cbc -v2prf hmacWithSHA512",
        "-v2 aes-256-cbc -iter 100000",
        "-v2 aes-256-cbc -scrypt -scrypt_N 1024 -scrypt_r 8 -scrypt_p 2",
        "",
    ];
    for algorithm in KeyAlgorithm::ALL {
        let original = generate(algorithm);
        for scheme in schemes {
            let encrypted = openssl(&format!("pkcs8 -topk8 -passout pass:sesame {scheme}"), &original);
            assert!(encrypted.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
            let key = load_with(&encrypted, "sesame").expect(scheme);
            assert_same(&key, &original, algorithm);
        }
    }
}

#[test]
fn scrypt_with_the_defaults_of_openssl() {
    let original = generate(KeyAlgorithm::P256);
    let encrypted = openssl("pkcs8 -topk8 -scrypt -passout pass:sesame", &original);
    assert_same(&load_with(&encrypted, "sesame").expect("scrypt"), &original, KeyAlgorithm::P256);
}

/// RFC 8410 §10.3 prints one key in both versions of PKCS#8, the second with attributes and its public key.
#[test]
fn both_versions_of_pkcs8_that_rfc_8410_prints() {
    let v1 = "-----BEGIN PRIVATE KEY-----\n\
              MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
              -----END PRIVATE KEY-----\n";
    let v2 = "-----BEGIN PRIVATE KEY-----\n\
              MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
              oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n\
              Z9w7lshQhqowtrbLDFw4rXAxZuE=\n\
              -----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\n\
                  MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                  -----END PUBLIC KEY-----\n";
    for text in [v1, v2] {
        let key = load(text.as_bytes()).expect("a key from the RFC");
        assert_eq!(key.public_key_pem(), public);
        assert_signs(&key);
    }
}

/// Some writers drop leading zero bytes of the scalar.
#[test]
fn a_scalar_shorter_than_its_curve() {
    let inner = tlv(SEQUENCE, &[&[INTEGER, 1, 1], &tlv(OCTETS, &[&[5]])]);
    let short = pem("PRIVATE KEY", &pkcs8_ec("1.2.840.10045.3.1.7", &inner));
    assert_same(&load(&short).expect("short scalar"), &short, KeyAlgorithm::P256);
}

#[test]
fn text_around_the_blocks_and_other_line_ends() {
    let original = generate(KeyAlgorithm::P256);
    let certificate = openssl("req -x509 -new -key /dev/stdin -subj /CN=test -days 1", &original);
    let text = String::from_utf8(original.clone()).expect("PEM");
    let public = String::from_utf8(openssl("pkey -pubout", &original)).expect("PEM");
    let certificate = String::from_utf8(certificate).expect("PEM");
    let forms = [
        format!(
            "Bag Attributes\n    friendlyName: a key\nKey Attributes: <No Attributes>\n{text}trailing words"
        ),
        format!("{certificate}{text}{public}"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "  \n"),
        text.trim_end().to_owned(),
        format!("\u{feff}{text}"),
        text.replace("-----\nM", "-----\n\nM"),
    ];
    for form in forms {
        assert_same(&load(form.as_bytes()).expect(&form), &original, KeyAlgorithm::P256);
    }
}

/// The public key that PKCS#8 version 2 states outside of an elliptic curve key.
#[test]
fn version_2_of_an_elliptic_curve_key() {
    let original = generate(KeyAlgorithm::P256);
    let inner = der(&openssl("ec", &original), "EC PRIVATE KEY");
    let point = &inner[inner.len() - 65..];
    let algorithm = tlv(SEQUENCE, &[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
    let outer_public = &tlv(BIT_STRING, &[&[0], point])[1..];
    let v2 = tlv(SEQUENCE, &[&[INTEGER, 1, 1], &algorithm, &tlv(OCTETS, &[&inner]), &[0x81], outer_public]);
    assert_same(&load(&pem("PRIVATE KEY", &v2)).expect("version 2"), &original, KeyAlgorithm::P256);
}
