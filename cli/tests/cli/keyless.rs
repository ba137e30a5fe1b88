//! Signing and verifying with an identity, against a Sigstore instance in this process: everything is real but its names.

use crate::common::{Ran, World, with};
use modelseal_testkit::{Double, Fault, Service, TokenSpec};
use serde_json::Value;
use std::process::Stdio;

const ALICE: &str = "alice@example.com";

/// A world with a Sigstore instance, its files and a token for Alice.
struct Instance {
    world: World,
    double: Double,
}

impl Instance {
    fn new() -> Self {
        let (world, double) = (World::new(), Double::start());
        double.write_to(world.path()).unwrap();
        world.file("token", double.token(ALICE));
        Self { world, double }
    }

    fn signed() -> Self {
        let instance = Self::new();
        instance.world.run(&SIGN).exits(0);
        instance
    }

    /// Verifies as Alice's signature, under the double's trusted root.
    fn verify(&self) -> Vec<String> {
        let url = self.double.url();
        [
            "verify",
            "sigstore",
            "model",
            "--trusted-root",
            "trusted_root.json",
            "--identity",
            ALICE,
            "--identity-provider",
            url,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn run_verify(&self, more: &[&str]) -> Ran {
        let verify = self.verify();
        let base: Vec<&str> = verify.iter().map(String::as_str).collect();
        self.world.run(&with(&base, more))
    }

    fn verify_refused(&self, more: &[&str], code: &str, message: &str) -> Value {
        let verify = self.verify();
        let base: Vec<&str> = verify.iter().map(String::as_str).collect();
        self.world.refused(&with(&base, more), 1, code, message)
    }
}

const SIGN: [&str; 8] = [
    "sign",
    "sigstore",
    "model",
    "--trust-config",
    "trust_config.json",
    "--identity-token-file",
    "token",
    "--yes",
];

#[test]
fn an_identity_signs_and_everybody_verifies_without_a_network() {
    let instance = Instance::new();
    let ran = instance
        .world
        .run(&SIGN)
        .exits(0)
        .prints("signer:    alice@example.com")
        .prints("time: ")
        .prints("log: ");
    ran.says("will say publicly, and for ever, that it was made by 'alice@example.com'");
    let verify = instance.verify();
    let url = instance.double.url().to_owned();
    let world = instance.world;
    drop(instance.double);
    let args: Vec<&str> = verify.iter().map(String::as_str).collect();
    world
        .run(&args)
        .exits(0)
        .says_nothing()
        .prints("Verification succeeded")
        .prints(&format!("issuer:    {url}"));
    let document = world.run(&with(&args, &["--format", "json"])).exits(0).json();
    assert_eq!(document["signer"]["method"], "sigstore");
    assert_eq!(document["signer"]["identity"]["value"], ALICE);
    assert_eq!(document["signer"]["identity"]["kind"], "email");
    assert_eq!(document["evidence"]["log-entries"].as_array().unwrap().len(), 1);
    assert_eq!(document["evidence"]["times"][0]["source"], "timestamp-authority");
    assert_eq!(document["trusted-root"]["origin"], "given");
    world.file("model/a.bin", "changed\n");
    world.refused(&args, 1, "integrity.digest-mismatch", "'a.bin' is changed");
}

#[test]
fn sigstore_is_the_default_method_and_the_reference_spelling_is_understood() {
    let instance = Instance::new();
    let token = instance.double.token(ALICE);
    let args = [
        "sign",
        "model",
        "--trust_config",
        "trust_config.json",
        "--identity_token",
        &token,
        "--signature",
        "s.sig",
    ];
    instance.world.run(&args).exits(0);
    let url = instance.double.url();
    instance
        .world
        .run(&[
            "verify",
            "model",
            "--signature",
            "s.sig",
            "--trust_config",
            "trust_config.json",
            "--identity",
            ALICE,
            "--identity_provider",
            url,
        ])
        .exits(0);
}

#[test]
fn a_log_of_version_one_is_used_when_the_instance_has_that() {
    let instance = Instance::new();
    let mut sign = SIGN;
    sign[4] = "trust_config_v1.json";
    instance.world.run(&sign).exits(0);
    let document = instance.run_verify(&["--format", "json"]).exits(0).json();
    assert_eq!(document["evidence"]["log-entries"][0]["kind"], "dsse 0.0.1");
    assert!(document["evidence"]["log-entries"][0]["integrated"].is_string());
    assert_eq!(instance.double.requests(Service::RekorV2), 0);
}

#[test]
fn somebody_else_is_refused() {
    let instance = Instance::signed();
    let url = instance.double.url().to_owned();
    let with_identity = |identity: &str, issuer: &str, code: &str, message: &str| {
        let args = [
            "verify",
            "sigstore",
            "model",
            "--trusted-root",
            "trusted_root.json",
            "--identity",
            identity,
            "--identity-provider",
            issuer,
        ];
        instance.world.refused(&args, 1, code, message)
    };
    for other in [
        "bob@example.com",
        "Alice@example.com",
        "alice@example.co",
        "lice@example.com",
        "URI:alice@example.com",
    ] {
        with_identity(other, &url, "identity.subject-mismatch", "alice@example.com");
    }
    with_identity(
        ALICE,
        "https://accounts.example.com",
        "identity.issuer-mismatch",
        "https://accounts.example.com",
    );
    with_identity(ALICE, &format!("{url}/"), "identity.issuer-mismatch", &url);
    let stranger = Double::start();
    instance.world.file("other.json", stranger.trusted_root().to_string());
    let args = [
        "verify",
        "sigstore",
        "model",
        "--trusted-root",
        "other.json",
        "--identity",
        ALICE,
        "--identity-provider",
        &url,
    ];
    let ran = instance.world.run(&args).exits(1);
    assert!(!ran.stderr.is_empty());
    // The instance of everybody knows nothing of this one either.
    let args = ["verify", "sigstore", "model", "--identity", ALICE, "--identity-provider", &url];
    Ran::of(instance.world.command(&args).env("XDG_CACHE_HOME", instance.world.join("cache"))).exits(1);
}

#[test]
fn a_pattern_matches_the_whole_identity() {
    let instance = Instance::signed();
    let url = instance.double.url().to_owned();
    let verify = |pattern: &str| {
        instance.world.run(&[
            "verify",
            "sigstore",
            "model",
            "--trusted-root",
            "trusted_root.json",
            "--identity-pattern",
            pattern,
            "--identity-provider",
            &url,
        ])
    };
    for good in [r"alice@example\.com", r"(alice|bob)@example\.com", r".*@example\.com"] {
        verify(good).exits(0);
    }
    for bad in [r"alice@example", r"lice@example\.com", r"bob@.*", "email:ALICE.*", "URI:alice.*"] {
        verify(bad).exits(1).says("identity.subject-mismatch");
    }
    for broken in ["a)|(?:alice.*", "email:[", "(?P<x>@", "no-kind"] {
        verify(broken).exits(2).says("--identity-pattern");
    }
}

#[test]
fn a_token_is_checked_before_any_request() {
    let instance = Instance::new();
    let double = &instance.double;
    let spec = TokenSpec { email: Some(ALICE.into()), ..TokenSpec::default() };
    let tokens = [
        (double.mint(&TokenSpec { ttl: -60, ..spec.clone() }), "expired"),
        (double.mint(&TokenSpec { nbf: Some(3600), ..spec.clone() }), "of the future"),
        (double.mint(&TokenSpec { aud: "somebody-else".into(), ..spec.clone() }), "somebody-else"),
        (double.mint(&TokenSpec { email_verified: false, ..spec.clone() }), "verified"),
        ("not-a-token".to_owned(), "token"),
        ("a.b.c".to_owned(), "token"),
    ];
    double.reset_requests();
    for (token, message) in tokens {
        instance.world.file("token", &token);
        let ran = instance.world.run(&SIGN).exits(2).says("identity token").says(message);
        assert!(
            !ran.stderr.contains(token.split('.').next_back().unwrap_or("-")) || token.len() < 20,
            "{}",
            ran.stderr
        );
        instance.world.refused(&SIGN, 2, "usage.identity-token", message);
    }
    assert_eq!(double.total_requests(), 0);
    instance.world.no_signature();
}

#[test]
fn services_that_fail_are_named_and_nothing_is_written() {
    let instance = Instance::new();
    let sign = with(&SIGN, &["--timeout", "4"]);
    let services = [(Service::Fulcio, "Fulcio"), (Service::RekorV2, "Rekor"), (Service::Tsa, "timestamp")];
    for (service, name) in services {
        for fault in [
            Fault::Hang,
            Fault::CloseEarly,
            Fault::Status { code: 500, retry_after: None },
            Fault::Html,
            Fault::Endless,
            Fault::Redirect("http://127.0.0.1:9/elsewhere".into()),
            Fault::TruncatedBody,
        ] {
            instance.world.file("token", instance.double.token(ALICE));
            instance.double.fault(service, fault.clone());
            let started = std::time::Instant::now();
            let ran = instance.world.run(&sign).exits(3);
            assert!(started.elapsed().as_secs() < 40, "{service:?} {fault:?}");
            assert!(
                ran.stderr.to_lowercase().contains(&name.to_lowercase()),
                "{service:?} {fault:?}: {}",
                ran.stderr
            );
            instance.double.clear_faults();
            instance.world.no_signature();
        }
    }
    instance.double.fault_times(Service::Fulcio, Fault::Status { code: 503, retry_after: Some(1) }, 1);
    instance.world.file("token", instance.double.token(ALICE));
    instance.world.run(&SIGN).exits(0);
}

#[test]
fn services_that_lie_are_found_out_and_nothing_is_written() {
    let instance = Instance::new();
    let faults = [
        (Service::Fulcio, Fault::CertificateForAnotherKey),
        (Service::Fulcio, Fault::CertificateForAnotherIdentity),
        (Service::Fulcio, Fault::CertificateFromAnotherIssuer),
        (Service::Fulcio, Fault::CertificateFromAnotherCa),
        (Service::Fulcio, Fault::CertificateExpired),
        (Service::Fulcio, Fault::CertificateFuture),
        (Service::Fulcio, Fault::SctMissing),
        (Service::Fulcio, Fault::SctFromAnotherLog),
        (Service::Fulcio, Fault::SctWrong),
        (Service::RekorV2, Fault::EntryForAnotherEnvelope),
        (Service::RekorV2, Fault::ProofOfAnotherEntry),
        (Service::RekorV2, Fault::ProofMissing),
        (Service::RekorV2, Fault::CheckpointMissing),
        (Service::RekorV2, Fault::CheckpointUnsigned),
        (Service::RekorV2, Fault::CheckpointForeign),
        (Service::RekorV2, Fault::LogForeign),
        (Service::Tsa, Fault::TokenOverOtherBytes),
        (Service::Tsa, Fault::TokenFromAnotherAuthority),
        (Service::Tsa, Fault::TokenAuthorityExpired),
        (Service::Tsa, Fault::TokenWrongNonce),
        (Service::Tsa, Fault::TokenRejected),
        (Service::Tsa, Fault::TokenSignatureWrong),
    ];
    for (service, fault) in faults {
        instance.double.fault(service, fault.clone());
        let ran = instance.world.run(&SIGN).exits(3);
        println!("| {service:?} | {fault:?} | {} |", ran.stderr.lines().last().unwrap_or_default());
        assert!(ran.stderr.contains("Signing failed with error"), "{fault:?}: {}", ran.stderr);
        instance.double.clear_faults();
        instance.world.no_signature();
    }
    let mut sign = SIGN;
    sign[4] = "trust_config_v1.json";
    for fault in [
        Fault::SetWrong,
        Fault::EntryForAnotherEnvelope,
        Fault::ProofOfAnotherEntry,
        Fault::CheckpointForeign,
    ] {
        instance.double.fault(Service::RekorV1, fault.clone());
        instance.world.run(&sign).exits(3).says("Signing failed with error");
        instance.double.clear_faults();
        instance.world.no_signature();
    }
    instance.world.run(&sign).exits(0);
}

#[test]
fn a_clock_an_hour_off_is_found() {
    let instance = Instance::new();
    for shift in [3600, -3600] {
        instance.double.shift_clock(Service::Tsa, shift);
        instance.world.run(&SIGN).exits(3).says("Signing failed with error");
        instance.world.no_signature();
    }
}

#[test]
fn changed_evidence_is_refused() {
    let instance = Instance::signed();
    let good: Value = serde_json::from_str(&instance.world.read("model.sig")).unwrap();
    let entry = |bundle: &mut Value| bundle["verificationMaterial"]["tlogEntries"][0].take();
    let tampered = |change: &dyn Fn(&mut Value), code: &str| {
        let mut bundle = good.clone();
        change(&mut bundle);
        instance.world.file("model.sig", bundle.to_string());
        instance.verify_refused(&[], code, "");
    };
    tampered(&|b| b["verificationMaterial"]["tlogEntries"] = Value::Array(vec![]), "log.missing");
    tampered(
        &|b| {
            b["verificationMaterial"].as_object_mut().unwrap().remove("timestampVerificationData");
        },
        "time.no-trusted-time",
    );
    tampered(
        &|b| {
            b["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap().remove("inclusionProof");
        },
        "log.missing",
    );
    tampered(
        &|b| {
            let one = entry(b);
            b["verificationMaterial"]["tlogEntries"] = Value::Array(vec![one; 33]);
        },
        "signature.malformed",
    );
    tampered(
        &|b| b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into(),
        "signature.malformed",
    );
    let other = Instance::signed();
    let foreign: Value = serde_json::from_str(&other.world.read("model.sig")).unwrap();
    let theirs = foreign["verificationMaterial"].clone();
    let ran = {
        let mut bundle = good.clone();
        bundle["verificationMaterial"]["tlogEntries"] = theirs["tlogEntries"].clone();
        instance.world.file("model.sig", bundle.to_string());
        instance.run_verify(&[])
    };
    ran.exits(1);
}

#[test]
fn a_trusted_root_that_is_none_is_said_so() {
    let instance = Instance::signed();
    let verify = instance.verify();
    let args: Vec<&str> = verify.iter().map(String::as_str).collect();
    let good = instance.world.read("trusted_root.json");
    for bad in ["", "{}", &good[..good.len() / 2], "[]", "null"] {
        instance.world.file("trusted_root.json", bad);
        instance.world.refused(&args, 2, "usage.trusted-root", "cannot use the trusted root");
    }
}

#[test]
fn nothing_secret_is_said() {
    let instance = Instance::new();
    let token = instance.double.token(ALICE);
    instance.world.file("token", &token);
    let secret = token.rsplit('.').next().unwrap();
    for fault in
        [Fault::Status { code: 400, retry_after: None }, Fault::Html, Fault::CertificateForAnotherKey]
    {
        instance.double.fault(Service::Fulcio, fault);
        for format in ["text", "json"] {
            let args = with(&SIGN, &["--format", format, "--log-level", "debug"]);
            let ran = instance.world.run(&args).exits(3);
            assert!(
                !ran.stderr.contains(secret) && !ran.stdout.contains(secret),
                "{} {}",
                ran.stdout,
                ran.stderr
            );
        }
        instance.double.clear_faults();
    }
    let signed = instance.world.run(&with(&SIGN, &["--format", "json"])).exits(0);
    assert!(!signed.stdout.contains(secret) && !instance.world.read("model.sig").contains(secret));
}

#[test]
fn the_out_of_band_flow_signs() {
    use std::io::{BufRead, BufReader, Read, Write};
    let instance = Instance::new();
    instance.double.set_browser_token(TokenSpec { email: Some(ALICE.into()), ..TokenSpec::default() });
    let args =
        ["sign", "sigstore", "model", "--trust-config", "trust_config.json", "--oauth-force-oob", "--yes"];
    let mut command = instance.world.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.trim_start().starts_with("http") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "no address was printed");
    }
    let code = instance.double.code_for(line.trim());
    writeln!(child.stdin.take().unwrap(), "{code}").unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{rest}");
    instance.run_verify(&[]).exits(0);
}

#[test]
fn keys_and_certificates_can_have_evidence_too() {
    let instance = Instance::new();
    for algorithm in ["p256", "p384", "ed25519", "p521"] {
        let world = &instance.world;
        let (key, public) = (format!("{algorithm}.key"), format!("{algorithm}.pub"));
        world
            .run(&["key", "generate", "--no-password", "--algorithm", algorithm, "--output", algorithm])
            .exits(0);
        let tsa = instance.double.tsa_url();
        let sign = [
            "sign",
            "key",
            "model",
            "--force",
            "--private-key",
            &key,
            "--tsa-url",
            &tsa,
            "--trusted-root",
            "trusted_root.json",
        ];
        world.run(&sign).exits(0).prints("time: ");
        let verify = ["verify", "key", "model", "--public-key", &public];
        world.run(&verify).exits(0).says("1 signed timestamps, which were not checked and count for nothing");
        let checked = with(&verify, &["--trusted-root", "trusted_root.json", "--require-timestamp"]);
        world.run(&checked).exits(0).says_nothing().prints("time: ");
        let logged = with(&verify, &["--trusted-root", "trusted_root.json", "--require-log"]);
        world.refused(&logged, 1, "log.missing", "log entry is required");
    }
    let world = &instance.world;
    let url = instance.double.url();
    let sign = [
        "sign",
        "key",
        "model",
        "--force",
        "--private-key",
        "p256.key",
        "--rekor-url",
        url,
        "--trusted-root",
        "trusted_root.json",
    ];
    world.run(&sign).exits(0).prints("log: ");
    let verify = [
        "verify",
        "key",
        "model",
        "--public-key",
        "p256.pub",
        "--trusted-root",
        "trusted_root.json",
        "--require-log",
    ];
    world.run(&verify).exits(0).prints("log: ");
}

#[test]
fn show_tells_what_is_verified_from_what_is_claimed() {
    let instance = Instance::signed();
    let args = ["show", "model.sig", "--trusted-root", "trusted_root.json"];
    let ran = instance.world.run(&args).exits(0).prints("verified  identity     alice@example.com (email)");
    assert!(ran.stdout.contains("verified  log entry"), "{}", ran.stdout);
    let document = instance.world.run(&with(&args, &["--format", "json"])).exits(0).json();
    assert_eq!(document["verification"]["outcome"], "verified");
    let stranger = Double::start();
    instance.world.file("other.json", stranger.trusted_root().to_string());
    let ran = instance
        .world
        .run(&["show", "model.sig", "--trusted-root", "other.json"])
        .exits(1)
        .prints("DOES NOT VERIFY");
    assert!(!ran.stdout.contains("\nverified"), "{}", ran.stdout);
}

#[test]
fn trust_is_shown_and_updated() {
    let instance = Instance::new();
    let world = &instance.world;
    world
        .run(&["trust", "show", "--trusted-root", "trusted_root.json"])
        .exits(0)
        .prints("transparency logs (Rekor)");
    let command = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("XDG_CACHE_HOME", world.join("cache"));
        Ran::of(&mut command)
    };
    let embedded = command(&["trust", "show", "--format", "json"]).exits(0).json();
    assert_eq!(embedded["trusted-root"]["origin"], "embedded");
    assert_eq!(embedded["trusted-root"]["name"], "public-good");
    let (url, root) = (instance.double.tuf_url(), instance.double.tuf_root());
    world.file("root.json", root);
    let update = ["trust", "update", "--tuf-url", &url, "--tuf-root", "root.json", "--out", "new.json"];
    command(&with(&update, &["--format", "json"])).exits(0).json();
    assert_eq!(
        serde_json::from_str::<Value>(&world.read("new.json")).unwrap(),
        instance.double.trusted_root()
    );
    for fault in
        [Fault::Endless, Fault::Html, Fault::Status { code: 500, retry_after: None }, Fault::CloseEarly]
    {
        instance.double.fault(Service::Tuf, fault.clone());
        let args = with(&update, &["--timeout", "4"]);
        let ran = command(&args);
        assert_eq!(ran.code, Some(3), "{fault:?}: {}", ran.stderr);
        instance.double.clear_faults();
    }
}

