//! What an index needs of a statement, found without judging the rest of it.
//!
//! The strict reader judges when a bundle is used, [`Claims::of`]. An index only has to lead to every bundle that the strict
//! reader would take: leading to more does no harm. So provenance, which most statements are, is read for its subjects and
//! dependencies alone, in a third of the time. Whatever does not look like that goes through the strict reader.

use super::{claims::Claims, index::Key};
use modelseal_core::{
    artifact::ArtifactId,
    attestation::Subject,
    bundle::Bundle,
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::value::Value,
    predicate::{
        descriptor::{Descriptor, DigestSet},
        slsa_provenance::PREDICATE_TYPE_V1,
    },
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap};

/// What a statement is found by.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) predicate_type: Option<String>,
    pub(super) build_type: Option<String>,
    pub(super) links: Vec<Key>,
}

impl Seen {
    /// What the strict reader found.
    pub(super) fn in_claims(claims: &Claims) -> Self {
        let mut links = Vec::new();
        for subject in &claims.subjects {
            links.extend(subject.ids.iter().map(Key::subject));
        }
        for dependency in &claims.dependencies {
            links.extend(dependency.ids.iter().map(Key::dependency));
        }
        let resources = claims.subjects.iter().chain(&claims.dependencies);
        links.extend(resources.filter_map(|resource| resource.uri.as_deref()).map(Key::uri));
        Self {
            predicate_type: Some(claims.predicate_type.clone()),
            build_type: claims.build_type.clone(),
            links,
        }
    }

    /// What a glance finds in provenance; `None` for anything else.
    pub(super) fn at_a_glance(bundle: &Bundle) -> Option<Self> {
        if bundle.envelope().payload_type() != IN_TOTO_PAYLOAD_TYPE {
            return None;
        }
        let statement: Statement<'_> = serde_json::from_slice(bundle.payload_unverified()).ok()?;
        if statement.predicate_type != PREDICATE_TYPE_V1 {
            return None;
        }
        let mut links = Vec::new();
        let uris =
            statement.subject.iter().chain(statement.predicate.definition.dependencies.iter().flatten());
        for resource in uris {
            let uri = resource.uri.as_deref().filter(|uri| !uri.is_empty());
            links.extend(uri.map(Key::uri));
        }
        let subjects: Vec<Subject> = statement.subject.into_iter().map(Resource::into_subject).collect();
        links.extend(ArtifactId::of_subjects(&subjects).iter().map(Key::subject));
        for dependency in statement.predicate.definition.dependencies.into_iter().flatten() {
            let ids = ArtifactId::of_descriptor(&dependency.into_descriptor());
            links.extend(ids.iter().map(Key::dependency));
        }
        Some(Self {
            predicate_type: Some(statement.predicate_type.into_owned()),
            build_type: statement.predicate.definition.build_type.map(Cow::into_owned),
            links,
        })
    }
}

#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(borrow)]
    subject: Vec<Resource<'a>>,
    #[serde(rename = "predicateType", borrow)]
    predicate_type: Cow<'a, str>,
    #[serde(borrow)]
    predicate: Predicate<'a>,
}

#[derive(Deserialize)]
struct Predicate<'a> {
    #[serde(rename = "buildDefinition", borrow)]
    definition: Definition<'a>,
}

#[derive(Deserialize)]
struct Definition<'a> {
    #[serde(rename = "buildType", default, borrow)]
    build_type: Option<Cow<'a, str>>,
    #[serde(rename = "resolvedDependencies", default, borrow)]
    dependencies: Option<Vec<Resource<'a>>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(default, borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    digest: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(default, borrow)]
    annotations: Option<Annotations<'a>>,
}

#[derive(Deserialize)]
struct Annotations<'a> {
    /// Also `null` is something.
    #[serde(rename = "digestMethod", default, borrow, deserialize_with = "raw")]
    method: Option<&'a RawValue>,
}

fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Resource<'_> {
    fn digests(&mut self) -> DigestSet {
        let digests = self.digest.take().unwrap_or_default();
        DigestSet::of(digests.into_iter().map(|(name, hex)| (name.into_owned(), hex.into_owned())))
    }

    fn method(&self) -> Option<&RawValue> {
        self.annotations.as_ref().and_then(|annotations| annotations.method)
    }

    fn into_subject(mut self) -> Subject {
        // As the strict reader: what is no string still marks a directory.
        let method = self.method().map(|raw| text(raw).unwrap_or_else(|| raw.get().to_owned()));
        Subject {
            digest: self.digests(),
            name: self.name.filter(|name| !name.is_empty()).map(Cow::into_owned),
            uri: None,
            digest_method: method,
        }
    }

    fn into_descriptor(mut self) -> Descriptor {
        let method = self.method().and_then(text).map(|method| Value::from(method.as_str()));
        Descriptor {
            digest: self.digests(),
            annotations: method.map(|method| ("digestMethod".into(), method)).into_iter().collect(),
            ..Descriptor::default()
        }
    }
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "these are tests")]

    use super::*;
    use modelseal_core::{
        bundle::{PublicKeyIdentifier, VerificationMaterial},
        dsse::Envelope,
    };
    use proptest::prelude::*;

    fn bundle(statement: &str) -> Bundle {
        let material = VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint("x".into()));
        Bundle::new(material, Envelope::new(IN_TOTO_PAYLOAD_TYPE, statement.as_bytes().to_vec(), vec![1]))
    }

    fn sorted(seen: Seen) -> Vec<Key> {
        let mut links = seen.links;
        links.sort_unstable();
        links.dedup();
        links
    }

    fn resource() -> impl Strategy<Value = String> {
        let name =
            prop_oneof![Just("null"), Just(r#""""#), Just(r#""a""#), Just(r#""b\/c""#), Just(r#""..\/x""#)];
        let uri = prop_oneof![Just("null"), Just(r#""""#), Just(r#""a:b""#), Just(r#""a\u003ab""#)];
        let digest = (
            prop::sample::select(vec![
                "sha256",
                "dirHash",
                "manifest-sha256",
                "md5",
                "sha\\u003512",
                "gitCommit",
                "cool",
            ]),
            0..4_u8,
        )
            .prop_map(|(algorithm, n)| {
                let length = match algorithm {
                    "md5" => 16,
                    "gitCommit" => 20,
                    "sha\\u003512" => 64,
                    _ => 32,
                };
                format!(r#""{algorithm}":"{}""#, format!("0{n}").repeat(length))
            });
        let annotations = prop::sample::select(vec![
            "null",
            "{}",
            r#"{"digestMethod":"oms/v1.0;files;sha256"}"#,
            r#"{"digestMethod":"oms\/v1.0;files;blake3","x":[{}]}"#,
            r#"{"digestMethod":"file;part-of-directory"}"#,
            r#"{"digestMethod":null}"#,
            r#"{"digestMethod":7}"#,
            r#"{"digest\u004dethod":"oms/v1.0;files;sha256"}"#,
        ]);
        (name, uri, prop::collection::vec(digest, 0..3), annotations).prop_map(|(name, uri, digest, annotations)| {
            format!(r#"{{"name":{name},"uri":{uri},"digest":{{{}}},"annotations":{annotations},"content":"eA=="}}"#, digest.join(","))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn a_glance_finds_whatever_the_strict_reader_does(
            subjects in prop::collection::vec(resource(), 1..4),
            dependencies in prop::option::of(prop::collection::vec(resource(), 0..4)),
        ) {
            let dependencies =
                dependencies.map_or("null".into(), |dependencies| format!("[{}]", dependencies.join(",")));
            let bundle = bundle(&format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{}],"predicateType":"https://slsa.dev/provenance\u002fv1",
                "predicate":{{"buildDefinition":{{"buildType":"a:b","externalParameters":{{}},"resolvedDependencies":{dependencies}}},
                "runDetails":{{"builder":{{"id":"x:y"}}}}}}}}"#,
                subjects.join(",")
            ));
            let glance = Seen::at_a_glance(&bundle).unwrap();
            if let Ok(claims) = Claims::of(&bundle) {
                let strict = Seen::in_claims(&claims);
                prop_assert_eq!((&strict.predicate_type, &strict.build_type), (&glance.predicate_type, &glance.build_type));
                let (strict, glance) = (sorted(strict), sorted(glance));
                prop_assert!(strict.iter().all(|link| glance.contains(link)), "{:?} in {:?}", strict, glance);
            }
        }
    }

    #[test]
    fn only_provenance_is_glanced_at() {
        for other in
            ["", "{}", "[]", r#"{"subject":[],"predicateType":"x:y","predicate":{"buildDefinition":{}}}"#]
        {
            assert_eq!(Seen::at_a_glance(&bundle(other)), None, "{other}");
        }
        let twice = r#"{"subject":[],"subject":[],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":{}}}"#;
        assert_eq!(Seen::at_a_glance(&bundle(twice)), None);
    }
}
