//! Reads what went into a run: measures what is here, and turns each input into the resolved dependencies that pin it.

use super::{
    croissant,
    error::AttestError,
    git,
    input::{Input, InputKind, InputPin},
    run::Byproduct,
    secret,
};
use crate::{
    codes,
    digest::{Effort, digest},
    disk,
    error::Error,
    policies::sha256,
};
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, looks_like_bundle},
    cover::whole,
    croissant::{Croissant, CroissantError},
    json::value::Value,
    limits::{MAX_BUNDLE_BYTES, MAX_CROISSANT_BYTES},
    manifest::Manifest,
    predicate::{
        Reading,
        build_type::BASE_MODEL_SIGNATURE,
        descriptor::{Descriptor, DigestSet},
        read_signed_model,
        slsa_provenance::Source as GitSource,
    },
};
use modelseal_model::Progress;
use modelseal_verify::{public_key::PublicKey, verifier::Verifier};
use std::path::Path;

/// Differences that are listed one by one.
const SHOWN: usize = 10;

/// Reads inputs.
pub(super) struct Reader<'a> {
    /// Any of these vouches for base models.
    pub(super) base_keys: &'a [PublicKey],
    pub(super) effort: Effort,
    pub(super) now: Timestamp,
    pub(super) progress: &'a dyn Progress,
}

/// What an input was found to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// What pins it, the dependency of its own name first.
    pub(super) dependencies: Vec<Descriptor>,
    /// Its files with the digest of each, to tell later what was changed; empty for what was not read.
    pub(super) files: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
}

