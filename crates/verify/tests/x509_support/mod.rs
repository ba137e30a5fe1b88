//! Makes certificates, good and hostile: every field can be wrong on purpose.
#![allow(dead_code)] // each test binary uses its own part
#![allow(clippy::unwrap_used)] // tests

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as aws, KeyPair};
use der::asn1::{BitString, GeneralizedTime, OctetString, UtcTime};
use der::oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode};
use jiff::Timestamp;
use modelseal_verify::x509::{Certificate, PathError, Roots, VerifiedPath, verify_path};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use std::rc::Rc;
use std::str::FromStr;
use x509_cert::certificate::{TbsCertificate, Version};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, name::GeneralName,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

/// When tests verify, unless they are about time.
pub(crate) const NOW: &str = "2026-06-01T00:00:00Z";
pub(crate) const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
pub(crate) const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub(crate) const ANY_USAGE: &str = "2.5.29.37.0";

type Sign = dyn Fn(&[u8]) -> Vec<u8>;

/// A key pair and the algorithm that it signs with.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) spki: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    sign: Rc<Sign>,
}

impl Key {
    pub(crate) fn p256() -> Self {
        Self::ecdsa(&aws::ECDSA_P256_SHA256_ASN1_SIGNING, "1.2.840.10045.4.3.2")
    }
    pub(crate) fn p384() -> Self {
        Self::ecdsa(&aws::ECDSA_P384_SHA384_ASN1_SIGNING, "1.2.840.10045.4.3.3")
    }
    pub(crate) fn p521() -> Self {
        Self::ecdsa(&aws::ECDSA_P521_SHA512_ASN1_SIGNING, "1.2.840.10045.4.3.4")
    }
    fn ecdsa(algorithm: &'static aws::EcdsaSigningAlgorithm, oid: &str) -> Self {
        let pair = aws::EcdsaKeyPair::generate(algorithm).unwrap();
        let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
        let sign = move |m: &[u8]| pair.sign(&SystemRandom::new(), m).unwrap().as_ref().to_vec();
        Self { spki, algorithm: plain(oid), sign: Rc::new(sign) }
    }
    pub(crate) fn ed25519() -> Self {
        let pair = aws::Ed25519KeyPair::generate().unwrap();
        let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
        Self { spki, algorithm: plain("1.3.101.112"), sign: Rc::new(move |m| pair.sign(m).as_ref().to_vec()) }
    }
    pub(crate) fn rsa() -> Self {
        Self::rsa_with(
            &aws::RSA_PKCS1_SHA256,
            &webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256.signature_alg_id(),
        )
    }
    pub(crate) fn rsa_pss() -> Self {
        Self::rsa_with(
            &aws::RSA_PSS_SHA384,
            &webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY.signature_alg_id(),
        )
    }
    fn rsa_with(encoding: &'static dyn aws::RsaEncoding, id: &[u8]) -> Self {
        let pair = aws::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let spki = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let spki = spki.as_ref().to_vec();
        let sign = move |m: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), m, &mut signature).unwrap();
            signature
        };
        let header = der::Header::new(der::Tag::Sequence, id.len()).unwrap().to_der().unwrap();
        let algorithm = AlgorithmIdentifierOwned::from_der(&[&header, id].concat()).unwrap();
        Self { spki, algorithm, sign: Rc::new(sign) }
    }
    /// A key of another algorithm, which only has a public half; it signs like `self`.
    pub(crate) fn with_spki(&self, spki: Vec<u8>) -> Self {
        Self { spki, ..self.clone() }
    }
    /// Signs with the same key and says that the algorithm is another.
    pub(crate) fn claiming(&self, oid: &str) -> Self {
        Self { algorithm: plain(oid), ..self.clone() }
    }
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        (self.sign)(message)
    }
}

/// A certificate to be made.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) version: Version,
    pub(crate) serial: Vec<u8>,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) key: Key,
    pub(crate) signer: Key,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    pub(crate) extensions: Vec<Extension>,
    /// The algorithm named outside the signed part, when it differs.
    pub(crate) outer_algorithm: Option<&'static str>,
}

