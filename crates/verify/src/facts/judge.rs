//! Whether one bundle is one policy signer's: decided by verifying it with that signer's own trust, never by a name in it.

use super::signed::{Corroboration, KeylessVerifier, Refused, SignerIdentity};
use crate::{
    decision::Code,
    policy::{
        document::{self, CertificateSigner, KeySigner, KeylessSigner, Signer as PolicySigner},
        load::{Policy, SignerTrust},
        matching::Match,
        words::RevocationMode,
    },
    public_key::PublicKey,
    signer::Signer,
    sigstore::identity::{IdentityKind, kind_of_pattern},
    verified::{Payload, Verified},
    verifier::{Verifier, VerifyError},
    x509::{Certificate, RevocationError, RevocationLists, RevocationQuestion, VerifiedPath},
};
use der::Decode;
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, VerificationMaterial},
    text::Printable,
};

/// A well-formed bundle with its bytes.
pub(super) struct Candidate<'a> {
    pub(super) document: &'a [u8],
    pub(super) bundle: &'a Bundle,
}

/// What a signer's trust makes of a bundle.
pub(super) struct Judged {
    /// The bytes that were signed. `None` when the keyless verifier has answered for the envelope.
    pub(super) payload: Option<Verified<Payload>>,
    pub(super) identity: SignerIdentity,
    pub(super) corroboration: Corroboration,
    pub(super) valid_until: Option<Timestamp>,
}

/// What verification is done with.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) policy: &'a Policy,
    pub(super) keyless: &'a dyn KeylessVerifier,
    pub(super) payload_type: &'static str,
    pub(super) now: Timestamp,
}

