//! Every file that is not one supported private key is refused for its own reason, and the refusal says what to do.

use std::time::{Duration, Instant};

use modelseal_attest::private_key::{
    KeyAlgorithm, MAX_PRIVATE_KEY_FILE_BYTES, Password, PasswordError, PrivateKeyError as Refused,
};

use crate::openssl::{
    BIT_STRING, CURVES, INTEGER, OCTETS, SEQUENCE, der, generate, load, load_with, oid, openssl, pem,
    pkcs8_ec, refuse, refuse_with, tlv,
};

const P256: &str = "1.2.840.10045.3.1.7";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const SCRYPT: &str = "1.3.6.1.4.1.11591.4.11";

#[track_caller]
fn assert_says(error: &Refused, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[test]
fn an_empty_file() {
    for file in ["", " \r\n\t\n"] {
        assert_eq!(refuse(file.as_bytes()), Refused::Empty);
    }
}

#[test]
fn a_file_over_the_limit() {
    let mut file = generate(KeyAlgorithm::P256);
    file.resize(MAX_PRIVATE_KEY_FILE_BYTES, b' ');
    load(&file).expect("a file of exactly the limit");
    file.push(b' ');
    let limit = MAX_PRIVATE_KEY_FILE_BYTES;
    assert_eq!(refuse(&file), Refused::TooLarge { size: limit + 1, limit });
}

#[test]
fn der_instead_of_pem() {
    for original in [generate(KeyAlgorithm::P521), generate(KeyAlgorithm::Ed25519)] {
        let binary = openssl("pkey -outform DER", &original);
        let error = refuse(&binary);
        assert_eq!(error, Refused::Der);
        assert_says(&error, &["openssl pkey -inform DER -in KEY.der -out KEY.pem"]);
        load(&openssl("pkey -inform DER", &binary)).expect("the command in the message helps");
    }
}

#[test]
fn no_pem_at_all() {
    for file in ["hello", "{\"kty\":\"EC\"}", "0", "0\u{7f}", "ssh-ed25519 AAAA me@example.org"] {
        assert_eq!(refuse(file.as_bytes()), Refused::NotPem);
    }
    assert_eq!(refuse(&[0xff, 0xfe, 0x2d, 0]), Refused::NotPem);
}

#[test]
fn pem_cut_anywhere() {
    let original = generate(KeyAlgorithm::P256);
    let begin = b"-----BEGIN PRIVATE KEY-----".len();
    let end = original.len() - "-----\n".len();
    for length in begin..end {
        let error = refuse(&original[..length]);
        assert!(matches!(&error, Refused::BrokenPem { .. }), "{length}: {error:?}");
    }
    // Cut at the front: an END line without its BEGIN.
    assert_eq!(refuse(&original[40..]), Refused::BrokenPem { label: "PRIVATE KEY".to_owned() });
}

#[test]
fn pem_with_boundaries_that_do_not_pair() {
    let text = String::from_utf8(generate(KeyAlgorithm::P256)).expect("PEM");
    for broken in [
        text.replace("END PRIVATE", "END PUBLIC"),
        text.replace('\n', ""),
        text.replace('\n', " "),
        text.replace("PRIVATE KEY-----\nM", "PRIVATE KEY-----M"),
        text.replace("BEGIN PRIVATE KEY-----", "BEGIN PRIVATE KEY"),
        format!("-----BEGIN PRIVATE KEY-----\n{text}"),
    ] {
        let error = refuse(broken.as_bytes());
        assert!(matches!(&error, Refused::BrokenPem { .. }), "{broken}: {error:?}");
    }
}

#[test]
fn damaged_base64() {
    let text = String::from_utf8(generate(KeyAlgorithm::P256)).expect("PEM");
    let expected = Refused::DamagedBase64 { label: "PRIVATE KEY".to_owned() };
    for broken in
        [text.replacen("\nM", "\n!", 1), text.replacen("\nM", "\n", 1), text.replacen("\nM", "\n\u{e9}", 1)]
    {
        assert_eq!(refuse(broken.as_bytes()), expected);
    }
}

#[test]
fn two_private_keys() {
    let [one, two] = [generate(KeyAlgorithm::P256), generate(KeyAlgorithm::Ed25519)];
    assert_eq!(refuse(&[one.clone(), two].concat()), Refused::SeveralPrivateKeys { count: 2 });
    assert_eq!(refuse(&[one.clone(), one].concat()), Refused::SeveralPrivateKeys { count: 2 });
}

#[test]
fn a_public_key_or_certificate() {
    let original = generate(KeyAlgorithm::P256);
    let public = openssl("pkey -pubout", &original);
    assert_eq!(refuse(&public), Refused::NotAPrivateKey { label: "PUBLIC KEY".to_owned() });
    let certificate = openssl("req -x509 -new -key /dev/stdin -subj /CN=test -days 1", &original);
    let error = refuse(&certificate);
    assert_eq!(error, Refused::NotAPrivateKey { label: "CERTIFICATE".to_owned() });
    assert_says(&error, &["private key is expected", "CERTIFICATE"]);
}

#[test]
fn other_algorithms_by_name() {
    for (command, name) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "RSA (1.2.840.113549.1.1.1)"),
        ("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024", "RSASSA-PSS (1.2.840.113549.1.1.10)"),
        ("genpkey -algorithm X25519", "X25519 (1.3.101.110)"),
        ("genpkey -algorithm X448", "X448 (1.3.101.111)"),
        ("genpkey -algorithm ED448", "Ed448 (1.3.101.113)"),
    ] {
        let error = refuse(&openssl(command, b""));
        assert_eq!(error, Refused::UnsupportedAlgorithm { found: name.to_owned() });
        assert_says(&error, &[name, "Ed25519", "P-256", "P-384", "P-521"]);
    }
    let rsa = openssl("genrsa -traditional 1024", b"");
    assert_eq!(refuse(&rsa), Refused::UnsupportedAlgorithm { found: "RSA".to_owned() });
    let dsa = openssl("dsaparam -noout -genkey 1024", b"");
    assert_eq!(refuse(&dsa), Refused::UnsupportedAlgorithm { found: "DSA (1.2.840.10040.4.1)".to_owned() });
    let dsa = openssl("dsa", &dsa).starts_with(b"-----BEGIN DSA").then(|| openssl("dsa", &dsa));
    let dsa = dsa.unwrap_or_else(|| pem("DSA PRIVATE KEY", &[SEQUENCE, 0]));
    assert_eq!(refuse(&dsa), Refused::UnsupportedAlgorithm { found: "DSA".to_owned() });
    // An algorithm without a name here is named by its number.
    let unknown = tlv(SEQUENCE, &[&oid("1.3.9999.2")]);
    let unknown = tlv(SEQUENCE, &[&[INTEGER, 1, 0], &unknown, &tlv(OCTETS, &[&[0]])]);
    assert_says(&refuse(&pem("PRIVATE KEY", &unknown)), &["object identifier 1.3.9999.2"]);
}

