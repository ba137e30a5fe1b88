//! [`check`]: judges an in-toto statement that nobody has signed yet, by the specifications of in-toto and of its predicate
//! type. Provenance of [`BuildType`]s of ours is also held to what they promise: closed parameters, inputs that are pinned, a
//! model that is not made from itself. What others' build types promise is for whoever verifies provenance to say.

use crate::decision::Code;
use modelseal_core::{
    artifact::ArtifactId,
    attestation::{Attestation, AttestationError, Subject, read_attestation},
    cover::{PART_OF_DIRECTORY, read_digest_method},
    digest::Algorithm,
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::pointer::escaped,
    manifest::Method,
    predicate::{
        Predicate, Reading,
        build_type::{BASE_MODEL, BuildType, Unresolved},
        descriptor::{Descriptor, DigestSet, MANIFEST_DIGEST},
        digests_v0_1,
        error::PredicateError,
        field::is_uri,
        read_signed_model, signature_v1,
        slsa_provenance::{PREDICATE_TYPE_V1, Provenance},
        vsa_v1::is_beyond_track,
    },
    text::Printable,
};

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// The statement, unless it cannot be read.
    pub attestation: Option<Attestation>,
    /// What is wrong with it, the worst first; nothing where it is as it should be.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub code: Code,
    /// JSON pointer of the place in the statement; empty for all of it.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

/// Judges the statement in `document`.
#[must_use]
pub fn check(document: &[u8]) -> Checked {
    let attestation = match read_attestation(IN_TOTO_PAYLOAD_TYPE, document) {
        Ok(attestation) => attestation,
        Err(error) => return Checked { attestation: None, problems: vec![unreadable(&error)] },
    };
    let mut problems = Vec::new();
    if !is_uri(&attestation.predicate_type) {
        let message = "the predicate type is no URI".to_owned();
        problems.push(Problem { code: Code::StatementMalformed, at: "/predicateType".into(), message });
    }
    if let Err(error) = attestation.check_names() {
        problems.push(unreadable(&error));
    }
    // A model's signature is the one predicate with a reader of its own.
    if [signature_v1::PREDICATE_TYPE, digests_v0_1::PREDICATE_TYPE].contains(&&*attestation.predicate_type)
        && let Err(error) = read_signed_model(IN_TOTO_PAYLOAD_TYPE, document, Reading::Field)
    {
        let (code, at) = (Code::StatementPredicate, "/predicate".into());
        problems.push(Problem { code, at, message: error.to_string() });
    }
    problems.extend(contradictory_digests(&attestation));
    if let Predicate::Provenance(provenance) = &attestation.predicate {
        let ours = BuildType::of_uri(&provenance.build_type);
        if let Some(build_type) = ours.filter(|_| attestation.predicate_type == PREDICATE_TYPE_V1) {
            problems.extend(promises(build_type, provenance, &attestation.subjects));
        }
        if BuildType::is_invented(&provenance.build_type) {
            let names: Vec<&str> = BuildType::ALL.iter().map(|known| known.name()).collect();
            let message = format!("modelseal has no such build type; it has {}", names.join(", "));
            let at = "/predicate/buildDefinition/buildType".into();
            problems.push(Problem { code: Code::StatementPredicate, at, message });
        }
        problems.extend(made_from_itself(provenance, &attestation.subjects, ours.is_some()));
    }
    problems.extend(unknown_levels(&attestation.predicate));
    Checked { attestation: Some(attestation), problems }
}

fn unreadable(error: &AttestationError) -> Problem {
    let code = match error {
        _ if error.is_duplicate() => Code::StatementDuplicateKey,
        AttestationError::Type { .. } => Code::StatementType,
        AttestationError::NoSubject
        | AttestationError::Missing("subject")
        | AttestationError::SubjectWithoutDigest { .. }
        | AttestationError::SubjectNameTwice { .. } => Code::StatementSubject,
        AttestationError::Missing("_type") => Code::StatementType,
        AttestationError::Subject(error) => predicate_code(error),
        AttestationError::Predicate { error, .. } => predicate_code(error),
        _ => Code::StatementMalformed,
    };
    let message = match error {
        // The pointer says where, and nothing was signed.
        AttestationError::Json { error, .. } => error.to_string(),
        AttestationError::Subject(error) | AttestationError::Predicate { error, .. } => error.what(),
        other => other.to_string(),
    };
    Problem { code, at: error.at(), message }
}

fn predicate_code(error: &PredicateError) -> Code {
    match error {
        PredicateError::Digest { .. } => Code::StatementDigest,
        PredicateError::Time { .. } | PredicateError::EndBeforeStart { .. } => Code::StatementTime,
        PredicateError::UnknownParameter { .. } => Code::StatementParameterUnknown,
        _ => Code::StatementPredicate,
    }
}

