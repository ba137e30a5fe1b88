//! What rules ask for, field by field: each with a case that passes and one that does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod decision_support;

use decision_support::*;
use modelseal_core::digest::Algorithm;
use modelseal_core::manifest::Serialization;
use modelseal_verify::{
    decision::{
        Code, PolicySet, Request, Status, Verdict,
        cache::{CacheEntry, CacheKey},
        decide,
    },
    facts::{Evidence, Measurement, NoKeyless, RecordedFacts, collect},
};
use serde_json::json;

fn one_key(rule_body: &str) -> String {
    head("acme.example/p") + &Key::new(1).signer("acme", "") + &rule(rule_body)
}

const SIGNED: &str = "signature = { signers = [\"acme\"] }";

#[test]
fn a_signed_model_is_allowed_and_a_changed_one_is_not() {
    let case = Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign_model(&model()));
    let report = case.allowed();
    assert_eq!(report.manifest.as_deref(), Some(manifest_name(&model()).as_str()));
    assert_eq!((report.rule.as_deref(), report.mode.as_deref()), (Some("r"), Some("enforce")));
    assert_eq!(report.exit_status(), 0);

    let files = |files: &[(&str, &str)]| {
        Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign_model(&model())).model(manifest(files))
    };
    let (config, a, b) =
        (("config.json", "{}"), ("weights/a.safetensors", "aaaa"), ("weights/b.safetensors", "bbbb"));
    files(&[config, a, ("weights/b.safetensors", "bbbc")]).denied(Code::IntegrityDigestMismatch);
    files(&[config, a]).denied(Code::IntegrityFileMissing);
    files(&[config, a, b, ("modeling_x.py", "import os")]).denied(Code::IntegrityFileUnsigned);
    files(&[config, a, b]).allowed();
}

#[test]
fn no_signature_another_key_and_a_broken_signature_are_three_reasons() {
    Case::new(&one_key(SIGNED)).denied(Code::SignatureMissing);
    Case::new(&one_key(SIGNED))
        .bundle(Key::new(2).sign_model(&model()))
        .denied(Code::SignatureNoTrustedSigner);
    let mut text = String::from_utf8(Key::new(1).sign_model(&model())).unwrap();
    let at = text.find("\"sig\":\"").unwrap() + 7;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    text.replace_range(at..=at, other);
    let report = Case::new(&one_key(SIGNED)).bundle(text.into_bytes()).denied(Code::SignatureNoTrustedSigner);
    assert!(report.rejected.iter().any(|r| r.code == Code::SignatureCryptoInvalid), "{}", show(&report));
}

#[test]
fn nothing_is_allowed_before_it_is_measured_and_a_denial_is_final() {
    let case = Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign_model(&model())).unmeasured();
    case.undecided(Code::ErrorInternal);
    Case::new(&one_key(SIGNED)).unmeasured().denied(Code::SignatureMissing);
    let facts = case.facts();
    let serialization = facts.to_measure().remove(0);
    let facts = facts.not_measured(serialization, Code::ErrorIo, "permission denied");
    let decision = decide(&case.set, &case.request, &facts, now());
    assert_eq!((decision.verdict(), decision.report().code), (Verdict::Error, Some(Code::ErrorIo)));
}

#[test]
fn thresholds_count_people_over_one_manifest() {
    let text = head("p")
        + &Key::new(1).signer("a1", ", principal = \"alice\"")
        + &Key::new(2).signer("a2", ", principal = \"alice\"")
        + &Key::new(3).signer("bob", "")
        + &rule("signature = { signers = [\"a1\", \"a2\", \"bob\"], threshold = 2 }");
    let (a1, a2, bob) = (Key::new(1), Key::new(2), Key::new(3));
    let case = || Case::new(&text);
    case().bundle(a1.sign_model(&model())).bundle(bob.sign_model(&model())).allowed();
    let report = case()
        .bundle(a1.sign_model(&model()))
        .bundle(a2.sign_model(&model()))
        .denied(Code::SignatureThresholdNotMet);
    let check = report.with(Status::Fail).next().unwrap();
    assert_eq!(check.message, "1 of 2 required people signed: alice");
    assert_eq!(check.actual["principals"], json!(["alice"]));
    assert!(check.actual["ignored"][0]["why"].as_str().unwrap().contains("same principal"));
    assert!(check.fix.as_deref().unwrap().contains("bob"));
    // Two people over two manifests are not two people over one.
    let other = manifest(&[("config.json", "{}")]);
    case()
        .bundle(a1.sign_model(&model()))
        .bundle(bob.sign_model(&other))
        .denied(Code::SignatureThresholdNotMet);
    // One that is about something else does not hurt either.
    case()
        .bundle(a1.sign_model(&model()))
        .bundle(bob.sign_model(&model()))
        .bundle(bob.sign_model(&other))
        .allowed();
}

