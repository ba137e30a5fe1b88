//! The documents that doors print: plain data with a schema id, the same from every door.

mod attest;
mod bundle;
mod exec;
mod inspection;
mod lineage;
mod policy;
mod provenance;
mod sarif;
mod sigstore;
mod statement;
mod store;
mod tools;

pub use attest::*;
pub use bundle::*;
pub use exec::*;
pub use inspection::*;
pub use lineage::*;
pub use policy::*;
pub use provenance::*;
pub use sarif::sarif;
pub use sigstore::*;
pub use statement::*;
pub use store::*;
pub use tools::*;

use modelseal_core::{
    digest::Digest,
    manifest::{Change, Comparison, Manifest, Method, Serialization},
};
use modelseal_verify::{
    public_key::PublicKey,
    signer::Signer,
    x509::{Certificate, SubjectAltName},
};
use schemars::JsonSchema;
use serde::Serialize;

/// The result of verifying a model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct VerifyReport {
    /// Always `modelseal.result/v1`.
    pub schema: String,
    /// Whether the model may be used.
    pub verdict: Verdict,
    /// The stable code of the first check that did not pass; absent when all passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What happened, in one sentence.
    pub message: String,
    /// The time of the verification (RFC 3339, UTC). Without verified times, certificates had to be valid then.
    pub now: String,
    /// The signature file; empty under a policy, which takes evidence from several.
    pub signature: String,
    /// The path of the model, as given.
    pub model: String,
    /// Who signed. Absent unless the signature was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerReport>,
    /// The log entries and times that were verified. Absent when none were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// Against which trust material. Absent when none was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<TrustedRootReport>,
    /// What was signed. Absent unless the signature was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedReport>,
    /// What was measured. Absent unless the model was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<ModelReport>,
    /// What the kernel did for the measurement (fs-verity). Absent where it enforces no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelReport>,
    /// How the model differs from what was signed. Absent unless the model was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Differences>,
    /// What is there and was not looked at, by default or because the user said so; not what the signer ignores.
    pub overlooked: Vec<String>,
    /// Every check, in order.
    pub checks: Vec<Check>,
    /// What was decided under which policies. Absent when none was given.
    #[serde(flatten)]
    pub decided: Option<Box<DecidedReport>>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// Files whose bytes the kernel enforces at every read (fs-verity).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KernelReport {
    /// Files of the model.
    pub files: usize,
    /// How many of them the kernel enforces.
    pub enforced: usize,
    /// How many of these were verified by the digest that the kernel has of them, without being read: the signer signed it.
    pub verified: usize,
    /// How many this command froze; present when it was asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<usize>,
}

/// A verdict. `error` means that nothing was decided, and never that the model may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The model is what a trusted signer signed, and all that a policy wants.
    Allow,
    /// The policy's rule asks for no evidence: the model may be used only by somebody who said that this is enough.
    AllowUnverified,
    /// It is not.
    Deny,
    /// It could not be decided.
    Error,
}

/// One check.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// Its name: `bundle`, `signature`, `statement` or `integrity`; under a policy `domain.what`.
    pub id: String,
    /// How it ended.
    pub status: Status,
    /// A stable code, when it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The check that would have had to pass first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// What a policy has to say about it. Absent when none was given.
    #[serde(flatten)]
    pub under_policy: Option<Box<PolicyCheck>>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It passed.
    Pass,
    /// It failed, and a rule in `audit` does not mind yet.
    Warn,
    /// It failed, and a waiver of the policy excuses it.
    Waived,
    /// It failed: the model is denied.
    Fail,
    /// It could not be made: nothing is decided.
    Error,
    /// Another check stood before it.
    Skip,
}

/// The maker of a signature.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SignerReport {
    /// `key`, `certificate` or `sigstore`.
    pub method: String,
    /// Signature algorithm: `Ed25519`, `ECDSA P-256`, `ECDSA P-384` or `ECDSA P-521`.
    pub algorithm: String,
    /// Hex SHA-256 of the public key's DER SubjectPublicKeyInfo.
    pub key_fingerprint: String,
    /// The certificate, for method `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateReport>,
    /// The identity, for method `sigstore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityReport>,
}

/// A signing certificate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CertificateReport {
    /// Distinguished name (RFC 4514).
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Alternative names, each as `kind:value`.
    pub alternative_names: Vec<String>,
    /// Serial number in hex.
    pub serial: String,
    /// Hex SHA-256 of the DER certificate.
    pub fingerprint: String,
    /// Start of validity (RFC 3339).
    pub not_before: String,
    /// End of validity (RFC 3339).
    pub not_after: String,
    /// Hex SHA-256 of the root it was verified under; absent when signing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_fingerprint: Option<String>,
}

