//! [`rests_on_signers_alone`]: whether only the signers of a model's manifest have a say about the digests of its files.

use super::request::{PolicySet, Request};
use crate::policy::{
    document::{Content, Requirements, Rule},
    load::Policy,
    words::Binding,
};

/// Whether every policy of the set, for this request, takes the digests of the files from nobody but the signers of the
/// manifest that it accepts. Then a digest that such a signer put beside a file's fs-verity digest may stand for the file.
///
/// Where deny lists, waivers, pinned digests, attestations or what is in the files decide, too, a signer could have one file
/// pass for another, and the bytes have to be read.
#[must_use]
pub fn rests_on_signers_alone(set: &PolicySet, request: &Request) -> bool {
    set.policies().all(|policy| of_policy(policy, request))
}

fn of_policy(policy: &Policy, request: &Request) -> bool {
    let document = policy.document();
    let denies = document.deny.iter().any(|deny| !deny.digests.is_empty() || !deny.file_digests.is_empty());
    if denies || !document.denylist.is_empty() || !document.waiver.is_empty() || document.needs_inspection() {
        return false;
    }
    let Ok(selected) = policy.select(request.reference()) else { return false };
    let Rule { bind, digests, min_version, .. } = selected.rule;
    let unbound = matches!(bind, None | Some(Binding::Signer)) && digests.is_empty() && min_version.is_none();
    let baseline = document.baseline.as_ref().map(|baseline| baseline.requirements());
    unbound && [selected.rule.requirements()].iter().chain(&baseline).all(asks_signers)
}

fn asks_signers(requirements: &Requirements<'_>) -> bool {
    // Whoever adds a block has to say here whether it judges digests.
    let Requirements { signature: _, content, slsa, vsa, attestation, aibom, datasets } = requirements;
    let nobody_else =
        slsa.is_none() && vsa.is_none() && attestation.is_empty() && aibom.is_none() && datasets.is_none();
    nobody_else && !content.is_some_and(Content::needs_inspection)
}
