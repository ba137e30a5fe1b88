//! What a signer reads before it asks anybody: signing configurations, identity tokens, URIs of keys that are elsewhere.

use jiff::Timestamp;
use modelseal_attest::{
    http::{Secret, ServiceUrl},
    kms::KmsUri,
    pkcs11::Uri,
    sigstore::{IdentityToken, RekorPreference, Services, SigningConfig},
};

/// The readers of configurations, tokens and URIs. What is read can be used without a panic, and no secret is shown.
pub fn services(data: &[u8]) {
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    for read in [SigningConfig::from_json, SigningConfig::from_client_trust_config] {
        match read(data) {
            Ok(config) => {
                if let Err(e) = Services::from_config(&config, RekorPreference::Newest, now) {
                    assert!(!e.to_string().is_empty());
                }
            }
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match IdentityToken::parse(&Secret::new(text.to_owned())) {
        Ok(token) => {
            let _ = token.check("sigstore", now);
            assert!(!format!("{token:?}").contains(text));
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    if let Ok(url) = ServiceUrl::parse(text) {
        assert!(!url.to_string().contains('?'), "a query can hold a secret");
    }
    match KmsUri::parse(text) {
        Ok(uri) => drop(KmsUri::parse(&uri.to_string()).expect("what we write, we read")),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    match Uri::parse(text) {
        Ok(uri) => {
            let shown = uri.to_string();
            let mut asked = shown.split_once('?').map_or("", |(_, query)| query).split('&');
            assert!(asked.all(|attribute| !attribute.starts_with("pin-value")), "a PIN is never shown");
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}
