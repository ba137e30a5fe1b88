//! Sign and verify machine-learning models (OpenSSF Model Signing v1.0), record how they were made, and decide whether they
//! may be used. The front room: every door (command line, bindings) goes through here, and most need no more than these three.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use modelseal::{KeySigner, PasswordError, PrivateKey, PublicKey};
//!
//! // What is this model?
//! let digest = modelseal::digest("my-model").run(&())?;
//! println!("{} {}", digest.manifest().root_digest(), digest.manifest().manifest_digest());
//!
//! // The publisher signs it.
//! let key = PrivateKey::from_pem(&std::fs::read("private.pem")?, || Err(PasswordError::NotGiven))?;
//! let signed = modelseal::sign("my-model").output("model.sig").run(&KeySigner::new(key), &())?;
//! println!("{} files", signed.report.model.files);
//!
//! // The consumer verifies it.
//! let key = PublicKey::from_pem(&std::fs::read("public.pem")?)?;
//! let verified = modelseal::verify("my-model").signature("model.sig").with_key(key).run(&())?;
//! println!("signed by {}", verified.signer());
//! # Ok(()) }
//! ```
//!
//! Nothing here prints, prompts, or reads the environment.

// Tests inside share what makes bundles with those outside.
#[cfg(test)]
extern crate self as modelseal;

mod affected;
pub mod attest;
mod base_models;
mod clock;
mod codes;
mod contents;
mod decide;
pub mod declared;
mod digest;
mod digests;
mod disk;
mod error;
mod evidence_files;
mod explained;
pub mod graph;
pub mod import;
mod inspect;
mod keyless;
mod lineage;
mod listed;
mod measuring;
mod output;
mod parts;
mod policies;
mod provenance;
pub mod report;
mod reuse;
mod scope;
mod show;
mod sign;
mod signing;
mod statement_check;
mod store;
mod summary_out;
mod trust;
mod verdict_cache;
mod verify;

pub use affected::{AffectedRequest, affected};
pub use attest::{AttestRequest, Attested, PreparedAttestation, attest};
pub use clock::now;
pub use contents::{Contents, LoadError, VerifiedBytes, VerifiedFile};
pub use decide::{AllowedModel, DecideRequest, Decided, Denial, check_facts_output, decide};
pub use digest::{DigestRequest, MeasuredModel, digest};
pub use digests::DocumentError;
pub use disk::open_named;
pub use error::{Error, Kind, OutputError};
pub use inspect::{InspectRequest, InspectedModel, inspect, trace};
pub use jiff::Timestamp;
pub use keyless::{KeylessRequest, KeylessSigning, keyless};
pub use lineage::{
    DEFAULT_MAX_DEPTH, LineageRequest, LineageTrust, NoStatements, Statements, lineage, lineage_of,
};
pub use modelseal_attest::{
    http::{Client as HttpClient, HttpError, Options as HttpOptions, Secret},
    kms::{Environment as KmsEnvironment, KmsError, KmsKey, KmsUri, KmsUriError},
    pkcs11::{ModuleSearch, Pin, PinError, PinPrompt, Pkcs11Error, Pkcs11Key, Uri as Pkcs11Uri},
    private_key::{Password, PasswordError, PrivateKey, PrivateKeyError, SignError},
    signer::{CertificateSigner, CertificateSignerError, KeySigner, Signer, SigningKey},
    sigstore::{
        ConfigError, IdentityToken, PublicIdentity, RekorPreference, RekorVersion, Services, SigningConfig,
        SigningError, TokenError,
        ambient::{Environment, detect as detect_ambient},
        artifact::PreparedArtifact,
        oauth::{Flow, Interaction, OAuth, TokenSourceError, authenticate, open_browser},
    },
};
pub use modelseal_core::{
    artifact::{ArtifactId, ArtifactIdError},
    digest::Algorithm,
    key::{KeyAlgorithm, UnknownKeyAlgorithm},
    limits,
    manifest::{DEFAULT_SHARD_SIZE, Manifest, Method},
    path::ModelPath,
    predicate::Reading,
    text::{Printable, ShellQuoted, is_unsafe_to_print},
};
/// The nouns of inspection, and its rules.
pub mod inspection {
    pub use modelseal_core::inspection::{
        Capability, Contents, FileFormat, FileInspection, Finding, Inspection, NotARuleId, PickleTier, Place,
        RuleId, Severity, Verdict,
    };
    pub use modelseal_inspect::{Rule, RuleSet, RuleSetError, limits_digest, rule, rules};
}
pub use modelseal_model::{
    Also, DEFAULT_MEMORY, FileHash, MAX_PARTS, Part, PartError, Progress, UnknownFileHash,
};
pub use modelseal_verify::{
    public_key::{PublicKey, PublicKeyError},
    signer::{CertificateIdentity, Signer as VerifiedSigner},
    sigstore::{IdentityMatch, Keyless, PatternError, Requirement, TrustedRoot, TrustedRootError, artifact},
    verifier::Verifier,
    x509::{Certificate, CertificateError, Roots, RootsError},
};
/// What provenance may be expected to say.
pub mod expect {
    pub use modelseal_core::{
        json::pointer::{Pointer, PointerError},
        predicate::slsa_provenance::Source,
    };
    pub use modelseal_verify::provenance::{
        BuildLevel, Expectations, Expected, ExpectedBuilder, Pattern, PatternError, PointerKey, Test,
        equals_text,
    };
}
/// The policy language and its reason codes, as far as doors need them.
pub mod policy {
    pub use modelseal_verify::{
        decision::{
            Allowed, AllowedAsRead, Code, CodeEntry, Decision,
            cache::{CacheEntry, CacheKey},
        },
        facts::Promise,
        policy::{
            LINTS,
            complaint::{Complaint, Lint, Severity},
            reference::{Reference, ReferenceError, Requested},
            schema::{draft_4, schema},
        },
    };
}
pub use parts::{MergeError, MergeRequest, PartRequest, merge};
pub use policies::{
    Policies, PoliciesRequest, PolicyError, TRUST_FILE, diff_policies, format_policy, lint_policies,
    policies, sign_policy, test_policies,
};
pub use provenance::{ProvenanceRefusal, ProvenanceRequest, VerifiedProvenance, verify_provenance};
pub use show::{ShowError, ShowTrust, bundle_method, show};
pub use sign::{Prepared, Required, SignRequest, SignedFile, UnknownRequirement, Unmet, sign};
pub use signing::{EvidenceServices, Sayable};
pub use statement_check::{check_statement, check_statement_file};
pub use store::{
    Claims, Imported, Problem, ProblemKind, Resource, Store, StoreError, StoreSummary, Stored, StoredBundle,
};
pub use summary_out::{NoSummary, SummaryForm, check_summary_output, write_summary};
pub use trust::{
    Instance, STALE_AFTER, Trust, TrustError, TrustRepository, UpdatedTrust, write_trusted_root,
};
pub use verdict_cache::VerdictCache;
pub use verify::{Refusal, VerifiedModel, VerifyRequest, verify};
