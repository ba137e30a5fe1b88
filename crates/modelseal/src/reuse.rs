//! `sign --reuse`: signing again after an edit, reading only the files that changed.
//!
//! The digests come from an earlier signature that this key made, and from nowhere else. A cache on this machine says which
//! files are still those: it knows them by device, inode, size, and both times in nanoseconds. A cache that lies can make
//! a changed file pass for unchanged, so that its *old* digest is signed; it cannot bring in a digest of its own.

use crate::{
    digest::{MeasuredModel, Subject},
    disk,
    error::Error,
};
use modelseal_core::{
    bundle::Bundle,
    digest::Digest,
    json::{self, Object},
    limits::MAX_BUNDLE_BYTES,
    manifest::{Manifest, Resource},
    observed::Observed,
    path::ModelPath,
    predicate::{Reading, read_signed_model},
};
use modelseal_model::{Identity, KnownDigests, Progress, measure_except};
use modelseal_verify::public_key::PublicKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// A file that was written to so shortly before it was read may have been written to again within one tick of the file
/// system's clock, unnoticed. FAT ticks every two seconds.
const RACY_SECONDS: u64 = 2;
const SCHEMA: &str = "modelseal.identities/v1";

/// What earlier signing left behind.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    /// The directory of caches.
    pub(crate) directory: PathBuf,
    /// The earlier signature, when its digests are to be used again.
    pub(crate) reuse: Option<PathBuf>,
}

/// What was found, to be written down once it was signed.
#[derive(Debug)]
pub(crate) struct Remembered {
    file: PathBuf,
    identities: Vec<(ModelPath, Identity)>,
}

/// Measures what changed since the earlier signature, which `key` must have made.
pub(crate) fn measure_changed(
    cache: &Cache,
    subject: Subject,
    model: &Path,
    key: Option<&PublicKey>,
    progress: &dyn Progress,
) -> Result<(MeasuredModel, Remembered), Error> {
    let file = cache.file(model);
    let old = cache.reuse.as_ref().map(|path| read_signature(path, key, &subject)).transpose()?;
    let mut identities = HashMap::new();
    let mut notes = Vec::new();
    if let Some(old) = &old {
        match read_cache(&file, &old.statement) {
            Ok(found) => identities = found,
            Err(why) => notes.push(format!("every file is read again: {why}")),
        }
    }
    let mut digests: HashMap<&ModelPath, KnownDigests> = HashMap::new();
    let resources = old.as_ref().map_or(&[][..], |old| old.manifest.resources());
    for Resource { path, range, digest } in resources {
        digests.entry(path).or_default().insert(*range, *digest);
    }
    let known = |path: &ModelPath, identity: Identity| {
        if identities.get(path) == Some(&identity) {
            digests.get(path).cloned().unwrap_or_default()
        } else {
            KnownDigests::new()
        }
    };
    // Taken before the walk: what is younger then may change again unnoticed.
    let started = seconds(SystemTime::now());
    let measured = measure_except(&subject.source, &subject.options, &known, progress)?;
    notes.extend(subject.notes(&measured.notes));
    if let Some(path) = &cache.reuse {
        notes.push(format!(
            "{} of {} files were not read: they are taken to be what '{}' says, because their size and times are \
             unchanged",
            measured.known,
            measured.manifest.file_count(),
            path.display()
        ));
    }
    let settled = |(_, identity): &(ModelPath, Identity)| {
        let youngest = identity.modified.0.max(identity.changed.0);
        youngest.saturating_add(RACY_SECONDS) < started
    };
    let identities = measured.identities.into_iter().filter(settled).collect();
    // Unread files are vouched for by whoever asked for this.
    let observed = match old {
        Some(_) => Observed::vouched_for_by_operator(measured.manifest),
        None => Observed::measured_by_this_process(measured.manifest),
    };
    let model = MeasuredModel {
        observed,
        name: subject.name,
        bytes: measured.bytes,
        also: Vec::new(),
        inspection: None,
        fs_verity: BTreeMap::new(),
        notes,
    };
    Ok((model, Remembered { file, identities }))
}

