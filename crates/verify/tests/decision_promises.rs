//! Decisions upon promises: what is said before a byte is read is what is said after reading, and opens no door for other bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod decision_support;

use decision_support::*;
use modelseal_core::{
    digest::Algorithm,
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
};
use modelseal_verify::{
    decision::{
        BaseModel, BaseModels, Code, Decision, DecisionReport, Request, Status, Verdict, cache::CacheEntry,
        cache::CacheKey, decide, decide_with,
    },
    facts::{Facts, FileList, Measurement, Promise, RecordedFacts, collect},
    policy::reference::Reference,
};
use proptest::prelude::*;
use serde_json::json;
use std::num::NonZeroU64;

type Files<'a> = &'a [(&'a str, &'a str)];

const FILES: Files<'static> =
    &[("config.json", "{}"), ("weights/a.safetensors", "aaaa"), ("weights/b.safetensors", "bbbb")];
const OTHER: Files<'static> =
    &[("config.json", "{}"), ("weights/a.safetensors", "aaaa"), ("weights/b.safetensors", "cccc")];

/// What this process finds where these files lie.
fn listed(facts: Facts, files: Files<'_>) -> Facts {
    facts.to_measure().into_iter().fold(facts, |facts, serialization| {
        let ignored = |name: &str| serialization.ignore_paths.iter().any(|p| path(name).is_within(p));
        let files = files.iter().filter(|(name, _)| !ignored(name));
        let files: Vec<(ModelPath, u64)> =
            files.map(|(name, bytes)| (path(name), bytes.len() as u64)).collect();
        facts.listed(FileList::new(serialization, Observed::measured_by_this_process(files)))
    })
}

fn shards(size: u64, files: Files<'_>) -> Manifest {
    let method = Method::Shards(NonZeroU64::new(size).unwrap());
    let mut resources = Vec::new();
    for (name, bytes) in files {
        let mut start = 0;
        for part in bytes.as_bytes().chunks(size.try_into().unwrap()) {
            let end = start + part.len() as u64;
            let range = Some(ByteRange { start, end });
            resources.push(Resource { path: path(name), range, digest: digest_of(part) });
            start = end;
        }
    }
    Manifest::sorted(Serialization { method, ..Serialization::default() }, resources).unwrap()
}

/// Every decision upon one promise, and what was promised.
fn each(case: &Case, files: Files<'_>) -> Vec<(Promise, Decision)> {
    let facts = listed(collect(&case.set, &case.evidence(), &case.keyless, case.now), files);
    let promises = facts.promises().into_iter();
    let decided = promises.map(|promise| {
        let decision = decide(&case.set, &case.request, &facts.clone().promised(&promise), case.now);
        (promise, decision)
    });
    decided.collect()
}

fn the_only(case: &Case, files: Files<'_>) -> Decision {
    let mut all = each(case, files);
    assert_eq!(all.len(), 1);
    all.remove(0).1
}

/// What a loader does, as the front makes it: decides upon the only list that may be right, or measures.
#[derive(Debug, PartialEq)]
enum Opened {
    AsRead(Manifest),
    Denied,
    Measure,
}

fn open(case: &Case, files: Files<'_>) -> Opened {
    let facts = listed(collect(&case.set, &case.evidence(), &case.keyless, case.now), files);
    if decide(&case.set, &case.request, &facts, case.now).verdict() == Verdict::Deny {
        return Opened::Denied;
    }
    let promises = facts.promises();
    let Some((promise, others)) = promises.split_first() else { return Opened::Measure };
    if others.iter().any(|other| !other.is_same(promise)) {
        return Opened::Measure;
    }
    let decision = decide(&case.set, &case.request, &facts.clone().promised(promise), case.now);
    assert!(decision.allowed(true).is_none(), "a promise is no measurement");
    match decision.allowed_as_read() {
        Some(allowed) => Opened::AsRead(allowed.promise().manifest().clone()),
        None if decision.verdict() == Verdict::Deny => Opened::Denied,
        None => Opened::Measure,
    }
}

#[track_caller]
fn codes(report: &DecisionReport) -> Vec<Code> {
    report.checks.iter().filter_map(|check| check.code).collect()
}

fn signers() -> String {
    head("p") + &Key::new(1).signer("a", "") + &Key::new(2).signer("b", "") + &Key::new(3).signer("c", "")
}

fn one() -> String {
    signers() + &rule("signature = { signers = [\"a\", \"b\"], threshold = 1 }")
}

