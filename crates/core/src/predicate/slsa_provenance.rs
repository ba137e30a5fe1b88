//! SLSA build provenance: version 1 (SLSA v1.0 to v1.2 changed no field), and version 0.2 seen through the same eyes. Only
//! version 1 is written.

use super::{
    descriptor::Descriptor,
    error::PredicateError,
    field::{Field, Members},
    vsa_v1::{object, text_map},
};
use crate::json::value::Value;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The predicate type of version 1.
pub const PREDICATE_TYPE_V1: &str = "https://slsa.dev/provenance/v1";

/// The predicate type of version 0.2, as slsa-github-generator and GitLab's runner write it.
pub const PREDICATE_TYPE_V0_2: &str = "https://slsa.dev/provenance/v0.2";

/// How an artifact was built, in the words of whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Names the rules of the parameters (a URI).
    pub build_type: String,
    /// What the user of the builder chose; not to be trusted until every one was compared with what is expected. Under
    /// version 0.2 these are `configSource` and `parameters` of `invocation`.
    pub external_parameters: Members,
    /// What the builder set itself. Under version 0.2, `environment` of `invocation`.
    pub internal_parameters: Members,
    /// What went into the build.
    pub resolved_dependencies: Vec<Descriptor>,
    /// The builder (a URI): the only thing that a level may be granted for, and only together with who signed.
    pub builder_id: String,
    /// Versions of the builder's parts.
    pub builder_version: BTreeMap<String, String>,
    /// What the builder itself depends on.
    pub builder_dependencies: Vec<Descriptor>,
    /// The builder's name for this run.
    pub invocation_id: Option<String>,
    /// When the run started.
    pub started_on: Option<Timestamp>,
    /// When the run ended.
    pub finished_on: Option<Timestamp>,
    /// What the build left besides its subjects: logs, metrics, the resolved configuration.
    pub byproducts: Vec<Descriptor>,
}

/// The top-level source of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The repository, without `git+` before it and `@ref` behind.
    pub repository: String,
    /// The branch, tag or revision that was asked for.
    pub reference: Option<String>,
}

