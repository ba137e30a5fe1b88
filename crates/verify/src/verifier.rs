//! [`Verifier`]: the one way to [`Verified`]. The signature and its maker are checked here, before anything is hashed.

use crate::{
    legacy,
    public_key::{PublicKey, PublicKeyError},
    signer::{CertificateIdentity, Signer},
    sigstore::{
        Evidence, EvidenceError, Keyless, KeylessError, Requirement, TrustedRoot,
        body::{Content, SignerMaterial, Subject},
        evidence, keyless,
    },
    verified::{Payload, Verified},
    x509::{Certificate, CertificateError, PathError, Roots, VerifiedPath, verify_path},
};
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, PublicKeyIdentifier, SignedDocument, VerificationMaterial},
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE},
    key,
    text::Printable,
};
use std::fmt;

/// Verifies bundles against trust that the user gave. Holds no state between calls.
#[derive(Debug, Clone)]
pub struct Verifier {
    trust: Trust,
    /// For the evidence of the other methods; keyless trust has its own.
    root: Option<TrustedRoot>,
    requirement: Requirement,
}

#[derive(Debug, Clone)]
enum Trust {
    Key(Box<PublicKey>),
    Certificates { roots: Roots, identity: Option<CertificateIdentity> },
    Sigstore { root: TrustedRoot, expected: Option<Box<Keyless>> },
}

/// Why a bundle is not believed.
#[derive(Debug)]
#[non_exhaustive]
pub enum VerifyError {
    /// The envelope's payload is not an in-toto statement.
    PayloadType(String),
    /// The envelope's payload is of another type than the document that was expected.
    OtherPayloadType {
        /// Its type.
        found: String,
        /// The type that was expected.
        expected: String,
    },
    /// The bundle was made with another signing method than the one it is verified with.
    Method {
        /// The bundle's method.
        found: &'static str,
        /// The method of this verifier.
        expected: &'static str,
    },
    /// The envelope came without anything that says how to verify it, which a public key alone can do without.
    BareEnvelope {
        /// The method of this verifier.
        expected: &'static str,
    },
    /// The bundle names another key than the one it is verified with.
    OtherKey {
        /// How the bundle identifies its key.
        named: String,
        /// How it would identify the key given.
        given: String,
        /// Fingerprint of the key given.
        fingerprint: String,
    },
    /// The key in the bundle, from a version before 1.1.0, cannot be read.
    EmbeddedKey(PublicKeyError),
    /// A certificate in the bundle cannot be read.
    Certificate {
        /// Its place in the chain; 0 is the leaf.
        index: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// No certificate path leads from the leaf to a root.
    Path(PathError),
    /// The certificate is fine but belongs to somebody else than the one pinned.
    Identity {
        /// Whom the user expects.
        expected: String,
        /// The certificate's subject.
        subject: String,
        /// The certificate's alternative names.
        alternatives: Vec<String>,
    },
    /// The signature is not that key's signature of that payload.
    Signature,
    /// A log entry or signed timestamp is not believed, or one that is required is missing.
    Evidence(EvidenceError),
    /// A keyless signature's certificate is not believed, or not the expected one.
    Keyless(KeylessError),
}

impl Verifier {
    /// Trusts one public key.
    #[must_use]
    pub fn with_key(key: PublicKey) -> Self {
        Self::new(Trust::Key(Box::new(key)))
    }

    /// Trusts every code-signing certificate under `roots`, or only that of `identity`.
    #[must_use]
    pub fn with_certificates(roots: Roots, identity: Option<CertificateIdentity>) -> Self {
        Self::new(Trust::Certificates { roots, identity })
    }

    /// Trusts keyless signatures by one identity, or by those of one pattern, under `root`.
    #[must_use]
    pub fn with_sigstore(root: TrustedRoot, expected: Keyless) -> Self {
        Self::new(Trust::Sigstore { root, expected: Some(Box::new(expected)) })
    }

