//! Fulcio: checks the token and the proof of possession, and issues a certificate with an embedded SCT.

use serde_json::{Value, json};

use crate::certificate::{self, Authority, CODE_SIGNING, Certificate};
use crate::der::{self, Reader};
use crate::double::Options;
use crate::fault::Fault;
use crate::http::{Request, Response};
use crate::issuer::Issuer;
use crate::json::{b64, pem, unb64, unpem};
use crate::keys::{self, EcKey, Signed};

/// How long a certificate is valid, in seconds.
const VALIDITY: i64 = 600;
/// Arc of Fulcio's extensions.
const ARC: &str = "1.3.6.1.4.1.57264.1";

/// Claims of GitHub's tokens and the extensions they become (Fulcio's oid-info).
const GITHUB: [(&str, &str, &str); 16] = [
    ("9", "job_workflow_ref", "https://github.com/"),
    ("10", "job_workflow_sha", ""),
    ("11", "runner_environment", ""),
    ("12", "repository", "https://github.com/"),
    ("13", "sha", ""),
    ("14", "ref", ""),
    ("15", "repository_id", ""),
    ("16", "repository_owner", "https://github.com/"),
    ("17", "repository_owner_id", ""),
    ("18", "workflow_ref", "https://github.com/"),
    ("19", "workflow_sha", ""),
    ("20", "event_name", ""),
    ("21", "run_url", ""),
    ("22", "repository_visibility", ""),
    ("23", "environment_sub", ""),
    ("24", "environment", ""),
];

/// The certificate authority and its certificate transparency logs.
pub(crate) struct Fulcio {
    pub(crate) authority: Authority,
    pub(crate) ct: EcKey,
    foreign_authority: Authority,
    foreign_ct: EcKey,
}

impl Fulcio {
    pub(crate) fn new(now: i64) -> Self {
        Self {
            authority: Authority::new("fulcio", CODE_SIGNING, now),
            ct: EcKey::generate(),
            foreign_authority: Authority::new("fulcio", CODE_SIGNING, now),
            foreign_ct: EcKey::generate(),
        }
    }

    /// `GET /api/v2/trustBundle`.
    pub(crate) fn trust_bundle(&self) -> Response {
        let chain = [&self.authority.intermediate, &self.authority.root].map(|der| pem("CERTIFICATE", der));
        Response::json(200, &json!({"chains": [{"certificates": chain}]}))
    }

    /// `POST /api/v2/signingCert`.
    pub(crate) fn signing_cert(
        &self,
        request: &Request,
        issuer: &Issuer,
        now: i64,
        options: &Options,
        fault: Option<&Fault>,
    ) -> Result<Response, Response> {
        let bad = |message: &str| Response::error(400, message);
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|e| bad(&format!("the body is no JSON: {e}")))?;
        let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer.or_else(|| body["credentials"]["oidcIdentityToken"].as_str());
        let claims = issuer
            .check(token.ok_or_else(|| Response::error(401, "no identity token"))?, now)
            .map_err(|why| Response::error(401, &format!("the identity token: {why}")))?;
        let principal = Principal::of(&claims).map_err(|why| Response::error(403, &why))?;
        let key = possessed_key(&body, &principal.proof).map_err(|why| bad(&why))?;
        let chain = self.issue(&key, principal, issuer.url(), now, options, fault);
        let chain: Vec<_> = chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        Ok(Response::json(200, &json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})))
    }

    /// Leaf, intermediate, root.
    fn issue(
        &self,
        key: &[u8],
        mut principal: Principal,
        issuer: &str,
        now: i64,
        options: &Options,
        fault: Option<&Fault>,
    ) -> [Vec<u8>; 3] {
        let other_key = EcKey::generate();
        let (mut key, mut issuer, mut from) = (key, issuer.to_owned(), now);
        let (mut authority, mut ct) = (&self.authority, &self.ct);
        match fault {
            Some(Fault::CertificateForAnotherKey) => key = other_key.spki(),
            Some(Fault::CertificateForAnotherIdentity) => {
                principal.name = der::tlv(0x81, b"mallory@example.com");
            }
            Some(Fault::CertificateFromAnotherIssuer) => issuer = "https://issuer.example.net".to_owned(),
            Some(Fault::CertificateFromAnotherCa) => authority = &self.foreign_authority,
            Some(Fault::CertificateExpired) => from -= 3_600 + VALIDITY,
            Some(Fault::CertificateFuture) => from += 3_600,
            Some(Fault::SctFromAnotherLog) => ct = &self.foreign_ct,
            _ => {}
        }
        let own = |arc: &str| format!("{ARC}.{arc}");
        let mut more = vec![
            certificate::extension("2.5.29.17", true, &der::sequence(&[&principal.name])),
            certificate::extension(&own("1"), false, issuer.as_bytes()),
            certificate::extension(&own("8"), false, &der::utf8(&issuer)),
        ];
        for (arc, text) in &principal.claims {
            more.push(certificate::extension(&own(arc), false, &der::utf8(text)));
        }
        let leaf = Certificate {
            issuer: &authority.name,
            subject: &certificate::name(""),
            not_before: from,
            not_after: from + VALIDITY,
            key,
            issuer_key: authority.key.spki(),
            authority: None,
            usage: Some((CODE_SIGNING, false)),
            more,
        };
        let serial = certificate::serial();
        let mut late = Vec::new();
        if fault != Some(&Fault::SctMissing) {
            let mut logged = leaf.tbs(&serial, &[]);
            if fault == Some(&Fault::SctWrong) {
                logged = leaf.tbs(&certificate::serial(), &[]);
            }
            let extensions: &[u8] = if options.sct_extensions { &[0, 0, 5, 0, 0, 0, 1, 2] } else { &[] };
            let sct = sct(ct, &logged, &keys::sha256(authority.key.spki()), from, extensions);
            let list = with_length(&with_length(&sct));
            late.push(certificate::extension("1.3.6.1.4.1.11129.2.4.2", false, &der::octets(&list)));
        }
        let leaf = certificate::signed(&leaf.tbs(&serial, &late), &authority.key);
        [leaf, authority.intermediate.clone(), authority.root.clone()]
    }
}