impl Provenance {
    /// Reads version 1.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read_v1(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let definition = root.member("buildDefinition")?;
        let run = root.member("runDetails")?;
        let builder = run.member("builder")?;
        let metadata = run.member("metadata")?;
        let read = Self {
            build_type: definition.member("buildType")?.required_uri()?,
            external_parameters: definition.member("externalParameters")?.required_values()?,
            internal_parameters: definition.member("internalParameters")?.values()?,
            resolved_dependencies: Descriptor::read_all(&definition.member("resolvedDependencies")?)?,
            builder_id: builder.member("id")?.required_uri()?,
            builder_version: builder.member("version")?.text_map()?,
            builder_dependencies: Descriptor::read_all(&builder.member("builderDependencies")?)?,
            // A string by the specification; GitLab's documentation shows a number.
            invocation_id: metadata.member("invocationId")?.text_or_number()?,
            started_on: metadata.member("startedOn")?.time()?,
            finished_on: metadata.member("finishedOn")?.time()?,
            byproducts: Descriptor::read_all(&run.member("byproducts")?)?,
        };
        read.check_times(&metadata.member("finishedOn")?)
    }

    /// Reads version 0.2 as what version 1 would say (SLSA v1.0, provenance, "Migrating from 0.2").
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read_v0_2(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let invocation = root.member("invocation")?;
        let metadata = root.member("metadata")?;
        let mut external_parameters = Members::new();
        for name in ["configSource", "parameters"] {
            let members = invocation.member(name)?.values()?;
            if !members.is_empty() {
                external_parameters.insert(name.into(), Value::Object(members));
            }
        }
        let read = Self {
            build_type: root.member("buildType")?.required_uri()?,
            external_parameters,
            internal_parameters: invocation.member("environment")?.values()?,
            resolved_dependencies: Descriptor::read_all(&root.member("materials")?)?,
            builder_id: root.member("builder")?.member("id")?.required_uri()?,
            builder_version: BTreeMap::new(),
            builder_dependencies: Vec::new(),
            invocation_id: metadata.member("buildInvocationID")?.text_or_number()?,
            started_on: metadata.member("buildStartedOn")?.time()?,
            finished_on: metadata.member("buildFinishedOn")?.time()?,
            byproducts: Vec::new(),
        };
        read.check_times(&metadata.member("buildFinishedOn")?)
    }

    /// The predicate of version 1 as JSON. What is empty is left out, but for what version 1 requires.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let all =
            |descriptors: &[Descriptor]| descriptors.iter().map(Descriptor::to_value).collect::<Value>();
        let time = |time: Timestamp| Value::from(time.to_string());
        let text = |text: &String| Value::from(text.as_str());
        let some = |fields: Vec<(&'static str, Option<Value>)>| {
            object(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
        };
        let given = |descriptors: &[Descriptor]| (!descriptors.is_empty()).then(|| all(descriptors));
        let members = |members: &Members| (!members.is_empty()).then(|| Value::Object(members.clone()));
        let builder = some(vec![
            ("id", Some(text(&self.builder_id))),
            ("version", (!self.builder_version.is_empty()).then(|| text_map(&self.builder_version))),
            ("builderDependencies", given(&self.builder_dependencies)),
        ]);
        let metadata = some(vec![
            ("invocationId", self.invocation_id.as_ref().map(text)),
            ("startedOn", self.started_on.map(time)),
            ("finishedOn", self.finished_on.map(time)),
        ]);
        let has_metadata = metadata != object(Vec::new());
        object(vec![
            (
                "buildDefinition",
                some(vec![
                    ("buildType", Some(text(&self.build_type))),
                    ("externalParameters", Some(Value::Object(self.external_parameters.clone()))),
                    ("internalParameters", members(&self.internal_parameters)),
                    ("resolvedDependencies", given(&self.resolved_dependencies)),
                ]),
            ),
            (
                "runDetails",
                some(vec![
                    ("builder", Some(builder)),
                    ("metadata", has_metadata.then_some(metadata)),
                    ("byproducts", given(&self.byproducts)),
                ]),
            ),
        ])
    }

    /// The top-level source, where this build type says so in its external parameters. `None` for build types that are
    /// not known, whose parameters have to be compared one by one.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        let parameter = |path: &[&str]| {
            let (first, rest) = path.split_first()?;
            rest.iter()
                .try_fold(self.external_parameters.get(*first)?, |value, name| value.get(name))?
                .as_str()
        };
        let pair = |repository: &[&str], reference: &[&str]| {
            let source = Source::split(parameter(repository)?);
            Some(Source { reference: parameter(reference).map(str::to_owned).or(source.reference), ..source })
        };
        match &*self.build_type {
            "https://actions.github.io/buildtypes/workflow/v1"
            | "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1" => {
                pair(&["workflow", "repository"], &["workflow", "ref"])
            }
            "https://tekton.dev/chains/v2/slsa" | "https://tekton.dev/chains/v2/slsa-tekton" => {
                pair(&["buildConfigSource", "repository"], &["buildConfigSource", "ref"])
            }
            _ => pair(&["source"], &[]).or_else(|| pair(&["configSource", "uri"], &[])),
        }
    }

    /// The resolved dependencies of that name.
    pub fn dependencies(&self, name: &str) -> impl Iterator<Item = &Descriptor> {
        self.resolved_dependencies.iter().filter(move |dependency| dependency.name.as_deref() == Some(name))
    }

    fn check_times(self, end: &Field<'_>) -> Result<Self, PredicateError> {
        match (self.started_on, self.finished_on) {
            (Some(start), Some(finish)) if finish < start => {
                Err(PredicateError::EndBeforeStart { at: end.at().to_owned() })
            }
            _ => Ok(self),
        }
    }
}

