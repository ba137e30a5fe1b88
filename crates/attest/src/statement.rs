//! [`Statement`]: what is about to be signed, exact to the byte.

use crate::{private_key::SignError, signer::Signer};
use modelseal_core::{
    bundle::Bundle,
    cover::{PART_OF_DIRECTORY, whole},
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
    json::value::Value,
    manifest::{Manifest, Method, Resource},
    observed::Observed,
    path::ModelPath,
    predicate::signature_v1,
    statement::STATEMENT_TYPE,
    verity::FsVerityDigest,
};
use std::collections::BTreeMap;

/// Most files that a statement other than a model's signature lists one by one. Larger models are named as a whole only;
/// 1,024 subjects are what the largest registry of attestations takes.
pub const MAX_FILE_SUBJECTS: usize = 1024;

/// An in-toto statement, serialised. It can be shown before a private key is touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement(Vec<u8>);

impl Statement {
    /// The OMS v1.0 statement about a measured model. `name` is the base name of the model's path (§6.5).
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which a manifest cannot hold.
    pub fn of_model(manifest: &Observed<Manifest>, name: &str) -> Result<Self, serde_json::Error> {
        signature_v1::write(manifest.get(), name).map(Self)
    }

    /// The same, with the fs-verity digests of files, by which a verifier's kernel may answer for them. Whoever signs them
    /// says that they were computed of the bytes that the manifest names.
    ///
    /// # Errors
    /// As [`of_model`](Self::of_model).
    pub fn of_annotated_model(
        manifest: &Observed<Manifest>,
        name: &str,
        fs_verity: &BTreeMap<ModelPath, FsVerityDigest>,
    ) -> Result<Self, serde_json::Error> {
        signature_v1::write_annotated(manifest.get(), name, fs_verity).map(Self)
    }

    /// A statement of another type about a measured model: its subjects are the model as a whole, by its root digest and by
    /// digests that also cover names, and then, for whoever looks for a file, every file as a part of it unless there are more than [`MAX_FILE_SUBJECTS`]. `name` is
    /// the base name of the model's path.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn about_model(
        manifest: &Observed<Manifest>,
        name: &str,
        predicate_type: &str,
        predicate: &Value,
    ) -> Result<Self, serde_json::Error> {
        let statement = object([
            ("_type", STATEMENT_TYPE.into()),
            ("subject", subjects(manifest.get(), name).into_iter().collect()),
            ("predicateType", predicate_type.into()),
            ("predicate", predicate.clone()),
        ]);
        serde_json::to_vec(&statement).map(Self)
    }

    /// The bytes that will be the envelope's payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Signs the statement into a bundle.
    ///
    /// # Errors
    /// [`SignError`] when the signer fails.
    pub fn sign(self, signer: &dyn Signer) -> Result<Bundle, SignError> {
        let signature = signer.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &self.0))?;
        let envelope = Envelope::new(IN_TOTO_PAYLOAD_TYPE, self.0, signature);
        Ok(Bundle::new(signer.material(), envelope))
    }
}

fn subjects(manifest: &Manifest, name: &str) -> Vec<Value> {
    let serialization = manifest.serialization();
    let (digests, method) = whole(manifest);
    let Some(method) = method else {
        return vec![object([("name", name.into()), ("digest", digests.to_value())])];
    };
    let annotated = |method: &str| ("annotations", object([("digestMethod", method.into())]));
    // Subjects have names of their own; a directory may hold a file of its name.
    let taken = |resource: &Resource| resource.path.as_str() == name;
    let name = if manifest.resources().iter().any(taken) { format!("{name}/") } else { name.to_owned() };
    let whole = object([("name", name.into()), ("digest", digests.to_value()), annotated(&method)]);
    let listed = serialization.method == Method::Files && manifest.resources().len() <= MAX_FILE_SUBJECTS;
    let each = manifest.resources().iter().filter(|_| listed);
    let each = each.map(|resource| {
        let digest = object([(serialization.algorithm.name(), resource.digest.to_hex().into())]);
        object([("name", resource.path.as_str().into()), ("digest", digest), annotated(PART_OF_DIRECTORY)])
    });
    std::iter::once(whole).chain(each).collect()
}

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}