impl Judge<'_> {
    /// Verifies `candidate` as a signature of the policy's signer `name`.
    pub(super) fn judge(&self, name: &str, candidate: &Candidate<'_>) -> Result<Judged, Refused> {
        let found = candidate.bundle.envelope().payload_type();
        if found != self.payload_type {
            return refuse(
                Code::SignaturePayloadType,
                format!("payloadType is '{}', expected '{}'", Printable(found), self.payload_type),
            );
        }
        match self.policy.document().signers.get(name) {
            Some(PolicySigner::Key(signer)) => self.key(name, signer, candidate),
            Some(PolicySigner::Certificate(signer)) => self.certificate(name, signer, candidate),
            Some(PolicySigner::Keyless(signer)) => self.keyless(name, signer, candidate),
            _ => refuse(Code::ErrorInternal, format!("the policy has no signer '{}'", Printable(name))),
        }
    }

    fn key(&self, name: &str, signer: &KeySigner, candidate: &Candidate<'_>) -> Result<Judged, Refused> {
        let Some(SignerTrust::Key(key)) = self.policy.signer(name) else {
            return refuse(Code::ErrorInternal, format!("the key of '{}' was not loaded", Printable(name)));
        };
        let verifier = Verifier::with_key(key.clone());
        let payload =
            verifier.verify_payload(candidate.bundle, self.payload_type, self.now).map_err(refused)?;
        let corroboration = self.corroborate(candidate, key);
        let outside = |at: Timestamp| {
            signer.not_before.is_some_and(|t| at < t.0) || signer.not_after.is_some_and(|t| at > t.0)
        };
        if let Some(at) = self.times(&corroboration).into_iter().find(|at| outside(*at)) {
            let bound =
                |t: Option<crate::policy::values::Time>| t.map_or("ever".to_owned(), |t| t.0.to_string());
            return refuse(
                Code::IdentityKeyOutsideValidity,
                format!(
                    "'{}' is to be used from {} to {}, and this signature counts as made at {at}",
                    Printable(name),
                    bound(signer.not_before),
                    bound(signer.not_after)
                ),
            );
        }
        let judged_now = corroboration.times.is_empty();
        Ok(Judged {
            payload: Some(payload),
            identity: SignerIdentity::Key {
                spki_sha256: key.fingerprint(),
                algorithm: key.algorithm().to_string(),
            },
            valid_until: signer.not_after.map(|t| t.0).filter(|_| judged_now),
            corroboration,
        })
    }

    fn certificate(
        &self,
        name: &str,
        signer: &CertificateSigner,
        candidate: &Candidate<'_>,
    ) -> Result<Judged, Refused> {
        let Some(SignerTrust::Certificate { roots, crls }) = self.policy.signer(name) else {
            return refuse(
                Code::ErrorInternal,
                format!("the roots of '{}' were not loaded", Printable(name)),
            );
        };
        let verifier = Verifier::with_certificates(roots.clone(), None);
        let corroboration = leaf_key(candidate.bundle)
            .map_or_else(Corroboration::default, |key| self.corroborate(candidate, &key));
        // The whole chain at every time that counts: one backdated authority among two must not save an expired chain.
        let (mut paths, mut payload) = (Vec::<VerifiedPath>::new(), None);
        for at in self.times(&corroboration) {
            let verified =
                verifier.verify_payload(candidate.bundle, self.payload_type, at).map_err(refused)?;
            let Signer::Certificate(found) = verified.signer() else {
                return refuse(Code::ErrorInternal, "a certificate verifier found another signer".to_owned());
            };
            let same = |known: &VerifiedPath| {
                known.certificates().map(Certificate::der).eq(found.certificates().map(Certificate::der))
            };
            if !paths.iter().any(same) {
                paths.push((**found).clone());
            }
            payload = Some(verified);
        }
        let Some(path) = paths.last() else {
            return refuse(Code::ErrorInternal, "no time to judge the certificate at".to_owned());
        };
        check_subject(&signer.subject, path)?;
        check_usage(signer, path)?;
        let lists_end = self.revocation(signer, crls, &paths, &corroboration)?;
        let judged_now = corroboration.times.is_empty();
        let ends = path.certificates().map(Certificate::not_after).min();
        Ok(Judged {
            payload,
            identity: SignerIdentity::of_path(path),
            valid_until: [ends.filter(|_| judged_now), lists_end].into_iter().flatten().min(),
            corroboration,
        })
    }

    /// What the policy's revocation lists say of the paths; until when they may be asked, where they were.
    fn revocation(
        &self,
        signer: &CertificateSigner,
        lists: &RevocationLists,
        paths: &[VerifiedPath],
        corroboration: &Corroboration,
    ) -> Result<Option<Timestamp>, Refused> {
        let Some(wanted) = signer.revocation.as_ref().filter(|wanted| wanted.mode != RevocationMode::Off)
        else {
            return Ok(None);
        };
        let trusted_times: Vec<Timestamp> = corroboration.times.iter().map(|time| time.at).collect();
        let question = RevocationQuestion {
            now: self.now,
            trusted_times: &trusted_times,
            max_age: wanted.max_age.map(crate::policy::values::Period::duration),
            status_required: wanted.mode == RevocationMode::Require,
        };
        let mut until = None;
        for path in paths {
            let current = lists.check(path, &question).map_err(|error| {
                let code = match error {
                    RevocationError::Revoked { .. } => Code::RevocationRevoked,
                    RevocationError::Stale { .. } => Code::RevocationStatusStale,
                    RevocationError::Unavailable { .. } => Code::RevocationStatusUnavailable,
                };
                Refused { code, message: error.to_string() }
            })?;
            until = [until, current].into_iter().flatten().min();
        }
        Ok(until)
    }

    fn keyless(
        &self,
        name: &str,
        signer: &KeylessSigner,
        candidate: &Candidate<'_>,
    ) -> Result<Judged, Refused> {
        let material = candidate.bundle.material();
        if !matches!(material, VerificationMaterial::Certificate(_)) {
            let message =
                format!("the bundle was signed with method '{}', not with 'sigstore'", material.method());
            return refuse(Code::SignatureMethodMismatch, message);
        }
        let evidence = self.keyless.verify(candidate.document, self.policy, &signer.trust_root, self.now)?;
        let identity = &evidence.identity;
        if identity.issuer != signer.issuer {
            return refuse(
                Code::IdentityIssuerMismatch,
                format!(
                    "the issuer is '{}', '{}' must be vouched for by '{}'",
                    Printable(&identity.issuer),
                    Printable(name),
                    Printable(&signer.issuer)
                ),
            );
        }
        if let Some(wanted) = &signer.identity
            && !(wanted.matches(&identity.identity)
                && speaks_of(wanted, &identity.identity)
                    .is_some_and(|k| k.to_string() == identity.identity_kind))
        {
            return refuse(
                Code::IdentitySubjectMismatch,
                format!(
                    "signed by {} '{}', which is not what '{}' has to be: {wanted}",
                    identity.identity_kind,
                    Printable(&identity.identity),
                    Printable(name)
                ),
            );
        }
        for (claim, wanted) in &signer.claims {
            let Some(found) = identity.claims.get(claim.name()) else {
                return refuse(
                    Code::IdentityClaimMissing,
                    format!("the certificate does not state {}", claim.name()),
                );
            };
            if !wanted.matches(found) {
                return refuse(
                    Code::IdentityClaimMismatch,
                    format!("{} is '{}', expected {wanted}", claim.name(), Printable(found)),
                );
            }
        }
        Ok(Judged {
            payload: None,
            identity: SignerIdentity::Keyless(evidence.identity),
            corroboration: sorted(evidence.corroboration),
            valid_until: None,
        })
    }

    fn corroborate(&self, candidate: &Candidate<'_>, key: &PublicKey) -> Corroboration {
        sorted(self.keyless.corroborate(candidate.document, key, self.policy, self.now))
    }

    /// The times at which keys and certificates must be valid: all trusted ones, else now.
    fn times(&self, corroboration: &Corroboration) -> Vec<Timestamp> {
        let times: Vec<Timestamp> = corroboration.times.iter().map(|time| time.at).collect();
        if times.is_empty() { vec![self.now] } else { times }
    }
}