impl Source {
    /// Takes `git+https://host/repository@reference` apart. An `@` before the path belongs to the authority.
    #[must_use]
    pub fn split(text: &str) -> Self {
        let text = text.strip_prefix("git+").unwrap_or(text);
        let authority = text.find("://").map_or(0, |at| at + 3);
        let path = text[authority..].find('/').map_or(text.len(), |at| authority + at);
        let (repository, reference) = match text[path..].split_once('@') {
            Some((inside, reference)) => (&text[..path + inside.len()], Some(reference.to_owned())),
            None => (text, None),
        };
        Self { repository: repository.to_owned(), reference }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
        "buildDefinition": {
            "buildType": "https://example.com/train/v1",
            "externalParameters": {"source": "git+https://git.example.com/a/b@refs/tags/v1", "seed": 9007199254740993},
            "internalParameters": {"hosts": 8},
            "resolvedDependencies": [{"name": "baseModel", "uri": "pkg:huggingface/a/b@1"}, {"content": "eA=="}]
        },
        "runDetails": {
            "builder": {"id": "https://trainer.example.com/l2", "version": {"trainer": "3"}, "builderDependencies": []},
            "metadata": {"invocationId": "run-1", "startedOn": "2026-03-01T00:00:00Z", "finishedOn": "2026-03-01T06:30:00.5Z"},
            "byproducts": [{"name": "log", "uri": "x:y"}],
            "vendor_extension": {"anything": [1, 2]}
        }
    }"#;

