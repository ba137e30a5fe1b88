//! What went wrong in other verifiers, each as a test that is named after its advisory or report, and what a policy
//! engine must refuse besides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod decision_support;
mod x509_support;

use base64::{Engine, engine::general_purpose::STANDARD};
use decision_support::*;
use modelseal_core::{
    dsse::{IN_TOTO_PAYLOAD_TYPE, pae},
    manifest::{Manifest, Serialization},
    observed::Observed,
    predicate::signature_v1,
};
use modelseal_verify::{
    decision::{Code, PolicySet, Request, Status, Verdict, decide},
    facts::{Evidence, MAX_BUNDLE_BYTES, Measurement, NoKeyless, collect},
    policy::load::{Files, UnvalidatedPolicy},
};
use serde_json::{Value, json};

const TEST_RESULT: &str = "https://acme.example/attestations/eval/v1";
const SIGNED: &str = "signature = { signers = [\"acme\"] }";

fn one_key(rule_body: &str) -> String {
    head("p") + &Key::new(1).signer("acme", "") + &rule(rule_body)
}

fn evaluated(extra: &str) -> String {
    one_key(&format!(
        "{SIGNED}\nattestation = [{{ name = \"eval\", predicate-type = \"{TEST_RESULT}\", signers = [\"acme\"]{extra} }}]"
    ))
}

fn passed() -> Value {
    json!({ "result": "PASSED", "configuration": [] })
}

fn signed() -> Vec<u8> {
    Key::new(1).sign_model(&model())
}

fn attested(predicate_type: &str, predicate: Value) -> Vec<u8> {
    Key::new(1).sign_statement(&statement(predicate_type, &model(), predicate))
}

// 1: predicate types, and success for want of anything to check.

#[test]
fn cve_2022_35929_predicate_type_not_enforced() {
    let case = || Case::new(&evaluated("")).bundle(signed());
    case()
        .bundle(attested("https://in-toto.io/attestation/vulns/v0.1", json!({})))
        .denied(Code::AttestationMissing);
    case().bundle(attested(TEST_RESULT, passed())).allowed();
}

#[test]
fn cve_2022_35930_attestation_of_another_type_satisfies_policy() {
    let vuln = statement("https://cosign.sigstore.dev/attestation/vuln/v1", &model(), passed());
    Case::new(&evaluated(""))
        .bundle(signed())
        .bundle(Key::new(1).sign_statement(&vuln))
        .denied(Code::AttestationMissing);
}

#[test]
fn cve_2025_25204_nothing_matches_and_that_is_no_success() {
    let report = Case::new(&evaluated("")).bundle(signed()).denied(Code::AttestationMissing);
    assert_eq!(report.exit_status(), 1);
}

#[test]
fn cve_2026_39395_statement_of_another_type_in_a_new_bundle() {
    // A statement that a trusted key signed about this very model is still no model signature.
    Case::new(&one_key(SIGNED))
        .bundle(attested(TEST_RESULT, passed()))
        .denied(Code::SignatureNoTrustedSigner);
    // The alias of cosign is no URI, and no policy can ask for it.
    let complaints = refused(&evaluated("").replace(TEST_RESULT, "custom"));
    assert!(complaints.iter().any(|c| c.contains("URI")), "{complaints:?}");
}

// 2: patterns that match more than they say.

#[test]
fn cve_2026_22772_unanchored_identity_patterns() {
    let text = |identity: &str| {
        head("p")
            + "trust-roots.r = { tuf = \"https://tuf.example\" }\n"
            + &format!(
                "signers.ci = {{ kind = \"keyless\", trust-root = \"r\", issuer = \"https://i.example\", identity = {identity} }}\n"
            )
            + &rule("signature = { signers = [\"ci\"] }")
    };
    let case = |identity: &str, name: &str| {
        let claims = json!({ "identity": name, "issuer": "https://i.example", "logs": ["rekor"] });
        Case::new(&text(identity)).bundle(keyless_model(&model(), &claims))
    };
    let regex = "{ regex = 'https://github\\.com/acme/[a-z]+' }";
    case(regex, "https://github.com/acme/train").allowed();
    for evil in [
        "https://github.com/acme/train/../../evil",
        "https://evil.example/https://github.com/acme/train",
        "https://github.com/acme/train\n",
        "https://githubxcom/acme/train",
        "HTTPS://github.com/acme/train",
    ] {
        case(regex, evil).denied(Code::IdentitySubjectMismatch);
    }
    case("{ glob = \"https://github.com/acme/*\" }", "https://github.com/acme/a/b")
        .denied(Code::IdentitySubjectMismatch);
    case("\"https://github.com/acme/a\"", "https://github.com/acme/a.*")
        .denied(Code::IdentitySubjectMismatch);
    // Valid only inside the parentheses that an engine puts around it.
    refused(&text("{ regex = 'a)|(?:b' }"));
    refused(&text("{ regex = 'x)|(?:evil' }"));
    refused(&text("{ regex = '.*' }"));
}

// 3: fields that are not enforced.

