//! What belongs to a model and what does not: the default exclusions, ignore paths as people write them, and the
//! signature file itself.

use crate::error::Error;
use modelseal_core::{
    manifest::Manifest, path::ModelPath, predicate::signature_v1::parse_ignore_path, text::ShellQuoted,
};
use std::{
    ffi::OsStr,
    path::{Component, Path, PathBuf},
};

/// The exclusions of OMS v1.0 §6.2, at the top of the model only.
const GIT_PATHS: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// Where a path that somebody gave lies.
pub(crate) enum Place {
    /// In the model, under this name.
    Inside(ModelPath),
    /// It is the model itself.
    Model,
    /// Somewhere else.
    Outside,
    /// In the model, under a name that no model can have.
    Unnameable(String),
}

/// The paths of §6.2, as ignore paths.
pub(crate) fn git_paths() -> impl Iterator<Item = ModelPath> {
    GIT_PATHS.into_iter().filter_map(|name| ModelPath::parse(name).ok())
}

/// Default exclusions for verification: those of §6.2 that cover nothing that was signed.
pub(crate) fn unsigned_git_paths(signed: &Manifest) -> impl Iterator<Item = ModelPath> {
    git_paths().filter(|git| !signed.resources().iter().any(|r| r.path.is_within(git)))
}

/// Finds where `path`, taken from the working directory, lies with respect to the model. Links in its parent are
/// resolved as the system would; its last component is not, so that a link itself can be ignored.
pub(crate) fn place(model: &Path, path: &Path) -> Place {
    let (Ok(root), Ok(path)) = (std::fs::canonicalize(model), absolute_keeping_last(path)) else {
        return Place::Outside;
    };
    let Ok(relative) = path.strip_prefix(&root) else { return Place::Outside };
    if relative.as_os_str().is_empty() {
        return Place::Model;
    }
    let parts: Option<Vec<&str>> = relative.components().map(|c| c.as_os_str().to_str()).collect();
    match parts.map(|parts| ModelPath::parse(&parts.join("/"))) {
        Some(Ok(path)) => Place::Inside(path),
        Some(Err(e)) => Place::Unnameable(e.to_string()),
        None => Place::Unnameable("the name is not UTF-8".into()),
    }
}

/// Ignore paths as they were given, resolved against the model.
#[derive(Default)]
pub(crate) struct Ignored {
    /// Those inside the model.
    pub(crate) paths: Vec<ModelPath>,
    /// What has to be said about the others.
    pub(crate) notes: Vec<String>,
}

/// Resolves ignore paths against the working directory, as the reference implementation does; unlike it, says when one
/// lies outside the model instead of dropping it.
pub(crate) fn resolve_ignored(model: &Path, given: &[PathBuf]) -> Result<Ignored, Error> {
    let mut ignored = Ignored::default();
    for given in given {
        let refuse = |reason: String| Error::IgnorePath { given: given.clone(), reason };
        match place(model, given) {
            Place::Inside(path) => {
                ignored.paths.push(parse_ignore_path(path.as_str()).map_err(|e| refuse(e.to_string()))?);
            }
            Place::Model => return Err(refuse("it is the model itself".into())),
            Place::Unnameable(reason) => return Err(refuse(reason)),
            Place::Outside => ignored.notes.push(outside_note(model, given)),
        }
    }
    Ok(ignored)
}

fn outside_note(model: &Path, given: &Path) -> String {
    let within = model.join(given);
    let hint = if given.is_relative() && within.symlink_metadata().is_ok() {
        let within = within.to_string_lossy();
        format!("; did you mean {}? Paths are taken from the working directory", ShellQuoted(&within))
    } else {
        String::new()
    };
    format!("the ignore path '{}' lies outside the model and has no effect{hint}", given.display())
}

/// The absolute form of `path` with links resolved in all but its last component.
fn absolute_keeping_last(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    match absolute.components().next_back() {
        Some(Component::Normal(last)) => {
            let parent = absolute.parent().unwrap_or(Path::new("/"));
            Ok(canonical_as_far_as_it_exists(parent).join(last))
        }
        _ => Ok(canonical_as_far_as_it_exists(&absolute)),
    }
}

/// Resolves the longest existing prefix and keeps the rest as written.
fn canonical_as_far_as_it_exists(path: &Path) -> PathBuf {
    let mut rest: Vec<&OsStr> = Vec::new();
    let mut prefix = path;
    loop {
        if let Ok(resolved) = std::fs::canonicalize(prefix) {
            return rest.iter().rev().fold(resolved, |path, part| path.join(part));
        }
        match (prefix.parent(), prefix.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name);
                prefix = parent;
            }
            _ => return path.to_path_buf(),
        }
    }
}