impl Reader<'_> {
    /// Reads one input. Nothing pins what has no pin.
    pub(super) fn read(&self, input: &Input) -> Result<Found, Error> {
        let path = match &input.pin {
            InputPin::Nothing => return Ok(Found::default()),
            InputPin::Digest(digest) => {
                let descriptor = Descriptor { digest: digest.clone(), ..named(input) };
                return Ok(Found { dependencies: vec![descriptor], ..Found::default() });
            }
            InputPin::Path(path) => path,
        };
        match input.kind {
            InputKind::Source => checkout(input, path),
            InputKind::Base => self.base(input, path),
            InputKind::Dataset => self.dataset(input, path),
            InputKind::Container | InputKind::Lockfile => self.measured(input, path),
        }
    }

    /// Measures a by-product.
    pub(super) fn byproduct(&self, byproduct: &Byproduct) -> Result<Descriptor, Error> {
        let (manifest, _) = self.measure(&byproduct.path)?;
        let descriptor = Descriptor {
            name: Some(byproduct.name.clone()),
            uri: byproduct.uri.as_deref().map(secret::without_user_info),
            media_type: byproduct.media_type.clone(),
            ..Descriptor::default()
        };
        Ok(of_manifest(descriptor, &manifest))
    }

    fn measured(&self, input: &Input, path: &Path) -> Result<Found, Error> {
        let (manifest, notes) = self.measure(path)?;
        let dependencies = vec![of_manifest(named(input), &manifest)];
        Ok(Found { dependencies, files: files_of(&manifest), notes })
    }

    /// Whole files by SHA-256, so that a verifier of any make can compare; evidence inside is none of the files.
    fn measure(&self, path: &Path) -> Result<(Manifest, Vec<String>), Error> {
        let measured = digest(path).leaving_evidence_out().effort(self.effort).run(self.progress)?;
        let named = path.display();
        let notes = measured.notes.iter().map(|note| format!("'{named}': {note}")).collect();
        Ok((measured.observed.into_inner(), notes))
    }

    fn base(&self, input: &Input, path: &Path) -> Result<Found, Error> {
        let refuse = |why: String| Error::Attest(AttestError::Input { input: input.label(), why });
        if path.is_file() && is_bundle_file(path) {
            let bytes = disk::read(path, MAX_BUNDLE_BYTES).map_err(&refuse)?;
            let bundle = Bundle::parse(&bytes)
                .map_err(|e| refuse(format!("'{}' is no signature bundle: {e}", path.display())))?;
            let (manifest, note) = self.signed(input, path, &bundle)?;
            let dependencies = vec![of_manifest(named(input), &manifest), signature_of(input, &bytes)];
            let files = vec![(file_name(path), sha256(&bytes).to_string())];
            return Ok(Found { dependencies, files, notes: vec![note] });
        }
        let (manifest, notes) = self.measure(path)?;
        let dependencies = vec![of_manifest(named(input), &manifest)];
        let mut found = Found { dependencies, files: files_of(&manifest), notes };
        let beside = path.join("model.sig");
        let Ok(bytes) = disk::read(&beside, MAX_BUNDLE_BYTES) else { return Ok(found) };
        if !looks_like_bundle(&bytes) {
            return Ok(found);
        }
        let bundle = Bundle::parse(&bytes)
            .map_err(|e| refuse(format!("'{}' is no signature bundle: {e}", beside.display())))?;
        let (signed, note) = self.signed(input, &beside, &bundle)?;
        // Signed by shards or with another hash, the two cannot be compared without reading everything again.
        let same_way = whole(&signed).0.get("dirHash").is_some();
        if same_way && let Some(difference) = difference(&signed, &manifest) {
            let differences =
                vec![format!("its own signature '{}' is of other files: {difference}", beside.display())];
            return Err(Error::Attest(AttestError::InputDiffers { input: input.label(), differences }));
        }
        found.notes.push(note);
        if !same_way {
            found.notes.push(format!(
                "'{}' was made over other digests than SHA-256 of whole files, and was not compared with the files",
                beside.display()
            ));
        }
        found.dependencies.push(signature_of(input, &bytes));
        Ok(found)
    }

    /// What a signature bundle says a base model is, and whether one of the keys made it.
    fn signed(&self, input: &Input, path: &Path, bundle: &Bundle) -> Result<(Manifest, String), Error> {
        let shown = path.display();
        let mut last = None;
        for key in self.base_keys {
            match Verifier::with_key(key.clone()).verify(bundle, self.now) {
                Ok(_) => {
                    let note = format!("'{shown}' was verified here: it is by the key {}", key.fingerprint());
                    return read_manifest(input, bundle).map(|manifest| (manifest, note));
                }
                Err(e) => last = Some(e),
            }
        }
        if let Some(e) = last {
            let (code, why) = (codes::signature(&e), format!("'{shown}': {e}"));
            return Err(Error::Attest(AttestError::BaseSignature { input: input.label(), code, why }));
        }
        let note = format!(
            "who made '{shown}' was not verified here: its digest is recorded, and so is what it says; verify it, or give \
             --base-key"
        );
        read_manifest(input, bundle).map(|manifest| (manifest, note))
    }

    fn dataset(&self, input: &Input, path: &Path) -> Result<Found, Error> {
        let refuse = |why: String| Error::Attest(AttestError::Input { input: input.label(), why });
        let name = file_name(path);
        let is_json = [".json", ".jsonld"].iter().any(|end| name.ends_with(end));
        let size = path.metadata().map(|metadata| metadata.len()).unwrap_or(u64::MAX);
        let called_so = name.contains("croissant");
        if !path.is_file() || !is_json || (size > MAX_CROISSANT_BYTES && !called_so) {
            return self.measured(input, path);
        }
        let bytes = disk::read(path, MAX_CROISSANT_BYTES).map_err(&refuse)?;
        let described = match Croissant::parse(&bytes) {
            Ok(described) => described,
            Err(CroissantError::NotCroissant) if !called_so => return self.measured(input, path),
            Err(CroissantError::Json(why)) if !called_so => {
                let mut found = self.measured(input, path)?;
                // What switches the comparison off must not do so in silence.
                found.notes.push(format!(
                    "'{}' was recorded as a plain file, and files that it may describe were not compared: {why}",
                    path.display()
                ));
                return Ok(found);
            }
            Err(e) => return Err(refuse(format!("the description '{}': {e}", path.display()))),
        };
        let mut checked = croissant::check(input, path, &described, self.effort, self.progress)?;
        let text = |text: String| Value::from(text);
        let annotations = [
            ("croissantFiles", checked.files.to_string()),
            ("croissantPinned", checked.pinned.to_string()),
            ("croissantCompared", checked.compared.len().to_string()),
        ];
        let descriptor = Descriptor {
            digest: DigestSet::of([("sha256", sha256(&bytes).to_hex())]),
            media_type: Some("application/ld+json".to_owned()),
            annotations: annotations.into_iter().map(|(name, count)| (name.into(), text(count))).collect(),
            ..named(input)
        };
        let mut files = vec![(name, sha256(&bytes).to_string())];
        files.append(&mut checked.compared);
        Ok(Found { dependencies: vec![descriptor], files, notes: checked.notes })
    }
}