#[test]
fn cve_2025_29778_every_field_is_enforced_or_refused() {
    refused(&one_key("signature = { signers = [\"acme\"], subjectRegExp = \"x\" }"));
    refused(&one_key("signature = { signers = [\"acme\"], treshold = 2 }"));
    refused(&one_key(&format!("{SIGNED}\nunknown = 1")));
    // Each claim of a keyless signer has a case of its own that denies: see the rules.
    let names =
        ["build-signer-uri", "runner-environment", "source-repository-ref", "build-trigger", "token-subject"];
    for name in names {
        let text = head("p")
            + "trust-roots.r = { tuf = \"https://tuf.example\" }\n"
            + &format!(
                "signers.ci = {{ kind = \"keyless\", trust-root = \"r\", issuer = \"https://i.example\", identity = \"x\", claims = {{ {name} = \"good\" }} }}\n"
            )
            + &rule("signature = { signers = [\"ci\"] }");
        let with = |value: &str| {
            let claims = json!({ "identity": "x", "issuer": "https://i.example", "logs": ["l"], "claims": { name: value } });
            Case::new(&text).bundle(keyless_model(&model(), &claims))
        };
        with("good").allowed();
        with("bad").denied(Code::IdentityClaimMismatch);
    }
}

// 4, 5: certificates.

/// The files of a policy, and what is in its folders.
struct Roots(Vec<(&'static str, String)>, Vec<(String, Vec<u8>)>);

impl Files for Roots {
    fn file(&self, name: &str, _: u64) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| text.clone().into_bytes()).ok_or_else(|| "no such file".to_owned())
    }

    fn folder(&self, _: &str, _: u64) -> Result<Vec<(String, Vec<u8>)>, String> {
        Ok(self.1.clone())
    }
}

/// A policy that trusts the chain's root, and a bundle of its leaf.
fn certified(chain: &x509_support::Chain, subject: &str, rule_body: &str) -> Result<Case, Vec<String>> {
    certified_with(chain, subject, "", &[], rule_body)
}

/// With more fields of the signer, and revocation lists.
fn certified_with(
    chain: &x509_support::Chain,
    subject: &str,
    more: &str,
    lists: &[Vec<u8>],
    rule_body: &str,
) -> Result<Case, Vec<String>> {
    let root = chain.root.make();
    let text = head("p")
        + &format!(
            "signers.vendor = {{ kind = \"certificate\", roots = \"roots.pem\", root-sha256 = [\"{}\"], subject = {subject}{more} }}\n",
            root.fingerprint()
        )
        + &rule(rule_body);
    let lists = lists.iter().enumerate().map(|(at, list)| (format!("{at}.crl"), list.clone()));
    let files = Roots(vec![("roots.pem", x509_support::pem(root.der()))], lists.collect());
    let policy = UnvalidatedPolicy::from_toml("policy.toml", &text)
        .validate(&files, Some(now()))
        .map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let payload = signature_v1::write(&model(), "model").unwrap();
    let signature = chain.leaf.key.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload));
    let certificates: Vec<Value> = [&chain.leaf, &chain.int]
        .iter()
        .map(|spec| json!({ "rawBytes": STANDARD.encode(spec.der()) }))
        .collect();
    let material = json!({ "x509CertificateChain": { "certificates": certificates } });
    Ok(Case {
        set: PolicySet::new([policy]).unwrap(),
        request: Request::new(reference(REFERENCE)),
        bundles: vec![bundle(IN_TOTO_PAYLOAD_TYPE, &payload, &signature, &material)],
        feeds: Vec::new(),
        model: Some(model()),
        keyless: Double::default(),
        now: time("2026-06-01T00:00:00Z"),
    })
}

const VENDOR: &str = "signature = { signers = [\"vendor\"] }";

#[test]
fn ghsa_mpvw_hw8p_7x27_certificate_signer_without_identity() {
    let chain = x509_support::Chain::new();
    certified(&chain, "{ cn = \"leaf\" }", VENDOR).unwrap().allowed();
    certified(&chain, "{ cn = \"other\" }", VENDOR).unwrap().denied(Code::IdentitySubjectMismatch);
    certified(&chain, "{ cn = \"leaf\", o = \"Vendor\" }", VENDOR)
        .unwrap()
        .denied(Code::IdentitySubjectMismatch);
    let complaints = certified(&chain, "{}", VENDOR).err().unwrap();
    assert!(complaints.iter().any(|c| c.contains("identity") || c.contains("subject")), "{complaints:?}");
}

#[test]
fn webpki_leaf_signs_no_model() {
    let mut chain = x509_support::Chain::new();
    let tls = x509_support::extended(&[x509_support::SERVER_AUTH]);
    chain.leaf = chain.leaf.without(tls.extn_id).with(tls);
    certified(&chain, "{ cn = \"leaf\" }", VENDOR).unwrap().denied(Code::IdentityEku);
}

