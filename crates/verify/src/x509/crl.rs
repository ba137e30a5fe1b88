//! Reading certificate revocation lists (RFC 5280 section 5), and whether an authority made one.

use std::fmt;
use std::ops::Range;

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, IntRef, OctetStringRef};
use der::oid::ObjectIdentifier;
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::certificate::{Certificate, MAX_CERTIFICATE_BYTES, timestamp};
use super::name::rfc4514;
use super::signature::{self, Fault};
use crate::public_key::oid_text;
use crate::public_key::pem_blocks::pem_blocks;

/// The largest revocation list that is read, DER or PEM. The largest in use have a few megabytes.
pub const MAX_CRL_BYTES: usize = 16 * 1024 * 1024;
/// The most entries of a revocation list.
pub const MAX_CRL_ENTRIES: usize = 500_000;

/// A revocation list that parses. It proves nothing until the issuer of a certificate is known to have signed it.
///
/// Its entries stay in the bytes that they came in: a list of hundreds of thousands costs no more memory than its file.
#[derive(Clone)]
pub struct Crl {
    /// The signed bytes, exactly as they came.
    tbs: Vec<u8>,
    signature_algorithm: spki::AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    issuer: Name,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    /// Where the entries lie in `tbs`, one after the other.
    entries: Range<usize>,
    count: usize,
    /// An extension, of the list or of an entry, that makes the list say something else than it seems to.
    not_understood: Option<ObjectIdentifier>,
}

/// Why bytes are not a revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrlError {
    /// Longer than [`MAX_CRL_BYTES`].
    TooLarge {
        /// Length in bytes.
        found: usize,
        /// Greatest length accepted.
        limit: usize,
    },
    /// More entries than [`MAX_CRL_ENTRIES`].
    TooManyEntries {
        /// Greatest number accepted.
        limit: usize,
    },
    /// Not one DER `CertificateList` of RFC 5280.
    Malformed {
        /// What the DER reader met.
        detail: String,
    },
    /// The signed part names another signature algorithm than the signature (RFC 5280 section 5.1.1.2).
    SignatureAlgorithmsDiffer {
        /// What the signed part names.
        signed: String,
        /// What stands beside the signature.
        outer: String,
    },
    /// Extensions in a list of version 1 (RFC 5280 section 5.1.2.1).
    Version,
    /// Neither DER nor a PEM block `X509 CRL`.
    NoList,
    /// A PEM block that begins and does not end.
    TruncatedPem {
        /// The block's label.
        label: String,
    },
    /// A PEM block that is not a revocation list.
    OtherPem {
        /// The block's label.
        label: String,
    },
    /// What a PEM block holds is not Base64.
    Base64,
}

/// What a list says of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The serial number without leading zero bytes.
    serial: &'a [u8],
    /// When the authority revoked it.
    pub(super) revoked_at: Timestamp,
    /// What it means for signatures.
    pub(super) effect: Effect,
    /// Whether it has extensions, which only version 2 has.
    extended: bool,
}

/// What an entry means for signatures that the certificate's key made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// None counts, whenever it was made: the key may be somebody else's, or nobody says why.
    Always,
    /// Those from this time on do not count. The key was in the right hands before.
    From(Timestamp),
    /// None counts for as long as the newest list says so.
    Hold,
    /// The entry takes an earlier one back, which only makes sense in delta lists.
    Removed,
}

