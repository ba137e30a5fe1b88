//! The OMS predicate, `https://model_signing/signature/v1.0` (OMS v1.0 §5): the only one that is written.

use super::{Reading, SignedModel, StatementError};
use crate::{
    digest::Digest,
    json::{self, AtMost, Object},
    limits::{MAX_IGNORE_PATHS, MAX_RESOURCES},
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    path::ModelPath,
    statement::{STATEMENT_TYPE, Statement, Subject},
    verity::FsVerityDigest,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::{borrow::Cow, collections::BTreeMap, num::NonZeroU64};

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";

/// Writes the statement that signs `manifest` under the name `model_name` (the base name of the model's path).
///
/// # Errors
/// Only what `serde_json` cannot write, which these types cannot hold.
pub fn write(manifest: &Manifest, model_name: &str) -> Result<Vec<u8>, serde_json::Error> {
    write_annotated(manifest, model_name, &BTreeMap::new())
}

/// The same; the files of `fs_verity` have their digest as an annotation of their resource, under `shards` of the first.
///
/// # Errors
/// As [`write()`].
pub fn write_annotated(
    manifest: &Manifest,
    model_name: &str,
    fs_verity: &BTreeMap<ModelPath, FsVerityDigest>,
) -> Result<Vec<u8>, serde_json::Error> {
    let serialization = manifest.serialization();
    let algorithm = serialization.algorithm.name();
    let root = manifest.root_digest().to_hex();
    let subject = Subject {
        name: model_name.into(),
        digest: BTreeMap::from([("sha256".into(), root.into())]),
        annotations: None,
    };
    let wire = WireSerialization {
        method: match serialization.method {
            Method::Files => "files".into(),
            Method::Shards(_) => "shards".into(),
        },
        hash_type: algorithm.into(),
        shard_size: match serialization.method {
            Method::Files => None,
            Method::Shards(size) => Some(ShardSize(size.get())),
        },
        allow_symlinks: serialization.allow_symlinks,
        ignore_paths: Some(serialization.ignore_paths.iter().map(|p| p.as_str().into()).collect()),
    };
    serde_json::to_vec(&Statement {
        statement_type: STATEMENT_TYPE.into(),
        subject: AtMost(vec![Object(subject)]),
        predicate_type: PREDICATE_TYPE.into(),
        predicate: WirePredicate {
            resources: manifest.resources().iter().map(|r| Object(WireResource::of(r, fs_verity))).collect(),
            serialization: Object(wire),
        },
    })
}

pub(super) fn read(statement: &Statement<'_>, reading: Reading) -> Result<SignedModel, StatementError> {
    let [subject] = &statement.subject[..] else {
        return Err(StatementError::SubjectCount(statement.subject.len()));
    };
    if subject.name.is_empty() {
        return Err(StatementError::EmptySubjectName);
    }
    let wire: WirePredicate<'_> = json::read_part(statement.predicate).map_err(StatementError::Json)?;
    let serialization = wire.serialization.0.into_serialization()?;
    let resources = wire
        .resources
        .iter()
        .map(|resource| resource.read(&serialization, reading))
        .collect::<Result<Vec<_>, _>>()?;
    let mut fs_verity = BTreeMap::new();
    for (wire, resource) in wire.resources.iter().zip(&resources) {
        if let Some(digest) = wire.fs_verity(resource)? {
            fs_verity.insert(resource.path.clone(), digest);
        }
    }
    let manifest = Manifest::new(serialization, resources)?;
    let Some(signed) = subject.digest.get("sha256") else {
        return Err(StatementError::MissingDigest { subject: subject.name.to_string(), algorithm: "sha256" });
    };
    let computed = manifest.root_digest().to_hex();
    if **signed != *computed {
        return Err(StatementError::RootDigest { signed: signed.to_string(), computed });
    }
    Ok(SignedModel { name: subject.name.to_string(), manifest, fs_verity, predicate_type: PREDICATE_TYPE })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePredicate<'a> {
    #[serde(borrow)]
    resources: AtMost<Object<WireResource<'a>>, MAX_RESOURCES>,
    #[serde(borrow)]
    serialization: Object<WireSerialization<'a>>,
}

/// An in-toto ResourceDescriptor; fields that OMS does not use are ignored (§5.2.1).
#[derive(Serialize, Deserialize)]
struct WireResource<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    annotations: Option<Object<WireAnnotations<'a>>>,
}