#[test]
fn cve_2026_24122_every_certificate_of_the_chain_is_judged_at_every_time() {
    let times = |leaf: [&str; 2], int: [&str; 2]| {
        let mut chain = x509_support::Chain::new();
        chain.leaf = chain.leaf.valid(leaf[0], leaf[1]);
        chain.int = chain.int.valid(int[0], int[1]);
        certified(&chain, "{ cn = \"leaf\" }", VENDOR).unwrap()
    };
    let (year, half) =
        (["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"], ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"]);
    times(year, year).allowed();
    times(year, half).denied(Code::IdentityCertificateExpired);
    times(half, year).denied(Code::IdentityCertificateExpired);
    let stamp = |mut case: Case, times: &[&str]| {
        let bundle = case.bundles.remove(0);
        case.stamped(bundle, times)
    };
    // Signed while it was valid: the time that others vouch for counts, and no other.
    stamp(times(half, year), &["2026-02-01T00:00:00Z"]).allowed();
    stamp(times(year, half), &["2026-04-01T00:00:00Z"]).denied(Code::IdentityCertificateExpired);
}

#[test]
fn sigstore_rust_160_backdated_authority_among_two() {
    let mut chain = x509_support::Chain::new();
    chain.leaf = chain.leaf.valid("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z");
    let mut case = certified(&chain, "{ cn = \"leaf\" }", VENDOR).unwrap();
    let bundle = case.bundles.remove(0);
    case.stamped(bundle, &["2026-02-01T00:00:00Z", "2026-05-01T00:00:00Z"])
        .denied(Code::IdentityCertificateExpired);
}

/// Lists that are there and that nobody looks at; a status that is missing and lets through.
#[test]
fn revocation_is_checked_as_the_policy_says() {
    // A root that signs the same way twice, so that the policy is the same.
    let (root, key) = (x509_support::Key::ed25519(), x509_support::Key::p256());
    let mut chain = x509_support::Chain::of(&root, &key, &x509_support::Key::p256());
    (chain.leaf.serial, chain.int.serial) = (vec![3], vec![2]);
    let no_usage = <x509_cert::ext::pkix::KeyUsage as der::oid::AssociatedOid>::OID;
    (chain.int, chain.root) = (chain.int.without(no_usage), chain.root.without(no_usage));
    let (int, root) = (x509_support::CrlSpec::of(&chain.int), x509_support::CrlSpec::of(&chain.root));
    let march = "2026-03-01T00:00:00Z";
    let case = |mode: &str, lists: &[&x509_support::CrlSpec]| {
        let more = format!(", revocation = {{ mode = \"{mode}\", crl-dir = \"crl\", max-age = \"3d\" }}");
        let lists: Vec<Vec<u8>> = lists.iter().map(|list| list.der()).collect();
        certified_with(&chain, "{ cn = \"leaf\" }", &more, &lists, VENDOR).unwrap()
    };
    let old = |list: &x509_support::CrlSpec| list.clone().updates("2026-05-01T00:00:00Z", None);
    let revoked = int.clone().revoking(&chain.leaf, march, vec![]);
    let revoked_above = root.clone().revoking(&chain.int, march, vec![]);
    let superseded = int.clone().for_reason(&chain.leaf, march, 4);

    // A cached verdict ends with the lists: thisUpdate and max-age.
    let report = case("require", &[&int, &root]).at("2026-06-02T18:00:00Z").allowed();
    assert_eq!(report.valid_until.as_deref(), Some("2026-06-03T00:00:00Z"));
    let report = case("best-effort", &[&int, &root]).at("2026-06-02T18:00:00Z").allowed();
    assert_eq!(report.valid_until.as_deref(), Some("2026-06-03T00:00:00Z"));
    let report = case("off", &[&revoked, &revoked_above]).at("2026-06-02T18:00:00Z").allowed();
    assert_eq!(report.valid_until.as_deref(), Some("2026-06-03T18:00:00Z"), "a day");

    case("require", &[]).denied(Code::RevocationStatusUnavailable);
    case("require", &[&int]).denied(Code::RevocationStatusUnavailable);
    case("require", &[&int, &old(&root)]).denied(Code::RevocationStatusStale);
    case("best-effort", &[]).allowed();
    case("best-effort", &[&old(&int), &old(&root)]).allowed();
    for mode in ["require", "best-effort"] {
        case(mode, &[&revoked, &root]).denied(Code::RevocationRevoked);
        case(mode, &[&int, &revoked_above]).denied(Code::RevocationRevoked);
        case(mode, &[&old(&revoked), &int, &root]).denied(Code::RevocationRevoked);
        let stamped = |times: &[&str]| {
            let mut case = case(mode, &[&superseded, &root]);
            let bundle = case.bundles.remove(0);
            case.stamped(bundle, times)
        };
        stamped(&[]).denied(Code::RevocationRevoked);
        stamped(&["2026-02-01T00:00:00Z"]).allowed();
        stamped(&["2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z"]).denied(Code::RevocationRevoked);
    }
    // Another list is another key of the cache: the policy is the same.
    use modelseal_verify::decision::cache::CacheKey;
    let key = |lists: &[&x509_support::CrlSpec]| {
        let case = case("require", lists);
        let digest = case.set.policies().next().unwrap().digest().to_owned();
        let evidence = Evidence::new();
        (digest, CacheKey::new(&case.set, &case.request, "", &evidence, ""))
    };
    let (same, fresh) = (key(&[&int, &root]), key(&[&revoked, &root]));
    assert!(same.0 == fresh.0 && same.1 != fresh.1);
}

#[test]
fn ghsa_wqqc_jjcq_vfxm_key_window_is_checked() {
    let text = head("p") + &Key::new(1).signer("acme", ", not-after = 2026-06-30T00:00:00Z") + &rule(SIGNED);
    Case::new(&text).bundle(signed()).denied(Code::IdentityKeyOutsideValidity);
    Case::new(&text).bundle(signed()).at("2026-06-30T00:00:00Z").allowed();
}

// 6: logs.

#[test]
fn cve_2026_22703_log_entry_of_another_signature() {
    let text = head("p")
        + "trust-roots.r = { tuf = \"https://tuf.example\" }\n"
        + "signers.ci = { kind = \"keyless\", trust-root = \"r\", issuer = \"https://i.example\", identity = \"x\" }\n"
        + &rule("signature = { signers = [\"ci\"] }");
    for code in [Code::LogEntryMismatch, Code::LogProofInvalid, Code::LogUnknownLog] {
        let refused = json!({ "refused": code.as_str() });
        Case::new(&text).bundle(keyless_model(&model(), &refused)).denied(code);
    }
}

// 7: thresholds.

#[test]
fn cve_2020_6174_two_keys_of_one_person_are_one() {
    let text = head("p")
        + &Key::new(1).signer("alice-laptop", ", principal = \"alice\"")
        + &Key::new(2).signer("alice-token", ", principal = \"alice\"")
        + &Key::new(3).signer("bob", "")
        + &rule("signature = { signers = [\"alice-laptop\", \"alice-token\", \"bob\"], threshold = 2 }");
    let case = || Case::new(&text).bundle(signed()).bundle(Key::new(2).sign_model(&model()));
    case().denied(Code::SignatureThresholdNotMet);
    case().bundle(Key::new(3).sign_model(&model())).allowed();
}

#[test]
fn ghsa_5q2r_92f9_4m49_one_signature_many_times() {
    let text = head("p")
        + &Key::new(1).signer("a", "")
        + &Key::new(2).signer("b", "")
        + &rule("signature = { signers = [\"a\", \"b\"], threshold = 2 }");
    let mut case = Case::new(&text);
    for n in 0..5 {
        // The same bundle, and different bundles of the same key.
        case = case.bundle(signed()).bundle(Key::new(1).sign_model_as(&model(), &format!("model-{n}")));
    }
    case.denied(Code::SignatureThresholdNotMet);
}

#[test]
fn go_tuf_733_one_key_under_two_names() {
    let text = head("p")
        + &Key::new(1).signer("a", "")
        + &Key::new(1).signer("b", "")
        + &rule("signature = { signers = [\"a\", \"b\"], threshold = 2 }");
    let complaints = refused(&text);
    assert!(
        complaints.iter().any(|c| c.contains("duplicate-key") || c.contains("same key")),
        "{complaints:?}"
    );
}

#[test]
fn ghsa_9vcr_p3rj_q5q6_one_log_counts_once() {
    let text = head("p")
        + "trust-roots.r = { tuf = \"https://tuf.example\" }\n"
        + "signers.ci = { kind = \"keyless\", trust-root = \"r\", issuer = \"https://i.example\", identity = \"x\" }\n"
        + &rule("signature = { signers = [\"ci\"] }");
    let claims =
        json!({ "identity": "x", "issuer": "https://i.example", "logs": ["rekor", "rekor", "rekor"] });
    let case = Case::new(&text).bundle(keyless_model(&model(), &claims));
    case.allowed();
    let bound = json!({ "identity": "x", "issuer": "https://i.example", "logs": [] });
    Case::new(&text).bundle(keyless_model(&model(), &bound)).denied(Code::LogMissing);
}

// 8, 9: any or all, and nothing at all.

#[test]
fn sigstore_python_1821_threshold_has_no_default_among_several() {
    let text = head("p")
        + &Key::new(1).signer("a", "")
        + &Key::new(2).signer("b", "")
        + &rule("signature = { signers = [\"a\", \"b\"] }");
    assert!(refused(&text).iter().any(|c| c.contains("threshold")));
}

#[test]
fn policy_controller_attestations_do_not_replace_signatures() {
    Case::new(&evaluated("")).bundle(attested(TEST_RESULT, passed())).denied(Code::SignatureNoTrustedSigner);
    Case::new(&evaluated("")).bundle(signed()).bundle(attested(TEST_RESULT, passed())).allowed();
}

#[test]
fn ghsa_567m_4668_m656_empty_lists_are_no_requirement_met() {
    refused(&one_key("signature = { signers = [] }"));
    refused(&evaluated("").replace("signers = [\"acme\"] }]", "signers = [] }]"));
    refused(&(head("p") + &rule("bind = \"signer\"")));
    refused(
        &(head("p") + &Key::new(1).signer("acme", "") + "[[rule]]\nname = \"r\"\nmodels = []\n" + SIGNED),
    );
}

#[test]
fn ghsa_vmvj_p3hw_39q3_every_on_an_empty_array_fails() {
    let every = ", where = { \"/configuration/*/name\" = { every = \"safety\" } }";
    let with = |names: &[&str]| {
        let configuration: Vec<Value> = names
            .iter()
            .map(|name| json!({ "name": name, "digest": { "sha256": "ab".repeat(32) } }))
            .collect();
        let predicate = json!({ "result": "PASSED", "configuration": configuration });
        Case::new(&evaluated(every)).bundle(signed()).bundle(attested(TEST_RESULT, predicate))
    };
    with(&["safety", "safety"]).allowed();
    with(&["safety", "speed"]).denied(Code::AttestationFieldMismatch);
    with(&[]).denied(Code::AttestationFieldMissing);
}

#[test]
fn model_transparency_662_an_empty_model_is_nothing_to_sign() {
    let empty = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "m", "digest": { "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } }],
        "predicateType": signature_v1::PREDICATE_TYPE,
        "predicate": { "resources": [], "serialization": { "method": "files", "hash_type": "sha256", "allow_symlinks": false } },
    });
    let report = Case::new(&one_key(SIGNED))
        .bundle(Key::new(1).sign_statement(&empty))
        .denied(Code::SignatureNoTrustedSigner);
    assert!(report.rejected.iter().any(|r| r.code == Code::IntegrityEmptyModel), "{}", show(&report));
}