/// The same policy with plain keys before its tables.
fn with(keys: &str, policy: &str) -> String {
    let at = policy.find("signers.").unwrap();
    format!("{}{keys}{}", &policy[..at], &policy[at..])
}

#[test]
fn what_was_signed_is_allowed_before_it_is_read_and_only_as_that() {
    let case = Case::new(&one()).bundle(Key::new(1).sign_model(&model())).unmeasured();
    let decision = the_only(&case, FILES);
    let report = decision.report();
    assert_eq!(report.verdict, Verdict::Allow, "{}", show(report));
    assert!(decision.allowed(false).is_none() && decision.allowed(true).is_none());
    let allowed = decision.allowed_as_read().unwrap();
    assert_eq!(allowed.promise().manifest(), &model());
    assert_eq!(allowed.promise().digest(), manifest_name(&model()));
    assert_eq!(report.manifest.as_deref(), Some(&*manifest_name(&model())));
    let integrity = report.checks.iter().find(|check| check.id == "integrity").unwrap();
    assert!(integrity.message.contains("compared as it is read"), "{}", integrity.message);
    // A measurement is the other kind of proof, and never both.
    let measured = case.model(model()).decide();
    assert!(measured.allowed(false).is_some() && measured.allowed_as_read().is_none());
    assert_eq!(measured.allowed(false).unwrap().lists().count(), 1);
}

#[test]
fn names_and_sizes_deny_without_a_promise() {
    let case = |manifest: &Manifest| Case::new(&one()).bundle(Key::new(1).sign_model(manifest)).unmeasured();
    let facts =
        |case: &Case, files| listed(collect(&case.set, &case.evidence(), &case.keyless, case.now), files);
    let judged = |case: &Case, files| {
        let facts = facts(case, files);
        assert!(facts.promises().is_empty());
        decide(&case.set, &case.request, &facts, case.now).report().clone()
    };
    let whole = case(&model());
    let report = judged(&whole, &FILES[1..]);
    assert_eq!(report.verdict, Verdict::Deny);
    assert!(codes(&report).contains(&Code::IntegrityFileMissing), "{}", show(&report));
    // Under shards the signed sizes are known.
    let sharded = case(&shards(3, FILES));
    let longer = [FILES[0], FILES[1], ("weights/b.safetensors", "bbbbb")];
    let report = judged(&sharded, &longer);
    assert!(codes(&report).contains(&Code::IntegrityDigestMismatch), "{}", show(&report));
    assert_eq!(open(&sharded, &longer), Opened::Denied);
    assert_eq!(open(&sharded, FILES), Opened::AsRead(shards(3, FILES)));
}

#[test]
fn a_file_that_nobody_signed_denies_and_where_it_may_be_it_is_not_promised() {
    let more = [FILES[0], FILES[1], FILES[2], ("zz.py", "import os")];
    let case = Case::new(&one()).bundle(Key::new(1).sign_model(&model())).unmeasured();
    let decision = the_only(&case, &more);
    assert_eq!(decision.verdict(), Verdict::Deny);
    assert!(codes(decision.report()).contains(&Code::IntegrityFileUnsigned));
    assert_eq!(open(&case, &more), Opened::Denied);
    let tolerant = signers()
        + &rule("signature = { signers = [\"a\"], threshold = 1 }\ncontent = { unsigned-files = \"allow\" }");
    let case = Case::new(&tolerant).bundle(Key::new(1).sign_model(&model())).unmeasured();
    assert_eq!(open(&case, &more), Opened::AsRead(model()));
}

#[test]
fn a_promise_is_about_one_list_and_others_beside_it_are_no_way_to_other_bytes() {
    // An older release with the same names: the bytes have to tell.
    let case = Case::new(&one())
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(1).sign_model(&manifest(OTHER)))
        .unmeasured();
    assert_eq!(open(&case, FILES), Opened::Measure);
    for (promise, decision) in each(&case, FILES) {
        assert_eq!(
            decision.allowed_as_read().unwrap().promise().manifest(),
            promise.manifest(),
            "the proof has the list that was decided about"
        );
    }
    // One under other parameters as well, although no digest contradicts another.
    let case = Case::new(&one())
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(2).sign_model(&shards(3, FILES)))
        .unmeasured();
    assert_eq!(open(&case, FILES), Opened::Measure);
    // A signed part of the files says nothing about the rest, which nobody signed.
    let part = manifest(&FILES[..2]);
    let case = Case::new(&one()).bundle(Key::new(1).sign_model(&part)).unmeasured();
    assert_eq!(open(&case, FILES), Opened::Denied);
    // Unless its signer left the rest out: then only the part may be given out.
    let part = manifest_with(ignoring(&["weights/b.safetensors"]), &FILES[..2]);
    let case = Case::new(&one()).bundle(Key::new(1).sign_model(&part)).unmeasured();
    assert_eq!(open(&case, FILES), Opened::AsRead(part));
}

