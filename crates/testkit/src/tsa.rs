//! RFC 3161 timestamp authority: CMS SignedData with ESSCertIDv2 (RFC 5816).

use crate::certificate::{self, Authority, Certificate, TIME_STAMPING};
use crate::der::{self, Reader};
use crate::fault::Fault;
use crate::http::Response;
use crate::keys::{self, EcKey, sha256};
use crate::time::DAY;

const POLICY: &str = "1.3.6.1.4.1.57264.2";
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const REPLY: &str = "application/timestamp-reply";

/// A signer of timestamps and its chain.
pub(crate) struct Signer {
    pub(crate) authority: Authority,
    pub(crate) leaf: Vec<u8>,
    serial: [u8; 16],
    key: EcKey,
}

impl Signer {
    /// With a certificate that ends at `not_after`.
    fn new(label: &str, now: i64, not_after: i64) -> Self {
        let authority = Authority::new(label, TIME_STAMPING, now);
        let (key, serial) = (EcKey::generate(), certificate::serial());
        let tbs = Certificate {
            issuer: &authority.name,
            subject: &certificate::name(label),
            not_before: now - 730 * DAY,
            not_after,
            key: key.spki(),
            issuer_key: authority.key.spki(),
            authority: None,
            usage: Some((TIME_STAMPING, true)),
            more: Vec::new(),
        }
        .tbs(&serial, &[]);
        let leaf = certificate::signed(&tbs, &authority.key);
        Self { authority, leaf, serial, key }
    }

    /// Leaf, intermediate, root.
    pub(crate) fn chain(&self) -> [&[u8]; 3] {
        [&self.leaf, &self.authority.intermediate, &self.authority.root]
    }
}

/// A timestamp authority, with the signers its faults need.
pub(crate) struct Tsa {
    pub(crate) signer: Signer,
    /// Trusted until [`Tsa::expiry`].
    pub(crate) expired: Signer,
    foreign: Signer,
    /// When the certificate of `expired` ended.
    pub(crate) expiry: i64,
}

impl Tsa {
    pub(crate) fn new(label: &str, now: i64) -> Self {
        let (far, expiry) = (now + 3650 * DAY, now - 30 * DAY);
        Self {
            signer: Signer::new(label, now, far),
            expired: Signer::new(&format!("{label} of last year"), now, expiry),
            foreign: Signer::new(label, now, far),
            expiry,
        }
    }

    /// Answers a TimeStampReq. `status` is the HTTP status of success: servers differ.
    pub(crate) fn reply(
        &self,
        body: &[u8],
        now: i64,
        status: u16,
        fault: Option<&Fault>,
    ) -> Result<Response, Response> {
        let query = Query::parse(body).ok_or_else(|| Response::error(400, "no timestamp query"))?;
        if fault == Some(&Fault::TokenRejected) {
            let text = der::sequence(&[&der::utf8("not today")]);
            return Ok(Response::new(
                status,
                REPLY,
                der::sequence(&[&der::sequence(&[&der::small(2), &text])]),
            ));
        }
        let signer = match fault {
            Some(Fault::TokenFromAnotherAuthority) => &self.foreign,
            Some(Fault::TokenAuthorityExpired) => &self.expired,
            _ => &self.signer,
        };
        let token = query.token(signer, now, fault);
        Ok(Response::new(status, REPLY, der::sequence(&[&der::sequence(&[&der::small(0)]), &token])))
    }
}

/// What was asked for.
struct Query<'a> {
    /// MessageImprint, with its hash algorithm and hash.
    imprint: &'a [u8],
    algorithm: &'a [u8],
    hash: &'a [u8],
    policy: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
    certificates: bool,
}

