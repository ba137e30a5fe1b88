//! An inspection in SARIF 2.1.0, for other programs and as evidence: the same bytes on every machine, since it is a function of
//! the inspection, the rules and the digests alone. No times, no absolute paths, nothing of the host.

use super::{Coverage, RuleSetReport, inspection::rule_page};
use modelseal_core::{
    digest::Digest,
    inspection::{FileInspection, Finding, Inspection, RuleId, Severity},
    path::ModelPath,
};
use modelseal_inspect::{Rule, RuleSet, rules};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// The report as the bytes of a file. `digests` are SHA-256 digests of the files, as far as they are known: they bind the
/// report to what was inspected.
#[must_use]
pub fn sarif(inspection: &Inspection, rules: &RuleSet, digests: &BTreeMap<ModelPath, Digest>) -> Vec<u8> {
    let document = document(inspection, rules, digests);
    // Text, numbers and lists only: there is nothing in it that JSON cannot hold.
    let mut bytes = serde_json::to_vec_pretty(&sorted(document)).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn document(inspection: &Inspection, rule_set: &RuleSet, digests: &BTreeMap<ModelPath, Digest>) -> Value {
    let known = rules();
    let found: BTreeSet<RuleId> = findings(inspection).map(|finding| finding.rule).collect();
    let told: Vec<&Rule> = known.into_iter().filter(|rule| found.contains(&rule.id)).collect();
    let mut artifacts = Artifacts::new(inspection, digests);
    let results: Vec<Value> =
        findings(inspection).map(|finding| result(finding, &told, &mut artifacts)).collect();
    let weaknesses: BTreeSet<u32> = told.iter().map(|rule| weakness(rule.id)).collect();
    let taxa: Vec<Value> = weaknesses.iter().map(|cwe| json!({ "id": format!("CWE-{cwe}") })).collect();
    let report = RuleSetReport::of(rule_set);
    let changed: Vec<Value> = report
        .changed
        .iter()
        .map(|changed| {
            let reason = changed.reason.as_deref().unwrap_or_default();
            json!({
                "rule": changed.rule,
                "from": changed.from.name(),
                "to": changed.to.name(),
                "reason": reason,
            })
        })
        .collect();
    let bytes = inspection.files.iter().map(|file| file.size).fold(0, u64::saturating_add);
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "modelseal",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": told.iter().map(|rule| descriptor(rule, rule_set)).collect::<Vec<_>>(),
                "supportedTaxonomies": [{ "name": CWE }],
            } },
            "taxonomies": [{
                "name": CWE,
                "organization": "MITRE",
                "shortDescription": { "text": "The MITRE Common Weakness Enumeration" },
                "taxa": taxa,
            }],
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications(inspection, &told, &artifacts),
            }],
            "columnKind": "unicodeCodePoints",
            "artifacts": artifacts.list,
            "results": results,
            "properties": {
                "verdict": inspection.verdict().name(),
                "denied": rule_set.denies(inspection.verdict()),
                "coverage": Coverage::of(inspection).name(),
                "filesScanned": inspection.files.len(),
                "bytesCovered": bytes,
                "rules": {
                    "id": report.id,
                    "version": report.version,
                    "rulesDigest": report.digest,
                    "limitsDigest": report.limits_digest,
                    "deniesFrom": report.denies_from.name(),
                    "changed": changed,
                },
            },
        }],
    })
}

const CWE: &str = "CWE";

fn findings(inspection: &Inspection) -> impl Iterator<Item = &Finding> {
    inspection.files.iter().flat_map(|file: &FileInspection| &file.findings)
}

/// A rule as the driver of the tool describes it.
fn descriptor(rule: &Rule, rules: &RuleSet) -> Value {
    let severity = rules.severity(rule);
    let cwe = weakness(rule.id);
    let mut properties = json!({
        "tags": ["security", format!("external/cwe/cwe-{cwe:03}")],
        "severity": severity.name(),
    });
    if let Some(score) = score(severity) {
        properties["security-severity"] = score.into();
    }
    json!({
        "id": rule.id.as_str(),
        "name": rule.name,
        "shortDescription": { "text": rule.summary },
        "help": { "text": rule.remedy },
        "helpUri": rule_page(rule.id),
        "defaultConfiguration": { "level": level(severity) },
        "relationships": [{
            "target": { "id": format!("CWE-{cwe}"), "toolComponent": { "name": CWE } },
            "kinds": ["relevant"],
        }],
        "properties": properties,
    })
}

fn result(finding: &Finding, told: &[&Rule], artifacts: &mut Artifacts) -> Value {
    let index = artifacts.of(finding);
    let uri = artifacts.uri(index);
    let mut location = json!({ "artifactLocation": { "uri": uri, "index": index } });
    if let Some(offset) = finding.place.offset {
        location["region"] = json!({ "byteOffset": offset });
    }
    let kind = kind(finding.severity);
    let mut result = json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": told.iter().position(|rule| rule.id == finding.rule),
        "kind": kind,
        // Whatever is no failure has no level (3.27.10).
        "level": if kind == "fail" { level(finding.severity) } else { "none" },
        "message": { "text": finding.message },
        "locations": [{ "physicalLocation": location }],
        "occurrenceCount": finding.count,
        "partialFingerprints": { "modelseal/v1": fingerprint(finding) },
        "taxa": [{ "id": format!("CWE-{}", weakness(finding.rule)), "toolComponent": { "name": CWE } }],
        "properties": { "severity": finding.severity.name() },
    });
    if let Some(subject) = &finding.subject {
        result["properties"]["subject"] = subject.as_str().into();
    }
    result
}