// 10: the last one wins.

#[test]
fn ghsa_r4fv_8r9j_vgcg_a_later_attestation_does_not_hide_an_earlier_one() {
    let good = attested(TEST_RESULT, passed());
    let bad = attested(TEST_RESULT, json!({ "result": "FAILED", "configuration": [] }));
    let tested = ", where = { \"/result\" = \"PASSED\" }";
    for (first, second) in [(&good, &bad), (&bad, &good)] {
        Case::new(&evaluated(tested))
            .bundle(signed())
            .bundle(first.clone())
            .bundle(second.clone())
            .denied(Code::AttestationFieldMismatch);
    }
}

#[test]
fn in_toto_specification_74_duplicate_keys_at_every_level() {
    let payload = String::from_utf8(signature_v1::write(&model(), "model").unwrap()).unwrap();
    for (from, to) in [
        ("{\"_type\"", "{\"predicateType\":\"x\",\"_type\""),
        ("\"predicate\":{", "\"predicate\":{\"resources\":[],"),
        ("\"serialization\":{", "\"serialization\":{\"method\":\"files\","),
    ] {
        assert!(payload.contains(from), "{from}");
        let twice = payload.replacen(from, to, 1);
        let case =
            Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign(IN_TOTO_PAYLOAD_TYPE, twice.as_bytes()));
        case.denied(Code::SignatureNoTrustedSigner);
    }
    let text = String::from_utf8(signed()).unwrap();
    let twice = text.replacen("{\"dsseEnvelope\"", "{\"mediaType\":\"x\",\"dsseEnvelope\"", 1);
    assert_ne!(text, twice);
    Case::new(&one_key(SIGNED)).bundle(twice.into_bytes()).denied(Code::SignatureNoTrustedSigner);
    let predicate = statement(TEST_RESULT, &model(), passed()).to_string();
    let twice = predicate.replacen("\"result\":\"PASSED\"", "\"result\":\"FAILED\",\"result\":\"PASSED\"", 1);
    assert_ne!(predicate, twice);
    let report = Case::new(&evaluated(""))
        .bundle(signed())
        .bundle(Key::new(1).sign(IN_TOTO_PAYLOAD_TYPE, twice.as_bytes()))
        .denied(Code::AttestationMissing);
    assert!(report.rejected.iter().any(|r| r.message.contains("duplicate")), "{}", show(&report));
}

