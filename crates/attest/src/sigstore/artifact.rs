//! Keyless signing of what this process did not measure: bytes of a file, or a statement that somebody else wrote.
//!
//! For the conformance suite of Sigstore and for tools of their own. Models are signed through [`Prepared`](super::Prepared), which
//! takes a measured statement only.

use super::{
    IdentityToken, PublicIdentity, Services, SigningError,
    keyless::{Ceremony, Ready},
    rekor::Subject,
};
use crate::http::Client;
use aws_lc_rs::digest::{self, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use modelseal_core::{bundle::Bundle, dsse::Envelope};
use serde_json::{Value, json};

/// Bytes that are ready to be signed by whoever a token will name.
#[derive(Debug)]
pub struct PreparedArtifact {
    content: Content,
    ceremony: Ceremony,
}

/// Bytes, and who is about to sign them. Nothing has been sent yet.
#[derive(Debug)]
pub struct IdentifiedArtifact {
    content: Content,
    ready: Ready,
}

enum Content {
    File(Vec<u8>),
    Statement(Vec<u8>),
}

impl PreparedArtifact {
    /// The bytes of a file, to be signed as they are (`messageSignature`).
    ///
    /// # Errors
    /// As [`Prepared::new`](super::Prepared::new).
    pub fn file(bytes: Vec<u8>, services: Services, client: Client) -> Result<Self, SigningError> {
        Ok(Self { content: Content::File(bytes), ceremony: Ceremony::new(services, client)? })
    }

    /// An in-toto statement, to be signed in a DSSE envelope. It is not read.
    ///
    /// # Errors
    /// As [`Prepared::new`](super::Prepared::new).
    pub fn statement(bytes: Vec<u8>, services: Services, client: Client) -> Result<Self, SigningError> {
        Ok(Self { content: Content::Statement(bytes), ceremony: Ceremony::new(services, client)? })
    }

    /// Takes the token of the signer and checks it. No request is made.
    ///
    /// # Errors
    /// [`SigningError::Token`] for a token that would be refused.
    pub fn identify(
        self,
        token: IdentityToken,
        audience: &str,
        now: Timestamp,
    ) -> Result<IdentifiedArtifact, SigningError> {
        let ready = self.ceremony.identify(token, audience, now)?;
        Ok(IdentifiedArtifact { content: self.content, ready })
    }
}

impl IdentifiedArtifact {
    /// What will become public, for good.
    #[must_use]
    pub fn identity(&self) -> &PublicIdentity {
        self.ready.token.identity()
    }

    /// Signs as [`Identified::sign`](super::Identified::sign) does. The bundle's JSON, which is not verified here.
    ///
    /// # Errors
    /// As [`Identified::sign`](super::Identified::sign).
    pub fn sign(self) -> Result<Vec<u8>, SigningError> {
        let unwritable = |e: serde_json::Error| SigningError::Unwritable { reason: e.to_string() };
        let bytes = match self.content {
            Content::Statement(bytes) => {
                return self.ready.sign_statement(&bytes)?.to_json().map_err(unwritable);
            }
            Content::File(bytes) => bytes,
        };
        let certified = self.ready.certify()?;
        let signature = certified.key.sign(&bytes).map_err(SigningError::Sign)?;
        let subject = Subject::File { bytes: &bytes, signature: &signature };
        let (material, (entries, timestamps)) = certified.collect(subject)?;
        // Our bundles hold envelopes: everything but that is the same.
        let bundle = Bundle::new(material, Envelope::new("", Vec::new(), Vec::new()));
        let json = bundle.with_evidence(entries, timestamps).to_json().map_err(unwritable)?;
        let mut json: Value = serde_json::from_slice(&json).map_err(unwritable)?;
        if let Some(members) = json.as_object_mut() {
            members.remove("dsseEnvelope");
            let digest = STANDARD.encode(digest::digest(&SHA256, &bytes));
            let message = json!({
                "messageDigest": { "algorithm": "SHA2_256", "digest": digest },
                "signature": STANDARD.encode(signature),
            });
            members.insert("messageSignature".to_owned(), message);
        }
        serde_json::to_vec(&json).map_err(unwritable)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) => write!(f, "File({} bytes)", bytes.len()),
            Self::Statement(bytes) => write!(f, "Statement({} bytes)", bytes.len()),
        }
    }
}
