//! Manifests made from random bytes.

use arbitrary::{Arbitrary, Unstructured};
use modelseal_core::{
    digest::{Algorithm, Digest},
    dsse::IN_TOTO_PAYLOAD_TYPE,
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    path::ModelPath,
    predicate::{Reading, read_signed_model, signature_v1},
};
use std::{collections::HashSet, num::NonZeroU64};

#[derive(Debug, Arbitrary)]
struct Raw {
    shard_size: Option<NonZeroU64>,
    algorithm: u8,
    allow_symlinks: bool,
    ignore: Vec<Name>,
    resources: Vec<RawResource>,
    others: Vec<RawResource>,
}

#[derive(Debug, Arbitrary)]
struct RawResource {
    name: Name,
    /// Most shards of a file follow each other; without this, random ones never would.
    range: Option<Range>,
    digest: u8,
}

#[derive(Debug, Arbitrary)]
enum Range {
    Nth(u8, u8),
    Any(u64, u64),
}

/// Few short names, so that they meet; or any name.
#[derive(Debug, Arbitrary)]
enum Name {
    Short(u8),
    Nested(u8, u8),
    Any(String),
}

/// Nothing panics; a manifest is itself and equal to no other; what is written reads back the same.
pub fn manifest(data: &[u8]) {
    let Ok(raw) = Raw::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let algorithm = Algorithm::ALL[usize::from(raw.algorithm) % Algorithm::ALL.len()];
    let method = raw.shard_size.map_or(Method::Files, Method::Shards);
    let ignore_paths = raw.ignore.iter().filter_map(Name::path).collect();
    let serialization = Serialization { method, algorithm, allow_symlinks: raw.allow_symlinks, ignore_paths };
    let resources = |raw: &[RawResource]| -> Vec<Resource> {
        raw.iter().filter_map(|raw| raw.resource(algorithm, method)).collect()
    };
    let (these, those) = (resources(&raw.resources), resources(&raw.others));
    let Ok(one) = Manifest::new(serialization.clone(), these.clone()) else { return };
    check_alone(&one);
    check_changes(&one);
    if let Ok(other) = Manifest::new(serialization, those.clone()) {
        let set = |resources: &[Resource]| -> HashSet<(String, String)> {
            resources.iter().map(|r| (r.name().into_owned(), r.digest.to_hex())).collect()
        };
        let equal = set(&these) == set(&those);
        assert_eq!(one.compare(&other).is_match(), equal);
        assert_eq!(other.compare(&one).is_match(), equal);
        assert_eq!(one.manifest_digest() == other.manifest_digest(), equal);
    }
}

fn check_alone(one: &Manifest) {
    assert!(one.compare(one).is_match());
    assert!((1..=one.resources().len()).contains(&one.file_count()));
    let sorted =
        Manifest::sorted(one.serialization().clone(), one.resources().to_vec()).expect("order is free");
    assert!(one.compare(&sorted).is_match());
    assert_eq!(one.manifest_digest(), sorted.manifest_digest());
    // The statement's reader refuses patterns in ignore paths, which `Manifest` does not know of.
    if one.serialization().ignore_paths.iter().all(|path| !path.as_str().contains(['*', '?', '['])) {
        let written = signature_v1::write(one, "model").expect("a manifest can be written");
        let read = read_signed_model(IN_TOTO_PAYLOAD_TYPE, &written, Reading::Letter)
            .expect("what we write, we read");
        assert_eq!(&read.manifest, one);
    }
}

fn check_changes(one: &Manifest) {
    for at in 0..one.resources().len().min(8) {
        let mut changed = one.resources().to_vec();
        let mut bytes = changed[at].digest.as_bytes().to_vec();
        bytes[0] ^= 1;
        changed[at].digest =
            Digest::new(changed[at].digest.algorithm(), &bytes).expect("the length is the same");
        let changed = Manifest::new(one.serialization().clone(), changed).expect("only a digest was changed");
        assert!(!one.compare(&changed).is_match() && !changed.compare(one).is_match());
        assert_ne!(one.root_digest(), changed.root_digest());
        let mut fewer = one.resources().to_vec();
        fewer.remove(at);
        if let Ok(fewer) = Manifest::new(one.serialization().clone(), fewer) {
            assert!(!one.compare(&fewer).is_match() && !fewer.compare(one).is_match());
        }
    }
}

impl RawResource {
    fn resource(&self, algorithm: Algorithm, method: Method) -> Option<Resource> {
        let range = match (&self.range, method) {
            (Some(Range::Nth(n, cut)), Method::Shards(size)) => {
                let start = size.get().checked_mul(u64::from(*n))?;
                Some(ByteRange { start, end: start.checked_add(size.get())?.saturating_sub(u64::from(*cut)) })
            }
            (Some(Range::Any(start, end)), _) => Some(ByteRange { start: *start, end: *end }),
            _ => None,
        };
        let digest = Digest::new(algorithm, &vec![self.digest; algorithm.digest_len()]).ok()?;
        Some(Resource { path: self.name.path()?, range, digest })
    }
}

impl Name {
    fn path(&self) -> Option<ModelPath> {
        match self {
            Self::Short(n) => ModelPath::parse(&(n % 16).to_string()).ok(),
            Self::Nested(a, b) => ModelPath::parse(&format!("{}/{}", a % 16, b % 16)).ok(),
            Self::Any(name) => ModelPath::parse(name).ok(),
        }
    }
}