/// Signers name their own signature file among the ignored paths, so that their parameters differ while the files are the
/// same.
#[test]
fn signatures_that_leave_out_different_signature_files_count_together() {
    let text = head("p")
        + &Key::new(1).signer("alice", "")
        + &Key::new(2).signer("bob", "")
        + &rule(
            "signature = { signers = [\"alice\", \"bob\"], threshold = 2 }\ncontent = { ignore-paths = [\".git\"] }",
        );
    let files = [("config.json", "{}"), ("w", "1")];
    let signed = |ignored: &[&str]| manifest_with(ignoring(ignored), &files);
    let alice = Key::new(1).sign_model(&signed(&[".git", "alice.sig"]));
    let bob = Key::new(2).sign_model(&signed(&[".git", "bob.sig"]));
    let set = set(&text);
    let mut evidence = Evidence::new();
    evidence.add("alice.sig", Some(path("alice.sig")), &alice);
    evidence.add("bob.sig", Some(path("bob.sig")), &bob);
    let facts = collect(&set, &evidence, &NoKeyless, now());
    let wanted = facts.to_measure();
    assert_eq!(wanted, [ignoring(&[".git"])]);
    let seen = [("config.json", "{}"), ("w", "1")];
    let measured = |files: &[(&str, &str)]| {
        let observed = modelseal_core::observed::Observed::measured_by_this_process(manifest_with(
            ignoring(&[".git"]),
            files,
        ));
        Measurement::new(observed, 1)
    };
    let request = Request::new(reference(REFERENCE));
    let good = facts.clone().measured(measured(&seen).leaving_out([path("alice.sig"), path("bob.sig")]));
    let decision = decide(&set, &request, &good, now());
    assert_eq!(decision.verdict(), Verdict::Allow, "{}", show(decision.report()));
    // What else was left out counts as unsigned.
    let bad = facts.clone().measured(measured(&seen).leaving_out([path("evil.py")]));
    assert_eq!(decide(&set, &request, &bad, now()).report().code, Some(Code::IntegrityFileUnsigned));
    // A file in the place of a signature file is one that nobody signed, unless it is that signature.
    let mut bare = Evidence::new();
    bare.add("elsewhere/alice", None, &alice);
    bare.add("elsewhere/bob", None, &bob);
    let facts = collect(&set, &bare, &NoKeyless, now()).measured(measured(&seen));
    let report = decide(&set, &request, &facts, now()).report().clone();
    assert_eq!(report.code, Some(Code::IntegrityIgnoredPathNotAllowed), "{}", show(&report));
}

#[test]
fn hash_algorithms_formats_and_other_fields_without_facts() {
    let wanted = "signature = { signers = [\"acme\"], hash-algorithms = [\"sha384\"] }";
    Case::new(&one_key(wanted))
        .bundle(Key::new(1).sign_model(&model()))
        .denied(Code::IntegrityAlgorithmNotAllowed);
    for field in [
        "content = { allow-formats = [\"safetensors\"] }",
        "content = { deny-formats = [\"pickle\"] }",
        "content = { remote-code = \"deny\" }",
        "aibom = { formats = [\"cyclonedx>=1.6\"], signers = [\"acme\"] }",
    ] {
        let case =
            Case::new(&one_key(&format!("{SIGNED}\n{field}"))).bundle(Key::new(1).sign_model(&model()));
        let report = case.denied(Code::ErrorUnsupported);
        assert_eq!(report.exit_status(), 1, "{field}");
        // Audit does not relax what was never checked.
        let audit = format!("{SIGNED}\n{field}\nmode = \"audit\"");
        Case::new(&one_key(&audit)).bundle(Key::new(1).sign_model(&model())).denied(Code::ErrorUnsupported);
    }
}

