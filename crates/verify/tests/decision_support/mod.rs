//! Real keys, real bundles, real policies for the tests of decisions. Only keyless verification is a double: the trait's
//! other side lives in another room.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "support of tests")]

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, MEDIA_TYPE},
    cover::Target,
    digest::{Algorithm, Digest},
    dsse::{IN_TOTO_PAYLOAD_TYPE, pae},
    key::{fingerprint, hint, spki_pem},
    manifest::{Manifest, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
    predicate::signature_v1,
};
use modelseal_verify::{
    decision::{Code, Decision, DecisionReport, PolicySet, Request, Status, Verdict, decide},
    facts::{
        Corroboration, Evidence, Facts, KeylessEvidence, KeylessIdentity, KeylessVerifier, Measurement,
        Refused, TrustedTime, collect, sha256_name,
    },
    policy::{
        load::{NoFiles, Policy, UnvalidatedPolicy},
        reference::Reference,
    },
};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet};

pub const NOW: &str = "2026-11-22T12:00:00Z";
pub const REFERENCE: &str = "hf://huggingface.co/acme/ranker";

pub fn now() -> Timestamp {
    time(NOW)
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An Ed25519 key.
pub struct Key(SigningKey);

impl Key {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn spki(&self) -> Vec<u8> {
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        [&prefix[..], self.0.verifying_key().as_bytes()].concat()
    }

    pub fn fingerprint(&self) -> String {
        fingerprint(&self.spki())
    }

    /// A line of a policy's signers.
    pub fn signer(&self, name: &str, more: &str) -> String {
        let pem = spki_pem(&self.spki()).replace('\n', "\\n");
        let spki = self.fingerprint();
        format!("signers.{name} = {{ kind = \"key\", pem = \"{pem}\", spki-sha256 = \"{spki}\"{more} }}\n")
    }

    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(&pae(payload_type, payload)).to_bytes();
        bundle(payload_type, payload, &signature, &json!({ "publicKey": { "hint": hint(&self.spki()) } }))
    }

    pub fn sign_statement(&self, statement: &Value) -> Vec<u8> {
        self.sign(IN_TOTO_PAYLOAD_TYPE, statement.to_string().as_bytes())
    }

    pub fn sign_model(&self, manifest: &Manifest) -> Vec<u8> {
        self.sign_model_as(manifest, "model")
    }

    /// The name in the statement proves nothing; it makes documents differ.
    pub fn sign_model_as(&self, manifest: &Manifest, name: &str) -> Vec<u8> {
        self.sign(IN_TOTO_PAYLOAD_TYPE, &signature_v1::write(manifest, name).unwrap())
    }
}

pub fn bundle(payload_type: &str, payload: &[u8], signature: &[u8], material: &Value) -> Vec<u8> {
    let document = json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": payload_type,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    });
    document.to_string().into_bytes()
}

/// A keyless bundle for [`Double`]: what it says of itself stands in the certificate's place.
pub fn keyless(statement: &[u8], claims: &Value) -> Vec<u8> {
    let certificate = STANDARD.encode(claims.to_string());
    let material = json!({ "certificate": { "rawBytes": certificate } });
    bundle(IN_TOTO_PAYLOAD_TYPE, statement, b"signature", &material)
}

pub fn keyless_model(manifest: &Manifest, claims: &Value) -> Vec<u8> {
    keyless(&signature_v1::write(manifest, "model").unwrap(), claims)
}

/// Stands for Sigstore: believes what [`keyless`] wrote, and the times it was told of.
#[derive(Default)]
pub struct Double {
    pub times: BTreeMap<String, Corroboration>,
}

impl Double {
    /// Vouches for times of a bundle that a key signed.
    pub fn stamp(&mut self, bundle: &[u8], times: &[&str]) {
        self.times.insert(sha256_name(bundle), corroboration(times, &[]));
    }
}

pub fn corroboration(times: &[&str], logs: &[&str]) -> Corroboration {
    let times = times.iter().enumerate().map(|(n, at)| TrustedTime {
        at: time(at),
        is_timestamp: true,
        operator: format!("tsa-{n}"),
    });
    Corroboration { times: times.collect(), logs: logs.iter().map(|log| (*log).to_owned()).collect() }
}