// 11: envelopes and statements.

#[test]
fn conforma_ec_1912_statement_and_payload_types_are_exact() {
    let mut other = statement(TEST_RESULT, &model(), passed());
    other["_type"] = json!("https://example.com/Statement/v1");
    Case::new(&evaluated(""))
        .bundle(signed())
        .bundle(Key::new(1).sign_statement(&other))
        .denied(Code::AttestationMissing);
    let payload = signature_v1::write(&model(), "model").unwrap();
    for payload_type in ["application/vnd.in-toto+json; charset=utf-8", "application/json", ""] {
        let bundle = Key::new(1).sign(payload_type, &payload);
        Case::new(&one_key(SIGNED)).bundle(bundle).denied(Code::SignatureNoTrustedSigner);
    }
    let mut weak = statement(TEST_RESULT, &model(), passed());
    weak["subject"] = json!([{ "name": "model", "digest": { "md5": "ab".repeat(16) } }]);
    let case = Case::new(&evaluated("")).bundle(signed()).bundle(Key::new(1).sign_statement(&weak));
    assert_eq!(case.report().verdict, Verdict::Deny);
}

// 12: names.

#[test]
fn cve_2023_33959_another_artifact_of_the_same_signer() {
    let body = format!("{SIGNED}\nbind = \"release\"");
    let toy = statement(RELEASE, &model(), json!({ "purl": "pkg:huggingface/acme/toy@1.0.0" }));
    let case = || Case::new(&one_key(&body)).bundle(signed());
    case().bundle(Key::new(1).sign_statement(&toy)).denied(Code::BindNameMismatch);
    case().bundle(Key::new(1).sign_statement(&release(&model(), "1.0.0"))).allowed();
}

#[test]
fn cve_2021_41087_names_that_lead_back_are_no_names() {
    for bad in [
        "hf://huggingface.co/acme/../evil/ranker",
        "file:///srv/models/../x",
        "hf://huggingface.co/acme/%72anker",
    ] {
        assert!(modelseal_verify::policy::reference::Reference::canonical(bad).is_err(), "{bad}");
    }
    let subject = |name: &str| {
        let mut statement = statement(TEST_RESULT, &model(), passed());
        let file = |path: &str, bytes: &str| json!({ "name": path, "digest": { "sha256": digest_of(bytes.as_bytes()).to_hex() } });
        statement["subject"] = json!([
            file(name, "{}"),
            file("weights/a.safetensors", "aaaa"),
            file("weights/b.safetensors", "bbbb")
        ]);
        Case::new(&evaluated("")).bundle(signed()).bundle(Key::new(1).sign_statement(&statement))
    };
    subject("config.json").allowed();
    subject("dir/../config.json").denied(Code::AttestationSubjectMismatch);
    subject("./config.json").denied(Code::AttestationSubjectMismatch);
}