/// What a signature covers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SignedReport {
    /// The signer's name for the model; proves nothing.
    pub name: String,
    /// The predicate type of the statement.
    pub predicate_type: String,
    /// How many files were signed.
    pub files: usize,
    /// How many resources (files or shards).
    pub resources: usize,
    /// What names the signed model.
    pub digests: Digests,
    /// How it has to be measured.
    pub serialization: SerializationReport,
}

/// The two digests of a manifest.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Digests {
    /// OMS root digest, `sha256:<hex>`. Does not cover file names.
    pub root: String,
    /// Manifest digest, `sha256:<hex>`. Covers names and contents.
    pub manifest: String,
}

/// How a model is enumerated and hashed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SerializationReport {
    /// `files` or `shards`.
    pub method: String,
    /// `sha256`, `blake2b` or `blake3`.
    pub hash: String,
    /// Bytes in a shard, under `shards`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_size: Option<u64>,
    /// Whether symbolic links are read through.
    pub allow_symlinks: bool,
    /// What is left out.
    pub ignore_paths: Vec<String>,
}

/// A model's size.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ModelReport {
    /// Base name of its path.
    pub name: String,
    /// Number of files.
    pub files: usize,
    /// Number of bytes.
    pub bytes: u64,
}

/// How a model differs from what was signed. Lists are complete; counts are their lengths.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Differences {
    /// Resources with other bytes.
    pub changed: Vec<ChangeReport>,
    /// Signed files that are not there.
    pub missing: Vec<String>,
    /// Files that nobody signed.
    pub unsigned: Vec<String>,
    /// Explanations of single files: what they are and what to do.
    pub explained: Vec<Explained>,
}

/// A resource whose bytes differ.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeReport {
    /// The file.
    pub path: String,
    /// `start:end` in bytes, under `shards`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The signed digest; absent when the file has grown past what was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// The measured digest; absent when the file has become shorter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// A file that explains itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Explained {
    /// The file.
    pub path: String,
    /// What it is and what to do.
    pub message: String,
}

/// A signature that was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SignReport {
    /// Always `modelseal.signature/v1`.
    pub schema: String,
    /// Where it was written.
    pub signature: String,
    /// Who signed.
    pub signer: SignerReport,
    /// The log entries and times that were added and verified. Absent when there are none, or none were verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// Against which trust material. Absent when none was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<TrustedRootReport>,
    /// What was signed.
    pub model: ModelReport,
    /// What names it.
    pub digests: Digests,
    /// How it was measured.
    pub serialization: SerializationReport,
    /// Files whose fs-verity digest was signed, too. Absent when that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_verity: Option<usize>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// A measured model with its whole manifest.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DigestReport {
    /// Always `modelseal.digest/v1`.
    pub schema: String,
    /// The model.
    pub model: ModelReport,
    /// What names it.
    pub digests: Digests,
    /// How it was measured.
    pub serialization: SerializationReport,
    /// Every file or shard, in name order.
    pub resources: Vec<ResourceReport>,
    /// Further digests of the same files, from the same read. Absent when none were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<Vec<AlsoReport>>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// A further digest of every file of a model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AlsoReport {
    /// `sha256`, `blake2b`, `blake3` or `fs-verity`.
    pub algorithm: String,
    /// What `digests.root` is when the model is measured under this hash. Absent for `fs-verity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Every file, in name order.
    pub files: Vec<FileReport>,
}

/// A further digest of one file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// `<algorithm>:<hex>`; for fs-verity `sha256:<hex>`, as the `fsverity` tool writes it.
    pub digest: String,
}

/// One file or shard.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceReport {
    /// The resource's name in a statement.
    pub name: String,
    /// `<algorithm>:<hex>`.
    pub digest: String,
}

/// One part of a measured model, to be merged with the others.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PartReport {
    /// Always `modelseal.part/v1`.
    pub schema: String,
    /// What all parts of one measurement have in common: SHA-256 over the parameters, the model's name, and the name and
    /// size of every file or shard, `sha256:<hex>`.
    pub plan: String,
    /// Which part, from 1 on.
    pub part: u32,
    /// Of how many parts.
    pub of: u32,
    /// Base name of the model's path.
    pub model: String,
    /// How it was measured.
    pub serialization: SerializationReport,
    /// Number of bytes that fell to this part.
    pub bytes: u64,
    /// The files or shards that fell to this part, in name order.
    pub resources: Vec<PartResource>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// One file or shard of a part.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PartResource {
    /// The resource's name in a statement.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// `<algorithm>:<hex>`.
    pub digest: String,
}

/// An operation that could not be done.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ErrorReport {
    /// Always `modelseal.error/v1`.
    pub schema: String,
    /// A stable code.
    pub code: String,
    /// What happened, where, and what to do.
    pub message: String,
}

impl VerifyReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.result/v1";
}

impl SignReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.signature/v1";
}

impl PartReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.part/v1";
}

impl ErrorReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.error/v1";

    /// Puts an error into words for a machine.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { schema: Self::SCHEMA.into(), code: code.into(), message: message.into() }
    }
}

