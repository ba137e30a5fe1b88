//! What we generate and write is read by OpenSSL and by ourselves.

use modelseal_attest::private_key::{KeyAlgorithm, Password, PrivateKey};
use modelseal_core::key::spki_pem as public_key_pem;
use zeroize::ZeroizeOnDrop;

use crate::accepted::assert_signs;
use crate::openssl::{load, load_with, openssl};

#[test]
fn a_generated_key_is_read_by_openssl_plain_and_encrypted() {
    for algorithm in KeyAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).expect("a key");
        assert_eq!(key.algorithm(), algorithm);
        assert_signs(&key);

        let plain = key.to_pkcs8_pem(None).expect("PEM");
        assert!(plain.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(openssl("pkey -pubout", plain.as_bytes()), key.public_key_pem().as_bytes());
        openssl("pkey -check -noout", plain.as_bytes());
        // Byte for byte as OpenSSL writes the same key.
        assert_eq!(openssl("pkey", plain.as_bytes()), plain.as_bytes());
        assert_eq!(load(plain.as_bytes()).expect("own PEM").public_key_pem(), key.public_key_pem());

        let password = Password::new(b"open-sesame".to_vec()).expect("a password");
        let encrypted = key.to_pkcs8_pem(Some(&password)).expect("PEM");
        assert!(encrypted.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        let public = openssl("pkey -pubout -passin pass:open-sesame", encrypted.as_bytes());
        assert_eq!(public, key.public_key_pem().as_bytes());
        let again = load_with(encrypted.as_bytes(), "open-sesame").expect("own encrypted PEM");
        assert_eq!(again.public_key_pem(), key.public_key_pem());
    }
}

#[test]
fn encryption_is_salted_and_as_documented() {
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let password = Password::new(b"open-sesame".to_vec()).expect("a password");
    let [shown, other] = [(); 2].map(|()| {
        let pem = key.to_pkcs8_pem(Some(&password)).expect("PEM");
        String::from_utf8(openssl("asn1parse", pem.as_bytes())).expect("text")
    });
    // The salt, the initialisation vector and the data: each fresh.
    let fresh = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.split_once("[HEX DUMP]:"))
            .map(|(_, hex)| hex.to_owned())
            .collect()
    };
    let (one, two) = (fresh(&shown), fresh(&other));
    assert_eq!(one.iter().map(String::len).take(2).collect::<Vec<_>>(), [32, 32]);
    assert!(one.len() == 3 && one.iter().zip(&two).all(|(one, two)| one != two), "{one:?} {two:?}");
    // 600,000 is 0x0927C0.
    for expected in ["PBES2", "PBKDF2", ":0927C0", "hmacWithSHA256", "aes-256-cbc"] {
        assert!(shown.contains(expected), "{expected} is not in {shown}");
    }
}

#[test]
fn two_generated_keys_differ() {
    for algorithm in KeyAlgorithm::ALL {
        let [one, two] = [(); 2].map(|()| PrivateKey::generate(algorithm).expect("a key").public_key_pem());
        assert_ne!(one, two);
    }
}

#[test]
fn public_key_pem_wraps_at_64_characters() {
    assert_eq!(public_key_pem(&[]), "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n");
    for (length, lines) in [(1, 1), (48, 1), (49, 2), (96, 2), (97, 3)] {
        let pem = public_key_pem(&vec![7; length]);
        assert_eq!(pem.lines().count(), lines + 2, "{length} bytes");
        assert!(pem.lines().all(|line| line.len() <= 64) && pem.ends_with("-----\n"));
    }
}

#[test]
fn nothing_secret_is_shown() {
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    assert_eq!(format!("{key:?}"), "PrivateKey(ECDSA P-256, ..)");
    assert_eq!(format!("{:?}", Password::new(b"sesame".to_vec()).expect("a password")), "Password(..)");
}

/// Does not compile unless the types wipe themselves and can be shared between threads.
#[test]
fn secrets_are_wiped_on_drop() {
    fn wiped<T: ZeroizeOnDrop + Send + Sync>() {}
    wiped::<PrivateKey>();
    wiped::<Password>();
    wiped::<ed25519_dalek::SigningKey>();
}