    /// Trusts that a keyless signature is by whom it says, under `root`, and leaves it to the caller whether that is
    /// anybody who may sign. For showing bundles and for policies; nobody is authorised by this alone.
    #[must_use]
    pub fn with_any_identity(root: TrustedRoot) -> Self {
        Self::new(Trust::Sigstore { root, expected: None })
    }

    /// Checks the log entries and timestamps of key and certificate bundles against `root`: one that does not verify
    /// denies, and the trusted times are those at which a certificate must have been valid. Without a trusted root they
    /// are reported as not checked, and the time of verification counts. Keyless verification keeps the root that it has.
    #[must_use]
    pub fn with_trusted_root(mut self, root: TrustedRoot) -> Self {
        self.root = Some(root);
        self
    }

    /// Denies bundles without this evidence.
    #[must_use]
    pub fn requiring(mut self, requirement: Requirement) -> Self {
        self.requirement = requirement;
        self
    }

    /// The signing method this verifier believes.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.trust {
            Trust::Key(_) => "key",
            Trust::Certificates { .. } => "certificate",
            Trust::Sigstore { .. } => "sigstore",
        }
    }

    /// Checks the signature of `bundle` and who made it. `now` is the time of verification: certificates must be valid at
    /// it where no trusted time says when the signature was made, and no trusted time may lie beyond it.
    ///
    /// # Errors
    /// [`VerifyError`], the most specific reason that was found.
    pub fn verify(&self, bundle: &Bundle, now: Timestamp) -> Result<Verified<Payload>, VerifyError> {
        if bundle.envelope().payload_type() != IN_TOTO_PAYLOAD_TYPE {
            return Err(VerifyError::PayloadType(bundle.envelope().payload_type().to_owned()));
        }
        self.verify_payload(bundle, IN_TOTO_PAYLOAD_TYPE, now)
    }

    /// The same for what attestations come in besides bundles: an envelope by itself is verified with a public key, and with
    /// nothing else, because it does not say who signed it, when, or where that is public.
    ///
    /// # Errors
    /// [`VerifyError`], the most specific reason that was found.
    pub fn verify_document(
        &self,
        document: &SignedDocument,
        now: Timestamp,
    ) -> Result<Verified<Payload>, VerifyError> {
        let envelope = match document {
            SignedDocument::Bundle(bundle) => return self.verify(bundle, now),
            other => other.envelope(),
        };
        let Trust::Key(key) = &self.trust else {
            return Err(VerifyError::BareEnvelope { expected: self.method() });
        };
        let hint = VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(key.hint()));
        self.verify(&Bundle::new(hint, envelope.clone()), now)
    }

    /// The same for a signed document that is no in-toto statement, such as a policy: the envelope's payload must be of
    /// exactly the `expected` type, which the signature covers.
    ///
    /// # Errors
    /// [`VerifyError`], the most specific reason that was found.
    pub fn verify_payload(
        &self,
        bundle: &Bundle,
        expected: &str,
        now: Timestamp,
    ) -> Result<Verified<Payload>, VerifyError> {
        let envelope = bundle.envelope();
        if envelope.payload_type() != expected {
            let (found, expected) = (envelope.payload_type().to_owned(), expected.to_owned());
            return Err(VerifyError::OtherPayloadType { found, expected });
        }
        let (signer, evidence) = match (&self.trust, bundle.material()) {
            (Trust::Key(key), VerificationMaterial::PublicKey(identifier)) => {
                check_identifier(key, identifier)?;
                check_signature(key, envelope)?;
                let evidence = self.evidence(bundle, SignerMaterial::Key(key.spki_der()), now)?;
                (Signer::Key((**key).clone()), evidence)
            }
            (Trust::Certificates { roots, identity }, VerificationMaterial::CertificateChain(ders)) => {
                let chain = read_chain(ders)?;
                let evidence = self.chain_evidence(bundle, ders, &chain, now)?;
                let path = verify_path_at_all_times(&chain, roots, identity.as_ref(), &evidence, now)?;
                check_signature(path.public_key(), envelope)?;
                (Signer::Certificate(Box::new(path)), evidence)
            }
            (Trust::Sigstore { root, expected }, VerificationMaterial::Certificate(der)) => {
                let (signer, evidence) = keyless::verify(bundle, der, expected.as_deref(), root, now)?;
                (Signer::Sigstore(Box::new(signer)), evidence)
            }
            (_, material) => {
                return Err(VerifyError::Method { found: material.method(), expected: self.method() });
            }
        };
        evidence.satisfies(self.requirement)?;
        let payload = Payload {
            payload_type: envelope.payload_type().to_owned(),
            bytes: envelope.payload_unverified().to_vec(),
        };
        Ok(Verified::by(signer, evidence, payload))
    }

    /// Verifies the log entries and timestamps of `bundle`, a signature of `key`, against `root`, and nothing else: for
    /// those who have just made the signature.
    ///
    /// # Errors
    /// [`EvidenceError`] when one does not verify.
    pub fn evidence_of(
        bundle: &Bundle,
        key: &PublicKey,
        root: &TrustedRoot,
        now: Timestamp,
    ) -> Result<Evidence, VerifyError> {
        let material = match bundle.material() {
            VerificationMaterial::CertificateChain(ders) if !ders.is_empty() => {
                SignerMaterial::CertificateOrKey { certificate: &ders[0], key: key.spki_der() }
            }
            VerificationMaterial::Certificate(der) => SignerMaterial::Certificate(der),
            _ => SignerMaterial::Key(key.spki_der()),
        };
        Self::with_key(key.clone()).with_trusted_root(root.clone()).evidence(bundle, material, now)
    }

    fn new(trust: Trust) -> Self {
        Self { trust, root: None, requirement: Requirement::default() }
    }

    /// The log entries and timestamps, verified where there is a root to do it with.
    fn evidence(
        &self,
        bundle: &Bundle,
        signer: SignerMaterial<'_>,
        now: Timestamp,
    ) -> Result<Evidence, VerifyError> {
        let Some(root) = &self.root else {
            return Ok(Evidence::unchecked(bundle.log_entry_count(), bundle.timestamp_count()));
        };
        let subject = Subject::new(Content::Envelope(bundle.envelope()), signer);
        Ok(evidence::verify(bundle.log_entries(), bundle.timestamps(), &subject, true, root, now)?)
    }

    fn chain_evidence(
        &self,
        bundle: &Bundle,
        ders: &[Vec<u8>],
        chain: &[Certificate],
        now: Timestamp,
    ) -> Result<Evidence, VerifyError> {
        let (Some(der), Some(leaf)) = (ders.first(), chain.first()) else {
            return Err(VerifyError::Path(PathError::EmptyChain));
        };
        let malformed = |e: der::Error| CertificateError::Malformed { detail: e.to_string() };
        let key = leaf.spki_der().map_err(|e| VerifyError::Certificate { index: 0, error: malformed(e) })?;
        self.evidence(bundle, SignerMaterial::CertificateOrKey { certificate: der, key: &key }, now)
    }
}