impl Spec {
    pub(crate) fn new(
        subject: &str,
        key: &Key,
        issuer: &str,
        signer: &Key,
        extensions: Vec<Extension>,
    ) -> Self {
        Self {
            version: Version::V3,
            serial: vec![1],
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            key: key.clone(),
            signer: signer.clone(),
            not_before: "2026-01-01T00:00:00Z".to_owned(),
            not_after: "2027-01-01T00:00:00Z".to_owned(),
            extensions,
            outer_algorithm: None,
        }
    }
    pub(crate) fn ca(subject: &str, key: &Key, issuer: &str, signer: &Key) -> Self {
        Self::new(subject, key, issuer, signer, vec![ca(true, None), usage(KeyUsages::KeyCertSign)])
    }
    pub(crate) fn leaf(subject: &str, key: &Key, issuer: &str, signer: &Key) -> Self {
        let extensions = vec![ca(false, None), usage(KeyUsages::DigitalSignature), extended(&[CODE_SIGNING])];
        Self::new(subject, key, issuer, signer, extensions)
    }
    pub(crate) fn without(mut self, oid: ObjectIdentifier) -> Self {
        self.extensions.retain(|extension| extension.extn_id != oid);
        self
    }
    /// With `extension` in place of the one of the same kind.
    pub(crate) fn with(self, extension: Extension) -> Self {
        let mut spec = self.without(extension.extn_id);
        spec.extensions.push(extension);
        spec
    }
    pub(crate) fn valid(mut self, not_before: &str, not_after: &str) -> Self {
        (self.not_before, self.not_after) = (not_before.to_owned(), not_after.to_owned());
        self
    }
    pub(crate) fn der(&self) -> Vec<u8> {
        let tbs = TbsCertificate {
            version: self.version,
            serial_number: SerialNumber::new(&self.serial).unwrap(),
            signature: self.signer.algorithm.clone(),
            issuer: Name::from_str(&self.issuer).unwrap(),
            validity: Validity { not_before: time(&self.not_before), not_after: time(&self.not_after) },
            subject: Name::from_str(&self.subject).unwrap(),
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&self.key.spki).unwrap(),
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: (!self.extensions.is_empty()).then(|| self.extensions.clone()),
        };
        let signature = self.signer.sign(&tbs.to_der().unwrap());
        x509_cert::Certificate {
            tbs_certificate: tbs,
            signature_algorithm: self.outer_algorithm.map_or(self.signer.algorithm.clone(), plain),
            signature: BitString::from_bytes(&signature).unwrap(),
        }
        .to_der()
        .unwrap()
    }
    pub(crate) fn make(&self) -> Certificate {
        Certificate::from_der(&self.der()).unwrap()
    }
}

/// A revocation list to be made, field by field. It is encoded here and not by anybody's reader.
#[derive(Clone)]
pub(crate) struct CrlSpec {
    /// 1 is the value for version 2; nothing for version 1.
    pub(crate) version: Option<u8>,
    pub(crate) issuer: String,
    pub(crate) signer: Key,
    pub(crate) this_update: String,
    pub(crate) next_update: Option<String>,
    pub(crate) entries: Vec<CrlEntry>,
    /// Further entries, DER.
    pub(crate) more_entries: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) outer_algorithm: Option<&'static str>,
    /// Signed with this key, while the list says the signer's algorithm.
    pub(crate) forger: Option<Key>,
}

#[derive(Clone)]
pub(crate) struct CrlEntry {
    /// The content of the INTEGER.
    pub(crate) serial: Vec<u8>,
    pub(crate) at: String,
    pub(crate) extensions: Vec<Extension>,
}

