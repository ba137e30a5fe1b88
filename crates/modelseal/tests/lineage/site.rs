//! A folder with models, a store, and people with keys.

use modelseal::{
    ArtifactId, KeySigner, LineageRequest, LineageTrust, PrivateKey, PublicKey, Signer, Statements, Store,
    StoreError, StoredBundle, Verifier,
    report::{LineageNode, LineageReport, LineageStatus},
};
use modelseal_attest::statement::Statement;
use modelseal_core::{
    artifact::DIR_HASH_METHOD,
    bundle::Bundle,
    digest::{Algorithm, Digest},
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
    json::value::Value,
    key::KeyAlgorithm,
    manifest::{Manifest, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
    predicate::{build_type::BuildType, slsa_provenance::PREDICATE_TYPE_V1},
};
use modelseal_model::{Options, Source, measure};
use serde_json::json;
use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub(crate) const BUILDER: &str = "https://trainer.example/l2";

pub(crate) struct Site {
    directory: TempDir,
    bundles: Cell<usize>,
}

/// Somebody with a key.
pub(crate) struct Person {
    signer: KeySigner,
    pem: String,
}

/// What a model was made from.
pub(crate) struct Base<'a> {
    pub(crate) uri: &'a str,
    pub(crate) digest: serde_json::Value,
    pub(crate) method: Option<&'a str>,
}

/// Every bundle of a store, whatever is asked: who asks has to look what each is about.
struct Everything(Store);

impl Statements for Everything {
    fn about(&self, _: &[ArtifactId]) -> Result<Vec<StoredBundle>, StoreError> {
        let mut all: Vec<StoredBundle> = self.0.bundles()?.filter_map(Result::ok).collect();
        all.sort_by_key(|bundle| bundle.sha256);
        all.dedup_by_key(|bundle| bundle.sha256);
        Ok(all)
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap(), bundles: Cell::new(0) };
        fs::create_dir(site.store()).unwrap();
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a model of two files, and measures it.
    pub(crate) fn model(&self, name: &str, weights: &str) -> Observed<Manifest> {
        self.file(&format!("{name}/weights.bin"), weights);
        self.file(&format!("{name}/config.json"), "{}");
        self.measured(name)
    }

    pub(crate) fn measured(&self, name: &str) -> Observed<Manifest> {
        let source = Source::open(&self.path(name)).unwrap();
        let options = Options { exclude: vec![ModelPath::parse("model.sig").unwrap()], ..Options::default() };
        measure(&source, &options, &()).unwrap().manifest
    }

    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a bundle into the store.
    pub(crate) fn put(&self, bundle: &Bundle) {
        let n = self.bundles.replace(self.bundles.get() + 1);
        self.file(&format!("store/{}/{n}.sigstore.json", n % 16), bundle.to_json().unwrap());
    }

    /// Puts a bundle beside a model.
    pub(crate) fn put_beside(&self, model: &str, bundle: &Bundle) {
        self.file(&format!("{model}/model.sig"), bundle.to_json().unwrap());
    }

    pub(crate) fn walk(&self, request: &LineageRequest, trust: &LineageTrust<'_>) -> LineageReport {
        let report = request.run(&Store::open(self.store()).unwrap(), trust, &()).unwrap();
        // An index answers as reading everything does.
        let again = request.run(&Everything(Store::open(self.store()).unwrap()), trust, &()).unwrap();
        assert_eq!((&report.nodes, &report.edges), (&again.nodes, &again.edges));
        // Whatever was found can be written, and the graph is one: edges lead from and to its nodes.
        assert!(serde_json::to_string(&report).is_ok());
        let ids: std::collections::HashSet<_> = report.nodes.iter().map(|node| &*node.id).collect();
        assert_eq!(ids.len(), report.nodes.len());
        assert!(report.edges.iter().all(|edge| ids.contains(&*edge.from) && ids.contains(&*edge.to)));
        report
    }

    /// Walks from the model of that name.
    pub(crate) fn from(&self, model: &str, trusted: &[&Person]) -> LineageReport {
        self.walk(&modelseal::lineage(self.path(model)), &trust(trusted))
    }
}

impl Person {
    pub(crate) fn new() -> Self {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        Self { pem: key.public_key_pem(), signer: KeySigner::new(key) }
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::from_pem(self.pem.as_bytes()).unwrap()
    }

    pub(crate) fn public_key_pem(&self) -> String {
        self.pem.clone()
    }

    fn sign(&self, statement: Statement) -> Bundle {
        statement.sign(&self.signer).unwrap()
    }

    /// A signature of a model.
    pub(crate) fn signs(&self, model: &Observed<Manifest>) -> Bundle {
        self.sign(Statement::of_model(model, "model").unwrap())
    }

