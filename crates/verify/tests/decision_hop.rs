//! Policies about an artifact that is known by its digest alone.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod decision_support;

use decision_support::{
    Case, Key, REFERENCE, digest_of, head, manifest, manifest_name, model, now, policy, reference, rule,
    statement,
};
use modelseal_core::{
    cover::{PART_OF_DIRECTORY, Target, whole},
    manifest::Manifest,
    predicate::{descriptor::Descriptor, slsa_provenance::PREDICATE_TYPE_V1},
};
use modelseal_verify::{
    decision::{
        Code, PolicySet, Request, Verdict,
        hop::{self, Artifact, Hop, Standing},
    },
    facts::{NoKeyless, collect, sha256_name},
};
use serde_json::json;

fn judge(texts: &[&str], bundles: &[Vec<u8>], about: &Manifest) -> Hop {
    judge_measured(texts, bundles, about, &[])
}

fn judge_measured(texts: &[&str], bundles: &[Vec<u8>], about: &Manifest, measured: &[Manifest]) -> Hop {
    let set = PolicySet::new(texts.iter().map(|text| policy(text))).unwrap();
    let case = bundles.iter().fold(Case::new(texts[0]), |case, bundle| case.bundle(bundle.clone()));
    let facts = collect(&set, &case.evidence(), &NoKeyless, now());
    let (digest, method) = whole(about);
    let method = method.map(|method| ("digestMethod".into(), method.as_str().into()));
    let pinned = Descriptor { digest, annotations: method.into_iter().collect(), ..Descriptor::default() };
    let measured: Vec<Target<'_>> = measured.iter().map(Target::of).collect();
    let artifact = Artifact { pinned: &pinned, measured: &measured };
    hop::judge(&set, &Request::new(reference(REFERENCE)), artifact, facts, now())
}

fn signed_by(key: &Key, id: &str, more: &str) -> String {
    let signer = key.signer("a", "");
    format!("{}{signer}{more}{}", head(id), rule("signature = { signers = [\"a\"] }"))
}

#[test]
fn a_signature_of_the_artifact_allows_it_and_one_of_another_does_not() {
    let (key, other) = (Key::new(1), manifest(&[("a", "something else")]));
    let text = signed_by(&key, "p", "");
    let hop = judge(&[&text], &[key.sign_model(&model())], &model());
    assert_eq!((hop.verdict, hop.code), (Verdict::Allow, None), "{:#?}", hop.checks);
    assert!(matches!(hop.statements[&sha256_name(&key.sign_model(&model()))], Standing::Trusted(_)));
    // Evidence about something else is nothing, wherever it came from.
    let hop = judge(&[&text], &[key.sign_model(&model())], &other);
    assert_eq!((hop.verdict, hop.statements.len()), (Verdict::Deny, 0));
    let stranger = Key::new(2).sign_model(&model());
    let hop = judge(&[&text], std::slice::from_ref(&stranger), &model());
    assert_eq!((hop.code, hop.statements.len()), (Some(Code::SignatureNoTrustedSigner), 0));
    assert!(hop.rejected.contains_key(&sha256_name(&stranger)));
}

#[test]
fn provenance_of_something_else_counts_for_nothing() {
    let key = Key::new(1);
    let text = format!(
        "{}{}builders.b = {{ signers = [\"a\"], builder-id = \"x:b\", build-types = [\"x:t\"], max-level = 1 }}\n{}",
        head("p"),
        key.signer("a", ""),
        rule("slsa = { builders = [\"b\"], min-level = 1 }")
    );
    let predicate = json!({
        "buildDefinition": { "buildType": "x:t", "externalParameters": {} },
        "runDetails": { "builder": { "id": "x:b" } },
    });
    let bundle = |of: &Manifest| key.sign_statement(&statement(PREDICATE_TYPE_V1, of, predicate.clone()));
    let (this, other) = (manifest(&[("a", "1"), ("b", "2")]), manifest(&[("a", "1"), ("b", "3")]));
    let hop = judge(&[&text], &[bundle(&this)], &this);
    assert_eq!((hop.verdict, hop.code), (Verdict::Allow, None), "{:#?}", hop.checks);
    let hop = judge(&[&text], &[bundle(&other)], &this);
    assert_eq!((hop.verdict, hop.code), (Verdict::Deny, Some(Code::SlsaMissing)), "{:#?}", hop.checks);
    assert_eq!(hop.statements.len(), 0);
}

