//! What a log has signed: tree heads, inclusion in them, and promises of inclusion.

use super::{error::EvidenceError, trusted_root::Log};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_core::text::hex;
use modelseal_core::{limits::MAX_CHECKPOINT_BYTES, log_entry::LogEntry};
use sigstore_verify::{
    crypto::Checkpoint,
    types::{Sha256Hash, SignatureBytes},
};

/// A tree head that a log of the trusted root has signed.
pub(super) struct TreeHead<'r> {
    pub(super) log: &'r Log,
    pub(super) origin: String,
    pub(super) tree_size: u64,
    pub(super) root_hash: [u8; 32],
}

/// Signatures on one checkpoint: a log's own, one more while its key changes, and witnesses'.
const MAX_CHECKPOINT_SIGNATURES: usize = 128;

/// Finds the log among `logs` that signed the checkpoint. Signatures by others, such as witnesses, are passed over, and
/// key hints, being four bytes, may collide: every fitting pair is tried.
pub(super) fn verify<'r>(index: usize, text: &str, logs: &'r [Log]) -> Result<TreeHead<'r>, EvidenceError> {
    let malformed = |detail: String| EvidenceError::CheckpointMalformed { index, detail };
    if text.is_empty() {
        return Err(malformed("it is missing".to_owned()));
    }
    if text.len() > MAX_CHECKPOINT_BYTES {
        return Err(malformed(format!("it is longer than {MAX_CHECKPOINT_BYTES} bytes")));
    }
    let checkpoint = Checkpoint::from_text(text).map_err(|e| malformed(e.to_string()))?;
    if checkpoint.signatures().len() > MAX_CHECKPOINT_SIGNATURES {
        return Err(malformed(format!("it has more than {MAX_CHECKPOINT_SIGNATURES} signatures")));
    }
    let mut named = None;
    for signature in checkpoint.signatures() {
        for log in logs.iter().filter(|log| log.id[..4] == signature.key_id.as_bytes()[..]) {
            if log.key.verify(checkpoint.signed_data(), &signature.signature).is_ok() {
                return Ok(TreeHead {
                    log,
                    origin: checkpoint.origin().to_owned(),
                    tree_size: checkpoint.tree_size(),
                    root_hash: *checkpoint.root_hash().as_bytes(),
                });
            }
            named = Some(log);
        }
    }
    Err(match named {
        Some(log) => EvidenceError::CheckpointForged { index, log: log.url.clone() },
        None => EvidenceError::CheckpointForeign { index, origin: checkpoint.origin().to_owned() },
    })
}

/// Checks the path from the entry's body to the root of the tree (RFC 6962 section 2.1.1).
pub(super) fn verify_inclusion(
    index: usize,
    entry: &LogEntry,
    leaf: u64,
    tree_size: u64,
    hashes: &[Vec<u8>],
    root: &[u8; 32],
) -> Result<(), EvidenceError> {
    let failed = |detail: String| EvidenceError::InclusionProof { index, detail };
    let hashes = hashes
        .iter()
        .map(|hash| Sha256Hash::try_from(hash.as_slice()).map_err(|e| failed(e.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    let leaf_hash = sigstore_merkle::hash_leaf(&entry.canonicalized_body);
    sigstore_merkle::verify_inclusion_proof(&leaf_hash, leaf, tree_size, &hashes, &Sha256Hash::new(*root))
        .map_err(|e| failed(e.to_string()))
}

/// Checks a Rekor v1 signed entry timestamp: the log's signature over body, time, log and index as canonical JSON.
pub(super) fn verify_promise(
    index: usize,
    entry: &LogEntry,
    promise: &[u8],
    log: &Log,
) -> Result<(), EvidenceError> {
    let signed = format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        STANDARD.encode(&entry.canonicalized_body),
        entry.integrated_time.unwrap_or_default(),
        hex(&entry.log_id),
        entry.log_index
    );
    log.key
        .verify(signed.as_bytes(), &SignatureBytes::from_bytes(promise))
        .map_err(|_| EvidenceError::InclusionPromise { index, log: log.url.clone() })
}