#[test]
fn two_policies_that_speak_of_different_lists_have_no_proof_together() {
    let other = head("q")
        + &Key::new(2).signer("b", "")
        + &rule("signature = { signers = [\"b\"], threshold = 1 }\ncontent = { unsigned-files = \"allow\" }");
    let first = signers()
        + &rule("signature = { signers = [\"a\"], threshold = 1 }\ncontent = { unsigned-files = \"allow\" }");
    let part = manifest(&FILES[..2]);
    let mut case = Case::new(&first)
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(2).sign_model(&part))
        .unmeasured();
    case.set = modelseal_verify::decision::PolicySet::new([policy(&first), policy(&other)]).unwrap();
    let all = each(&case, FILES);
    assert_eq!(all.len(), 2);
    for (_, decision) in &all {
        assert!(decision.allowed_as_read().is_none(), "{}", show(decision.report()));
    }
    // A promise of the whole tells the part, too: both policies allow, and about different lists.
    let whole = all.iter().find(|(promise, _)| *promise.manifest() == model()).unwrap();
    assert_eq!(whole.1.verdict(), Verdict::Allow, "{}", show(whole.1.report()));
    // Measured, the model is allowed, and what may be given out is what both list.
    let decision = case.model(model()).decide();
    let lists: Vec<usize> =
        decision.allowed(false).unwrap().lists().map(|list| list.manifest.file_count()).collect();
    assert_eq!(lists, [3, 2]);
}

#[test]
fn a_threshold_counts_only_those_who_signed_the_promised_list() {
    let two = signers() + &rule("signature = { signers = [\"a\", \"b\"], threshold = 2 }");
    let case = Case::new(&two).bundle(Key::new(1).sign_model(&model())).unmeasured();
    assert_eq!(open(&case, FILES), Opened::Denied);
    let apart = Case::new(&two)
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(2).sign_model(&manifest(OTHER)))
        .unmeasured();
    assert!(each(&apart, FILES).iter().all(|(_, decision)| decision.allowed_as_read().is_none()));
    assert_eq!(open(&apart, FILES), Opened::Denied);
    // The same digests under another hash are not the same list, although its digest does not tell.
    let blake3 = Serialization { algorithm: Algorithm::Blake3, ..Serialization::default() };
    let named = |r: &Resource| Resource {
        digest: modelseal_core::digest::Digest::from_hex(Algorithm::Blake3, &r.digest.to_hex()).unwrap(),
        ..r.clone()
    };
    let same_hex = Manifest::sorted(blake3, model().resources().iter().map(named).collect()).unwrap();
    assert_eq!(same_hex.manifest_digest(), model().manifest_digest());
    let apart = Case::new(&two)
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(2).sign_model(&same_hex))
        .unmeasured();
    assert!(each(&apart, FILES).iter().all(|(_, decision)| decision.allowed_as_read().is_none()));
    let together = Case::new(&two)
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(2).sign_model(&manifest_with(ignoring(&["notes"]), FILES)))
        .unmeasured();
    let Opened::AsRead(promised) = open(&together, FILES) else { panic!("both signed this list") };
    assert_eq!(promised.resources(), model().resources());
}

#[test]
fn a_signature_of_another_list_waits_for_no_threshold() {
    // Before anything is measured, a list that lacks signatures must not keep from measuring the one that has them.
    let two = signers() + &rule("signature = { signers = [\"a\", \"b\"], threshold = 2 }");
    let case = Case::new(&two)
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(2).sign_model(&model()))
        .bundle(Key::new(1).sign_model(&manifest(OTHER)));
    case.allowed();
    let early = case.unmeasured().decide();
    assert_eq!(early.verdict(), Verdict::Error, "{}", show(early.report()));
}

