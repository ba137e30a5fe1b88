//! Evidence as it lies on disk: bundles that were named, those beside the model, and signed deny feeds. Whatever cannot be
//! read or understood is reported and never helps.

use crate::{
    disk,
    policies::{Policies, PolicyError, bundles_beside, sha256},
    scope,
    store::StoredBundle,
};
use modelseal_core::{
    bundle::Bundle,
    deny_feed::DenyFeed,
    limits::MAX_DENY_FEED_BYTES,
    path::ModelPath,
    rollback::{self, Accepted},
};
use modelseal_verify::facts::{Evidence, MAX_BUNDLE_BYTES, MAX_DOCUMENTS, MAX_LINES};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Bytes of evidence that are read at most: bounds the memory that hostile evidence can take.
const MAX_EVIDENCE_BYTES: u64 = 256 * 1024 * 1024;

/// Where evidence is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub(crate) bundles: Vec<PathBuf>,
    pub(crate) folders: Vec<PathBuf>,
    /// Not in the working directory.
    pub(crate) not_here: bool,
    /// Beside this path, where the model was given by another one.
    pub(crate) beside: Option<PathBuf>,
}

/// Evidence, and what of it lies inside the model.
pub(crate) struct Collected {
    pub(crate) evidence: Evidence,
    /// Bundles in the model, which nobody can have signed.
    pub(crate) inside: Vec<ModelPath>,
    /// The deny feeds, not yet known to be signed.
    pub(crate) feeds: Vec<FoundFeed>,
}

/// A deny feed that lies where a policy says.
pub(crate) struct FoundFeed {
    /// As the policy writes it.
    pub(crate) file: String,
    pub(crate) id: String,
    pub(crate) accepted: Accepted,
}

/// Reads all evidence about the model at `model`.
pub(crate) fn collect(model: &Path, places: &Places, policies: &Policies) -> Result<Collected, PolicyError> {
    let mut reader = Reader::new(model);
    for path in each_once(&places.bundles) {
        reader.bundle(path);
    }
    for folder in each_once(&places.folders) {
        reader.folder(folder, may_be_evidence, true);
    }
    let beside = match &places.beside {
        Some(given) if !model.is_dir() => disk::parent(given),
        None if !model.is_dir() => disk::parent(model),
        _ => model.to_path_buf(),
    };
    reader.folder(&beside, is_evidence, false);
    // Where `sign` puts a signature unless told otherwise.
    let default = Path::new("model.sig");
    if !places.not_here && default.is_file() {
        reader.bundle(default);
    }
    reader.feeds(policies)?;
    reader.collected.inside.sort_unstable();
    reader.collected.inside.dedup();
    Ok(reader.collected)
}

/// The bundles at the top of the model that count as evidence about it, and not as files of it: by their names, and by what
/// they are.
pub(crate) fn inside(model: &Path) -> Vec<ModelPath> {
    let is_bundle = |name: &String| {
        let path = model.join(name);
        is_plain_file(&path)
            && disk::read(&path, MAX_BUNDLE_BYTES as u64).is_ok_and(|bytes| counts(&path, &bytes))
    };
    let names = disk::names(model, is_evidence).unwrap_or_default();
    names.into_iter().filter(is_bundle).filter_map(|name| ModelPath::parse(&name).ok()).collect()
}

/// The deny feeds that policies name, with what signs them.
pub(crate) fn feeds(policies: &Policies) -> Result<Evidence, PolicyError> {
    let mut reader = Reader::new(Path::new(""));
    reader.feeds(policies)?;
    Ok(reader.collected.evidence)
}

/// The bundles that lie beside a model, or in its folder.
pub(crate) struct Beside {
    pub(crate) bundles: Vec<StoredBundle>,
    /// Those that lie in the model, and are no part of it.
    pub(crate) inside: Vec<ModelPath>,
    /// What could not be used.
    pub(crate) notes: Vec<String>,
}

/// Reads the bundles beside the model at `model`.
pub(crate) fn beside(model: &Path) -> Beside {
    let folder = if model.is_dir() { model.to_path_buf() } else { disk::parent(model) };
    let mut beside = Beside { bundles: Vec::new(), inside: Vec::new(), notes: Vec::new() };
    let names = disk::names(&folder, is_evidence).unwrap_or_default();
    let mut left = MAX_EVIDENCE_BYTES;
    for name in names.iter().take(MAX_DOCUMENTS) {
        let path = folder.join(name);
        let bytes = match disk::read(&path, left.min(MAX_BUNDLE_BYTES as u64)) {
            Ok(bytes) => bytes,
            Err(why) => {
                beside.notes.push(format!("'{}' was not used: {why}", path.display()));
                continue;
            }
        };
        left = left.saturating_sub(bytes.len() as u64);
        let by_lines = has_lines(&path);
        if counts(&path, &bytes)
            && let scope::Place::Inside(path) = scope::place(model, &path)
        {
            beside.inside.push(path);
        }
        if by_lines {
            let lines = bytes.split(|byte| *byte == b'\n').take(MAX_LINES).zip(1_u32..);
            beside.bundles.extend(lines.filter_map(|(line, at)| stored(&path, Some(at), line)));
        } else {
            beside.bundles.extend(stored(&path, None, &bytes));
        }
    }
    beside
}

/// A bundle as a store has it.
fn stored(path: &Path, line: Option<u32>, bytes: &[u8]) -> Option<StoredBundle> {
    let bundle = Bundle::parse(bytes).ok()?;
    let (path, sha256) = (path.to_owned(), sha256(bytes));
    Some(StoredBundle { path, line, sha256, bytes: bytes.to_vec(), bundle, claims: None })
}

