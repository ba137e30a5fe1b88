//! Every bound on hostile input, each with its reason. A bound that is reached is an error, never a truncation.

/// Largest bundle that is read, in bytes. A bundle lists about 180 bytes a file before base64, so this is about one
/// million files; the largest public model repositories hold a few thousand.
pub const MAX_BUNDLE_BYTES: u64 = 256 * 1024 * 1024;

/// Deepest nesting of any JSON document. OMS bundles nest 7 levels, SLSA provenance about 12; recursion must end long
/// before the stack does.
pub const MAX_JSON_DEPTH: usize = 64;

/// Members of one JSON object. Ours have a handful, provenance may have hundreds; names are kept while an object is read,
/// to find duplicates.
pub const MAX_JSON_MEMBERS: usize = 10_000;

/// Largest statement, other than a model's signature, that is read as an attestation, in bytes. Two hundred bytes a subject
/// make a quarter of a million subjects, which is more than any registry stores.
pub const MAX_ATTESTATION_BYTES: u64 = 64 * 1024 * 1024;

/// Attestations in one file. Each costs a signature check or more; a model has one for each step of its making.
pub const MAX_ATTESTATION_LINES: usize = 256;

/// Artifacts that one walk over a model's ancestry meets. Real lineages have some dozens; a chain of fifty thousand generations
/// is somebody's attempt to keep the walk busy.
pub const MAX_LINEAGE_NODES: usize = 50_000;

/// Bundles about one artifact that a walk looks at: each costs a signature check for every signer that is trusted.
pub const MAX_LINEAGE_BUNDLES: usize = 1024;

/// Bytes of statements about one artifact that a walk reads before it knows whether anybody trusted signed them, to say what
/// they are. Provenance has some ten kilobytes.
pub const MAX_LINEAGE_UNTRUSTED_BYTES: usize = 1024 * 1024;

/// Inputs of one build that a walk reports. Provenance lists some thousand at most.
pub const MAX_LINEAGE_INPUTS: usize = 10_000;

/// Largest file of a model that is read for what it declares about its origin (model card, configuration), in bytes. Real ones
/// have under 200 KiB.
pub const MAX_DECLARATION_BYTES: u64 = 4 * 1024 * 1024;

/// Largest deny feed that is read, in bytes: room for every entry at its usual size of some hundred bytes.
pub const MAX_DENY_FEED_BYTES: u64 = 16 * 1024 * 1024;

/// Entries of one deny feed. All public advisories on models of a decade are far fewer.
pub const MAX_DENY_ENTRIES: usize = 100_000;

/// Digests, keys or identities in one list of a deny feed's entry.
pub const MAX_DENY_NAMES: usize = 10_000;

/// Largest policy, file of trust, or file of remembered versions that is read, in bytes: some thousand entries.
pub const MAX_STATE_BYTES: u64 = 1024 * 1024;

/// Bundles that are looked at for one policy: more than anybody asks to sign it.
pub const MAX_POLICY_BUNDLES: usize = 32;

/// Values in one JSON document that is kept as a tree, where each costs about a hundred bytes of memory. Provenance of a
/// large training run lists some thousand dependencies of five values each.
pub const MAX_JSON_VALUES: usize = 1_000_000;

/// Largest Croissant description of a dataset that is read, in bytes: those of datasets of many thousand files have some
/// megabytes.
pub const MAX_CROISSANT_BYTES: u64 = 16 * 1024 * 1024;

/// Files that one Croissant description lists. Each is looked at.
pub const MAX_CROISSANT_FILES: usize = 100_000;

/// Largest event that a CI system describes in a file, in bytes. GitHub allows 65,535 characters of inputs beside a
/// repository's description of some ten kilobytes.
pub const MAX_EVENT_BYTES: u64 = 4 * 1024 * 1024;

/// Inputs of one run: base models, datasets, lock files. Training on thousands of datasets names them by one description.
pub const MAX_RUN_INPUTS: usize = 10_000;

/// Ignore paths in one signature: far more than anybody lists by hand.
pub const MAX_IGNORE_PATHS: usize = 10_000;

/// Certificates in one bundle. Real chains hold two to four; the count bounds the work of parsing them.
pub const MAX_CERTIFICATES: usize = 32;

/// Transparency log entries or signed timestamps in one bundle: the bound other Sigstore clients chose after an
/// advisory on unbounded verification work.
pub const MAX_LOG_ENTRIES: usize = 32;

/// JSON text of one transparency log entry, in bytes. Real ones have 5 to 30 KiB.
pub const MAX_LOG_ENTRY_BYTES: u64 = 4 * 1024 * 1024;

/// Body of one transparency log entry, in bytes. It holds hashes, signatures and certificates, never a payload.
pub const MAX_LOG_BODY_BYTES: usize = 1024 * 1024;

/// Hashes of one inclusion proof: a tree of 2^64 entries needs no more.
pub const MAX_PROOF_HASHES: usize = 64;

/// A checkpoint with its signatures, in bytes. Real ones have under 1 KiB; every witness adds about 150 bytes.
pub const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;

/// A log's signature, in bytes: room for post-quantum algorithms.
pub const MAX_LOG_SIGNATURE_BYTES: usize = 64 * 1024;

/// One signed timestamp, in bytes. Real ones have 1 to 8 KiB, with their certificates.
pub const MAX_TIMESTAMP_BYTES: usize = 64 * 1024;

/// Resources in one manifest. About 150 bytes each in memory, so 300 MB at most.
pub const MAX_RESOURCES: usize = 2_000_000;

/// Verified shards that one open file keeps in memory, in bytes: two of the default size, so that reading here and there does
/// not verify the same one again each time. One shard is always kept.
pub const MAX_CACHED_SHARD_BYTES: u64 = 2_000_000_000;

/// Length of one resource path in bytes: far above `PATH_MAX` of every system, far below what would hurt.
pub const MAX_PATH_BYTES: usize = 32 * 1024;

/// Nesting of directories: one open descriptor for each level while a model is walked.
pub const MAX_PATH_DEPTH: usize = 128;

/// Largest PEM file (keys, certificate chains) that is read, in bytes.
pub const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// Documents in one attestation store: every model of the largest registry, once. Names are held while they are compared.
pub const MAX_STORE_DOCUMENTS: usize = 4_000_000;

/// Folders in one attestation store: its own 256, and those of whoever sorts foreign files by team and by day.
pub const MAX_STORE_FOLDERS: usize = 100_000;

/// Nesting of folders in an attestation store, whose own is 1.
pub const MAX_STORE_DEPTH: usize = 8;

/// Bytes of bundles that one question to an attestation store may be answered with: they are held in memory together.
pub const MAX_STORE_ANSWER_BYTES: u64 = 256 * 1024 * 1024;

/// Largest index of an attestation store that is read, in bytes: two hundred a bundle make five million.
pub const MAX_INDEX_BYTES: u64 = 1024 * 1024 * 1024;

/// Artifacts that one search for descendants reports. A person reads some dozens, a program has no use for more.
pub const MAX_AFFECTED: usize = 100_000;
