//! The services one by one: what they refuse, how they fail, what they count.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Key, b64, certificate, get, keyless, log_v1, pem, post, query, request, sha256};
use modelseal_testkit::{Double, Fault, RekorVersion, Service, TokenSpec};
use serde_json::{Value, json};
use sigstore_tuf::TrustedMetadataSet;

const VERIFIER: &str = "a-code-verifier-of-at-least-forty-three-characters";

#[test]
fn fulcio_checks_tokens_and_possession() {
    let double = Double::start();
    let key = Key::new();
    let good = TokenSpec::default();
    let ask = |spec: &TokenSpec| certificate(&double, &key, &double.mint(spec), "dev@example.com");
    assert_eq!(ask(&good).unwrap().len(), 3);
    for (spec, why) in [
        (TokenSpec { ttl: -1, ..good.clone() }, "expired"),
        (TokenSpec { iat_shift: -3_600, ..good.clone() }, "expired"),
        (TokenSpec { nbf: Some(60), ..good.clone() }, "not valid yet"),
        (TokenSpec { aud: "example".into(), ..good.clone() }, "audience"),
        (TokenSpec { iss: Some("https://issuer.example.net".into()), ..good.clone() }, "issuer"),
        (TokenSpec { foreign_key: true, ..good.clone() }, "signature"),
        (TokenSpec { email_verified: false, ..good.clone() }, "not verified"),
        (TokenSpec::subject("someone"), "neither"),
    ] {
        let refusal = ask(&spec).unwrap_err();
        assert!(refusal.contains(why), "{refusal} for {spec:?}");
    }
    let refusal =
        certificate(&double, &key, &double.token("dev@example.com"), "eve@example.com").unwrap_err();
    assert!(refusal.contains("proof of possession"), "{refusal}");
    // A token of yesterday's, to a Fulcio of yesterday's.
    double.shift_clocks(-86_400);
    assert!(ask(&good).is_ok());
}

#[test]
fn logs_take_what_verifies_once() {
    let double = Double::start();
    let (key, other) = (Key::new(), Key::new());
    let signature = key.sign(b"bytes");
    let body = |key: &Key, digest: &[u8]| {
        json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": common::hex(digest)}},
            "signature": {"content": b64(&signature), "publicKey": {"content": b64(pem("PUBLIC KEY", &key.spki()))}},
        }})
    };
    assert!(log_v1(&double, &body(&other, &sha256(b"bytes"))).unwrap_err().contains("does not verify"));
    assert!(log_v1(&double, &body(&key, &sha256(b"others"))).unwrap_err().contains("does not verify"));
    let right = body(&key, &sha256(b"bytes"));
    log_v1(&double, &right).unwrap();
    let url = format!("{}/api/v1/log/entries", double.url());
    let again = post(&url, "application/json", right.to_string().as_bytes()).unwrap();
    assert_eq!(again.status, 409);
    let location = again.head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
    let entry = get(&format!("{}{location}", double.url())).unwrap().json();
    assert_eq!(entry.as_object().unwrap().keys().next().unwrap(), location.rsplit('/').next().unwrap());
    assert_eq!(get(&format!("{url}/00")).unwrap().status, 404);
    assert_eq!(double.last_body(Service::RekorV1), b"");
    assert_eq!(double.requests(Service::RekorV1), 6);
    let dropped = post(
        &format!("{}/api/v2/log/entries", double.url()),
        "application/json",
        b"{\"dsseRequestV002\":{}}",
    );
    assert_eq!(dropped.unwrap().status, 400);
}

#[test]
fn timestamps_answer_the_query() {
    let double = Double::start();
    let nonce = *b"\x10nonces!";
    let ask = |certificates| {
        post(&double.tsa_url(), "application/timestamp-query", &query(b"bytes", nonce, certificates)).unwrap()
    };
    let holds = |reply: &[u8], part: &[u8]| reply.windows(part.len()).any(|window| window == part);
    let (with, without) = (ask(true), ask(false));
    assert!(with.head.contains("application/timestamp-reply"));
    assert!(with.body.len() > without.body.len() + 800);
    for reply in [&with, &without] {
        assert!(holds(&reply.body, &sha256(b"bytes")) && holds(&reply.body, &nonce));
    }
    double.fault(Service::Tsa, Fault::TokenWrongNonce);
    assert!(!holds(&ask(true).body, &nonce));
    assert_eq!(post(&double.tsa_url(), "application/timestamp-query", b"0\x82").unwrap().status, 400);
}

