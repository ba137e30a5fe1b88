//! What differing files probably are, and what to do about them.

use crate::report::Explained;
use modelseal_core::{
    manifest::Comparison,
    path::ModelPath,
    text::{Printable, ShellQuoted},
};
use modelseal_model::{Explanation, Source, explain};
use std::{collections::BTreeMap, path::Path};

/// How many differing files are looked at for an explanation.
const MAX_EXPLAINED: usize = 32;

/// Explains what can be explained. The leftovers of one download are one matter, however many they are.
pub(crate) fn differences(model: &Path, source: &Source, comparison: &Comparison) -> Vec<Explained> {
    let mut changed: Vec<&ModelPath> = comparison.changed.iter().map(|change| &change.path).collect();
    changed.dedup();
    let mut explained = Vec::new();
    let mut leftovers: BTreeMap<&str, usize> = BTreeMap::new();
    for path in changed.into_iter().chain(&comparison.unsigned) {
        if let Some(directory) = leftover_directory(path) {
            *leftovers.entry(directory).or_default() += 1;
        } else if explained.len() < MAX_EXPLAINED
            && let Some(explanation @ Explanation::LfsPointer { .. }) = explain(source, path)
        {
            explained.push(Explained { path: path.as_str().into(), message: explanation.to_string() });
        }
    }
    explained.extend(leftovers.into_iter().take(MAX_EXPLAINED).map(|(directory, count)| {
        let location = model.join(directory);
        let location = location.to_string_lossy();
        let location = ShellQuoted(&location);
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let message = format!(
            "'{}' holds {files} left behind by `hf download --local-dir`, no part of the model; delete it, or \
             pass --ignore-paths {location}",
            Printable(directory)
        );
        Explained { path: directory.into(), message }
    }));
    explained
}

/// The `.cache/huggingface` directory that holds `path`.
fn leftover_directory(path: &ModelPath) -> Option<&str> {
    const DIRECTORY: &str = ".cache/huggingface/";
    let path = path.as_str();
    let at = path.match_indices(DIRECTORY).map(|(at, _)| at);
    let at = at.into_iter().find(|at| *at == 0 || path[..*at].ends_with('/'))?;
    Some(&path[..at + DIRECTORY.len() - 1])
}