#[test]
fn every_policy_has_to_accept_and_a_deny_list_is_said_first() {
    let (one, two) = (Key::new(1), Key::new(2));
    let texts = [signed_by(&one, "p", ""), signed_by(&two, "q", "")];
    let both: Vec<&str> = texts.iter().map(String::as_str).collect();
    let bundle = one.sign_model(&model());
    let hop = judge(&both, std::slice::from_ref(&bundle), &model());
    assert_eq!(hop.verdict, Verdict::Deny);
    assert!(matches!(hop.statements[&sha256_name(&bundle)], Standing::Refused { .. }));
    assert_eq!(judge(&both, &[bundle.clone(), two.sign_model(&model())], &model()).verdict, Verdict::Allow);
    let deny = format!(
        "[[deny]]\nid = \"d\"\nreason = \"stolen\"\nkeys = [\"spki-sha256:{}\"]\n",
        one.fingerprint()
    );
    let hop = judge(&[&signed_by(&one, "p", &deny)], std::slice::from_ref(&bundle), &model());
    assert_eq!((hop.verdict, hop.code), (Verdict::Deny, Some(Code::DenyKey)), "{:#?}", hop.checks);
    assert!(hop.code.is_some_and(hop::is_revocation));
    assert!(matches!(hop.statements[&sha256_name(&bundle)], Standing::Denied { .. }));
}

/// A rule that asks for no signature, so that nothing but a list of files says what is in the artifact.
fn unsigned(more: &str, content: &str) -> String {
    let body = format!("bind = \"digest\"\ndigests = [\"{}\"]\n{content}", manifest_name(&model()));
    format!("{}{}{more}{}", head("p"), Key::new(1).signer("a", ""), rule(&body))
}

/// A statement of no known kind that lists the files of `parts` beside the digest of the usual model.
fn listing(key: &Key, parts: &Manifest) -> Vec<u8> {
    let mut listing = statement("https://acme.example/list/v1", &model(), json!({}));
    let subjects = listing["subject"].as_array_mut().unwrap();
    subjects.extend(parts.resources().iter().map(|file| {
        json!({
            "name": file.path.as_str(), "digest": { "sha256": file.digest.to_hex() },
            "annotations": { "digestMethod": PART_OF_DIRECTORY },
        })
    }));
    key.sign_statement(&listing)
}

#[test]
fn the_files_of_an_artifact_are_those_of_a_list_that_has_its_digest() {
    let deny = |bytes: &[u8]| {
        let digest = digest_of(bytes).to_hex();
        let entry = format!("id = \"d\", reason = \"x\", file-digests = [\"sha256:{digest}\"]");
        unsigned(&format!("deny = [{{ {entry} }}]\n"), "")
    };
    let (denied, harmless) = (deny(b"aaaa"), deny(b"something else"));
    let fewer = manifest(&[("config.json", "{}"), ("weights/b.safetensors", "bbbb")]);
    let key = Key::new(1);
    let unknown = (Verdict::Deny, Some(Code::ErrorUnsupported));
    let found = (Verdict::Deny, Some(Code::DenyFileDigest));
    for (bundles, measured, expected) in [
        (vec![], vec![], unknown),
        (vec![], vec![model()], found),
        (vec![], vec![fewer.clone()], unknown),
        (vec![listing(&key, &model())], vec![], found),
        (vec![listing(&key, &fewer)], vec![], unknown),
        // The digest says that it is all of the files, and nobody has said so who is known.
        (vec![listing(&Key::new(2), &model())], vec![], unknown),
    ] {
        let hop = judge_measured(&[&denied], &bundles, &model(), &measured);
        assert_eq!((hop.verdict, hop.code), expected, "{:#?}", hop.checks);
        let hop = judge_measured(&[&harmless], &bundles, &model(), &measured);
        let expected = if expected == found { (Verdict::Allow, None) } else { unknown };
        assert_eq!((hop.verdict, hop.code), expected, "{:#?}", hop.checks);
    }
}

#[test]
fn what_a_list_of_files_answers_is_asked_of_it_and_the_rest_denies() {
    let judge = |content: &str, measured: &[Manifest]| {
        let text = unsigned("", &format!("content = {{ {content} }}"));
        let hop = judge_measured(&[&text], &[], &model(), measured);
        (hop.verdict, hop.code)
    };
    let absent = (Verdict::Deny, Some(Code::SlsaBaseModelUnverified));
    assert_eq!(judge("max-files = 3", &[]), absent);
    assert_eq!(judge("max-files = 3", &[model()]), (Verdict::Allow, None));
    assert_eq!(judge("max-files = 2", &[model()]), (Verdict::Deny, Some(Code::ContentTooManyFiles)));
    // A measurement of something else is none of it.
    assert_eq!(judge("max-files = 3", &[manifest(&[("a", "1")])]), absent);
    assert_eq!(judge("max-bytes = 1000000", &[model()]), absent);
}