impl DigestReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.digest/v1";

    /// The whole manifest of a measured model.
    #[must_use]
    pub fn of(model: &crate::MeasuredModel) -> Self {
        let also = model.also().iter().map(|also| AlsoReport::of(also, model.manifest())).collect();
        let report = Self::of_manifest(model.name(), model.manifest(), model.bytes(), model.notes().to_vec());
        Self { also: Some(also).filter(|also: &Vec<_>| !also.is_empty()), ..report }
    }

    pub(crate) fn of_manifest(name: &str, manifest: &Manifest, bytes: u64, notes: Vec<String>) -> Self {
        let resource = |r: &modelseal_core::manifest::Resource| ResourceReport {
            name: r.name().into(),
            digest: r.digest.to_string(),
        };
        Self {
            schema: Self::SCHEMA.into(),
            model: ModelReport::new(name, manifest, bytes),
            digests: Digests::of(manifest),
            serialization: manifest.serialization().into(),
            resources: manifest.resources().iter().map(resource).collect(),
            also: None,
            notes,
        }
    }
}

impl AlsoReport {
    fn of(also: &modelseal_model::Also, manifest: &Manifest) -> Self {
        let file = |(resource, digest): (&modelseal_core::manifest::Resource, &Digest)| FileReport {
            name: resource.name().into(),
            digest: digest.to_string(),
        };
        Self {
            algorithm: also.hash.to_string(),
            root: also.root_digest().map(|root| root.to_string()),
            files: manifest.resources().iter().zip(&also.digests).map(file).collect(),
        }
    }
}

impl ModelReport {
    pub(crate) fn new(name: &str, manifest: &Manifest, bytes: u64) -> Self {
        Self { name: name.into(), files: manifest.file_count(), bytes }
    }
}

impl Digests {
    /// Both digests of a manifest.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self { root: manifest.root_digest().to_string(), manifest: manifest.manifest_digest().to_string() }
    }
}

impl From<&Serialization> for SerializationReport {
    fn from(serialization: &Serialization) -> Self {
        Self {
            method: serialization.method.to_string(),
            hash: serialization.algorithm.to_string(),
            shard_size: match serialization.method {
                Method::Files => None,
                Method::Shards(size) => Some(size.get()),
            },
            allow_symlinks: serialization.allow_symlinks,
            ignore_paths: serialization.ignore_paths.iter().map(|p| p.as_str().to_owned()).collect(),
        }
    }
}

impl SignerReport {
    pub(crate) fn of_key(method: &str, key: &PublicKey) -> Self {
        Self {
            method: method.into(),
            algorithm: key.algorithm().to_string(),
            key_fingerprint: key.fingerprint(),
            certificate: None,
            identity: None,
        }
    }

    pub(crate) fn of_leaf(leaf: &Certificate, key: &PublicKey) -> Self {
        Self { certificate: Some(CertificateReport::of(leaf)), ..Self::of_key("certificate", key) }
    }
}

impl CertificateReport {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            alternative_names: certificate.subject_alt_names().iter().map(name).collect(),
            serial: certificate.serial_hex(),
            fingerprint: certificate.fingerprint(),
            not_before: certificate.not_before().to_string(),
            not_after: certificate.not_after().to_string(),
            root_fingerprint: None,
        }
    }
}

impl From<&Signer> for SignerReport {
    fn from(signer: &Signer) -> Self {
        match signer {
            Signer::Certificate(path) => {
                let mut report = path.certificates().next().map_or_else(
                    || Self::of_key("certificate", path.public_key()),
                    |leaf| Self::of_leaf(leaf, path.public_key()),
                );
                if let Some(certificate) = &mut report.certificate {
                    certificate.root_fingerprint = Some(path.root_fingerprint());
                }
                report
            }
            Signer::Sigstore(keyless) => Self {
                identity: Some((&**keyless).into()),
                ..Self::of_key(signer.method(), signer.public_key())
            },
            other => Self::of_key(other.method(), other.public_key()),
        }
    }
}

impl From<&Comparison> for Differences {
    fn from(comparison: &Comparison) -> Self {
        let text = |digest: &Option<Digest>| digest.map(|d| d.to_string());
        let change = |change: &Change| ChangeReport {
            path: change.path.as_str().into(),
            range: change.range.map(|r| format!("{}:{}", r.start, r.end)),
            signed: text(&change.signed),
            found: text(&change.found),
        };
        Self {
            changed: comparison.changed.iter().map(change).collect(),
            missing: comparison.missing.iter().map(|p| p.as_str().to_owned()).collect(),
            unsigned: comparison.unsigned.iter().map(|p| p.as_str().to_owned()).collect(),
            explained: Vec::new(),
        }
    }
}

fn name(name: &SubjectAltName) -> String {
    format!("{}:{}", name.kind(), name.value())
}
