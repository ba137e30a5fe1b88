//! What holds for any evidence: less of it never helps, noise never matters, and neither order nor threads change a byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod decision_support;

use decision_support::*;
use modelseal_core::dsse::IN_TOTO_PAYLOAD_TYPE;
use modelseal_verify::{
    decision::{DecisionReport, PolicySet, Request, Status, Verdict, decide},
    facts::{Evidence, NoKeyless, collect},
};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

static POLICIES: LazyLock<Vec<PolicySet>> = LazyLock::new(policies);
static TRUSTED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(trusted);
static NOISE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(noise);

/// Policies that ask for everything this evidence can show: thresholds, bindings, attestations, provenance, summaries.
fn policies() -> Vec<PolicySet> {
    let signers = || {
        head("p")
            + &Key::new(1).signer("a", ", principal = \"alice\"")
            + &Key::new(2).signer("a2", ", principal = \"alice\"")
            + &Key::new(3).signer("b", "")
            + &Key::new(4).signer("c", "")
            + "builders.x = { signers = [\"c\"], builder-id = \"https://b.example\", max-level = 3, build-types = [\"https://t.example\"] }\n"
    };
    let two = "signature = { signers = [\"a\", \"a2\", \"b\"], threshold = 2 }";
    let one = "signature = { signers = [\"a\", \"a2\", \"b\"], threshold = 1 }";
    let eval = "attestation = [{ name = \"e\", predicate-type = \"https://e.example/v1\", signers = [\"b\", \"c\"], threshold = 1, select = \"any\", where = { \"/ok\" = true } }]";
    let slsa = "slsa = { builders = [\"x\"], min-level = 2 }";
    let vsa = "vsa = { verifiers = [{ signer = \"c\", id = \"https://v.example\" }], levels = [\"L\"] }";
    let denied = format!(
        "deny = [{{ id = \"D\", reason = \"x\", keys = [\"spki-sha256:{}\"] }}]\n",
        Key::new(3).fingerprint()
    );
    let rules = [
        rule(one),
        rule(two),
        rule(&format!("{one}\nbind = \"release\"\nmin-version = \"1.0.0\"")),
        rule(&format!("{two}\n{eval}")),
        rule(&format!("{one}\n{slsa}")),
        rule(&format!("bind = \"vsa\"\n{vsa}")),
        rule(&format!("bind = \"provenance\"\n{slsa}\n{eval}\n{vsa}")),
    ];
    let with_denial = rules.iter().map(|rule| {
        // Tables come after plain keys.
        let text = signers();
        let at = text.find("signers.a").unwrap_or(0);
        set(&format!("{}{denied}{}{rule}", &text[..at], &text[at..]))
    });
    rules.iter().map(|rule| set(&(signers() + rule))).chain(with_denial).collect()
}

/// Evidence that a trusted signer made: over this model and over another, right and wrong.
fn trusted() -> Vec<Vec<u8>> {
    let other = manifest(&[("config.json", "other")]);
    let mut all = Vec::new();
    for n in 1..=4 {
        let key = Key::new(n);
        all.push(key.sign_model(&model()));
        all.push(key.sign_model(&other));
        all.push(key.sign_statement(&release(&model(), "1.2.0")));
        all.push(key.sign_statement(&release(&model(), "0.9.0")));
        all.push(key.sign_statement(&release(&other, "1.2.0")));
        for ok in [true, false] {
            all.push(key.sign_statement(&statement("https://e.example/v1", &model(), json!({ "ok": ok }))));
        }
        let provenance = json!({
            "buildDefinition": { "buildType": "https://t.example", "externalParameters": {}, "resolvedDependencies": [] },
            "runDetails": { "builder": { "id": "https://b.example" } },
        });
        all.push(key.sign_statement(&named_statement(PROVENANCE, REFERENCE, &model(), provenance)));
        let vsa = |result: &str| {
            json!({
                "verifier": { "id": "https://v.example" }, "timeVerified": "2026-11-01T00:00:00Z", "resourceUri": REFERENCE,
                "policy": { "uri": "https://p.example", "digest": { "sha256": "ab".repeat(32) } },
                "verificationResult": result, "verifiedLevels": ["L"],
            })
        };
        all.push(key.sign_statement(&statement(VSA, &model(), vsa("PASSED"))));
        all.push(key.sign_statement(&statement(VSA, &model(), vsa("FAILED"))));
    }
    all
}

/// Evidence that nobody of the policies made.
fn noise() -> Vec<Vec<u8>> {
    let stranger = Key::new(9);
    let mut broken = String::from_utf8(Key::new(1).sign_model(&model())).unwrap();
    let at = broken.find("\"sig\":\"").unwrap() + 7;
    broken.replace_range(at..at + 4, "AAAA");
    vec![
        b"not json".to_vec(),
        b"{}".to_vec(),
        stranger.sign_model(&model()),
        stranger.sign_statement(&release(&model(), "9.9.9")),
        stranger.sign_statement(&statement("https://e.example/v1", &model(), json!({ "ok": false }))),
        stranger.sign(IN_TOTO_PAYLOAD_TYPE, b"{}"),
        Key::new(1).sign(IN_TOTO_PAYLOAD_TYPE, b"{\"a\":1,\"a\":2}"),
        Key::new(1).sign("text/plain", b"hello"),
        broken.into_bytes(),
        vec![0xff; 100],
    ]
}

