//! [`collect`]: evidence in, facts out. Every document is verified with the trust of every signer of every policy.

use super::{
    AttestationFact, AttestedFact, By, Evidence, FactData, Facts, FeedFact, KeylessVerifier,
    MAX_ATTESTATIONS, MAX_BUNDLE_BYTES, MAX_DOCUMENTS, MAX_LOG_ENTRIES, MAX_SIGNATURES, ManifestFact,
    NearMiss, PolicyFacts, Refused, SignatureFact,
    evidence::{Document, FeedDocument},
    judge::{Candidate, Judge},
    manifest_name, measured,
};
use crate::{
    decision::{Code, PolicySet, RejectedEvidence, persons},
    policy::{document::Denylist, load::Policy},
};
use jiff::Timestamp;
use modelseal_core::{
    attestation::{Attestation, read_attestation},
    bundle::Bundle,
    deny_feed::{self, DenyFeed},
    dsse::IN_TOTO_PAYLOAD_TYPE,
    manifest::ManifestError,
    predicate::{Reading, SignedModel, StatementError, read_signed_model},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Verifies the evidence with each policy signer's own trust and reads what was signed. Nothing of the model is needed yet.
/// The result depends on the documents' contents alone, not on their order or number of copies.
#[must_use]
pub fn collect(set: &PolicySet, evidence: &Evidence, keyless: &dyn KeylessVerifier, now: Timestamp) -> Facts {
    let mut table = Table::default();
    table.data.rejected.extend(evidence.unreadable.iter().cloned());
    if evidence.documents_left_out {
        table.data.over_limits.push(format!("more than {MAX_DOCUMENTS} documents of evidence"));
    }
    let mut read = Vec::new();
    for (digest, document) in &evidence.documents {
        table.data.bundles.push(digest.clone());
        match parse(&document.bytes) {
            Ok(bundle) => {
                table.data.evidence_paths.extend(document.inside.iter().cloned());
                read.push(Read { digest, document, bundle, statement: None });
            }
            Err(refused) => table.reject(digest, document, refused),
        }
    }
    for policy in set.policies() {
        let judge = Judge { policy, keyless, payload_type: IN_TOTO_PAYLOAD_TYPE, now };
        let facts = table.policy(policy, &judge, &mut read, evidence);
        table.data.policies.push(facts);
    }
    table.finish(&read);
    Facts { data: table.data }
}

/// A bundle that could be parsed, and the statement in it once somebody trusted had signed it.
struct Read<'a> {
    digest: &'a String,
    document: &'a Document,
    bundle: Bundle,
    statement: Option<Result<Statement, Refused>>,
}

#[derive(Clone)]
enum Statement {
    Model(usize),
    Other(usize),
}

#[derive(Default)]
struct Table {
    data: FactData,
    /// Signed manifests by digest and parameters, attestations by document, as indexes.
    models: BTreeMap<(String, String), usize>,
    counted: (BTreeSet<String>, BTreeSet<String>),
    helped: BTreeSet<String>,
    why_not: BTreeMap<String, (u8, Refused)>,
}

