//! [`SignedDocument`]: what attestations travel in, a Sigstore bundle or a DSSE envelope by itself.

use super::{Bundle, BundleError, wire};
use crate::{
    dsse::Envelope,
    json::{self, Any},
    limits::MAX_BUNDLE_BYTES,
    text::Printable,
};
use serde::Deserialize;
use std::{borrow::Cow, fmt};

/// A signed document. Nothing in it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedDocument {
    /// A Sigstore bundle, which says itself how it can be verified.
    Bundle(Bundle),
    /// A DSSE envelope by itself, as Tekton Chains writes it: only whoever knows the key can verify it.
    Envelope(Envelope),
}

/// Why bytes are no signed document.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignedDocumentError {
    /// It looks like a bundle, or like nothing that is known, and is no bundle.
    Bundle(BundleError),
    /// It is an envelope by itself, and malformed.
    Envelope(BundleError),
    /// It is an envelope with the certificate of a key that was thrown away: without a log entry or a timestamp nobody can
    /// tell whether the certificate was valid when the signature was made.
    Certificate,
    /// It is a statement that nobody signed.
    Unsigned {
        /// What it says that it is.
        statement_type: String,
    },
}

impl SignedDocument {
    /// Reads a document, as strictly as a bundle is read.
    ///
    /// # Errors
    /// [`SignedDocumentError`] says what it is instead, as far as that can be told.
    pub fn parse(document: &[u8]) -> Result<Self, SignedDocumentError> {
        #[derive(Deserialize)]
        struct Peek<'a> {
            #[serde(rename = "mediaType", default)]
            media_type: Option<Any>,
            #[serde(rename = "payloadType", default)]
            payload_type: Option<Any>,
            #[serde(rename = "_type", borrow, default)]
            statement_type: Option<Cow<'a, str>>,
        }
        let Ok(peek) = json::read::<Peek<'_>>(document, MAX_BUNDLE_BYTES) else {
            return Bundle::parse(document).map(Self::Bundle).map_err(SignedDocumentError::Bundle);
        };
        match (peek.media_type, peek.payload_type, peek.statement_type) {
            (None, Some(_), None) => match wire::read_envelope(document) {
                Ok((_, true)) => Err(SignedDocumentError::Certificate),
                Ok((envelope, false)) => Ok(Self::Envelope(envelope)),
                Err(error) => Err(SignedDocumentError::Envelope(error)),
            },
            (None, None, Some(found)) => {
                Err(SignedDocumentError::Unsigned { statement_type: found.into_owned() })
            }
            _ => Bundle::parse(document).map(Self::Bundle).map_err(SignedDocumentError::Bundle),
        }
    }

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        match self {
            Self::Bundle(bundle) => bundle.envelope(),
            Self::Envelope(envelope) => envelope,
        }
    }
}

impl fmt::Display for SignedDocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle(error) => error.fmt(f),
            Self::Envelope(error) => write!(f, "not a DSSE envelope: {error}"),
            Self::Certificate => f.write_str(
                "a DSSE envelope with a certificate, and with neither log entry nor timestamp: nobody can tell whether the \
                 certificate was valid when the signature was made",
            ),
            Self::Unsigned { statement_type } => {
                write!(f, "a statement that nobody signed (_type '{}')", Printable(statement_type))
            }
        }
    }
}

impl std::error::Error for SignedDocumentError {}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: &str = r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=",
        "signatures":[{"keyid":"SHA256:x","sig":"AQID"}]}"#;

    fn with(from: &str, to: &str) -> Result<SignedDocument, SignedDocumentError> {
        assert!(ENVELOPE.contains(from), "{from}");
        SignedDocument::parse(ENVELOPE.replacen(from, to, 1).as_bytes())
    }

    #[test]
    fn an_envelope_by_itself_is_read_as_strictly_as_one_in_a_bundle() {
        use SignedDocumentError as E;
        let read = SignedDocument::parse(ENVELOPE.as_bytes()).unwrap();
        assert_eq!(
            (read.envelope().payload_unverified(), read.envelope().signature()),
            (&b"{}"[..], &[1, 2, 3][..])
        );
        assert!(matches!(read, SignedDocument::Envelope(_)));
        assert!(with(r#""keyid":"SHA256:x","#, "").is_ok());
        assert!(with(r#""sig":"AQID""#, r#""sig":"AQID","cert":"""#).is_ok());
        for (from, to) in [
            (r#""sig":"AQID""#, r#""sig":"AQI""#),
            (r#""sig":"AQID""#, r#""sig":"""#),
            (r#""sig":"AQID""#, r#""sig":"AQID","more":1"#),
            (r#"{"keyid":"SHA256:x","sig":"AQID"}"#, ""),
            (r#"{"keyid":"SHA256:x","sig":"AQID"}"#, r#"{"sig":"AQID"},{"sig":"AQID"}"#),
            (r#""payload":"e30=""#, r#""payload":"e30=","more":1"#),
            (r#""payload":"e30=""#, r#""payload":7"#),
        ] {
            let error = with(from, to).unwrap_err();
            assert!(matches!(error, E::Envelope(_)), "{to}: {error}");
        }
        // What two readers could read differently is said as for any other document.
        for (from, to) in [
            (r#""sig":"AQID""#, r#""sig":"AQID","sig":"AQID""#),
            (r#""payload":"e30=""#, r#""payload":"e30=","payload":"e30=""#),
        ] {
            let error = with(from, to).unwrap_err();
            assert!(error.to_string().contains("duplicate member"), "{error}");
        }
        let certified = r#""sig":"AQID","cert":"-----BEGIN CERTIFICATE""#;
        assert!(matches!(with(r#""sig":"AQID""#, certified), Err(E::Certificate)));
    }

    #[test]
    fn what_is_neither_says_what_it_is() {
        use SignedDocumentError as E;
        let unsigned = SignedDocument::parse(br#"{"_type":"https://in-toto.io/Statement/v1","subject":[]}"#);
        assert!(matches!(unsigned, Err(E::Unsigned { statement_type }) if statement_type.ends_with("/v1")));
        for other in
            [&b"{}"[..], b"[]", b"", b"x", br#"{"mediaType":"x","payloadType":"y"}"#, br#"{"_type":7}"#]
        {
            assert!(matches!(SignedDocument::parse(other), Err(E::Bundle(_))), "{other:?}");
        }
    }
}