#[test]
fn content_that_can_be_judged_from_the_manifest() {
    let case = |content: &str| {
        Case::new(&one_key(&format!("{SIGNED}\ncontent = {{ {content} }}")))
            .bundle(Key::new(1).sign_model(&model()))
    };
    case("max-files = 3").allowed();
    case("max-files = 2").denied(Code::ContentTooManyFiles);
    case("max-bytes = 1234").allowed();
    case("max-bytes = 1233").denied(Code::ContentTooLarge);
    let extra = manifest(&[
        ("config.json", "{}"),
        ("weights/a.safetensors", "aaaa"),
        ("weights/b.safetensors", "bbbb"),
        ("notes", ""),
    ]);
    case("unsigned-files = \"allow\"").model(extra.clone()).allowed();
    case("unsigned-files = \"deny\"").model(extra.clone()).denied(Code::IntegrityFileUnsigned);
    // The baseline's word stands whatever the rule says.
    let text = head("p")
        + "baseline.content = { unsigned-files = \"deny\" }\n"
        + &Key::new(1).signer("acme", "")
        + &rule(&format!("{SIGNED}\ncontent = {{ unsigned-files = \"allow\" }}"));
    let report = Case::new(&text)
        .bundle(Key::new(1).sign_model(&model()))
        .model(extra)
        .denied(Code::IntegrityFileUnsigned);
    assert_eq!(status_of(&report, "baseline/content.unsigned-files"), [Status::Fail]);
}

#[test]
fn binding_by_digest_and_by_release() {
    let by_digest = |digest: &str| one_key(&format!("{SIGNED}\nbind = \"digest\"\ndigests = [\"{digest}\"]"));
    let signed = Key::new(1).sign_model(&model());
    Case::new(&by_digest(&manifest_name(&model()))).bundle(signed.clone()).allowed();
    let other = format!("manifest-sha256:{}", "0c".repeat(32));
    Case::new(&by_digest(&other)).bundle(signed.clone()).denied(Code::BindDigestNotListed);

    let released = one_key(&format!("{SIGNED}\nbind = \"release\"\nmin-version = \"2.4.0\""));
    let case = |version: &str| {
        Case::new(&released)
            .bundle(signed.clone())
            .bundle(Key::new(1).sign_statement(&release(&model(), version)))
    };
    case("2.4.0").allowed();
    case("v2.10.0").allowed();
    case("2.3.9").denied(Code::BindVersionBelowMinimum);
    case("2.4.0-rc.1").denied(Code::BindVersionBelowMinimum);
    case("main").denied(Code::BindVersionBelowMinimum);
    Case::new(&released).bundle(signed.clone()).denied(Code::BindNameNotAttested);
    // Another name, somebody else's word, other files.
    let toy = statement(RELEASE, &model(), json!({ "purl": "pkg:huggingface/acme/toy@2.4.0" }));
    Case::new(&released)
        .bundle(signed.clone())
        .bundle(Key::new(1).sign_statement(&toy))
        .denied(Code::BindNameMismatch);
    let foreign = Key::new(9).sign_statement(&release(&model(), "2.4.0"));
    Case::new(&released).bundle(signed.clone()).bundle(foreign).denied(Code::BindNameNotAttested);
    let elsewhere = release(&manifest(&[("config.json", "x")]), "2.4.0");
    Case::new(&released)
        .bundle(signed.clone())
        .bundle(Key::new(1).sign_statement(&elsewhere))
        .denied(Code::BindNameNotAttested);
    let mut high = case("2.4.0");
    high.request = Request::new(reference(REFERENCE)).not_below("2.5.0".parse().unwrap());
    high.denied(Code::BindVersionBelowHighWater);
}

#[test]
fn times_of_signing() {
    let old = "signature = { signers = [\"acme\"], timestamp = \"required\", max-age = \"30d\" }";
    let signed = Key::new(1).sign_model(&model());
    let case = || Case::new(&one_key(old));
    case().stamped(signed.clone(), &["2026-11-01T00:00:00Z"]).allowed();
    case().stamped(signed.clone(), &["2026-10-01T00:00:00Z"]).denied(Code::TimeSignatureTooOld);
    case().bundle(signed.clone()).denied(Code::TimeNoTrustedTime);
    case().stamped(signed.clone(), &["2026-11-23T00:00:00Z"]).denied(Code::TimeClockImplausible);
    let report = case().stamped(signed.clone(), &["2026-10-24T00:00:00Z"]).allowed();
    assert_eq!(
        report.valid_until.as_deref(),
        Some("2026-11-23T00:00:00Z"),
        "max-age ends before a day is over"
    );
    let after =
        "signature = { signers = [\"acme\"], timestamp = \"required\", signed-after = 2026-11-01T00:00:00Z }";
    let case = || Case::new(&one_key(after));
    case().stamped(signed.clone(), &["2026-11-02T00:00:00Z"]).allowed();
    case().stamped(signed.clone(), &["2026-11-01T00:00:00Z"]).denied(Code::TimeSignedBeforeMinimum);
    let logged = "signature = { signers = [\"acme\"], transparency = \"required\" }";
    Case::new(&one_key(logged)).bundle(signed).denied(Code::LogMissing);
}

