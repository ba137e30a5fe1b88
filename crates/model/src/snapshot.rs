//! Hugging Face cache snapshots: `models--org--name/snapshots/<commit>/`, where every file is a link into the
//! repository's own `blobs/`.

use crate::fs::Dir;
use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// The repository around a model that lies in a Hugging Face cache.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// `organisation/name`.
    pub(crate) repository: String,
    /// The commit.
    pub(crate) revision: String,
    /// The directory of its blobs.
    pub(crate) blobs: Dir,
    /// Where that is; canonical.
    blobs_path: PathBuf,
}

impl Snapshot {
    /// Recognises the snapshot that the directory `canonical` is, or lies in. By shape: nothing in the cache says more.
    pub(crate) fn around(canonical: &Path) -> io::Result<Option<Self>> {
        for root in canonical.ancestors() {
            let Some((repository_path, revision)) = split(root) else { continue };
            let Some(repository) =
                repository_path.file_name().and_then(|n| n.to_str()).and_then(repository_name)
            else {
                continue;
            };
            let blobs_path = repository_path.join("blobs");
            // A link in place of the directory could lead anywhere: then this is no cache that we know.
            return match Dir::open(&blobs_path) {
                Ok(blobs) => Ok(Some(Self { repository, revision, blobs, blobs_path })),
                Err(e) if e.kind() == io::ErrorKind::NotFound || crate::fs::is_replaced(&e) => Ok(None),
                Err(e) => Err(e),
            };
        }
        Ok(None)
    }

    /// The name of the blob that a link with the text `target` leads to, when the link lies in `directory`.
    ///
    /// `directory` must be canonical: then it holds no link itself, and taking its last component off is what the
    /// system does for a leading `..`. After that only `blobs/<name>` may be left.
    pub(crate) fn blob(&self, directory: &Path, target: &Path) -> Option<String> {
        let mut reached = directory.to_owned();
        let mut down = target.components().peekable();
        while let Some(Component::ParentDir) = down.peek() {
            down.next();
            if !reached.pop() {
                return None;
            }
        }
        if target.is_absolute() {
            reached = PathBuf::new();
        }
        for component in down {
            match component {
                Component::Normal(_) | Component::RootDir | Component::Prefix(_) => reached.push(component),
                Component::CurDir => {}
                Component::ParentDir => return None,
            }
        }
        if reached.parent() != Some(&self.blobs_path) {
            return None;
        }
        reached.file_name()?.to_str().map(str::to_owned)
    }
}

/// `<repository>/snapshots/<hex>` gives the repository and the commit.
fn split(root: &Path) -> Option<(&Path, String)> {
    let revision = root.file_name()?.to_str()?;
    let snapshots = root.parent()?;
    let is_commit = revision.len() >= 7 && revision.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (is_commit && snapshots.file_name()? == "snapshots").then_some((snapshots.parent()?, revision.to_owned()))
}

/// `models--org--name` gives `org/name`.
fn repository_name(folder: &str) -> Option<String> {
    let (kind, name) = folder.split_once("--")?;
    (matches!(kind, "models" | "datasets" | "spaces") && !name.is_empty())
        .then(|| name.replacen("--", "/", 1))
}
