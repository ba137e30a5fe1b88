//! [`Verifier`]: the one way to [`Verified`]. The signature and its maker are checked here, before anything is hashed.

use crate::{
    legacy,
    public_key::{PublicKey, PublicKeyError},
    signer::{CertificateIdentity, Signer},
    verified::{Payload, Verified},
    x509::{Certificate, CertificateError, PathError, Roots, verify_path},
};
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, PublicKeyIdentifier, VerificationMaterial},
    dsse::IN_TOTO_PAYLOAD_TYPE,
    key,
    text::Printable,
};
use std::fmt;

/// Verifies bundles against trust that the user gave. Holds no state between calls.
#[derive(Debug, Clone)]
pub struct Verifier {
    trust: Trust,
}

#[derive(Debug, Clone)]
enum Trust {
    Key(Box<PublicKey>),
    Certificates { roots: Roots, identity: Option<CertificateIdentity> },
}

/// Why a bundle is not believed.
#[derive(Debug)]
#[non_exhaustive]
pub enum VerifyError {
    /// The envelope's payload is not an in-toto statement.
    PayloadType(String),
    /// The bundle was made with another signing method than the one it is verified with.
    Method {
        /// The bundle's method.
        found: &'static str,
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
}

impl Verifier {
    /// Trusts one public key.
    #[must_use]
    pub fn with_key(key: PublicKey) -> Self {
        Self { trust: Trust::Key(Box::new(key)) }
    }

    /// Trusts every code-signing certificate under `roots`, or only that of `identity`.
    #[must_use]
    pub fn with_certificates(roots: Roots, identity: Option<CertificateIdentity>) -> Self {
        Self { trust: Trust::Certificates { roots, identity } }
    }

    /// The signing method this verifier believes.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.trust {
            Trust::Key(_) => "key",
            Trust::Certificates { .. } => "certificate",
        }
    }

    /// Checks the signature of `bundle` and who made it. `now` is the time at which certificates must be valid.
    ///
    /// # Errors
    /// [`VerifyError`], the most specific reason that was found.
    pub fn verify(&self, bundle: &Bundle, now: Timestamp) -> Result<Verified<Payload>, VerifyError> {
        let envelope = bundle.envelope();
        if envelope.payload_type() != IN_TOTO_PAYLOAD_TYPE {
            return Err(VerifyError::PayloadType(envelope.payload_type().to_owned()));
        }
        let signer = self.identify(bundle.material(), now)?;
        let public_key = signer.public_key();
        public_key
            .verify(&envelope.pae(), envelope.signature())
            .or_else(|_| legacy::verify(public_key, envelope))
            .map_err(|_| VerifyError::Signature)?;
        let payload = Payload {
            payload_type: envelope.payload_type().to_owned(),
            bytes: envelope.payload_unverified().to_vec(),
        };
        Ok(Verified::by(signer, payload))
    }

    /// Whose signature it must be if it verifies.
    fn identify(&self, material: &VerificationMaterial, now: Timestamp) -> Result<Signer, VerifyError> {
        match (&self.trust, material) {
            (Trust::Key(key), VerificationMaterial::PublicKey(identifier)) => {
                check_identifier(key, identifier)?;
                Ok(Signer::Key((**key).clone()))
            }
            (Trust::Certificates { roots, identity }, VerificationMaterial::CertificateChain(ders)) => {
                let chain = ders
                    .iter()
                    .enumerate()
                    .map(|(index, der)| {
                        Certificate::from_der(der).map_err(|error| VerifyError::Certificate { index, error })
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let path = verify_path(&chain, roots, now).map_err(VerifyError::Path)?;
                match identity {
                    Some(identity) if !identity.matches(&path) => Err(VerifyError::Identity {
                        expected: identity.as_str().to_owned(),
                        subject: path.subject(),
                        alternatives: path.subject_alt_names().iter().map(|n| n.value().to_owned()).collect(),
                    }),
                    _ => Ok(Signer::Certificate(Box::new(path))),
                }
            }
            _ => Err(VerifyError::Method { found: material.method(), expected: self.method() }),
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
            Self::Method { found, expected } => write!(
                f,
                "the bundle was signed with method '{found}', but it is being verified with method '{expected}'"
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
        }
    }
}

impl std::error::Error for VerifyError {}
