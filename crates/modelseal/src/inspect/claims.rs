//! What can be claimed of a model after it was inspected: positive claims only, each of which stands by itself. Whoever reads
//! them denies what is not there, so nothing is claimed of what was not wholly understood.

use crate::report::Coverage;
use modelseal_core::{
    inspection::{
        Capability, FileFormat, FileInspection, Finding, Inspection, PickleTier, Severity, Verdict,
    },
    path::ModelPath,
};
use modelseal_inspect::RuleSet;
use std::collections::BTreeSet;

/// What can be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The attributes, in order.
    pub(crate) attributes: Vec<String>,
    /// What is not claimed, each with the reason.
    pub(crate) withheld: Vec<String>,
}

/// A claim that holds, or why it does not.
type Claim = Result<String, String>;

/// The claims that hold of a model.
pub(crate) fn claims(inspection: &Inspection, rules: &RuleSet) -> Claims {
    let mut claims = Claims { attributes: Vec::new(), withheld: Vec::new() };
    if let Some(why) = nothing(inspection, rules) {
        claims.withheld.push(why);
        return claims;
    }
    for claim in [
        formats(inspection),
        pickle(inspection),
        code(inspection),
        remote_code(inspection),
        lambda(inspection),
        template(inspection),
        external(inspection),
        archives(inspection),
        native(inspection),
    ] {
        match claim {
            Ok(attribute) => claims.attributes.push(attribute),
            Err(why) => claims.withheld.push(why),
        }
    }
    claims.attributes.push("model.structure:valid".to_owned());
    claims
}

/// Why nothing at all is claimed: something was not understood; or breaks its format, so that loaders may see something else
/// than was seen here; or cannot be shown to be harmless: any doubt may be about any claim.
fn nothing(inspection: &Inspection, rules: &RuleSet) -> Option<String> {
    if inspection.files.is_empty() {
        return Some("there are no files".to_owned());
    }
    let unseen = Coverage::is_partial;
    if let Some(finding) = rules.softened(inspection, Severity::Suspicious).next() {
        let (place, rule, severity) = (&finding.place, finding.rule, finding.severity);
        return Some(format!("'{place}': {} ({rule}, which the rules call {severity})", finding.message));
    }
    for file in &inspection.files {
        if file.format == FileFormat::Unknown {
            return Some(format!("'{}' is of no known format", file.path));
        }
        if let Some(finding) = file.findings.iter().find(|finding| unseen(finding)) {
            let (place, rule) = (&finding.place, finding.rule);
            return Some(format!("'{place}' was not inspected to its end: {} ({rule})", finding.message));
        }
        if file.contents.capabilities.contains(&Capability::Encrypted) {
            return Some(format!("'{}' has encrypted parts", file.path));
        }
        if file.contents.names_left_out > 0 {
            return Some(format!("'{}' names more than is listed", file.path));
        }
        let verdict = file.verdict();
        if verdict > Verdict::Clean {
            let worst = file.findings.iter().max_by_key(|finding| finding.severity);
            let why = worst.map(|worst| format!(": {} ({})", worst.message, worst.rule)).unwrap_or_default();
            return Some(format!("'{}' is {verdict}{why}", file.path));
        }
    }
    None
}

fn formats(inspection: &Inspection) -> Claim {
    let mut words = BTreeSet::new();
    for file in &inspection.files {
        for format in &file.formats {
            match format.policy_word() {
                "" => {
                    let (path, format) = (&file.path, format.name());
                    return Err(format!("model.formats.only: '{path}' is {format}, which has no name there"));
                }
                word => _ = words.insert(word),
            }
        }
    }
    Ok(format!("model.formats.only:{}", words.into_iter().collect::<Vec<_>>().join("+")))
}

fn pickle(inspection: &Inspection) -> Claim {
    let tier = |file: &&FileInspection| file.contents.pickle_tier();
    let highest = inspection.files.iter().max_by_key(tier);
    let word = match highest.map_or(PickleTier::None, |file| file.contents.pickle_tier()) {
        PickleTier::None => "none",
        PickleTier::Data => "data-only",
        PickleTier::WeightsOnly => "weights-only",
        PickleTier::Framework => "framework",
        tier => {
            let path = highest.map(|file| file.path.as_str()).unwrap_or_default();
            return Err(format!("model.pickle: '{path}' holds a pickle of tier {tier}"));
        }
    };
    Ok(format!("model.pickle:{word}"))
}

fn code(inspection: &Inspection) -> Claim {
    let capabilities =
        [Capability::PythonCode, Capability::TorchScript, Capability::NativeCode, Capability::RemoteCode];
    let has = |file: &FileInspection| {
        file.formats.iter().any(|format| format.policy_word() == "executable")
            || !file.contents.scripts.is_empty()
            || file.contents.pickle_tier() > PickleTier::Framework
            || capabilities.iter().any(|capability| file.contents.capabilities.contains(capability))
    };
    none(inspection, "model.code", "brings code", has)
}