/// Who asks.
struct Principal {
    /// GeneralName.
    name: Vec<u8>,
    /// What a proof of possession signs.
    proof: String,
    /// Arc and text of further extensions.
    claims: Vec<(&'static str, String)>,
}

impl Principal {
    /// An e-mail address if there is one, GitHub's workflow, or a subject that is a URI.
    fn of(claims: &Value) -> Result<Self, String> {
        let subject = claims["sub"].as_str().unwrap_or_default();
        if let Some(email) = claims["email"].as_str() {
            if claims["email_verified"] != true {
                return Err(format!("the e-mail address {email:?} is not verified"));
            }
            return Ok(Self {
                name: der::tlv(0x81, email.as_bytes()),
                proof: email.to_owned(),
                claims: Vec::new(),
            });
        }
        let uri = match claims["job_workflow_ref"].as_str() {
            Some(workflow) => format!("https://github.com/{workflow}"),
            None if subject.contains("://") => subject.to_owned(),
            None => {
                return Err("the token has neither an e-mail address nor a subject that is a URI".to_owned());
            }
        };
        let extensions = GITHUB
            .iter()
            .filter_map(|(arc, claim, prefix)| Some((*arc, format!("{prefix}{}", claims[*claim].as_str()?))))
            .collect();
        Ok(Self { name: der::tlv(0x86, uri.as_bytes()), proof: subject.to_owned(), claims: extensions })
    }
}

/// The public key of the request, after the proof that the client has its private key.
fn possessed_key(body: &Value, proof: &str) -> Result<Vec<u8>, String> {
    if let Some(request) = body["certificateSigningRequest"].as_str() {
        let text = unb64(request).and_then(|bytes| String::from_utf8(bytes).ok());
        let (_, der) =
            text.as_deref().and_then(unpem).ok_or("the certificate request is no base64 of PEM")?;
        return requested_key(&der).ok_or("the certificate request is malformed")?;
    }
    let request = &body["publicKeyRequest"];
    let content =
        request["publicKey"]["content"].as_str().ok_or("neither a certificate request nor a public key")?;
    let (_, spki) = unpem(content).ok_or("the public key is no PEM")?;
    let signature = request["proofOfPossession"].as_str().and_then(unb64).ok_or("no proof of possession")?;
    keys::verify(&spki, Signed::Message(proof.as_bytes()), &signature)
        .map_err(|why| format!("proof of possession: {why}"))?;
    Ok(spki)
}

/// Key of a PKCS#10 request, whose signature is checked.
fn requested_key(der: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let mut outer = Reader(Reader(der).expect(der::SEQUENCE)?.content);
    let info = outer.expect(der::SEQUENCE)?;
    outer.expect(der::SEQUENCE)?;
    let signature = outer.expect(der::BIT_STRING)?.content.get(1..)?;
    let mut fields = Reader(info.content);
    fields.expect(der::INTEGER)?;
    fields.expect(der::SEQUENCE)?;
    let spki = fields.expect(der::SEQUENCE)?.whole;
    let checked = keys::verify(spki, Signed::Message(info.whole), signature);
    Some(checked.map(|()| spki.to_vec()).map_err(|why| format!("certificate request: {why}")))
}

/// A SignedCertificateTimestamp for a precertificate (RFC 6962 3.2).
fn sct(log: &EcKey, tbs: &[u8], issuer_key_hash: &[u8; 32], now: i64, extensions: &[u8]) -> Vec<u8> {
    let milliseconds = (now * 1_000).to_be_bytes();
    let extensions = with_length(extensions);
    let length = u32::try_from(tbs.len()).expect("short").to_be_bytes();
    let signed =
        [&[0, 0], &milliseconds[..], &[0, 1], issuer_key_hash, &length[1..], tbs, &extensions].concat();
    let signature = with_length(&log.sign(&signed));
    // version, log, time, extensions, sha256, ecdsa, signature
    [&[0], &log.id()[..], &milliseconds, &extensions, &[4, 3], &signature].concat()
}

/// The bytes after their length in two bytes.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
}

/// Base64 of a certificate, as JSON carries it.
pub(crate) fn raw(der: &[u8]) -> Value {
    json!({"rawBytes": b64(der)})
}
