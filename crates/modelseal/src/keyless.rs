//! `sign` with an identity instead of a key (method `sigstore`).
//!
//! The order is the point: the model is measured first, which may take hours; then comes the token, which lives for
//! minutes; then the certificate, which lives for ten; and the bundle is verified before it is written.

use crate::{
    clock,
    error::Error,
    sign::Prepared,
    signing::{Made, Sayable},
    trust::Trust,
};
use modelseal_attest::{
    http::Client,
    sigstore::{Identified, IdentityToken, Prepared as PreparedKeyless, PublicIdentity, Services},
};
use modelseal_core::{bundle::Bundle, text::Printable};
use modelseal_verify::{
    signer::Signer,
    sigstore::{AuthoritySummary, IdentityMatch, Keyless, TrustedRoot},
    verifier::Verifier,
};

/// A statement on its way to a keyless signature: next comes the identity token.
#[derive(Debug)]
#[must_use]
pub struct KeylessRequest<S = Prepared> {
    said: S,
    keyless: PreparedKeyless,
    trust: Trust,
}

/// A keyless signature that is about to be made: nothing has been asked of any service yet.
#[derive(Debug)]
#[must_use]
pub struct KeylessSigning<S = Prepared> {
    said: S,
    identified: Identified,
    trust: Trust,
}

impl Prepared {
    /// Signs with an identity: `services` issue the certificate, log the signature and say when, and `trust` is what
    /// the result must verify under.
    ///
    /// # Errors
    /// [`Error::Service`] when these services cannot make a bundle that verifies.
    pub fn keyless(self, services: Services, client: Client, trust: Trust) -> Result<KeylessRequest, Error> {
        keyless(self, services, client, trust)
    }
}

/// Signs any statement with an identity, see [`Prepared::keyless`].
///
/// # Errors
/// [`Error::Service`] when these services cannot make a bundle that verifies.
pub fn keyless<S: Sayable>(
    said: S,
    services: Services,
    client: Client,
    trust: Trust,
) -> Result<KeylessRequest<S>, Error> {
    said.check_before_publishing()?;
    known_to(&trust.root, &services)?;
    let keyless =
        PreparedKeyless::new(said.unsigned().statement.clone(), services, client).map_err(Error::Service)?;
    Ok(KeylessRequest { said, keyless, trust })
}

impl<S: Sayable> KeylessRequest<S> {
    /// Checks everything about the token that can be checked before it is shown to a service.
    ///
    /// # Errors
    /// [`Error::Service`] with the token's fault.
    pub fn identify(self, token: IdentityToken, audience: &str) -> Result<KeylessSigning<S>, Error> {
        let identified = self.keyless.identify(token, audience, clock::now()).map_err(Error::Service)?;
        Ok(KeylessSigning { said: self.said, identified, trust: self.trust })
    }
}

impl<S: Sayable> KeylessSigning<S> {
    /// The identity that becomes public, for ever, with the signature.
    #[must_use]
    pub fn identity(&self) -> &PublicIdentity {
        self.identified.identity()
    }

    /// Gets the certificate, signs, logs, verifies the bundle, and writes it.
    ///
    /// # Errors
    /// [`Error`]; nothing was written then, but for attestations what [`PreparedAttestation::sign`] says.
    ///
    /// [`PreparedAttestation::sign`]: crate::attest::PreparedAttestation::sign
    pub fn sign(self) -> Result<S::Written, Error> {
        let Self { said, identified, trust } = self;
        let announced = identified.identity().clone();
        let verifier = verifier_for(&announced, trust.root.clone());
        let bundle = identified.sign().map_err(Error::Service)?;
        let refuse = |e: &dyn std::fmt::Display| Error::SelfCheck(e.to_string());
        let json = bundle.to_json().map_err(|e| refuse(&e))?;
        let read = Bundle::parse(&json).map_err(|e| refuse(&e))?;
        let verified = verifier.verify(&read, clock::now()).map_err(|e| refuse(&e))?;
        if let Signer::Sigstore(found) = verified.signer()
            && found.issuer() != announced.issuer
        {
            let (found, announced) = (Printable(found.issuer()), Printable(&announced.issuer));
            return Err(refuse(&format_args!(
                "its certificate says that '{found}' vouches for the signer, not '{announced}'"
            )));
        }
        let payload = verified.get();
        said.check_said(payload.payload_type(), payload.bytes()).map_err(|e| refuse(&e))?;
        let made = Made {
            signer: verified.signer().into(),
            evidence: Some(verified.evidence().into()),
            trusted_root: Some(trust.report),
            notes: trust.notes,
        };
        said.write(&bundle, made)
    }
}

/// A trusted root that does not know these services would refuse the bundle, after it has become public.
fn known_to(root: &TrustedRoot, services: &Services) -> Result<(), Error> {
    let summary = root.summary();
    let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
    let unknown = |what: &str, url: &dyn std::fmt::Display| {
        Err(Error::Mismatch(format!(
            "the trusted root knows no {what} at '{url}': the signature would become public and not verify; give the trusted \
             root and the services of one instance"
        )))
    };
    if let Some(fulcio) = services.fulcio() {
        let known = |ca: &AuthoritySummary| ca.uri.as_deref().is_some_and(|uri| same(uri, fulcio.as_str()));
        let nameless = summary.certificate_authorities.iter().any(|ca| ca.uri.is_none());
        if !nameless && !summary.certificate_authorities.iter().any(known) {
            return unknown("certificate authority", fulcio);
        }
    }
    for log in services.logs() {
        if !summary.logs.iter().any(|known| same(&known.url, log.url.as_str())) {
            return unknown("transparency log", &log.url);
        }
    }
    Ok(())
}

/// Whom the certificate must be for: where the issuer's rules are known, exactly the identity that was announced.
fn verifier_for(identity: &PublicIdentity, root: TrustedRoot) -> Verifier {
    if !identity.exact {
        return Verifier::with_any_identity(root);
    }
    let expected =
        Keyless { identity: IdentityMatch::exactly(&identity.value), issuer: identity.issuer.clone() };
    Verifier::with_sigstore(root, expected)
}
