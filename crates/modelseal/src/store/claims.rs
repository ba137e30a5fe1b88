//! What a bundle's statement claims, as far as it takes to find it again. Nobody has verified any of it.

use modelseal_core::{
    artifact::ArtifactId,
    attestation::{Attestation, Subject, read_attestation},
    bundle::Bundle,
    cover::PART_OF_DIRECTORY,
    dsse::IN_TOTO_PAYLOAD_TYPE,
    predicate::{Predicate, Reading, digests_v0_1, read_signed_model, signature_v1},
};

/// What a statement is about, and what it says that was made from. Not verified: for finding, not for deciding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The statement's predicate type.
    pub predicate_type: String,
    /// Of provenance: the build type.
    pub build_type: Option<String>,
    /// What the statement is about.
    pub subjects: Vec<Resource>,
    /// Of provenance: what went into the build (`resolvedDependencies`, or `materials` of version 0.2).
    pub dependencies: Vec<Resource>,
}

/// An artifact as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name in the statement.
    pub name: Option<String>,
    /// Its URI.
    pub uri: Option<String>,
    /// By what it is known; nothing, when no strong digest pins it.
    pub ids: Vec<ArtifactId>,
}

/// Why a bundle has no claims.
#[derive(Debug)]
pub(super) enum NoClaims {
    /// Its payload is something else than a statement, such as a policy.
    OtherPayload,
    /// Its payload should be a statement and is malformed.
    Malformed(String),
}

impl Claims {
    /// Reads the statement in `bundle`. A model's signature is about the directory that it lists: the digest of its subject
    /// covers no names.
    pub(super) fn of(bundle: &Bundle) -> Result<Self, NoClaims> {
        let envelope = bundle.envelope();
        let (payload_type, payload) = (envelope.payload_type(), envelope.payload_unverified());
        if payload_type != IN_TOTO_PAYLOAD_TYPE {
            return Err(NoClaims::OtherPayload);
        }
        let attestation =
            read_attestation(payload_type, payload).map_err(|e| NoClaims::Malformed(e.to_string()))?;
        if [signature_v1::PREDICATE_TYPE, digests_v0_1::PREDICATE_TYPE]
            .contains(&&*attestation.predicate_type)
        {
            let signed = read_signed_model(payload_type, payload, Reading::Field)
                .map_err(|e| NoClaims::Malformed(e.to_string()))?;
            let mut ids = ArtifactId::of_manifest(&signed.manifest);
            // A signature over one file does not say whether the model is that file or a folder with it.
            if let [only] = signed.manifest.resources()
                && only.range.is_none()
            {
                let algorithm = only.digest.algorithm().name().to_owned();
                ids.push(ArtifactId::Blob { algorithm, hex: only.digest.to_hex() });
                ids.sort_unstable();
                ids.dedup();
            }
            let model = Resource { name: Some(signed.name), uri: None, ids };
            return Ok(Self {
                predicate_type: attestation.predicate_type,
                build_type: None,
                subjects: vec![model],
                dependencies: Vec::new(),
            });
        }
        Ok(Self::of_attestation(attestation))
    }

    fn of_attestation(attestation: Attestation) -> Self {
        let subjects = subjects(&attestation);
        let (build_type, dependencies) = match attestation.predicate {
            Predicate::Provenance(provenance) => {
                let dependencies = provenance.resolved_dependencies.into_iter().map(|dependency| Resource {
                    ids: ArtifactId::of_descriptor(&dependency),
                    name: dependency.name,
                    uri: dependency.uri,
                });
                (Some(provenance.build_type), dependencies.collect())
            }
            _ => (None, Vec::new()),
        };
        Self { predicate_type: attestation.predicate_type, build_type, subjects, dependencies }
    }
}

/// Each subject with those of its ids that hold in this statement, and the directory that all of them make up.
fn subjects(attestation: &Attestation) -> Vec<Resource> {
    let mut all = ArtifactId::of_subjects(&attestation.subjects);
    let mut resources = Vec::new();
    let mut named = Vec::new();
    // Parts of a directory are nothing by themselves.
    let whole = |subject: &&Subject| subject.digest_method.as_deref() != Some(PART_OF_DIRECTORY);
    for subject in attestation.subjects.iter().filter(whole) {
        let mut ids = ArtifactId::of_subjects(std::slice::from_ref(subject));
        ids.retain(|id| all.binary_search(id).is_ok());
        if !ids.is_empty() {
            named.extend(ids.iter().cloned());
            resources.push(Resource { name: subject.name.clone(), uri: subject.uri.clone(), ids });
        }
    }
    named.sort_unstable();
    all.retain(|id| named.binary_search(id).is_err());
    if !all.is_empty() {
        resources.push(Resource { name: None, uri: None, ids: all });
    }
    resources
}

impl Resource {
    /// Whether it is known by one of these ids.
    #[must_use]
    pub fn is_any_of(&self, ids: &[ArtifactId]) -> bool {
        self.ids.iter().any(|id| ids.contains(id))
    }
}