/// What a producer says besides about a resource. Unknown annotations are ignored.
#[derive(Serialize, Deserialize)]
struct WireAnnotations<'a> {
    #[serde(
        rename = "fsverity-sha256",
        default,
        skip_serializing_if = "Option::is_none",
        borrow,
        deserialize_with = "present"
    )]
    fs_verity: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSerialization<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    hash_type: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    shard_size: Option<ShardSize>,
    allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow, deserialize_with = "present")]
    ignore_paths: Option<AtMost<Cow<'a, str>, MAX_IGNORE_PATHS>>,
}

/// Reads a member that may be absent but not `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A whole number of bytes; `1000.0` is one too (the reference implementation writes it so).
#[derive(Serialize)]
struct ShardSize(u64);

impl<'de> Deserialize<'de> for ShardSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        if let Some(whole) = number.as_u64() {
            return Ok(Self(whole));
        }
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match number.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and exact"
            )]
            Some(value) if value.fract() == 0.0 && (0.0..=EXACT).contains(&value) => Ok(Self(value as u64)),
            _ => Err(serde::de::Error::custom(format_args!(
                "shard_size {number} is not a positive whole number"
            ))),
        }
    }
}

impl WireSerialization<'_> {
    fn into_serialization(self) -> Result<Serialization, StatementError> {
        let method = match (&*self.method, self.shard_size) {
            ("files", None) => Method::Files,
            ("files", Some(_)) => return Err(StatementError::ShardSize("must be absent for 'files'".into())),
            ("shards", None) => return Err(StatementError::ShardSize("is missing".into())),
            ("shards", Some(ShardSize(size))) => Method::Shards(
                NonZeroU64::new(size).ok_or_else(|| StatementError::ShardSize("must be positive".into()))?,
            ),
            (other, _) => return Err(StatementError::Method(other.to_owned())),
        };
        let algorithm =
            self.hash_type.parse().map_err(|_| StatementError::HashType(self.hash_type.to_string()))?;
        let ignore_paths = self.ignore_paths.unwrap_or_default();
        let ignore_paths =
            ignore_paths.iter().map(|entry| parse_ignore_path(entry)).collect::<Result<_, _>>()?;
        Ok(Serialization { method, algorithm, allow_symlinks: self.allow_symlinks, ignore_paths })
    }
}

/// Reads an ignore entry: a plain path from the model's root, no glob, no `..`, not absolute (OMS v1.0 §6.2.1).
///
/// # Errors
/// [`StatementError::IgnorePath`].
pub fn parse_ignore_path(entry: &str) -> Result<ModelPath, StatementError> {
    let refuse = |reason: String| StatementError::IgnorePath { entry: entry.to_owned(), reason };
    if entry.contains(['*', '?', '[']) {
        return Err(refuse(
            "'*', '?' and '[' are not allowed (OMS v1.0 §6.2.1); rename the file, or ignore its directory"
                .into(),
        ));
    }
    ModelPath::parse(entry).map_err(|e| refuse(e.to_string()))
}

impl<'a> WireResource<'a> {
    fn of(resource: &'a Resource, fs_verity: &BTreeMap<ModelPath, FsVerityDigest>) -> Self {
        let first = resource.range.is_none_or(|range| range.start == 0);
        let digest = fs_verity.get(&resource.path).filter(|_| first);
        let annotations =
            digest.map(|digest| Object(WireAnnotations { fs_verity: Some(digest.to_hex().into()) }));
        Self {
            name: resource.name(),
            digest: resource.digest.to_hex().into(),
            algorithm: resource.digest.algorithm().name().into(),
            annotations,
        }
    }

    /// The fs-verity digest of the file that the resource is, or begins.
    fn fs_verity(&self, resource: &Resource) -> Result<Option<FsVerityDigest>, StatementError> {
        let Some(hex) = self.annotations.as_ref().and_then(|annotations| annotations.fs_verity.as_ref())
        else {
            return Ok(None);
        };
        let refuse = |why: String| StatementError::FsVerity { name: self.name.to_string(), why };
        if resource.range.is_some_and(|range| range.start != 0) {
            return Err(refuse("it stands on a shard that does not begin its file".to_owned()));
        }
        FsVerityDigest::from_hex(hex).map(Some).map_err(|error| refuse(error.to_string()))
    }

