//! Attestations as a verifier reads them: strictly, and about all of the model.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use modelseal::{
    Error, KeyAlgorithm, KeySigner, PrivateKey,
    attest::{BuildType, CI_VARIABLES, CiEnvironment, Input, InputKind, LOCAL_BUILDER, Run, Surroundings},
};
use modelseal_core::{
    artifact::ArtifactId,
    attestation::{Attestation, read_attestation},
    bundle::Bundle,
    cover::{Cover, FullBy, Target},
    predicate::{Predicate, slsa_provenance::Provenance},
};
use proptest::prelude::*;
use std::{fs, path::Path};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [("base/a.bin", "a"), ("base/sub/b.bin", "b"), ("model/c.bin", "c"), ("model/d.bin", "d")]
    {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn attested(folder: &Path, run: Run) -> (Attestation, Provenance) {
    let key = KeySigner::new(PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap());
    let path = folder.join("out.sigstore.json");
    let request = modelseal::attest(folder.join("model")).output(&path).force(true).provenance(run);
    request.run(&key, &()).unwrap();
    let bundle = Bundle::parse(&fs::read(path).unwrap()).unwrap();
    let envelope = bundle.envelope();
    let read = read_attestation(envelope.payload_type(), envelope.payload_unverified()).unwrap();
    let Predicate::Provenance(provenance) = read.predicate.clone() else { unreachable!("{read:?}") };
    (read, *provenance)
}

fn base(folder: &Path) -> Input {
    Input::parse(InputKind::Base, &format!("hf://acme/base={}", folder.join("base").display())).unwrap()
}

#[test]
fn provenance_covers_the_model_and_joins_the_base_model() {
    let folder = folder();
    let mut run = Run { build_type: Some(BuildType::FineTune), ..Run::default() };
    run.inputs.push(base(folder.path()));
    run.parameter("seed=9007199254740993").unwrap();
    let (read, provenance) = attested(folder.path(), run);
    let model = modelseal::digest(folder.path().join("model")).run(&()).unwrap();
    let cover = Target::of(model.manifest()).cover(&read.subjects);
    assert_eq!(cover, Cover::Full(FullBy::DirHash));
    assert_eq!(BuildType::of_uri(&provenance.build_type), Some(BuildType::FineTune));
    BuildType::FineTune.check(&provenance).unwrap();
    assert_eq!(BuildType::FineTune.unresolved(&provenance), []);
    assert_eq!(provenance.builder_id, LOCAL_BUILDER);
    let base = modelseal::digest(folder.path().join("base")).run(&()).unwrap();
    let dependency = provenance.dependencies("baseModel").next().unwrap();
    assert_eq!(ArtifactId::of_descriptor(dependency), ArtifactId::of_manifest(base.manifest()));
    assert_eq!(
        provenance.external_parameters["hyperparameters"].to_string(),
        r#"{"seed":"9007199254740993"}"#
    );
}

#[test]
fn every_build_type_is_made_and_reads_back() {
    let folder = folder();
    for build_type in BuildType::ALL {
        let mut run = Run { build_type: Some(build_type), ..Run::default() };
        run.inputs.push(base(folder.path()));
        match build_type {
            BuildType::Training | BuildType::FineTune => {}
            BuildType::Quantize => run.method = Some("int8".into()),
            BuildType::Merge => {
                run.method = Some("slerp".into());
                let text = format!("hf://acme/other={}", folder.path().join("model").display());
                run.inputs.push(Input::parse(InputKind::Base, &text).unwrap());
            }
            BuildType::Convert => run.format = Some("gguf".into()),
        }
        let (_, provenance) = attested(folder.path(), run);
        assert_eq!(provenance.build_type, build_type.uri());
        build_type.check(&provenance).unwrap();
        assert_eq!(build_type.unresolved(&provenance), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in the variables, nothing fails but with words, and no credential gets through.
    #[test]
    fn no_environment_breaks_anything(values in proptest::collection::vec("(true|[a-z:/@.]{0,12}|ghp_[a-z]{10}[0-9]{10}|\\PC{0,12})", CI_VARIABLES.len())) {
        let environment = CiEnvironment::of(|name| {
            let at = CI_VARIABLES.iter().position(|known| *known == name)?;
            values.get(at).cloned()
        });
        let folder = folder();
        let run = Run { build_type: Some(BuildType::Training), ..Run::default() };
        for system in [None, environment.system()] {
            let surroundings = Surroundings { environment: environment.clone(), system, inputs_as_parameters: false };
            let request = modelseal::attest(folder.path().join("model")).output(folder.path().join("x.sigstore.json"));
            match request.provenance(run.clone()).surroundings(surroundings).allow_unresolved(true).prepare(&()) {
                Ok(prepared) => {
                    let said = String::from_utf8(prepared.statement().to_vec()).unwrap();
                    prop_assert!(!said.contains("ghp_"), "{said}");
                }
                Err(error) => prop_assert!(matches!(error, Error::Attest(_)), "{error}"),
            }
        }
    }
}
