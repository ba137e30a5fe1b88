//! Reading certificates: DER, PEM files of several, and the extensions that path building understands.

use std::fmt;

use der::oid::{AssociatedOid, ObjectIdentifier};
use der::referenced::OwnedToRef;
use der::{Decode, Encode, Reader};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage,
    NameConstraints, SubjectAltName as SubjectAltNames, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::name::{SubjectAltName, rfc4514};
use crate::public_key::oid_text;
use crate::public_key::pem_blocks::pem_blocks;
use modelseal_core::text::hex;

/// The largest certificate that is read. Real ones have one to eight kilobytes, post-quantum keys included.
pub const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;

/// A certificate that parses. It proves nothing until [`verify_path`](super::verify_path) has found its issuers.
#[derive(Clone)]
pub struct Certificate {
    pub(super) der: Vec<u8>,
    /// The signed bytes, exactly as they came.
    pub(super) tbs: Vec<u8>,
    pub(super) signature_algorithm: spki::AlgorithmIdentifierOwned,
    pub(super) signature: Vec<u8>,
    pub(super) issuer: Name,
    pub(super) subject: Name,
    pub(super) serial: Vec<u8>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) spki: spki::SubjectPublicKeyInfoOwned,
    pub(super) extensions: Extensions,
}

/// What the extensions say, as far as path building understands them.
#[derive(Clone, Default)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) subject_alt_names: Vec<SubjectAltName>,
    pub(super) has_name_constraints: bool,
    /// Critical extensions that nothing here enforces.
    pub(super) unknown_critical: Vec<ObjectIdentifier>,
}

/// Why bytes or text are not certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// Longer than [`MAX_CERTIFICATE_BYTES`], or a PEM file longer than any list of certificates.
    TooLarge {
        /// Length in bytes.
        found: usize,
        /// Greatest length accepted.
        limit: usize,
    },
    /// Not one DER certificate of RFC 5280.
    Malformed {
        /// What the DER reader met.
        detail: String,
    },
    /// The signed part names another signature algorithm than the signature (RFC 5280 section 4.1.1.2).
    SignatureAlgorithmsDiffer {
        /// What the signed part names.
        signed: String,
        /// What stands beside the signature.
        outer: String,
    },
    /// Fields of a later version in a certificate of an earlier one (RFC 5280 section 4.1.2.1).
    Version,
    /// An extension that occurs twice (RFC 5280 section 4.2).
    DuplicateExtension {
        /// Name and object identifier of the extension.
        extension: String,
    },
    /// An extension whose content does not parse.
    MalformedExtension {
        /// Name and object identifier of the extension.
        extension: String,
        /// What the DER reader met.
        detail: String,
    },
    /// A PEM file without a certificate.
    NoCertificate,
    /// DER where PEM is expected.
    DerInsteadOfPem,
    /// A PEM block that begins and does not end.
    TruncatedPem {
        /// The block's label.
        label: String,
    },
    /// A private key among the certificates.
    PrivateKey {
        /// The block's label.
        label: String,
    },
    /// A PEM block that is not a certificate.
    OtherPem {
        /// The block's label.
        label: String,
    },
    /// What a PEM block holds is not Base64.
    Base64 {
        /// Which certificate of the file, counted from 1.
        number: usize,
    },
    /// One certificate of a PEM file is wrong.
    InPem {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        error: Box<CertificateError>,
    },
}

