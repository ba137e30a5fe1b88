//! RFC 3161 timestamps: a digest in, a signed statement of the time out.
//!
//! The answer is walked by hand, as far as it must be to find out whether it is the answer to our request. Whether the
//! authority's signature holds is for the verifier.

use super::SigningError;
use crate::http::{Client, Request, Retry, ServiceUrl};
use aws_lc_rs::{digest, rand};
use der::{
    Any, Decode, Encode, Reader, SliceReader, Tag, Tagged,
    asn1::{ObjectIdentifier, OctetStringRef, Uint, UintRef},
};
use modelseal_core::text::hex;

const AUTHORITY: &str = "timestamp authority";

/// Largest answer, in bytes: those of real authorities, certificates included, have a few KiB.
const MAX_ANSWER_BYTES: usize = 128 * 1024;

/// Elements of one sequence in an answer.
const MAX_ELEMENTS: usize = 64;

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Gets a timestamp for `signature`: the whole `TimeStampResp` as DER, which is what a bundle holds.
pub(super) fn timestamp(
    url: &ServiceUrl,
    signature: &[u8],
    client: &Client,
) -> Result<Vec<u8>, SigningError> {
    let imprint = digest::digest(&digest::SHA256, signature);
    let improper =
        |what: &str| SigningError::Answer { service: AUTHORITY, url: url.clone(), what: what.to_owned() };
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).map_err(|_| improper("no randomness on this machine for a nonce"))?;
    let body = request(imprint.as_ref(), &nonce).map_err(|e| improper(&format!("no request: {e}")))?;
    let request = Request::post(AUTHORITY, url.clone(), "application/timestamp-query", body)
        .header("Accept", "application/timestamp-reply")
        .max_answer_bytes(MAX_ANSWER_BYTES)
        // A second timestamp does no harm.
        .retry(Retry::Idempotent);
    let answer = client.send(&request)?;
    let kind = answer.content_type.as_deref().unwrap_or("nothing");
    let stated = read(&answer.body).map_err(|e| match e {
        Unreadable::Form(what) => improper(&format!("no timestamp: {what} (it claims to be {kind})")),
        Unreadable::Der(e) => improper(&format!("no timestamp: {e} (it claims to be {kind})")),
        Unreadable::Refused { status, text } => {
            SigningError::TimestampRefused { url: url.clone(), status, text }
        }
    })?;
    let mismatch = |what, sent: &[u8], found: &[u8]| SigningError::TimestampMismatch {
        url: url.clone(),
        what,
        sent: shown(sent),
        found: shown(found),
    };
    if stated.algorithm != SHA256 {
        return Err(improper(&format!("a timestamp over a digest of kind {}", stated.algorithm)));
    }
    if stated.imprint != imprint.as_ref() {
        return Err(mismatch("digest", imprint.as_ref(), &stated.imprint));
    }
    let sent: &[u8] = without_zeros(&nonce);
    if without_zeros(&stated.nonce) != sent {
        return Err(mismatch("nonce", sent, &stated.nonce));
    }
    Ok(answer.body.to_vec())
}

/// What a timestamp says that can be compared with the request.
struct Stated {
    algorithm: ObjectIdentifier,
    imprint: Vec<u8>,
    /// Empty when there is none.
    nonce: Vec<u8>,
}