#[test]
fn deny_lists_see_the_promised_list_and_what_they_cannot_see_is_undecided() {
    let b_digest = digest_of(b"bbbb").to_string();
    let by_file = |digest: &str| {
        with(&format!("deny = [{{ id = \"D\", reason = \"x\", file-digests = [\"{digest}\"] }}]\n"), &one())
    };
    let by_model = |digest: &str| {
        with(&format!("deny = [{{ id = \"D\", reason = \"x\", digests = [\"{digest}\"] }}]\n"), &one())
    };
    let denied = |policy: &str, signed: &Manifest, code| {
        let case = Case::new(policy).bundle(Key::new(1).sign_model(signed)).unmeasured();
        assert_eq!(open(&case, FILES), Opened::Denied);
        assert!(codes(the_only(&case, FILES).report()).contains(&code));
    };
    denied(&by_file(&b_digest), &model(), Code::DenyFileDigest);
    denied(&by_model(&manifest_name(&model())), &model(), Code::DenyDigest);
    let undecided = |policy: &str, signed: &Manifest, files| {
        let case = Case::new(policy).bundle(Key::new(1).sign_model(signed)).unmeasured();
        assert_eq!(open(&case, files), Opened::Measure);
        assert!(the_only(&case, files).allowed_as_read().is_none());
    };
    // Neither shards nor another hash have the digests of whole files.
    undecided(&by_file(&b_digest), &shards(3, FILES), FILES);
    let blake3 = Serialization { algorithm: Algorithm::Blake3, ..Serialization::default() };
    undecided(&by_file(&b_digest), &manifest_with(blake3, FILES), FILES);
    // What is here besides may be what is denied.
    let part = manifest_with(ignoring(&["weights/b.safetensors"]), &FILES[..2]);
    let wider = manifest_with(ignoring(&[]), &[FILES[0], ("gone", "x")]);
    for policy in [by_file(&b_digest), by_model(&manifest_name(&model()))] {
        let case = Case::new(&policy)
            .bundle(Key::new(1).sign_model(&part))
            .bundle(Key::new(2).sign_model(&wider))
            .unmeasured();
        assert_eq!(open(&case, FILES), Opened::Measure);
    }
    // Nor do shards tell whether they are a denied list of files under another name.
    let case = Case::new(&by_model(&manifest_name(&model())))
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(2).sign_model(&shards(3, FILES)))
        .unmeasured();
    assert!(each(&case, FILES).iter().all(|(_, decision)| decision.allowed_as_read().is_none()));
    // An entry that names something else lets it pass.
    let case = Case::new(&by_file(&digest_of(b"x").to_string()))
        .bundle(Key::new(1).sign_model(&model()))
        .unmeasured();
    assert_eq!(open(&case, FILES), Opened::AsRead(model()));
}

#[test]
fn what_only_the_bytes_tell_stays_undecided() {
    let inspecting = signers()
        + &rule(
            "signature = { signers = [\"a\"], threshold = 1 }\ncontent = { deny-formats = [\"pickle\"] }",
        );
    let case = Case::new(&inspecting).bundle(Key::new(1).sign_model(&model())).unmeasured();
    assert_eq!(open(&case, FILES), Opened::Measure);
    let audit = signers()
        + &rule(
            "mode = \"audit\"\nsignature = { signers = [\"a\"], threshold = 1 }\ncontent = { deny-formats = [\"pickle\"] }",
        );
    let case = Case::new(&audit).bundle(Key::new(1).sign_model(&model())).unmeasured();
    assert_eq!(open(&case, FILES), Opened::Measure);
}

#[test]
fn allow_unverified_is_no_word_about_a_promise() {
    let rule = signers() + &rule("action = \"insecure-allow-unverified\"");
    let case = Case::new(&rule).bundle(Key::new(1).sign_model(&model())).unmeasured();
    let decision = the_only(&case, FILES);
    assert!(decision.allowed(true).is_none() && decision.allowed_as_read().is_none());
    assert_eq!(open(&case, FILES), Opened::Measure);
    let measured = case.model(model()).decide();
    assert_eq!(measured.verdict(), Verdict::AllowUnverified);
    assert_eq!(measured.allowed(true).unwrap().lists().count(), 0, "what was measured may load");
}

#[test]
fn a_rule_in_audit_excuses_no_other_bytes_and_no_missing_signature_of_a_promise() {
    let audit = |body: &str| signers() + &rule(&format!("mode = \"audit\"\n{body}"));
    let two = audit("signature = { signers = [\"a\", \"b\"], threshold = 2 }");
    let case = Case::new(&two).bundle(Key::new(1).sign_model(&model())).unmeasured();
    assert_eq!(open(&case, FILES), Opened::AsRead(model()));
    assert_eq!(open(&case, &FILES[1..]), Opened::Denied);
    // Signed by somebody whom the rule does not name: it would be a bare measurement that is let pass.
    let case = Case::new(&two).bundle(Key::new(3).sign_model(&model())).unmeasured();
    assert_eq!(the_only(&case, FILES).verdict(), Verdict::Error);
    assert_eq!(open(&case, FILES), Opened::Measure);
    case.model(model()).allowed();
}