#[test]
fn other_curves_by_name() {
    for (curve, name) in [
        ("secp256k1", "secp256k1 (1.3.132.0.10)"),
        ("brainpoolP256r1", "brainpoolP256r1 (1.3.36.3.3.2.8.1.1.7)"),
        ("brainpoolP384r1", "brainpoolP384r1 (1.3.36.3.3.2.8.1.1.11)"),
        ("secp224r1", "P-224 (1.3.132.0.33)"),
    ] {
        let sec1 = openssl(&format!("ecparam -genkey -noout -name {curve}"), b"");
        let pkcs8 = openssl("pkcs8 -topk8 -nocrypt", &sec1);
        for file in [sec1, pkcs8] {
            let error = refuse(&file);
            assert_eq!(error, Refused::UnsupportedCurve { found: name.to_owned() });
            assert_says(&error, &[name, "Ed25519", "P-256", "P-384", "P-521"]);
        }
    }
}

#[test]
fn curves_spelled_out_missing_or_contradicting() {
    let original = generate(KeyAlgorithm::P256);
    for command in ["ec -param_enc explicit", "pkey -ec_param_enc explicit"] {
        let explicit = openssl(command, &original);
        let error = refuse(&explicit);
        assert_eq!(error, Refused::ExplicitCurve);
        assert_says(&error, &["openssl ec -param_enc named_curve -in OLD.pem -out NEW.pem"]);
        load(&openssl("ec -param_enc named_curve", &explicit)).expect("the command in the message helps");
    }

    let bare = tlv(SEQUENCE, &[&[INTEGER, 1, 1], &tlv(OCTETS, &[&[7; 32]])]);
    assert_eq!(refuse(&pem("EC PRIVATE KEY", &bare)), Refused::MissingCurve);

    let inner = der(&openssl("ec", &original), "EC PRIVATE KEY");
    let mismatch = Refused::CurveMismatch { outer: "1.3.132.0.34".to_owned(), inner: P256.to_owned() };
    assert_eq!(refuse(&pem("PRIVATE KEY", &pkcs8_ec("1.3.132.0.34", &inner))), mismatch);
    let parameters = pem("EC PARAMETERS", &oid("1.3.132.0.34"));
    assert_eq!(refuse(&[parameters, pem("EC PRIVATE KEY", &inner)].concat()), mismatch);
}

