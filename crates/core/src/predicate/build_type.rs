//! The build types of modelseal's own SLSA provenance: which external parameters each has, which of them name inputs, and
//! under which fixed names these inputs are resolved dependencies. `docs/buildtypes` has a page for each.
//!
//! The parameters are closed: one that a build type does not define is refused, as SLSA asks of verifiers. Every URI among
//! them must have exactly one resolved dependency of the name that belongs to it, with that URI and a strong digest;
//! otherwise the input is *unresolved*.

use super::{error::PredicateError, field::is_uri, slsa_provenance::Provenance};
use crate::json::{pointer::escaped, value::Value};

/// Where the pages of the build types are.
const PAGES: &str = "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/";

/// The builder of a run that no CI system and nobody else names: a machine about which nothing is known. It is worth level 1,
/// whoever signs, because it names nobody (`docs/buildtypes/local-builder.md`).
pub const LOCAL_BUILDER: &str =
    "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/local-builder.md";

/// The name under which examples of these build types were published before they had a home (RFC 2606).
const EXAMPLES: &str = "https://example.invalid/modelsign/buildtypes/";

/// A kind of step by which models are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuildType {
    /// Trained, from nothing or from a base model.
    Training,
    /// Trained further from a base model: all weights, or an adapter.
    FineTune,
    /// Weights stored with fewer bits.
    Quantize,
    /// Several models made into one.
    Merge,
    /// Another file format, the same weights.
    Convert,
}

/// An external parameter that a build type defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in `externalParameters`.
    pub name: &'static str,
    /// What it holds.
    pub kind: ParameterKind,
    /// Whether it must be there.
    pub required: bool,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Text: for people, or a path inside the source.
    Text,
    /// Values by name: text, numbers, booleans. Only those given outside the configuration file.
    Values,
    /// The URI of an input, which is resolved under this name.
    Input(&'static str),
    /// At least so many URIs of inputs, each resolved under this name.
    Inputs(&'static str, usize),
}

/// An input of a build that no resolved dependency pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// JSON pointer of the parameter inside the predicate.
    pub at: String,
    /// The input.
    pub uri: String,
    /// Why it is not resolved.
    pub why: &'static str,
}

/// Name of the dependency that is the source the build ran.
pub const SOURCE: &str = "source";
/// Name of the dependencies that are models this one was made from.
pub const BASE_MODEL: &str = "baseModel";
/// Name of the dependencies that are data.
pub const DATASET: &str = "dataset";
/// Name of the dependency that is the container image the build ran in.
pub const CONTAINER: &str = "container";
/// Name of the dependency that is the file pinning the software the build used.
pub const LOCKFILE: &str = "lockfile";
/// Name of the dependencies that are the bundles which vouch for base models.
pub const BASE_MODEL_SIGNATURE: &str = "baseModelSignature";

const fn optional(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter { name, kind, required: false }
}

const fn required(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter { name, kind, required: true }
}

const SOURCE_URI: Parameter = optional("source", ParameterKind::Input(SOURCE));
const ENTRY_POINT: Parameter = optional("entryPoint", ParameterKind::Text);
const CONFIG: Parameter = optional("config", ParameterKind::Text);
const DATASETS: Parameter = optional("datasets", ParameterKind::Inputs(DATASET, 0));
const HYPERPARAMETERS: Parameter = optional("hyperparameters", ParameterKind::Values);
const OPTIONS: Parameter = optional("options", ParameterKind::Values);
const BASE: Parameter = required("baseModel", ParameterKind::Input(BASE_MODEL));
const BASES: Parameter = required("baseModels", ParameterKind::Inputs(BASE_MODEL, 2));
const METHOD: Parameter = required("method", ParameterKind::Text);
const FORMAT: Parameter = required("format", ParameterKind::Text);