fn judge(set: &PolicySet, bundles: &[Vec<u8>]) -> DecisionReport {
    let mut evidence = Evidence::new();
    for bundle in bundles {
        evidence.add("bundle", None, bundle);
    }
    let facts = measure(collect(set, &evidence, &NoKeyless, now()), &model());
    decide(set, &Request::new(reference(REFERENCE)), &facts, now()).report().clone()
}

fn pick(all: &[Vec<u8>], mask: u64) -> Vec<Vec<u8>> {
    all.iter()
        .enumerate()
        .filter(|(n, _)| mask >> (n % 64) & 1 == 1)
        .map(|(_, bundle)| bundle.clone())
        .collect()
}

/// Whether the report says the same about the model, whatever it says about evidence that does not help.
fn same_verdict(a: &DecisionReport, b: &DecisionReport) -> bool {
    a.verdict == b.verdict && a.valid_until == b.valid_until && a.manifest == b.manifest
}

#[test]
fn the_evidence_of_these_properties_can_allow_and_deny() {
    let (mut allowed, mut denied) = (0, 0);
    for set in policies() {
        match judge(&set, &trusted()).verdict {
            Verdict::Allow => allowed += 1,
            Verdict::Deny => denied += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(allowed >= 7 && denied >= 1, "{allowed} {denied}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn taking_evidence_away_never_turns_a_denial_into_an_allow(which: prop::sample::Index, mask: u64, fewer: u64) {
        let set = which.get(&POLICIES);
            let (more, less) = (judge(set, &pick(&TRUSTED, mask)), judge(set, &pick(&TRUSTED, mask & fewer)));
            prop_assert!(more.verdict <= less.verdict, "{}\n{}", show(&more), show(&less));
    }

    #[test]
    fn evidence_of_strangers_never_changes_the_verdict(which: prop::sample::Index, mask: u64, strange: u64) {
        let set = which.get(&POLICIES);
            let alone = judge(set, &pick(&TRUSTED, mask));
            let with = judge(set, &[pick(&TRUSTED, mask), pick(&NOISE, strange)].concat());
            prop_assert!(same_verdict(&alone, &with), "{}\n{}", show(&alone), show(&with));
            if alone.verdict == Verdict::Allow {
                prop_assert_eq!(&alone.checks, &with.checks);
            }
    }

    #[test]
    fn the_order_of_evidence_and_of_policies_never_matters(which: prop::sample::Index, mask: u64, turn in 0_usize..40, twice: bool) {
        let mut bundles = [pick(&TRUSTED, mask), NOISE.clone()].concat();
        let set = which.get(&POLICIES);
            let expected = serde_json::to_vec(&judge(set, &bundles)).unwrap();
            let at = turn % bundles.len();
            bundles.rotate_left(at);
            bundles.reverse();
            let shuffled = if twice { [bundles.clone(), bundles.clone()].concat() } else { bundles.clone() };
            prop_assert_eq!(serde_json::to_vec(&judge(set, &shuffled)).unwrap(), expected);
    }
}

/// With `select = "all"` a negative attestation can be held back: the one exception, which the documentation names.
#[test]
fn the_documented_exception_to_monotonicity() {
    let text = head("p")
        + &Key::new(1).signer("a", "")
        + &rule(
            "signature = { signers = [\"a\"] }\nattestation = [{ name = \"e\", predicate-type = \"https://e.example/v1\", signers = [\"a\"], where = { \"/ok\" = true } }]",
        );
    let say = |ok: bool| {
        Key::new(1).sign_statement(&statement("https://e.example/v1", &model(), json!({ "ok": ok })))
    };
    let set = set(&text);
    let signed = Key::new(1).sign_model(&model());
    assert_eq!(judge(&set, &[signed.clone(), say(true), say(false)]).verdict, Verdict::Deny);
    assert_eq!(judge(&set, &[signed, say(true)]).verdict, Verdict::Allow);
}

/// Verdicts that depended on the number of workers were a report against another engine.
#[test]
fn ampel_298_results_are_byte_identical_on_1_and_8_and_64_threads() {
    let bundles = [trusted(), noise()].concat();
    for set in policies() {
        let expected = serde_json::to_vec(&judge(&set, &bundles)).unwrap();
        for threads in [1, 8, 64] {
            let results: Vec<Vec<u8>> = std::thread::scope(|scope| {
                let spawn = |n: usize| {
                    let (set, mut bundles) = (&set, bundles.clone());
                    scope.spawn(move || {
                        let by = n % bundles.len();
                        bundles.rotate_left(by);
                        serde_json::to_vec(&judge(set, &bundles)).unwrap()
                    })
                };
                let running: Vec<_> = (0..threads).map(spawn).collect();
                running.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(results.iter().all(|result| *result == expected), "{threads} threads");
        }
    }
}

#[test]
fn every_failed_check_says_what_to_do_and_where_to_read() {
    for set in policies() {
        for check in judge(&set, &noise()).checks {
            if matches!(check.status, Status::Fail | Status::Error | Status::Warn) {
                assert!(check.code.is_some() && check.fix.is_some() && check.doc.is_some(), "{check:?}");
            }
            assert_eq!(check.status == Status::Skip, check.blocked_by.is_some());
        }
    }
}