#[test]
fn openssl_legacy_encryption() {
    let original = generate(KeyAlgorithm::P256);
    let legacy = openssl("ec -aes128 -passout pass:sesame", &original);
    assert!(String::from_utf8_lossy(&legacy).contains("Proc-Type: 4,ENCRYPTED"));
    let error = refuse(&legacy);
    assert_eq!(error, Refused::LegacyEncryption);
    assert_says(&error, &["openssl pkcs8 -topk8 -in OLD.pem -out NEW.pem"]);
    let converted = openssl("pkcs8 -topk8 -passin pass:sesame -passout pass:sesame", &legacy);
    load_with(&converted, "sesame").expect("the command in the message helps");
}

#[test]
fn openssh_format_and_unknown_labels() {
    let error = refuse(&pem("OPENSSH PRIVATE KEY", b"openssh-key-v1\0"));
    assert_eq!(error, Refused::OpenSshFormat);
    assert_says(&error, &["ssh-keygen -p -m PKCS8"]);
    let label = "ANY PRIVATE KEY".to_owned();
    assert_eq!(refuse(&pem(&label, b"?")), Refused::UnsupportedForm { label });
}

#[test]
fn a_wrong_password_every_time() {
    let original = generate(KeyAlgorithm::Ed25519);
    let encrypted = openssl("pkcs8 -topk8 -iter 1 -passout pass:sesame", &original);
    load_with(&encrypted, "sesame").expect("the right password");
    // About eight of these decrypt to something with good padding.
    for attempt in 0..2000 {
        let password = Password::new(format!("sesame{attempt}").into_bytes());
        assert_eq!(refuse_with(&encrypted, || password), Refused::WrongPassword);
    }
}

#[test]
fn no_password_or_an_empty_one() {
    let encrypted = openssl("pkcs8 -topk8 -passout pass:sesame", &generate(KeyAlgorithm::P256));
    for (reason, words) in [
        (PasswordError::NotGiven, "is encrypted, and no password was given"),
        (PasswordError::Empty, "the password given is empty"),
        (PasswordError::Unreadable { reason: "no terminal".to_owned() }, "could not be read: no terminal"),
    ] {
        let error = refuse_with(&encrypted, || Err(reason.clone()));
        assert_says(&error, &[words]);
        assert_eq!(error, Refused::Password(reason));
    }
    assert_eq!(Password::new(Vec::new()).expect_err("empty"), PasswordError::Empty);
    assert_eq!(load_with(&encrypted, "").expect_err("empty"), Refused::Password(PasswordError::Empty));
}