const TRAINING: [Parameter; 6] = [
    SOURCE_URI,
    ENTRY_POINT,
    CONFIG,
    optional("baseModel", ParameterKind::Input(BASE_MODEL)),
    DATASETS,
    HYPERPARAMETERS,
];
const FINE_TUNE: [Parameter; 6] = [SOURCE_URI, ENTRY_POINT, CONFIG, BASE, DATASETS, HYPERPARAMETERS];
const QUANTIZE: [Parameter; 7] = [SOURCE_URI, ENTRY_POINT, CONFIG, BASE, DATASETS, METHOD, OPTIONS];
const MERGE: [Parameter; 6] = [SOURCE_URI, ENTRY_POINT, CONFIG, BASES, METHOD, OPTIONS];
const CONVERT: [Parameter; 6] = [SOURCE_URI, ENTRY_POINT, CONFIG, BASE, FORMAT, OPTIONS];

impl BuildType {
    /// Every build type.
    pub const ALL: [Self; 5] = [Self::Training, Self::FineTune, Self::Quantize, Self::Merge, Self::Convert];

    /// Its short name, as on the command line and in its URI.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::FineTune => "fine-tune",
            Self::Quantize => "quantize",
            Self::Merge => "merge",
            Self::Convert => "convert",
        }
    }

    /// The value of `buildType`, where a page describes it.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{PAGES}{}/v1.md", self.name())
    }

    /// The build type that `build_type` names, letter for letter.
    #[must_use]
    pub fn of_uri(build_type: &str) -> Option<Self> {
        let name = build_type.strip_prefix(PAGES).and_then(|rest| rest.strip_suffix("/v1.md"));
        let example = || build_type.strip_prefix(EXAMPLES).and_then(|rest| rest.strip_suffix("/v1"));
        let name = name.or_else(example)?;
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Whether `build_type` is a name under which only these build types are, and is none of them.
    #[must_use]
    pub fn is_invented(build_type: &str) -> bool {
        let ours = [PAGES, EXAMPLES].iter().any(|prefix| build_type.starts_with(prefix));
        ours && Self::of_uri(build_type).is_none()
    }

    /// Its external parameters, all there are.
    #[must_use]
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Training => &TRAINING,
            Self::FineTune => &FINE_TUNE,
            Self::Quantize => &QUANTIZE,
            Self::Merge => &MERGE,
            Self::Convert => &CONVERT,
        }
    }

    /// Checks the external parameters of `provenance`: none that is not defined, and each what it must be.
    ///
    /// # Errors
    /// [`PredicateError`] names the parameter.
    pub fn check(self, provenance: &Provenance) -> Result<(), PredicateError> {
        for name in provenance.external_parameters.keys() {
            if !self.parameters().iter().any(|known| known.name == &**name) {
                return Err(PredicateError::UnknownParameter {
                    at: pointer(name),
                    known: self.parameters().iter().map(|known| known.name).collect(),
                });
            }
        }
        for parameter in self.parameters() {
            let at = pointer(parameter.name);
            match provenance.external_parameters.get(parameter.name).filter(|value| !is_unset(value)) {
                None if parameter.required => return Err(PredicateError::Missing { at }),
                None => {}
                Some(value) => parameter.kind.check(&at, value)?,
            }
        }
        Ok(())
    }

    /// The inputs that no resolved dependency pins, or more than one claims to. The parameters were checked.
    #[must_use]
    pub fn unresolved(self, provenance: &Provenance) -> Vec<Unresolved> {
        let inputs = self.parameters().iter().flat_map(|parameter| {
            let at = pointer(parameter.name);
            match (parameter.kind, provenance.external_parameters.get(parameter.name)) {
                (ParameterKind::Input(name), Some(value)) => vec![(at, name, value)],
                (ParameterKind::Inputs(name, _), Some(Value::Array(values))) => values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| (format!("{at}/{index}"), name, value))
                    .collect(),
                _ => Vec::new(),
            }
        });
        inputs
            .filter_map(|(at, name, value)| {
                let uri = value.as_str().filter(|uri| !uri.is_empty())?;
                let why = why_unresolved(provenance, name, uri)?;
                Some(Unresolved { at, uri: uri.to_owned(), why })
            })
            .collect()
    }
}

