//! What only shows when all files of a model are seen together: links, twins, and files that other files name.

use crate::{route::rules::UNKNOWN_FORMAT, ruleset::RuleSet};
use modelseal_core::{
    inspection::{
        Capability, Contents, FileFormat, FileInspection, Finding, Inspection, Place, RuleId, Severity,
    },
    observed::Observed,
    path::ModelPath,
};
use std::collections::{BTreeSet, HashMap, HashSet};

pub(crate) mod rules {
    //! What can be found in a model, beyond its files.

    use crate::rule::rules;

    rules! {
        LINK = "MDL001" "symbolic-link" Suspicious:
            "A symbolic link leads to something that is not a file of the model, so that whoever loads it reads what nobody inspected." =>
            "Put the file itself in the place of the link.";
        LINK_WITHIN = "MDL002" "symbolic-link-within" Note:
            "A symbolic link leads to a file of the model, which is inspected under its own name." =>
            "Put the file itself in the place of the link: models with links are not signed unless that is asked for.";
        TWIN = "MDL003" "pickle-beside-safetensors" Note:
            "The same weights are there as a pickle and as safetensors; loaders differ in which they take." =>
            "Leave the pickle out, or have a policy that allows safetensors only.";
        NAMED_CODE = "MDL004" "code-of-the-model" Note:
            "A file of the model names Python code in the model, which loaders run when they are told to trust remote code." =>
            "Read the code before you allow it.";
        NAMED_MISSING = "MDL005" "named-file-missing" Note:
            "A file of the model names another one that the model does not have." =>
            "Get the model again, or ask its maker for the file.";
        NAMED_LEFT_OUT = "MDL006" "named-file-left-out" Suspicious:
            "A file of the model names another one among Git's own, which are neither inspected nor signed, so that it may come or change later." =>
            "Keep the files of the model outside of .git and .github, or inspect and sign those as well.";
    }
}

/// Files that are named and missing, of which each file is told.
const MISSING: usize = 20;

/// What is left out of a model unless it is asked for (OMS v1.0, 6.2).
const LEFT_OUT: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// A symbolic link of a model, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub path: ModelPath,
    /// Where it says that it leads.
    pub target: String,
}

/// Puts what was found in files together, and adds what only shows then. `whole` says that these are all files of a
/// directory, and not one that somebody picked.
#[must_use]
pub fn join(
    files: Vec<Observed<FileInspection>>,
    links: Vec<Link>,
    whole: bool,
    rules: &RuleSet,
) -> Observed<Inspection> {
    let mut files: Vec<FileInspection> = files.into_iter().map(Observed::into_inner).collect();
    let names: HashSet<ModelPath> = files.iter().map(|file| file.path.clone()).collect();
    // With the directories that hold them.
    let there: HashSet<&str> = names.iter().flat_map(ModelPath::prefixes).collect();
    files.extend(links.iter().map(|link| inspect_link(link, &there)));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if whole {
        know_data(&mut files);
        find_twins(&mut files);
        files.iter_mut().for_each(|file| find_named(file, &names));
    }
    for file in &mut files {
        file.findings.sort_by(|a, b| {
            (a.rule, &a.place, &a.subject, &a.message).cmp(&(b.rule, &b.place, &b.subject, &b.message))
        });
        rules.apply(file);
    }
    Observed::measured_by_this_process(Inspection { files })
}

fn inspect_link(link: &Link, there: &HashSet<&str>) -> FileInspection {
    let leads_to = resolve(link.path.as_str(), &link.target).filter(|target| there.contains(target.as_str()));
    let mut file = FileInspection {
        path: link.path.clone(),
        size: 0,
        format: FileFormat::Symlink,
        formats: BTreeSet::from([FileFormat::Symlink]),
        contents: Contents::default(),
        findings: Vec::new(),
    };
    let target: String = link.target.chars().take(512).collect();
    file.contents.external.insert(target.clone());
    file.contents.capabilities.insert(Capability::ExternalFiles);
    let (rule, message) = match leads_to {
        Some(_) => (&rules::LINK_WITHIN, format!("it leads to '{target}'")),
        None => (&rules::LINK, format!("it leads to '{target}', which is no file of the model")),
    };
    file.findings.push(finding(rule, &link.path, message, Some(target)));
    file
}