/// The kind of names that a policy's identity is about; it writes none before it. Who can choose a URI must not be able to
/// choose one that reads like somebody's e-mail address.
fn speaks_of(wanted: &Match, found: &str) -> Option<IdentityKind> {
    let literal = |text: &str| if text.contains("://") { IdentityKind::Uri } else { IdentityKind::Email };
    match wanted {
        Match::Literal(text) => Some(literal(text)),
        Match::AnyOf(_) => Some(literal(found)),
        Match::Glob(glob) => {
            let scheme = glob.as_str().split_once("://").map(|(scheme, _)| scheme);
            match scheme {
                Some(scheme) => (!scheme.contains(['*', '@'])).then_some(IdentityKind::Uri),
                None => Some(IdentityKind::Email),
            }
        }
        Match::Regex(pattern) => kind_of_pattern(pattern.as_str()),
    }
}

/// The key of the signing certificate, before anybody knows whether that is to be believed.
fn leaf_key(bundle: &Bundle) -> Option<PublicKey> {
    let VerificationMaterial::CertificateChain(ders) = bundle.material() else { return None };
    let leaf = Certificate::from_der(ders.first()?).ok()?;
    PublicKey::from_spki_der(&leaf.spki_der().ok()?).ok()
}

fn sorted(mut corroboration: Corroboration) -> Corroboration {
    corroboration.times.sort_unstable();
    corroboration.times.dedup();
    corroboration
}

fn refuse<T>(code: Code, message: String) -> Result<T, Refused> {
    Err(Refused { code, message })
}

/// The code of a bundle that is not believed.
pub(super) fn refused(error: VerifyError) -> Refused {
    Refused { code: Code::from(&error), message: error.to_string() }
}

