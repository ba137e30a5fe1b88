//! A Croissant description against the files that lie beside it.

use super::{error::AttestError, input::Input};
use crate::{digest::Effort, disk, error::Error};
use modelseal_core::{
    croissant::{Croissant, DataPlace, Pin},
    path::ModelPath,
    text::Printable,
};
use modelseal_model::{Options, Progress, Source, measure};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Warnings of one kind that are listed one by one.
const SHOWN: usize = 20;
/// Names that are looked at in one folder for files that nobody lists.
const MAX_UNLISTED: usize = 10_000;

/// What a description is worth.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    /// Files that it lists.
    pub(super) files: usize,
    /// Those among them whose every change would be noticed.
    pub(super) pinned: usize,
    /// Those that lie here, with the digest that each has and should have.
    pub(super) compared: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
}

/// Hashes the files beside the description at `path`: one of other bytes than it says, and one that leads elsewhere, is
/// an error.
pub(super) fn check(
    input: &Input,
    path: &Path,
    described: &Croissant,
    effort: Effort,
    progress: &dyn Progress,
) -> Result<Checked, Error> {
    let folder = disk::parent(path);
    let pinned = described.pinned();
    let mut checked = Checked {
        files: described.files.len(),
        pinned: pinned.iter().filter(|pinned| **pinned).count(),
        ..Checked::default()
    };
    let outside: Vec<String> = described
        .files
        .iter()
        .filter_map(|file| match &file.place {
            DataPlace::Outside(url) => Some(format!("'{}' of '{}'", Printable(url), Printable(&file.id))),
            _ => None,
        })
        .take(SHOWN)
        .collect();

    let mut listed: BTreeMap<&ModelPath, Vec<(&str, Option<&str>)>> = BTreeMap::new();
    let mut said = Said::default();
    for (file, pinned) in described.files.iter().zip(&pinned) {
        let id = Printable(&file.id);
        if !pinned {
            said.say(format!("'{id}' {}", file.pin));
        }
        if let DataPlace::Remote { url, is_mutable: true } = &file.place
            && !matches!(file.pin, Pin::Sha256(_))
        {
            said.say(format!("'{id}' is at '{}', a branch that moves", Printable(url)));
        }
        if let DataPlace::Beside(path) = &file.place {
            let sha256 = if let Pin::Sha256(hex) = &file.pin { Some(&**hex) } else { None };
            listed.entry(path).or_default().push((&file.id, sha256));
        }
    }
    if described.is_live {
        said.say("the description says of itself that the data change (isLiveDataset)".to_owned());
    }

    let is_here = |path: &&&ModelPath| folder.join(path.as_str()).symlink_metadata().is_ok();
    let here: Vec<ModelPath> = listed.keys().filter(is_here).map(|path| (*path).clone()).collect();
    let mut differences = Vec::new();
    if !here.is_empty() {
        for path in listed.keys().filter(|path| !here.contains(*path)).take(SHOWN) {
            said.say(format!("'{path}' is listed and not here"));
        }
        for (path, found) in digests(&folder, &here, effort, progress)? {
            for (id, wanted) in listed.get(&path).into_iter().flatten() {
                match wanted {
                    Some(wanted) if *wanted == found => {
                        checked.compared.push((path.to_string(), format!("sha256:{found}")));
                    }
                    Some(wanted) => {
                        differences.push(format!(
                            "'{}' ('{path}') has the SHA-256 {found}, described is {wanted}",
                            Printable(id)
                        ));
                    }
                    None => {}
                }
            }
        }
        for unlisted in unlisted(&folder, &here) {
            said.say(format!("'{}' lies there and is not listed", Printable(&unlisted)));
        }
    }
    if !outside.is_empty() {
        differences.push(format!("a path leads out of the dataset: {}", outside.join(", ")));
    }
    if !differences.is_empty() {
        differences.truncate(SHOWN);
        return Err(Error::Attest(AttestError::InputDiffers { input: input.label(), differences }));
    }
    let label = input.label();
    let (files, pinned, compared) = (checked.files, checked.pinned, checked.compared.len());
    checked.notes = said.lines(&format!("dataset '{}'", Printable(&label)));
    let compared = if compared == 0 {
        "none is here to be compared".to_owned()
    } else {
        format!("{compared} compared with the files here")
    };
    let summary =
        format!("dataset '{}': {pinned} of {files} files are pinned, {compared}", Printable(&label));
    checked.notes.insert(0, summary);
    Ok(checked)
}

/// Hashes the listed files and opens nothing else. Links are refused, as in models.
fn digests(
    folder: &Path,
    files: &[ModelPath],
    effort: Effort,
    progress: &dyn Progress,
) -> Result<Vec<(ModelPath, String)>, Error> {
    let source = Source::open_following(folder)?;
    let options = Options { only: Some(files.to_vec()), ..effort.options() };
    let measured = measure(&source, &options, progress)?;
    let resources = measured.manifest.get().resources().iter();
    Ok(resources.map(|resource| (resource.path.clone(), resource.digest.to_hex())).collect())
}

