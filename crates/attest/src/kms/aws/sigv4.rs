//! AWS Signature Version 4 for one kind of request: a POST of JSON to `/`.

use super::credentials::Credentials;
use crate::http::{Request, Secret, ServiceUrl};
use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use modelseal_core::text::hex;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The request, signed for `now`.
pub(super) fn signed(
    url: &ServiceUrl,
    region: &str,
    target: &'static str,
    body: Vec<u8>,
    credentials: &Credentials,
    now: Timestamp,
) -> Request {
    let (time, authorization, signature) = authorization(url, region, target, &body, credentials, now);
    let mut request = Request::post(super::SERVICE, url.clone(), CONTENT_TYPE, body)
        .header("x-amz-date", &time)
        .header("x-amz-target", target)
        // Only a part of it is to be kept out of messages: its other words are those of the service's errors.
        .header("authorization", &authorization)
        .redact(&signature)
        .redact(&credentials.secret);
    if let Some(token) = &credentials.session_token {
        request = request.secret_header("x-amz-security-token", token);
    }
    request
}

/// The values of `x-amz-date` and `authorization`, and the signature in the latter.
fn authorization(
    url: &ServiceUrl,
    region: &str,
    target: &str,
    body: &[u8],
    credentials: &Credentials,
    now: Timestamp,
) -> (String, String, Secret) {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = time.chars().take(8).collect::<String>();
    let (host, path) = host_and_path(url);

    // Headers in the order of their names.
    let mut headers = vec![("content-type", CONTENT_TYPE), ("host", host), ("x-amz-date", time.as_str())];
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token", token.reveal()));
    }
    headers.push(("x-amz-target", target));
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut canonical = format!("POST\n{path}\n\n");
    for (name, value) in &headers {
        canonical.push_str(&format!("{name}:{value}\n"));
    }
    canonical.push_str(&format!("\n{names}\n{}", hex_sha256(body)));
    // It holds the session token.
    let canonical = Secret::new(canonical);

    let scope = format!("{day}/{region}/kms/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex_sha256(canonical.reveal().as_bytes()));
    let start = Secret::new(format!("AWS4{}", credentials.secret.reveal()));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, start.reveal().as_bytes());
    for part in [day.as_str(), region, "kms", "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    let id = &credentials.id;
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    (time, authorization, Secret::new(signature))
}

/// Host with its port, where that is not the scheme's own, and path, as they are sent.
fn host_and_path(url: &ServiceUrl) -> (&str, &str) {
    let text = url.as_str();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's documentation of the signing key.
    #[test]
    fn the_documented_signing_key_comes_out() {
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let mut last = String::new();
        for part in ["20150830", "us-east-1", "iam", "aws4_request"] {
            let tag = hmac::sign(&key, part.as_bytes());
            last = hex(tag.as_ref());
            key = hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref());
        }
        assert_eq!(last, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }

    /// Made by botocore 1.44.5 for the same request.
    #[test]
    fn a_request_is_signed_as_botocore_signs_it() {
        let url = ServiceUrl::parse("https://kms.eu-central-1.amazonaws.com/").unwrap();
        let mut credentials = Credentials {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: None,
        };
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let sign = |credentials: &Credentials| {
            let body = br#"{"KeyId":"alias/x"}"#;
            authorization(&url, "eu-central-1", "TrentService.GetPublicKey", body, credentials, now)
        };
        let (time, value, _) = sign(&credentials);
        assert_eq!(time, "20260102T030405Z");
        assert_eq!(value, BOTOCORE);
        credentials.session_token = Some(Secret::new("session/token==".to_owned()));
        assert_eq!(sign(&credentials).1, BOTOCORE_SESSION);
    }

    const BOTOCORE: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/kms/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
        Signature=c97594a4ba3bea50b9786c4a2b52cce16bb566d8e4bbadb92e1201c28acfd067";
    const BOTOCORE_SESSION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/kms/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
        Signature=ddb19ad3f117be9bb82944ba76b78a7a082e30093e9cf05286835181c230cdd5";
}