fn remote_code(inspection: &Inspection) -> Claim {
    let python = [FileFormat::Python, FileFormat::PythonBytecode];
    let has = |file: &FileInspection| {
        file.contents.capabilities.contains(&Capability::RemoteCode)
            || file.contents.capabilities.contains(&Capability::PythonCode)
            || python.iter().any(|format| file.formats.contains(format))
    };
    none(inspection, "model.remote-code", "has code for a loader to run, or names it", has)
}

fn lambda(inspection: &Inspection) -> Claim {
    let keras = [FileFormat::Keras, FileFormat::KerasHdf5, FileFormat::KerasMetadata];
    let has = |file: &FileInspection| {
        keras.iter().any(|format| file.formats.contains(format))
            && (file.contents.capabilities.contains(&Capability::PythonCode)
                || file.verdict() > Verdict::Clean)
    };
    none(inspection, "model.keras-lambda", "may have code in its layers", has)
}

fn template(inspection: &Inspection) -> Claim {
    let bad = |finding: &Finding| {
        finding.rule.as_str().starts_with("JIN") && finding.severity >= Severity::Suspicious
    };
    if let Some(file) = inspection.files.iter().find(|file| file.findings.iter().any(bad)) {
        return Err(format!("model.template: '{}' has a template that is a program", file.path));
    }
    let has = |file: &FileInspection| {
        file.contents.templates > 0
            || file.contents.capabilities.contains(&Capability::Template)
            || file.formats.contains(&FileFormat::Jinja)
    };
    let any = inspection.files.iter().any(has);
    Ok(format!("model.template:{}", if any { "sandbox-safe" } else { "none" }))
}

/// Every file that is named is one of the model, and so one that is signed with it.
fn external(inspection: &Inspection) -> Claim {
    const CLAIM: &str = "model.external-refs";
    for file in &inspection.files {
        let named = &file.contents.external;
        if named.is_empty() && file.contents.capabilities.contains(&Capability::ExternalFiles) {
            return Err(format!("{CLAIM}: '{}' keeps data in files that it does not name", file.path));
        }
        let outside =
            |name: &&String| resolve(&file.path, name).is_none_or(|path| inspection.file(&path).is_none());
        if let Some(name) = named.iter().find(outside) {
            return Err(format!("{CLAIM}: '{}' names '{name}', which is no file of the model", file.path));
        }
    }
    Ok(format!("{CLAIM}:signed-only"))
}

fn archives(inspection: &Inspection) -> Claim {
    let has = |file: &FileInspection| file.formats.iter().any(|format| format.policy_word() == "archive");
    none(inspection, "model.archives", "is or holds an archive", has)
}

fn native(inspection: &Inspection) -> Claim {
    let has = |file: &FileInspection| file.contents.capabilities.contains(&Capability::NativeCode);
    none(inspection, "model.native", "has machine code", has)
}

/// The claim that no file has something.
fn none(inspection: &Inspection, claim: &str, what: &str, has: impl Fn(&FileInspection) -> bool) -> Claim {
    match inspection.files.iter().find(|file| has(file)) {
        None => Ok(format!("{claim}:none")),
        Some(file) => Err(format!("{claim}: '{}' {what}", file.path)),
    }
}

