//! Who is believed about a model of the ancestry: named signers, or the signers and builders of trust policies.

use super::named;
use crate::{
    evidence_files,
    policies::{Policies, PolicyError, keyless_verifier},
    report::{LineageStanding as Standing, LineageStatus as Status},
    store::StoredBundle,
};
use jiff::Timestamp;
use modelseal_core::{
    artifact::ArtifactId,
    attestation::{Attestation, Subject, read_attestation},
    bundle::{Bundle, PublicKeyIdentifier, VerificationMaterial},
    cover::{Target, whole},
    limits::MAX_LINEAGE_UNTRUSTED_BYTES,
    manifest::Serialization,
    predicate::{
        Reading, SignedModel, StatementError,
        build_type::BuildType,
        descriptor::{Descriptor, DigestSet, MANIFEST_DIGEST},
        read_signed_model,
        slsa_provenance::Provenance,
    },
    text::Printable,
};
use modelseal_verify::{
    decision::{
        Request, Verdict,
        hop::{self, Artifact},
    },
    facts::{self, Evidence, KeylessVerifier},
    verifier::{Verifier, VerifyError},
    x509::Certificate,
};

/// Whose word counts.
#[derive(Debug, Clone)]
pub enum LineageTrust<'a> {
    /// Whoever one of these verifiers believes, about every model.
    Signers(Vec<Verifier>),
    /// The signers and builders of these policies, for each model those of the rule for its name.
    Policies(&'a Policies),
}

/// Judges bundles about one artifact after the other.
pub(super) struct Judge<'a> {
    trust: &'a LineageTrust<'a>,
    /// Evidence that is the same for every artifact: deny feeds.
    feeds: Evidence,
    keyless: Option<Box<dyn KeylessVerifier>>,
    now: Timestamp,
}

/// The artifact that is asked about.
pub(super) struct Asked<'a> {
    pub(super) uri: Option<&'a str>,
    pub(super) ids: &'a [ArtifactId],
    pub(super) digests: &'a DigestSet,
    pub(super) method: Option<&'a str>,
    pub(super) measured: &'a [Target<'a>],
}

impl Asked<'_> {
    /// The artifact by every measurement of it, and by what pins it.
    fn known_as(&self) -> impl Iterator<Item = Descriptor> {
        let measured = self.measured.iter().map(|target| whole(target.manifest()));
        let pinned = (self.digests.clone(), self.method.map(str::to_owned));
        measured.chain(std::iter::once(pinned)).map(|(digest, method)| {
            let method = method.map(|method| ("digestMethod".into(), method.as_str().into()));
            Descriptor { digest, annotations: method.into_iter().collect(), ..Descriptor::default() }
        })
    }
}

/// A bundle about the artifact, and what it is worth.
pub(super) struct Judged {
    pub(super) evidence: String,
    pub(super) place: String,
    pub(super) about: About,
    pub(super) standing: Standing,
    pub(super) code: Option<String>,
    /// By whom it is, or why it is not believed.
    pub(super) message: String,
}

/// What a bundle says.
pub(super) enum About {
    Model(Box<SignedModel>),
    Attestation(Box<Attestation>),
    /// So many bytes that nobody trusted signed, and that were not read for this.
    Unread(usize),
}

/// What all bundles about an artifact come to.
pub(super) struct Judgement {
    pub(super) status: Status,
    pub(super) code: Option<String>,
    pub(super) message: String,
    pub(super) statements: Vec<Judged>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(trust: &'a LineageTrust<'a>, now: Timestamp) -> Result<Self, PolicyError> {
        let mut judge = Self { trust, feeds: Evidence::new(), keyless: None, now };
        if let LineageTrust::Policies(policies) = trust {
            judge.feeds = evidence_files::feeds(policies)?;
            judge.keyless = Some(keyless_verifier(policies, now));
        }
        Ok(judge)
    }

    /// Under which parameters those who are trusted about the model of this name have measured, of these bundles beside it.
    /// What anybody else leaves out of a model is not left out.
    pub(super) fn parameters(&self, uri: Option<&str>, bundles: &[StoredBundle]) -> Vec<Serialization> {
        let mut left = MAX_LINEAGE_UNTRUSTED_BYTES;
        let signed = bundles.iter().filter_map(|stored| {
            let about = self.about(stored, &mut left)?;
            let About::Model(model) = &about else { return None };
            let ids = ArtifactId::of_manifest(&model.manifest);
            let serialization = model.manifest.serialization().clone();
            let (digests, method) = whole(&model.manifest);
            let asked = Asked { uri, ids: &ids, digests: &digests, method: method.as_deref(), measured: &[] };
            let judged = self.verify(&asked, vec![(stored, about)]).statements;
            judged.iter().any(|judged| judged.standing == Standing::Trusted).then_some(serialization)
        });
        signed.collect()
    }