/// Where a link leads by its text alone. Links on the way there are none of the model's files, so that nothing is found beyond
/// them.
fn resolve(link: &str, target: &str) -> Option<ModelPath> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    ModelPath::parse(&parts.join("/")).ok()
}

/// Raw numbers have no mark: what is of no known format is known by the model that names it as the place of its tensors.
fn know_data(files: &mut [FileInspection]) {
    let mut owned: HashMap<ModelPath, FileFormat> = HashMap::new();
    for owner in files.iter() {
        let format = match owner.format {
            FileFormat::Onnx => FileFormat::OnnxData,
            FileFormat::Openvino => FileFormat::OpenvinoData,
            _ => continue,
        };
        // Then the file may be compiled code as well.
        if owner.contents.capabilities.contains(&Capability::NativeCode) {
            continue;
        }
        let of_owner = |name: &String| resolve(owner.path.as_str(), name);
        owned.extend(owner.contents.external.iter().filter_map(of_owner).map(|path| (path, format)));
    }
    for file in files.iter_mut().filter(|file| file.format == FileFormat::Unknown) {
        let Some(&format) = owned.get(&file.path) else { continue };
        // Nothing else may have been found in it.
        if file.findings.iter().all(|finding| finding.rule == UNKNOWN_FORMAT.id) {
            file.findings.clear();
            file.format = format;
            file.formats = BTreeSet::from([format]);
        }
    }
}

/// Weights that are there twice, as a pickle and as safetensors, in one directory.
fn find_twins(files: &mut [FileInspection]) {
    let directory = |path: &ModelPath| {
        path.as_str().rsplit_once('/').map_or(String::new(), |(directory, _)| directory.to_owned())
    };
    let safe: HashSet<String> = files
        .iter()
        .filter(|file| file.format == FileFormat::Safetensors)
        .map(|file| directory(&file.path))
        .collect();
    for file in files {
        // Other pickles in such a directory, as training arguments are, hold no tensors.
        let rebuilds = |global: &String| global.starts_with("torch._utils._rebuild_");
        let has_tensors = file.contents.tensors > 0 || file.contents.globals.iter().any(rebuilds);
        let is_weights = file.contents.pickle.is_some() && has_tensors;
        if is_weights && safe.contains(&directory(&file.path)) {
            let message = "safetensors lie in the same directory".to_owned();
            file.findings.push(finding(&rules::TWIN, &file.path, message, None));
        }
    }
}

/// Rule by which the code that a configuration names is found; its subject is `module.Class`.
const REMOTE_CODE: RuleId = RuleId::of("HFC001");

/// The file that a class is loaded from.
fn file_of_class(class: &str) -> Option<String> {
    class.rsplit_once('.').map(|(module, _)| format!("{}.py", module.replace('.', "/")))
}

/// What a file names, compared with what there is.
fn find_named(file: &mut FileInspection, names: &HashSet<ModelPath>) {
    if file.format == FileFormat::Symlink {
        return;
    }
    let mut missing = 0;
    let mut found = Vec::new();
    let of_class = |finding: &Finding| {
        let class = finding.subject.as_deref().filter(|_| finding.rule == REMOTE_CODE)?;
        file_of_class(class)
    };
    let code: BTreeSet<String> = file.findings.iter().filter_map(of_class).collect();
    for name in code.union(&file.contents.external) {
        // What leads out is for the format's own rules.
        let Some(path) = resolve(file.path.as_str(), name) else { continue };
        let there = names.contains(&path);
        let is_code = path.as_str().ends_with(".py");
        if there && is_code {
            let message = format!("'{name}' is a file of the model");
            found.push(finding(&rules::NAMED_CODE, &file.path, message, Some(name.clone())));
        } else if !there && LEFT_OUT.iter().any(|left_out| path.prefixes().any(|part| part == *left_out)) {
            let message = format!("'{name}' is left out of inspections and signatures");
            found.push(finding(&rules::NAMED_LEFT_OUT, &file.path, message, Some(name.clone())));
        } else if !there && missing < MISSING && !name.contains(':') {
            missing += 1;
            let message = format!("'{name}' is no file of the model");
            found.push(finding(&rules::NAMED_MISSING, &file.path, message, Some(name.clone())));
        }
    }
    file.findings.extend(found);
}