/// The file of the model that a name in one of its files leads to.
fn resolve(from: &ModelPath, name: &str) -> Option<ModelPath> {
    let directory = from.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
    let whole = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    // Names that go up, that are absolute or addresses are no paths of a model.
    ModelPath::parse(&whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::inspection::{Contents, Place, RuleId};

    fn file(path: &str, format: FileFormat) -> FileInspection {
        FileInspection {
            path: ModelPath::parse(path).unwrap(),
            size: 1,
            format,
            formats: BTreeSet::from([format]),
            contents: Contents::default(),
            findings: Vec::new(),
        }
    }

    fn finding(mut file: FileInspection, rule: &'static str, severity: Severity) -> FileInspection {
        file.findings.push(Finding {
            rule: RuleId::of(rule),
            severity,
            place: Place { file: file.path.clone(), members: Vec::new(), offset: None },
            message: "because".to_owned(),
            subject: None,
            count: 1,
        });
        file
    }

    fn of(files: Vec<FileInspection>) -> Claims {
        claims(&Inspection { files }, RuleSet::built_in())
    }

    fn weights() -> FileInspection {
        file("model.safetensors", FileFormat::Safetensors)
    }

    const ALL: [&str; 10] = [
        "model.formats.only:json+safetensors",
        "model.pickle:none",
        "model.code:none",
        "model.remote-code:none",
        "model.keras-lambda:none",
        "model.template:none",
        "model.external-refs:signed-only",
        "model.archives:none",
        "model.native:none",
        "model.structure:valid",
    ];

    #[test]
    fn a_model_of_tensors_has_every_claim() {
        let claims = of(vec![file("config.json", FileFormat::Json), weights()]);
        assert_eq!(claims.attributes, ALL);
        assert_eq!(claims.withheld, Vec::<String>::new());
    }

    #[test]
    fn nothing_is_claimed_of_what_was_not_wholly_understood_or_is_bad() {
        let mut many = weights();
        many.contents.names_left_out = 1;
        for bad in [
            file("blob", FileFormat::Unknown),
            finding(weights(), "LIM002", Severity::Unknown),
            finding(weights(), "STN001", Severity::Malformed),
            finding(weights(), "PKL001", Severity::Malicious),
            // Doubts about code, which claims would contradict.
            finding(file("Dockerfile", FileFormat::Text), "SRC005", Severity::Suspicious),
            finding(file("requirements.txt", FileFormat::Text), "REQ001", Severity::Suspicious),
            finding(file("MLmodel", FileFormat::Yaml), "YML003", Severity::Suspicious),
            finding(file("config.json", FileFormat::Json), "HFC006", Severity::Suspicious),
            finding(file("x.gguf", FileFormat::Gguf), "JIN004", Severity::Suspicious),
            many,
        ] {
            let claims = of(vec![file("config.json", FileFormat::Json), bad]);
            assert_eq!(claims.attributes, Vec::<String>::new());
            assert_eq!(claims.withheld.len(), 1);
        }
        assert_eq!(of(Vec::new()).attributes, Vec::<String>::new());
    }

    /// Each of these takes claims away, and no other ones.
    #[test]
    fn each_claim_is_withheld_for_its_reason() {
        let with = |format: FileFormat, change: &dyn Fn(&mut Contents)| {
            let mut file = file("x", format);
            change(&mut file.contents);
            file
        };
        let can = |capability: Capability| {
            with(FileFormat::Onnx, &|contents| _ = contents.capabilities.insert(capability))
        };
        let cases: [(FileInspection, &[&str]); 11] = [
            (file("x", FileFormat::Torch7), &["model.formats.only"]),
            (
                with(FileFormat::Pickle, &|c| c.add_pickle(PickleTier::Unknown)),
                &["model.pickle", "model.code"],
            ),
            (file("x.py", FileFormat::Python), &["model.code", "model.remote-code"]),
            (can(Capability::TorchScript), &["model.code"]),
            (can(Capability::NativeCode), &["model.code", "model.native"]),
            (can(Capability::RemoteCode), &["model.code", "model.remote-code"]),
            (can(Capability::ExternalFiles), &["model.external-refs"]),
            (
                with(FileFormat::Onnx, &|c| c.add_name(|c| &mut c.external, "../w.bin")),
                &["model.external-refs"],
            ),
            (with(FileFormat::Onnx, &|c| c.add_name(|c| &mut c.external, "w.bin")), &["model.external-refs"]),
            (file("x.zip", FileFormat::Zip), &["model.archives"]),
            (
                with(FileFormat::Keras, &|c| _ = c.capabilities.insert(Capability::PythonCode)),
                &["model.code", "model.remote-code", "model.keras-lambda"],
            ),
        ];
        for (file, missing) in cases {
            let path = file.path.clone();
            let claims = of(vec![file]);
            let names: Vec<&str> =
                claims.withheld.iter().filter_map(|why| Some(why.split_once(':')?.0)).collect();
            assert_eq!(names, missing, "{path} {claims:?}");
            assert_eq!(claims.attributes.len() + missing.len(), ALL.len());
            assert!(
                missing
                    .iter()
                    .all(|name| !claims.attributes.iter().any(|a| a.starts_with(&format!("{name}:"))))
            );
        }
    }

    #[test]
    fn what_a_rule_set_calls_milder_takes_every_claim() {
        let text = "schema = \"modelseal.rules/v1\"\nid = \"a/b\"\nversion = 1\n\
                    [rules.SRC005]\nseverity = \"note\"\nreason = \"ours\"\n";
        let rules = RuleSet::parse(text).unwrap();
        let lowered = finding(file("Dockerfile", FileFormat::Text), "SRC005", Severity::Note);
        let model = Inspection { files: vec![lowered, weights()] };
        let told = claims(&model, &rules);
        assert_eq!((told.attributes, told.withheld.len()), (Vec::new(), 1));
    }

    #[test]
    fn a_file_that_is_named_and_there_is_signed() {
        let mut onnx = file("onnx/model.onnx", FileFormat::Onnx);
        onnx.contents.add_name(|c| &mut c.external, "weights/w.bin");
        let data = file("onnx/weights/w.bin", FileFormat::Text);
        let claims = of(vec![onnx, data]);
        assert!(claims.attributes.iter().any(|a| a == "model.external-refs:signed-only"), "{claims:?}");
    }

    #[test]
    fn the_highest_tier_and_templates_are_named() {
        let mut pickle = file("a.pt", FileFormat::TorchZip);
        pickle.contents.add_pickle(PickleTier::WeightsOnly);
        let mut gguf = file("b.gguf", FileFormat::Gguf);
        gguf.contents.templates = 1;
        let claims = of(vec![pickle, gguf]);
        for claim in
            ["model.formats.only:gguf+pickle", "model.pickle:weights-only", "model.template:sandbox-safe"]
        {
            assert!(claims.attributes.iter().any(|a| a == claim), "{claims:?}");
        }
    }
}
