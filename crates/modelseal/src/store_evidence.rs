//! Evidence in a folder of bundles, found by the artifacts that the statements are about. Nobody has verified it.

use crate::disk;
use modelseal_core::{
    artifact::ArtifactId,
    attestation::read_attestation,
    bundle::Bundle,
    predicate::{Reading, read_signed_model},
};
use modelseal_verify::facts::{MAX_BUNDLE_BYTES, MAX_LINES};
use std::path::Path;

/// How deep folders are looked into: a store has one level, and people sort theirs by team and model.
const MAX_DEPTH: usize = 4;

/// A bundle that claims to be about one of the artifacts that were asked for.
pub(crate) struct StoredEvidence {
    /// Its file, for messages.
    pub(crate) name: String,
    /// The bundle.
    pub(crate) bytes: Vec<u8>,
}

/// The bundles in `store` whose statements claim to be about an artifact with one of these ids. What is no bundle is passed
/// over, like names that start with a dot.
///
/// # Errors
/// Why the folder cannot be read, for people.
pub(crate) fn evidence_about(store: &Path, ids: &[ArtifactId]) -> Result<Vec<StoredEvidence>, String> {
    let mut found = Vec::new();
    look(store, ids, MAX_DEPTH, &mut found)?;
    Ok(found)
}

fn look(
    folder: &Path,
    ids: &[ArtifactId],
    depth: usize,
    found: &mut Vec<StoredEvidence>,
) -> Result<(), String> {
    let names = disk::names(folder, |name| !name.starts_with('.'))
        .map_err(|error| format!("'{}': {error}", folder.display()))?;
    for path in names.iter().map(|name| folder.join(name)) {
        // Links lead to what is not of this store.
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_dir() && depth > 0 {
            look(&path, ids, depth - 1, found)?;
        } else if metadata.is_file() {
            file(&path, ids, found);
        }
    }
    Ok(())
}

fn file(path: &Path, ids: &[ArtifactId], found: &mut Vec<StoredEvidence>) {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !["json", "jsonl", "sig"].contains(&extension) {
        return;
    }
    let Ok(bytes) = disk::read(path, MAX_BUNDLE_BYTES as u64) else { return };
    let name = path.display().to_string();
    if extension != "jsonl" {
        found.extend(is_about(&bytes, ids).then_some(StoredEvidence { name, bytes }));
        return;
    }
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate().take(MAX_LINES) {
        if is_about(line, ids) {
            found.push(StoredEvidence { name: format!("{name}:{}", at + 1), bytes: line.to_vec() });
        }
    }
}

fn is_about(document: &[u8], ids: &[ArtifactId]) -> bool {
    let Ok(bundle) = Bundle::parse(document) else { return false };
    let (kind, payload) = (bundle.envelope().payload_type(), bundle.payload_unverified());
    let claimed = match read_signed_model(kind, payload, Reading::Field) {
        Ok(model) => {
            let mut claimed = ArtifactId::of_manifest(&model.manifest);
            // A signature over one file does not say whether the model is that file or a folder with it.
            if let [only] = model.manifest.resources()
                && only.range.is_none()
            {
                let algorithm = only.digest.algorithm().name().to_owned();
                claimed.push(ArtifactId::Blob { algorithm, hex: only.digest.to_hex() });
            }
            claimed
        }
        Err(_) => match read_attestation(kind, payload) {
            Ok(attestation) => ArtifactId::of_subjects(&attestation.subjects),
            Err(_) => return false,
        },
    };
    claimed.iter().any(|id| ids.contains(id))
}
