//! The documents clients are configured with: trusted root, signing config, and both in one.

use serde_json::{Value, json};

use crate::fulcio::{Fulcio, raw};
use crate::json::b64;
use crate::rekor::Rekor;
use crate::time::{DAY, rfc3339};
use crate::tsa::{Signer, Tsa};

/// Which Rekor a signing config names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RekorVersion {
    /// Rekor v1: signed entry timestamps.
    V1,
    /// Rekor v2: checkpoints, and timestamps from a TSA.
    V2,
}

/// A TrustedRoot of protobuf-specs.
pub(crate) fn trusted_root(
    url: &str,
    fulcio: &Fulcio,
    rekor: &Rekor,
    tsas: &[Tsa; 2],
    started: i64,
) -> Value {
    let start = rfc3339(started - 365 * DAY);
    let log = |spki: &[u8], details: &str, id: &[u8]| {
        json!({
            "baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": {"keyId": b64(id)},
            "publicKey": {"rawBytes": b64(spki), "keyDetails": details, "validFor": {"start": start}},
        })
    };
    let authority = |name: &str, chain: &[&[u8]], end: Option<i64>| {
        let certificates: Vec<_> = chain.iter().map(|der| raw(der)).collect();
        let mut window = json!({"start": start});
        if let Some(end) = end {
            window["end"] = json!(rfc3339(end));
        }
        json!({
            "subject": {"organization": "sigstore double", "commonName": name}, "uri": url,
            "certChain": {"certificates": certificates}, "validFor": window,
        })
    };
    let tsa = |signer: &Signer, end: Option<i64>| authority("tsa", &signer.chain(), end);
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [
            log(rekor.v1.spki(), "PKIX_ECDSA_P256_SHA_256", &rekor.v1.id()),
            log(&rekor.v2.spki(), "PKIX_ED25519", &rekor.v2_id()),
        ],
        "certificateAuthorities":
            [authority("fulcio", &[&fulcio.authority.intermediate, &fulcio.authority.root], None)],
        "ctlogs": [log(fulcio.ct.spki(), "PKIX_ECDSA_P256_SHA_256", &fulcio.ct.id())],
        "timestampAuthorities": [
            tsa(&tsas[0].signer, None), tsa(&tsas[1].signer, None),
            tsa(&tsas[0].expired, Some(tsas[0].expiry)), tsa(&tsas[1].expired, Some(tsas[1].expiry)),
        ],
    })
}

/// A SigningConfig v0.2 that asks for one log entry and one timestamp.
pub(crate) fn signing_config(url: &str, tsa_url: &str, rekor: RekorVersion, started: i64) -> Value {
    let start = rfc3339(started - 365 * DAY);
    let service = |url: &str, version: u32| json!({"url": url, "majorApiVersion": version, "validFor": {"start": start}, "operator": "double"});
    let version = match rekor {
        RekorVersion::V1 => 1,
        RekorVersion::V2 => 2,
    };
    json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [service(url, 1)], "oidcUrls": [service(url, 1)],
        "rekorTlogUrls": [service(url, version)], "tsaUrls": [service(tsa_url, 1)],
        "rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "ANY"},
    })
}

/// A ClientTrustConfig.
pub(crate) fn trust_config(root: &Value, config: &Value) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root, "signingConfig": config,
    })
}
