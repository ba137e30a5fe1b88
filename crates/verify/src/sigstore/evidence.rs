//! [`Evidence`]: what a trusted root vouches for about a signature: which logs have seen it, and when it existed.

use super::{
    body::{self, Subject},
    checkpoint,
    error::EvidenceError,
    timestamp,
    trusted_root::{Log, TrustedRoot},
};
use jiff::{SignedDuration, Timestamp};
use modelseal_core::text::hex;
use modelseal_core::{limits::MAX_LOG_ENTRIES, log_entry::LogEntry, text::Printable};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// How far a trusted time may lie in the future of the verifier's: two machines' clocks differ by seconds, and five
/// minutes is what other protocols allow. More denies.
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Log entries and timestamps of one bundle, as far as they could be checked. Only the verifier builds one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    log_entries: Vec<VerifiedLogEntry>,
    times: Vec<TrustedTime>,
    unchecked_log_entries: usize,
    unchecked_timestamps: usize,
}

/// A log entry that a log of the trusted root holds, and that is about this signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedLogEntry {
    /// The log's address in the trusted root.
    pub log_url: String,
    /// The log's identifier, in hexadecimal.
    pub log_id: String,
    /// The entry's number in the log.
    pub index: u64,
    /// The entry's kind, such as `hashedrekord`.
    pub kind: String,
    /// The version of the kind.
    pub version: String,
    /// When the log took the entry, where the log has signed that.
    pub integrated_time: Option<Timestamp>,
    /// The first line of the signed tree head; empty for an entry with a promise only.
    pub checkpoint_origin: String,
    /// How many entries the tree had; 0 for an entry with a promise only.
    pub tree_size: u64,
    /// SHA-256 of the body: what is the same entry, whatever number it is given.
    leaf: [u8; 32],
}

/// A time at which the signature existed, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedTime {
    /// The time.
    pub at: Timestamp,
    /// Who says so.
    pub source: TimeSource,
}

/// Who says when a signature existed, by the address in the trusted root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeSource {
    /// An RFC 3161 timestamp authority.
    TimestampAuthority(String),
    /// A log, with a signed entry timestamp (Rekor v1).
    TransparencyLog(String),
}

/// What evidence a signature must carry, beyond what its method needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requirement {
    /// At least one verified log entry.
    pub log_entry: bool,
    /// At least one trusted time.
    pub trusted_time: bool,
}

impl Evidence {
    /// The log entries that verified, each once.
    #[must_use]
    pub fn log_entries(&self) -> &[VerifiedLogEntry] {
        &self.log_entries
    }

    /// The trusted times, earliest first; each timestamp once.
    #[must_use]
    pub fn times(&self) -> &[TrustedTime] {
        &self.times
    }

    /// Log entries that the bundle carries and nobody checked, because no trusted root was given.
    #[must_use]
    pub fn unchecked_log_entries(&self) -> usize {
        self.unchecked_log_entries
    }

    /// Timestamps that the bundle carries and nobody checked, because no trusted root was given.
    #[must_use]
    pub fn unchecked_timestamps(&self) -> usize {
        self.unchecked_timestamps
    }

    /// Whether `requirement` is met.
    ///
    /// # Errors
    /// [`EvidenceError`] says what is missing.
    pub fn satisfies(&self, requirement: Requirement) -> Result<(), EvidenceError> {
        let missing =
            |unchecked: usize, error| if unchecked > 0 { EvidenceError::RootRequired } else { error };
        if requirement.log_entry && self.log_entries.is_empty() {
            return Err(missing(self.unchecked_log_entries, EvidenceError::LogEntryRequired));
        }
        if requirement.trusted_time && self.times.is_empty() {
            let unchecked = self.unchecked_log_entries + self.unchecked_timestamps;
            return Err(missing(unchecked, EvidenceError::TrustedTimeRequired));
        }
        Ok(())
    }

    pub(crate) fn unchecked(log_entries: usize, timestamps: usize) -> Self {
        Self { unchecked_log_entries: log_entries, unchecked_timestamps: timestamps, ..Self::default() }
    }
}