impl Table {
    fn policy(
        &mut self,
        policy: &Policy,
        judge: &Judge<'_>,
        read: &mut [Read<'_>],
        evidence: &Evidence,
    ) -> PolicyFacts {
        let mut facts = PolicyFacts {
            sha256: policy.digest().to_owned(),
            signatures: Vec::new(),
            attested: Vec::new(),
            near_misses: Vec::new(),
            feeds: BTreeMap::new(),
        };
        for read in read {
            for signer in policy.document().signers.keys() {
                let candidate = Candidate { document: &read.document.bytes, bundle: &read.bundle };
                let judged = match judge.judge(signer, &candidate) {
                    Ok(judged) => judged,
                    Err(refused) => {
                        self.near_miss(&mut facts, read.digest, signer, refused);
                        continue;
                    }
                };
                let by = By {
                    document: read.digest.clone(),
                    signer: signer.clone(),
                    principal: policy.document().principal_of(signer).to_owned(),
                    identity: judged.identity,
                    corroboration: judged.corroboration,
                    valid_until: judged.valid_until,
                };
                let statement = match read.statement.take() {
                    Some(statement) => statement,
                    None => {
                        let verified = judged.payload.as_ref().map(|verified| verified.get().bytes());
                        self.statement(verified.unwrap_or(read.bundle.payload_unverified()), read.digest)
                    }
                };
                match &statement {
                    Ok(Statement::Model(manifest)) => {
                        self.helped.insert(read.digest.clone());
                        facts.signatures.push(SignatureFact { by, manifest: *manifest });
                    }
                    Ok(Statement::Other(attestation)) => {
                        self.helped.insert(read.digest.clone());
                        facts.attested.push(AttestedFact { by, attestation: *attestation });
                    }
                    Err(refused) => self.near_miss(&mut facts, read.digest, signer, refused.clone()),
                }
                read.statement = Some(statement);
            }
        }
        for list in &policy.document().denylist {
            let feed = match evidence.feeds.get(&list.file) {
                Some(document) => feed(policy, judge, list, document),
                None => {
                    let message = format!("the deny feed '{}' was not given", list.file);
                    Err(Refused { code: Code::DenyFeedInvalid, message })
                }
            };
            facts.feeds.insert(list.file.clone(), feed);
        }
        facts
    }

    /// Reads a statement that a signer of a policy signed, once for each document.
    fn statement(&mut self, payload: &[u8], digest: &str) -> Result<Statement, Refused> {
        match read_signed_model(IN_TOTO_PAYLOAD_TYPE, payload, Reading::Field) {
            Ok(model) => {
                self.counted.0.insert(digest.to_owned());
                Ok(Statement::Model(self.model(model)))
            }
            Err(StatementError::PredicateType(_)) => {
                let attestation = read_attestation(IN_TOTO_PAYLOAD_TYPE, payload).map_err(|error| {
                    Refused { code: attestation_code(&error), message: error.to_string() }
                })?;
                self.counted.1.insert(digest.to_owned());
                Ok(Statement::Other(self.attestation(attestation)))
            }
            Err(error) => Err(Refused { code: statement_code(&error), message: error.to_string() }),
        }
    }

    fn model(&mut self, model: SignedModel) -> usize {
        let digest = manifest_name(&model.manifest.manifest_digest());
        let parameters = format!("{:?}", model.manifest.serialization());
        let next = self.data.manifests.len();
        let at = *self.models.entry((digest.clone(), parameters)).or_insert(next);
        match self.data.manifests.get_mut(at) {
            // One manifest by several: of the files that the kernel may answer for, only those that all of them say alike.
            Some(known) => Arc::make_mut(&mut known.model)
                .fs_verity
                .retain(|path, digest| model.fs_verity.get(path) == Some(digest)),
            None => {
                self.data.manifests.push(ManifestFact { digest, model: Arc::new(model), compared: None });
            }
        }
        at
    }

    fn attestation(&mut self, attestation: Attestation) -> usize {
        self.data.attestations.push(AttestationFact {
            attestation: Arc::new(attestation),
            of_signed: Vec::new(),
            of_measured: Vec::new(),
        });
        self.data.attestations.len() - 1
    }

    fn near_miss(&mut self, facts: &mut PolicyFacts, document: &str, signer: &str, refused: Refused) {
        let rank = rank(refused.code);
        let known = self.why_not.get(document);
        if known.is_none_or(|(other, _)| rank > *other) {
            self.why_not.insert(document.to_owned(), (rank, refused.clone()));
        }
        facts.near_misses.push(NearMiss {
            document: document.to_owned(),
            signer: signer.to_owned(),
            code: refused.code,
            message: refused.message,
        });
    }

    fn reject(&mut self, digest: &str, document: &Document, refused: Refused) {
        self.data.rejected.push(RejectedEvidence {
            evidence: digest.to_owned(),
            names: document.names.iter().cloned().collect(),
            code: refused.code,
            message: refused.message,
        });
    }

    fn finish(&mut self, read: &[Read<'_>]) {
        for read in read {
            if self.helped.contains(read.digest) {
                continue;
            }
            let nobody = || Refused {
                code: Code::SignatureNoTrustedSigner,
                message: "it is by no signer of any policy".to_owned(),
            };
            let refused = self.why_not.get(read.digest).map_or_else(nobody, |(_, refused)| refused.clone());
            self.reject(read.digest, read.document, refused);
        }
        for (count, limit, what) in [
            (self.counted.0.len(), MAX_SIGNATURES, "signatures"),
            (self.counted.1.len(), MAX_ATTESTATIONS, "attestations"),
        ] {
            if count > limit {
                self.data.over_limits.push(format!("{count} {what}, the limit is {limit}"));
            }
        }
        self.data.rejected.sort();
        self.data.rejected.dedup();
        self.data.evidence_paths.sort_unstable();
        self.data.evidence_paths.dedup();
        measured::compare(&mut self.data);
    }
}

fn parse(document: &[u8]) -> Result<Bundle, Refused> {
    let size = document.len();
    if size > MAX_BUNDLE_BYTES {
        let message = format!("{size} bytes, the limit is {MAX_BUNDLE_BYTES}");
        return Err(Refused { code: Code::ErrorLimitExceeded, message });
    }
    let bundle = Bundle::parse(document)
        .map_err(|error| Refused { code: Code::SignatureMalformed, message: error.to_string() })?;
    let (logs, times) = (bundle.log_entry_count(), bundle.timestamp_count());
    if logs > MAX_LOG_ENTRIES || times > MAX_LOG_ENTRIES {
        let message =
            format!("{logs} log entries and {times} timestamps, the limit is {MAX_LOG_ENTRIES} each");
        return Err(Refused { code: Code::ErrorLimitExceeded, message });
    }
    Ok(bundle)
}

/// Which of several reasons says most: nearly right over altogether different.
fn rank(code: Code) -> u8 {
    match code {
        Code::SignatureMethodMismatch => 0,
        Code::SignatureNoTrustedSigner => 1,
        Code::IdentityChainUntrusted => 2,
        Code::SignaturePayloadType => 3,
        Code::ErrorUnsupported => 4,
        Code::SignatureCryptoInvalid => 6,
        _ => 5,
    }
}

fn statement_code(error: &StatementError) -> Code {
    match error {
        StatementError::PayloadType(_) => Code::SignaturePayloadType,
        StatementError::Type(_) => Code::SignatureStatementType,
        StatementError::PredicateType(_) => Code::SignaturePredicateType,
        StatementError::Path(_) => Code::IntegrityPathEscape,
        StatementError::Manifest(ManifestError::Empty) => Code::IntegrityEmptyModel,
        _ => Code::SignatureMalformed,
    }
}

fn attestation_code(error: &modelseal_core::attestation::AttestationError) -> Code {
    if error.is_duplicate() { Code::AttestationDuplicateKey } else { Code::SignatureMalformed }
}

/// Reads a deny feed that enough different people signed, byte for byte.
fn feed(
    policy: &Policy,
    judge: &Judge<'_>,
    list: &Denylist,
    document: &FeedDocument,
) -> Result<FeedFact, Refused> {
    let judge = Judge { payload_type: deny_feed::PAYLOAD_TYPE, ..*judge };
    let mut people = Vec::new();
    let mut evidence = Vec::new();
    for (digest, bytes) in document.bundles.iter().take(MAX_SIGNATURES) {
        let Ok(bundle) = parse(bytes) else { continue };
        if bundle.payload_unverified() != &*document.bytes {
            continue;
        }
        for signer in &list.signers {
            let candidate = Candidate { document: bytes, bundle: &bundle };
            if let Ok(judged) = judge.judge(signer, &candidate) {
                people.push((policy.document().principal_of(signer), judged.identity));
                evidence.push(digest.clone());
            }
        }
    }
    let needed = list.threshold.map_or(1, |t| t.get() as usize);
    let people = persons::distinct(people.iter().map(|(principal, identity)| (*principal, identity))).len();
    if people < needed {
        let message = format!("{people} of {needed} required people signed the deny feed '{}'", list.file);
        return Err(Refused { code: Code::DenyFeedInvalid, message });
    }
    evidence.dedup();
    let feed = DenyFeed::parse(&document.bytes).map_err(|error| Refused {
        code: Code::DenyFeedInvalid,
        message: format!("the deny feed '{}' cannot be read: {error}", list.file),
    })?;
    Ok(FeedFact { feed: Arc::new(feed), evidence })
}