#[test]
fn a_key_counts_within_its_window_only() {
    let window = ", not-before = 2026-01-01T00:00:00Z, not-after = 2026-06-30T00:00:00Z";
    let text = head("p") + &Key::new(1).signer("acme", window) + &rule(SIGNED);
    let signed = Key::new(1).sign_model(&model());
    let outside = [Code::IdentityKeyOutsideValidity, Code::SignatureNoTrustedSigner];
    for code in outside {
        Case::new(&text).bundle(signed.clone()).denied(code);
        Case::new(&text).stamped(signed.clone(), &["2025-12-31T00:00:00Z"]).denied(code);
        Case::new(&text)
            .stamped(signed.clone(), &["2026-03-01T00:00:00Z", "2026-07-01T00:00:00Z"])
            .denied(code);
    }
    Case::new(&text).stamped(signed, &["2026-03-01T00:00:00Z"]).allowed();
}

#[test]
fn keyless_identities_issuers_and_claims() {
    let text = head("p")
        + "trust-roots.r = { tuf = \"https://tuf.example\" }\n"
        + "signers.ci = { kind = \"keyless\", trust-root = \"r\", issuer = \"https://i.example\", claims = { source-repository-owner-id = \"42\", source-repository-uri = { glob = \"https://github.com/acme/*\" } } }\n"
        + &rule("signature = { signers = [\"ci\"] }");
    let good = json!({ "identity": "x", "issuer": "https://i.example", "logs": ["rekor"], "claims": {
        "source-repository-owner-id": "42", "source-repository-uri": "https://github.com/acme/train" } });
    let case = |claims: &serde_json::Value| Case::new(&text).bundle(keyless_model(&model(), claims));
    case(&good).allowed();
    let changed = |pointer: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        *claims.pointer_mut(pointer).unwrap() = value;
        case(&claims)
    };
    changed("/issuer", json!("https://i.example/")).denied(Code::IdentityIssuerMismatch);
    changed("/claims/source-repository-owner-id", json!("43")).denied(Code::IdentityClaimMismatch);
    changed("/claims/source-repository-uri", json!("https://github.com/acme/a/b"))
        .denied(Code::IdentityClaimMismatch);
    changed("/claims", json!({ "source-repository-owner-id": "42" })).denied(Code::IdentityClaimMissing);
    changed("/logs", json!([])).denied(Code::LogMissing);
    let refused = json!({ "refused": "log.entry-mismatch" });
    case(&refused).denied(Code::LogEntryMismatch);
    // Without a verifier, they are not supported, which denies.
    let mut evidence = Evidence::new();
    evidence.add("b", None, &keyless_model(&model(), &good));
    let set = set(&text);
    let facts = measure(collect(&set, &evidence, &NoKeyless, now()), &model());
    let report = decide(&set, &Request::new(reference(REFERENCE)), &facts, now()).report().clone();
    assert!(report.with(Status::Fail).any(|c| c.code == Some(Code::ErrorUnsupported)), "{}", show(&report));
}

#[test]
fn rules_are_selected_by_specificity() {
    let rules = "[[rule]]\nname = \"all\"\nmodels = [\"hf://huggingface.co/acme/*\"]\nbind = \"signer\"\nsignature = { signers = [\"acme\"] }\n\
                 [[rule]]\nname = \"no\"\nmodels = [\"hf://huggingface.co/acme/scratch*\"]\naction = \"reject\"\n";
    let text = head("p") + &Key::new(1).signer("acme", "") + rules;
    let case = || Case::new(&text).bundle(Key::new(1).sign_model(&model()));
    assert_eq!(case().allowed().rule.as_deref(), Some("all"));
    case().named("hf://huggingface.co/acme/scratch-1").denied(Code::PolicyRejected);
    case().named("hf://huggingface.co/other/x").denied(Code::PolicyNoMatchingRule);
}