#[test]
fn encryption_that_is_not_supported() {
    let original = generate(KeyAlgorithm::P256);
    for (scheme, part, found) in [
        ("-v2 des3", "cipher", "3DES-CBC (1.2.840.113549.3.7)"),
        ("-v1 PBE-SHA1-3DES", "scheme", "PKCS#12 SHA-1 and 3DES (1.2.840.113549.1.12.1.3)"),
        ("-v2 aes-256-cbc -v2prf hmacWithSHA224", "key derivation hash", "HMAC-SHA-224 (1.2.840.113549.2.8)"),
    ] {
        let encrypted = openssl(&format!("pkcs8 -topk8 -passout pass:sesame {scheme}"), &original);
        let error = refuse(&encrypted);
        assert_eq!(error, Refused::UnsupportedEncryption { part, found: found.to_owned() });
        assert_says(&error, &["openssl pkcs8 -topk8 -in OLD.pem -out NEW.pem", found]);
        let converted = openssl("pkcs8 -topk8 -passin pass:sesame -passout pass:sesame", &encrypted);
        load_with(&converted, "sesame").expect("the command in the message helps");
    }
    let other = encrypted(&oid("1.3.9999.2"), &[], &[&[9; 16]]);
    let found = "object identifier 1.3.9999.2".to_owned();
    assert_eq!(refuse(&other), Refused::UnsupportedEncryption { part: "key derivation", found });
}

/// An encrypted key with AES-256-CBC, whose password cannot be anybody's.
fn encrypted(kdf: &[u8], parameters: &[&[u8]], data: &[&[u8]]) -> Vec<u8> {
    let kdf = tlv(SEQUENCE, &[kdf, &tlv(SEQUENCE, parameters)]);
    let cipher = tlv(SEQUENCE, &[&oid("2.16.840.1.101.3.4.1.42"), &tlv(OCTETS, &[&[0; 16]])]);
    let scheme = tlv(SEQUENCE, &[&oid("1.2.840.113549.1.5.13"), &tlv(SEQUENCE, &[&kdf, &cipher])]);
    pem("ENCRYPTED PRIVATE KEY", &tlv(SEQUENCE, &[&scheme, &tlv(OCTETS, data)]))
}

fn integer(value: u128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(15);
    let sign: &[u8] = if bytes[zeros] >= 0x80 { &[0] } else { &[] };
    tlv(INTEGER, &[sign, &bytes[zeros..]])
}

fn pbkdf2(iterations: u128) -> Vec<u8> {
    encrypted(&oid(PBKDF2), &[&tlv(OCTETS, &[b"salt"]), &integer(iterations)], &[&[9; 16]])
}

fn scrypt(n: u128, r: u128, p: u128) -> Vec<u8> {
    let parameters: [&[u8]; 4] = [&tlv(OCTETS, &[b"salt"]), &integer(n), &integer(r), &integer(p)];
    encrypted(&oid(SCRYPT), &parameters, &[&[9; 16]])
}

#[test]
fn key_derivation_that_costs_too_much_is_refused_before_it_starts() {
    let start = Instant::now();
    let huge = u128::from(u64::MAX);
    for (asked, value) in [(10_000_001, 10_000_001), (huge, u64::MAX), (huge + 2, u64::MAX)] {
        let error = refuse(&pbkdf2(asked));
        let parameter = "PBKDF2 iterations";
        assert_eq!(error, Refused::KdfTooExpensive { parameter, value, limit: 10_000_000 });
        assert_says(&error, &["PBKDF2 iterations", "at most 10000000"]);
    }
    let memory = 256 * 1024 * 1024;
    for (n, r, p) in [
        (1 << 18, 8, 1), // 256 MiB and one row
        (1 << 40, 8, 1),
        (2, 1 << 40, 1),
        (2, 8, 1 << 40),
        (2, 1, 1 << 22),
        (u128::MAX, 1, 1),
        (huge, huge, huge),
    ] {
        match refuse(&scrypt(n, r, p)) {
            Refused::KdfTooExpensive { parameter: "scrypt memory in bytes", value, limit } => {
                assert!(limit == memory && value > limit, "{n} {r} {p}: {value}");
            }
            other => panic!("{n} {r} {p}: {other:?}"),
        }
    }
    let work = refuse(&scrypt(1 << 17, 8, 9));
    let (parameter, value) = ("scrypt work in bytes", 128 * (1 << 17) * 8 * 9);
    assert_eq!(work, Refused::KdfTooExpensive { parameter, value, limit: 1024 * 1024 * 1024 });
    assert!(start.elapsed() < Duration::from_secs(5), "something was derived");
}

