//! [`Run`]: what somebody says about a run, and [`Plan`]: what its provenance will say, before any input was read.

use super::{
    ci::{CiEnvironment, CiSystem},
    error::AttestError,
    input::{Input, InputKind, InputPin},
    run_file, secret,
};
use crate::error::Error;
use jiff::Timestamp;
use modelseal_core::{
    json::value::Value,
    limits::MAX_RUN_INPUTS,
    predicate::{
        build_type::{BuildType, ParameterKind, Unresolved},
        descriptor::{Descriptor, DigestSet},
        field::{Members, is_uri, parse_time},
        slsa_provenance::Provenance,
    },
    text::Printable,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

pub use modelseal_core::predicate::build_type::LOCAL_BUILDER;

/// What somebody says about a run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// What kind of step it was.
    pub build_type: Option<BuildType>,
    /// What ran, inside the source.
    pub entry_point: Option<String>,
    /// The configuration file it ran with, inside the source.
    pub config: Option<String>,
    /// How weights were quantised or merged.
    pub method: Option<String>,
    /// The file format that was converted to.
    pub format: Option<String>,
    /// Hyperparameters or options, as text. Of two with one name the last counts.
    pub values: Vec<(String, String)>,
    /// What went in.
    pub inputs: Vec<Input>,
    /// Who ran it (a URI).
    pub builder_id: Option<String>,
    /// Versions of the builder's parts.
    pub builder_version: BTreeMap<String, String>,
    /// The builder's name for the run.
    pub invocation_id: Option<String>,
    /// When it started.
    pub started_on: Option<Timestamp>,
    /// When it ended.
    pub finished_on: Option<Timestamp>,
    /// What the builder set itself.
    pub internal: Vec<(String, String)>,
    /// What it left besides the model.
    pub byproducts: Vec<Byproduct>,
    /// What the run file calls its values: `hyperparameters`, `options`. The build type must call them so, too.
    pub value_names: BTreeSet<&'static str>,
}

/// What a run left besides the model: a log, metrics, a resolved configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Byproduct {
    /// Tells it from the others.
    pub name: String,
    /// Where it is; it is measured.
    pub path: PathBuf,
    /// Where others find it.
    pub uri: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
}

/// What surrounds a run.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The environment of a CI system.
    pub environment: CiEnvironment,
    /// Which system it is of; whatever it says it is unless set.
    pub system: Option<CiSystem>,
    /// Takes what somebody chose when the run was started by hand for its hyperparameters or options.
    pub inputs_as_parameters: bool,
}

/// What the provenance will say, less the digests.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) build_type: BuildType,
    pub(super) inputs: Vec<Input>,
    pub(super) byproducts: Vec<Byproduct>,
    /// Without dependencies and by-products.
    pub(super) provenance: Provenance,
    pub(super) notes: Vec<String>,
}

