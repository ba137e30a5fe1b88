//! What excuses a failure: a waiver, or a rule that does not enforce yet. Where a check may choose which of several pieces
//! of evidence it rests on, it prefers one whose failures are excused; otherwise evidence that is of no use could take the
//! place of evidence that is.

use super::{
    code::{Code, CodeKind},
    context::{Candidate, Context},
};
use crate::policy::{document::Waiver, values::Period, words::Mode};
use jiff::SignedDuration;
use modelseal_core::text::Printable;

/// Why a failure does not deny.
pub(super) enum Excuse<'a> {
    /// A waiver names it.
    Waiver(&'a Waiver),
    /// The rule is in audit, and failures of this kind are warnings there.
    Audit,
}

/// What excuses a failure with this code, if anything does. Notes say which waivers would have, and are over.
pub(super) fn of<'a>(
    context: &Context<'a>,
    candidate: &Candidate,
    code: Code,
    notes: &mut Vec<String>,
) -> Option<Excuse<'a>> {
    if code.kind() == CodeKind::Undecided {
        return None;
    }
    let waiver = waiver(context, candidate, code, notes).map(Excuse::Waiver);
    let audit = || (context.mode == Mode::Audit && code.is_relaxed_by_audit()).then_some(Excuse::Audit);
    waiver.or_else(audit)
}

/// How many of these failures nothing excuses.
pub(super) fn unexcused(
    context: &Context<'_>,
    candidate: &Candidate,
    codes: impl IntoIterator<Item = Code>,
) -> usize {
    codes.into_iter().filter(|code| of(context, candidate, *code, &mut Vec::new()).is_none()).count()
}

/// The waiver of this rule, model and code that is in force.
fn waiver<'a>(
    context: &Context<'a>,
    candidate: &Candidate,
    code: Code,
    notes: &mut Vec<String>,
) -> Option<&'a Waiver> {
    let (rule, digest) = (context.rule?, candidate.digest()?);
    let document = context.policy.document();
    let longest = document.max_waiver.unwrap_or(Period::days(90));
    document.waiver.iter().find(|waiver| {
        let named = waiver.rule == rule.name
            && waiver.digests.iter().any(|waived| waived.as_str() == digest)
            && waiver.codes.iter().any(|waived| waived == code.as_str());
        if !named || !code.is_waivable() {
            return false;
        }
        let left = waiver.expires.0.duration_since(context.now);
        let (short, over) = (left <= longest.duration(), left <= SignedDuration::ZERO);
        if over || !short {
            let why = if over { "is over" } else { "would run longer than max-waiver" };
            let note = format!("waiver '{}' {why} and counts for nothing", Printable(&waiver.id));
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        short && !over
    })
}