#[test]
fn slsa_verifier_ghsa_r2xv_vpr2_42m9_publish_attestation_is_no_provenance() {
    let text = head("p")
        + &Key::new(1).signer("acme", "")
        + "builders.b = { signers = [\"acme\"], builder-id = \"https://b.example\", max-level = 3, build-types = [\"https://t.example\"] }\n"
        + &rule("slsa = { builders = [\"b\"], min-level = 1 }");
    let publish =
        attested("https://github.com/npm/attestation/tree/main/specs/publish/v0.1", json!({ "name": "x" }));
    Case::new(&text).bundle(publish).denied(Code::SlsaMissing);
}

#[test]
fn oms_renamed_files_with_an_equal_root_digest() {
    let (good, renamed) = (manifest(&[("a", "1"), ("b", "2")]), manifest(&[("c", "1"), ("d", "2")]));
    assert_eq!(good.root_digest(), renamed.root_digest());
    let case = |model: &Manifest| {
        Case::new(&one_key(SIGNED)).bundle(Key::new(1).sign_model(&good)).model(model.clone())
    };
    case(&good).allowed();
    case(&renamed).denied(Code::IntegrityFileMissing);
    // Neither as a pin, nor as an attestation's subject.
    let pin = format!(
        "{SIGNED}\nbind = \"digest\"\ndigests = [\"manifest-sha256:{}\"]",
        good.root_digest().to_hex()
    );
    Case::new(&one_key(&pin))
        .bundle(Key::new(1).sign_model(&good))
        .model(good.clone())
        .denied(Code::BindDigestNotListed);
    let mut rooted = statement(TEST_RESULT, &good, passed());
    rooted["subject"][0]["digest"] = json!({ "sha256": good.root_digest().to_hex() });
    Case::new(&evaluated(""))
        .model(good.clone())
        .bundle(Key::new(1).sign_model(&good))
        .bundle(Key::new(1).sign_statement(&rooted))
        .denied(Code::AttestationSubjectMismatch);
}

// 13, 14: identities.

#[test]
fn renamed_owner_with_the_same_repository_name() {
    let text = head("p")
        + "trust-roots.r = { tuf = \"https://tuf.example\" }\n"
        + "signers.ci = { kind = \"keyless\", trust-root = \"r\", issuer = \"https://i.example\", claims = { source-repository-uri = \"https://github.com/acme/m\", source-repository-owner-id = \"1342004\" } }\n"
        + &rule("signature = { signers = [\"ci\"] }");
    let with = |owner: &str| {
        let claims = json!({ "source-repository-uri": "https://github.com/acme/m", "source-repository-owner-id": owner });
        let said = json!({ "identity": "x", "issuer": "https://i.example", "logs": ["l"], "claims": claims });
        Case::new(&text).bundle(keyless_model(&model(), &said))
    };
    with("1342004").allowed();
    with("9999999").denied(Code::IdentityClaimMismatch);
}

#[test]
fn gh_predicates_of_strangers_are_not_looked_at() {
    let forged = Key::new(9).sign_statement(&statement(TEST_RESULT, &model(), passed()));
    let report = Case::new(&evaluated("")).bundle(signed()).bundle(forged).denied(Code::AttestationMissing);
    assert_eq!(report.rejected.len(), 1);
}

// 15: errors.

#[test]
fn ratify_116_an_error_is_no_success() {
    let case = Case::new(&one_key(SIGNED)).bundle(signed()).unmeasured();
    for code in [Code::ErrorTimeout, Code::ErrorIo, Code::ErrorCancelled] {
        let facts = case.facts();
        let serialization = facts.to_measure().remove(0);
        let facts = facts.not_measured(serialization, code, "so it was");
        let decision = decide(&case.set, &case.request, &facts, now());
        assert_eq!((decision.verdict(), decision.report().exit_status()), (Verdict::Error, 3));
        assert!(decision.allowed(true).is_none());
    }
    // Nor does audit make one of it.
    let audit = Case::new(&one_key(&format!("{SIGNED}\nmode = \"audit\""))).bundle(signed()).unmeasured();
    audit.undecided(Code::ErrorInternal);
}

// 17: nothing in the artefact relaxes anything.

#[test]
fn kyverno_16336_what_the_model_says_of_itself_weakens_nothing() {
    let files = [("config.json", "{}")];
    let hiding = manifest_with(ignoring(&["scripts"]), &files);
    let content = format!("{SIGNED}\ncontent = {{ ignore-paths = [\".git\"] }}");
    let case = |body: &str| {
        Case::new(&one_key(body)).bundle(Key::new(1).sign_model(&hiding)).model(manifest(&files))
    };
    case(&content).denied(Code::IntegrityIgnoredPathNotAllowed);
    case(&content.replace(".git", "scripts")).allowed();
    // Annotations and names of a statement are for people.
    let mut statement = statement(TEST_RESULT, &manifest(&[("x", "y")]), passed());
    statement["subject"][0]["annotations"] = json!({ "modelseal-verified": true });
    statement["subject"][0]["name"] = json!(REFERENCE);
    Case::new(&evaluated(""))
        .bundle(signed())
        .bundle(Key::new(1).sign_statement(&statement))
        .denied(Code::AttestationSubjectMismatch);
}