impl Crl {
    /// Reads one DER revocation list, with nothing after it.
    ///
    /// Version 1, which `openssl ca -gencrl` makes by default, is read as well as version 2. Every entry is read, so that a
    /// list that breaks off is none.
    ///
    /// # Errors
    /// [`CrlError`] when it is not well formed, or over a bound.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        check_length(der)?;
        let mut outer = open(der).map_err(malformed)?;
        let tbs = outer.tlv_bytes().map_err(malformed)?;
        let signature_algorithm: spki::AlgorithmIdentifierOwned = outer.decode().map_err(malformed)?;
        let signature: BitStringRef<'_> = outer.decode().map_err(malformed)?;
        outer.finish(()).map_err(malformed)?;
        let signature = signature
            .as_bytes()
            .ok_or_else(|| CrlError::Malformed { detail: "the signature is not whole bytes".to_owned() })?;
        let mut list = Self {
            tbs: tbs.to_vec(),
            signature_algorithm,
            signature: signature.to_vec(),
            issuer: Name::default(),
            this_update: Timestamp::MAX,
            next_update: None,
            entries: 0..0,
            count: 0,
            not_understood: None,
        };
        list.read_signed_part(tbs)?;
        Ok(list)
    }

    /// Reads a file: one DER list, or any number of PEM blocks `X509 CRL` with text around them. A list that is wrong does
    /// not keep the others from being read.
    #[must_use]
    pub fn from_file(bytes: &[u8]) -> Vec<Result<Self, CrlError>> {
        if let Err(error) = check_length(bytes) {
            return vec![Err(error)];
        }
        // No text begins so: a long form length is no ASCII.
        if matches!(bytes, [0x30, length, ..] if !length.is_ascii()) {
            return vec![Self::from_der(bytes)];
        }
        let blocks = match pem_blocks(bytes) {
            Ok((blocks, _)) if blocks.is_empty() => return vec![Err(CrlError::NoList)],
            Ok((blocks, _)) => blocks,
            Err(label) => return vec![Err(CrlError::TruncatedPem { label: label.to_owned() })],
        };
        let read = blocks.iter().map(|block| {
            if block.label != "X509 CRL" {
                return Err(CrlError::OtherPem { label: block.label.to_owned() });
            }
            Self::from_der(&block.decode().ok_or(CrlError::Base64)?)
        });
        read.collect()
    }

    /// Who says that the list is theirs, as RFC 4514 text with control characters escaped.
    #[must_use]
    pub fn issuer(&self) -> String {
        rfc4514(&self.issuer)
    }

    /// When the list was made, by its own account.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next list is there at the latest, if the list says so.
    #[must_use]
    pub fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the list bears the name of `issuer`.
    pub(super) fn is_named_by(&self, issuer: &Certificate) -> bool {
        self.issuer == issuer.subject
    }

    /// Whether `issuer` made this list and says with it what it seems to say.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn check_issuer(&self, issuer: &Certificate) -> Result<(), String> {
        if !self.is_named_by(issuer) {
            return Err(format!("it is of '{}'", self.issuer()));
        }
        if let Some(extension) = &self.not_understood {
            return Err(format!("it has the extension {}, which is not understood", oid_text(extension)));
        }
        if issuer.extensions.key_usage.as_ref().is_some_and(|usage| !usage.crl_sign()) {
            return Err("its issuer's keyUsage lacks cRLSign".to_owned());
        }
        signature::check_signed(&self.signature_algorithm, &self.tbs, &self.signature, issuer).map_err(
            |fault| match fault {
                Fault::Algorithm => {
                    format!("its signature algorithm is {}", oid_text(&self.signature_algorithm.oid))
                }
                Fault::Key(algorithm) => format!("its issuer's key is not one that is accepted: {algorithm}"),
                Fault::RsaKeySize(bits) => format!("its issuer's RSA key has {bits} bits"),
                Fault::Wrong => "its signature is not one of its issuer's key".to_owned(),
            },
        )
    }

    /// The entries for `certificate`. There should be at most one.
    pub(super) fn entries_of(&self, certificate: &Certificate) -> impl Iterator<Item = Entry<'_>> {
        let serial = significant(&certificate.serial);
        self.entries()
            .filter_map(Result::ok)
            .map(|(entry, _)| entry)
            .filter(move |entry| entry.serial == serial)
    }

    /// Every entry, with an extension of it that is critical and not understood.
    fn entries(&self) -> impl Iterator<Item = Result<(Entry<'_>, Option<ObjectIdentifier>), CrlError>> {
        let bytes = self.tbs.get(self.entries.clone()).unwrap_or_default();
        let mut reader = SliceReader::new(bytes).map_err(malformed);
        std::iter::from_fn(move || {
            let next = match &mut reader {
                Ok(reader) if reader.is_finished() => return None,
                Ok(reader) => reader.tlv_bytes().map_err(malformed).and_then(read_entry),
                Err(error) => Err(error.clone()),
            };
            if next.is_err() {
                reader = SliceReader::new(&[]).map_err(malformed); // nothing can be told after this one
            }
            Some(next)
        })
    }

    /// TBSCertList, RFC 5280 section 5.1.2.
    fn read_signed_part(&mut self, tbs: &[u8]) -> Result<(), CrlError> {
        let mut fields = open(tbs).map_err(malformed)?;
        let header = tbs.len().saturating_sub(length(fields.input_len()));
        let mut is_v2 = false;
        if fields.peek_tag() == Ok(Tag::Integer) {
            let version: u8 = fields.decode().map_err(malformed)?;
            is_v2 = version == 1;
            if !is_v2 {
                return Err(CrlError::Malformed { detail: format!("its version field is {version}") });
            }
        }
        let signed: spki::AlgorithmIdentifierOwned = fields.decode().map_err(malformed)?;
        if signed != self.signature_algorithm {
            return Err(CrlError::SignatureAlgorithmsDiffer {
                signed: oid_text(&signed.oid),
                outer: oid_text(&self.signature_algorithm.oid),
            });
        }
        let name = fields.tlv_bytes().map_err(malformed)?;
        if name.len() > MAX_CERTIFICATE_BYTES {
            return Err(CrlError::Malformed { detail: "no certificate has room for this issuer".to_owned() });
        }
        self.issuer = Name::from_der(name).map_err(malformed)?;
        self.this_update = timestamp(fields.decode::<Time>().map_err(malformed)?);
        if matches!(fields.peek_tag(), Ok(Tag::UtcTime | Tag::GeneralizedTime)) {
            self.next_update = Some(timestamp(fields.decode::<Time>().map_err(malformed)?));
        }
        if fields.peek_tag() == Ok(Tag::Sequence) {
            let whole = fields.tlv_bytes().map_err(malformed)?;
            let content = length(open(whole).map_err(malformed)?.input_len());
            let end = header + length(fields.position());
            self.entries = end.saturating_sub(content)..end;
        }
        let mut has_extensions = false;
        if !fields.is_finished() {
            has_extensions = true;
            let explicit: AnyRef<'_> = fields.decode().map_err(malformed)?;
            let wanted = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
            explicit.tag().assert_eq(wanted).map_err(malformed)?;
            self.not_understood = read_list_extensions(explicit.value())?;
        }
        fields.finish(()).map_err(malformed)?;

        let mut count = 0;
        let mut critical = None;
        let mut entry_extensions = false;
        for entry in self.entries() {
            count += 1;
            if count > MAX_CRL_ENTRIES {
                return Err(CrlError::TooManyEntries { limit: MAX_CRL_ENTRIES });
            }
            let (entry, unknown) = entry?;
            critical = critical.or(unknown);
            entry_extensions |= entry.extended;
        }
        self.count = count;
        self.not_understood = self.not_understood.or(critical);
        if (has_extensions || entry_extensions) && !is_v2 {
            return Err(CrlError::Version);
        }
        Ok(())
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({}, {}, {} entries)", self.issuer(), self.this_update, self.count)
    }
}

