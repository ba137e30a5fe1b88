//! How many different people stand behind some signatures.
//!
//! A threshold counts principals, and a principal is only a name that the policy gives. One maker can satisfy signers of
//! two principals: two names for one identity, patterns that overlap, a certificate of a key that is listed by itself. So
//! of the signatures that count together no two have anything in common: neither key, nor certificate subject or name, nor
//! identity of one issuer.
//!
//! Two signatures are compared with each other alone. A third one that has something in common with both joins them no
//! more than its absence would: otherwise one more signature could make two people one, and holding it back turn a denial
//! into an allow.

use crate::facts::SignerIdentity;
use std::collections::{BTreeMap, BTreeSet};

/// How many steps a search takes at most. Policies in use need a few dozen; where this is not enough, the best that was
/// found counts, which is never too many.
const MAX_STEPS: usize = 100_000;

/// The largest set of principals of whom each has a signature that shares no maker with those of the others.
pub(crate) fn distinct<'a>(
    signatures: impl IntoIterator<Item = (&'a str, &'a SignerIdentity)>,
) -> BTreeSet<&'a str> {
    let signatures: Vec<(&str, &SignerIdentity)> = signatures.into_iter().collect();
    largest(&signatures).into_iter().filter_map(|at| Some(signatures.get(at)?.0)).collect()
}

/// The indexes of `needed` signatures of different people, out of the shortest beginning of the list that has so many.
pub(crate) fn first_enough(signatures: &[(&str, &SignerIdentity)], needed: usize) -> Option<Vec<usize>> {
    (needed..=signatures.len()).find_map(|end| {
        let mut found = largest(signatures.get(..end)?);
        found.truncate(needed);
        (found.len() == needed).then_some(found)
    })
}

/// A signature as far as it matters for counting: its place, and what others have in common with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Choice {
    marks: BTreeSet<usize>,
    at: usize,
}

/// The largest set of signatures of which no two have a principal or a mark in common. It depends on the signatures, not
/// on their order, but for the choice between two that are alike.
fn largest(signatures: &[(&str, &SignerIdentity)]) -> Vec<usize> {
    let marks: Vec<Vec<String>> = signatures.iter().map(|(_, identity)| marks(identity)).collect();
    let numbers: BTreeSet<&String> = marks.iter().flatten().collect();
    let numbers: BTreeMap<&String, usize> = numbers.into_iter().zip(0..).collect();
    let mut people: BTreeMap<&str, Vec<Choice>> = BTreeMap::new();
    for (at, ((principal, _), marks)) in signatures.iter().zip(&marks).enumerate() {
        let marks = marks.iter().filter_map(|mark| numbers.get(mark).copied()).collect();
        people.entry(principal).or_default().push(Choice { marks, at });
    }
    let mut people: Vec<Vec<Choice>> = people.into_values().collect();
    while simplify(&mut people) {}
    // Who shares nothing with anybody counts in any case.
    let (free, mut others): (Vec<_>, Vec<_>) =
        people.into_iter().partition(|choices| choices.iter().any(|choice| choice.marks.is_empty()));
    others.sort_by_key(Vec::len);
    let mut search = Search { people: &others, best: Vec::new(), steps: MAX_STEPS };
    search.from(0, &mut Vec::new(), &BTreeSet::new());
    let free = free.into_iter().filter_map(|choices| choices.into_iter().next()).map(|choice| choice.at);
    search.best.into_iter().chain(free).collect()
}

/// Drops what makes no difference: marks that one principal alone has, and signatures of a principal that share with
/// others what another one of theirs shares, or more. Gives whether anything was dropped.
fn simplify(people: &mut [Vec<Choice>]) -> bool {
    let mut holders: BTreeMap<usize, usize> = BTreeMap::new();
    for choices in people.iter() {
        let marks: BTreeSet<usize> = choices.iter().flat_map(|choice| choice.marks.iter().copied()).collect();
        marks.into_iter().for_each(|mark| *holders.entry(mark).or_default() += 1);
    }
    let size = |people: &[Vec<Choice>]| -> usize {
        people.iter().flatten().map(|choice| 1 + choice.marks.len()).sum()
    };
    let before = size(people);
    for choices in people.iter_mut() {
        for choice in choices.iter_mut() {
            choice.marks.retain(|mark| holders.get(mark).is_some_and(|holders| *holders > 1));
        }
        choices.sort_by(|a, b| (a.marks.len(), a).cmp(&(b.marks.len(), b)));
        let mut kept: Vec<Choice> = Vec::new();
        for choice in choices.drain(..) {
            if !kept.iter().any(|other| other.marks.is_subset(&choice.marks)) {
                kept.push(choice);
            }
        }
        *choices = kept;
    }
    size(people) < before
}

/// Tries one signature of each person, and none.
struct Search<'a> {
    people: &'a [Vec<Choice>],
    best: Vec<usize>,
    steps: usize,
}