#[test]
fn several_policies_must_all_allow() {
    let one = policy(&one_key(SIGNED));
    let two =
        policy(&(head("two") + &Key::new(2).signer("b", "") + &rule("signature = { signers = [\"b\"] }")));
    let mut case = Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign_model(&model()));
    case.set = PolicySet::new([one.clone(), two.clone()]).unwrap();
    let report = case.denied(Code::SignatureNoTrustedSigner);
    assert_eq!(
        report.policies.iter().map(|p| p.verdict).collect::<Vec<_>>(),
        [Verdict::Allow, Verdict::Deny]
    );
    let case = case.bundle(Key::new(2).sign_model(&model()));
    case.allowed();
    // Facts that were collected for other policies decide nothing.
    let alone = PolicySet::new([one]).unwrap();
    let facts = measure(collect(&alone, &case.evidence(), &NoKeyless, now()), &model());
    assert_eq!(decide(&case.set, &case.request, &facts, now()).verdict(), Verdict::Error);
    assert!(PolicySet::new([]).is_err());
}

#[test]
fn unverified_models_have_a_verdict_of_their_own() {
    let text = head("p")
        + "deny = [{ id = \"D\", reason = \"bad\", digests = [\"DIGEST\"] }]\n"
        + &rule("action = \"insecure-allow-unverified\"");
    let harmless = text.replace("DIGEST", &format!("manifest-sha256:{}", "de".repeat(32)));
    let decision = Case::new(&harmless).decide();
    assert_eq!(decision.verdict(), Verdict::AllowUnverified, "{}", show(decision.report()));
    assert!(decision.allowed(false).is_none() && decision.allowed(true).is_some());
    assert_eq!(serde_json::to_value(decision.report()).unwrap()["verdict"], "allow-unverified");
    Case::new(&text.replace("DIGEST", &manifest_name(&model()))).denied(Code::DenyDigest);
    Case::new(&harmless).unmeasured().undecided(Code::ErrorInternal);
    let strict = harmless.replace("deny = [", "baseline.content = { unsigned-files = \"deny\" }\ndeny = [");
    Case::new(&strict).denied(Code::IntegrityFileUnsigned);
}

#[test]
fn deny_lists_beat_everything() {
    let deny = |entry: &str, rule_body: &str| {
        let entry = format!("deny = [{{ id = \"D-1\", reason = \"leaked\", {entry} }}]\n");
        head("p") + &entry + &Key::new(1).signer("acme", "") + &rule(rule_body)
    };
    let signed = Key::new(1).sign_model(&model());
    let audit = format!("{SIGNED}\nmode = \"audit\"");
    for body in [SIGNED, &audit] {
        let digest = format!("digests = [\"{}\"]", manifest_name(&model()));
        Case::new(&deny(&digest, body)).bundle(signed.clone()).denied(Code::DenyDigest);
        let file = format!("file-digests = [\"sha256:{}\"]", digest_of(b"aaaa").to_hex());
        Case::new(&deny(&file, body)).bundle(signed.clone()).denied(Code::DenyFileDigest);
        let key = format!("keys = [\"spki-sha256:{}\"]", Key::new(1).fingerprint());
        Case::new(&deny(&key, body)).bundle(signed.clone()).denied(Code::DenyKey);
        let since = format!("{key}, compromised-at = 2026-10-02T09:00:00Z");
        let since = deny(&since, body);
        Case::new(&since).bundle(signed.clone()).denied(Code::TimeSignedAfterCompromise);
        Case::new(&since)
            .stamped(signed.clone(), &["2026-10-02T09:00:00Z"])
            .denied(Code::TimeSignedAfterCompromise);
        Case::new(&since).stamped(signed.clone(), &["2026-10-02T08:59:59Z"]).allowed();
        // One authority among two that says it was before proves nothing.
        Case::new(&since)
            .stamped(signed.clone(), &["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"])
            .denied(Code::TimeSignedAfterCompromise);
    }
    // A denied file is found under any hash, or nothing is said to be fine.
    let blake = Serialization { algorithm: Algorithm::Blake3, ..Serialization::default() };
    let other = manifest_with(blake, &[("w", "aaaa")]);
    let file = format!("file-digests = [\"sha256:{}\"]", digest_of(b"aaaa").to_hex());
    let text = deny(&file, SIGNED);
    Case::new(&text)
        .bundle(Key::new(1).sign_model(&other))
        .model(other.clone())
        .denied(Code::ErrorUnsupported);
    let case = Case::new(&text).bundle(Key::new(1).sign_model(&other));
    let observe = |digest| {
        use modelseal_core::observed::Observed;
        let also = Observed::measured_by_this_process(vec![(path("w"), digest)]);
        Measurement::new(Observed::measured_by_this_process(other.clone()), 4).also(also)
    };
    let facts = collect(&case.set, &case.evidence(), &NoKeyless, now());
    let bad = facts.clone().measured(observe(digest_of(b"aaaa")));
    assert_eq!(decide(&case.set, &case.request, &bad, now()).report().code, Some(Code::DenyFileDigest));
    let good = facts.measured(observe(digest_of(b"aaab")));
    assert_eq!(decide(&case.set, &case.request, &good, now()).verdict(), Verdict::Allow);
}