impl fmt::Display for CrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { found, limit } => {
                write!(f, "this is too long for a revocation list: {found} bytes, where {limit} is the limit")
            }
            Self::TooManyEntries { limit } => {
                write!(f, "the revocation list has more than {limit} entries, which is the limit")
            }
            Self::Malformed { detail } => write!(f, "this is not a DER X.509 revocation list: {detail}"),
            Self::SignatureAlgorithmsDiffer { signed, outer } => write!(
                f,
                "the revocation list names two signature algorithms: {signed} in its signed part, {outer} beside its signature"
            ),
            Self::Version => write!(f, "the revocation list has extensions and says that it is of version 1"),
            Self::NoList => write!(
                f,
                "there is no revocation list here: neither DER nor \"-----BEGIN X509 CRL-----\" was found"
            ),
            Self::TruncatedPem { label } => write!(
                f,
                "the PEM block \"{label}\" has no matching \"-----END {label}-----\": the file is cut off or damaged"
            ),
            Self::OtherPem { label } => {
                write!(f, "there is PEM of another kind (\"{label}\"), and only \"X509 CRL\" is expected")
            }
            Self::Base64 => write!(f, "the PEM block is not valid Base64"),
        }
    }
}

impl std::error::Error for CrlError {}

// Extensions of a list (RFC 5280 section 5.2) and of an entry (section 5.3).
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");

/// The most extensions of a list or an entry. Real ones have one to six.
const MAX_EXTENSIONS: usize = 32;

fn check_length(bytes: &[u8]) -> Result<(), CrlError> {
    if bytes.len() > MAX_CRL_BYTES {
        return Err(CrlError::TooLarge { found: bytes.len(), limit: MAX_CRL_BYTES });
    }
    Ok(())
}

/// A reader of what is in the one SEQUENCE that `tlv` is.
fn open(tlv: &[u8]) -> der::Result<SliceReader<'_>> {
    let sequence = AnyRef::from_der(tlv)?;
    sequence.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(sequence.value())
}