enum Unreadable {
    Form(&'static str),
    Der(der::Error),
    Refused { status: u32, text: String },
}

impl From<der::Error> for Unreadable {
    fn from(error: der::Error) -> Self {
        Self::Der(error)
    }
}

/// `TimeStampReq` (RFC 3161 §2.4.1), asking for the certificate to be sent along.
fn request(imprint: &[u8], nonce: &[u8]) -> der::Result<Vec<u8>> {
    let mut algorithm = SHA256.to_der()?;
    Any::null().encode_to_vec(&mut algorithm)?;
    let mut message = sequence(algorithm)?;
    OctetStringRef::new(imprint)?.encode_to_vec(&mut message)?;
    let mut request = 1u8.to_der()?;
    request.extend(sequence(message)?);
    Uint::new(nonce)?.encode_to_vec(&mut request)?;
    true.encode_to_vec(&mut request)?;
    sequence(request)
}

fn sequence(content: Vec<u8>) -> der::Result<Vec<u8>> {
    Any::new(Tag::Sequence, content)?.to_der()
}

/// Walks `TimeStampResp` (§2.4.2) down to its `TSTInfo`.
fn read(answer: &[u8]) -> Result<Stated, Unreadable> {
    let response = elements(&Any::from_der(answer)?)?;
    let mut response = response.iter();
    let status = elements(response.next().ok_or(Unreadable::Form("no status"))?)?;
    let code: u32 = status.first().ok_or(Unreadable::Form("no status"))?.decode_as()?;
    // Granted, or granted with changes: the changes that matter are looked for.
    if code > 1 {
        let text = status.get(1).filter(|any| any.tag() == Tag::Sequence).map(elements).transpose()?;
        let text = text.unwrap_or_default();
        let text = text.iter().map(|line| String::from_utf8_lossy(line.value()).into_owned());
        let text: String = text.collect::<Vec<_>>().join(" ").chars().take(300).collect();
        return Err(Unreadable::Refused { status: code, text });
    }
    let content = elements(response.next().ok_or(Unreadable::Form("no token"))?)?;
    let [kind, explicit] = content.as_slice() else {
        return Err(Unreadable::Form("no CMS content"));
    };
    if kind.decode_as::<ObjectIdentifier>()? != SIGNED_DATA {
        return Err(Unreadable::Form("the token is not signed data"));
    }
    let signed = elements(&Any::from_der(explicit.value())?)?;
    let encapsulated = elements(signed.get(2).ok_or(Unreadable::Form("no signed content"))?)?;
    let [kind, explicit] = encapsulated.as_slice() else {
        return Err(Unreadable::Form("no signed content"));
    };
    if kind.decode_as::<ObjectIdentifier>()? != TST_INFO {
        return Err(Unreadable::Form("the signed content is no timestamp"));
    }
    let octets = OctetStringRef::from_der(explicit.value())?;
    let info = elements(&Any::from_der(octets.as_bytes())?)?;
    let [_version, _policy, imprint, _serial, _time, rest @ ..] = info.as_slice() else {
        return Err(Unreadable::Form("parts of the timestamp are missing"));
    };
    let imprint = elements(imprint)?;
    let [algorithm, value] = imprint.as_slice() else {
        return Err(Unreadable::Form("the timestamp is over no digest"));
    };
    let algorithm = elements(algorithm)?;
    let algorithm = algorithm.first().ok_or(Unreadable::Form("the timestamp is over no digest"))?;
    // Of the optional parts (accuracy, ordering, nonce, authority, extensions) only the nonce is an INTEGER.
    let nonce = rest.iter().find(|any| any.tag() == Tag::Integer);
    let nonce = nonce.map(Any::decode_as::<UintRef<'_>>).transpose()?;
    Ok(Stated {
        algorithm: algorithm.decode_as()?,
        imprint: value.decode_as::<OctetStringRef<'_>>()?.as_bytes().to_vec(),
        nonce: nonce.map(|nonce| nonce.as_bytes().to_vec()).unwrap_or_default(),
    })
}

/// The elements of a SEQUENCE.
fn elements(any: &Any) -> Result<Vec<Any>, Unreadable> {
    if any.tag() != Tag::Sequence {
        return Err(Unreadable::Form("something else where a sequence belongs"));
    }
    let mut reader = SliceReader::new(any.value())?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        if elements.len() == MAX_ELEMENTS {
            return Err(Unreadable::Form("too many parts"));
        }
        elements.push(Any::decode(&mut reader)?);
    }
    Ok(elements)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    number.iter().position(|byte| *byte != 0).and_then(|start| number.get(start..)).unwrap_or_default()
}

/// As much of what a service said as a message takes.
fn shown(bytes: &[u8]) -> String {
    hex(bytes.get(..64).unwrap_or(bytes))
}