/// The URL a client sends its user to.
fn authorization_url(double: &Double, redirect: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(sha256(VERIFIER.as_bytes()));
    format!(
        "{}/auth?response_type=code&client_id=sigstore&scope=openid%20email&state=st&nonce=no&code_challenge={challenge}\
         &code_challenge_method=S256&redirect_uri={redirect}",
        double.url()
    )
}

/// Exchanges a code; status and answer.
fn exchange(double: &Double, code: &str, redirect: &str, verifier: &str, more: &str) -> (u16, Value) {
    let body = format!(
        "grant_type=authorization_code&client_id=sigstore&code={code}&redirect_uri={redirect}&code_verifier={verifier}{more}"
    );
    let url = format!("{}/token", double.url());
    let reply = post(&url, "application/x-www-form-urlencoded", body.as_bytes()).unwrap();
    (reply.status, reply.json())
}

fn claims(answer: &Value) -> Value {
    let token = answer["id_token"].as_str().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn out_of_band_flow() {
    let double = Double::start();
    let discovery = get(&format!("{}/.well-known/openid-configuration", double.url())).unwrap().json();
    assert_eq!(discovery["issuer"], double.url());
    let redirect = "urn%3Aietf%3Awg%3Aoauth%3A2.0%3Aoob";
    double.set_browser_token(TokenSpec::email("browser@example.com"));
    let code = double.code_for(&authorization_url(&double, redirect));
    let (status, answer) = exchange(&double, &code, redirect, VERIFIER, "");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(claims(&answer)["email"], "browser@example.com");
    assert_eq!(claims(&answer)["nonce"], "no");
    assert_eq!(exchange(&double, &code, redirect, VERIFIER, "").0, 400, "a code works once");
    let code = double.code_for(&authorization_url(&double, redirect));
    assert_eq!(exchange(&double, &code, redirect, &VERIFIER.replace('a', "b"), "").0, 400, "PKCE");
    let code = double.code_for(&authorization_url(&double, redirect));
    assert_eq!(exchange(&double, &code, "http%3A%2F%2Flocalhost%3A1%2F", VERIFIER, "").0, 400, "redirect");
    double.require_client("sigstore", Some("s3"));
    for (more, wanted) in [("", 401), ("&client_secret=s4", 401), ("&client_secret=s3", 200)] {
        let code = double.code_for(&authorization_url(&double, redirect));
        assert_eq!(exchange(&double, &code, redirect, VERIFIER, more).0, wanted, "{more}");
    }
    double.fault(Service::Issuer, Fault::TokenNonceWrong);
    let code = double.code_for(&authorization_url(&double, redirect));
    assert_eq!(
        claims(&exchange(&double, &code, redirect, VERIFIER, "&client_secret=s3").1)["nonce"],
        "another"
    );
    let no_pkce = authorization_url(&double, redirect).replace("S256", "plain");
    assert_eq!(get(&no_pkce).unwrap().status, 400);
    let abroad = authorization_url(&double, "https%3A%2F%2Fexample.com%2F");
    assert_eq!(get(&abroad).unwrap().status, 400);
}

#[test]
fn browser_flow() {
    let double = Double::start();
    for (fault, wanted) in [
        (None, "state=st"),
        (Some(Fault::WrongState), "state=another"),
        (Some(Fault::AccessDenied), "error=access_denied"),
    ] {
        double.clear_faults();
        if let Some(fault) = fault {
            double.fault(Service::Issuer, fault);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let redirect = format!("http%3A%2F%2F127.0.0.1%3A{}%2Fcb", listener.local_addr().unwrap().port());
        let client = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut block = [0; 4096];
            let count = stream.read(&mut block).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsigned in").unwrap();
            String::from_utf8_lossy(&block[..count]).into_owned()
        });
        assert!(double.browse(&authorization_url(&double, &redirect)).ends_with("signed in"));
        let seen = client.join().unwrap();
        assert!(seen.starts_with("GET /cb?") && seen.contains(wanted), "{seen}");
    }
}

