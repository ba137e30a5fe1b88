//! DSSE envelopes (secure-systems-lab/dsse, protocol 1.0): what is signed, and how.

/// The payload type of every envelope that modelseal reads or writes.
pub const IN_TOTO_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A DSSE envelope with exactly one signature, as a Sigstore bundle demands. Nothing in it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Envelope {
    /// Puts an envelope together.
    #[must_use]
    pub fn new(payload_type: impl Into<String>, payload: Vec<u8>, signature: Vec<u8>) -> Self {
        Self { payload_type: payload_type.into(), payload, signature }
    }

    /// The media type of the payload; covered by the signature.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The signed bytes, which nobody has verified: for looking, not for deciding.
    #[must_use]
    pub fn payload_unverified(&self) -> &[u8] {
        &self.payload
    }

    /// The raw signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The bytes that the signature is made over.
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }
}

/// The pre-authentication encoding: `DSSEv1 <len> <type> <len> <payload>`, lengths in decimal bytes.
///
/// ```
/// # use modelseal_core::dsse::pae;
/// assert_eq!(pae("http://example.com/HelloWorld", b"hello world"),
///            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
/// ```
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let header = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let mut encoded = Vec::with_capacity(header.len() + payload.len());
    encoded.extend_from_slice(header.as_bytes());
    encoded.extend_from_slice(payload);
    encoded
}