    /// Judges what `bundles` say of an artifact. Those that are about something else are left out.
    pub(super) fn judge(&self, asked: &Asked<'_>, bundles: &[StoredBundle]) -> Judgement {
        let mut left = MAX_LINEAGE_UNTRUSTED_BYTES;
        let about: Vec<(&StoredBundle, About)> = bundles
            .iter()
            .filter_map(|stored| {
                let about = self.about(stored, &mut left)?;
                about.is_about(asked).then_some((stored, about))
            })
            .collect();
        self.verify(asked, about)
    }

    /// What a bundle says: of what somebody trusted signed, and of as many bytes by anybody else as are `left`. Signatures are
    /// checked over the bytes as they are, so that nobody else's statement has to be read, however large it is.
    fn about(&self, stored: &StoredBundle, left: &mut usize) -> Option<About> {
        let envelope = stored.bundle.envelope();
        let (payload_type, payload) = (envelope.payload_type(), envelope.payload_unverified());
        match left.checked_sub(payload.len()) {
            Some(less) => *left = less,
            None if !self.is_by_somebody_trusted(stored) => return Some(About::Unread(payload.len())),
            None => {}
        }
        About::read(payload_type, payload)
    }

    fn is_by_somebody_trusted(&self, stored: &StoredBundle) -> bool {
        match self.trust {
            LineageTrust::Signers(verifiers) => {
                verifiers.iter().any(|verifier| verifier.verify(&stored.bundle, self.now).is_ok())
            }
            LineageTrust::Policies(_) => {
                let evidence = stored.sha256.to_string();
                let facts = self.facts(std::iter::once(stored));
                facts.is_some_and(|facts| !facts.rejected().iter().any(|one| one.evidence == evidence))
            }
        }
    }

    fn verify(&self, asked: &Asked<'_>, bundles: Vec<(&StoredBundle, About)>) -> Judgement {
        match self.trust {
            LineageTrust::Signers(verifiers) => self.by_signers(verifiers, bundles),
            LineageTrust::Policies(policies) => self.by_policies(policies, asked, bundles),
        }
    }

    fn by_signers(&self, verifiers: &[Verifier], bundles: Vec<(&StoredBundle, About)>) -> Judgement {
        let statements = bundles.into_iter().map(|(stored, about)| {
            let judged = |about, standing, message| Judged {
                evidence: stored.sha256.to_string(),
                place: stored.place(),
                about,
                standing,
                code: None,
                message,
            };
            let mut why: Option<VerifyError> = None;
            for verifier in verifiers {
                match verifier.verify(&stored.bundle, self.now) {
                    // What counts is what was signed, read from the bytes that were verified.
                    Ok(verified) => {
                        let signer = verified.signer().to_string();
                        let payload = verified.get();
                        let Some(about) = About::read(payload.payload_type(), payload.bytes()) else {
                            return judged(about, Standing::Refused, "it cannot be read".to_owned());
                        };
                        return match about.fault() {
                            Some(fault) => judged(about, Standing::Refused, format!("{signer}: {fault}")),
                            None => judged(about, Standing::Trusted, signer),
                        };
                    }
                    Err(error) if why.as_ref().is_none_or(is_about_another_signer) => why = Some(error),
                    Err(_) => {}
                }
            }
            let why = why.filter(|error| !is_about_another_signer(error)).map(|error| format!(": {error}"));
            let message = format!("{}{}{}", who(&stored.bundle), why.unwrap_or_default(), about.unread());
            judged(about, Standing::Unknown, message)
        });
        let statements: Vec<Judged> = statements.collect();
        let (status, message) = summary(&statements);
        Judgement { status, code: None, message, statements }
    }