/// What files differ from those that were signed; nothing when none do.
fn difference(signed: &Manifest, found: &Manifest) -> Option<String> {
    if signed.manifest_digest() == found.manifest_digest() {
        return None;
    }
    let compared = signed.compare(found);
    let changed = compared.changed.iter().map(|change| format!("'{}' is changed", change.path));
    let missing = compared.missing.iter().map(|path| format!("'{path}' is missing"));
    let unsigned = compared.unsigned.iter().map(|path| format!("'{path}' is not signed"));
    let mut all: Vec<String> = changed.chain(missing).chain(unsigned).take(SHOWN).collect();
    if all.is_empty() {
        all.push("they are in another order".to_owned());
    }
    Some(all.join(", "))
}

/// The commit that is checked out. What was changed since is not known.
fn checkout(input: &Input, path: &Path) -> Result<Found, Error> {
    let refuse = |why: String| {
        let why = format!("'{}': {why}", path.display());
        Error::Attest(AttestError::Input { input: input.label(), why })
    };
    let head = git::head(path).map_err(refuse)?;
    let asked = GitSource::split(input.uri.as_deref().unwrap_or_default()).reference;
    if let (Some(asked), Some(found)) = (&asked, &head.reference)
        && (asked.starts_with("refs/heads/") || asked == "HEAD")
        && asked != found
        && asked != "HEAD"
    {
        return Err(refuse(format!("'{asked}' is named, but '{found}' is checked out")));
    }
    if let Some(asked) = asked.filter(|asked| git::is_commit(asked) && *asked != head.commit) {
        return Err(refuse(format!("the commit {asked} is named, but {} is checked out", head.commit)));
    }
    let descriptor = Descriptor { digest: DigestSet::of([("gitCommit", &*head.commit)]), ..named(input) };
    let note = format!(
        "'{}' is recorded as the commit {} that is checked out; whether files were changed since is not known",
        path.display(),
        head.commit
    );
    let files = vec![("HEAD".to_owned(), format!("gitCommit:{}", head.commit))];
    Ok(Found { dependencies: vec![descriptor], files, notes: vec![note] })
}

fn read_manifest(input: &Input, bundle: &Bundle) -> Result<Manifest, Error> {
    let envelope = bundle.envelope();
    read_signed_model(envelope.payload_type(), envelope.payload_unverified(), Reading::Field)
        .map(|signed| signed.manifest)
        .map_err(|e| {
            let why = format!("its bundle is no signature of a model: {e}");
            Error::Attest(AttestError::Input { input: input.label(), why })
        })
}

fn named(input: &Input) -> Descriptor {
    Descriptor {
        name: Some(input.kind.dependency().to_owned()),
        uri: input.uri.clone(),
        ..Descriptor::default()
    }
}

/// The same digests and the same annotation as the first subject of a statement about it.
fn of_manifest(descriptor: Descriptor, manifest: &Manifest) -> Descriptor {
    let (digest, method) = whole(manifest);
    let annotations = method.map(|method| ("digestMethod".into(), Value::from(method))).into_iter().collect();
    Descriptor { digest, annotations, ..descriptor }
}

/// The bundle that vouches for a base model, which it names.
fn signature_of(input: &Input, bytes: &[u8]) -> Descriptor {
    let base = input.uri.as_deref().map(|uri| ("baseModel".into(), Value::from(uri)));
    Descriptor {
        name: Some(BASE_MODEL_SIGNATURE.to_owned()),
        digest: DigestSet::of([("sha256", sha256(bytes).to_hex())]),
        media_type: Some(modelseal_core::bundle::MEDIA_TYPE.to_owned()),
        annotations: base.into_iter().collect(),
        ..Descriptor::default()
    }
}

/// Whether a file is meant as a signature rather than as a model of one file.
fn is_bundle_file(path: &Path) -> bool {
    let name = file_name(path);
    let called_so = name.ends_with(".sig") || name.ends_with(".sigstore.json") || name.ends_with(".sigstore");
    // A model that large is no signature, and is not read to find out.
    let small = path.metadata().is_ok_and(|metadata| metadata.len() <= MAX_BUNDLE_BYTES);
    called_so
        || small
            && name.ends_with(".json")
            && disk::read(path, MAX_BUNDLE_BYTES).is_ok_and(|b| looks_like_bundle(&b))
}

fn files_of(manifest: &Manifest) -> Vec<(String, String)> {
    manifest
        .resources()
        .iter()
        .map(|resource| (resource.name().into_owned(), resource.digest.to_string()))
        .collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