fn finding(
    rule: &'static crate::rule::Rule,
    file: &ModelPath,
    message: String,
    subject: Option<String>,
) -> Finding {
    let severity: Severity = rule.severity;
    let place = Place { file: file.clone(), members: Vec::new(), offset: None };
    Finding { rule: rule.id, severity, place, message, subject, count: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::inspection::Verdict;

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

    fn joined(files: Vec<FileInspection>, links: &[(&str, &str)]) -> Inspection {
        let files = files.into_iter().map(Observed::measured_by_this_process).collect();
        let link = |(path, target): &(&str, &str)| Link {
            path: ModelPath::parse(path).unwrap(),
            target: (*target).to_owned(),
        };
        join(files, links.iter().map(link).collect(), true, RuleSet::built_in()).into_inner()
    }

    fn found(inspection: &Inspection) -> Vec<String> {
        let of = |file: &FileInspection| {
            file.findings.iter().map(|f| format!("{} {}", f.rule, f.place)).collect::<Vec<_>>()
        };
        inspection.files.iter().flat_map(of).collect()
    }

    #[test]
    fn links_are_judged_by_where_they_lead() {
        let links = [("d/in", "../w"), ("dir", "d"), ("out", "/etc/passwd"), ("up", "../w"), ("gone", "x")];
        let model = joined(vec![file("w", FileFormat::Npy), file("d/f", FileFormat::Npy)], &links);
        let expected = ["MDL002 d/in", "MDL002 dir", "MDL001 gone", "MDL001 out", "MDL001 up"];
        assert_eq!(found(&model), expected);
        assert_eq!(model.verdict(), Verdict::Suspicious);
        let names: Vec<&str> = model.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, ["d/f", "d/in", "dir", "gone", "out", "up", "w"]);
        // Beyond a link is nothing that was inspected.
        let model = joined(vec![file("w", FileFormat::Npy)], &[("a", "."), ("b", "a/w")]);
        assert_eq!(found(&model), ["MDL001 a", "MDL001 b"]);
    }

    #[test]
    fn weights_that_are_there_twice_are_noted() {
        let pickle = |path: &str, tensors| {
            let mut file = file(path, FileFormat::TorchZip);
            file.contents.tensors = tensors;
            file.contents.add_pickle(modelseal_core::inspection::PickleTier::WeightsOnly);
            file
        };
        let model = joined(
            vec![
                file("a/model.safetensors", FileFormat::Safetensors),
                pickle("a/pytorch_model.bin", 3),
                pickle("a/training_args.bin", 0),
                pickle("b/pytorch_model.bin", 3),
            ],
            &[],
        );
        assert_eq!(found(&model), ["MDL003 a/pytorch_model.bin"]);
        assert_eq!(model.verdict(), Verdict::Clean);
    }

    #[test]
    fn named_files_are_looked_for() {
        let mut config = file("sub/config.json", FileFormat::Json);
        for name in
            ["modeling_x.py", "other.py", "weights.bin", "../up.py", "../../../etc/passwd", "https://x/y.py"]
        {
            config.contents.external.insert(name.to_owned());
        }
        let class = |class: &str| Finding {
            rule: REMOTE_CODE,
            severity: Severity::Note,
            place: Place {
                file: ModelPath::parse("sub/config.json").unwrap(),
                members: Vec::new(),
                offset: None,
            },
            message: String::new(),
            subject: Some(class.to_owned()),
            count: 1,
        };
        config.findings = vec![class("modeling_x.Net"), class("tools.far.Config"), class("nothing")];
        let files = vec![
            config.clone(),
            file("sub/modeling_x.py", FileFormat::Python),
            file("up.py", FileFormat::Python),
        ];
        let model = joined(files, &[]);
        let config = &model.files[0];
        let of_models = |f: &&Finding| f.rule.as_str().starts_with("MDL");
        let told: Vec<(&str, &str)> = config
            .findings
            .iter()
            .filter(of_models)
            .map(|f| (f.rule.as_str(), f.subject.as_deref().unwrap()))
            .collect();
        let expected = [
            ("MDL004", "../up.py"),
            ("MDL004", "modeling_x.py"),
            ("MDL005", "other.py"),
            ("MDL005", "tools/far.py"),
            ("MDL005", "weights.bin"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_leads_to_files_that_nobody_signs_is_found() {
        let names = |external: &str| {
            let mut index = file("model.safetensors.index.json", FileFormat::Json);
            index.contents.external.insert(external.to_owned());
            joined(vec![index], &[])
        };
        for name in [".github/x.bin", ".git/lfs/x", "./.git/x", "a/../.github/x", ".gitignore"] {
            let model = names(name);
            assert_eq!(model.verdict(), Verdict::Suspicious, "{name}");
            assert_eq!(found(&model), ["MDL006 model.safetensors.index.json"]);
        }
        assert_eq!(names("x.bin").verdict(), Verdict::Clean);
        let mut index = file("index.json", FileFormat::Json);
        index.contents.external.insert(".github/x.bin".to_owned());
        let there = file(".github/x.bin", FileFormat::Safetensors);
        assert_eq!(joined(vec![there, index], &[]).verdict(), Verdict::Clean);
    }

    #[test]
    fn tensors_outside_are_known_by_the_model_that_names_them() {
        let named = |path: &str, format, data: &str| {
            let mut owner = file(path, format);
            owner.contents.external.insert(data.to_owned());
            owner
        };
        let raw = |path: &str| {
            let unknown = crate::testing::look(path, &[0xc1, 0xff, 0xff, 0xff, 0, 7, 9, 0xfe].repeat(9));
            assert_eq!((unknown.verdict(), unknown.format), (Verdict::Unknown, FileFormat::Unknown));
            unknown
        };
        let format = |model: &Inspection, path: &str| {
            model.files.iter().find(|file| file.path.as_str() == path).map(|file| file.format)
        };
        let onnx = named("a/model.onnx", FileFormat::Onnx, "model.onnx_data");
        let model = joined(vec![onnx.clone(), raw("a/model.onnx_data")], &[]);
        assert_eq!(model.verdict(), Verdict::Clean);
        assert_eq!(format(&model, "a/model.onnx_data"), Some(FileFormat::OnnxData));
        let xml = named("net.xml", FileFormat::Openvino, "net.bin");
        let model = joined(vec![xml, raw("net.bin")], &[]);
        assert_eq!((model.verdict(), found(&model).len()), (Verdict::Clean, 0));
        assert_eq!(format(&model, "net.bin"), Some(FileFormat::OpenvinoData));
        // Elsewhere, by another format, or beside compiled code, it stays unknown.
        let mut compiled = onnx.clone();
        compiled.contents.capabilities.insert(Capability::NativeCode);
        let json = named("a/config.json", FileFormat::Json, "model.onnx_data");
        for files in [
            vec![onnx.clone(), raw("b/model.onnx_data")],
            vec![json, raw("a/model.onnx_data")],
            vec![compiled, raw("a/model.onnx_data")],
        ] {
            assert_eq!(joined(files, &[]).verdict(), Verdict::Unknown);
        }
        // What is something known stays that.
        let pickle = crate::testing::look("a/model.onnx_data", b"cos\nsystem\n(S'true'\ntR.");
        let model = joined(vec![onnx, pickle], &[]);
        assert_eq!((model.verdict(), model.files[1].format), (Verdict::Malicious, FileFormat::Pickle));
    }
}