#[test]
fn key_derivation_within_the_bounds_asks_for_the_password() {
    for file in [pbkdf2(1), pbkdf2(10_000_000), scrypt(2, 1, 1), scrypt(1 << 17, 8, 8)] {
        let error = refuse_with(&file, || Err(PasswordError::NotGiven));
        assert_eq!(error, Refused::Password(PasswordError::NotGiven));
    }
}

#[test]
fn encryption_parameters_without_meaning() {
    let salt = tlv(OCTETS, &[b"salt"]);
    let one: &[u8] = &[INTEGER, 1, 1];
    let block: &[&[u8]] = &[&[9; 16]];
    for file in [
        pbkdf2(0),
        scrypt(0, 8, 1),
        scrypt(1, 8, 1),
        scrypt(1023, 8, 1),
        scrypt(1024, 0, 1),
        scrypt(1024, 8, 0),
        scrypt(1 << 16, 1, 1), // RFC 7914: N < 2^(128 r / 8)
        // Negative and missing numbers, a derived key of another length, no salt.
        encrypted(&oid(PBKDF2), &[&salt, &[INTEGER, 1, 0xff]], block),
        encrypted(&oid(PBKDF2), &[&salt], block),
        encrypted(&oid(PBKDF2), &[&salt, one, &[INTEGER, 1, 16]], block),
        encrypted(&oid(PBKDF2), &[one], block),
        // Data that AES-CBC cannot have made.
        encrypted(&oid(PBKDF2), &[&salt, one], &[]),
        encrypted(&oid(PBKDF2), &[&salt, one], &[&[9; 15]]),
        pem("ENCRYPTED PRIVATE KEY", b""),
        pem("ENCRYPTED PRIVATE KEY", &[SEQUENCE, 0]),
        pem("ENCRYPTED PRIVATE KEY", &der(&generate(KeyAlgorithm::P256), "PRIVATE KEY")),
    ] {
        let error = refuse(&file);
        assert!(matches!(error, Refused::Malformed { label: "ENCRYPTED PRIVATE KEY", .. }), "{error:?}");
    }
}

#[test]
fn a_public_key_that_is_not_the_private_keys() {
    for algorithm in CURVES {
        let [one, two] = [generate(algorithm), generate(algorithm)];
        for form in ["ec", "ec -conv_form compressed"] {
            let mut key = der(&openssl(form, &one), "EC PRIVATE KEY");
            let other = der(&openssl(form, &two), "EC PRIVATE KEY");
            let start = key.len() - if form == "ec" { 64 } else { 32 };
            key[start..].copy_from_slice(&other[start..]);
            assert_eq!(refuse(&pem("EC PRIVATE KEY", &key)), Refused::PublicKeyMismatch { algorithm });
        }
        // The whole point of the other key, on its curve.
        let (one, two) =
            (der(&openssl("ec", &one), "EC PRIVATE KEY"), der(&openssl("ec", &two), "EC PRIVATE KEY"));
        let point = match algorithm {
            KeyAlgorithm::P256 => 65,
            KeyAlgorithm::P384 => 97,
            _ => 133,
        };
        let start = one.len() - point;
        let mixed = [&one[..start], &two[start..]].concat();
        let error = refuse(&pem("EC PRIVATE KEY", &mixed));
        assert_eq!(error, Refused::PublicKeyMismatch { algorithm });
        assert_says(&error, &["does not belong"]);
    }
}

#[test]
fn a_public_key_of_pkcs8_version_2_that_is_not_the_private_keys() {
    let inner = der(&openssl("ec", &generate(KeyAlgorithm::P256)), "EC PRIVATE KEY");
    let other = der(&openssl("ec", &generate(KeyAlgorithm::P256)), "EC PRIVATE KEY");
    let algorithm = tlv(SEQUENCE, &[&oid("1.2.840.10045.2.1"), &oid(P256)]);
    let public = tlv(BIT_STRING, &[&[0], &other[other.len() - 65..]]);
    let v2 = tlv(SEQUENCE, &[&[INTEGER, 1, 1], &algorithm, &tlv(OCTETS, &[&inner]), &[0x81], &public[1..]]);
    let expected = Refused::PublicKeyMismatch { algorithm: KeyAlgorithm::P256 };
    assert_eq!(refuse(&pem("PRIVATE KEY", &v2)), expected);

    let seed = tlv(OCTETS, &[&tlv(OCTETS, &[&[7; 32]])]);
    let algorithm = tlv(SEQUENCE, &[&oid("1.3.101.112")]);
    let public = tlv(BIT_STRING, &[&[0], &[7; 32]]);
    let v2 = tlv(SEQUENCE, &[&[INTEGER, 1, 1], &algorithm, &seed, &[0x81], &public[1..]]);
    let expected = Refused::PublicKeyMismatch { algorithm: KeyAlgorithm::Ed25519 };
    assert_eq!(refuse(&pem("PRIVATE KEY", &v2)), expected);
}