impl KeylessVerifier for Double {
    fn verify(&self, document: &[u8], _: &Policy, _: &str, _: Timestamp) -> Result<KeylessEvidence, Refused> {
        use modelseal_core::bundle::VerificationMaterial as M;
        let bundle = Bundle::parse(document).unwrap();
        let M::Certificate(der) = bundle.material() else { unreachable!("not keyless") };
        let said: Value = serde_json::from_slice(der).unwrap();
        if let Some(code) = said["refused"].as_str() {
            return Err(Refused { code: code.parse().unwrap(), message: "as the test wants".to_owned() });
        }
        let claims = said["claims"].as_object().cloned().unwrap_or_default();
        let texts = |key: &str| -> Vec<String> {
            let list = said[key].as_array().cloned().unwrap_or_default();
            list.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let times = texts("times");
        let logs = texts("logs");
        Ok(KeylessEvidence {
            identity: KeylessIdentity {
                identity: said["identity"].as_str().unwrap_or("").to_owned(),
                identity_kind: match said["kind"].as_str() {
                    Some(kind) => kind.to_owned(),
                    None if said["identity"].to_string().contains("://") => "URI".to_owned(),
                    None => "email".to_owned(),
                },
                issuer: said["issuer"].as_str().unwrap_or("").to_owned(),
                claims: claims.into_iter().map(|(k, v)| (k, v.as_str().unwrap().to_owned())).collect(),
                spki_sha256: "ab".repeat(32),
            },
            corroboration: corroboration(
                &times.iter().map(String::as_str).collect::<Vec<_>>(),
                &logs.iter().map(String::as_str).collect::<Vec<_>>(),
            ),
        })
    }

    fn corroborate(
        &self,
        document: &[u8],
        _: &modelseal_verify::public_key::PublicKey,
        _: &Policy,
        _: Timestamp,
    ) -> Corroboration {
        self.times.get(&sha256_name(document)).cloned().unwrap_or_default()
    }
}

pub fn path(text: &str) -> ModelPath {
    ModelPath::parse(text).unwrap()
}

pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::sha256(sha2::Sha256::digest(bytes).into())
}

/// A model of these files.
pub fn manifest(files: &[(&str, &str)]) -> Manifest {
    manifest_with(Serialization::default(), files)
}

pub fn manifest_with(serialization: Serialization, files: &[(&str, &str)]) -> Manifest {
    let digest = |bytes: &str| match serialization.algorithm {
        Algorithm::Sha256 => digest_of(bytes.as_bytes()),
        other => Digest::new(other, &digest_of(bytes.as_bytes()).as_bytes().repeat(2)[..other.digest_len()])
            .unwrap(),
    };
    let resource =
        |(name, bytes): &(&str, &str)| Resource { path: path(name), range: None, digest: digest(bytes) };
    Manifest::sorted(serialization.clone(), files.iter().map(resource).collect()).unwrap()
}

pub fn ignoring(paths: &[&str]) -> Serialization {
    Serialization { ignore_paths: paths.iter().map(|p| path(p)).collect(), ..Serialization::default() }
}

/// The usual model.
pub fn model() -> Manifest {
    manifest(&[("config.json", "{}"), ("weights/a.safetensors", "aaaa"), ("weights/b.safetensors", "bbbb")])
}

pub fn manifest_name(manifest: &Manifest) -> String {
    format!("manifest-sha256:{}", manifest.manifest_digest().to_hex())
}

/// The policy's head, which most tests share.
pub fn head(id: &str) -> String {
    format!("schema = \"modelseal.policy/v1\"\nid = \"{id}\"\nversion = 1\nexpires = 2027-06-30T00:00:00Z\n")
}

pub fn policy(text: &str) -> Policy {
    match UnvalidatedPolicy::from_toml("policy.toml", text).validate(&NoFiles, Some(now())) {
        Ok(policy) => policy,
        Err(complaints) => {
            let said: Vec<String> = complaints.iter().map(ToString::to_string).collect();
            panic!("{}\n{text}", said.join("\n"))
        }
    }
}

/// The lints and errors that keep a text from being a policy.
pub fn refused(text: &str) -> Vec<String> {
    let refused = UnvalidatedPolicy::from_toml("policy.toml", text).validate(&NoFiles, Some(now()));
    let complaints = refused.expect_err("the policy is fit for use");
    complaints.iter().map(|complaint| complaint.to_string()).collect()
}

pub fn set(text: &str) -> PolicySet {
    PolicySet::new([policy(text)]).unwrap()
}

pub fn reference(text: &str) -> Reference {
    Reference::canonical(text).unwrap()
}

/// A rule for the usual model.
pub fn rule(body: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nmodels = [\"{REFERENCE}\"]\n{body}\n")
}

/// One evaluation as the front makes it.
pub struct Case {
    pub set: PolicySet,
    pub request: Request,
    pub bundles: Vec<Vec<u8>>,
    pub feeds: Vec<(String, Vec<u8>, Vec<Vec<u8>>)>,
    pub model: Option<Manifest>,
    pub keyless: Double,
    pub now: Timestamp,
}

impl Case {
    pub fn new(policy: &str) -> Self {
        Self {
            set: set(policy),
            request: Request::new(reference(REFERENCE)),
            bundles: Vec::new(),
            feeds: Vec::new(),
            model: Some(model()),
            keyless: Double::default(),
            now: now(),
        }
    }

    pub fn bundle(mut self, bundle: Vec<u8>) -> Self {
        self.bundles.push(bundle);
        self
    }

    /// A bundle with times that others vouch for.
    pub fn stamped(mut self, bundle: Vec<u8>, times: &[&str]) -> Self {
        self.keyless.stamp(&bundle, times);
        self.bundle(bundle)
    }

