//! From a leaf to a root: the rules, and a search that obeys them.

use der::oid::ObjectIdentifier;
use jiff::Timestamp;

use super::certificate::Certificate;
use super::error::PathError;
use super::name::SubjectAltName;
use super::roots::Roots;
use super::signature;
use crate::public_key::{PublicKey, oid_text};

/// The most certificates that may come with a signature. Real chains have two to four.
pub const MAX_BUNDLE_CERTIFICATES: usize = 32;
/// The most certificates of a path, leaf and root included.
pub const MAX_PATH_LENGTH: usize = 8;
/// The most signatures checked in one search. Hostile chains can have exponentially many paths.
pub const MAX_SIGNATURE_CHECKS: usize = 64;

/// A leaf certificate that may sign code and chains to one of the user's roots. Only [`verify_path`] builds one.
///
/// ```compile_fail
/// use modelseal_verify::x509::VerifiedPath;
/// fn forge(real: VerifiedPath) -> VerifiedPath {
///     VerifiedPath { certificates: Vec::new(), ..real }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct VerifiedPath {
    leaf: Certificate,
    /// From the leaf's issuer to the root; empty when the leaf is the root.
    issuers: Vec<Certificate>,
    public_key: PublicKey,
    window: ValidityWindow,
}

/// When every certificate of a path is valid. Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidityWindow {
    /// The latest `notBefore`.
    pub not_before: Timestamp,
    /// The earliest `notAfter`; [`Timestamp::MAX`] stands for the year 9999.
    pub not_after: Timestamp,
}

/// Finds a path from the first certificate of `chain` to one of `roots`, on which every certificate obeys the rules at
/// the time `at`.
///
/// `chain` is what came with the signature: the leaf first, then certificates that may help (OMS v1.0 section 4.1).
/// Their order does not matter, and none of them gives trust.
///
/// The rules (RFC 5280 section 6.1, and stricter where it says so):
///
/// - Each certificate names the next one as its issuer and is signed with its key; the last one is an anchor of `roots`.
///   A leaf that is itself an anchor needs no issuer. Key identifiers are not consulted: the signature decides.
/// - Every certificate, **the root too**, is valid at `at`; both ends of a validity belong to it, in whole seconds.
/// - Every certificate but the leaf, the root too, is an authority: `basicConstraints` with `CA:TRUE`, `keyCertSign` in
///   `keyUsage` if it has one, `codeSigning` or `anyExtendedKeyUsage` in `extendedKeyUsage` if it has one, and no more
///   authorities below it than its `pathLenConstraint` (self-issued ones are not counted).
/// - A critical extension that is not understood, and `nameConstraints` even when not critical, refuse the path.
///   Understood are `basicConstraints`, `keyUsage`, `extendedKeyUsage`, `subjectAltName`, `certificatePolicies` and the
///   key identifiers. `policyConstraints`, `policyMappings` and `inhibitAnyPolicy` are not.
/// - The leaf may sign code: `extendedKeyUsage` must include `codeSigning` (`anyExtendedKeyUsage` does not do), and
///   `keyUsage` must include `digitalSignature`. One of the two may be absent, not both; and one that may sign
///   certificates (`keyCertSign`) signs models only when its `extendedKeyUsage` says so.
/// - The leaf's key is a [`PublicKey`]. The leaf may be an authority (`CA:TRUE`), and may bear its issuer's name: the
///   historical bundles of OMS section 11 do both.
///
/// Revocation is not checked here: see [`RevocationLists`](super::RevocationLists).
///
/// # Errors
/// [`PathError`]: the leaf's own fault, else the one of the path that came furthest, else the bound that was reached.
pub fn verify_path(chain: &[Certificate], roots: &Roots, at: Timestamp) -> Result<VerifiedPath, PathError> {
    let Some((leaf, helpers)) = chain.split_first() else { return Err(PathError::EmptyChain) };
    if chain.len() > MAX_BUNDLE_CERTIFICATES {
        return Err(PathError::TooManyCertificates { found: chain.len(), limit: MAX_BUNDLE_CERTIFICATES });
    }
    let public_key = check_signing_leaf(leaf, at)?;

    let mut search = Search {
        anchors: &roots.anchors,
        intermediates: helpers.iter().chain(&roots.intermediates).collect(),
        at,
        checks: 0,
        furthest: None,
    };
    let mut path = vec![leaf];
    let is_anchor = roots.anchors.iter().any(|anchor| anchor.der == leaf.der);
    if !is_anchor && !search.climb(&mut path)? {
        return Err(search.furthest.unwrap_or(PathError::EmptyChain));
    }
    let window = path.iter().fold(
        ValidityWindow { not_before: leaf.not_before, not_after: leaf.not_after },
        |window, certificate| ValidityWindow {
            not_before: window.not_before.max(certificate.not_before),
            not_after: window.not_after.min(certificate.not_after),
        },
    );
    let issuers = path[1..].iter().map(|&certificate| certificate.clone()).collect();
    Ok(VerifiedPath { leaf: leaf.clone(), issuers, public_key, window })
}

