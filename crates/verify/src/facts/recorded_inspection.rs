//! What was found in the files of a model, as [`RecordedFacts`](super::RecordedFacts) keep it.

use super::{RecordedError, recorded::field};
use modelseal_core::{
    inspection::{
        Capability, Contents, FileFormat, FileInspection, Finding, Inspection, PickleTier, Place, Severity,
    },
    path::ModelPath,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WireInspected {
    path: String,
    size: u64,
    format: String,
    formats: Vec<String>,
    contents: WireContents,
    findings: Vec<WireFinding>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct WireContents {
    #[serde(skip_serializing_if = "is_zero")]
    tensors: u64,
    #[serde(skip_serializing_if = "is_zero")]
    parameters: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dtypes: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pickle: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    globals: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    operators: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    scripts: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    external: BTreeSet<String>,
    #[serde(skip_serializing_if = "is_zero")]
    templates: u64,
    #[serde(skip_serializing_if = "is_zero")]
    members: u64,
    #[serde(skip_serializing_if = "is_zero")]
    names_left_out: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireFinding {
    rule: String,
    severity: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    count: u64,
}

/// Writes an inspection.
pub(super) fn write(inspection: &Inspection) -> Vec<WireInspected> {
    inspection.files.iter().map(of_file).collect()
}

/// Reads one. Its files are sorted, as whoever looks one up expects.
pub(super) fn read(files: &[WireInspected]) -> Result<Inspection, RecordedError> {
    let mut files = files.iter().map(read_file).collect::<Result<Vec<_>, RecordedError>>()?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Inspection { files })
}

fn of_file(file: &FileInspection) -> WireInspected {
    let c = &file.contents;
    let finding = |finding: &Finding| WireFinding {
        rule: finding.rule.to_string(),
        severity: finding.severity.name().to_owned(),
        members: finding.place.members.clone(),
        offset: finding.place.offset,
        message: finding.message.clone(),
        subject: finding.subject.clone(),
        count: finding.count,
    };
    WireInspected {
        path: file.path.as_str().to_owned(),
        size: file.size,
        format: file.format.name().to_owned(),
        formats: file.formats.iter().map(|format| format.name().to_owned()).collect(),
        contents: WireContents {
            tensors: c.tensors,
            parameters: c.parameters,
            dtypes: c.dtypes.clone(),
            pickle: c.pickle.map(|tier| tier.name().to_owned()),
            globals: c.globals.clone(),
            operators: c.operators.clone(),
            scripts: c.scripts.clone(),
            external: c.external.clone(),
            templates: c.templates,
            members: c.members,
            names_left_out: c.names_left_out,
            capabilities: c.capabilities.iter().map(|capability| capability.name().to_owned()).collect(),
        },
        findings: file.findings.iter().map(finding).collect(),
    }
}

fn read_file(file: &WireInspected) -> Result<FileInspection, RecordedError> {
    let path = ModelPath::parse(&file.path).map_err(|e| field("inspection", e))?;
    let c = &file.contents;
    let finding = |finding: &WireFinding| {
        Ok(Finding {
            rule: finding.rule.parse().map_err(|e| field("inspection", e))?,
            severity: named(&Severity::ALL, Severity::name, &finding.severity)?,
            place: Place { file: path.clone(), members: finding.members.clone(), offset: finding.offset },
            message: finding.message.clone(),
            subject: finding.subject.clone(),
            count: finding.count,
        })
    };
    let format = |name: &String| named(FileFormat::ALL, FileFormat::name, name);
    let capability = |name: &String| named(&Capability::ALL, Capability::name, name);
    let tier = |name: &String| named(&PickleTier::ALL, PickleTier::name, name);
    Ok(FileInspection {
        size: file.size,
        format: format(&file.format)?,
        formats: file.formats.iter().map(format).collect::<Result<_, _>>()?,
        contents: Contents {
            tensors: c.tensors,
            parameters: c.parameters,
            dtypes: c.dtypes.clone(),
            pickle: c.pickle.as_ref().map(tier).transpose()?,
            globals: c.globals.clone(),
            operators: c.operators.clone(),
            scripts: c.scripts.clone(),
            external: c.external.clone(),
            templates: c.templates,
            members: c.members,
            names_left_out: c.names_left_out,
            capabilities: c.capabilities.iter().map(capability).collect::<Result<_, _>>()?,
        },
        findings: file.findings.iter().map(finding).collect::<Result<_, RecordedError>>()?,
        path,
    })
}

/// The one of `all` that has this name. A record by a version that knows more is refused, not guessed at.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, wanted: &str) -> Result<T, RecordedError> {
    let found = all.iter().copied().find(|one| name(*one) == wanted);
    found.ok_or_else(|| field("inspection", format!("'{wanted}' is not known")))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspection_is_read_as_it_was_written() {
        let path = ModelPath::parse("m.pt").unwrap();
        let mut contents = Contents::default();
        contents.add_tensor("F32", 12);
        contents.add_pickle(PickleTier::Dangerous);
        contents.add_name(|c| &mut c.globals, "os.system");
        contents.add_name(|c| &mut c.operators, "ReadFile");
        contents.add_name(|c| &mut c.scripts, "a.py");
        contents.add_name(|c| &mut c.external, "w.bin");
        (contents.templates, contents.members, contents.names_left_out) = (1, 2, 3);
        contents.capabilities.extend(Capability::ALL);
        let finding = Finding {
            rule: "PKL001".parse().unwrap(),
            severity: Severity::Malicious,
            place: Place { file: path.clone(), members: vec!["a/data.pkl".into()], offset: Some(7) },
            message: "names os.system".into(),
            subject: Some("os.system".into()),
            count: 2,
        };
        let file = FileInspection {
            path,
            size: 99,
            format: FileFormat::TorchZip,
            formats: FileFormat::ALL.iter().copied().collect(),
            contents,
            findings: vec![finding],
        };
        let inspection = Inspection { files: vec![file] };
        let json = serde_json::to_string(&write(&inspection)).unwrap();
        let back: Vec<WireInspected> = serde_json::from_str(&json).unwrap();
        assert_eq!(read(&back).unwrap(), inspection);
        let newer: Vec<WireInspected> = serde_json::from_str(&json.replace("torch-zip", "torch-8")).unwrap();
        assert!(read(&newer).is_err());
    }
}
