//! What went into a build, as its provenance has it.

use crate::report::{LineageInput, LineageInputKind as Kind};
use modelseal_core::{
    artifact::ArtifactId,
    limits::MAX_LINEAGE_INPUTS,
    predicate::{
        build_type::{BASE_MODEL, BASE_MODEL_SIGNATURE, BuildType, CONTAINER, DATASET, LOCKFILE, SOURCE},
        descriptor::{Descriptor, DigestSet},
        slsa_provenance::Provenance,
    },
};
use modelseal_verify::decision::is_model;

/// An input, with all that is needed to find it.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) kind: Kind,
    pub(super) uri: Option<String>,
    pub(super) digests: DigestSet,
    pub(super) method: Option<String>,
    pub(super) ids: Vec<ArtifactId>,
    /// Why nothing says which bytes are meant.
    pub(super) why: Option<String>,
}

/// The inputs of a build, and whether there are more than are looked at.
pub(super) fn of(provenance: &Provenance) -> (Vec<Input>, bool) {
    let dependencies = &provenance.resolved_dependencies;
    let mut inputs: Vec<Input> = dependencies.iter().take(MAX_LINEAGE_INPUTS).map(of_dependency).collect();
    // What the user of the builder asked for and no dependency resolves.
    let known = BuildType::of_uri(&provenance.build_type);
    for unresolved in known.map(|known| known.unresolved(provenance)).unwrap_or_default() {
        let kind = kind_of_parameter(&unresolved.at);
        let uri = Some(unresolved.uri.as_str());
        let mut same =
            inputs.iter_mut().filter(|input| input.kind == kind && input.uri.as_deref() == uri).peekable();
        if same.peek().is_none() {
            inputs.push(Input {
                kind,
                uri: Some(unresolved.uri),
                digests: DigestSet::default(),
                method: None,
                ids: Vec::new(),
                why: Some(unresolved.why.to_owned()),
            });
            continue;
        }
        for input in same {
            input.ids.clear();
            input.why = Some(unresolved.why.to_owned());
        }
    }
    let over = dependencies.len() > MAX_LINEAGE_INPUTS || inputs.len() > MAX_LINEAGE_INPUTS;
    inputs.truncate(MAX_LINEAGE_INPUTS);
    (inputs, over)
}

impl Input {
    pub(super) fn report(&self) -> LineageInput {
        LineageInput {
            kind: self.kind,
            uri: self.uri.clone(),
            digests: self.digests.iter().map(|(a, hex)| (a.to_owned(), hex.to_owned())).collect(),
            pinned: self.why.is_none(),
            why: self.why.clone(),
        }
    }
}

fn of_dependency(dependency: &Descriptor) -> Input {
    let ids = ArtifactId::of_descriptor(dependency);
    let why = match () {
        () if !ids.is_empty() => None,
        () if dependency.content.is_some() => None,
        () if dependency.digest.is_empty() => Some("it has no digest"),
        () if dependency.digest.has_accepted() => Some("its digest does not cover the names of its files"),
        () => Some("it has weak digests only"),
    };
    Input {
        kind: kind_of(dependency),
        uri: dependency.uri.clone(),
        digests: dependency.digest.clone(),
        method: dependency.digest_method().map(str::to_owned),
        ids,
        why: why.map(str::to_owned),
    }
}

fn kind_of(dependency: &Descriptor) -> Kind {
    let uri = dependency.uri.as_deref().unwrap_or_default();
    match dependency.name.as_deref().unwrap_or_default() {
        BASE_MODEL => Kind::BaseModel,
        BASE_MODEL_SIGNATURE => Kind::BaseModelSignature,
        DATASET => Kind::Dataset,
        SOURCE => Kind::Source,
        CONTAINER => Kind::Container,
        LOCKFILE => Kind::Lockfile,
        _ if is_model(dependency) || is_model_package(uri) => Kind::BaseModel,
        // Other producers name nothing; what the URI is of says what it is.
        _ if uri.starts_with("git+") => Kind::Source,
        _ if ["pkg:docker/", "pkg:oci/", "oci://", "docker://"]
            .iter()
            .any(|start| uri.starts_with(start)) =>
        {
            Kind::Container
        }
        _ if uri.contains("/datasets/") => Kind::Dataset,
        _ => Kind::Other,
    }
}

fn is_model_package(uri: &str) -> bool {
    uri.starts_with("pkg:huggingface/") || uri.starts_with("pkg:mlflow/")
}

fn kind_of_parameter(at: &str) -> Kind {
    let name = at.strip_prefix("/buildDefinition/externalParameters/").unwrap_or(at);
    match name.split('/').next().unwrap_or_default() {
        "baseModel" | "baseModels" => Kind::BaseModel,
        "datasets" => Kind::Dataset,
        "source" => Kind::Source,
        _ => Kind::Other,
    }
}