    pub fn model(mut self, model: Manifest) -> Self {
        self.model = Some(model);
        self
    }

    pub fn unmeasured(mut self) -> Self {
        self.model = None;
        self
    }

    pub fn at(mut self, now: &str) -> Self {
        self.now = time(now);
        self
    }

    pub fn named(mut self, name: &str) -> Self {
        self.request = Request::new(reference(name));
        self
    }

    pub fn evidence(&self) -> Evidence {
        let mut evidence = Evidence::new();
        for (n, bundle) in self.bundles.iter().enumerate() {
            evidence.add(&format!("bundle-{n}"), None, bundle);
        }
        for (file, feed, bundles) in &self.feeds {
            evidence.feed(file, feed, bundles.iter().map(Vec::as_slice));
        }
        evidence
    }

    pub fn facts(&self) -> Facts {
        let facts = collect(&self.set, &self.evidence(), &self.keyless, self.now);
        let Some(model) = &self.model else { return facts };
        measure(facts, model)
    }

    pub fn decide(&self) -> Decision {
        decide(&self.set, &self.request, &self.facts(), self.now)
    }

    pub fn report(&self) -> DecisionReport {
        self.decide().report().clone()
    }

    #[track_caller]
    pub fn allowed(&self) -> DecisionReport {
        let decision = self.decide();
        let report = decision.report().clone();
        assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
        assert!(decision.allowed(false).is_some());
        report
    }

    /// Denied, with this code among the failed checks.
    #[track_caller]
    pub fn denied(&self, code: Code) -> DecisionReport {
        let decision = self.decide();
        let report = decision.report().clone();
        assert_eq!(report.verdict, Verdict::Deny, "{}", show(&report));
        let codes: BTreeSet<Code> = report.with(Status::Fail).filter_map(|check| check.code).collect();
        assert!(codes.contains(&code), "{code} is not among {codes:?}\n{}", show(&report));
        assert!(decision.allowed(true).is_none());
        report
    }

    /// Not decided, with this code.
    #[track_caller]
    pub fn undecided(&self, code: Code) -> DecisionReport {
        let decision = self.decide();
        let report = decision.report().clone();
        assert_eq!(report.verdict, Verdict::Error, "{}", show(&report));
        assert!(report.with(Status::Error).any(|check| check.code == Some(code)), "{}", show(&report));
        assert!(decision.allowed(true).is_none() && report.exit_status() == 3);
        report
    }
}

/// Measures as the facts want it: all of `model`'s files, whatever the parameters leave out of them.
pub fn measure(facts: Facts, model: &Manifest) -> Facts {
    let wanted = facts.to_measure();
    wanted.into_iter().fold(facts, |facts, serialization| {
        let fits =
            |r: &&Resource| !serialization.ignore_paths.iter().any(|ignored| r.path.is_within(ignored));
        let resources: Vec<Resource> = model.resources().iter().filter(fits).cloned().collect();
        if model.serialization().algorithm != serialization.algorithm {
            return facts;
        }
        let manifest = Manifest::sorted(serialization.clone(), resources);
        let is_file = Target::of(model).is_single_file();
        match manifest.map(|manifest| if is_file { manifest.of_single_file() } else { manifest }) {
            Ok(manifest) => facts
                .measured(Measurement::new(Observed::measured_by_this_process(manifest), 1234).following([])),
            Err(error) => facts.not_measured(serialization, Code::IntegrityEmptyModel, error.to_string()),
        }
    })
}

pub fn show(report: &DecisionReport) -> String {
    let mut text = format!("{:?} {}\n", report.verdict, report.message);
    for check in &report.checks {
        let code = check.code.map_or("", Code::as_str);
        text += &format!("  {:?} {} {code}: {} {}\n", check.status, check.id, check.message, check.actual);
    }
    for rejected in report.rejected.iter().take(5) {
        text += &format!("  rejected {:?} {}: {}\n", rejected.names, rejected.code, rejected.message);
    }
    text
}

/// A statement about all of `manifest`.
pub fn statement(predicate_type: &str, manifest: &Manifest, predicate: Value) -> Value {
    named_statement(predicate_type, "model", manifest, predicate)
}

pub fn named_statement(predicate_type: &str, name: &str, manifest: &Manifest, predicate: Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "dirHash": manifest.manifest_digest().to_hex() } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

pub const RELEASE: &str = "https://in-toto.io/attestation/release/v0.1";
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
pub const VSA: &str = "https://slsa.dev/verification_summary/v1";

pub fn release(manifest: &Manifest, version: &str) -> Value {
    statement(RELEASE, manifest, json!({ "purl": format!("pkg:huggingface/acme/ranker@{version}") }))
}

pub fn status_of(report: &DecisionReport, id: &str) -> Vec<Status> {
    report.checks.iter().filter(|check| check.id == id).map(|check| check.status).collect()
}