/// The names under which evidence lies beside a model.
pub(crate) fn is_evidence(name: &str) -> bool {
    name == "model.sig" || name.ends_with(".sigstore.json") || name.ends_with(".intoto.jsonl")
}

/// The names under which evidence lies in a folder that somebody named for it.
pub(crate) fn may_be_evidence(name: &str) -> bool {
    [".sig", ".json", ".jsonl"].iter().any(|end| name.ends_with(end))
}

/// Whether each line of a file of this name is a document.
pub(crate) fn has_lines(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jsonl")
}

/// Whether a path is a regular file, and no link to one.
pub(crate) fn is_plain_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

/// What was named, in order: the order in which it was named must not matter, not even to the bounds.
pub(crate) fn each_once(paths: &[PathBuf]) -> BTreeSet<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}

/// Whether what lies in a model counts as evidence about it. What is no bundle, or a link, is a file of the model like any
/// other, and has to be signed.
fn counts(path: &Path, bytes: &[u8]) -> bool {
    is_plain_file(path) && if has_lines(path) { is_bundles(bytes) } else { Bundle::parse(bytes).is_ok() }
}

/// Whether each line is a bundle, and there is one: a single bundle must not excuse whatever else is in the file.
fn is_bundles(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|b| *b == b'\n').take(MAX_LINES + 1).enumerate();
    let mut found = false;
    lines.all(|(at, line)| {
        let empty = line.trim_ascii().is_empty();
        found |= !empty;
        at < MAX_LINES && (empty || Bundle::parse(line).is_ok())
    }) && found
}

struct Reader<'a> {
    model: &'a Path,
    collected: Collected,
    left: u64,
    files: usize,
}

impl<'a> Reader<'a> {
    fn new(model: &'a Path) -> Self {
        let collected = Collected { evidence: Evidence::new(), inside: Vec::new(), feeds: Vec::new() };
        Self { model, collected, left: MAX_EVIDENCE_BYTES, files: 0 }
    }

    fn folder(&mut self, folder: &Path, wanted: impl Fn(&str) -> bool, asked_for: bool) {
        match disk::names(folder, wanted) {
            Ok(names) => names.iter().for_each(|name| self.bundle(&folder.join(name))),
            Err(e) if asked_for => {
                self.collected.evidence.unreadable(&folder.display().to_string(), e.to_string());
            }
            // The model itself cannot be read: that is said when it is measured.
            Err(_) => {}
        }
    }

    fn bundle(&mut self, path: &Path) {
        let name = path.display().to_string();
        let bytes = match self.read(path, MAX_BUNDLE_BYTES as u64) {
            Ok(bytes) => bytes,
            Err(why) => return self.collected.evidence.unreadable(&name, why),
        };
        let by_lines = has_lines(path);
        let inside = match scope::place(self.model, path) {
            scope::Place::Inside(inside) if counts(path, &bytes) => Some(inside),
            _ => None,
        };
        self.collected.inside.extend(inside.clone());
        if by_lines {
            self.collected.evidence.add_lines(&name, inside.as_ref(), &bytes);
        } else {
            self.collected.evidence.add(&name, inside, &bytes);
        }
    }

    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, String> {
        if self.files >= MAX_DOCUMENTS {
            return Err(format!("there are more than {MAX_DOCUMENTS} files of evidence"));
        }
        self.files += 1;
        let bytes = disk::read(path, limit.min(self.left))?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }

    /// The deny feeds that the policies name, each with the bundles that sign it.
    fn feeds(&mut self, policies: &Policies) -> Result<(), PolicyError> {
        let mut known: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for (policy, files) in policies.with_files() {
            for list in &policy.document().denylist {
                let path = files.path(&list.file);
                let bytes = match self.read(&path, MAX_DENY_FEED_BYTES) {
                    Ok(bytes) => bytes,
                    Err(why) => {
                        self.collected.evidence.unreadable(&path.display().to_string(), why);
                        continue;
                    }
                };
                match known.get(&*list.file) {
                    Some(other) if *other != bytes => {
                        return Err(PolicyError::FeedClash { file: list.file.clone() });
                    }
                    Some(_) => continue,
                    None => {}
                }
                let mut bundles = Vec::new();
                for bundle in bundles_beside(&path).unwrap_or_default() {
                    match self.read(&bundle, MAX_BUNDLE_BYTES as u64) {
                        Ok(bytes) => bundles.push(bytes),
                        Err(why) => self.collected.evidence.unreadable(&bundle.display().to_string(), why),
                    }
                }
                self.check_current(policies, &list.file, &path, &bytes)?;
                self.collected.evidence.feed(&list.file, &bytes, bundles.iter().map(Vec::as_slice));
                known.insert(&list.file, bytes);
            }
        }
        Ok(())
    }

    /// Refuses a feed that an accepted one has replaced.
    fn check_current(
        &mut self,
        policies: &Policies,
        file: &str,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(), PolicyError> {
        // What cannot be read is told apart where its signatures are looked at.
        let Ok(feed) = DenyFeed::parse(bytes) else { return Ok(()) };
        let accepted = Accepted { version: feed.version, sha256: sha256(bytes) };
        if let Some(state) = &policies.state {
            rollback::check(&state.rollback().feeds, &feed.id, &accepted)
                .map_err(|rollback| PolicyError::FeedRollback { path: path.to_owned(), rollback })?;
        }
        self.collected.feeds.push(FoundFeed { file: file.to_owned(), id: feed.id, accepted });
        Ok(())
    }
}
