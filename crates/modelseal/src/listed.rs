//! What can be said of a model before a byte of it is read: which files are there, and of which size.

use modelseal_core::{
    manifest::{ByteRange, Change, Comparison, Manifest, Method, Resource},
    path::ModelPath,
};
use modelseal_model::Files;
use std::collections::BTreeMap;

/// Compares a signed manifest with the files that are there: missing and unsigned ones, and under `shards` those of another
/// size, whose resources have no digest that was found. Says nothing about bytes.
pub(crate) fn compare(signed: &Manifest, files: &Files) -> Comparison {
    let shard = match signed.serialization().method {
        Method::Files => None,
        Method::Shards(size) => Some(size.get()),
    };
    let mut expected: BTreeMap<&ModelPath, Vec<&Resource>> = BTreeMap::new();
    for resource in signed.resources() {
        expected.entry(&resource.path).or_default().push(resource);
    }
    let dot = ModelPath::reference_single_file();
    let alone = files.source().is_file() && signed.is_reference_single_file();
    let mut comparison = Comparison::default();
    for (path, size) in files.files() {
        let Some(resources) = expected.remove(if alone { &dot } else { path }) else {
            comparison.unsigned.push(path.clone());
            continue;
        };
        if let Some(shard) = shard {
            comparison.changed.extend(resized(&resources, size, shard));
        }
    }
    comparison.missing = expected.into_keys().cloned().collect();
    comparison
}

/// The signed shards of a file that a file of this size does not have, and what it has beyond them.
fn resized(resources: &[&Resource], size: u64, shard: u64) -> Vec<Change> {
    let fits = |range: ByteRange| {
        range.end == range.start.saturating_add(shard).min(size) && (range.start < size || size == 0)
    };
    let gone = resources.iter().filter(|resource| resource.range.is_some_and(|range| !fits(range)));
    let mut changed: Vec<Change> = gone
        .map(|resource| Change {
            path: resource.path.clone(),
            range: resource.range,
            signed: Some(resource.digest),
            found: None,
        })
        .collect();
    let end = resources.iter().filter_map(|resource| resource.range).map(|range| range.end).max();
    if let (true, Some(start), Some(first)) = (changed.is_empty(), end, resources.first())
        && start < size
    {
        let range = Some(ByteRange { start, end: size });
        changed.push(Change { path: first.path.clone(), range, signed: None, found: None });
    }
    changed.sort_unstable_by_key(|change| change.range);
    changed
}