impl Cache {
    /// One cache for each model.
    fn file(&self, model: &Path) -> PathBuf {
        let model = fs::canonicalize(model).unwrap_or_else(|_| model.to_owned());
        let name = Digest::sha256(Sha256::digest(model.as_os_str().as_encoded_bytes()).into());
        self.directory.join(format!("identities-{}.json", name.to_hex()))
    }
}

impl Remembered {
    /// Writes the cache, for the owner's eyes only.
    pub(crate) fn write(&self, statement: &[u8]) -> io::Result<()> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let entry = |(path, id): &(ModelPath, Identity)| Entry {
            name: path.as_str().to_owned(),
            device: id.device,
            inode: id.inode,
            size: id.size,
            modified: id.modified,
            changed: id.changed,
        };
        let files = self.identities.iter().map(entry).map(Object).collect();
        let written = Written { schema: SCHEMA.into(), statement: digest_of(statement), files };
        disk::replace(&self.file, &serde_json::to_vec(&written)?)
    }
}

struct OldSignature {
    manifest: Manifest,
    statement: String,
}

fn read_signature(path: &Path, key: Option<&PublicKey>, subject: &Subject) -> Result<OldSignature, Error> {
    let refuse = |reason: String| Error::Reuse { path: path.to_owned(), reason };
    let key = key.ok_or_else(|| refuse("there is no key to check it with".into()))?;
    let text = disk::read_past(path, MAX_BUNDLE_BYTES).map_err(|e| refuse(e.to_string()))?;
    let bundle = Bundle::parse(&text).map_err(|e| refuse(e.to_string()))?;
    let envelope = bundle.envelope();
    key.verify(&envelope.pae(), envelope.signature())
        .map_err(|_| refuse("it was not made with the key that signs now".into()))?;
    let payload = envelope.payload_unverified();
    let said = read_signed_model(envelope.payload_type(), payload, Reading::Field);
    let manifest = said.map_err(|e| refuse(e.to_string()))?.manifest;
    let (old, new) = (manifest.serialization(), &subject.options.serialization);
    if (old.method, old.algorithm, old.allow_symlinks) != (new.method, new.algorithm, new.allow_symlinks) {
        return Err(refuse("it was made with another method, shard size, hash or rule for links".into()));
    }
    Ok(OldSignature { statement: digest_of(payload), manifest })
}

/// What the cache knows, when it is that of this statement.
fn read_cache(file: &Path, statement: &str) -> Result<HashMap<ModelPath, Identity>, String> {
    let unreadable = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => "this model was not signed with --remember on this machine".to_owned(),
        _ => format!("the cache '{}' cannot be read: {e}", file.display()),
    };
    disk::check_private_file(file).map_err(unreadable)?;
    let text = disk::read_past(file, MAX_BUNDLE_BYTES).map_err(unreadable)?;
    let bad = |e: &dyn std::fmt::Display| format!("the cache '{}' cannot be used: {e}", file.display());
    let written: Written = json::read(&text, MAX_BUNDLE_BYTES).map_err(|e| bad(&e))?;
    if written.schema != SCHEMA {
        return Err(bad(&"it has another schema"));
    }
    if written.statement != statement {
        return Err("what is remembered belongs to another signature".into());
    }
    let identity = |Object(entry): Object<Entry>| {
        let Entry { device, inode, size, modified, changed, .. } = entry;
        let path = ModelPath::parse(&entry.name).map_err(|e| bad(&e))?;
        Ok((path, Identity { device, inode, size, modified, changed }))
    };
    written.files.into_iter().map(identity).collect()
}

fn digest_of(statement: &[u8]) -> String {
    Digest::sha256(Sha256::digest(statement).into()).to_string()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    schema: String,
    /// SHA-256 of the statement that was signed of these files.
    statement: String,
    files: Vec<Object<Entry>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    device: u64,
    inode: u64,
    size: u64,
    modified: (u64, u32),
    changed: (u64, u32),
}