/// What could not be inspected is said twice: as a result that is open, and for programs that only look whether the tool did
/// its work.
fn notifications(inspection: &Inspection, told: &[&Rule], artifacts: &Artifacts) -> Vec<Value> {
    let is_open = |finding: &&Finding| finding.severity == Severity::Unknown;
    let say = |finding: &Finding| {
        let index = artifacts.known(finding).unwrap_or_default();
        json!({
            "associatedRule": {
                "id": finding.rule.as_str(),
                "index": told.iter().position(|rule| rule.id == finding.rule),
            },
            "level": "warning",
            "message": { "text": finding.message },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": artifacts.uri(index), "index": index },
            } }],
        })
    };
    findings(inspection).filter(is_open).map(say).collect()
}

/// The files, and the members of archives that something was found in.
struct Artifacts {
    list: Vec<Value>,
    uris: Vec<String>,
    /// By file and members.
    places: BTreeMap<(ModelPath, Vec<String>), usize>,
}

impl Artifacts {
    fn new(inspection: &Inspection, digests: &BTreeMap<ModelPath, Digest>) -> Self {
        let mut artifacts = Self { list: Vec::new(), uris: Vec::new(), places: BTreeMap::new() };
        for file in &inspection.files {
            let uri = uri(file.path.as_str());
            let mut artifact = json!({
                "location": { "uri": uri },
                "length": file.size,
                "roles": ["analysisTarget"],
                "properties": {
                    "verdict": file.verdict().name(),
                    "format": file.format.name(),
                    "pickleTier": file.contents.pickle_tier().name(),
                },
            });
            if let Some(digest) = digests.get(&file.path) {
                artifact["hashes"] = json!({ "sha-256": digest.to_hex() });
            }
            artifacts.push((file.path.clone(), Vec::new()), uri, artifact);
        }
        artifacts
    }

    /// The index of the place of a finding, which is made when it is not there yet.
    fn of(&mut self, finding: &Finding) -> usize {
        let place = &finding.place;
        let mut index = self.known_at(&place.file, &[]).unwrap_or_default();
        for depth in 1..=place.members.len() {
            let Some(members) = place.members.get(..depth) else { break };
            index = match self.known_at(&place.file, members) {
                Some(known) => known,
                None => {
                    let within = members.last().map_or("", String::as_str);
                    let uri = format!("{}!/{}", self.uri(index), uri(within));
                    let artifact = json!({ "location": { "uri": uri }, "parentIndex": index });
                    self.push((place.file.clone(), members.to_vec()), uri, artifact)
                }
            };
        }
        index
    }

    fn known(&self, finding: &Finding) -> Option<usize> {
        self.known_at(&finding.place.file, &finding.place.members)
    }

    fn known_at(&self, file: &ModelPath, members: &[String]) -> Option<usize> {
        self.places.get(&(file.clone(), members.to_vec())).copied()
    }

    fn push(&mut self, place: (ModelPath, Vec<String>), uri: String, artifact: Value) -> usize {
        let index = self.list.len();
        self.places.insert(place, index);
        self.uris.push(uri);
        self.list.push(artifact);
        index
    }

    fn uri(&self, index: usize) -> &str {
        self.uris.get(index).map_or("", String::as_str)
    }
}

/// What stays the same when a file is moved within its archive's bytes, or found a second time.
fn fingerprint(finding: &Finding) -> String {
    let mut hash = Sha256::new();
    let place = &finding.place;
    let members = place.members.iter().map(String::as_str);
    let subject = finding.subject.as_deref().unwrap_or(&finding.message);
    let parts = [finding.rule.as_str(), place.file.as_str()].into_iter().chain(members).chain([subject]);
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Digest::sha256(hash.finalize().into()).to_hex()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Malicious | Severity::Malformed => "error",
        Severity::Suspicious | Severity::Unknown => "warning",
        Severity::Note => "note",
    }
}

fn kind(severity: Severity) -> &'static str {
    match severity {
        Severity::Malicious | Severity::Malformed | Severity::Suspicious => "fail",
        Severity::Unknown => "open",
        Severity::Note => "informational",
    }
}

/// As CVSS counts, for programs that sort by it.
fn score(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Malicious => Some("9.0"),
        Severity::Malformed => Some("7.0"),
        Severity::Suspicious => Some("5.0"),
        Severity::Unknown | Severity::Note => None,
    }
}

/// The weakness that rules of a subject are about, in the Common Weakness Enumeration.
fn weakness(rule: RuleId) -> u32 {
    match rule.as_str().get(..3).unwrap_or_default() {
        // Deserialisation of untrusted data.
        "FLX" | "KER" | "LUA" | "NPY" | "PKL" | "RDS" | "SKO" | "TOR" | "YML" => 502,
        // Code injection.
        "HFC" | "MAR" | "MDL" | "NAT" | "REQ" | "SRC" | "TFG" => 94,
        // Expression language and template injection.
        "JIN" | "TOK" => 1336,
        // Paths out of a directory.
        "HDF" | "ONX" | "PDL" | "TAR" => 22,
        // Resource exhaustion.
        "LIM" => 400,
        // Readers that disagree.
        _ => 436,
    }
}

/// A name as a URI reference (RFC 3986).
fn uri(name: &str) -> String {
    let mut uri = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(byte.into());
            }
            // Writing into a string cannot fail.
            other => _ = write!(uri, "%{other:02X}"),
        }
    }
    uri
}

/// The same with the members of objects sorted, whatever the features that `serde_json` is built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(elements) => Value::Array(elements.into_iter().map(sorted).collect()),
        other => other,
    }
}
