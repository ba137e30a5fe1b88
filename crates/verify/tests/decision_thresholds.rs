//! Several people sign: whose failures count when only some of them signed in a way that counts, and what is excused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod decision_support;

use decision_support::*;
use modelseal_verify::decision::{Code, Status, Verdict};
use proptest::prelude::*;

const OLD: &[&str] = &["2026-01-01T00:00:00Z"];
const FRESH: &[&str] = &["2026-11-20T00:00:00Z"];

fn waiver(codes: &str) -> String {
    format!(
        "[[waiver]]\nid = \"W\"\nreason = \"x\"\nrule = \"r\"\ndigests = [\"{}\"]\ncodes = [{codes}]\n\
         expires = 2027-01-01T00:00:00Z\napproved-by = [\"ciso\"]\n",
        manifest_name(&model())
    )
}

/// Three people, two of whom must have signed within thirty days.
fn policy_text(more: &str) -> String {
    let signers: String = [(1, "alice"), (2, "bob"), (3, "carol")]
        .into_iter()
        .map(|(seed, name)| Key::new(seed).signer(name, ""))
        .collect();
    let wanted = "signature = { signers = [\"alice\", \"bob\", \"carol\"], threshold = 2, timestamp = \"required\", max-age = \"30d\" }";
    head("p") + &signers + &rule(wanted) + more
}

fn signed(seed: u8) -> Vec<u8> {
    Key::new(seed).sign_model(&model())
}

#[test]
fn a_waiver_for_the_second_signer_helps_beside_a_first_without_fault() {
    let with = |policy: &str| Case::new(policy).stamped(signed(1), FRESH).stamped(signed(2), OLD);
    let report = with(&policy_text("")).denied(Code::TimeSignatureTooOld);
    let failed: Vec<Code> = report.with(Status::Fail).filter_map(|check| check.code).collect();
    assert_eq!(failed, [Code::TimeSignatureTooOld], "{}", show(&report));
    let report = with(&policy_text(&waiver("\"time.signature-too-old\""))).allowed();
    assert_eq!(report.with(Status::Waived).count(), 1, "{}", show(&report));
    // Neither is the waiver for somebody who is not there.
    let alone = Case::new(&policy_text(&waiver("\"time.signature-too-old\""))).stamped(signed(1), FRESH);
    alone.denied(Code::SignatureThresholdNotMet);
}

#[test]
fn the_failures_that_count_are_those_of_the_people_who_come_nearest() {
    // Carol's signature has no time at all, which nobody waived: it neither helps nor harms.
    let policy = policy_text(&waiver("\"time.signature-too-old\""));
    let all = Case::new(&policy).stamped(signed(1), OLD).stamped(signed(2), OLD).bundle(signed(3));
    assert_eq!(all.allowed().with(Status::Waived).count(), 2);
    let report = Case::new(&policy).stamped(signed(1), OLD).bundle(signed(3)).denied(Code::TimeNoTrustedTime);
    assert_eq!(report.with(Status::Waived).count(), 1, "{}", show(&report));
    let two = Case::new(&policy).bundle(signed(2)).bundle(signed(3));
    two.denied(Code::TimeNoTrustedTime);
}

#[test]
fn who_is_denied_never_makes_up_the_number() {
    let deny = format!(
        "deny = [{{ id = \"D\", reason = \"x\", keys = [\"spki-sha256:{}\"] }}]\n",
        Key::new(2).fingerprint()
    );
    let policy = policy_text(&waiver("\"time.signature-too-old\""));
    let at = policy.find("signers.alice").unwrap();
    let policy = format!("{}{deny}{}", &policy[..at], &policy[at..]);
    let case = || Case::new(&policy).stamped(signed(1), FRESH).stamped(signed(2), FRESH);
    case().denied(Code::DenyKey);
    case().stamped(signed(3), OLD).allowed();
}

#[test]
fn the_verdict_holds_until_one_of_the_people_needed_is_too_old() {
    let end = |case: &Case| case.allowed().valid_until.unwrap();
    let policy = policy_text("").replace("30d", "60d");
    let two = || Case::new(&policy).at("2026-11-22T12:00:00Z").stamped(signed(1), FRESH);
    let soon = two().stamped(signed(2), &["2026-09-23T18:00:00Z"]);
    assert_eq!(end(&soon), "2026-11-22T18:00:00Z");
    // A third person makes it hold longer, never shorter.
    let longer = two().stamped(signed(2), &["2026-09-23T18:00:00Z"]).stamped(signed(3), FRESH);
    assert_eq!(end(&longer), "2026-11-23T12:00:00Z");
}

/// One certificate more, or one key: whoever is one signer under two names counts for whom it helps.
#[test]
fn one_maker_under_two_names_leaves_room_for_another() {
    let signers = Key::new(1).signer("alice", "") + &Key::new(2).signer("bob", "");
    let policy =
        head("p") + &signers + &rule("signature = { signers = [\"alice\", \"bob\"], threshold = 2 }");
    Case::new(&policy).bundle(signed(1)).denied(Code::SignatureThresholdNotMet);
    Case::new(&policy).bundle(signed(1)).bundle(signed(2)).allowed();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn taking_evidence_away_never_helps_with_waivers_and_audit(
        which in 0..4_usize, mask in 0_u32..512, fewer in 0_u32..512,
    ) {
        let policy = match which {
            0 => policy_text(""),
            1 => policy_text(&waiver("\"time.signature-too-old\"")),
            2 => policy_text(&waiver("\"time.no-trusted-time\"")),
            _ => policy_text(&waiver("\"time.signature-too-old\", \"time.no-trusted-time\"")),
        };
        let judge = |mask: u32| {
            let mut case = Case::new(&policy);
            for n in (0..9_u8).filter(|n| mask >> n & 1 == 1) {
                let bundle = Key::new(n / 3 + 1).sign_model_as(&model(), &format!("{n}"));
                case = match n % 3 {
                    0 => case.stamped(bundle, FRESH),
                    1 => case.stamped(bundle, OLD),
                    _ => case.bundle(bundle),
                };
            }
            case.report()
        };
        let (more, less) = (judge(mask), judge(mask & fewer));
        prop_assert!(more.verdict <= less.verdict, "{}\n{}", show(&more), show(&less));
        prop_assert!(more.verdict != Verdict::Error);
    }
}
