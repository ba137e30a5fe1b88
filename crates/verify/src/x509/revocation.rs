//! Whether certificates were revoked, as far as the revocation lists at hand say.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::certificate::Certificate;
use super::crl::{Crl, CrlError, Effect, Entry};
use super::path::VerifiedPath;
use modelseal_core::text::hex;

/// Revocation lists that somebody put into a folder. Which of them are an authority's is found out when one of its
/// certificates is asked about.
#[derive(Debug, Clone, Default)]
pub struct RevocationLists {
    lists: Vec<(String, Crl)>,
    unreadable: Vec<(String, CrlError)>,
    digest: String,
}

/// What is asked about a path.
#[derive(Debug, Clone, Copy)]
pub struct RevocationQuestion<'a> {
    /// The time that lists must be current at.
    pub now: Timestamp,
    /// The times that others than the signer vouch for. Without any, the signature may be from a moment ago.
    pub trusted_times: &'a [Timestamp],
    /// How old a list may be by its `thisUpdate`; however old its `nextUpdate` allows when absent.
    pub max_age: Option<SignedDuration>,
    /// Whether a certificate without a current list is refused.
    pub status_required: bool,
}

/// Why a path is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationError {
    /// A certificate was revoked.
    Revoked {
        /// Whom the certificate speaks of.
        subject: String,
        /// Its serial number in hexadecimal.
        serial: String,
        /// When it was revoked.
        at: Timestamp,
        /// The list that says so.
        list: String,
    },
    /// The lists of a certificate's issuer are no longer current.
    Stale {
        /// The issuer.
        issuer: String,
        /// The newest list.
        list: String,
        /// When that was made.
        this_update: Timestamp,
        /// Until when it could be used.
        until: Timestamp,
    },
    /// There is no list of a certificate's issuer that can be used.
    Unavailable {
        /// The issuer.
        issuer: String,
        /// Lists that bear its name or cannot be read, and what is wrong with them.
        unusable: Vec<String>,
    },
}

impl RevocationLists {
    /// Reads files, each with its name: DER, or PEM with one or more `X509 CRL`. What is not a revocation list is kept for
    /// messages, and is otherwise as if it were not there.
    #[must_use]
    pub fn read<B: AsRef<[u8]>>(files: impl IntoIterator<Item = (String, B)>) -> Self {
        let mut read = Self::default();
        let mut hash = Sha256::new();
        for (name, bytes) in files {
            hash.update(Sha256::digest(bytes.as_ref()));
            for list in Crl::from_file(bytes.as_ref()) {
                match list {
                    Ok(list) => read.lists.push((name.clone(), list)),
                    Err(error) => read.unreadable.push((name.clone(), error)),
                }
            }
        }
        read.digest = hex(&hash.finalize());
        read
    }

    /// The lists with the names of their files.
    pub fn lists(&self) -> impl Iterator<Item = (&str, &Crl)> {
        self.lists.iter().map(|(name, list)| (name.as_str(), list))
    }