    fn read(&self, serialization: &Serialization, reading: Reading) -> Result<Resource, StatementError> {
        let algorithm = serialization.algorithm;
        if !self.algorithm_is(serialization, reading) {
            let (name, found) = (self.name.to_string(), self.algorithm.to_string());
            return Err(StatementError::Algorithm { name, found, expected: algorithm.name() });
        }
        let digest = Digest::from_hex(algorithm, &self.digest)
            .map_err(|error| StatementError::Digest { name: self.name.to_string(), error })?;
        let (path, range) = match serialization.method {
            Method::Files => (&*self.name, None),
            Method::Shards(_) => {
                let (path, range) = split_shard_name(&self.name)
                    .ok_or_else(|| StatementError::ShardName(self.name.to_string()))?;
                (path, Some(range))
            }
        };
        let path = if path == "." { ModelPath::reference_single_file() } else { ModelPath::parse(path)? };
        Ok(Resource { path, range, digest })
    }

    fn algorithm_is(&self, serialization: &Serialization, reading: Reading) -> bool {
        let name = serialization.algorithm.name();
        match serialization.method {
            Method::Shards(size) if reading == Reading::Field => {
                self.algorithm == name || self.algorithm == format!("{name}-sharded-{size}")
            }
            _ => self.algorithm == name,
        }
    }
}

/// Splits `<path>:<start>:<end>` from the right, since names may hold colons. Offsets are canonical decimals.
#[must_use]
pub fn split_shard_name(name: &str) -> Option<(&str, ByteRange)> {
    let (rest, end) = name.rsplit_once(':')?;
    let (path, start) = rest.rsplit_once(':')?;
    Some((path, ByteRange { start: canonical(start)?, end: canonical(end)? }))
}