#[test]
fn what_cannot_end_well_is_said_before_the_model_is_hashed() {
    let world = World::new();
    let nobody = "nobody can be asked to sign in, because this is no terminal";
    world.refused(&["sign", "model"], 2, "usage.identity-token", nobody);
    let ambient = ["sign", "model", "--use-ambient-credentials"];
    world.refused(&ambient, 2, "usage.identity-token", "none of the systems that do was recognised");
    world.refused(&["sign", "nothing-here"], 2, "usage.identity-token", nobody);
    world.no_signature();
}

#[test]
fn a_number_that_the_log_did_not_sign_is_not_shown_and_makes_no_second_entry() {
    let instance = Instance::new();
    let mut sign = SIGN;
    sign[4] = "trust_config_v1.json";
    instance.world.run(&sign).exits(0);
    let mut bundle: Value = serde_json::from_str(&instance.world.read("model.sig")).unwrap();
    let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
    entry.as_object_mut().unwrap().remove("inclusionPromise");
    let in_tree = entry["inclusionProof"]["logIndex"].as_str().unwrap().to_owned();
    let numbered = |number: &str| {
        let mut entry = entry.clone();
        entry["logIndex"] = number.into();
        entry
    };
    let entries = vec![numbered("5000"), numbered("5001"), numbered("9223372036854775807")];
    bundle["verificationMaterial"]["tlogEntries"] = entries.into();
    instance.world.file("model.sig", bundle.to_string());
    let document = instance.run_verify(&["--format", "json"]).exits(0).json();
    let found = document["evidence"]["log-entries"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{document:#}");
    assert_eq!(found[0]["index"].to_string(), in_tree);
}

#[test]
fn nothing_becomes_public_that_cannot_be_written() {
    let instance = Instance::signed();
    instance.double.reset_requests();
    instance.world.file("token", instance.double.token(ALICE));
    instance.world.refused(&SIGN, 2, "usage.output", "already holds a different signature");
    let stranger = Double::start();
    instance.world.file("other.json", stranger.trusted_root().to_string());
    let mixed = [
        "sign",
        "sigstore",
        "model",
        "--signing-config",
        "signing_config.json",
        "--trusted-root",
        "other.json",
        "--identity-token-file",
        "token",
        "--yes",
        "--signature",
        "new.sig",
    ];
    instance.world.refused(
        &mixed,
        2,
        "usage.signing-config",
        "the trusted root knows no certificate authority at",
    );
    assert_eq!(instance.double.total_requests(), 0);
}
