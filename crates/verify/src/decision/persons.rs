//! How many different people stand behind some signatures.
//!
//! A threshold counts principals, and a principal is only a name that the policy gives. One maker can satisfy signers of
//! two principals: two names for one identity, patterns that overlap, a certificate of a key that is listed by itself. So
//! each principal has to be given a maker of its own: same key, same certificate subject or name, same identity of one
//! issuer are one maker.

use crate::facts::SignerIdentity;
use std::collections::{BTreeMap, BTreeSet};

/// The largest set of principals that can each be given a maker of their own.
pub(crate) fn distinct<'a>(
    signatures: impl IntoIterator<Item = (&'a str, &'a SignerIdentity)>,
) -> BTreeSet<&'a str> {
    let signatures: Vec<(&str, &SignerIdentity)> = signatures.into_iter().collect();
    let makers = makers(&signatures);
    let mut choices: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for ((principal, _), maker) in signatures.iter().zip(&makers) {
        choices.entry(principal).or_default().insert(*maker);
    }
    // The usual matching by augmenting paths; there are at most a few dozen of each.
    let mut given: BTreeMap<usize, &str> = BTreeMap::new();
    for principal in choices.keys() {
        give(principal, &choices, &mut given, &mut BTreeSet::new());
    }
    given.into_values().collect()
}

fn give<'a>(
    principal: &'a str,
    choices: &BTreeMap<&'a str, BTreeSet<usize>>,
    given: &mut BTreeMap<usize, &'a str>,
    tried: &mut BTreeSet<usize>,
) -> bool {
    for maker in choices.get(principal).into_iter().flatten() {
        if !tried.insert(*maker) {
            continue;
        }
        let free = match given.get(maker).copied() {
            None => true,
            Some(holder) => give(holder, choices, given, tried),
        };
        if free {
            given.insert(*maker, principal);
            return true;
        }
    }
    false
}

/// For each signature the number of its maker: the first signature that has anything in common with it, through others
/// too.
fn makers(signatures: &[(&str, &SignerIdentity)]) -> Vec<usize> {
    let mut makers: Vec<usize> = (0..signatures.len()).collect();
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (at, (_, identity)) in signatures.iter().enumerate() {
        for mark in marks(identity) {
            let Some(known) = first.get(&mark).copied() else {
                first.insert(mark, at);
                continue;
            };
            let (one, other) = (makers[known].min(makers[at]), makers[known].max(makers[at]));
            makers.iter_mut().filter(|maker| **maker == other).for_each(|maker| *maker = one);
        }
    }
    makers
}

/// What tells a maker from others.
fn marks(identity: &SignerIdentity) -> Vec<String> {
    let key = |spki: &str| format!("key {spki}");
    match identity {
        SignerIdentity::Key { spki_sha256, .. } => vec![key(spki_sha256)],
        SignerIdentity::Certificate { spki_sha256, subject, names, .. } => {
            let named = names.iter().map(|name| format!("name {name}"));
            let subject = Some(subject).filter(|s| !s.is_empty()).map(|s| format!("subject {s}"));
            [key(spki_sha256)].into_iter().chain(subject).chain(named).collect()
        }
        SignerIdentity::Keyless(keyless) => vec![
            key(&keyless.spki_sha256),
            format!("identity {} {} {}", keyless.issuer.len(), keyless.issuer, keyless.identity),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::KeylessIdentity;

    fn key(spki: &str) -> SignerIdentity {
        SignerIdentity::Key { spki_sha256: spki.into(), algorithm: "Ed25519".into() }
    }

    fn certificate(spki: &str, subject: &str) -> SignerIdentity {
        SignerIdentity::Certificate {
            spki_sha256: spki.into(),
            subject: subject.into(),
            issuer: "CN=CA".into(),
            names: Vec::new(),
            chain: Vec::new(),
            not_after: String::new(),
        }
    }

    fn keyless(identity: &str, issuer: &str, spki: &str) -> SignerIdentity {
        SignerIdentity::Keyless(KeylessIdentity {
            identity: identity.into(),
            identity_kind: "email".into(),
            issuer: issuer.into(),
            claims: BTreeMap::new(),
            spki_sha256: spki.into(),
        })
    }

    fn count(signatures: &[(&str, SignerIdentity)]) -> usize {
        distinct(signatures.iter().map(|(principal, identity)| (*principal, identity))).len()
    }

    #[test]
    fn one_maker_is_one_person_whatever_the_policy_calls_it() {
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[("a", key("1")), ("b", key("2"))]), 2);
        assert_eq!(count(&[("a", key("1")), ("b", key("1"))]), 1);
        assert_eq!(count(&[("a", key("1")), ("a", key("2"))]), 1);
        assert_eq!(count(&[("a", key("1")), ("b", certificate("1", "CN=Alice"))]), 1);
        assert_eq!(count(&[("a", certificate("1", "CN=Alice")), ("b", certificate("2", "CN=Alice"))]), 1);
        assert_eq!(count(&[("a", certificate("1", "CN=Alice")), ("b", certificate("2", "CN=Bob"))]), 2);
        assert_eq!(count(&[("a", keyless("a@x", "i", "1")), ("b", keyless("a@x", "i", "2"))]), 1);
        assert_eq!(count(&[("a", keyless("a@x", "i", "1")), ("b", keyless("a@x", "j", "2"))]), 2);
        assert_eq!(count(&[("a", keyless("a@x", "i", "1")), ("b", keyless("b@x", "i", "2"))]), 2);
    }

    #[test]
    fn what_is_in_common_carries_over() {
        // A key, a certificate of that key, and another certificate of the same subject.
        let chain = [("a", key("1")), ("b", certificate("1", "CN=A")), ("c", certificate("2", "CN=A"))];
        assert_eq!(count(&chain), 1);
        let reversed: Vec<_> = chain.iter().cloned().rev().collect();
        assert_eq!(count(&reversed), 1);
    }

    #[test]
    fn overlapping_signers_are_given_to_whom_they_help() {
        // Alice's signature satisfies both names, Bob's only the first.
        let alice = key("1");
        let signatures = [("one", alice.clone()), ("two", alice), ("one", key("2"))];
        assert_eq!(count(&signatures), 2);
    }
}