#[test]
fn a_denied_signer_does_not_count_and_does_not_hurt_the_others() {
    let text = head("p")
        + &format!(
            "deny = [{{ id = \"D\", reason = \"x\", keys = [\"spki-sha256:{}\"] }}]\n",
            Key::new(1).fingerprint()
        )
        + &Key::new(1).signer("a", "")
        + &Key::new(2).signer("b", "")
        + &rule("signature = { signers = [\"a\", \"b\"], threshold = 1 }");
    let (a, b) = (Key::new(1).sign_model(&model()), Key::new(2).sign_model(&model()));
    Case::new(&text).bundle(a.clone()).denied(Code::DenyKey);
    Case::new(&text).bundle(a).bundle(b).allowed();
}

#[test]
fn waivers_excuse_what_they_name_for_as_long_as_they_run() {
    let waiver = |digest: &str, expires: &str| {
        format!(
            "waiver = [{{ id = \"W-1\", rule = \"r\", codes = [\"time.signature-too-old\"], digests = [\"{digest}\"], \
             expires = {expires}, approved-by = [\"a@b.example\"], reason = \"x\" }}]\n"
        )
    };
    let body = "signature = { signers = [\"acme\"], timestamp = \"required\", max-age = \"30d\" }";
    let text = |waiver: &str| head("p") + waiver + &Key::new(1).signer("acme", "") + &rule(body);
    let signed = Key::new(1).sign_model(&model());
    let case = |waiver: &str| Case::new(&text(waiver)).stamped(signed.clone(), &["2026-09-01T00:00:00Z"]);
    let good = manifest_name(&model());
    let report = case(&waiver(&good, "2026-12-15T00:00:00Z")).allowed();
    let waived = report.with(Status::Waived).next().unwrap();
    assert_eq!(waived.code, Some(Code::TimeSignatureTooOld));
    let note = waived.waiver.as_ref().unwrap();
    assert_eq!((note.id.as_str(), note.days_left), ("W-1", 22));
    assert!(report.is_waived());
    case("").denied(Code::TimeSignatureTooOld);
    case(&waiver(&format!("manifest-sha256:{}", "0c".repeat(32)), "2026-12-15T00:00:00Z"))
        .denied(Code::TimeSignatureTooOld);
    case(&waiver(&good, "2026-12-15T00:00:00Z")).at("2026-12-15T00:00:00Z").denied(Code::TimeSignatureTooOld);
    // What is not named is not excused.
    Case::new(&text(&waiver(&good, "2026-12-15T00:00:00Z")))
        .bundle(signed.clone())
        .denied(Code::TimeNoTrustedTime);
    // The end of the waiver ends the verdict.
    let report = case(&waiver(&good, "2026-11-22T18:00:00Z")).allowed();
    assert_eq!(report.valid_until.as_deref(), Some("2026-11-22T18:00:00Z"));
}

#[test]
fn audit_relaxes_until_it_enforces() {
    let body = format!("{SIGNED}\nmode = \"audit\"\nenforce-after = 2026-12-01T00:00:00Z");
    let case = || Case::new(&one_key(&body));
    let report = case().allowed();
    assert_eq!((report.mode.as_deref(), report.with(Status::Warn).count()), (Some("audit"), 1));
    case().at("2026-12-01T00:00:00Z").denied(Code::SignatureMissing);
    let report = case().at("2026-11-30T12:00:00Z").allowed();
    assert_eq!(report.valid_until.as_deref(), Some("2026-12-01T00:00:00Z"));
    let expired = case().at("2027-07-01T00:00:00Z");
    expired.denied(Code::PolicyExpired);
}

