//! X.509 certificates, written field by field, so that any of them can be wrong.

use crate::der;
use crate::keys::{self, EcKey};
use crate::time::DAY;

pub(crate) const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
pub(crate) const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

/// What a certificate says.
pub(crate) struct Certificate<'a> {
    /// Name, DER.
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// SubjectPublicKeyInfo of the holder and of the issuer.
    pub(crate) key: &'a [u8],
    pub(crate) issuer_key: &'a [u8],
    /// Path length for a CA; nothing for an end entity.
    pub(crate) authority: Option<u8>,
    /// Extended key usage, and whether it is critical.
    pub(crate) usage: Option<(&'a str, bool)>,
    /// Further extensions, from [`extension`].
    pub(crate) more: Vec<Vec<u8>>,
}

impl Certificate<'_> {
    /// The part that is signed. `late` are extensions that come last.
    pub(crate) fn tbs(&self, serial: &[u8], late: &[Vec<u8>]) -> Vec<u8> {
        let mut extensions = Vec::new();
        // keyCertSign and cRLSign, or digitalSignature.
        let bits: &[u8] = if self.authority.is_some() { &[3, 2, 1, 0x06] } else { &[3, 2, 7, 0x80] };
        extensions.push(extension("2.5.29.15", true, bits));
        if let Some((usage, critical)) = self.usage {
            extensions.push(extension("2.5.29.37", critical, &der::sequence(&[&der::oid(usage)])));
        }
        if let Some(length) = self.authority {
            let value = der::sequence(&[&der::yes(), &der::small(length)]);
            extensions.push(extension("2.5.29.19", true, &value));
        }
        extensions.push(extension("2.5.29.14", false, &der::octets(&identifier(self.key))));
        let authority = der::sequence(&[&der::tlv(0x80, &identifier(self.issuer_key))]);
        extensions.push(extension("2.5.29.35", false, &authority));
        extensions.extend_from_slice(&self.more);
        extensions.extend_from_slice(late);
        der::sequence(&[
            &der::tlv(0xa0, &der::small(2)),
            &der::unsigned(serial),
            &ecdsa_sha256(),
            self.issuer,
            &der::sequence(&[&der::time(self.not_before), &der::time(self.not_after)]),
            self.subject,
            self.key,
            &der::tlv(0xa3, &der::tlv(der::SEQUENCE, &extensions.concat())),
        ])
    }

    /// The certificate, signed.
    pub(crate) fn sign(&self, key: &EcKey) -> Vec<u8> {
        signed(&self.tbs(&serial(), &[]), key)
    }
}

/// A positive random serial number.
pub(crate) fn serial() -> [u8; 16] {
    let mut serial = keys::random::<16>();
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

/// tbsCertificate, algorithm, signature.
pub(crate) fn signed(tbs: &[u8], key: &EcKey) -> Vec<u8> {
    der::sequence(&[tbs, &ecdsa_sha256(), &der::bits(&key.sign(tbs))])
}

/// One extension.
pub(crate) fn extension(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der::yes() } else { Vec::new() };
    der::sequence(&[&der::oid(oid), &critical, &der::octets(value)])
}

/// AlgorithmIdentifier of ecdsa-with-SHA256.
pub(crate) fn ecdsa_sha256() -> Vec<u8> {
    der::sequence(&[&der::oid("1.2.840.10045.4.3.2")])
}

/// Name with an organization and a common name; an empty common name gives the empty Name.
pub(crate) fn name(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return der::sequence(&[]);
    }
    let part = |oid: &str, text: &str| der::set(&[&der::sequence(&[&der::oid(oid), &der::utf8(text)])]);
    der::sequence(&[&part("2.5.4.10", "sigstore double"), &part("2.5.4.3", common_name)])
}

/// A root and an intermediate CA.
pub(crate) struct Authority {
    pub(crate) root: Vec<u8>,
    pub(crate) intermediate: Vec<u8>,
    /// Name of the intermediate.
    pub(crate) name: Vec<u8>,
    /// Key of the intermediate.
    pub(crate) key: EcKey,
}

impl Authority {
    /// Valid for ten years before and after `now`.
    pub(crate) fn new(label: &str, usage: &str, now: i64) -> Self {
        let (root_key, key) = (EcKey::generate(), EcKey::generate());
        let (root_name, name) = (name(&format!("{label} root")), name(&format!("{label} intermediate")));
        let (not_before, not_after) = (now - 3650 * DAY, now + 3650 * DAY);
        let root = Certificate {
            issuer: &root_name,
            subject: &root_name,
            not_before,
            not_after,
            key: root_key.spki(),
            issuer_key: root_key.spki(),
            authority: Some(1),
            usage: None,
            more: Vec::new(),
        }
        .sign(&root_key);
        let intermediate = Certificate {
            issuer: &root_name,
            subject: &name,
            not_before,
            not_after,
            key: key.spki(),
            issuer_key: root_key.spki(),
            authority: Some(0),
            usage: Some((usage, false)),
            more: Vec::new(),
        }
        .sign(&root_key);
        Self { root, intermediate, name, key }
    }
}

/// Key identifier: the first 20 bytes of SHA-256 of the key (RFC 7093 2).
fn identifier(spki: &[u8]) -> Vec<u8> {
    keys::sha256(spki)[..20].to_vec()
}