#[test]
fn a_summary_lets_a_promise_be_read_and_no_list_that_it_is_not_about() {
    let rule = signers()
        + &rule(
            "bind = \"vsa\"\nvsa = { verifiers = [{ signer = \"c\", id = \"https://v.example\" }], levels = [\"L\"] }",
        );
    let vsa = |manifest: &Manifest| {
        statement(
            VSA,
            manifest,
            json!({
                "verifier": { "id": "https://v.example" }, "timeVerified": "2026-11-01T00:00:00Z", "resourceUri": REFERENCE,
                "policy": { "uri": "https://p.example", "digest": { "sha256": "ab".repeat(32) } },
                "verificationResult": "PASSED", "verifiedLevels": ["L"],
            }),
        )
    };
    let about = |manifest: &Manifest| Key::new(3).sign_statement(&vsa(manifest));
    let case = || Case::new(&rule).bundle(Key::new(1).sign_model(&model())).unmeasured();
    assert_eq!(open(&case().bundle(about(&model())), FILES), Opened::AsRead(model()));
    // About other files than the signed ones: a measurement may be what it is about.
    let case = case().bundle(about(&manifest(OTHER)));
    assert_eq!(open(&case, FILES), Opened::Measure);
    assert!(each(&case, FILES).iter().all(|(_, decision)| decision.allowed_as_read().is_none()));
    // Nothing signed but the summary.
    let alone = Case::new(&rule).bundle(about(&model())).unmeasured();
    assert_eq!(open(&alone, FILES), Opened::Measure);
}

#[test]
fn links_that_a_signer_allowed_are_judged_over_the_list_that_is_promised() {
    let linked = Serialization { allow_symlinks: true, ..Serialization::default() };
    let strict = signers()
        + &rule("signature = { signers = [\"a\"], threshold = 1 }\ncontent = { symlinks = \"deny\" }");
    let case = Case::new(&strict).bundle(Key::new(1).sign_model(&manifest_with(linked.clone(), FILES)));
    assert_eq!(open(&case, FILES), Opened::Denied);
    // The same list signed without links as well: whichever is promised is the one that is judged.
    let both = case.bundle(Key::new(1).sign_model(&model())).unmeasured();
    for (promise, decision) in each(&both, FILES) {
        let links = promise.manifest().serialization().allow_symlinks;
        assert_eq!(decision.allowed_as_read().is_some(), !links, "{}", show(decision.report()));
    }
}

#[test]
fn sizes_and_counts_are_those_of_the_files_that_are_here() {
    let limited = |content: &str| {
        let rule =
            rule(&format!("signature = {{ signers = [\"a\"], threshold = 1 }}\ncontent = {{ {content} }}"));
        Case::new(&(signers() + &rule)).bundle(Key::new(1).sign_model(&model())).unmeasured()
    };
    assert_eq!(open(&limited("max-bytes = 10"), FILES), Opened::AsRead(model()));
    assert_eq!(open(&limited("max-bytes = 9"), FILES), Opened::Denied);
    assert_eq!(open(&limited("max-files = 2"), FILES), Opened::Denied);
}

#[test]
fn a_version_that_was_rolled_back_is_denied_before_it_is_read() {
    let rule = signers() + &rule("signature = { signers = [\"a\"], threshold = 1 }\nbind = \"release\"");
    let case = |seen: &str| {
        let mut case = Case::new(&rule)
            .bundle(Key::new(1).sign_model(&model()))
            .bundle(Key::new(1).sign_statement(&release(&model(), "1.0.0")))
            .bundle(Key::new(1).sign_statement(&release(&manifest(OTHER), "9.0.0")))
            .unmeasured();
        case.request = Request::new(reference(REFERENCE)).not_below(seen.parse().unwrap());
        case
    };
    assert_eq!(open(&case("1.0.0"), FILES), Opened::AsRead(model()));
    assert_eq!(open(&case("1.0.1"), FILES), Opened::Denied);
}