/// Verifies all entries and timestamps that come with `subject`. One that does not verify is fatal, even beside others
/// that do. `every_entry_proven` demands an inclusion proof on each entry: nothing less says that the log holds it.
pub(crate) fn verify(
    log_entries: &[LogEntry],
    timestamps: &[Vec<u8>],
    subject: &Subject<'_>,
    every_entry_proven: bool,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<Evidence, EvidenceError> {
    for (what, found) in [("log entries", log_entries.len()), ("timestamps", timestamps.len())] {
        if found > MAX_LOG_ENTRIES {
            return Err(EvidenceError::TooMany { what, found, limit: MAX_LOG_ENTRIES });
        }
    }
    let mut evidence = Evidence::default();
    let mut logs = Vec::new();
    for (index, entry) in log_entries.iter().enumerate() {
        if log_entries[..index].contains(entry) {
            continue;
        }
        body::check_binding(index, entry, subject)?;
        let (log, verified) = verify_entry(index, entry, every_entry_proven, root)?;
        // The same entry under another checkpoint is still one entry, and one time.
        let same = |other: &VerifiedLogEntry| other.log_id == verified.log_id && other.leaf == verified.leaf;
        if !evidence.log_entries.iter().any(same) {
            if let Some(at) = verified.integrated_time {
                let source = TimeSource::TransparencyLog(log.url.clone());
                evidence.times.push(TrustedTime { at, source });
            }
            evidence.log_entries.push(verified);
        }
        logs.push((index, log));
    }
    for (index, timestamp) in timestamps.iter().enumerate() {
        if !timestamps[..index].contains(timestamp) {
            let time = timestamp::verify(index, timestamp, subject.signature(), root)?;
            evidence.times.push(time);
        }
    }
    evidence.times.sort_by_key(|time| time.at);
    for time in &evidence.times {
        if time.at.duration_since(now) > CLOCK_TOLERANCE {
            return Err(EvidenceError::TimeInFuture { at: time.at, source: time.source.clone(), now });
        }
    }
    for (index, log) in logs {
        check_log_key_window(index, log, &evidence.times, now)?;
    }
    Ok(evidence)
}

/// A log's key speaks for the time in which it was in use: a retired key, which may have leaked since, proves nothing
/// about a later signature. Without any trusted time the key must be in use now.
fn check_log_key_window(
    index: usize,
    log: &Log,
    times: &[TrustedTime],
    now: Timestamp,
) -> Result<(), EvidenceError> {
    let Some(window) = &log.window else { return Ok(()) };
    let mut at = times.iter().map(|time| time.at).collect::<Vec<_>>();
    if at.is_empty() {
        at.push(now);
    }
    match at.into_iter().find(|&at| !window.contains(at)) {
        None => Ok(()),
        Some(at) => Err(EvidenceError::LogKeyOutsideWindow {
            index,
            log: log.url.clone(),
            from: window.from,
            until: window.until,
            at,
        }),
    }
}

fn verify_entry<'r>(
    index: usize,
    entry: &LogEntry,
    proof_required: bool,
    root: &'r TrustedRoot,
) -> Result<(&'r Log, VerifiedLogEntry), EvidenceError> {
    let verified = |log: &Log, time, origin: String, tree_size| VerifiedLogEntry {
        log_url: log.url.clone(),
        log_id: hex(&log.id),
        // Only the log's promise vouches for the number over all of its shards; the proof has that in its tree.
        index: match &entry.inclusion_proof {
            Some(proof) if entry.inclusion_promise.is_none() && !body::is_rekor_v2(entry) => proof.log_index,
            _ => entry.log_index,
        },
        kind: entry.kind.clone(),
        version: entry.version.clone(),
        integrated_time: time,
        checkpoint_origin: origin,
        tree_size,
        leaf: Sha256::digest(&entry.canonicalized_body).into(),
    };
    if body::is_rekor_v2(entry) {
        // Rekor v2 entries name their log only by the checkpoint, and carry no time.
        let Some(proof) = &entry.inclusion_proof else {
            return Err(EvidenceError::NoInclusionProof { index });
        };
        let head = checkpoint::verify(index, &proof.checkpoint, root.logs())?;
        let (size, tree_root) = (head.tree_size, head.root_hash);
        checkpoint::verify_inclusion(index, entry, entry.log_index, size, &proof.hashes, &tree_root)?;
        let entry = verified(head.log, None, head.origin, size);
        return Ok((head.log, entry));
    }
    let log = root.logs().iter().find(|log| log.id[..] == entry.log_id[..]);
    let Some(log) = log else {
        return Err(EvidenceError::UnknownLog { index, log_id: hex(&entry.log_id) });
    };
    let (mut origin, mut tree_size) = (String::new(), 0);
    match &entry.inclusion_proof {
        None if proof_required => return Err(EvidenceError::NoInclusionProof { index }),
        None => {}
        Some(proof) => {
            let head = checkpoint::verify(index, &proof.checkpoint, std::slice::from_ref(log))?;
            if head.root_hash[..] != proof.root_hash[..] || head.tree_size != proof.tree_size {
                return Err(EvidenceError::CheckpointOtherTree { index });
            }
            let root_hash = head.root_hash;
            checkpoint::verify_inclusion(
                index,
                entry,
                proof.log_index,
                head.tree_size,
                &proof.hashes,
                &root_hash,
            )?;
            (origin, tree_size) = (head.origin, head.tree_size);
        }
    }
    let mut time = None;
    if let Some(promise) = &entry.inclusion_promise {
        checkpoint::verify_promise(index, entry, promise, log)?;
        // Only what the log has signed is a time.
        time = match entry.integrated_time.map(Timestamp::from_second) {
            Some(Err(e)) => return Err(EvidenceError::Body { index, detail: e.to_string() }),
            Some(Ok(at)) => Some(at),
            None => None,
        };
    } else if entry.inclusion_proof.is_none() {
        return Err(EvidenceError::NoInclusionProof { index });
    }
    Ok((log, verified(log, time, origin, tree_size)))
}

impl fmt::Display for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimestampAuthority(name) => write!(f, "timestamp authority {}", Printable(name)),
            Self::TransparencyLog(name) => write!(f, "transparency log {}", Printable(name)),
        }
    }
}