impl<'a> Query<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Reader(Reader(bytes).expect(der::SEQUENCE)?.content);
        fields.expect(der::INTEGER).filter(|version| version.content == [1])?;
        let imprint = fields.expect(der::SEQUENCE)?;
        let mut parts = Reader(imprint.content);
        let algorithm = parts.expect(der::SEQUENCE)?.whole;
        let hash = parts.expect(der::OCTET_STRING)?.content;
        let (mut policy, mut nonce, mut certificates) = (None, None, false);
        while let Some(value) = fields.next() {
            match value.tag {
                der::OBJECT_IDENTIFIER => policy = Some(value.whole),
                der::INTEGER => nonce = Some(value.whole),
                der::BOOLEAN => certificates = value.content == [0xff],
                _ => {}
            }
        }
        matches!(hash.len(), 32 | 48 | 64).then_some(Self {
            imprint: imprint.whole,
            algorithm,
            hash,
            policy,
            nonce,
            certificates,
        })
    }

    /// The TimeStampToken.
    fn token(&self, signer: &Signer, now: i64, fault: Option<&Fault>) -> Vec<u8> {
        let imprint = match fault {
            Some(Fault::TokenOverOtherBytes) => {
                let other: Vec<u8> = self.hash.iter().map(|byte| byte ^ 0x55).collect();
                der::sequence(&[self.algorithm, &der::octets(&other)])
            }
            _ => self.imprint.to_vec(),
        };
        let nonce = match (fault, self.nonce) {
            (Some(Fault::TokenWrongNonce), _) => der::unsigned(&keys::random::<8>()),
            (_, nonce) => nonce.unwrap_or_default().to_vec(),
        };
        let info = der::sequence(&[
            &der::small(1),
            &self.policy.map_or_else(|| der::oid(POLICY), <[u8]>::to_vec),
            &imprint,
            &der::unsigned(&certificate::serial()),
            &der::generalized_time(now),
            &nonce,
        ]);
        signed_data(&info, signer, now, self.certificates, fault == Some(&Fault::TokenSignatureWrong))
    }
}

/// ContentInfo with SignedData (RFC 5652) around a TSTInfo.
fn signed_data(info: &[u8], signer: &Signer, now: i64, certificates: bool, spoil: bool) -> Vec<u8> {
    let hash = der::sequence(&[&der::oid("2.16.840.1.101.3.4.2.1")]);
    let attribute = |oid: &str, value: &[u8]| der::sequence(&[&der::oid(oid), &der::set(&[value])]);
    // ESSCertIDv2 of the signer; SHA-256 is the default and left out.
    let signing_certificate =
        der::sequence(&[&der::sequence(&[&der::sequence(&[&der::octets(&sha256(&signer.leaf))])])]);
    let attributes = der::set(&[
        &attribute("1.2.840.113549.1.9.3", &der::oid(TST_INFO)),
        &attribute("1.2.840.113549.1.9.4", &der::octets(&sha256(info))),
        &attribute("1.2.840.113549.1.9.5", &der::time(now)),
        &attribute("1.2.840.113549.1.9.16.2.47", &signing_certificate),
    ]);
    // Signed as SET, sent as [0].
    let signature = signer.key.sign(if spoil { b"something else" } else { &attributes });
    let mut sent = attributes;
    sent[0] = 0xa0;
    let signer_info = der::sequence(&[
        &der::small(1),
        &der::sequence(&[&signer.authority.name, &der::unsigned(&signer.serial)]),
        &hash,
        &sent,
        &certificate::ecdsa_sha256(),
        &der::octets(&signature),
    ]);
    let mut embedded = Vec::new();
    if certificates {
        embedded = der::set(&[&signer.leaf, &signer.authority.intermediate]);
        embedded[0] = 0xa0;
    }
    let signed_data = der::sequence(&[
        &der::small(3),
        &der::set(&[&hash]),
        &der::sequence(&[&der::oid(TST_INFO), &der::tlv(0xa0, &der::octets(info))]),
        &embedded,
        &der::set(&[&signer_info]),
    ]);
    der::sequence(&[&der::oid("1.2.840.113549.1.7.2"), &der::tlv(0xa0, &signed_data)])
}