impl Certificate {
    /// Reads one DER certificate, with nothing after it.
    ///
    /// # Errors
    /// [`CertificateError`] when it is not a well-formed RFC 5280 certificate. Extensions that path building needs must
    /// parse, and none may occur twice.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { found: der.len(), limit: MAX_CERTIFICATE_BYTES });
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        let tbs = parsed.tbs_certificate;
        if tbs.signature != parsed.signature_algorithm {
            return Err(CertificateError::SignatureAlgorithmsDiffer {
                signed: oid_text(&tbs.signature.oid),
                outer: oid_text(&parsed.signature_algorithm.oid),
            });
        }
        let has_unique_ids = tbs.issuer_unique_id.is_some() || tbs.subject_unique_id.is_some();
        if (tbs.extensions.is_some() && tbs.version != Version::V3)
            || (has_unique_ids && tbs.version == Version::V1)
        {
            return Err(CertificateError::Version);
        }
        let signature = parsed.signature.as_bytes().ok_or_else(|| CertificateError::Malformed {
            detail: "the signature is not whole bytes".to_owned(),
        })?;
        Ok(Self {
            der: der.to_vec(),
            tbs: signed_bytes(der).map_err(malformed)?.to_vec(),
            signature: signature.to_vec(),
            signature_algorithm: parsed.signature_algorithm,
            issuer: tbs.issuer,
            subject: tbs.subject,
            serial: tbs.serial_number.as_bytes().to_vec(),
            not_before: timestamp(tbs.validity.not_before),
            not_after: timestamp(tbs.validity.not_after),
            spki: tbs.subject_public_key_info,
            extensions: Extensions::read(tbs.extensions.as_deref().unwrap_or_default())?,
        })
    }

    /// Reads a PEM file of one or more `CERTIFICATE` blocks, in their order; text around the blocks is skipped.
    ///
    /// # Errors
    /// [`CertificateError`] when there is no certificate, a block is cut off, or any block is something else: a
    /// private key (which is not decoded), or a revocation list, which would look as if it were obeyed.
    pub fn from_pem_many(text: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(CertificateError::TooLarge { found: text.len(), limit: MAX_PEM_BYTES });
        }
        let (blocks, _) =
            pem_blocks(text).map_err(|label| CertificateError::TruncatedPem { label: label.to_owned() })?;
        if let Some(private) = blocks.iter().find(|block| block.is_private_key()) {
            return Err(CertificateError::PrivateKey { label: private.label.to_owned() });
        }
        if let Some(other) = blocks.iter().find(|block| block.label != "CERTIFICATE") {
            return Err(CertificateError::OtherPem { label: other.label.to_owned() });
        }
        if blocks.is_empty() {
            let der = text.first() == Some(&0x30);
            return Err(if der {
                CertificateError::DerInsteadOfPem
            } else {
                CertificateError::NoCertificate
            });
        }
        let read = |(index, block): (usize, &crate::public_key::pem_blocks::PemBlock<'_>)| {
            let number = index + 1;
            let der = block.decode().ok_or(CertificateError::Base64 { number })?;
            Self::from_der(&der).map_err(|error| CertificateError::InPem { number, error: Box::new(error) })
        };
        blocks.iter().enumerate().map(read).collect()
    }

    /// The certificate as it was read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Hex SHA-256 of [`der`](Self::der), as `openssl x509 -fingerprint -sha256` computes it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(&self.der))
    }

    /// Whom the certificate speaks of, as RFC 4514 text with control characters escaped.
    #[must_use]
    pub fn subject(&self) -> String {
        rfc4514(&self.subject)
    }

    /// Who issued it, by its own account, in the form of [`subject`](Self::subject).
    #[must_use]
    pub fn issuer(&self) -> String {
        rfc4514(&self.issuer)
    }

    /// The serial number in lower-case hexadecimal, two digits a byte, without a leading zero byte.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        let significant = match self.serial.as_slice() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        hex(significant)
    }

    /// First second of validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last second of validity, itself included. The year 9999 ("never expires") becomes [`Timestamp::MAX`].
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The entries of subjectAltName, in their order.
    #[must_use]
    pub fn subject_alt_names(&self) -> &[SubjectAltName] {
        &self.extensions.subject_alt_names
    }

    /// The SubjectPublicKeyInfo, whatever its algorithm.
    pub(crate) fn spki_der(&self) -> Result<Vec<u8>, der::Error> {
        self.spki.owned_to_ref().to_der()
    }

    /// Whether subject and issuer are one name. Names are compared attribute by attribute and byte for byte: RFC 5280
    /// section 7.1 would also fold case and spaces, which no issuer in use relies on, and only makes more names equal.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