impl ParameterKind {
    fn check(self, at: &str, value: &Value) -> Result<(), PredicateError> {
        let wrong = |expected| PredicateError::Kind { at: at.to_owned(), expected, found: value.kind() };
        match (self, value) {
            (Self::Text, Value::String(_)) => Ok(()),
            (Self::Text, _) => Err(wrong("a string")),
            (Self::Values, Value::Object(members)) => {
                let nested = |value: &Value| matches!(value, Value::Object(_) | Value::Array(_));
                match members.iter().find(|(_, value)| nested(value)) {
                    None => Ok(()),
                    Some((name, value)) => Err(PredicateError::Kind {
                        at: format!("{at}/{}", escaped(name)),
                        expected: "a string, a number or a boolean",
                        found: value.kind(),
                    }),
                }
            }
            (Self::Values, _) => Err(wrong("an object")),
            (Self::Input(_), value) => check_uri(at, value),
            (Self::Inputs(_, least), Value::Array(values)) if values.len() >= least => values
                .iter()
                .enumerate()
                .try_for_each(|(index, value)| check_uri(&format!("{at}/{index}"), value)),
            (Self::Inputs(_, 2), Value::Array(_)) => Err(PredicateError::Contradiction {
                at: at.to_owned(),
                why: "a merge has at least two base models",
            }),
            (Self::Inputs(..), _) => Err(wrong("an array")),
        }
    }
}

fn check_uri(at: &str, value: &Value) -> Result<(), PredicateError> {
    match value.as_str() {
        Some(uri) if is_uri(uri) => Ok(()),
        Some(other) => Err(PredicateError::Uri { at: at.to_owned(), found: other.to_owned() }),
        None => Err(PredicateError::Kind { at: at.to_owned(), expected: "a string", found: value.kind() }),
    }
}

fn why_unresolved(provenance: &Provenance, name: &str, uri: &str) -> Option<&'static str> {
    let mut same = provenance.dependencies(name).filter(|dependency| dependency.uri.as_deref() == Some(uri));
    match (same.next(), same.next()) {
        (None, _) => Some("no resolved dependency of that name has this uri"),
        (Some(_), Some(_)) => Some("more than one resolved dependency has this uri"),
        (Some(only), None) if only.digest.is_empty() => Some("its resolved dependency has no digest"),
        (Some(only), None) if !only.digest.has_accepted() => {
            Some("its resolved dependency has weak digests only")
        }
        (Some(_), None) => None,
    }
}