/// Files beside listed ones that nobody lists; the description's own folder holds many things.
fn unlisted(folder: &Path, listed: &[ModelPath]) -> Vec<String> {
    let known: BTreeSet<&str> = listed.iter().map(ModelPath::as_str).collect();
    let folders: BTreeSet<&str> =
        listed.iter().filter_map(|path| path.as_str().rsplit_once('/')).map(|(folder, _)| folder).collect();
    let mut found = Vec::new();
    for inner in folders {
        let names = disk::names(&folder.join(inner), |_| true).unwrap_or_default();
        for name in names.into_iter().take(MAX_UNLISTED) {
            let path = format!("{inner}/{name}");
            if !known.contains(&*path) && folder.join(&path).is_file() {
                found.push(path);
            }
        }
    }
    found
}

/// Warnings, of which the first are listed and the rest counted.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    more: usize,
}

impl Said {
    fn say(&mut self, line: String) {
        if self.lines.len() < SHOWN { self.lines.push(line) } else { self.more += 1 }
    }

    fn lines(self, about: &str) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.lines.into_iter().chain(more).map(|line| format!("{about}: {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::input::{InputKind, InputPin};
    use std::{fs, path::PathBuf};

    fn input(path: &Path) -> Input {
        Input::new(InputKind::Dataset, Some("hf://datasets/a".into()), InputPin::Path(path.into())).unwrap()
    }

    fn run(path: &Path) -> Result<Checked, Error> {
        let described = Croissant::parse(&fs::read(path).unwrap()).unwrap();
        check(&input(path), path, &described, Effort::default(), &())
    }

    /// What others published: `MODELSEAL_SAMPLES` names the folder.
    #[test]
    fn published_descriptions_are_worth_what_their_facts_say() {
        let Some(samples) = std::env::var_os("MODELSEAL_SAMPLES").map(PathBuf::from) else {
            return;
        };
        let datasets = samples.join("models-and-metadata/datasets");
        let good = run(&datasets.join("good/croissant.json")).unwrap();
        assert_eq!((good.files, good.pinned, good.compared.len()), (2, 2, 2));
        assert_eq!(good.notes.len(), 1, "{:?}", good.notes);

        let facts: serde_json::Value =
            serde_json::from_slice(&fs::read(samples.join("models-and-metadata/expected.json")).unwrap())
                .unwrap();
        let facts = &facts["_croissant"]["bad"];
        let path = datasets.join("bad/croissant.json");
        let refused = run(&path).unwrap_err().to_string();
        for kind in ["mismatch", "outside"] {
            for id in facts[kind].as_array().unwrap() {
                assert!(refused.contains(&format!("'{}'", id.as_str().unwrap())), "{id}: {refused}");
            }
        }
        // Without those two, the rest is warned of.
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("data")).unwrap();
        for name in ["train.csv", "test.csv", "unlisted.csv"] {
            fs::copy(datasets.join("bad/data").join(name), copy.path().join("data").join(name)).unwrap();
        }
        let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let files = document["distribution"].as_array_mut().unwrap();
        files.retain(|file| !["wrong.csv", "escape.csv"].contains(&file["@id"].as_str().unwrap()));
        let path = copy.path().join("croissant.json");
        fs::write(&path, document.to_string()).unwrap();
        let checked = run(&path).unwrap();
        assert_eq!((checked.files, checked.pinned, checked.compared.len()), (7, 1, 0));
        let said = checked.notes.join("\n");
        for (kind, part) in [
            ("placeholder", "where its sha256 belongs"),
            ("wrong_length", "a sha256 of"),
            ("weak", "MD5 only"),
            ("mutable", "a branch that moves"),
            ("unpinned_set", "is part of 'repo', which is not pinned"),
        ] {
            for id in facts[kind].as_array().unwrap() {
                let start = format!("'{}' ", id.as_str().unwrap());
                assert!(checked.notes.iter().any(|n| n.contains(&start) && n.contains(part)), "{id}: {said}");
            }
        }
        assert!(said.contains("'data/missing.csv' is listed and not here"), "{said}");
        assert!(said.contains("'data/unlisted.csv' lies there and is not listed"), "{said}");
        assert!(said.contains("1 of 7 files are pinned"), "{said}");
    }

    #[test]
    fn warnings_are_counted_when_there_are_many() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<String> = (0..100).map(|n| format!(r#"{{"@id": "f{n}"}}"#)).collect();
        let text = format!(
            r#"{{"@context": {{}}, "@type": "Dataset", "isLiveDataset": true, "distribution": [{}]}}"#,
            files.join(",")
        );
        let path = folder.path().join("croissant.json");
        fs::write(&path, text).unwrap();
        let checked = run(&path).unwrap();
        assert_eq!(checked.notes.len(), SHOWN + 2);
        assert!(checked.notes[SHOWN + 1].ends_with("and 81 more"), "{:?}", checked.notes);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_among_the_files_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("data/a.csv")).unwrap();
        let path = folder.path().join("croissant.json");
        let text = format!(
            r#"{{"conformsTo": "http://mlcommons.org/croissant/1.0",
                "distribution": [{{"@id": "a", "contentUrl": "data/a.csv", "sha256": "{}"}}]}}"#,
            "ab".repeat(32)
        );
        fs::write(&path, text).unwrap();
        assert_eq!(run(&path).unwrap_err().code(), "integrity.symlink");
    }
}