impl Extensions {
    fn read(extensions: &[Extension]) -> Result<Self, CertificateError> {
        let mut read = Self::default();
        for (index, extension) in extensions.iter().enumerate() {
            if extensions[..index].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
                return Err(CertificateError::DuplicateExtension { extension: oid_text(&extension.extn_id) });
            }
            match extension.extn_id {
                BasicConstraints::OID => read.basic_constraints = Some(content(extension)?),
                KeyUsage::OID => read.key_usage = Some(content(extension)?),
                ExtendedKeyUsage::OID => read.extended_key_usage = Some(content(extension)?),
                SubjectAltNames::OID => {
                    let names: SubjectAltNames = content(extension)?;
                    read.subject_alt_names = names.0.iter().map(SubjectAltName::new).collect();
                }
                NameConstraints::OID => read.has_name_constraints = true,
                // Understood, and without a say here: key identifiers are hints, and no policy is asked for.
                AuthorityKeyIdentifier::OID | SubjectKeyIdentifier::OID | CertificatePolicies::OID => {}
                unknown if extension.critical => read.unknown_critical.push(unknown),
                _ => {}
            }
        }
        Ok(read)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, sha256:{})", self.subject(), self.fingerprint())
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { found, limit } => {
                write!(f, "this is too long for certificates: {found} bytes, where {limit} is the limit")
            }
            Self::Malformed { detail } => write!(f, "this is not a DER X.509 certificate: {detail}"),
            Self::SignatureAlgorithmsDiffer { signed, outer } => write!(
                f,
                "the certificate names two signature algorithms: {signed} in its signed part, {outer} beside its signature"
            ),
            Self::Version => {
                write!(f, "the certificate has fields of a later X.509 version than it says it is")
            }
            Self::DuplicateExtension { extension } => {
                write!(f, "the certificate has extension {extension} twice")
            }
            Self::MalformedExtension { extension, detail } => {
                write!(f, "the certificate's extension {extension} does not parse: {detail}")
            }
            Self::NoCertificate => {
                write!(f, "there is no certificate here: no \"-----BEGIN CERTIFICATE-----\" was found")
            }
            Self::DerInsteadOfPem => write!(
                f,
                "this looks like DER, and PEM is expected; convert it with `openssl x509 -inform DER -in FILE -out FILE.pem`"
            ),
            Self::TruncatedPem { label } => write!(
                f,
                "the PEM block \"{label}\" has no matching \"-----END {label}-----\": the file is cut off or damaged"
            ),
            Self::PrivateKey { label } => write!(
                f,
                "there is a private key (\"{label}\") among the certificates; keep it in a file of its own, where only \
                 its owner can read it"
            ),
            Self::OtherPem { label } if label == "X509 CRL" => write!(
                f,
                "there is a revocation list (\"{label}\") among the certificates, where it is not looked at; take it out, and give it \
                 to a trust policy as a file in crl-dir"
            ),
            Self::OtherPem { label } => {
                write!(f, "there is PEM of another kind (\"{label}\"), and only \"CERTIFICATE\" is expected")
            }
            Self::Base64 { number } => write!(f, "certificate {number} of the file is not valid Base64"),
            Self::InPem { number, error } => write!(f, "certificate {number} of the file: {error}"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// Room for a whole system's roots (about 230 kB) many times over.
const MAX_PEM_BYTES: usize = 4 * 1024 * 1024;

/// The TBSCertificate as it stands in the input. Encoding the parsed value again could differ, and would then be
/// something that nobody signed.
fn signed_bytes(der: &[u8]) -> der::Result<&[u8]> {
    let mut reader = der::SliceReader::new(der)?;
    der::Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

fn content<'a, T: Decode<'a>>(extension: &'a Extension) -> Result<T, CertificateError> {
    T::from_der(extension.extn_value.as_bytes()).map_err(|error| CertificateError::MalformedExtension {
        extension: oid_text(&extension.extn_id),
        detail: error.to_string(),
    })
}

fn malformed(error: der::Error) -> CertificateError {
    CertificateError::Malformed { detail: error.to_string() }
}

pub(super) fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