fn canonical(decimal: &str) -> Option<u64> {
    let leading_zero = decimal.len() > 1 && decimal.starts_with('0');
    let digits = decimal.bytes().all(|b| b.is_ascii_digit());
    if leading_zero || !digits { None } else { decimal.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Algorithm, dsse::IN_TOTO_PAYLOAD_TYPE, predicate::read_signed_model};
    use proptest::prelude::*;
    use sha2::Digest as _;

    fn read_text(payload: &str) -> Result<SignedModel, StatementError> {
        read_signed_model(IN_TOTO_PAYLOAD_TYPE, payload.as_bytes(), Reading::Field)
    }

    fn statement(resources: &str, serialization: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"name":"m","digest":{{"sha256":"00"}}}}],
               "predicateType":"{PREDICATE_TYPE}",
               "predicate":{{"resources":[{resources}],"serialization":{{{serialization}}}}}}}"#
        )
    }

    #[test]
    fn shard_names_split_from_the_right_and_are_canonical() {
        let range = ByteRange { start: 0, end: 12 };
        assert_eq!(split_shard_name("a:b.bin:0:12"), Some(("a:b.bin", range)));
        for bad in [
            "a",
            "a:1",
            "a:00:12",
            "a:0:012",
            "a:+0:1",
            "a: 0:1",
            "a:0:18446744073709551616",
            "a:-1:2",
            "a::",
        ] {
            assert_eq!(split_shard_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_root_digest_must_be_that_of_the_resources() {
        let digest = "ab".repeat(32);
        let resource = format!(r#"{{"name":"a","digest":"{digest}","algorithm":"sha256"}}"#);
        let files = r#""method":"files","hash_type":"sha256","allow_symlinks":false"#;
        assert!(matches!(read_text(&statement(&resource, files)), Err(StatementError::RootDigest { .. })));
    }

    fn annotated(method: &str, name: &str, annotations: &str) -> Result<SignedModel, StatementError> {
        let root = Digest::sha256(sha2::Sha256::digest([0xab; 32]).into()).to_hex();
        let resource = format!(
            r#"{{"name":"{name}","digest":"{}","algorithm":"sha256","annotations":{annotations}}}"#,
            "ab".repeat(32)
        );
        let serialization = format!(r#"{method},"hash_type":"sha256","allow_symlinks":false"#);
        read_text(
            &statement(&resource, &serialization)
                .replace(r#""sha256":"00""#, &format!(r#""sha256":"{root}""#)),
        )
    }

    #[test]
    fn an_fs_verity_annotation_is_read_strictly_and_others_are_not_read() {
        const FILES: &str = r#""method":"files""#;
        const SHARDS: &str = r#""method":"shards","shard_size":10"#;
        let hex = "0f".repeat(32);
        let digest = FsVerityDigest::new([0x0f; 32]);
        let good = format!(r#"{{"other":[1,{{"x":null}}],"fsverity-sha256":"{hex}"}}"#);
        let path = ModelPath::parse("a").unwrap();
        let expected = BTreeMap::from([(path, digest)]);
        assert_eq!(annotated(FILES, "a", &good).unwrap().fs_verity, expected);
        assert_eq!(annotated(SHARDS, "a:0:10", &good).unwrap().fs_verity, expected);
        for none in ["{}", "null", r#"{"fsverity-sha512":"zz","FSVERITY-SHA256":7}"#] {
            assert_eq!(annotated(FILES, "a", none).unwrap().fs_verity, BTreeMap::new(), "{none}");
        }
        for bad in [
            hex.to_uppercase(),
            hex[1..].to_owned(),
            format!("{hex}0"),
            String::new(),
            format!("sha256:{hex}"),
        ] {
            let error = annotated(FILES, "a", &format!(r#"{{"fsverity-sha256":"{bad}"}}"#)).unwrap_err();
            assert!(matches!(&error, StatementError::FsVerity { name, .. } if name == "a"), "{error}");
        }
        let twice = format!(r#"{{"fsverity-sha256":"{hex}","fsverity-sha256":"{hex}"}}"#);
        for bad in ["[]", "7", r#""x""#, r#"{"fsverity-sha256":null}"#, r#"{"fsverity-sha256":7}"#, &twice] {
            assert!(matches!(annotated(FILES, "a", bad), Err(StatementError::Json(_))), "{bad}");
        }
        let error = annotated(SHARDS, "a:10:20", &good).unwrap_err();
        assert!(matches!(error, StatementError::FsVerity { .. }), "{error}");
    }

    #[test]
    fn a_null_is_not_an_absent_member() {
        let files = r#""method":"files","hash_type":"sha256","allow_symlinks":false,"ignore_paths":null"#;
        assert!(matches!(read_text(&statement("", files)), Err(StatementError::Json(_))));
    }

    fn arbitrary_manifest() -> impl Strategy<Value = Manifest> {
        let names = proptest::collection::btree_set("[a-zA-Z0-9 :é模\n.-]{1,8}x", 1..12);
        (names, prop::sample::select(&Algorithm::ALL), prop::option::of(1..40_u64), any::<bool>()).prop_map(
            |(names, algorithm, shard, allow_symlinks)| {
                let digest = |n: u8| Digest::new(algorithm, &vec![n; algorithm.digest_len()]).unwrap();
                let mut resources = Vec::new();
                for (at, name) in names.iter().enumerate() {
                    let path = ModelPath::parse(name).unwrap();
                    let at = u8::try_from(at).unwrap();
                    let Some(size) = shard else {
                        resources.push(Resource { path, range: None, digest: digest(at) });
                        continue;
                    };
                    for start in (0..u64::from(at) * 7).step_by(usize::try_from(size).unwrap()) {
                        let range = Some(ByteRange { start, end: (start + size).min(u64::from(at) * 7) });
                        resources.push(Resource { path: path.clone(), range, digest: digest(at) });
                    }
                    if at == 0 {
                        let range = Some(ByteRange { start: 0, end: 0 });
                        resources.push(Resource { path, range, digest: digest(at) });
                    }
                }
                let method = shard.and_then(NonZeroU64::new).map_or(Method::Files, Method::Shards);
                let serialization = Serialization { method, algorithm, allow_symlinks, ignore_paths: vec![] };
                Manifest::sorted(serialization, resources).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(
            manifest in arbitrary_manifest(), name in "[^\0]{1,20}", annotated in any::<u64>(),
        ) {
            let mut fs_verity = BTreeMap::new();
            for (at, resource) in manifest.resources().iter().enumerate() {
                if annotated >> (at % 64) & 1 == 1 {
                    let digest = FsVerityDigest::new([u8::try_from(at % 256).unwrap(); 32]);
                    fs_verity.insert(resource.path.clone(), digest);
                }
            }
            let payload = write_annotated(&manifest, &name, &fs_verity).unwrap();
            let read = read_signed_model(IN_TOTO_PAYLOAD_TYPE, &payload, Reading::Letter).unwrap();
            prop_assert_eq!(&read.manifest, &manifest);
            prop_assert_eq!(&read.name, &name);
            prop_assert_eq!(&read.fs_verity, &fs_verity);
            prop_assert_eq!(write_annotated(&read.manifest, &read.name, &read.fs_verity).unwrap(), payload);
        }
    }
}