impl Run {
    /// Reads the file of a run (`docs/provenance.md`). Paths in it are taken from the folder that it lies in.
    ///
    /// # Errors
    /// [`Error::Attest`] with the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        run_file::read(path).map_err(Error::Attest)
    }

    /// Sets a hyperparameter or option, `NAME=VALUE`, whatever the run file says.
    ///
    /// # Errors
    /// [`Error::Attest`] when it has no name.
    pub fn parameter(&mut self, text: &str) -> Result<(), Error> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                self.values.push((name.to_owned(), value.to_owned()));
                Ok(())
            }
            _ => {
                let why = format!("'{}' is no parameter; write it as NAME=VALUE", Printable(text));
                Err(Error::Attest(AttestError::Parameter(why)))
            }
        }
    }

    /// Joins what was said with what surrounds the run, and checks all of it that can be checked before anything is read.
    pub(super) fn plan(self, surroundings: &Surroundings) -> Result<Plan, AttestError> {
        let wrong = |why: String| Err(AttestError::Parameter(why));
        let Some(build_type) = self.build_type else {
            return wrong(
                "the build type is not given; say what kind of step it was with --build-type".into(),
            );
        };
        let mut notes = Vec::new();
        let system = surroundings.system.or_else(|| surroundings.environment.system());
        let mut facts = system.map(|system| surroundings.environment.facts(system)).unwrap_or_default();
        let mut chosen = Members::new();
        match facts.inputs() {
            Ok(inputs) => chosen = inputs,
            Err(why) if surroundings.inputs_as_parameters => return Err(AttestError::Event(why)),
            Err(why) => notes.push(format!("the workflow's inputs were not recorded: {why}")),
        }
        notes.append(&mut facts.notes);

        let mut internal = facts.internal;
        internal.insert("modelseal_version".into(), env!("CARGO_PKG_VERSION").into());
        if let Some((name, _)) = self.internal.iter().find(|(name, _)| is_reserved(name)) {
            return wrong(format!(
                "'{}' among the internal parameters has a prefix that is for what modelseal and CI systems say; name it \
                 otherwise",
                Printable(name)
            ));
        }
        internal
            .extend(self.internal.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
        let mut values = Members::new();
        if surroundings.inputs_as_parameters {
            values.append(&mut chosen);
        } else if let (false, Some(system)) = (chosen.is_empty(), system) {
            internal.insert(format!("{system}_inputs").into(), Value::Object(chosen));
        }
        values.extend(self.values.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
        self.refuse_secrets(&values, &internal)?;

        let mut inputs = Vec::with_capacity(self.inputs.len() + 1);
        for input in self.inputs {
            let (input, note) = input.stripped();
            notes.extend(note);
            inputs.push(input);
        }
        add_source(&mut inputs, facts.source, facts.commit.as_deref());
        if inputs.len() > MAX_RUN_INPUTS {
            return wrong(format!(
                "more than {MAX_RUN_INPUTS} inputs; describe datasets by one Croissant file"
            ));
        }
        refuse_twice(&inputs)?;

        let mut external = Externals { build_type, members: Members::new() };
        external.text("entryPoint", "an entry point", self.entry_point)?;
        external.text("config", "a configuration file", self.config)?;
        external.text("method", "a method", self.method)?;
        external.text("format", "a format", self.format)?;
        external.values(values, &self.value_names)?;
        external.inputs(&inputs)?;
        let external = external.members;
        if let Some(name) = internal.keys().find(|name| external.contains_key(*name)) {
            return wrong(format!("'{}' is the name of an external parameter, too", Printable(name)));
        }

        let builder_id = self.builder_id.or(facts.builder_id).unwrap_or_else(|| LOCAL_BUILDER.to_owned());
        if !is_uri(&builder_id) || secret::has_user_info(&builder_id) {
            return wrong(format!(
                "the builder's id '{}' is no URI without user and password",
                Printable(&builder_id)
            ));
        }
        let started_on = self.started_on.or_else(|| facts.started_on.as_deref().and_then(parse_time));
        if let (Some(start), Some(finish)) = (started_on, self.finished_on)
            && finish < start
        {
            return wrong(format!("the run cannot have ended on {finish}, before it started on {start}"));
        }
        let provenance = Provenance {
            build_type: build_type.uri(),
            external_parameters: external,
            internal_parameters: internal,
            resolved_dependencies: Vec::new(),
            builder_id,
            builder_version: self.builder_version,
            builder_dependencies: Vec::new(),
            invocation_id: self.invocation_id.or(facts.invocation_id),
            started_on,
            finished_on: self.finished_on,
            byproducts: Vec::new(),
        };
        build_type.check(&provenance).map_err(|e| {
            AttestError::Parameter(format!("the run cannot be recorded as '{}': {e}", build_type.name()))
        })?;
        Ok(Plan { build_type, inputs, byproducts: self.byproducts, provenance, notes })
    }

    /// Refuses what is called what secrets are called, or looks like one, in the parameters and in what was said besides.
    fn refuse_secrets(&self, values: &Members, internal: &Members) -> Result<(), AttestError> {
        let refuse = |why: String| Err(AttestError::Parameter(why));
        if let Some(name) = values.keys().chain(internal.keys()).find(|name| secret::is_named_so(name)) {
            return refuse(format!(
                "'{}' is called what secrets are called, and a statement is public for ever; leave it out",
                Printable(name)
            ));
        }
        if self.invocation_id.as_deref().is_some_and(secret::has_user_info) {
            return refuse("the run's id has a user or password in it; leave them out".into());
        }
        let versions = self.builder_version.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let run_id = self.invocation_id.iter().map(|text| ("the run's id", text.as_str()));
        let left = self.byproducts.iter().map(|left| ("a by-product's name", left.name.as_str()));
        let members =
            values.iter().chain(internal).filter_map(|(name, value)| Some((&**name, value.as_str()?)));
        match versions.chain(run_id).chain(left).chain(members).find(|(_, text)| secret::looks_so(text)) {
            None => Ok(()),
            Some((name, _)) => refuse(format!(
                "the value of '{}' looks like a secret, and a statement is public for ever; leave it out",
                Printable(name)
            )),
        }
    }
}

impl Plan {
    /// The inputs that nothing pins, known before anything is read.
    pub(super) fn unresolved(&self) -> Vec<Unresolved> {
        // With a digest that stands for whatever will be measured, only what has nothing is left.
        let any = || DigestSet::of([("sha256", "0".repeat(64))]);
        let pinned = self.inputs.iter().filter(|input| input.pin != InputPin::Nothing);
        let dependency = |input: &Input| Descriptor {
            name: Some(input.kind.dependency().to_owned()),
            uri: input.uri.clone(),
            digest: any(),
            ..Descriptor::default()
        };
        let provenance =
            Provenance { resolved_dependencies: pinned.map(dependency).collect(), ..self.provenance.clone() };
        self.build_type.unresolved(&provenance)
    }
}

/// The source that the surroundings name, where nobody names one, and its commit, where somebody names the same source
/// without one.
fn add_source(inputs: &mut Vec<Input>, source: Option<String>, commit: Option<&str>) {
    let Some(source) = source else { return };
    let pin = match commit {
        Some(commit) => InputPin::Digest(DigestSet::of([("gitCommit", commit)])),
        None => InputPin::Nothing,
    };
    match inputs.iter_mut().find(|input| input.kind == InputKind::Source) {
        None => inputs.insert(0, Input { kind: InputKind::Source, uri: Some(source), pin }),
        Some(given) if given.pin == InputPin::Nothing && given.uri.as_ref() == Some(&source) => {
            given.pin = pin
        }
        Some(_) => {}
    }
}

fn refuse_twice(inputs: &[Input]) -> Result<(), AttestError> {
    let mut seen = BTreeSet::new();
    for input in inputs {
        let again = input.uri.as_ref().is_some_and(|uri| !seen.insert((input.kind, uri)));
        if again {
            return Err(AttestError::Input { input: input.label(), why: "it is given twice".into() });
        }
    }
    Ok(())
}

/// The external parameters, none of which the build type does not define.
struct Externals {
    build_type: BuildType,
    members: Members,
}

impl Externals {
    fn text(&mut self, name: &'static str, what: &str, text: Option<String>) -> Result<(), AttestError> {
        let Some(text) = text else { return Ok(()) };
        if secret::looks_so(&text) {
            return Err(AttestError::Parameter(format!("{what} looks like a secret; leave it out")));
        }
        self.defines(name, what)?;
        self.members.insert(name.into(), text.into());
        Ok(())
    }

    /// What training calls hyperparameters, other steps call options.
    fn values(&mut self, values: Members, written: &BTreeSet<&'static str>) -> Result<(), AttestError> {
        for name in written {
            self.defines(name, name)?;
        }
        if !values.is_empty() {
            let mut parameters = self.build_type.parameters().iter();
            let own = parameters.find(|parameter| parameter.kind == ParameterKind::Values);
            let name = own.map_or("options", |found| found.name);
            self.members.insert(name.into(), Value::Object(values));
        }
        Ok(())
    }

    fn inputs(&mut self, inputs: &[Input]) -> Result<(), AttestError> {
        for (kind, what) in [
            (InputKind::Source, "a source"),
            (InputKind::Base, "a base model"),
            (InputKind::Dataset, "datasets"),
        ] {
            let of_kind = inputs.iter().filter(|input| input.kind == kind);
            let mut uris: Vec<Value> =
                of_kind.filter_map(|input| input.uri.as_deref().map(Value::from)).collect();
            if uris.is_empty() {
                continue;
            }
            let dependency = kind.dependency();
            let parameter = self.build_type.parameters().iter().find(|parameter| match parameter.kind {
                ParameterKind::Input(name) | ParameterKind::Inputs(name, _) => name == dependency,
                ParameterKind::Text | ParameterKind::Values => false,
            });
            let Some(parameter) = parameter else { return self.defines(dependency, what) };
            let value = match (parameter.kind, uris.len()) {
                (ParameterKind::Inputs(..), _) => Value::Array(uris),
                (_, 1) => uris.remove(0),
                (_, count) => {
                    return Err(AttestError::Parameter(format!(
                        "a run of type '{}' has one {}, and {count} are given",
                        self.build_type.name(),
                        kind.word()
                    )));
                }
            };
            self.members.insert(parameter.name.into(), value);
        }
        Ok(())
    }

    fn defines(&self, name: &str, what: &str) -> Result<(), AttestError> {
        if self.build_type.parameters().iter().any(|known| known.name == name) {
            return Ok(());
        }
        let known: Vec<&str> = self.build_type.parameters().iter().map(|known| known.name).collect();
        Err(AttestError::Parameter(format!(
            "a run of type '{}' has no {}; it has {}",
            self.build_type.name(),
            what.strip_prefix("a ").or_else(|| what.strip_prefix("an ")).unwrap_or(what),
            known.join(", ")
        )))
    }
}

/// Whether a name is for what modelseal, or a CI system that it asked, says of the run.
fn is_reserved(name: &str) -> bool {
    let systems = CiSystem::ALL.map(CiSystem::name);
    systems.iter().chain(&["modelseal"]).any(|system| {
        name.strip_prefix(system).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-', '.']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of which nothing is wrong but what `change` does to it.
    fn plan(change: impl FnOnce(&mut Run)) -> Result<Plan, AttestError> {
        let mut run = Run { build_type: Some(BuildType::Training), ..Run::default() };
        change(&mut run);
        run.plan(&Surroundings::default())
    }

    fn internal(name: &str) -> Result<Plan, AttestError> {
        plan(|run| run.internal.push((name.into(), "8".into())))
    }

    #[test]
    fn names_of_what_modelseal_and_ci_systems_say_are_theirs() {
        for name in [
            "modelseal_version",
            "modelseal",
            "modelseal.x",
            "github_event_name",
            "github_inputs",
            "gitlab-runner",
            "tekton",
            "buildkite_source",
            "jenkins.node_name",
        ] {
            let why = internal(name).unwrap_err().to_string();
            assert!(why.contains(&format!("'{name}' among")) && why.contains("name it otherwise"), "{why}");
        }
        for name in ["hosts", "githubby", "modelsealed", "my_github_runner", "jenkinsfile"] {
            let parameters = internal(name).unwrap().provenance.internal_parameters;
            let names: Vec<&str> = parameters.keys().map(|name| &**name).collect();
            let mut expected = [name, "modelseal_version"];
            expected.sort_unstable();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn secrets_are_refused_wherever_somebody_says_them() {
        const SECRET: &str = "ghp_0123456789abcdefghij";
        let byproduct = |name: &str| Byproduct {
            name: name.into(),
            path: PathBuf::from("log"),
            uri: None,
            media_type: None,
        };
        type Change<'a> = &'a dyn Fn(&mut Run);
        let changes: [(Change<'_>, &str); 13] = [
            (&|run| run.values.push(("hf_token".into(), "x".into())), "'hf_token' is called what secrets"),
            (&|run| run.internal.push(("db_password".into(), "x".into())), "'db_password' is called what"),
            (&|run| run.values.push(("note".into(), SECRET.into())), "the value of 'note' looks like"),
            (&|run| run.internal.push(("host".into(), SECRET.into())), "the value of 'host' looks like"),
            (&|run| drop(run.builder_version.insert("x".into(), SECRET.into())), "the value of 'x' looks"),
            (&|run| run.invocation_id = Some(SECRET.into()), "the value of 'the run's id' looks like"),
            (&|run| run.invocation_id = Some("https://u:p@host/1".into()), "the run's id has a user"),
            (&|run| run.byproducts.push(byproduct(SECRET)), "the value of 'a by-product's name' looks"),
            (&|run| run.builder_id = Some("https://u:p@host".into()), "no URI without user and password"),
            (&|run| run.entry_point = Some(SECRET.into()), "an entry point looks like a secret"),
            (&|run| run.config = Some(SECRET.into()), "a configuration file looks like a secret"),
            (&|run| run.method = Some(SECRET.into()), "a method looks like a secret"),
            (&|run| run.format = Some(SECRET.into()), "a format looks like a secret"),
        ];
        for (change, part) in changes {
            let error = plan(change).unwrap_err();
            let why = error.to_string();
            assert!(matches!(error, AttestError::Parameter(_)) && why.contains(part), "{part}: {why}");
            assert!(!why.contains(SECRET) && !why.contains("u:p@") || part.contains("no URI"), "{why}");
        }
        plan(|run| {
            run.values.push(("max_tokens".into(), "512".into()));
            run.internal.push(("hosts".into(), "8".into()));
            run.builder_version.insert("trainer".into(), "3".into());
            run.invocation_id = Some("https://host/runs/1".into());
            run.byproducts.push(byproduct("log"));
        })
        .unwrap();
    }
}
