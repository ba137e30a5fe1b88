//! Keyless signing, in the order that its clocks demand: the statement first, then the token, then the certificate.
//!
//! A token lives for minutes and a certificate for ten; measuring a model may take hours. [`Prepared`] therefore takes the
//! finished statement, and only then is there a place to give a token to.

use super::{
    ConfigError, IdentityToken, PublicIdentity, Services, SigningError,
    evidence::{self, Evidence},
    fulcio,
    rekor::{Material, Subject, Verifier},
};
use crate::{
    http::Client,
    private_key::{KeyAlgorithm, PrivateKey},
    statement::Statement,
};
use jiff::{SignedDuration, Timestamp};
use modelseal_core::{
    bundle::{Bundle, VerificationMaterial},
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
};
use std::{fmt, time::Instant};

/// A statement that is ready to be signed by whoever a token will name.
#[derive(Debug)]
pub struct Prepared {
    statement: Statement,
    ceremony: Ceremony,
}

/// A statement, and who is about to sign it. Nothing has been sent yet.
#[derive(Debug)]
pub struct Identified {
    statement: Statement,
    ready: Ready,
}

impl Prepared {
    /// Makes a key for this one signature. No request is made.
    ///
    /// # Errors
    /// [`SigningError::Services`] when the services cannot make a bundle that others could verify: no Fulcio, no log, or a
    /// Rekor v2 log without a timestamp authority. [`SigningError::Key`] when no key can be made.
    pub fn new(statement: Statement, services: Services, client: Client) -> Result<Self, SigningError> {
        Ok(Self { statement, ceremony: Ceremony::new(services, client)? })
    }

    /// Takes the token of the signer and checks it. No request is made.
    ///
    /// `audience` is the OAuth client of the instance, `sigstore` for the public one.
    ///
    /// # Errors
    /// [`SigningError::Token`] for a token that would be refused.
    pub fn identify(
        self,
        token: IdentityToken,
        audience: &str,
        now: Timestamp,
    ) -> Result<Identified, SigningError> {
        Ok(Identified { statement: self.statement, ready: self.ceremony.identify(token, audience, now)? })
    }

    /// What will be signed.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }
}

impl Identified {
    /// What will become public, for good: to be shown, and on a terminal confirmed.
    #[must_use]
    pub fn identity(&self) -> &PublicIdentity {
        self.ready.token.identity()
    }

    /// Gets the certificate, signs, and gets the timestamps and log entries. From the first of these on, the identity is public.
    ///
    /// The key is wiped whatever happens. The bundle is not verified here.
    ///
    /// # Errors
    /// [`SigningError`], from the first service that fails or answers about something else.
    pub fn sign(self) -> Result<Bundle, SigningError> {
        self.ready.sign_statement(self.statement.as_bytes())
    }
}

/// The services and the key of one signature.
pub(super) struct Ceremony {
    services: Services,
    client: Client,
    key: PrivateKey,
}

/// A ceremony with the token of who will sign.
pub(super) struct Ready {
    ceremony: Ceremony,
    pub(super) token: IdentityToken,
    audience: String,
    now: Timestamp,
    since: Instant,
}

/// A ceremony whose certificate is there.
pub(super) struct Certified {
    services: Services,
    client: Client,
    pub(super) key: PrivateKey,
    pub(super) certificate: Vec<u8>,
}

impl Ceremony {
    pub(super) fn new(services: Services, client: Client) -> Result<Self, SigningError> {
        if services.fulcio().is_none() {
            return Err(ConfigError::NoService { service: "Fulcio", listed: 0 }.into());
        }
        if services.logs().is_empty() {
            return Err(ConfigError::NoService { service: "Rekor", listed: 0 }.into());
        }
        services.check_times()?;
        let key = PrivateKey::generate(KeyAlgorithm::P256).map_err(SigningError::Key)?;
        Ok(Self { services, client, key })
    }

    pub(super) fn identify(
        self,
        token: IdentityToken,
        audience: &str,
        now: Timestamp,
    ) -> Result<Ready, SigningError> {
        token.check(audience, now)?;
        Ok(Ready { ceremony: self, token, audience: audience.to_owned(), now, since: Instant::now() })
    }
}

impl Ready {
    pub(super) fn certify(self) -> Result<Certified, SigningError> {
        // Confirming takes as long as it takes.
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::MAX);
        let now = self.now.checked_add(passed).unwrap_or(Timestamp::MAX);
        self.token.check(&self.audience, now)?;
        let Ceremony { services, client, key } = self.ceremony;
        let fulcio = services.fulcio().ok_or(ConfigError::NoService { service: "Fulcio", listed: 0 })?;
        let certificate = fulcio::certify(fulcio, &self.token, &key, &client, now)?;
        Ok(Certified { services, client, key, certificate })
    }

    pub(super) fn sign_statement(self, statement: &[u8]) -> Result<Bundle, SigningError> {
        let certified = self.certify()?;
        let signature =
            certified.key.sign(&pae(IN_TOTO_PAYLOAD_TYPE, statement)).map_err(SigningError::Sign)?;
        let envelope = Envelope::new(IN_TOTO_PAYLOAD_TYPE, statement.to_vec(), signature);
        let (material, (entries, timestamps)) = certified.collect(Subject::Envelope(&envelope))?;
        Ok(Bundle::new(material, envelope).with_evidence(entries, timestamps))
    }
}

impl Certified {
    /// The certificate, log entries and timestamps of what was signed. The key ends here.
    pub(super) fn collect(
        self,
        subject: Subject<'_>,
    ) -> Result<(VerificationMaterial, Evidence), SigningError> {
        drop(self.key);
        let material = Material::Certificate(&self.certificate);
        let verifier = Verifier { algorithm: KeyAlgorithm::P256, material };
        let evidence = evidence::collect(subject, verifier, &self.services, &self.client)?;
        Ok((VerificationMaterial::Certificate(self.certificate), evidence))
    }
}

impl fmt::Debug for Ceremony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ceremony").field("services", &self.services).finish_non_exhaustive()
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("identity", self.token.identity()).finish_non_exhaustive()
    }
}
