//! Deny feeds, deny entries and waivers.

use super::Linter;
use crate::{
    decision::code::Code,
    policy::{
        decode::{At, closest},
        document::{Deny, Denylist, Waiver},
        lint_table as lint,
        values::Period,
    },
};
use jiff::Timestamp;
use std::num::NonZeroU32;

pub(super) fn check(linter: &mut Linter<'_>) {
    let document = linter.document;
    let table = At::ROOT.key("denylist");
    for (i, one) in document.denylist.iter().enumerate() {
        denylist(linter, one, &table.index(i));
    }
    linter.distinct("denylist", "file", document.denylist.iter().map(|feed| feed.file.as_str()), &At::ROOT);
    let table = At::ROOT.key("deny");
    for (i, one) in document.deny.iter().enumerate() {
        deny(linter, one, &table.index(i));
    }
    linter.distinct("deny", "id", document.deny.iter().map(|deny| deny.id.as_str()), &At::ROOT);
    let table = At::ROOT.key("waiver");
    for (i, one) in document.waiver.iter().enumerate() {
        waiver(linter, one, &table.index(i));
    }
    linter.distinct("waiver", "id", document.waiver.iter().map(|waiver| waiver.id.as_str()), &At::ROOT);
}

fn denylist(linter: &mut Linter<'_>, feed: &Denylist, at: &At<'_>) {
    linter.signers(&feed.signers, feed.threshold.map(NonZeroU32::get), true, at);
    if feed.max_age.is_none() && !linter.is_written(&at.key("max-age")) {
        let message = format!("`{at}` does not say how old the feed may be");
        let help = "write max-age = \"14d\"".to_owned();
        linter.complain(&lint::DENYLIST_NEEDS_MAX_AGE, &at.key("file"), message, Some(help));
    }
}

fn deny(linter: &mut Linter<'_>, deny: &Deny, at: &At<'_>) {
    let signers = !deny.keys.is_empty() || !deny.identities.is_empty();
    if !signers && deny.digests.is_empty() && deny.file_digests.is_empty() {
        let message = format!("`{at}` denies nothing");
        let help = "give at least one of digests, file-digests, keys and identities".to_owned();
        linter.complain(&lint::EMPTY_DENY, &at.key("id"), message, Some(help));
    }
    if deny.compromised_at.is_some() && !signers {
        let message = "`compromised-at` is about `keys` and `identities`, and there are none";
        linter.complain(&lint::COMPROMISED_AT_NEEDS_SIGNER, &at.key("compromised-at"), message, None);
    }
}

fn waiver(linter: &mut Linter<'_>, waiver: &Waiver, at: &At<'_>) {
    let document = linter.document;
    if !document.rule.iter().any(|rule| rule.name == waiver.rule) && linter.is_written(&at.key("rule")) {
        let near = closest(&waiver.rule, document.rule.iter().map(|rule| rule.name.as_str()));
        let help = near.map(|near| format!("did you mean {near:?}?"));
        let message = format!("the policy has no rule {:?}", waiver.rule);
        linter.complain(&lint::UNKNOWN_RULE, &at.key("rule"), message, help);
    }
    let list = at.key("codes");
    for (i, code) in waiver.codes.iter().enumerate() {
        let here = list.index(i);
        let domain = code.split('.').next().unwrap_or_default();
        if NEVER_WAIVED.contains(&domain) || code.parse::<Code>().is_ok_and(|code| !code.is_waivable()) {
            let message = format!("{code:?} cannot be waived");
            let help = "fix what it complains about; there is no way around it".to_owned();
            linter.complain(&lint::NOT_WAIVABLE, &here, message, Some(help));
        } else if code.parse::<Code>().is_err() {
            let known: Vec<&str> = Code::all().iter().map(|entry| entry.code.as_str()).collect();
            let help = closest(code, known.iter().copied()).map(|near| format!("did you mean {near:?}?"));
            linter.complain(&lint::UNKNOWN_CODE, &here, format!("there is no reason code {code:?}"), help);
        }
    }
    // What stands for a time that could not be read has a complaint already.
    let Some(now) = linter.now.filter(|_| *waiver.expires != Timestamp::UNIX_EPOCH) else { return };
    let limit = document.max_waiver.unwrap_or(DEFAULT_MAX_WAIVER);
    if waiver.expires.duration_since(now) > limit.duration() {
        let message = format!("the waiver ends at {}, more than {limit} from now", waiver.expires);
        let help = "let it end earlier; a later version of the policy can prolong it".to_owned();
        linter.complain(&lint::WAIVER_TOO_LONG, &at.key("expires"), message, Some(help));
    } else if now >= *waiver.expires {
        let message = format!("the waiver ended at {}", waiver.expires);
        linter.complain(&lint::WAIVER_EXPIRED, &at.key("expires"), message, Some("remove it".to_owned()));
    }
}

/// Domains of reason codes that no waiver reaches.
const NEVER_WAIVED: [&str; 7] = ["integrity", "deny", "signature", "policy", "path", "error", "reference"];

/// The longest time that a waiver may still have to run, where the policy does not say.
pub(in crate::policy) const DEFAULT_MAX_WAIVER: Period = Period::days(90);
