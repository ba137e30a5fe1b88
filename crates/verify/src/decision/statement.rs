//! Verified statements about a candidate: found by predicate type, by signers that the block lists, and covering all of it.

use super::{
    code::Code,
    context::{Candidate, Context},
    denied,
    nonempty::NonEmpty,
};
use crate::facts::{AttestedFact, By};
use modelseal_core::attestation::Attestation;

/// A verified attestation, with who made it.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) by: &'a By,
    pub(super) attestation: &'a Attestation,
}

/// Why there is none.
pub(super) enum NoneFound {
    /// There are some, and the model was not measured yet, so that nobody knows what they are about.
    Unmeasured,
    /// None of this type by these signers.
    Missing,
    /// There are some, and they are about other files. What the best of them lacks.
    OtherSubject(String, Vec<String>),
    /// There are some, all by signers on a deny list.
    Denied(Code, String),
}

/// The attestations that are `of_interest`, by signers for whom `by` holds, that cover all of the candidate.
pub(super) fn find<'a>(
    context: &Context<'a>,
    candidate: &Candidate,
    by: impl Fn(&By) -> bool,
    of_interest: impl Fn(&Attestation) -> bool,
) -> Result<NonEmpty<Said<'a>>, NoneFound> {
    let (data, facts) = (context.data, context.facts);
    let all = facts.attested.iter().filter(|fact: &&'a AttestedFact| {
        by(&fact.by) && of_interest(&data.attestations[fact.attestation].attestation)
    });
    let (mut covering, mut elsewhere, mut refused) = (Vec::new(), Vec::new(), None);
    for fact in all {
        if let Some(denied) = denied::signer(context, &fact.by) {
            refused = refused.or(Some(denied));
            continue;
        }
        let about = &data.attestations[fact.attestation];
        match context.cover(candidate, about) {
            Some(cover) if cover.is_full() => {
                covering.push(Said { by: &fact.by, attestation: &about.attestation });
            }
            Some(cover) => elsewhere.push((cover.to_string(), fact.by.document.clone())),
            None => {
                elsewhere.push(("there is no model to compare it with".to_owned(), fact.by.document.clone()))
            }
        }
    }
    if let Some(found) = NonEmpty::collect(covering) {
        return Ok(found);
    }
    let unmeasured = data.measured.is_empty() || data.promise().is_some();
    if !elsewhere.is_empty() && matches!(candidate, Candidate::Nothing) && unmeasured {
        return Err(NoneFound::Unmeasured);
    }
    Err(match (elsewhere.first().cloned(), refused) {
        (_, Some(denied)) => NoneFound::Denied(denied.code, denied.message),
        (Some((lacks, _)), None) => {
            NoneFound::OtherSubject(lacks, elsewhere.into_iter().map(|(_, document)| document).collect())
        }
        (None, None) => NoneFound::Missing,
    })
}
