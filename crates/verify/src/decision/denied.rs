//! Deny lists: entries of the policy and of its feeds. They beat waivers and modes.

use super::{
    check::Found,
    code::Code,
    context::{Candidate, Context},
    pin::Pin,
};
use crate::{
    facts::{By, Promise, SignerIdentity, manifest_name},
    policy::document::{Deny, Denylist},
};
use jiff::Timestamp;
use modelseal_core::{
    deny_feed::DenyEntry,
    digest::{Algorithm, Digest},
    manifest::{Manifest, Method},
    text::Printable,
};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// A signature that is denied: why.
pub(super) struct Denied {
    pub(super) code: Code,
    pub(super) message: String,
}

/// The checks of deny lists against the model itself.
pub(super) fn model(context: &Context<'_>, candidate: &Candidate) -> Vec<Found> {
    let mut found = Vec::new();
    let mut digests: Vec<&str> = candidate.digest().into_iter().collect();
    let measured = context.data.measured.iter().filter_map(|m| m.outcome.as_ref().ok());
    digests.extend(measured.map(|m| m.digest.as_str()));
    let pinned = context.pin.map(Pin::manifest_names).unwrap_or_default();
    digests.extend(pinned.iter().map(String::as_str));
    digests.sort_unstable();
    digests.dedup();
    for digest in digests {
        for entry in entries(context).filter(|entry| entry.has_digest(digest)) {
            let message = format!("denied by {}: {}", Printable(entry.id()), Printable(entry.reason()));
            found.push(Found::fail("deny.digest", Code::DenyDigest, message).actual(digest));
        }
    }
    found.extend(files(context, candidate));
    let has_digests = |entry: Entry<'_>| entry.names_digests() || !entry.file_digests().is_empty();
    let more_is_there = context.data.promise().is_some_and(Promise::more_is_there);
    // What is denied may be what is here besides, or the same bytes as somebody signed them in another way.
    let hidden = more_is_there && entries(context).any(has_digests);
    let in_another_way = !context.data.measured.is_empty()
        && context
            .data
            .manifests
            .iter()
            .filter(|fact| fact.compared.is_none())
            .any(|fact| entries(context).any(|entry| entry.has_digest(&fact.digest)));
    if found.is_empty() && (hidden || in_another_way) {
        found.push(Found::unmeasured("deny.digest"));
    }
    if found.is_empty() {
        found.push(Found::pass("deny.digest", "neither the model nor one of its files is on a deny list"));
    }
    found
}

/// The feeds themselves: there, signed by enough people, fresh.
pub(super) fn feeds(context: &Context<'_>) -> Vec<Found> {
    let lists = &context.policy.document().denylist;
    lists.iter().map(|list| feed(context, list)).collect()
}

/// Whether a signature is denied by its key or its maker's name. A time that others vouch for, before the compromise, saves
/// it.
pub(super) fn signer(context: &Context<'_>, by: &By) -> Option<Denied> {
    entries(context).find_map(|entry| {
        let (code, what) = if entry.has_key(by.identity.spki_sha256()) {
            (Code::DenyKey, format!("the key of '{}'", Printable(&by.signer)))
        } else if entry.has_identity(&by.identity) {
            (Code::DenyIdentity, format!("'{}'", by.identity))
        } else {
            return None;
        };
        let since = entry.compromised_at();
        if let Some(since) = since
            && by.latest().is_some_and(|at| at < since)
        {
            return None;
        }
        let (id, reason) = (Printable(entry.id()), Printable(entry.reason()));
        let Some(since) = since else {
            return Some(Denied { code, message: format!("{what} is denied by {id}: {reason}") });
        };
        let when = match by.latest() {
            None => "nothing proves when it signed".to_owned(),
            Some(at) => format!("it signed at {at}"),
        };
        let message = format!("{what} is denied by {id} since {since}: {reason}; {when}");
        Some(Denied { code: Code::TimeSignedAfterCompromise, message })
    })
}

fn feed(context: &Context<'_>, list: &Denylist) -> Found {
    let id = format!("deny.feed/{}", list.file);
    let fact = match context.facts.feeds.get(&list.file) {
        Some(Ok(fact)) => fact,
        Some(Err(refused)) => {
            return Found::fail(id, refused.code, refused.message.clone())
                .fix("fetch the deny feed again from those who sign it");
        }
        None => return Found::fail(id, Code::ErrorInternal, "the deny feed was not looked at"),
    };
    let issued = fact.feed.issued;
    let found = if issued > context.now {
        let message = format!("the deny feed was issued at {issued}, after now");
        Found::fail(id, Code::DenyFeedInvalid, message)
    } else {
        match list.max_age.map(|age| (age, issued.checked_add(age.duration()))) {
            // An end that cannot be written is never reached.
            None | Some((_, Err(_))) => Found::pass(id, format!("version {} of {issued}", fact.feed.version)),
            Some((_, Ok(end))) if context.now <= end => {
                Found::pass(id, format!("version {} of {issued}", fact.feed.version)).until(Some(end))
            }
            Some((age, _)) => {
                let message = format!("the feed was issued at {issued}; max-age is {age}");
                Found::fail(id, Code::DenyFeedStale, message)
                    .expected(json!({ "max-age": age.to_string() }))
                    .actual(json!({ "issued": issued.to_string() }))
                    .fix("fetch the current deny feed")
            }
        }
    };
    found.evidence(fact.evidence.iter().cloned())
}