#[test]
fn a_waiver_of_the_promised_digest_counts_and_the_end_of_policy_and_waiver_hold() {
    let asks = "signature = { signers = [\"a\"], threshold = 1, max-age = \"1d\", timestamp = \"required\" }";
    let waiver = |digest: &str| {
        format!(
            "[[waiver]]\nid = \"W\"\nrule = \"r\"\ncodes = [\"time.signature-too-old\", \"time.no-trusted-time\"]\ndigests = [\"{digest}\"]\nreason = \"x\"\napproved-by = [\"a\"]\nexpires = 2026-12-01T00:00:00Z\n"
        )
    };
    let policy = |digest: &str| signers() + &rule(asks) + &waiver(digest);
    let stamped = |policy: &str| {
        Case::new(policy).stamped(Key::new(1).sign_model(&model()), &["2026-11-01T00:00:00Z"]).unmeasured()
    };
    let waived = stamped(&policy(&manifest_name(&model())));
    assert_eq!(open(&waived, FILES), Opened::AsRead(model()));
    let until = the_only(&waived, FILES).report().valid_until.clone().unwrap();
    assert_eq!(until, "2026-11-23T12:00:00Z", "a verdict holds for a day at most");
    assert_eq!(open(&stamped(&policy(&manifest_name(&manifest(OTHER)))), FILES), Opened::Denied);
    // A decision that is made later is another one.
    assert_eq!(open(&waived.at("2026-12-01T00:00:00Z"), FILES), Opened::Denied);
    let expired = Case::new(&one()).bundle(Key::new(1).sign_model(&model())).unmeasured();
    let expired = expired.at("2027-06-30T00:00:00Z");
    assert_eq!(open(&expired, FILES), Opened::Denied);
    assert!(codes(the_only(&expired, FILES).report()).contains(&Code::PolicyExpired));
    assert!(the_only(&expired, FILES).allowed_as_read().is_none());
}

#[test]
fn a_model_that_is_one_file_is_promised_under_either_name() {
    let list = |facts: Facts, name: &str| {
        let files = Observed::measured_by_this_process(vec![(path(name), 4)]);
        facts.to_measure().into_iter().fold(facts, |facts, serialization| {
            facts.listed(FileList::new(serialization, files.clone()).of_single_file())
        })
    };
    let dot = Resource { path: ModelPath::reference_single_file(), range: None, digest: digest_of(b"aaaa") };
    let dot = Manifest::new(Serialization::default(), vec![dot]).unwrap();
    for (signed, name, fits) in [
        (dot.clone(), "model.gguf", true),
        (manifest(&[("model.gguf", "aaaa")]), "model.gguf", true),
        (manifest(&[("model.gguf", "aaaa")]), "other.gguf", false),
    ] {
        let case = Case::new(&one()).bundle(Key::new(1).sign_model(&signed)).unmeasured();
        let facts = list(collect(&case.set, &case.evidence(), &case.keyless, case.now), name);
        let promises = facts.promises();
        assert_eq!(promises.len(), usize::from(fits));
        for promise in promises {
            let decision = decide(&case.set, &case.request, &facts.clone().promised(&promise), case.now);
            assert_eq!(decision.allowed_as_read().unwrap().promise().manifest(), &signed);
        }
    }
    // In a directory that name is no file's.
    let case = Case::new(&one()).bundle(Key::new(1).sign_model(&dot)).unmeasured();
    assert_eq!(open(&case, &FILES[..1]), Opened::Denied);
}

#[test]
fn a_promise_is_neither_recorded_nor_kept_nor_good_for_other_facts() {
    let case = Case::new(&one()).bundle(Key::new(1).sign_model(&model())).unmeasured();
    let facts = listed(case.facts(), FILES);
    let promise = facts.promises().remove(0);
    let promised = facts.clone().promised(&promise);
    let decision = decide(&case.set, &case.request, &promised, case.now);
    assert!(decision.allowed_as_read().is_some());
    // Written down and read again it is not there: nobody can replay it as a measurement.
    let recorded = RecordedFacts::record(&case.request, &case.evidence(), &promised, case.now);
    let again = RecordedFacts::parse(&recorded.to_json().unwrap()).unwrap();
    for recorded in [recorded, again] {
        let replayed = recorded.replay(&case.set, &case.keyless, None);
        assert_eq!(replayed.report().verdict, Verdict::Error, "{}", show(replayed.report()));
    }
    let key = CacheKey::new(&case.set, &case.request, promise.digest(), &case.evidence(), "");
    assert!(CacheEntry::of(key, &decision, &promised).is_none());
    // Facts about another place, whose files nobody listed.
    let elsewhere = case.facts().promised(&promise);
    assert_eq!(decide(&case.set, &case.request, &elsewhere, case.now).verdict(), Verdict::Error);
    let elsewhere = listed(case.facts(), &FILES[1..]).promised(&promise);
    assert_eq!(decide(&case.set, &case.request, &elsewhere, case.now).verdict(), Verdict::Deny);
    // A measurement takes its place, and shows what the bytes are.
    let other = measure(promised, &manifest(OTHER));
    let decision = decide(&case.set, &case.request, &other, case.now);
    assert!(decision.verdict() == Verdict::Deny && decision.allowed_as_read().is_none());
    let failed: Vec<Code> = decision.report().with(Status::Fail).filter_map(|check| check.code).collect();
    assert_eq!(failed, [Code::IntegrityDigestMismatch]);
}