/// The signature over the envelope's pre-authentication encoding, or over the wrong one of the historical version 0.2.0.
fn check_signature(key: &PublicKey, envelope: &Envelope) -> Result<(), VerifyError> {
    key.verify(&envelope.pae(), envelope.signature())
        .or_else(|_| legacy::verify(key, envelope))
        .map_err(|_| VerifyError::Signature)
}

fn read_chain(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, VerifyError> {
    let read = |(index, der): (usize, &Vec<u8>)| {
        Certificate::from_der(der).map_err(|error| VerifyError::Certificate { index, error })
    };
    ders.iter().enumerate().map(read).collect()
}

/// The path must hold at every trusted time, or now where there is none: of two authorities that disagree, neither is
/// believed alone.
fn verify_path_at_all_times(
    chain: &[Certificate],
    roots: &Roots,
    identity: Option<&CertificateIdentity>,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<VerifiedPath, VerifyError> {
    let mut times = evidence.times().iter().map(|time| time.at);
    let mut path = verify_path(chain, roots, times.next().unwrap_or(now)).map_err(VerifyError::Path)?;
    for at in times {
        path = verify_path(chain, roots, at).map_err(VerifyError::Path)?;
    }
    match identity {
        Some(identity) if !identity.matches(&path) => Err(VerifyError::Identity {
            expected: identity.as_str().to_owned(),
            subject: path.subject(),
            alternatives: path.subject_alt_names().iter().map(|n| n.value().to_owned()).collect(),
        }),
        _ => Ok(path),
    }
}

impl From<EvidenceError> for VerifyError {
    fn from(error: EvidenceError) -> Self {
        Self::Evidence(error)
    }
}

impl From<KeylessError> for VerifyError {
    /// A bad signature is one, whoever signed.
    fn from(error: KeylessError) -> Self {
        match error {
            KeylessError::Signature => Self::Signature,
            error => Self::Keyless(error),
        }
    }
}

/// A bundle that names another key was signed by somebody else, whatever its signature: said before any cryptography,
/// because it is the message that helps. The hint is the reference's fingerprint or that of the DER key.
fn check_identifier(given: &PublicKey, identifier: &PublicKeyIdentifier) -> Result<(), VerifyError> {
    match identifier {
        PublicKeyIdentifier::Hint(hint) => {
            let matches = *hint == given.hint() || *hint == given.fingerprint();
            if matches { Ok(()) } else { Err(other_key(hint.clone(), given)) }
        }
        PublicKeyIdentifier::RawBytes(pem) => {
            let named = PublicKey::from_pem(pem).map_err(VerifyError::EmbeddedKey)?;
            let matches = named.spki_der() == given.spki_der();
            if matches { Ok(()) } else { Err(other_key(key::hint(named.spki_der()), given)) }
        }
        _ => Err(other_key("of an unknown kind".into(), given)),
    }
}

fn other_key(named: String, given: &PublicKey) -> VerifyError {
    VerifyError::OtherKey { named, given: given.hint(), fingerprint: given.fingerprint() }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::PayloadType(found) => {
                write!(f, "payloadType is '{}', expected '{IN_TOTO_PAYLOAD_TYPE}'", P(found))
            }
            Self::OtherPayloadType { found, expected } => {
                write!(f, "payloadType is '{}', expected '{}'", P(found), P(expected))
            }
            Self::Method { found, expected } => write!(
                f,
                "the bundle was signed with method '{found}', but it is being verified with method '{expected}'"
            ),
            Self::BareEnvelope { expected } => write!(
                f,
                "a DSSE envelope without a bundle around it can be verified with method 'key' only, not with '{expected}'"
            ),
            Self::OtherKey { named, given, fingerprint } => write!(
                f,
                "the bundle was signed with another key: its hint is {}, that of the key given would be {given} (SHA-256 \
                 fingerprint {fingerprint})",
                P(named)
            ),
            Self::EmbeddedKey(e) => write!(f, "the public key inside the bundle cannot be read: {e}"),
            Self::Certificate { index: 0, error } => {
                write!(f, "the signing certificate in the bundle cannot be read: {error}")
            }
            Self::Certificate { index, error } => {
                write!(f, "certificate {index} of the chain in the bundle cannot be read: {error}")
            }
            Self::Path(e) => write!(f, "the signing certificate is not trusted: {e}"),
            Self::Identity { expected, subject, alternatives } => {
                write!(f, "signed by '{}'", P(subject))?;
                for name in alternatives {
                    write!(f, ", '{}'", P(name))?;
                }
                write!(f, ", expected '{}'", P(expected))
            }
            Self::Signature => f.write_str(
                "the signature does not verify: the bundle was changed after signing, or another key signed it",
            ),
            Self::Evidence(e) => write!(f, "{e}"),
            Self::Keyless(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for VerifyError {}