struct ListExtension<'a> {
    id: ObjectIdentifier,
    critical: bool,
    content: &'a [u8],
}

/// Extensions, bounded before anything is kept.
fn read_extensions(tlv: &[u8]) -> Result<Vec<ListExtension<'_>>, CrlError> {
    let mut reader = open(tlv).map_err(malformed)?;
    let mut read: Vec<ListExtension<'_>> = Vec::new();
    while !reader.is_finished() {
        let mut fields = reader.tlv_bytes().and_then(open).map_err(malformed)?;
        let id: ObjectIdentifier = fields.decode().map_err(malformed)?;
        let mut critical = false;
        if fields.peek_tag() == Ok(Tag::Boolean) {
            critical = fields.decode().map_err(malformed)?;
        }
        let content: OctetStringRef<'_> = fields.decode().map_err(malformed)?;
        fields.finish(()).map_err(malformed)?;
        if read.len() == MAX_EXTENSIONS || read.iter().any(|earlier| earlier.id == id) {
            let detail = format!("the extension {} comes twice, or as one too many", oid_text(&id));
            return Err(CrlError::Malformed { detail });
        }
        read.push(ListExtension { id, critical, content: content.as_bytes() });
    }
    Ok(read)
}

/// The first extension that keeps a list from being used. Lists for a part of the certificates, and lists of changes, are
/// not for us even when they do not say that this is critical, as they have to.
fn read_list_extensions(tlv: &[u8]) -> Result<Option<ObjectIdentifier>, CrlError> {
    let extensions = read_extensions(tlv)?;
    let found = extensions.iter().find(|extension| match extension.id {
        DELTA_CRL_INDICATOR | ISSUING_DISTRIBUTION_POINT => true,
        AUTHORITY_KEY_IDENTIFIER | CRL_NUMBER => false,
        _ => extension.critical,
    });
    Ok(found.map(|extension| extension.id))
}

/// An entry, and the first extension of it that is critical and not understood.
fn read_entry(tlv: &[u8]) -> Result<(Entry<'_>, Option<ObjectIdentifier>), CrlError> {
    let mut fields = open(tlv).map_err(malformed)?;
    let serial: IntRef<'_> = fields.decode().map_err(malformed)?;
    let revoked_at = timestamp(fields.decode::<Time>().map_err(malformed)?);
    let (mut reason, mut since, mut unknown) = (0, revoked_at, None);
    let extended = !fields.is_finished();
    if extended {
        let extensions = read_extensions(fields.tlv_bytes().map_err(malformed)?)?;
        for extension in &extensions {
            match extension.id {
                REASON_CODE => reason = reason_code(extension.content),
                INVALIDITY_DATE => since = since.min(invalidity_date(extension.content)),
                id if extension.critical => unknown = unknown.or(Some(id)),
                _ => {}
            }
        }
    }
    fields.finish(()).map_err(malformed)?;
    let effect = effect(reason, since);
    Ok((Entry { serial: significant(serial.as_bytes()), revoked_at, effect, extended }, unknown))
}

/// The codes of RFC 5280 section 5.3.1, which says what they are called and not what they mean for signatures.
///
/// Of the three with which an authority says that the key was in the right hands until then, earlier signatures stand.
/// `privilegeWithdrawn` is not among them: it is what authorities write for certificates that were abused or got by fraud.
fn effect(reason: u8, since: Timestamp) -> Effect {
    match reason {
        // affiliationChanged, superseded, cessationOfOperation
        3..=5 => Effect::From(since),
        6 => Effect::Hold,
        8 => Effect::Removed,
        // unspecified, keyCompromise, cACompromise, privilegeWithdrawn, aACompromise, and what nobody has defined
        _ => Effect::Always,
    }
}

/// CRLReason, an ENUMERATED of one byte. What does not read is no reason to believe a revoked certificate.
fn reason_code(content: &[u8]) -> u8 {
    match content {
        [0x0a, 0x01, code] => *code,
        _ => 0,
    }
}

/// What does not read is the beginning of time: then no signature is from before.
fn invalidity_date(content: &[u8]) -> Timestamp {
    GeneralizedTime::from_der(content).map_or(Timestamp::MIN, |time| timestamp(Time::GeneralTime(time)))
}

/// A serial number without leading zero bytes.
fn significant(mut serial: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = serial {
        serial = rest;
    }
    serial
}

fn length(length: der::Length) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn malformed(error: der::Error) -> CrlError {
    CrlError::Malformed { detail: error.to_string() }
}