#[test]
fn ambient_tokens() {
    let double = Double::start();
    double.set_browser_token(TokenSpec::github("acme/model"));
    let (url, token) = double.actions_environment();
    let ask = |url: &str, name: &str, value: &str| {
        request("GET", url, &[(name, value)], &[], Duration::from_secs(20)).unwrap()
    };
    let answer = ask(&format!("{url}&audience=sigstore"), "Authorization", &format!("bearer {token}")).json();
    let claims = claims(&json!({"id_token": answer["value"]}));
    assert_eq!((&claims["aud"], &claims["repository"]), (&json!("sigstore"), &json!("acme/model")));
    assert_eq!(ask(&format!("{url}&audience=sigstore"), "Authorization", "bearer x").status, 401);
    let path = "computeMetadata/v1/instance/service-accounts/default/identity?audience=sigstore&format=full";
    let url = format!("{}/{path}", double.url());
    assert_eq!(ask(&url, "Accept", "*/*").status, 403);
    let answer = ask(&url, "Metadata-Flavor", "Google");
    assert_eq!(answer.body.iter().filter(|byte| **byte == b'.').count(), 2);
    assert_eq!(double.requests(Service::Issuer), 4);
}

#[test]
fn transport_faults() {
    let double = Double::start();
    let url = format!("{}/api/v2/trustBundle", double.url());
    let ask = || request("GET", &url, &[], &[], Duration::from_millis(600));
    let whole = ask().unwrap();
    assert_eq!(whole.status, 200);
    let set = |fault| double.fault(Service::Fulcio, fault);
    for fault in [Fault::Hang, Fault::Drip] {
        set(fault.clone());
        let start = Instant::now();
        if fault == Fault::Hang {
            assert!(ask().is_err() && start.elapsed() >= Duration::from_millis(600));
        } else {
            // The head and the body come a byte a second, so that no single read takes long.
            let mut stream =
                std::net::TcpStream::connect(double.url().strip_prefix("http://").unwrap()).unwrap();
            stream.write_all(b"GET /api/v2/trustBundle HTTP/1.1\r\n\r\n").unwrap();
            stream.read_exact(&mut [0; 2]).unwrap();
            assert!(start.elapsed() >= Duration::from_secs(1));
        }
    }
    set(Fault::CloseAtOnce);
    assert!(ask().is_err());
    set(Fault::CloseEarly);
    assert!(ask().err().unwrap().contains("the answer ends"));
    set(Fault::Status { code: 429, retry_after: Some(7) });
    let reply = ask().unwrap();
    assert!(reply.status == 429 && reply.head.contains("Retry-After: 7"));
    set(Fault::Html);
    let reply = ask().unwrap();
    assert!(reply.status == 200 && reply.head.contains("text/html") && reply.json().is_null());
    set(Fault::Redirect("http://127.0.0.1:1/x".into()));
    let reply = ask().unwrap();
    assert!(reply.status == 307 && reply.head.contains("Location: http://127.0.0.1:1/x"));
    set(Fault::TruncatedBody);
    let reply = ask().unwrap();
    assert!(reply.status == 200 && reply.body == whole.body[..whole.body.len() / 2]);
    // Well again after two.
    double.fault_times(Service::Fulcio, Fault::Status { code: 500, retry_after: None }, 2);
    assert_eq!([ask(), ask(), ask()].map(|reply| reply.unwrap().status), [500, 500, 200]);
    assert_eq!(double.requests(Service::Fulcio), 12);
    assert_eq!(double.total_requests(), 12);
    assert_eq!(double.requests(Service::Tsa), 0);
    double.reset_requests();
    assert_eq!(double.total_requests(), 0);
}