#[test]
fn a_signature_of_version_0_2_is_promised_as_any_other() {
    let subject: Vec<_> = model()
        .resources()
        .iter()
        .map(|r| json!({ "name": r.path.as_str(), "digest": { "sha256": r.digest.to_hex() } }))
        .collect();
    let old = json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": subject,
        "predicateType": "https://model_signing/Digests/v0.1", "predicate": { "unused": "Unused, just passed due to API" },
    });
    let case = Case::new(&one()).bundle(Key::new(1).sign_statement(&old)).unmeasured();
    let Opened::AsRead(promised) = open(&case, FILES) else { panic!("it lists every file") };
    assert_eq!(promised.resources(), model().resources());
    assert_eq!(open(&case, &FILES[..2]), Opened::Denied);
    // Beside a later release in the new form the bytes have to tell.
    let both = case.bundle(Key::new(1).sign_model(&manifest(OTHER)));
    assert_eq!(open(&both, FILES), Opened::Measure);
}

/// Base models that were promised instead of measured.
struct Promised(Request, Facts);

impl BaseModels for Promised {
    fn find(
        &self,
        _: &Reference,
        _: &modelseal_core::predicate::descriptor::Descriptor,
    ) -> Option<BaseModel<'_>> {
        Some(BaseModel { request: &self.0, facts: &self.1 })
    }
}