    fn by_policies(
        &self,
        policies: &Policies,
        asked: &Asked<'_>,
        bundles: Vec<(&StoredBundle, About)>,
    ) -> Judgement {
        let request = match named::request(asked.uri) {
            Ok(request) => request,
            Err(message) => {
                let status = if bundles.is_empty() { Status::Unresolved } else { Status::Denied };
                let code = Some("reference.malformed".to_owned());
                return Judgement { status, code, message, statements: Vec::new() };
            }
        };
        let Some(facts) = self.facts(bundles.iter().map(|(stored, ..)| *stored)) else {
            let message = "there are no policies".to_owned();
            return Judgement { status: Status::Denied, code: None, message, statements: Vec::new() };
        };
        let request = Request::new(request);
        // A copy may have been signed under other parameters than those by which it is pinned.
        let hops = asked.known_as().map(|pinned| {
            let artifact = Artifact { pinned: &pinned, measured: asked.measured };
            hop::judge(policies.set(), &request, artifact, facts.clone(), self.now)
        });
        let Some(hop) = hops.min_by_key(|hop| hop.verdict) else {
            let message = "nothing says which artifact it is".to_owned();
            return Judgement { status: Status::Unresolved, code: None, message, statements: Vec::new() };
        };
        let statements: Vec<Judged> = bundles
            .into_iter()
            .map(|(stored, about)| {
                let evidence = stored.sha256.to_string();
                let (standing, code, message) = match hop.statements.get(&evidence) {
                    Some(hop::Standing::Trusted(signer)) => (Standing::Trusted, None, signer.clone()),
                    Some(hop::Standing::Denied { code, message }) => {
                        (Standing::Revoked, Some(code.to_string()), message.clone())
                    }
                    Some(hop::Standing::Refused { code, message }) => {
                        (Standing::Refused, Some(code.to_string()), message.clone())
                    }
                    _ => {
                        let why = hop.rejected.get(&evidence).map(|why| format!(": {why}"));
                        (
                            Standing::Unknown,
                            None,
                            format!("{}{}{}", who(&stored.bundle), why.unwrap_or_default(), about.unread()),
                        )
                    }
                };
                Judged { evidence, place: stored.place(), about, standing, code, message }
            })
            .collect();
        let (status, message) = summary(&statements);
        let code = hop.code.map(|code| code.to_string());
        match hop.verdict {
            Verdict::Allow if status.is_good() => Judgement { status, code: None, message, statements },
            Verdict::Allow => {
                let message = "it is what the policy wants, and nobody says how it was made".to_owned();
                Judgement { status: Status::Signed, code: None, message, statements }
            }
            _ if hop.code.is_some_and(hop::is_revocation) => {
                Judgement { status: Status::Revoked, code, message: hop.message, statements }
            }
            _ if statements.is_empty() => {
                let message = format!("{message}; {}", hop.message);
                Judgement { status: Status::Unresolved, code, message, statements }
            }
            _ if statements.iter().all(|statement| statement.standing == Standing::Unknown) => {
                Judgement { status: Status::UnknownSigner, code, message, statements }
            }
            _ => Judgement { status: Status::Denied, code, message: hop.message, statements },
        }
    }

    fn facts<'b>(&self, bundles: impl Iterator<Item = &'b StoredBundle>) -> Option<facts::Facts> {
        let (LineageTrust::Policies(policies), Some(keyless)) = (self.trust, &self.keyless) else {
            return None;
        };
        let mut evidence = self.feeds.clone();
        for stored in bundles {
            evidence.add(&stored.place(), None, &stored.bytes);
        }
        Some(facts::collect(policies.set(), &evidence, &**keyless, self.now))
    }
}

impl About {
    fn read(payload_type: &str, payload: &[u8]) -> Option<Self> {
        match read_signed_model(payload_type, payload, Reading::Field) {
            Ok(model) => Some(Self::Model(Box::new(model))),
            Err(StatementError::PredicateType(_)) => {
                read_attestation(payload_type, payload).ok().map(|read| Self::Attestation(Box::new(read)))
            }
            Err(_) => None,
        }
    }

    pub(super) fn provenance(&self) -> Option<&Provenance> {
        match self {
            Self::Attestation(about) => about.predicate.provenance(),
            Self::Model(_) | Self::Unread(_) => None,
        }
    }

    /// What to add to why it is not believed.
    fn unread(&self) -> String {
        match self {
            Self::Unread(bytes) => format!("; its {bytes} bytes were not read"),
            Self::Model(_) | Self::Attestation(_) => String::new(),
        }
    }

    pub(super) fn predicate_type(&self) -> &str {
        match self {
            Self::Model(model) => model.predicate_type,
            Self::Attestation(about) => &about.predicate_type,
            Self::Unread(_) => "",
        }
    }

