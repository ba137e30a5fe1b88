//! The signatures of the reference implementation's version 0.2.0, which encoded what it signed wrongly: the tag was
//! `DSSEV1`, and the payload was written as Python prints a byte string. Read for statements of its own predicate type
//! only, never for the current one.

use crate::public_key::{BadSignature, PublicKey};
use modelseal_core::{
    dsse::Envelope,
    predicate::{Reading, digests_v0_1, read_signed_model},
};

/// Verifies a version 0.2.0 signature: over [`pae_v0_2`], with SHA-256 whatever the curve, or with the curve's own hash. The
/// payload is read only once the signature is that of the key.
///
/// # Errors
/// [`BadSignature`], also when the statement is of any other version.
pub fn verify(key: &PublicKey, envelope: &Envelope) -> Result<(), BadSignature> {
    let payload = envelope.payload_unverified();
    // Whatever cannot be of that version costs no more than a look for its name.
    if !std::str::from_utf8(payload).is_ok_and(|text| text.contains(digests_v0_1::PREDICATE_TYPE)) {
        return Err(BadSignature);
    }
    let encoded = pae_v0_2(envelope.payload_type(), payload);
    key.verify_historical_v0_2_ecdsa_sha256(&encoded, envelope.signature())
        .or_else(|_| key.verify(&encoded, envelope.signature()))?;
    // Read only now: a stranger's statement of any size is not worth the work.
    let model =
        read_signed_model(envelope.payload_type(), payload, Reading::Letter).map_err(|_| BadSignature)?;
    if model.predicate_type == digests_v0_1::PREDICATE_TYPE { Ok(()) } else { Err(BadSignature) }
}

/// What version 0.2.0 signed instead of the DSSE pre-authentication encoding.
#[must_use]
pub fn pae_v0_2(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let printed = python_bytes_literal(payload);
    format!("DSSEV1 {} {payload_type} {} {printed}", payload_type.len(), payload.len()).into_bytes()
}

/// Python's `repr` of a byte string: single quotes unless it holds only those, backslash escapes, `\xNN` for what is
/// not printable ASCII.
fn python_bytes_literal(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut literal = String::with_capacity(bytes.len() + 3);
    literal.push('b');
    literal.push(quote);
    for &byte in bytes {
        match byte {
            b'\\' => literal.push_str("\\\\"),
            b'\t' => literal.push_str("\\t"),
            b'\n' => literal.push_str("\\n"),
            b'\r' => literal.push_str("\\r"),
            _ if char::from(byte) == quote => {
                literal.push('\\');
                literal.push(quote);
            }
            b' '..=b'~' => literal.push(char::from(byte)),
            _ => literal.push_str(&format!("\\x{byte:02x}")),
        }
    }
    literal.push(quote);
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_strings_are_printed_as_python_does() {
        assert_eq!(python_bytes_literal(b"{\"a\":\n \\ \x7f\xc3\xa9}"), r#"b'{"a":\n \\ \x7f\xc3\xa9}'"#);
        assert_eq!(python_bytes_literal(b"it's"), r#"b"it's""#);
        assert_eq!(python_bytes_literal(b"'\""), r#"b'\'"'"#);
    }
}