impl CrlSpec {
    /// A list of yesterday for a week, with nothing in it.
    pub(crate) fn of(authority: &Spec) -> Self {
        Self {
            version: Some(1),
            issuer: authority.subject.clone(),
            signer: authority.key.clone(),
            this_update: "2026-05-31T00:00:00Z".to_owned(),
            next_update: Some("2026-06-07T00:00:00Z".to_owned()),
            entries: Vec::new(),
            more_entries: Vec::new(),
            extensions: vec![extension(ObjectIdentifier::new_unwrap("2.5.29.20"), false, &7u8)],
            outer_algorithm: None,
            forger: None,
        }
    }
    /// With `certificate` in it since `at`.
    pub(crate) fn revoking(mut self, certificate: &Spec, at: &str, extensions: Vec<Extension>) -> Self {
        let serial = der::asn1::Uint::new(&certificate.serial).unwrap().to_der().unwrap();
        self.entries.push(CrlEntry { serial: serial[2..].to_vec(), at: at.to_owned(), extensions });
        self
    }
    /// With a reason code (RFC 5280 section 5.3.1).
    pub(crate) fn for_reason(self, certificate: &Spec, at: &str, code: u8) -> Self {
        self.revoking(certificate, at, vec![reason(code)])
    }
    pub(crate) fn updates(mut self, this: &str, next: Option<&str>) -> Self {
        (self.this_update, self.next_update) = (this.to_owned(), next.map(str::to_owned));
        self
    }
    pub(crate) fn der(&self) -> Vec<u8> {
        let sequence = |content: &[u8]| tlv(0x30, content);
        let extensions =
            |all: &[Extension]| sequence(&all.iter().flat_map(|e| e.to_der().unwrap()).collect::<Vec<_>>());
        let mut tbs = self.version.map_or(Vec::new(), |version| tlv(2, &[version]));
        tbs.extend(self.signer.algorithm.to_der().unwrap());
        tbs.extend(Name::from_str(&self.issuer).unwrap().to_der().unwrap());
        tbs.extend(time(&self.this_update).to_der().unwrap());
        tbs.extend(self.next_update.iter().flat_map(|at| time(at).to_der().unwrap()));
        let mut entries = Vec::new();
        for entry in &self.entries {
            let mut fields = tlv(2, &entry.serial);
            fields.extend(time(&entry.at).to_der().unwrap());
            if !entry.extensions.is_empty() {
                fields.extend(extensions(&entry.extensions));
            }
            entries.extend(sequence(&fields));
        }
        entries.extend_from_slice(&self.more_entries);
        if !entries.is_empty() {
            tbs.extend(sequence(&entries));
        }
        if !self.extensions.is_empty() {
            tbs.extend(tlv(0xa0, &extensions(&self.extensions)));
        }
        let tbs = sequence(&tbs);
        let signature = self.forger.as_ref().unwrap_or(&self.signer).sign(&tbs);
        let algorithm = self.outer_algorithm.map_or(self.signer.algorithm.clone(), plain).to_der().unwrap();
        sequence(&[tbs, algorithm, BitString::from_bytes(&signature).unwrap().to_der().unwrap()].concat())
    }
    pub(crate) fn pem(&self) -> Vec<u8> {
        pem::encode(&pem::Pem::new("X509 CRL", self.der())).into_bytes()
    }
}

/// An entry's reason code.
pub(crate) fn reason(code: u8) -> Extension {
    raw("2.5.29.21", false, &[0x0a, 1, code])
}

/// An entry's invalidity date.
pub(crate) fn invalid_since(at: &str) -> Extension {
    let time = GeneralizedTime::from_date_time(der::DateTime::from_str(at).unwrap());
    raw("2.5.29.24", false, &time.to_der().unwrap())
}

/// An extension with any content.
pub(crate) fn raw(oid: &str, critical: bool, content: &[u8]) -> Extension {
    let extn_value = OctetString::new(content).unwrap();
    Extension { extn_id: ObjectIdentifier::new_unwrap(oid), critical, extn_value }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = vec![tag];
    match content.len() {
        0..0x80 => out.push(length[3]),
        0x80..0x100 => out.extend([0x81, length[3]]),
        0x100..0x1_0000 => out.extend([&[0x82][..], &length[2..]].concat()),
        _ => out.extend([&[0x83][..], &length[1..]].concat()),
    }
    out.extend_from_slice(content);
    out
}

