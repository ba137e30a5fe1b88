//! The commit that is checked out in a directory, read from `.git` without running git: its hooks, configuration and
//! helpers are the repository's, and nothing of a repository is executed here.

use crate::disk;
use std::path::{Path, PathBuf};

/// `HEAD`, a loose reference, `gitdir` and `commondir` hold one line.
const MAX_LINE_BYTES: u64 = 16 * 1024;
/// Some hundred thousand references.
const MAX_PACKED_BYTES: u64 = 64 * 1024 * 1024;
/// References that lead to references.
const MAX_STEPS: usize = 5;

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The commit, in hexadecimal.
    pub(super) commit: String,
    /// The branch, as `refs/heads/..`; none when a commit was checked out by itself.
    pub(super) reference: Option<String>,
}

/// Reads what is checked out at `work_tree`, which has a `.git`. What of it was changed since cannot be told without git.
///
/// # Errors
/// Why not, for people.
pub(super) fn head(work_tree: &Path) -> Result<Head, String> {
    let own = git_directory(work_tree)?;
    let common = match disk::read(&own.join("commondir"), MAX_LINE_BYTES) {
        Ok(line) => own.join(text(&line)?),
        Err(_) => own.clone(),
    };
    let head = line(&own.join("HEAD"))?;
    let Some(first) = head.strip_prefix("ref:").map(str::trim) else {
        return Ok(Head { commit: commit(&head)?, reference: None });
    };
    let mut name = first.to_owned();
    for _ in 0..MAX_STEPS {
        check_name(&name)?;
        let Some(found) = reference(&own, &common, &name)? else {
            return Err(if common.join("reftable").is_dir() {
                "its references are in a reftable, which is not read; give the commit".to_owned()
            } else {
                format!("'{name}' has no commit yet")
            });
        };
        match found.strip_prefix("ref:").map(str::trim) {
            Some(next) => name = next.to_owned(),
            None => return Ok(Head { commit: commit(&found)?, reference: Some(first.to_owned()) }),
        }
    }
    Err(format!("'{first}' leads from reference to reference"))
}

/// `.git` is a directory, or in other work trees and submodules a file that names one.
fn git_directory(work_tree: &Path) -> Result<PathBuf, String> {
    let path = work_tree.join(".git");
    if path.is_dir() {
        return Ok(path);
    }
    let found = line(&path).map_err(|e| format!("it is no git checkout: {e}"))?;
    let target = found.strip_prefix("gitdir:").map(str::trim).ok_or("its .git names no directory")?;
    Ok(work_tree.join(target))
}

fn reference(own: &Path, common: &Path, name: &str) -> Result<Option<String>, String> {
    for directory in [own, common] {
        let path = directory.join(name);
        if path.is_file() {
            return line(&path).map(Some);
        }
    }
    let path = common.join("packed-refs");
    if !path.exists() {
        return Ok(None);
    }
    let packed = disk::read(&path, MAX_PACKED_BYTES)?;
    let packed = text(&packed)?;
    let mut lines = packed.lines().filter(|line| !line.starts_with(['#', '^']));
    Ok(lines
        .find_map(|line| line.split_once(' ').filter(|(_, found)| *found == name))
        .map(|(c, _)| c.to_owned()))
}

/// A reference's name becomes a path.
fn check_name(name: &str) -> Result<(), String> {
    let good =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':']);
    let inside = name.starts_with("refs/") && name.split('/').all(good);
    if inside { Ok(()) } else { Err(format!("HEAD names '{name}', which is no reference")) }
}

fn commit(text: &str) -> Result<String, String> {
    if is_commit(text) { Ok(text.to_owned()) } else { Err(format!("'{text}' is no commit")) }
}

/// Whether it is the full name of a commit: 40 hexadecimal characters, or 64 in a repository of SHA-256.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn line(path: &Path) -> Result<String, String> {
    let bytes = disk::read(path, MAX_LINE_BYTES).map_err(|e| format!("'{}': {e}", path.display()))?;
    text(&bytes)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes).map(|text| text.trim_end().to_owned()).map_err(|_| "it is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const COMMIT: &str = "7b964cd933b2cc9106deabd4641111826cfbc094";

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn branches_loose_packed_and_none_are_read() {
        let branch = Head { commit: COMMIT.into(), reference: Some("refs/heads/main".into()) };
        let line = format!("{COMMIT}\n");
        let loose = repository(&[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", &line)]);
        assert_eq!(head(loose.path()).unwrap(), branch);
        let packed = format!(
            "# pack-refs with: peeled\n{0} refs/heads/mainx\n{COMMIT} refs/heads/main\n^{0}\n",
            "a".repeat(40)
        );
        let packed = repository(&[(".git/HEAD", "ref: refs/heads/main"), (".git/packed-refs", &packed)]);
        assert_eq!(head(packed.path()).unwrap(), branch);
        let detached = repository(&[(".git/HEAD", &line)]);
        assert_eq!(head(detached.path()).unwrap(), Head { commit: COMMIT.into(), reference: None });
        let other = repository(&[
            ("tree/.git", "gitdir: ../main/.git/worktrees/tree\n"),
            ("main/.git/worktrees/tree/HEAD", "ref: refs/heads/main\n"),
            ("main/.git/worktrees/tree/commondir", "../..\n"),
            ("main/.git/refs/heads/main", &line),
        ]);
        assert_eq!(head(&other.path().join("tree")).unwrap(), branch);
    }

    #[test]
    fn what_is_no_checkout_is_refused() {
        for (files, part) in [
            (&[("x", "")][..], "no git checkout"),
            (&[(".git", "nothing")], "names no directory"),
            (&[(".git/HEAD", "ref: refs/heads/main\n")], "no commit yet"),
            (&[(".git/HEAD", "ref: ../../etc/passwd\n")], "no reference"),
            (&[(".git/HEAD", "ref: refs/../../x\n")], "no reference"),
            (&[(".git/HEAD", "7b96\n")], "no commit"),
            (&[(".git/HEAD", "ref: refs/a"), (".git/refs/a", "ref: refs/a")], "reference to reference"),
            (&[(".git/HEAD", "ref: refs/a"), (".git/reftable/x", "")], "reftable"),
        ] {
            let directory = repository(files);
            let error = head(directory.path()).unwrap_err();
            assert!(error.contains(part), "{files:?}: {error}");
        }
        let long = repository(&[(".git/HEAD", &"a".repeat(20_000))]);
        assert!(head(long.path()).unwrap_err().contains("larger than"));
    }
}