    fn v1(text: &str) -> Result<Provenance, PredicateError> {
        Provenance::read_v1(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    fn with(from: &str, to: &str) -> Result<Provenance, PredicateError> {
        assert!(GOOD.contains(from), "{from}");
        v1(&GOOD.replace(from, to))
    }

    #[test]
    fn every_field_of_version_1_is_read() {
        let read = v1(GOOD).unwrap();
        assert_eq!(read.external_parameters["seed"].to_string(), "9007199254740993");
        assert_eq!(read.internal_parameters["hosts"].to_string(), "8");
        assert_eq!(read.resolved_dependencies.len(), 2);
        assert_eq!(read.dependencies("baseModel").count(), 1);
        assert_eq!(
            (&*read.builder_id, &*read.builder_version["trainer"]),
            ("https://trainer.example.com/l2", "3")
        );
        assert_eq!(read.invocation_id.as_deref(), Some("run-1"));
        assert!(read.started_on < read.finished_on);
        assert_eq!(read.byproducts[0].name.as_deref(), Some("log"));
        let source = Source {
            repository: "https://git.example.com/a/b".into(),
            reference: Some("refs/tags/v1".into()),
        };
        assert_eq!(read.source(), Some(source));
    }

    #[test]
    fn what_is_written_reads_back() {
        let read = v1(GOOD).unwrap();
        assert_eq!(Provenance::read_v1(&read.to_value()), Ok(read.clone()));
        let bare = Provenance {
            internal_parameters: Members::new(),
            resolved_dependencies: Vec::new(),
            builder_version: BTreeMap::new(),
            invocation_id: None,
            started_on: None,
            finished_on: None,
            byproducts: Vec::new(),
            ..read
        };
        assert_eq!(Provenance::read_v1(&bare.to_value()), Ok(bare.clone()));
        for absent in ["internalParameters", "resolvedDependencies", "metadata", "byproducts"] {
            assert!(!bare.to_value().to_string().contains(absent), "{absent}");
        }
    }

    #[test]
    fn required_fields_are_required_and_the_error_says_where() {
        for (from, to, at) in [
            (
                "\"buildType\": \"https://example.com/train/v1\"",
                "\"buildType\": null",
                "/buildDefinition/buildType",
            ),
            ("\"id\": \"https://trainer.example.com/l2\"", "\"id\": null", "/runDetails/builder/id"),
            ("\"id\": \"https://trainer.example.com/l2\"", "\"id\": \"\"", "/runDetails/builder/id"),
            ("\"id\": \"https://trainer.example.com/l2\"", "\"id\": \"trainer\"", "/runDetails/builder/id"),
            ("\"id\": \"https://trainer.example.com/l2\"", "\"id\": 7", "/runDetails/builder/id"),
            ("\"externalParameters\"", "\"externalparameters\"", "/buildDefinition/externalParameters"),
            ("\"buildDefinition\"", "\"build\"", "/buildDefinition/buildType"),
            ("[{\"name\": \"log\", \"uri\": \"x:y\"}]", "[{\"name\": \"log\"}]", "/runDetails/byproducts/0"),
            ("[{\"name\": \"log\", \"uri\": \"x:y\"}]", "{}", "/runDetails/byproducts"),
            ("\"2026-03-01T00:00:00Z\"", "\"2026-03-01T00:00:00+02:00\"", "/runDetails/metadata/startedOn"),
            ("\"2026-03-01T00:00:00Z\"", "\"2026-03-02T00:00:00Z\"", "/runDetails/metadata/finishedOn"),
            ("{\"trainer\": \"3\"}", "{\"trainer\": 3}", "/runDetails/builder/version/trainer"),
            ("{\"content\": \"eA==\"}", "null", "/buildDefinition/resolvedDependencies/1"),
        ] {
            let error = with(from, to).unwrap_err();
            assert_eq!(error.at(), at, "{to}");
            assert!(error.to_string().starts_with(at), "{error}");
        }
        for bad in ["[]", "7", "{}", "null"] {
            assert!(v1(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_producers_do_otherwise_is_read() {
        assert_eq!(with("\"run-1\"", "412").unwrap().invocation_id.as_deref(), Some("412"));
        let big = "12345678901234567890123";
        assert_eq!(with("\"run-1\"", big).unwrap().invocation_id.as_deref(), Some(big));
        assert_eq!(with("\"run-1\"", "\"\"").unwrap().invocation_id, None);
        assert!(with("\"run-1\"", "[1]").is_err());
        assert_eq!(with("{\"hosts\": 8}", "null").unwrap().internal_parameters, Members::new());
        assert_eq!(
            with("\"builderDependencies\": []", "\"builderDependencies\": null")
                .unwrap()
                .builder_dependencies,
            []
        );
    }

    #[test]
    fn version_0_2_is_seen_as_version_1() {
        let text = r#"{
            "builder": {"id": "https://github.com/x/y.yml@refs/tags/v2"},
            "buildType": "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
            "invocation": {
                "configSource": {"uri": "git+https://github.com/a/b@refs/heads/main", "digest": {"sha256": "short"}, "entryPoint": "t"},
                "parameters": {"event_inputs": {"epochs": "3"}},
                "environment": {"github_run_id": "1"}
            },
            "metadata": {"buildInvocationID": "1-1", "reproducible": false},
            "materials": [{"uri": "git+https://github.com/a/b", "digest": {"sha1": "7b964cd933b2cc9106deabd4641111826cfbc094"}}]
        }"#;
        let read = |text: &str| Provenance::read_v0_2(&Value::parse(text.as_bytes(), 1 << 20).unwrap());
        let provenance = read(text).unwrap();
        let keys: Vec<&str> = provenance.external_parameters.keys().map(|k| &**k).collect();
        assert_eq!(keys, ["configSource", "parameters"]);
        assert_eq!(provenance.source().unwrap().repository, "https://github.com/a/b");
        assert_eq!(provenance.source().unwrap().reference.as_deref(), Some("refs/heads/main"));
        assert_eq!(provenance.invocation_id.as_deref(), Some("1-1"));
        assert!(!provenance.resolved_dependencies[0].is_pinned());
        assert!(read(&text.replace("\"id\"", "\"ID\"")).is_err());
        assert!(read(&text.replace("\"buildType\"", "\"type\"")).is_err());
        assert!(read(&text.replace("cfbc094", "CFBC094")).is_err());
    }

    #[test]
    fn sources_are_taken_apart_behind_the_authority() {
        for (text, repository, reference) in [
            ("https://github.com/a/b", "https://github.com/a/b", None),
            (
                "git+https://github.com/a/b.git@refs/heads/x@y",
                "https://github.com/a/b.git",
                Some("refs/heads/x@y"),
            ),
            ("git+ssh://git@github.com/a/b@v1", "ssh://git@github.com/a/b", Some("v1")),
            ("git+ssh://git@github.com", "ssh://git@github.com", None),
            ("", "", None),
            ("é@é", "é@é", None),
        ] {
            let source = Source::split(text);
            assert_eq!((&*source.repository, source.reference.as_deref()), (repository, reference), "{text}");
        }
    }
}
