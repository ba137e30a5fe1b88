//! Runs the `openssl` program, and takes files apart and puts them together again.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelseal_attest::private_key::{KeyAlgorithm, Password, PasswordError, PrivateKey, PrivateKeyError};

/// Runs `openssl` with the words of `arguments`, and returns what it wrote.
pub(crate) fn openssl(arguments: &str, input: &[u8]) -> Vec<u8> {
    let output = try_openssl(arguments, input);
    assert!(
        output.status.success(),
        "`openssl {arguments}` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

pub(crate) fn try_openssl(arguments: &str, input: &[u8]) -> Output {
    let mut child = Command::new("openssl")
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need the `openssl` program (version 3) on the PATH");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that reads no input may have closed it.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("openssl was running")
}

/// A new private key of OpenSSL's, as PKCS#8 PEM.
pub(crate) fn generate(algorithm: KeyAlgorithm) -> Vec<u8> {
    let arguments = match algorithm {
        KeyAlgorithm::Ed25519 => "genpkey -algorithm ED25519",
        KeyAlgorithm::P256 => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        KeyAlgorithm::P384 => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        KeyAlgorithm::P521 => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
    };
    openssl(arguments, b"")
}

pub(crate) const CURVES: [KeyAlgorithm; 3] = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521];

/// Loads a key that has no business asking for a password.
pub(crate) fn load(pem: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
    PrivateKey::from_pem(pem, || panic!("the password of a plain key was asked for"))
}

pub(crate) fn load_with(pem: &[u8], password: &str) -> Result<PrivateKey, PrivateKeyError> {
    PrivateKey::from_pem(pem, || Password::new(password.as_bytes().to_vec()))
}

/// Loads a key that is to be refused before anybody is asked for a password.
pub(crate) fn refuse(pem: &[u8]) -> PrivateKeyError {
    refuse_with(pem, || panic!("the password was asked for before the key was refused"))
}

/// The refusal of `pem`, which must not repeat any of the file's base64 text.
pub(crate) fn refuse_with(
    pem: &[u8],
    password: impl FnOnce() -> Result<Password, PasswordError>,
) -> PrivateKeyError {
    let error = PrivateKey::from_pem(pem, password).expect_err("a file to be refused");
    let shown = format!("{error} {error:?}");
    // Boundaries and headers (`Proc-Type: ..`) are no secret.
    for line in
        String::from_utf8_lossy(pem).lines().filter(|line| !line.starts_with('-') && !line.contains(':'))
    {
        for piece in line.as_bytes().windows(12) {
            let piece = String::from_utf8_lossy(piece);
            assert!(!shown.contains(&*piece), "the error repeats {piece:?} of the file: {shown}");
        }
    }
    error
}

/// The bytes of the first block with `label`.
pub(crate) fn der(pem: &[u8], label: &str) -> Vec<u8> {
    let text = std::str::from_utf8(pem).expect("PEM is ASCII");
    let body = text.split(&format!("-----BEGIN {label}-----")).nth(1).expect("a block with this label");
    let body = body.split("-----END").next().expect("an END line");
    STANDARD.decode(body.split_whitespace().collect::<String>()).expect("base64")
}

pub(crate) fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der)).into_bytes()
}

/// One DER element; `content` up to 65,535 bytes.
pub(crate) fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u16::try_from(content.len()).expect("short content");
    let [high, low] = length.to_be_bytes();
    let mut element = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    element.extend(content);
    element
}

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTETS: u8 = 0x04;

pub(crate) fn oid(text: &str) -> Vec<u8> {
    tlv(6, &[der::asn1::ObjectIdentifier::new(text).expect("an object identifier").as_bytes()])
}

/// PKCS#8 around an elliptic curve key.
pub(crate) fn pkcs8_ec(curve: &str, inner: &[u8]) -> Vec<u8> {
    let algorithm = tlv(SEQUENCE, &[&oid("1.2.840.10045.2.1"), &oid(curve)]);
    tlv(SEQUENCE, &[&[INTEGER, 1, 0], &algorithm, &tlv(OCTETS, &[inner])])
}