#[test]
fn an_endless_answer_has_no_end() {
    let double = Double::start();
    double.fault(Service::Fulcio, Fault::Endless);
    let mut stream = std::net::TcpStream::connect(double.url().strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"GET /api/v2/trustBundle HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut left = 64 << 20;
    let mut block = vec![0; 1 << 20];
    while left > 0_usize {
        let count = stream.read(&mut block).unwrap();
        assert!(count > 0, "it ended with {left} to go");
        left = left.saturating_sub(count);
    }
}

#[test]
#[should_panic(expected = "no fault of Tsa")]
fn faults_of_other_services_are_mistakes() {
    Double::start().fault(Service::Tsa, Fault::SctMissing);
}

#[test]
fn requests_in_chunks_and_garbage() {
    let double = Double::start();
    let send = |bytes: &[u8]| {
        let mut stream = std::net::TcpStream::connect(double.url().strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let head = "POST /api/v2/log/entries HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(
        send(format!("{head}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n").as_bytes()).contains("hashedRekordRequestV002")
    );
    assert_eq!(double.last_body(Service::RekorV2), b"{}");
    assert!(send(b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert!(send(b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n").starts_with("HTTP/1.1 400"));
}

#[test]
fn a_tuf_client_follows_the_repository() {
    let double = Double::start();
    let url = double.tuf_url();
    let fetch = |name: &str| {
        let reply = get(&format!("{url}/{name}")).unwrap();
        if reply.status == 200 { Some(reply.body) } else { None }
    };
    // The workflow of the specification, by another's verification.
    let refresh = || -> Result<BTreeMap<String, Vec<u8>>, String> {
        let now = jiff::Timestamp::now();
        let mut trusted = TrustedMetadataSet::from_root(&double.tuf_root()).map_err(|e| e.to_string())?;
        while let Some(root) = fetch(&format!("{}.root.json", trusted.root().version + 1)) {
            trusted.update_root(&root).map_err(|e| e.to_string())?;
        }
        assert!(trusted.root().consistent_snapshot);
        trusted.check_root_expired(now).map_err(|e| e.to_string())?;
        trusted.update_timestamp(&fetch("timestamp.json").unwrap(), now).map_err(|e| e.to_string())?;
        let version = trusted.timestamp().unwrap().snapshot_meta().unwrap().version;
        trusted
            .update_snapshot(&fetch(&format!("{version}.snapshot.json")).unwrap(), now)
            .map_err(|e| e.to_string())?;
        let targets = trusted.update_targets(&fetch(&format!("{version}.targets.json")).unwrap(), now);
        let mut out = BTreeMap::new();
        for name in ["trusted_root.json", "signing_config.v0.2.json"] {
            let target = targets.as_ref().map_err(|e| e.to_string())?.target(name).unwrap().clone();
            let bytes = fetch(&format!("targets/{}.{name}", target.hashes["sha256"])).unwrap();
            if common::hex(&sha256(&bytes)) != target.hashes["sha256"] {
                return Err(format!("{name} differs"));
            }
            out.insert(name.to_owned(), bytes);
        }
        Ok(out)
    };
    let targets = refresh().unwrap();
    assert_eq!(targets["trusted_root.json"], double.trusted_root().to_string().into_bytes());
    double.tuf_set_target("trusted_root.json", b"{}");
    assert_eq!(refresh().unwrap()["trusted_root.json"], b"{}");
    double.tuf_rotate();
    assert_eq!(refresh().unwrap()["trusted_root.json"], b"{}");
    for (fault, why) in [
        (Fault::MetadataExpired, "expired"),
        (Fault::MetadataForged, "signature"),
        (Fault::TargetTampered, "differs"),
    ] {
        double.fault(Service::Tuf, fault.clone());
        let refusal = refresh().unwrap_err();
        assert!(refusal.to_lowercase().contains(why), "{fault:?}: {refusal}");
        double.clear_faults();
    }
    // A repository that nobody has published to for a month.
    double.shift_clock(Service::Tuf, -30 * 86_400);
    double.tuf_publish();
    assert!(refresh().unwrap_err().contains("expired"));
}

#[test]
fn the_files_are_those_of_the_instance() {
    let (double, directory) = (Double::start(), tempfile::tempdir().unwrap());
    double.write_to(directory.path()).unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(directory.path().join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("trusted_root.json"), double.trusted_root());
    assert_eq!(read("trust_config.json")["signingConfig"], read("signing_config.json"));
    assert_eq!(read("signing_config_v1.json")["rekorTlogUrls"][0]["majorApiVersion"], 1);
    let served = get(&format!("{}/trusted_root.json", double.url())).unwrap().json();
    assert_eq!(served, double.trusted_root());
    assert_eq!(double.total_requests(), 0);
    assert!(keyless(&double, RekorVersion::V2, &[double.tsa_url()]).is_ok());
}