// 18: waivers.

const WAIVER: &str = "waiver = [{ id = \"W\", rule = \"r\", codes = [\"CODE\"], digests = [\"DIGEST\"], expires = EXPIRES, approved-by = [\"a@b.example\"], reason = \"x\" }]\n";

fn waived(code: &str, expires: &str, body: &str) -> String {
    let waiver =
        WAIVER.replace("CODE", code).replace("EXPIRES", expires).replace("DIGEST", &manifest_name(&model()));
    head("p") + &waiver + &Key::new(1).signer("acme", "") + &rule(body)
}

const AGED: &str = "signature = { signers = [\"acme\"], timestamp = \"required\", max-age = \"30d\" }";

#[test]
fn conforma_ec_1911_waiver_with_a_bad_date_is_no_policy() {
    let good = waived("time.signature-too-old", "2026-12-15T00:00:00Z", AGED);
    Case::new(&good).stamped(signed(), &["2026-09-01T00:00:00Z"]).allowed();
    for bad in ["2026-13-45T00:00:00Z", "2026-12-15T00:00:00", "\"never\"", "2026-12-15"] {
        refused(&waived("time.signature-too-old", bad, AGED));
    }
}

#[test]
fn conforma_ec_1993_waiver_longer_than_allowed_counts_for_nothing() {
    let text = waived("time.signature-too-old", "2027-04-01T00:00:00Z", AGED);
    // At parse time by lint, or at the time of the decision.
    match UnvalidatedPolicy::from_toml("p", &text).validate(&modelseal_verify::policy::load::NoFiles, None) {
        Err(_) => {}
        Ok(policy) => {
            let mut case = Case::new(&one_key(AGED)).stamped(signed(), &["2026-09-01T00:00:00Z"]);
            case.set = PolicySet::new([policy]).unwrap();
            let report = case.denied(Code::TimeSignatureTooOld);
            assert!(report.notes.iter().any(|note| note.contains("max-waiver")), "{:?}", report.notes);
        }
    }
}

#[test]
fn cve_2024_48921_a_waiver_is_for_one_rule_and_one_model() {
    let text = waived("time.signature-too-old", "2026-12-15T00:00:00Z", AGED);
    let other = manifest(&[("other", "1")]);
    Case::new(&text)
        .model(other.clone())
        .stamped(Key::new(1).sign_model(&other), &["2026-09-01T00:00:00Z"])
        .denied(Code::TimeSignatureTooOld);
}

#[test]
fn ghsa_gg4x_fgg2_h9w9_what_must_not_be_waived_cannot_be() {
    for code in [
        "integrity.digest-mismatch",
        "deny.digest",
        "signature.missing",
        "policy.expired",
        "error.unsupported",
    ] {
        refused(&waived(code, "2026-12-15T00:00:00Z", AGED));
    }
    // A near miss with a waivable code does not stand in for the signature.
    let window = Key::new(1).signer("acme", ", not-after = 2026-06-30T00:00:00Z");
    let text = waived("identity.key-outside-validity", "2026-12-15T00:00:00Z", SIGNED)
        .replace(&Key::new(1).signer("acme", ""), &window);
    let report = Case::new(&text).bundle(signed()).denied(Code::SignatureNoTrustedSigner);
    assert!(report.is_waived() || report.with(Status::Fail).count() == 2, "{}", show(&report));
}

// 20: paths and links.

#[test]
fn model_transparency_647_names_that_lead_out_of_the_model() {
    let payload =
        String::from_utf8(signature_v1::write(&manifest(&[("passwd", "x")]), "m").unwrap()).unwrap();
    for name in ["../passwd", "/etc/passwd", "a/../../passwd", "a\\\\passwd"] {
        let evil = payload.replacen("\"name\":\"passwd\"", &format!("\"name\":\"{name}\""), 1);
        assert_ne!(evil, payload);
        let report = Case::new(&one_key(SIGNED))
            .bundle(Key::new(1).sign(IN_TOTO_PAYLOAD_TYPE, evil.as_bytes()))
            .denied(Code::SignatureNoTrustedSigner);
        assert!(report.rejected.iter().any(|r| r.code == Code::IntegrityPathEscape), "{}", show(&report));
    }
}

#[test]
fn model_transparency_666_the_policy_on_links_holds_whatever_the_signer_allowed() {
    let linked = Serialization { allow_symlinks: true, ..Serialization::default() };
    let signed = manifest_with(linked, &[("a", "1")]);
    let text = one_key(&format!("{SIGNED}\ncontent = {{ symlinks = \"deny\" }}"));
    let case = Case::new(&text).bundle(Key::new(1).sign_model(&signed));
    let facts = collect(&case.set, &case.evidence(), &NoKeyless, now());
    let measured = || Measurement::new(Observed::measured_by_this_process(signed.clone()), 1);
    let code = |measurement| {
        decide(&case.set, &case.request, &facts.clone().measured(measurement), now()).report().code
    };
    assert_eq!(code(measured()), Some(Code::IntegritySymlink), "nobody says that none was followed");
    assert_eq!(code(measured().following([path("a")])), Some(Code::IntegritySymlink));
    assert_eq!(code(measured().following([])), None);
}