/// What the statement's build type promises and the statement does not keep.
fn promises(build_type: BuildType, provenance: &Provenance, subjects: &[Subject]) -> Vec<Problem> {
    if let Err(error) = build_type.check(provenance) {
        let at = format!("/predicate{}", error.at());
        return vec![Problem { code: predicate_code(&error), at, message: error.what() }];
    }
    let weak = |at: String, digests: &DigestSet| {
        let names: Vec<&str> = digests.iter().map(|(algorithm, _)| algorithm).collect();
        let message = format!("{} pins nothing that an attacker could choose; add sha256", names.join(", "));
        (!digests.is_empty() && !digests.has_accepted()).then_some(Problem {
            code: Code::StatementWeakDigest,
            at,
            message,
        })
    };
    let in_subjects = subjects
        .iter()
        .enumerate()
        .filter_map(|(index, subject)| weak(format!("/subject/{index}/digest"), &subject.digest));
    let dependencies = provenance.resolved_dependencies.iter().enumerate();
    let in_dependencies = dependencies
        .filter_map(|(index, found)| weak(format!("{}/digest", dependency(index)), &found.digest));
    let unresolved =
        build_type.unresolved(provenance).into_iter().map(|Unresolved { at, uri, why }| Problem {
            code: Code::StatementUnresolved,
            at: format!("/predicate{at}"),
            message: format!("UNRESOLVED: '{}': {why}", Printable(&uri)),
        });
    in_subjects.chain(in_dependencies).chain(unresolved).collect()
}

/// Dependencies that are the subject itself: base models under our build types, directories under all.
fn made_from_itself(provenance: &Provenance, subjects: &[Subject], ours: bool) -> Vec<Problem> {
    let own = ArtifactId::of_subjects(subjects);
    let whole = || subjects.iter().filter(|s| s.digest_method.as_deref() != Some(PART_OF_DIRECTORY));
    let is_own = |found: &Descriptor| {
        let same = |id: &ArtifactId| own.contains(id);
        let is_directory = |id: &ArtifactId| matches!(id, ArtifactId::Directory { .. });
        let ids = ArtifactId::of_descriptor(found);
        let is_base = ours && found.name.as_deref() == Some(BASE_MODEL);
        ids.iter().any(|id| same(id) && (is_base || is_directory(id)))
            || is_base && whole().any(|subject| found.digest.matches(&subject.digest))
    };
    let dependencies = provenance.resolved_dependencies.iter().enumerate();
    dependencies
        .filter(|(_, found)| is_own(found))
        .map(|(index, _)| Problem {
            code: Code::StatementCycle,
            at: dependency(index),
            message: "this dependency is the subject itself: nothing is made from itself".into(),
        })
        .collect()
}

/// Digests of one directory that cannot both be right: of files hashed with SHA-256, `dirHash` and `manifest-sha256` are the same.
fn contradictory_digests(attestation: &Attestation) -> Vec<Problem> {
    let contradictory = |digests: &DigestSet, method: Option<&str>| {
        let same_way =
            method.is_none_or(|m| read_digest_method(m) == Some((Method::Files, Algorithm::Sha256)));
        let both = digests.get("dirHash").zip(digests.get(MANIFEST_DIGEST));
        same_way && both.is_some_and(|(directory, manifest)| directory != manifest)
    };
    let subjects = attestation.subjects.iter().enumerate();
    let subjects = subjects.filter(|(_, s)| contradictory(&s.digest, s.digest_method.as_deref()));
    let mut places: Vec<String> = subjects.map(|(index, _)| format!("/subject/{index}")).collect();
    // By their places in version 1; what is read of version 0.2 has others.
    if let (PREDICATE_TYPE_V1, Predicate::Provenance(provenance)) =
        (&*attestation.predicate_type, &attestation.predicate)
    {
        let lists = [
            ("/predicate/buildDefinition/resolvedDependencies", &provenance.resolved_dependencies),
            ("/predicate/runDetails/builder/builderDependencies", &provenance.builder_dependencies),
            ("/predicate/runDetails/byproducts", &provenance.byproducts),
        ];
        for (at, list) in lists {
            let bad = list.iter().enumerate().filter(|(_, d)| contradictory(&d.digest, d.digest_method()));
            places.extend(bad.map(|(index, _)| format!("{at}/{index}")));
        }
    }
    let problem = |place: String| Problem {
        code: Code::StatementDigest,
        at: format!("{place}/digest/{MANIFEST_DIGEST}"),
        message: "it is not the dirHash beside it, and both are of the same files by SHA-256".into(),
    };
    places.into_iter().map(problem).collect()
}

/// Levels that SLSA does not have.
fn unknown_levels(predicate: &Predicate) -> Vec<Problem> {
    let Predicate::Vsa(vsa) = predicate else { return Vec::new() };
    let verified = vsa.verified_levels.iter().enumerate();
    let verified = verified.map(|(index, level)| (level, format!("/predicate/verifiedLevels/{index}")));
    let counted = vsa.dependency_levels.iter().flatten();
    let counted =
        counted.map(|(level, _)| (level, format!("/predicate/dependencyLevels/{}", escaped(level))));
    let unknown = verified.chain(counted).filter(|(level, _)| is_beyond_track(level));
    unknown
        .map(|(level, at)| Problem {
            code: Code::StatementPredicate,
            at,
            message: format!("SLSA has no level '{}'", Printable(level)),
        })
        .collect()
}

fn dependency(index: usize) -> String {
    format!("/predicate/buildDefinition/resolvedDependencies/{index}")
}
