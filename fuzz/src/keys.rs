//! Keys and certificates, as PEM and DER.

use jiff::Timestamp;
use modelseal_attest::private_key::{PasswordError, PrivateKey};
use modelseal_verify::{
    public_key::PublicKey,
    x509::{Certificate, Crl, MAX_PATH_LENGTH, RevocationLists, RevocationQuestion, Roots, verify_path},
};
use std::sync::LazyLock;

/// The root of the test certificates.
static ROOTS: LazyLock<Roots> = LazyLock::new(|| {
    let root = Certificate::from_pem_many(include_bytes!("../../testdata/keys/pki/root.pem"));
    Roots::new(root.expect("a certificate")).expect("a root")
});

/// The readers of PEM files. A key that reads can be used and written, and reads again as the same.
///
/// No password is given: an encrypted key is read up to its cost bounds, and not derived for seconds.
pub fn pem(data: &[u8]) {
    match PublicKey::from_pem(data) {
        Ok(key) => assert_eq!(PublicKey::from_spki_der(key.spki_der()).as_ref(), Ok(&key)),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    match Certificate::from_pem_many(data) {
        Ok(all) => all.iter().for_each(check_certificate),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    for list in Crl::from_file(data).into_iter().flatten() {
        check_list(&list);
    }
    let key = match PrivateKey::from_pem(data, || Err(PasswordError::NotGiven)) {
        Ok(key) => key,
        Err(e) => return assert!(!e.to_string().is_empty()),
    };
    let written = key.to_pkcs8_pem(None).expect("a key can be written");
    let again = PrivateKey::from_pem(written.as_bytes(), || Err(PasswordError::NotGiven))
        .expect("what we write, we read");
    assert_eq!(again.public_key_spki_der(), key.public_key_spki_der());
    let public = PublicKey::from_spki_der(&key.public_key_spki_der()).expect("its public key is a good one");
    let signature = key.sign(b"message").expect("a key can sign");
    assert_eq!(public.verify(b"message", &signature), Ok(()));
    assert!(public.verify(b"massage", &signature).is_err());
}

/// Certificates, revocation lists and keys in DER, and the path from certificates that somebody sent to our root. The input is a list of
/// DER values, each after its length in two bytes; what is left over is the last.
pub fn der(data: &[u8]) {
    let parts = split(data);
    for part in &parts {
        if let Ok(key) = PublicKey::from_spki_der(part) {
            assert_eq!(key.spki_der(), *part);
        }
    }
    for part in &parts {
        match Crl::from_der(part) {
            Ok(list) => check_list(&list),
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
    let chain: Vec<Certificate> = parts.iter().filter_map(|part| Certificate::from_der(part).ok()).collect();
    chain.iter().for_each(check_certificate);
    // Early in 2024, when the test certificates became valid, which the short-lived ones outlive too.
    let now = Timestamp::from_second(1_706_745_600).expect("in range");
    match verify_path(&chain, &ROOTS, now) {
        Ok(path) => {
            let certificates: Vec<&Certificate> = path.certificates().collect();
            assert!((1..=MAX_PATH_LENGTH).contains(&certificates.len()));
            assert_eq!(certificates[0].der(), chain[0].der(), "the leaf is the first certificate");
            assert!(certificates.iter().all(|c| c.not_before() <= now && now <= c.not_after()));
            assert!(certificates.windows(2).all(|pair| pair[0].issuer() == pair[1].subject()));
            let files = parts.iter().map(|part| ("list".to_owned(), part));
            let question =
                RevocationQuestion { now, trusted_times: &[], max_age: None, status_required: true };
            match RevocationLists::read(files).check(&path, &question) {
                Ok(until) => assert!(until.is_none_or(|until| until >= now)),
                Err(e) => assert!(!e.to_string().is_empty()),
            }
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

fn check_certificate(certificate: &Certificate) {
    let printed = format!("{} {} {}", certificate.subject(), certificate.issuer(), certificate.serial_hex());
    assert!(!printed.contains(|c: char| c.is_control()), "{printed:?}");
    let again = Certificate::from_der(certificate.der()).expect("what was read reads again");
    assert_eq!(again.fingerprint(), certificate.fingerprint());
}

fn check_list(list: &Crl) {
    assert!(!list.issuer().contains(|c: char| c.is_control()));
    assert_eq!(list.is_empty(), list.len() == 0);
}

fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let [high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((part, after)) = rest.split_at_checked(length) else { break };
        parts.push(part);
        data = after;
    }
    parts.push(data);
    parts
}