#[test]
fn verdicts_are_kept_by_content_and_for_a_time() {
    let case = Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign_model(&model()));
    let (facts, evidence, manifest) = (case.facts(), case.evidence(), manifest_name(&model()));
    let key = CacheKey::new(&case.set, &case.request, &manifest, &evidence, "");
    let decision = decide(&case.set, &case.request, &facts, now());
    let entry = CacheEntry::of(key.clone(), &decision, &facts).unwrap();
    assert!(entry.holds(&key, now()) && entry.holds(&key, time("2026-11-23T11:59:59Z")));
    assert!(
        !entry.holds(&key, time("2026-11-23T12:00:00Z")) && !entry.holds(&key, time("2026-11-22T11:59:59Z"))
    );
    let again: CacheEntry = serde_json::from_slice(&serde_json::to_vec(&entry).unwrap()).unwrap();
    assert_eq!(again, entry);
    // Everything that a verdict depends on changes the key.
    let other_policy = set(&one_key(SIGNED).replace("version = 1", "version = 2"));
    let mut more = case.evidence();
    more.add("x", None, b"{}");
    let mut feed = case.evidence();
    feed.feed("f", b"{}", []);
    let named = Request::new(reference("hf://huggingface.co/acme/other"));
    for other in [
        CacheKey::new(&other_policy, &case.request, &manifest, &evidence, ""),
        CacheKey::new(&case.set, &named, &manifest, &evidence, ""),
        CacheKey::new(&case.set, &case.request.clone().with_version("1"), &manifest, &evidence, ""),
        CacheKey::new(&case.set, &case.request, "manifest-sha256:00", &evidence, ""),
        CacheKey::new(&case.set, &case.request, &manifest, &more, ""),
        CacheKey::new(&case.set, &case.request, &manifest, &feed, ""),
        CacheKey::new(&case.set, &case.request, &manifest, &evidence, "sha256:00"),
    ] {
        assert!(other != key && !entry.holds(&other, now()));
    }
    // A denial holds for a minute, an error not at all.
    let deny = Case::new(&one_key(SIGNED));
    assert_eq!(deny.report().valid_until.as_deref(), Some("2026-11-22T12:01:00Z"));
    let error = case.unmeasured();
    let decision = error.decide();
    assert!(
        decision.report().valid_until.is_none() && CacheEntry::of(key, &decision, &error.facts()).is_none()
    );
}

#[test]
fn recorded_facts_replay_to_the_same_report_and_to_another_under_another_policy() {
    let case = Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign_model(&model()));
    let recorded = RecordedFacts::record(&case.request, &case.evidence(), &case.facts(), now());
    let json = recorded.to_json().unwrap();
    let read = RecordedFacts::parse(&json).unwrap();
    assert_eq!(read.to_json().unwrap(), json);
    let replayed = read.replay(&case.set, &NoKeyless, None);
    assert_eq!(replayed.report(), case.decide().report());
    // The signatures are verified again: another policy trusts another key.
    let other = set(&(head("p") + &Key::new(2).signer("acme", "") + &rule(SIGNED)));
    assert_eq!(read.replay(&other, &NoKeyless, None).report().verdict, Verdict::Deny);
    let late = read.replay(&case.set, &NoKeyless, Some(time("2028-01-01T00:00:00Z")));
    assert_eq!(late.report().code, Some(Code::PolicyExpired));
    // A record of a changed model, or with a forged bundle, is judged as what it is.
    let text = String::from_utf8(json).unwrap();
    let forged = text.replace(&digest_of(b"aaaa").to_hex(), &digest_of(b"aaab").to_hex());
    let forged = RecordedFacts::parse(forged.as_bytes()).unwrap().replay(&case.set, &NoKeyless, None);
    assert_eq!(forged.report().verdict, Verdict::Deny);
    assert!(RecordedFacts::parse(text.replace("facts/v1", "facts/v2").as_bytes()).is_err());
    assert!(RecordedFacts::parse(text.replacen("\"now\"", "\"then\"", 1).as_bytes()).is_err());
}