/// Files by content, whatever their name. Where the model was hashed in another way than the list's digests, and nothing
/// says the files' SHA-256 besides, a denied file would pass unseen: that denies too.
fn files(context: &Context<'_>, candidate: &Candidate) -> Vec<Found> {
    let mut denied: HashMap<Digest, Entry<'_>> = HashMap::new();
    for entry in entries(context) {
        for digest in entry.file_digests() {
            denied.entry(digest).or_insert(entry);
        }
    }
    if denied.is_empty() {
        return Vec::new();
    }
    let measured: Vec<_> = context.data.measured.iter().filter_map(|m| m.outcome.as_ref().ok()).collect();
    let manifests = measured.iter().map(|m| &*m.manifest).chain(context.manifest(candidate));
    let pinned = context.pin.map(Pin::file).unwrap_or_default();
    let hashed = manifests.flat_map(|manifest| {
        let whole = manifest.serialization().method == Method::Files;
        manifest.resources().iter().filter(move |_| whole).map(|r| (r.path.as_str(), r.digest))
    });
    let also = measured.iter().flat_map(|m| m.also.iter().map(|(path, digest)| (path.as_str(), *digest)));
    let mut hits = BTreeMap::new();
    for (path, digest) in hashed.chain(also).chain(pinned.iter().map(|digest| (".", *digest))) {
        if let Some(entry) = denied.get(&digest) {
            hits.insert((path, digest), *entry);
        }
    }
    let mut found: Vec<Found> = hits
        .into_iter()
        .map(|((path, digest), entry)| {
            let (id, reason) = (Printable(entry.id()), Printable(entry.reason()));
            let message = format!("'{}' is denied by {id}: {reason}", Printable(path));
            Found::fail("deny.file-digest", Code::DenyFileDigest, message).actual(digest.to_string())
        })
        .collect();
    let by_file = |manifest: &Manifest, algorithm| {
        let s = manifest.serialization();
        s.method == Method::Files && s.algorithm == algorithm
    };
    let seen = |algorithm| match context.pin {
        None => measured.iter().all(|m| {
            by_file(&m.manifest, algorithm) || m.also.iter().any(|(_, d)| d.algorithm() == algorithm)
        }),
        Some(_) => {
            pinned.iter().any(|digest| digest.algorithm() == algorithm)
                || context.manifest(candidate).is_some_and(|manifest| by_file(manifest, algorithm))
        }
    };
    let all_seen = denied.keys().all(|digest| seen(digest.algorithm()));
    if found.is_empty() && !all_seen && context.data.promise().is_some() {
        found.push(Found::unmeasured("deny.file-digest"));
    } else if found.is_empty() && !all_seen {
        let (message, fix) = match context.pin {
            None => (
                "a deny list names files by a digest that the model was not measured with",
                "measure the model with SHA-256 of whole files too",
            ),
            Some(_) => (
                "a deny list names files, and nobody says which files a base model has that is not here",
                "give a copy of the base model with --base REFERENCE=PATH",
            ),
        };
        found.push(Found::fail("deny.file-digest", Code::ErrorUnsupported, message).fix(fix));
    }
    found
}

#[derive(Clone, Copy)]
enum Entry<'a> {
    Policy(&'a Deny),
    Feed(&'a DenyEntry),
}

fn entries<'a>(context: &Context<'a>) -> impl Iterator<Item = Entry<'a>> {
    let feeds = context.facts.feeds.values().filter_map(|feed| feed.as_ref().ok());
    let of_feeds = feeds.flat_map(|fact| &fact.feed.entries).map(Entry::Feed);
    context.policy.document().deny.iter().map(Entry::Policy).chain(of_feeds)
}

impl Entry<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Policy(deny) => &deny.id,
            Self::Feed(entry) => &entry.id,
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Policy(deny) => &deny.reason,
            Self::Feed(entry) => &entry.reason,
        }
    }

    fn compromised_at(&self) -> Option<Timestamp> {
        match self {
            Self::Policy(deny) => deny.compromised_at.map(|at| at.0),
            Self::Feed(entry) => entry.compromised_at,
        }
    }

    /// Whether it names models by what they are.
    fn names_digests(&self) -> bool {
        match self {
            Self::Policy(deny) => !deny.digests.is_empty(),
            Self::Feed(entry) => !entry.digests.is_empty(),
        }
    }

    /// `digest` is `manifest-sha256:<hex>`.
    fn has_digest(&self, digest: &str) -> bool {
        match self {
            Self::Policy(deny) => deny.digests.iter().any(|denied| denied.as_str() == digest),
            Self::Feed(entry) => entry.digests.iter().any(|denied| manifest_name(denied) == digest),
        }
    }

    fn file_digests(&self) -> Vec<Digest> {
        match self {
            Self::Policy(deny) => {
                let digests = deny.file_digests.iter();
                digests.filter_map(|d| Digest::from_hex(Algorithm::Sha256, d.hex()).ok()).collect()
            }
            Self::Feed(entry) => entry.file_digests.iter().copied().collect(),
        }
    }

    fn has_key(&self, spki_sha256: &str) -> bool {
        match self {
            Self::Policy(deny) => deny.keys.iter().any(|key| key.hex() == spki_sha256),
            Self::Feed(entry) => entry.keys.iter().any(|key| key.to_hex() == spki_sha256),
        }
    }

    fn has_identity(&self, identity: &SignerIdentity) -> bool {
        match self {
            Self::Policy(deny) => {
                deny.identities.iter().any(|denied| identity.names().any(|name| denied.matches(name)))
            }
            Self::Feed(entry) => identity.names().any(|name| entry.identities.contains(name)),
        }
    }
}
