//! [`explain`]: what a file that differs, or should not be there, probably is, and what to do about it.

use crate::{
    fs::{self, Kind},
    read::fill,
    source::{Root, Source},
};
use modelseal_core::path::ModelPath;
use std::{ffi::OsStr, fmt, fs::File};

/// Something that is easily taken for a part of a model, or in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// A Git LFS pointer lies where the file itself should be.
    LfsPointer {
        /// The file.
        path: ModelPath,
        /// What it points to.
        pointer: LfsPointer,
    },
    /// Bookkeeping that `hf download --local-dir` left behind.
    HuggingFaceLeftover(ModelPath),
}

/// A Git LFS pointer file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsPointer {
    /// SHA-256 of the real file, in lowercase hex.
    pub oid: String,
    /// Size of the real file in bytes.
    pub size: u64,
}

/// Says what the file `path` of the model probably is, when it is one of the things that are known to be taken for
/// parts of models. It reads at most one kilobyte, and says nothing of what it cannot read.
#[must_use]
pub fn explain(source: &Source, path: &ModelPath) -> Option<Explanation> {
    if is_huggingface_leftover(path) {
        return Some(Explanation::HuggingFaceLeftover(path.clone()));
    }
    let pointer = is_lfs_pointer(&beginning(source, path)?)?;
    Some(Explanation::LfsPointer { path: path.clone(), pointer })
}

/// Reads a Git LFS pointer from the beginning of a file, of which [`LFS_POINTER_BYTES`] are enough.
#[must_use]
pub fn is_lfs_pointer(first_bytes: &[u8]) -> Option<LfsPointer> {
    if first_bytes.len() >= LFS_POINTER_BYTES {
        return None;
    }
    let text = std::str::from_utf8(first_bytes).ok()?;
    let mut lines = text.lines();
    if lines.next()? != "version https://git-lfs.github.com/spec/v1" {
        return None;
    }
    let (mut oid, mut size) = (None, None);
    for line in lines {
        match line.split_once(' ')? {
            ("oid", value) => oid = Some(value.strip_prefix("sha256:")?),
            ("size", value) => size = Some(value.parse().ok()?),
            _ => {}
        }
    }
    let oid =
        oid.filter(|oid| oid.len() == 64 && oid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))?;
    Some(LfsPointer { oid: oid.to_owned(), size: size? })
}

/// Whether `path` lies in a `.cache/huggingface` directory, where `hf download --local-dir` keeps what it knows about
/// its downloads.
#[must_use]
pub fn is_huggingface_leftover(path: &ModelPath) -> bool {
    leftover_directory(path).is_some()
}

/// Pointer files are shorter than this by their specification.
pub const LFS_POINTER_BYTES: usize = 1024;

fn leftover_directory(path: &ModelPath) -> Option<&str> {
    const DIRECTORY: &str = ".cache/huggingface";
    let path = path.as_str();
    path.match_indices(DIRECTORY).find_map(|(at, _)| {
        let end = at + DIRECTORY.len();
        let begins = at == 0 || path[..at].ends_with('/');
        (begins && (path.len() == end || path[end..].starts_with('/'))).then(|| &path[..end])
    })
}

/// The first bytes of a regular file of the model that no link leads to; blobs of a Hugging Face cache are none of
/// the things explained here.
fn beginning(source: &Source, path: &ModelPath) -> Option<Vec<u8>> {
    let opened: File;
    let file = match &source.root {
        Root::File { file, .. } => file,
        Root::Directory { dir, .. } => {
            let mut components: Vec<&str> = path.components().collect();
            let name = OsStr::new(components.pop()?);
            let mut reached = None;
            for component in components {
                reached = Some(reached.as_ref().unwrap_or(dir).enter(OsStr::new(component), false).ok()?);
            }
            let directory = reached.as_ref().unwrap_or(dir);
            if directory.status(name, false).ok()?.kind != Kind::File {
                return None;
            }
            opened = directory.open_file(name, false).ok()?;
            &opened
        }
    };
    if fs::status_of(file).ok()?.kind != Kind::File {
        return None;
    }
    let mut bytes = vec![0; LFS_POINTER_BYTES];
    let count = fill(file, &mut bytes, LFS_POINTER_BYTES, 0).ok()?;
    bytes.truncate(count);
    Some(bytes)
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LfsPointer { path, pointer } => write!(
                f,
                "'{path}' is a Git LFS pointer, not the file of {} bytes it stands for; fetch that with `git lfs pull`",
                pointer.size
            ),
            Self::HuggingFaceLeftover(path) => {
                let directory = leftover_directory(path).unwrap_or(".cache/huggingface");
                write!(
                    f,
                    "'{path}' was left behind by `hf download --local-dir` and is no part of the model; delete \
                     '{0}' or pass --ignore-paths '{0}'",
                    modelseal_core::text::Printable(directory)
                )
            }
        }
    }
}