    /// What could not be read, by the name of its file.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, &CrlError)> {
        self.unreadable.iter().map(|(name, error)| (name.as_str(), error))
    }

    /// A digest over all files in their order, for the key of a cache.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether every certificate of `path` but its root may be believed. Gives the time until which the lists that say so
    /// are current, where there are any.
    ///
    /// A list counts when it is signed with the key of the certificate above in the path, which has the list's name and
    /// `cRLSign` (where it has a `keyUsage`); lists that another key signs for the authority are not used. Neither are lists
    /// with a critical extension that is not understood, lists for some certificates only (`issuingDistributionPoint`) and
    /// delta lists (RFC 5280 sections 5.2 and 5.3).
    ///
    /// Any list that counts revokes, an old one too: certificates disappear from lists when they expire, not because they
    /// become good. Only `certificateHold` is over when a newer list does not have it. Entries mean this:
    ///
    /// - `superseded`, `affiliationChanged`, `cessationOfOperation`: signatures with a trusted time before `revocationDate`
    ///   and `invalidityDate` stand. Every trusted time must be before.
    /// - anything else, no reason among them: no signature stands, whenever it was made (RFC 5280 section 5.3.1 gives no
    ///   times, and whoever has a stolen key can have old timestamps).
    ///
    /// # Errors
    /// [`RevocationError::Revoked`]; and the others when [`status_required`](RevocationQuestion::status_required).
    pub fn check(
        &self,
        path: &VerifiedPath,
        question: &RevocationQuestion<'_>,
    ) -> Result<Option<Timestamp>, RevocationError> {
        let mut first_missing = None;
        let mut until = None;
        for (certificate, issuer) in path.links() {
            match self.check_one(certificate, issuer, question) {
                Ok(current) => until = Some(until.map_or(current, |earlier: Timestamp| earlier.min(current))),
                Err(revoked @ RevocationError::Revoked { .. }) => return Err(revoked),
                Err(missing) => first_missing = first_missing.or(Some(missing)),
            }
        }
        match first_missing {
            Some(missing) if question.status_required => Err(missing),
            _ => Ok(until),
        }
    }

    /// Until when the newest current list of `issuer` says that `certificate` is good.
    fn check_one(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        question: &RevocationQuestion<'_>,
    ) -> Result<Timestamp, RevocationError> {
        let now = question.now;
        let mut unusable: Vec<String> =
            self.unreadable().take(MAX_NAMED).map(|(name, error)| format!("{name}: {error}")).collect();
        let mut of_issuer: Vec<(&str, &Crl)> = Vec::new();
        for (name, list) in self.lists().filter(|(_, list)| list.is_named_by(issuer)) {
            match list.check_issuer(issuer) {
                Ok(()) => of_issuer.push((name, list)),
                Err(why) => unusable.push(format!("{name}: {why}")),
            }
        }
        let newest = of_issuer.iter().map(|(_, list)| list.this_update()).filter(|made| *made <= now).max();
        for (name, list) in &of_issuer {
            let holds = newest.is_none_or(|newest| list.this_update() >= newest);
            let entry =
                list.entries_of(certificate).find(|entry| revokes(entry, holds, question.trusted_times));
            if let Some(entry) = entry {
                return Err(RevocationError::Revoked {
                    subject: certificate.subject(),
                    serial: certificate.serial_hex(),
                    at: entry.revoked_at,
                    list: (*name).to_owned(),
                });
            }
        }
        let mut stale: Option<(&str, &Crl, Timestamp)> = None;
        let mut current: Option<(Timestamp, Timestamp)> = None;
        for (name, list) in of_issuer {
            let made = list.this_update();
            if made > now {
                unusable.push(format!("{name}: it is of {made}, which is yet to come"));
                continue;
            }
            let by_age =
                question.max_age.and_then(|age| made.checked_add(age).ok()).unwrap_or(Timestamp::MAX);
            let until = list.next_update().unwrap_or(Timestamp::MAX).min(by_age);
            if now <= until {
                current = current.max(Some((made, until)));
            } else if stale.is_none_or(|(_, newest, _)| newest.this_update() < made) {
                stale = Some((name, list, until));
            }
        }
        match (current, stale) {
            (Some((_, until)), _) => Ok(until),
            (None, Some((name, list, until))) => Err(RevocationError::Stale {
                issuer: issuer.subject(),
                list: name.to_owned(),
                this_update: list.this_update(),
                until,
            }),
            (None, None) => Err(RevocationError::Unavailable { issuer: issuer.subject(), unusable }),
        }
    }
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use modelseal_core::text::Printable;
        match self {
            Self::Revoked { subject, serial, at, list } => write!(
                f,
                "the certificate of '{subject}' with the serial number {serial} was revoked at {at}, says {}",
                Printable(list)
            ),
            Self::Stale { issuer, list, this_update, until } => write!(
                f,
                "the newest revocation list of '{issuer}', {} of {this_update}, could be used until {until}",
                Printable(list)
            ),
            Self::Unavailable { issuer, unusable } => {
                write!(f, "there is no revocation list of '{issuer}' that can be used")?;
                for (at, why) in unusable.iter().take(MAX_NAMED).enumerate() {
                    write!(f, "{}{}", if at == 0 { ": " } else { "; " }, Printable(why))?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for RevocationError {}

/// The most files that a message says something about.
const MAX_NAMED: usize = 4;

/// Whether `entry` is a reason not to believe a signature of these times. `holds` is whether its list may still hold.
fn revokes(entry: &Entry<'_>, holds: bool, trusted_times: &[Timestamp]) -> bool {
    match entry.effect {
        Effect::Always => true,
        Effect::From(since) => trusted_times.is_empty() || trusted_times.iter().any(|at| since <= *at),
        Effect::Hold => holds,
        Effect::Removed => false,
    }
}