#[test]
fn structures_that_are_no_key() {
    let ec = |scalar: &[u8]| {
        pem("PRIVATE KEY", &pkcs8_ec(P256, &tlv(SEQUENCE, &[&[INTEGER, 1, 1], &tlv(OCTETS, &[scalar])])))
    };
    let order = b"\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let ed25519 = |parameters: &[u8], key: &[u8]| {
        let algorithm = tlv(SEQUENCE, &[&oid("1.3.101.112"), parameters]);
        pem("PRIVATE KEY", &tlv(SEQUENCE, &[&[INTEGER, 1, 0], &algorithm, &tlv(OCTETS, &[key])]))
    };
    let mut below = *order;
    below[31] -= 1;
    load(&ec(&below)).expect("the greatest scalar");
    load(&ed25519(&[], &tlv(OCTETS, &[&[7; 32]]))).expect("the shape of the cases below");
    let mut trailing = der(&generate(KeyAlgorithm::P256), "PRIVATE KEY");
    trailing.push(0);
    let version_2 = tlv(SEQUENCE, &[&[INTEGER, 1, 2], &tlv(OCTETS, &[&[7; 32]])]);
    for file in [
        ec(&[0; 32]),
        ec(order),
        ec(&[0xff; 32]),
        ec(&[0; 33]),
        ec(&[]),
        pem("PRIVATE KEY", &pkcs8_ec(P256, &version_2)),
        pem("PRIVATE KEY", &pkcs8_ec(P256, b"?")),
        ed25519(&[5, 0], &tlv(OCTETS, &[&[7; 32]])),
        ed25519(&[], &tlv(OCTETS, &[&[7; 31]])),
        ed25519(&[], &tlv(OCTETS, &[&[7; 64]])),
        ed25519(&[], &[7; 32]),
        pem("PRIVATE KEY", &trailing),
        pem("PRIVATE KEY", b""),
        pem("PRIVATE KEY", &[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]),
        pem("EC PRIVATE KEY", b"?"),
        [pem("EC PARAMETERS", &[5, 0]), pem("EC PRIVATE KEY", &version_2)].concat(),
    ] {
        let error = refuse(&file);
        assert!(matches!(error, Refused::Malformed { .. }), "{error:?}");
    }
}

/// A damaged file is refused or is still the same key: never another one, never a panic.
#[test]
fn every_bit_flip_and_every_cut_of_an_elliptic_curve_key() {
    for (form, label) in [("pkey", "PRIVATE KEY"), ("ec", "EC PRIVATE KEY")] {
        let original = openssl(form, &generate(KeyAlgorithm::P256));
        let public = load(&original).expect("undamaged").public_key_pem();
        let bytes = der(&original, label);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(key) = load(&pem(label, &damaged)) {
                assert_eq!(key.public_key_pem(), public, "bit {bit}");
            }
        }
        for length in 0..bytes.len() {
            refuse(&pem(label, &bytes[..length]));
        }
    }
}

/// The password is asked for, or the file is refused before; nothing in between.
#[test]
fn every_bit_flip_of_an_encrypted_key() {
    let original = openssl("pkcs8 -topk8 -scrypt -passout pass:sesame", &generate(KeyAlgorithm::P256));
    let bytes = der(&original, "ENCRYPTED PRIVATE KEY");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        refuse_with(&pem("ENCRYPTED PRIVATE KEY", &damaged), || Err(PasswordError::NotGiven));
    }
}