/// The usual chain: a root, an intermediate, a leaf.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) root: Spec,
    pub(crate) int: Spec,
    pub(crate) leaf: Spec,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::of(&Key::p384(), &Key::p256(), &Key::p256())
    }
    pub(crate) fn of(root: &Key, int: &Key, leaf: &Key) -> Self {
        Self {
            root: Spec::ca("CN=root", root, "CN=root", root),
            int: Spec::ca("CN=int", int, "CN=root", root),
            leaf: Spec::leaf("CN=leaf", leaf, "CN=int", int),
        }
    }
    pub(crate) fn verify(&self) -> Result<VerifiedPath, PathError> {
        verify(&[&self.leaf, &self.int], &[&self.root])
    }
}

pub(crate) fn verify(chain: &[&Spec], roots: &[&Spec]) -> Result<VerifiedPath, PathError> {
    verify_at(chain, roots, NOW)
}

pub(crate) fn verify_at(chain: &[&Spec], roots: &[&Spec], at: &str) -> Result<VerifiedPath, PathError> {
    let make = |specs: &[&Spec]| specs.iter().map(|spec| spec.make()).collect::<Vec<_>>();
    verify_path(&make(chain), &Roots::new(make(roots)).unwrap(), at.parse::<Timestamp>().unwrap())
}

/// The name of an error's variant.
pub(crate) fn variant(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").split([' ', '(', '{']).next().unwrap().to_owned()
}

pub(crate) fn ca(ca: bool, path_len_constraint: Option<u8>) -> Extension {
    extension(BasicConstraints::OID, true, &BasicConstraints { ca, path_len_constraint })
}

pub(crate) fn usage(usage: KeyUsages) -> Extension {
    extension(KeyUsage::OID, true, &KeyUsage(usage.into()))
}

pub(crate) fn extended(usages: &[&str]) -> Extension {
    let usages = usages.iter().map(|oid| ObjectIdentifier::new_unwrap(oid)).collect();
    extension(ExtendedKeyUsage::OID, false, &ExtendedKeyUsage(usages))
}

pub(crate) fn alt_names(names: Vec<GeneralName>) -> Extension {
    extension(SubjectAltName::OID, false, &SubjectAltName(names))
}

/// An extension whose content is an empty SEQUENCE.
pub(crate) fn empty(oid: &str, critical: bool) -> Extension {
    extension(ObjectIdentifier::new_unwrap(oid), critical, &Vec::<der::Any>::new())
}

pub(crate) fn extension(extn_id: ObjectIdentifier, critical: bool, content: &impl Encode) -> Extension {
    Extension { extn_id, critical, extn_value: OctetString::new(content.to_der().unwrap()).unwrap() }
}

pub(crate) fn pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

fn plain(oid: &str) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ObjectIdentifier::new_unwrap(oid), parameters: None }
}

/// UTCTime through 2049 and GeneralizedTime from 2050, as RFC 5280 section 4.1.2.5 has it.
fn time(text: &str) -> Time {
    let time = der::DateTime::from_str(text).unwrap();
    match UtcTime::from_date_time(time) {
        Ok(utc) => Time::UtcTime(utc),
        Err(_) => Time::GeneralTime(GeneralizedTime::from_date_time(time)),
    }
}

/// The generator of secp256k1 as a key (SEC 2, section 2.4.1).
pub(crate) fn secp256k1_spki() -> Vec<u8> {
    hex(concat!(
        "3056301006072a8648ce3d020106052b8104000a034200",
        "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
    ))
}

/// A well-formed RSA key with a modulus of so many bits, which nobody can sign with.
pub(crate) fn rsa_spki(bits: usize) -> Vec<u8> {
    let integer = |bytes: &[u8]| der::asn1::Uint::new(bytes).unwrap();
    let key = vec![integer(&vec![0xC5; bits / 8]), integer(&[1, 0, 1])].to_der().unwrap();
    let algorithm =
        AlgorithmIdentifierOwned { parameters: Some(der::Any::null()), ..plain("1.2.840.113549.1.1.1") };
    let subject_public_key = BitString::from_bytes(&key).unwrap();
    SubjectPublicKeyInfoOwned { algorithm, subject_public_key }.to_der().unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