    /// Whether it is about all of the artifact, and contradicts none of its digests.
    fn is_about(&self, asked: &Asked<'_>) -> bool {
        match self {
            // It lies where what is about the artifact lies.
            Self::Unread(_) => true,
            Self::Model(model) => {
                ArtifactId::of_manifest(&model.manifest).iter().any(|id| asked.ids.contains(id))
            }
            Self::Attestation(about) => {
                if asked.measured.iter().any(|target| target.cover(&about.subjects).is_full()) {
                    return true;
                }
                let shares = |ids: &[ArtifactId]| ids.iter().any(|id| asked.ids.contains(id));
                let mut alone =
                    about.subjects.iter().map(|s| (s, ArtifactId::of_subjects(std::slice::from_ref(s))));
                let same = alone.any(|(subject, ids)| {
                    let theirs = (&subject.digest, subject.digest_method.as_deref());
                    shares(&ids)
                        && (asked.digests.is_empty()
                            || ArtifactId::same((asked.digests, asked.method), theirs))
                });
                // All files together, each a subject of its own.
                let together = || {
                    let whole = ArtifactId::of_subjects(&about.subjects);
                    whole
                        .iter()
                        .any(|id| matches!(id, ArtifactId::Directory { .. }) && asked.ids.contains(id))
                };
                same || (about.subjects.iter().all(is_plain_file) && together())
            }
        }
    }

    /// What is wrong with provenance of a build type whose parameters are closed.
    fn fault(&self) -> Option<String> {
        let provenance = self.provenance()?;
        BuildType::of_uri(&provenance.build_type)?.check(provenance).err().map(|error| error.to_string())
    }
}

/// Whether a subject has a digest of its bytes and none of a directory.
fn is_plain_file(subject: &Subject) -> bool {
    let of_directory = ["dirHash", MANIFEST_DIGEST].iter().any(|name| subject.digest.get(name).is_some());
    subject.digest_method.is_none() && !of_directory
}

/// What statements come to where nothing but their signers is asked.
fn summary(statements: &[Judged]) -> (Status, String) {
    let trusted = |provenance: bool| {
        let mut all = statements.iter().filter(|statement| statement.standing == Standing::Trusted);
        all.find(|statement| match &statement.about {
            About::Model(_) => !provenance,
            About::Attestation(_) => provenance && statement.about.provenance().is_some(),
            About::Unread(_) => false,
        })
    };
    if let Some(provenance) = trusted(true) {
        return (Status::Verified, format!("provenance by {}", provenance.message));
    }
    if let Some(signature) = trusted(false) {
        return (Status::Signed, format!("signed by {}, and nobody says how it was made", signature.message));
    }
    let refused = statements.iter().find(|statement| statement.standing == Standing::Refused);
    if let Some(refused) = refused {
        return (Status::Denied, refused.message.clone());
    }
    let unknown: Vec<&str> = statements
        .iter()
        .filter(|statement| statement.standing == Standing::Unknown)
        .map(|statement| &*statement.message)
        .collect();
    match unknown.first() {
        Some(first) if unknown.len() == 1 => {
            (Status::UnknownSigner, format!("signed by nobody trusted: {first}"))
        }
        Some(first) => {
            let more = unknown.len() - 1;
            (Status::UnknownSigner, format!("signed by nobody trusted: {first}; and {more} more"))
        }
        None if statements.is_empty() => (Status::Unresolved, "there is no statement about it".to_owned()),
        None => {
            let message = "nobody trusted says how it was made, and nobody trusted signed it".to_owned();
            (Status::UnknownSigner, message)
        }
    }
}

/// Whom a bundle names as its signer, which nobody has verified.
fn who(bundle: &Bundle) -> String {
    let subject = |der: &[u8]| {
        let certificate = Certificate::from_der(der).ok()?;
        let mut names = certificate.subject_alt_names().iter().map(|name| name.value().to_owned());
        let name =
            Some(certificate.subject()).filter(|subject| !subject.is_empty()).or_else(|| names.next())?;
        Some(Printable(&name).to_string())
    };
    let named = |der: Option<&Vec<u8>>| {
        let name = der.and_then(|der| subject(der)).unwrap_or_else(|| "nobody that can be read".to_owned());
        format!("it names '{name}'")
    };
    match bundle.material() {
        VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(hint)) => {
            format!("it names the key with hint {}", Printable(hint))
        }
        VerificationMaterial::CertificateChain(chain) => named(chain.first()),
        VerificationMaterial::Certificate(leaf) => named(Some(leaf)),
        _ => "it names a key of its own".to_owned(),
    }
}

/// Whether an error only says that somebody else signed.
fn is_about_another_signer(error: &VerifyError) -> bool {
    matches!(error, VerifyError::Method { .. } | VerifyError::OtherKey { .. })
}