/// All names that the policy gives must match; of several of one kind in the certificate, one.
fn check_subject(wanted: &document::Subject, path: &VerifiedPath) -> Result<(), Refused> {
    let leaf = path.certificates().next();
    let attributes = leaf.and_then(|leaf| x509_cert::Certificate::from_der(leaf.der()).ok());
    let rdns = |oid: &str| -> Vec<String> {
        let Some(certificate) = &attributes else { return Vec::new() };
        let all = certificate.tbs_certificate.subject.0.iter().flat_map(|rdn| rdn.0.iter());
        all.filter(|attribute| attribute.oid.to_string() == oid).filter_map(|a| text_of(&a.value)).collect()
    };
    let names = |kind: &str| -> Vec<String> {
        let all = path.subject_alt_names().iter();
        all.filter(|name| name.kind() == kind).map(|name| name.value().to_owned()).collect()
    };
    let rows = [
        ("cn", &wanted.cn, rdns("2.5.4.3")),
        ("o", &wanted.o, rdns("2.5.4.10")),
        ("ou", &wanted.ou, rdns("2.5.4.11")),
        ("dns", &wanted.dns, names("DNS")),
        ("email", &wanted.email, names("email")),
        ("uri", &wanted.uri, names("URI")),
    ];
    let mut tested = 0;
    for (kind, wanted, found) in rows {
        let Some(wanted) = wanted else { continue };
        tested += 1;
        if !found.iter().any(|value| wanted.matches(value)) {
            let shown = found.iter().map(|v| format!("'{}'", Printable(v))).collect::<Vec<_>>().join(", ");
            let shown = if shown.is_empty() { "not there".to_owned() } else { shown };
            return refuse(
                Code::IdentitySubjectMismatch,
                format!("signed by '{}': {kind} is {shown}, expected {wanted}", Printable(&path.subject())),
            );
        }
    }
    if tested == 0 {
        return refuse(
            Code::ErrorInternal,
            "a certificate signer without a subject matches nobody".to_owned(),
        );
    }
    Ok(())
}

fn text_of(value: &der::Any) -> Option<String> {
    use der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
    let (utf8, printable) =
        (value.decode_as::<Utf8StringRef<'_>>(), value.decode_as::<PrintableStringRef<'_>>());
    let (ia5, teletex) = (value.decode_as::<Ia5StringRef<'_>>(), value.decode_as::<TeletexStringRef<'_>>());
    (utf8.ok().map(|s| s.as_str().to_owned()))
        .or_else(|| printable.ok().map(|s| s.as_str().to_owned()))
        .or_else(|| ia5.ok().map(|s| s.as_str().to_owned()))
        .or_else(|| teletex.ok().map(|s| s.as_str().to_owned()))
}

const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";

/// Code signing was settled with the path; any other usage that the policy names must be in the leaf.
fn check_usage(signer: &CertificateSigner, path: &VerifiedPath) -> Result<(), Refused> {
    use x509_cert::ext::pkix::ExtendedKeyUsage;
    let Some(wanted) = signer.eku.as_ref().map(crate::policy::values::Oid::as_str) else { return Ok(()) };
    if wanted == CODE_SIGNING {
        return Ok(());
    }
    let usages = path
        .certificates()
        .next()
        .and_then(|leaf| x509_cert::Certificate::from_der(leaf.der()).ok())
        .and_then(|leaf| leaf.tbs_certificate.get::<ExtendedKeyUsage>().ok().flatten())
        .map(|(_, usages)| usages.0.iter().map(ToString::to_string).collect::<Vec<_>>())
        .unwrap_or_default();
    if usages.iter().any(|usage| usage == wanted) {
        return Ok(());
    }
    refuse(
        Code::IdentityEku,
        format!("the certificate's extended key usage is {}, expected {wanted}", usages.join(", ")),
    )
}