/// Checks what a leaf must be whoever issued it: valid at `at`, allowed to sign code, nothing critical that is not
/// understood, and a key that signs models. For signers, who have no roots to build a path to.
///
/// # Errors
/// [`PathError`] about the leaf.
pub fn check_signing_leaf(leaf: &Certificate, at: Timestamp) -> Result<PublicKey, PathError> {
    check_leaf_usage(leaf)?;
    check_any(leaf, at)?;
    let spki = leaf.spki_der().map_err(|error| PathError::LeafKey {
        subject: leaf.subject(),
        error: crate::public_key::PublicKeyError::Malformed { detail: error.to_string() },
    })?;
    PublicKey::from_spki_der(&spki).map_err(|error| PathError::LeafKey { subject: leaf.subject(), error })
}

impl VerifiedPath {
    /// The signer: the leaf's subject, as RFC 4514 text with control characters escaped.
    #[must_use]
    pub fn subject(&self) -> String {
        self.leaf.subject()
    }

    /// The leaf's issuer, in the form of [`subject`](Self::subject).
    #[must_use]
    pub fn issuer(&self) -> String {
        self.leaf.issuer()
    }

    /// The leaf's serial number in lower-case hexadecimal.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        self.leaf.serial_hex()
    }

    /// Hex SHA-256 of the leaf's DER.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.leaf.fingerprint()
    }

    /// First second of the leaf's validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.leaf.not_before
    }

    /// Last second of the leaf's validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.leaf.not_after
    }

    /// The leaf's subjectAltName entries, in their order.
    #[must_use]
    pub fn subject_alt_names(&self) -> &[SubjectAltName] {
        self.leaf.subject_alt_names()
    }

    /// The leaf's key, which the model's signature must be checked with.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The subject of the root that the path ends at.
    #[must_use]
    pub fn root_subject(&self) -> String {
        self.root().subject()
    }

    /// Hex SHA-256 of that root's DER.
    #[must_use]
    pub fn root_fingerprint(&self) -> String {
        self.root().fingerprint()
    }

    /// When all certificates of the path are valid at once.
    #[must_use]
    pub fn window(&self) -> ValidityWindow {
        self.window
    }

    /// The path from leaf to root.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.issuers)
    }

    /// Each certificate with its issuer, from the leaf up. The root stands only as an issuer.
    pub(super) fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.certificates().zip(&self.issuers)
    }

    fn root(&self) -> &Certificate {
        self.issuers.last().unwrap_or(&self.leaf)
    }
}

const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// A depth-first search from issuer to issuer, anchors first.
struct Search<'a> {
    anchors: &'a [Certificate],
    intermediates: Vec<&'a Certificate>,
    at: Timestamp,
    /// Signatures checked so far, of [`MAX_SIGNATURE_CHECKS`].
    checks: usize,
    /// The error of the path that came furthest.
    furthest: Option<PathError>,
}