impl Search<'_> {
    fn from(&mut self, person: usize, chosen: &mut Vec<usize>, taken: &BTreeSet<usize>) {
        if chosen.len() > self.best.len() {
            self.best.clone_from(chosen);
        }
        let people = self.people;
        if chosen.len() + people.len().saturating_sub(person) <= self.best.len() || self.steps == 0 {
            return;
        }
        self.steps -= 1;
        for choice in people.get(person).into_iter().flatten() {
            if choice.marks.is_disjoint(taken) {
                chosen.push(choice.at);
                self.from(person + 1, chosen, &(taken | &choice.marks));
                chosen.pop();
            }
        }
        self.from(person + 1, chosen, taken);
    }
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
    use proptest::prelude::*;

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
    fn one_more_signature_makes_nobody_one_with_another() {
        // A key, and a certificate of another key: two people, until a certificate of the first key has the second's name.
        let two = [("a", key("1")), ("c", certificate("2", "CN=A"))];
        assert_eq!(count(&two), 2);
        let link = [("a", key("1")), ("b", certificate("1", "CN=A")), ("c", certificate("2", "CN=A"))];
        assert_eq!(count(&link), 2);
        assert_eq!(count(&link[..2]), 1);
        assert_eq!(count(&link[1..]), 1);
    }

    #[test]
    fn overlapping_signers_are_given_to_whom_they_help() {
        // Alice's signature satisfies both names, Bob's only the first.
        let alice = key("1");
        let signatures = [("one", alice.clone()), ("two", alice), ("one", key("2"))];
        assert_eq!(count(&signatures), 2);
    }

    #[test]
    fn enough_are_taken_from_the_shortest_beginning() {
        let all = [
            ("a", key("1")),
            ("b", key("1")),
            ("a", key("2")),
            ("c", certificate("2", "CN=C")),
            ("d", key("4")),
        ];
        let first = |needed| {
            let all: Vec<(&str, &SignerIdentity)> = all.iter().map(|(p, i)| (*p, i)).collect();
            first_enough(&all, needed).map(|mut found| {
                found.sort_unstable();
                found
            })
        };
        assert_eq!(first(1), Some(vec![0]));
        assert_eq!(first(2), Some(vec![1, 2]));
        // The key 2 and the certificate of it are one maker.
        assert_eq!(first(3), Some(vec![1, 3, 4]));
        assert_eq!(first(4), None);
        assert_eq!(first_enough(&[], 1), None);
    }

    #[test]
    fn a_search_that_goes_nowhere_ends() {
        // Forty principals with forty certificates each, any two of which have a name in common.
        let name = |a: usize, b: usize| format!("DNS:{}-{}", a.min(b), a.max(b));
        let certificate = |n: usize, m: usize| {
            let names = (0..40).filter(|other| *other != n).map(|other| name(n, other)).collect();
            let (spki_sha256, chain) = (format!("{n} {m}"), Vec::new());
            let (subject, issuer, not_after) = (String::new(), String::new(), String::new());
            SignerIdentity::Certificate { spki_sha256, subject, issuer, names, chain, not_after }
        };
        let principals: Vec<String> = (0..40).map(|n| format!("{n:02}")).collect();
        let all: Vec<(&str, SignerIdentity)> = principals
            .iter()
            .enumerate()
            .flat_map(|(n, principal)| (0..40).map(move |m| (principal.as_str(), certificate(n, m))))
            .collect();
        assert_eq!(count(&all), 1);
    }

    fn any_signature() -> impl Strategy<Value = (&'static str, SignerIdentity)> {
        let principal = prop::sample::select(vec!["a", "b", "c", "d", "e"]);
        let identity = (0..3_u8, 0..5_u8, 0..4_u8, 0..4_u8).prop_map(|(kind, spki, one, two)| {
            let spki = spki.to_string();
            match kind {
                0 => key(&spki),
                1 => match certificate(&spki, &format!("CN={one}")) {
                    SignerIdentity::Certificate {
                        spki_sha256, subject, issuer, chain, not_after, ..
                    } => {
                        let names = vec![format!("DNS:{two}")];
                        SignerIdentity::Certificate { spki_sha256, subject, issuer, names, chain, not_after }
                    }
                    other => other,
                },
                _ => keyless(&format!("{one}@x"), "i", &spki),
            }
        });
        (principal, identity)
    }

    /// By trying every set.
    fn count_by_force(signatures: &[(&str, SignerIdentity)]) -> usize {
        let alike = |a: &(&str, SignerIdentity), b: &(&str, SignerIdentity)| {
            a.0 == b.0 || marks(&a.1).iter().any(|mark| marks(&b.1).contains(mark))
        };
        let sets = 0_u32..1 << signatures.len();
        let fits = |set: &u32| {
            let chosen: Vec<_> =
                signatures.iter().enumerate().filter(|(n, _)| set >> n & 1 == 1).map(|(_, s)| s).collect();
            let mut pairs =
                chosen.iter().enumerate().flat_map(|(n, a)| chosen[..n].iter().map(move |b| (a, b)));
            !pairs.any(|(a, b)| alike(a, b))
        };
        sets.filter(fits).map(|set| set.count_ones() as usize).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn it_is_the_most_that_there_can_be(all in prop::collection::vec(any_signature(), 0..9)) {
            prop_assert_eq!(count(&all), count_by_force(&all));
        }

        #[test]
        fn fewer_signatures_are_never_more_people(all in prop::collection::vec(any_signature(), 0..14), keep: u32) {
            let fewer: Vec<_> =
                all.iter().enumerate().filter(|(n, _)| keep >> n & 1 == 1).map(|(_, s)| s.clone()).collect();
            prop_assert!(count(&fewer) <= count(&all));
        }
    }
}