// 21: old and still valid.

#[test]
fn cve_2024_23332_an_old_release_is_not_the_current_one() {
    let body = format!("{SIGNED}\nbind = \"release\"\nmin-version = \"2.0.0\"\nmode = \"enforce\"");
    let case = |version: &str| {
        Case::new(&one_key(&body))
            .bundle(signed())
            .bundle(Key::new(1).sign_statement(&release(&model(), version)))
    };
    case("2.0.0").allowed();
    case("1.9.9").denied(Code::BindVersionBelowMinimum);
    // Bytes that were released twice are the later release: holding the earlier statement back must not help.
    case("2.0.0").bundle(Key::new(1).sign_statement(&release(&model(), "1.0.0"))).allowed();
}

#[test]
fn audit_rule_with_a_tampered_byte_denies() {
    let body = format!("{SIGNED}\nmode = \"audit\"");
    let tampered = manifest(&[
        ("config.json", "{}"),
        ("weights/a.safetensors", "aaab"),
        ("weights/b.safetensors", "bbbb"),
    ]);
    Case::new(&one_key(&body)).bundle(signed()).model(tampered).denied(Code::IntegrityDigestMismatch);
    Case::new(&one_key(&body)).bundle(signed()).allowed();
}

// 23: without end.

#[test]
fn cve_2023_33957_bounds_on_evidence() {
    let sign = |count: u32| {
        let mut case = Case::new(&one_key(SIGNED));
        for n in 0..count {
            case = case.bundle(Key::new(1).sign_model_as(&model(), &format!("m{n}")));
        }
        case
    };
    sign(32).allowed();
    sign(33).undecided(Code::ErrorLimitExceeded);
    let mut case = Case::new(&one_key(SIGNED)).bundle(signed());
    for n in 0..257 {
        case = case.bundle(attested(TEST_RESULT, json!({ "result": "PASSED", "configuration": [], "n": n })));
    }
    case.undecided(Code::ErrorLimitExceeded);
    // A bundle that is too large, or has too many log entries, helps nobody.
    let text = String::from_utf8(signed()).unwrap();
    let with_entry: Value =
        serde_json::from_str(include_str!("../../../testdata/sigstore/key-v2.json")).unwrap();
    let entry = with_entry["verificationMaterial"]["tlogEntries"][0].to_string();
    let entries = vec![entry; 17].join(",");
    let logged = text.replacen("\"publicKey\"", &format!("\"tlogEntries\":[{entries}],\"publicKey\""), 1);
    assert_ne!(text, logged);
    let report =
        Case::new(&one_key(SIGNED)).bundle(logged.into_bytes()).denied(Code::SignatureNoTrustedSigner);
    assert!(report.rejected.iter().any(|r| r.code == Code::ErrorLimitExceeded), "{}", show(&report));
    let mut huge = signed();
    huge.resize(MAX_BUNDLE_BYTES + 1, b' ');
    let report = Case::new(&one_key(SIGNED)).bundle(huge).denied(Code::SignatureNoTrustedSigner);
    assert!(report.rejected.iter().any(|r| r.code == Code::ErrorLimitExceeded));
}

// 25: policy languages.

#[test]
fn cedar_a_deny_list_that_cannot_be_evaluated_is_not_skipped() {
    let list = "denylist = [{ file = \"deny.json\", signers = [\"psirt\"], max-age = \"14d\" }]\n";
    let text =
        head("p") + list + &Key::new(1).signer("acme", "") + &Key::new(5).signer("psirt", "") + &rule(SIGNED);
    Case::new(&text).bundle(signed()).denied(Code::DenyFeedInvalid);
    let audit = text.replace(SIGNED, &format!("{SIGNED}\nmode = \"audit\""));
    Case::new(&audit).bundle(signed()).denied(Code::DenyFeedInvalid);
}

#[test]
fn regorus_705_a_missing_field_does_not_satisfy_a_negative_test() {
    let not_in = ", where = { \"/status\" = { not-in = [\"revoked\"] } }";
    let with = |predicate: Value| {
        let text = evaluated(not_in).replace(TEST_RESULT, "https://acme.example/status/v1");
        Case::new(&text).bundle(signed()).bundle(attested("https://acme.example/status/v1", predicate))
    };
    with(json!({ "status": "good" })).allowed();
    with(json!({ "status": "revoked" })).denied(Code::AttestationFieldMismatch);
    with(json!({})).denied(Code::AttestationFieldMissing);
    with(json!({ "status": ["revoked"] })).denied(Code::AttestationFieldType);
}

#[test]
fn an_unreadable_bundle_is_reported_and_helps_nobody() {
    let case = Case::new(&one_key(SIGNED)).bundle(b"not json".to_vec()).bundle(signed());
    let report = case.allowed();
    assert_eq!(report.rejected.len(), 1);
    assert_eq!(report.rejected[0].code, Code::SignatureMalformed);
    let mut evidence = Evidence::new();
    evidence.unreadable("x.sig", "permission denied");
    let set = set(&one_key(SIGNED));
    let facts = measure(collect(&set, &evidence, &NoKeyless, now()), &model());
    let report = decide(&set, &Request::new(reference(REFERENCE)), &facts, now()).report().clone();
    assert_eq!((report.verdict, report.rejected.len()), (Verdict::Deny, 1));
}