/// Unset, `null` and empty mean the same.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn pointer(name: &str) -> String {
    format!("/buildDefinition/externalParameters/{}", escaped(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance(build_type: BuildType, parameters: &str, dependencies: &str) -> Provenance {
        let text = format!(
            r#"{{"buildDefinition": {{"buildType": "{}", "externalParameters": {parameters},
                "resolvedDependencies": {dependencies}}}, "runDetails": {{"builder": {{"id": "x:y"}}}}}}"#,
            build_type.uri()
        );
        Provenance::read_v1(&Value::parse(text.as_bytes(), 1 << 20).unwrap()).unwrap()
    }

    #[test]
    fn a_uri_names_its_build_type_letter_for_letter() {
        for build_type in BuildType::ALL {
            assert_eq!(BuildType::of_uri(&build_type.uri()), Some(build_type));
            assert_eq!(BuildType::of_uri(&format!("{}/", build_type.uri())), None);
        }
        assert_eq!(BuildType::of_uri(&format!("{EXAMPLES}training/v1")), Some(BuildType::Training));
        assert_eq!(BuildType::of_uri("https://example.com/buildtypes/training/v1"), None);
        for build_type in BuildType::ALL {
            assert!(!BuildType::is_invented(&build_type.uri()));
        }
        assert!(BuildType::is_invented(&format!("{PAGES}distill/v1.md")));
        assert!(BuildType::is_invented(&format!("{EXAMPLES}training/v2")));
        assert!(!BuildType::is_invented("https://example.com/buildtypes/distill/v1.md"));
    }

    #[test]
    fn parameters_are_closed_and_typed() {
        let base = r#""baseModel": "pkg:huggingface/a/b@1""#;
        let check = |build_type: BuildType, parameters: &str| {
            build_type.check(&provenance(build_type, parameters, "[]"))
        };
        check(BuildType::Training, "{}").unwrap();
        check(
            BuildType::FineTune,
            &format!(r#"{{{base}, "hyperparameters": {{"seed": 9007199254740993, "lr": "2e-4"}}}}"#),
        )
        .unwrap();
        check(BuildType::Merge, r#"{"baseModels": ["a:b", "c:d"], "method": "slerp"}"#).unwrap();
        for (build_type, parameters, at) in [
            (BuildType::Training, r#"{"postprocess": "x"}"#.to_owned(), "/postprocess"),
            (BuildType::Training, r#"{"a/b~c": 1}"#.to_owned(), "/a~1b~0c"),
            (BuildType::FineTune, "{}".to_owned(), "/baseModel"),
            (BuildType::FineTune, r#"{"baseModel": ""}"#.to_owned(), "/baseModel"),
            (BuildType::FineTune, r#"{"baseModel": "no uri"}"#.to_owned(), "/baseModel"),
            (BuildType::FineTune, r#"{"baseModel": 7}"#.to_owned(), "/baseModel"),
            (BuildType::FineTune, format!(r#"{{{base}, "datasets": "a:b"}}"#), "/datasets"),
            (BuildType::FineTune, format!(r#"{{{base}, "datasets": ["a:b", 7]}}"#), "/datasets/1"),
            (
                BuildType::FineTune,
                format!(r#"{{{base}, "hyperparameters": {{"a": [1]}}}}"#),
                "/hyperparameters/a",
            ),
            (BuildType::Quantize, format!("{{{base}}}"), "/method"),
            (BuildType::Merge, r#"{"baseModels": ["a:b"], "method": "slerp"}"#.to_owned(), "/baseModels"),
            (BuildType::Convert, format!(r#"{{{base}, "format": ["gguf"]}}"#), "/format"),
        ] {
            let error = check(build_type, &parameters).unwrap_err();
            assert_eq!(
                error.at(),
                format!("/buildDefinition/externalParameters{at}"),
                "{parameters}: {error}"
            );
        }
    }

    #[test]
    fn every_input_has_exactly_one_dependency_that_pins_it() {
        let strong = format!(r#"{{"sha256": "{}"}}"#, "ab".repeat(32));
        let base = |digest: &str| format!(r#"{{"name": "baseModel", "uri": "a:b", "digest": {digest}}}"#);
        let data = format!(r#"{{"name": "dataset", "uri": "c:d", "digest": {strong}}}"#);
        let unresolved = |dependencies: String| {
            let read = provenance(
                BuildType::FineTune,
                r#"{"baseModel": "a:b", "datasets": ["c:d"]}"#,
                &dependencies,
            );
            BuildType::FineTune.unresolved(&read).into_iter().map(|u| (u.uri, u.why)).collect::<Vec<_>>()
        };
        assert_eq!(unresolved(format!("[{}, {data}]", base(&strong))), []);
        for (dependencies, uri, part) in [
            (format!("[{data}]"), "a:b", "no resolved"),
            (format!("[{}]", base(&strong)), "c:d", "no resolved"),
            (format!("[{data}, {0}, {0}]", base(&strong)), "a:b", "more than one"),
            (format!("[{data}, {}]", base("{}")), "a:b", "no digest"),
            (
                format!(r#"[{data}, {}]"#, base(r#"{"md5": "00000000000000000000000000000000"}"#)),
                "a:b",
                "weak",
            ),
            (format!("[{data}, {}]", base(&strong).replace("baseModel", "dataset")), "a:b", "no resolved"),
        ] {
            let found = unresolved(dependencies);
            assert!(matches!(&found[..], [(u, why)] if u == uri && why.contains(part)), "{found:?}");
        }
    }
}