#[test]
fn a_base_model_is_not_promised_because_nobody_reads_it() {
    let uri = "hf://huggingface.co/acme/base";
    let policy = signers()
        + "builders.x = { signers = [\"c\"], builder-id = \"https://b.example\", max-level = 3, build-types = [\"https://t.example\"] }\n"
        + &format!("[[rule]]\nname = \"r\"\nmodels = [\"{REFERENCE}\", \"{uri}\"]\nbind = \"signer\"\n")
        + "signature = { signers = [\"a\"], threshold = 1 }\n"
        + "slsa = { builders = [\"x\"], min-level = 2, base-models = { verify = true } }\n";
    let base = manifest(OTHER);
    let provenance = json!({
        "buildDefinition": { "buildType": "https://t.example", "externalParameters": {}, "resolvedDependencies": [
            { "name": "base-model", "uri": uri, "digest": { "dirHash": base.manifest_digest().to_hex() } }
        ] },
        "runDetails": { "builder": { "id": "https://b.example" } },
    });
    let plain = json!({
        "buildDefinition": { "buildType": "https://t.example", "externalParameters": {}, "resolvedDependencies": [] },
        "runDetails": { "builder": { "id": "https://b.example" } },
    });
    let case = Case::new(&policy)
        .bundle(Key::new(1).sign_model(&model()))
        .bundle(Key::new(3).sign_statement(&named_statement(PROVENANCE, REFERENCE, &model(), provenance)));
    let of_base = Case::new(&policy)
        .bundle(Key::new(1).sign_model(&base))
        .bundle(Key::new(3).sign_statement(&named_statement(PROVENANCE, uri, &base, plain)))
        .unmeasured();
    let known = listed(of_base.facts(), OTHER);
    let promise = known.promises().remove(0);
    let request = Request::new(reference(uri));
    let pinned = Promised(request.clone(), of_base.facts());
    let judged = |bases: &Promised| decide_with(&case.set, &case.request, &case.facts(), case.now, bases);
    assert!(judged(&pinned).allowed(false).is_some(), "{}", show(judged(&pinned).report()));
    let promised = judged(&Promised(request, known.promised(&promise)));
    assert!(promised.allowed(true).is_none());
    assert!(codes(promised.report()).contains(&Code::SlsaBaseModelUnverified), "{}", show(promised.report()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever lies here and whoever signed what: opening and then reading everything allows exactly what measuring allows,
    /// or measures.
    #[test]
    fn opening_says_what_measuring_says(
        rule_at in 0usize..9, signed: u32, here in 0usize..6, denied in 0usize..5,
    ) {
        let sharded = shards(3, FILES);
        let part = manifest_with(ignoring(&["weights/b.safetensors"]), &FILES[..2]);
        let noted = manifest_with(ignoring(&["notes"]), FILES);
        let manifests = [model(), manifest(OTHER), part, noted, sharded, manifest(&FILES[..2])];
        let bodies = [
            "signature = { signers = [\"a\", \"b\"], threshold = 1 }",
            "signature = { signers = [\"a\", \"b\"], threshold = 2 }",
            "signature = { signers = [\"a\", \"b\"], threshold = 1 }\ncontent = { unsigned-files = \"allow\" }",
            "mode = \"audit\"\nsignature = { signers = [\"a\"], threshold = 1 }",
            "signature = { signers = [\"b\"], threshold = 1 }\ncontent = { max-bytes = 10, max-files = 3 }",
            "signature = { signers = [\"a\"], threshold = 1 }\ncontent = { ignore-paths = [] }",
            "action = \"insecure-allow-unverified\"",
            "signature = { signers = [\"a\", \"b\"], threshold = 2 }\ncontent = { unsigned-files = \"deny\" }",
            "signature = { signers = [\"a\"], threshold = 1, hash-algorithms = [\"sha256\"] }",
        ];
        let deny = [
            String::new(),
            format!("digests = [\"{}\"]", manifest_name(&model())),
            format!("digests = [\"{}\"]", manifest_name(&manifests[2])),
            format!("file-digests = [\"{}\"]", digest_of(b"bbbb")),
            format!("digests = [\"{}\"]", manifest_name(&manifests[4])),
        ];
        let mut text = signers() + &rule(bodies[rule_at]);
        if denied > 0 {
            text = with(&format!("deny = [{{ id = \"D\", reason = \"x\", {} }}]\n", deny[denied]), &text);
        }
        let notes = [FILES[0], ("notes", "n"), FILES[1], FILES[2]];
        let places: [Files<'_>; 6] = [FILES, OTHER, &FILES[..2], &notes, &FILES[1..], FILES];
        let files = places[here];
        let mut case = Case::new(&text).unmeasured();
        for (n, manifest) in manifests.iter().enumerate() {
            for key in [1u8, 2] {
                if signed >> (n * 2 + usize::from(key) - 1) & 1 == 1 {
                    case = case.bundle(Key::new(key).sign_model(manifest));
                }
            }
        }
        let facts = case.facts();
        let measured = facts.to_measure().into_iter().fold(facts, |facts, serialization| {
            let ignored = |name: &str| serialization.ignore_paths.iter().any(|p| path(name).is_within(p));
            let files: Vec<(&str, &str)> = files.iter().filter(|(name, _)| !ignored(name)).copied().collect();
            let manifest = match serialization.method {
                Method::Files => manifest_with(serialization.clone(), &files),
                Method::Shards(size) => shards(size.get(), &files),
            };
            let bytes = files.iter().map(|(_, text)| text.len() as u64).sum();
            let also = files.iter().map(|(name, text)| (path(name), digest_of(text.as_bytes()))).collect();
            let measurement = Measurement::new(Observed::measured_by_this_process(manifest), bytes);
            facts.measured(measurement.also(Observed::measured_by_this_process(also)).following([]))
        });
        let run = decide(&case.set, &case.request, &measured, case.now);
        let run = run.allowed(false).is_some();
        match open(&case, files) {
            Opened::Measure => {}
            Opened::Denied => prop_assert!(!run),
            Opened::AsRead(promised) => {
                // Reading everything that was promised succeeds when these are the bytes.
                let kept = promised.resources().iter().all(|resource| {
                    let bytes = files.iter().find(|(name, _)| *name == resource.path.as_str());
                    bytes.is_some_and(|(_, bytes)| {
                        let part = resource.range.map_or(bytes.as_bytes(), |range| {
                            bytes.as_bytes().get(range.start as usize..range.end as usize).unwrap_or(b"?")
                        });
                        digest_of(part) == resource.digest
                    })
                });
                prop_assert_eq!(kept, run);
            }
        }
    }
}