    /// Any statement about a model.
    pub(crate) fn says(
        &self,
        model: &Observed<Manifest>,
        kind: &str,
        predicate: &serde_json::Value,
    ) -> Bundle {
        let predicate = Value::parse(predicate.to_string().as_bytes(), 1 << 20).unwrap();
        self.sign(Statement::about_model(model, "model", kind, &predicate).unwrap())
    }

    /// Any statement about anything.
    pub(crate) fn states(&self, statement: &serde_json::Value) -> Bundle {
        let payload = statement.to_string().into_bytes();
        let signature = self.signer.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload)).unwrap();
        Bundle::new(self.signer.material(), Envelope::new(IN_TOTO_PAYLOAD_TYPE, payload, signature))
    }

    /// Provenance: the model was made so from these.
    pub(crate) fn made(&self, model: &Observed<Manifest>, how: BuildType, bases: &[Base<'_>]) -> Bundle {
        self.says(model, PREDICATE_TYPE_V1, &provenance(how, BUILDER, bases))
    }
}

pub(crate) fn trust(trusted: &[&Person]) -> LineageTrust<'static> {
    LineageTrust::Signers(trusted.iter().map(|person| Verifier::with_key(person.public_key())).collect())
}

pub(crate) fn provenance(how: BuildType, builder: &str, bases: &[Base<'_>]) -> serde_json::Value {
    let mut parameters = serde_json::Map::new();
    match (how, bases) {
        (_, []) => {}
        (BuildType::Merge, bases) => {
            let uris: Vec<&str> = bases.iter().map(|base| base.uri).collect();
            parameters.insert("baseModels".into(), json!(uris));
            parameters.insert("method".into(), "slerp".into());
        }
        (_, [base, ..]) => {
            parameters.insert("baseModel".into(), base.uri.into());
        }
    }
    match how {
        BuildType::Convert => drop(parameters.insert("format".into(), "gguf".into())),
        BuildType::Quantize => drop(parameters.insert("method".into(), "q8".into())),
        _ => {}
    }
    let dependencies: Vec<serde_json::Value> = bases
        .iter()
        .map(|base| {
            let mut dependency = json!({ "name": "baseModel", "uri": base.uri, "digest": base.digest });
            if let Some(method) = base.method {
                dependency["annotations"] = json!({ "digestMethod": method });
            }
            dependency
        })
        .collect();
    json!({
        "buildDefinition": {
            "buildType": how.uri(),
            "externalParameters": parameters,
            "resolvedDependencies": dependencies,
        },
        "runDetails": { "builder": { "id": builder } },
    })
}

/// A model as provenance pins it.
pub(crate) fn base<'a>(uri: &'a str, model: &Observed<Manifest>) -> Base<'a> {
    let manifest = model.get().manifest_digest().to_hex();
    let digest = json!({
        "sha256": model.get().root_digest().to_hex(),
        "manifest-sha256": manifest,
        "dirHash": manifest,
    });
    Base { uri, digest, method: Some(DIR_HASH_METHOD) }
}

/// A model of which there are no bytes: as many different ones as there are numbers.
pub(crate) fn imagined(n: usize) -> Observed<Manifest> {
    let file = |name: &str, n: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        Resource { path: ModelPath::parse(name).unwrap(), range: None, digest: Digest::sha256(digest) }
    };
    let resources = vec![file("a/config.json", 7), file("a/weights.bin", n)];
    let manifest = Manifest::sorted(Serialization::default(), resources).unwrap();
    assert_eq!(manifest.serialization().algorithm, Algorithm::Sha256);
    Observed::measured_by_this_process(manifest)
}

/// The model, as whoever leaves a path out of it measures it.
pub(crate) fn without(model: &Observed<Manifest>, path: &str) -> Observed<Manifest> {
    let mut serialization = model.get().serialization().clone();
    serialization.ignore_paths = vec![ModelPath::parse(path).unwrap()];
    let manifest = Manifest::sorted(serialization, model.get().resources().to_vec()).unwrap();
    Observed::measured_by_this_process(manifest)
}

/// Statuses in the order of the walk.
pub(crate) fn statuses(report: &LineageReport) -> Vec<LineageStatus> {
    report.nodes.iter().map(|node| node.status).collect()
}

/// The only model of that name.
pub(crate) fn named<'a>(report: &'a LineageReport, uri: &str) -> &'a LineageNode {
    let mut found = report.nodes.iter().filter(|node| node.uri.as_deref() == Some(uri));
    let node = found.next().unwrap_or_else(|| panic!("no {uri} in {report:#?}"));
    assert!(found.next().is_none(), "two of {uri}");
    node
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