impl<'a> Search<'a> {
    /// Extends `path` until it ends at an anchor; whether it does. Fails when a bound is reached.
    fn climb(&mut self, path: &mut Vec<&'a Certificate>) -> Result<bool, PathError> {
        let Some(&current) = path.last() else { return Ok(false) };
        if path.len() == MAX_PATH_LENGTH {
            self.note(PathError::PathTooLong { limit: MAX_PATH_LENGTH });
            return Ok(false);
        }
        let anchors = self.anchors.iter().map(|anchor| (anchor, true));
        let named: Vec<(&'a Certificate, bool)> = anchors
            .chain(self.intermediates.iter().map(|&helper| (helper, false)))
            .filter(|(issuer, _)| issuer.subject == current.issuer)
            .collect();
        // One holder of a key never stands twice in a path (RFC 4158 section 2.4.1), so no search goes in circles.
        let on_path = |issuer: &Certificate| {
            path.iter().any(|on| on.subject == issuer.subject && on.spki == issuer.spki)
        };
        let candidates: Vec<_> = named.iter().copied().filter(|(issuer, _)| !on_path(issuer)).collect();
        if candidates.is_empty() {
            self.note(dead_end(current, named.is_empty()));
        }
        for (issuer, is_anchor) in candidates {
            if self.checks == MAX_SIGNATURE_CHECKS {
                return Err(PathError::SearchTooLarge { limit: MAX_SIGNATURE_CHECKS });
            }
            self.checks += 1;
            let link = signature::check(current, issuer).and_then(|()| self.check_issuer(issuer, path));
            if let Err(error) = link {
                self.note(error);
                continue;
            }
            path.push(issuer);
            if is_anchor || self.climb(path)? {
                return Ok(true);
            }
            path.pop();
        }
        Ok(false)
    }

    /// The rules for an authority above `below`, which begins with the leaf.
    fn check_issuer(&self, issuer: &Certificate, below: &[&Certificate]) -> Result<(), PathError> {
        let subject = || issuer.subject();
        check_any(issuer, self.at)?;
        let extensions = &issuer.extensions;
        let constraints = extensions.basic_constraints.as_ref().filter(|constraints| constraints.ca);
        let Some(constraints) = constraints else { return Err(PathError::NotACa { subject: subject() }) };
        if extensions.key_usage.as_ref().is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(PathError::CaMayNotSignCertificates { subject: subject() });
        }
        let usages = extensions.extended_key_usage.as_ref();
        let other =
            usages.filter(|usages| !usages.0.iter().any(|usage| [CODE_SIGNING, ANY_USAGE].contains(usage)));
        if let Some(other) = other {
            return Err(PathError::CaUsage {
                subject: subject(),
                found: other.0.iter().map(oid_text).collect(),
            });
        }
        let found = below.iter().skip(1).filter(|authority| !authority.is_self_issued()).count();
        match constraints.path_len_constraint {
            Some(limit) if found > usize::from(limit) => {
                Err(PathError::PathLength { subject: subject(), limit, found })
            }
            _ => Ok(()),
        }
    }

    fn note(&mut self, error: PathError) {
        if self.furthest.as_ref().is_none_or(|known| known.specificity() < error.specificity()) {
            self.furthest = Some(error);
        }
    }
}

/// The rules for every certificate: nothing demanded that is not enforced, and valid.
fn check_any(certificate: &Certificate, at: Timestamp) -> Result<(), PathError> {
    let extensions = &certificate.extensions;
    let subject = || certificate.subject();
    if extensions.has_name_constraints {
        return Err(PathError::NameConstraints { subject: subject() });
    }
    if !extensions.unknown_critical.is_empty() {
        let extensions = extensions.unknown_critical.iter().map(oid_text).collect();
        return Err(PathError::CriticalExtension { subject: subject(), extensions });
    }
    // Whole seconds: a validity that ends at 23:59:59 includes all of that second.
    if at.as_second() < certificate.not_before.as_second() {
        return Err(PathError::NotYetValid { subject: subject(), not_before: certificate.not_before, at });
    }
    if at.as_second() > certificate.not_after.as_second() {
        return Err(PathError::Expired { subject: subject(), not_after: certificate.not_after, at });
    }
    Ok(())
}

fn check_leaf_usage(leaf: &Certificate) -> Result<(), PathError> {
    let usage = leaf.extensions.key_usage.as_ref();
    let extended = leaf.extensions.extended_key_usage.as_ref();
    if usage.is_none() && extended.is_none() {
        return Err(PathError::LeafWithoutUsage { subject: leaf.subject() });
    }
    if let Some(extended) = extended.filter(|extended| !extended.0.contains(&CODE_SIGNING)) {
        let found = extended.0.iter().map(oid_text).collect();
        return Err(PathError::LeafExtendedUsage { subject: leaf.subject(), found });
    }
    match usage {
        Some(usage) if !usage.digital_signature() => Err(PathError::LeafKeyUsage { subject: leaf.subject() }),
        Some(usage) if usage.key_cert_sign() && extended.is_none() => {
            Err(PathError::LeafIsAuthority { subject: leaf.subject() })
        }
        _ => Ok(()),
    }
}

/// Nobody above `last` is left: nobody has its issuer's name, or all who do are below it already.
fn dead_end(last: &Certificate, nobody_named: bool) -> PathError {
    if last.is_self_issued() && signature::check(last, last).is_ok() {
        return PathError::UntrustedRoot { subject: last.subject(), fingerprint: last.fingerprint() };
    }
    if nobody_named {
        return PathError::NoIssuer { subject: last.subject(), issuer: last.issuer() };
    }
    PathError::Circle { subject: last.subject(), issuer: last.issuer() }
}
