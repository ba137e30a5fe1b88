//! The policy document: every table and field of the policy language, as values that are already understood. Globs and
//! patterns are compiled, digests and times are read. The same types are read from TOML and from JSON, and make the
//! JSON Schema; the descriptions in that schema are the comments of this file.
//!
//! A field that is not here is an error, in every table. An `Option` is a field that may be left out; an empty list is
//! a list that was left out, since a list written as empty is refused.

use super::{
    decode::{At, Decoder, FromNode, document, head, listed},
    glob::Glob,
    lint_table as lint,
    matching::Match,
    testing::{PointerKey, Test},
    tree::{Kind, Node},
    values::{
        BomFormat, Claim, FileDigest, Level, ManifestDigest, Oid, Period, SchemaId, Sha256Hex, SpkiDigest,
        Time, Version,
    },
    words::{
        Action, Binding, BomField, DatasetEvidence, FileFormat, HashAlgorithm, LicenseScope, Mode, Network,
        OnStale, Permission, Requirement, RevocationMode, Select, Tier, Worst,
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, collections::BTreeMap, num::NonZeroU32, ops::Deref};

document! {
    /// A trust policy: which models may be loaded, on whose word, and with what evidence.
    pub struct Document {
        /// The language of this file: `modelseal.policy/v1`.
        pub schema: SchemaId,
        /// Counts the optional fields that were added to the language since; 0 when left out.
        pub x_schema_minor: Option<u64>,
        /// A stable name of this policy, such as `example.com/platform`.
        pub id: String,
        /// Grows with every release of this policy; an older one is refused where a newer one was seen.
        pub version: u64,
        /// From this time on every verdict is a denial. RFC 3339 with an offset.
        pub expires: Time,
        /// Whether trust roots, revocation lists and referrers may be fetched; `never` when left out.
        pub network: Option<Network>,
        /// The longest time that a waiver may still have to run; 90 days when left out.
        pub max_waiver: Option<Period>,
        /// Sigstore trust roots, by name.
        #[schemars(default)]
        pub trust_roots: BTreeMap<String, TrustRoot>,
        /// Whom signatures are believed from, by name.
        #[schemars(default)]
        pub signers: BTreeMap<String, Signer>,
        /// Builders whose provenance is believed, by name.
        #[schemars(default)]
        pub builders: BTreeMap<String, Builder>,
        /// Signed deny feeds outside this file.
        #[schemars(default)]
        pub denylist: Vec<Denylist>,
        /// Requirements on every verdict, whatever the rule.
        pub baseline: Option<Baseline>,
        /// Rules; exactly one, the most specific, applies to a reference.
        #[schemars(default)]
        pub rule: Vec<Rule>,
        /// What is refused whatever else holds.
        #[schemars(default)]
        pub deny: Vec<Deny>,
        /// Dated exceptions.
        #[schemars(default)]
        pub waiver: Vec<Waiver>,
    }

    /// A Sigstore trust root: either `tuf`, or `file` with `sha256`.
    pub struct TrustRoot {
        /// URL of a TUF repository whose initial root is built in.
        pub tuf: Option<String>,
        /// A `trusted_root.json`.
        pub file: Option<String>,
        /// SHA-256 of that file, 64 hexadecimal digits.
        pub sha256: Option<Sha256Hex>,
        /// How old the cached TUF timestamp may be.
        pub max_staleness: Option<Period>,
    }

    /// A signer that holds a private key.
    pub struct KeySigner {
        /// The person or organisation that thresholds count; the signer's name when left out.
        pub principal: Option<String>,
        /// File with the public key, PEM.
        pub file: Option<String>,
        /// The public key itself, PEM.
        pub pem: Option<String>,
        /// SHA-256 of the key's DER SubjectPublicKeyInfo, 64 hexadecimal digits; must be the loaded key's.
        pub spki_sha256: Sha256Hex,
        /// Signatures from before this time are not believed.
        pub not_before: Option<Time>,
        /// Signatures from after this time are not believed.
        pub not_after: Option<Time>,
    }

    /// A signer with an X.509 certificate under a root of this policy's choice.
    pub struct CertificateSigner {
        /// The person or organisation that thresholds count; the signer's name when left out.
        pub principal: Option<String>,
        /// File with the root certificates (and intermediates), PEM.
        pub roots: String,
        /// SHA-256 of the DER of each root certificate that may be used.
        pub root_sha256: List<Sha256Hex>,
        /// Who the certificate must be for. All names that are given must match, and at least one is.
        pub subject: Subject,
        /// The extended key usage that the certificate must have; code signing when left out.
        pub eku: Option<Oid>,
        /// Whether revocation is checked; not at all when left out.
        pub revocation: Option<Revocation>,
    }

    /// Names of a certificate.
    pub struct Subject {
        /// Common name.
        pub cn: Option<Match>,
        /// Organisation.
        pub o: Option<Match>,
        /// Organisational unit.
        pub ou: Option<Match>,
        /// An alternative name that is a host name.
        pub dns: Option<Match>,
        /// An alternative name that is an e-mail address.
        pub email: Option<Match>,
        /// An alternative name that is a URI.
        pub uri: Option<Match>,
    }

    /// How revoked certificates are found.
    pub struct Revocation {
        /// `require` denies without a fresh list, `best-effort` uses what there is, `off` does not look.
        pub mode: RevocationMode,
        /// Folder with certificate revocation lists.
        pub crl_dir: Option<String>,
        /// The greatest age of a list, by its `thisUpdate`.
        pub max_age: Option<Period>,
    }

    /// A signer with a short-lived Fulcio certificate for an OpenID Connect identity.
    pub struct KeylessSigner {
        /// The person or organisation that thresholds count; the signer's name when left out.
        pub principal: Option<String>,
        /// Name of a trust root of this policy.
        pub trust_root: String,
        /// The OpenID Connect issuer, exactly.
        pub issuer: String,
        /// The certificate's one subject alternative name.
        pub identity: Option<Match>,
        /// Further claims of the certificate; every one that is given must be there and match.
        #[schemars(default)]
        pub claims: BTreeMap<Claim, Match>,
    }

    /// A builder, and what its provenance is worth here.
    pub struct Builder {
        /// Signers, any one of which may have signed the provenance.
        pub signers: List<String>,
        /// The provenance's `builder.id`.
        pub builder_id: Match,
        /// The greatest SLSA build level that this policy grants the builder.
        pub max_level: Level,
        /// The build types that are accepted, exactly.
        pub build_types: List<String>,
    }

    /// A deny feed that is kept outside this file, signed.
    pub struct Denylist {
        /// The feed's file.
        pub file: String,
        /// Who may sign it.
        pub signers: List<String>,
        /// How many different principals must have signed; must be written when there are several signers.
        pub threshold: Option<NonZeroU32>,
        /// The greatest age of the feed, by its issue time.
        pub max_age: Option<Period>,
        /// What a stale feed means: `deny`, the only choice there is.
        pub on_stale: Option<OnStale>,
    }

    /// Requirements that every rule adds to. A rule cannot take them away.
    pub struct Baseline {
        /// Who must have signed.
        pub signature: Option<Signature>,
        /// What the files may be.
        pub content: Option<Content>,
        /// Required SLSA provenance.
        pub slsa: Option<Slsa>,
        /// Required verification summary.
        pub vsa: Option<Vsa>,
        /// Required attestations.
        #[schemars(default)]
        pub attestation: Vec<Attestation>,
        /// Required bill of materials.
        pub aibom: Option<Aibom>,
        /// Requirements on training data.
        pub datasets: Option<Datasets>,
    }

    /// A rule: for which models, and what they need.
    pub struct Rule {
        /// A name, unique in this policy.
        pub name: String,
        /// Globs on canonical references.
        pub models: List<Glob>,
        /// What happens with these models; `verify` when left out.
        pub action: Option<Action>,
        /// `audit` reports relaxable failures as warnings; `enforce` when left out.
        pub mode: Option<Mode>,
        /// From this time on an audit rule enforces.
        pub enforce_after: Option<Time>,
        /// How the name is proven to belong to the bytes.
        pub bind: Option<Binding>,
        /// The manifest digests that `bind = "digest"` accepts.
        #[schemars(default)]
        pub digests: Vec<ManifestDigest>,
        /// The lowest version that the binding statement may give, by Semantic Versioning.
        pub min_version: Option<Version>,
        /// Who must have signed.
        pub signature: Option<Signature>,
        /// What the files may be.
        pub content: Option<Content>,
        /// Required SLSA provenance.
        pub slsa: Option<Slsa>,
        /// Required verification summary.
        pub vsa: Option<Vsa>,
        /// Required attestations.
        #[schemars(default)]
        pub attestation: Vec<Attestation>,
        /// Required bill of materials.
        pub aibom: Option<Aibom>,
        /// Requirements on training data.
        pub datasets: Option<Datasets>,
    }

    /// Who must have signed the model, and when.
    pub struct Signature {
        /// Signers of this policy that count.
        pub signers: List<String>,
        /// How many different principals must have signed the same manifest; must be written when there are several
        /// signers.
        pub threshold: Option<NonZeroU32>,
        /// Whether a transparency log entry is needed; when left out, `required` for keyless signers and `off` for others.
        pub transparency: Option<Requirement>,
        /// Whether a signed timestamp is needed; `optional` when left out.
        pub timestamp: Option<Requirement>,
        /// The greatest age of the signature, by its earliest trusted time.
        pub max_age: Option<Period>,
        /// The signature must be from after this time, by its earliest trusted time.
        pub signed_after: Option<Time>,
        /// The file hashes that a signature may use; all that are known when left out.
        #[schemars(default)]
        pub hash_algorithms: Vec<HashAlgorithm>,
    }

    /// What the model's files may be. Formats are told by content, names are only a hint.
    pub struct Content {
        /// Every file must be of one of these formats.
        #[schemars(default)]
        pub allow_formats: Vec<FileFormat>,
        /// No file may be of one of these formats.
        #[schemars(default)]
        pub deny_formats: Vec<FileFormat>,
        /// Whether the model may bring code that its loader would run.
        pub remote_code: Option<Permission>,
        /// The most that the pickles of a file may do when they are loaded, from `P0` (there is none) to `P4`.
        pub max_pickle_tier: Option<Tier>,
        /// The worst that inspection may say of a file: `clean` for nothing at all.
        pub max_verdict: Option<Worst>,
        /// Whether there may be files that nobody signed.
        pub unsigned_files: Option<Permission>,
        /// Whether there may be symbolic links.
        pub symlinks: Option<Permission>,
        /// The paths that a signer may have left out of the signature.
        pub ignore_paths: Option<Vec<String>>,
        /// The greatest number of files.
        pub max_files: Option<u64>,
        /// The greatest total size in bytes.
        pub max_bytes: Option<u64>,
    }

    /// Required SLSA provenance.
    pub struct Slsa {
        /// Builders of this policy, any one of which may have built the model.
        pub builders: List<String>,
        /// The least SLSA build level.
        pub min_level: Level,
        /// Where the source must come from.
        pub source: Option<Match>,
        /// The source's branch or tag.
        pub source_ref: Option<Match>,
        /// A test for each external parameter, by JSON pointer.
        #[schemars(default)]
        pub external_parameters: BTreeMap<PointerKey, Test>,
        /// What an external parameter without a test means; `deny` when left out.
        pub unknown_parameters: Option<Permission>,
        /// Whether the models that this one was made from are verified too.
        pub base_models: Option<BaseModels>,
    }

    /// Verification of the models that a model was made from.
    pub struct BaseModels {
        /// Whether to do it.
        pub verify: bool,
        /// How many generations to go back, 8 at most; 8 when left out.
        pub max_depth: Option<NonZeroU32>,
    }

    /// A required SLSA verification summary attestation.
    pub struct Vsa {
        /// Who may have issued it: pairs of signer and verifier.
        pub verifiers: List<VsaVerifier>,
        /// Levels that must all have been verified.
        pub levels: List<String>,
        /// The summary's `resourceUri`; the model's reference when left out.
        pub resource_uri: Option<Match>,
        /// The summary's `policy.uri`.
        pub policy_uri: Option<Match>,
        /// The greatest age, by trusted time, else by `timeVerified`.
        pub max_age: Option<Period>,
    }

    /// One who may issue verification summaries.
    pub struct VsaVerifier {
        /// Signer of this policy.
        pub signer: String,
        /// The `verifier.id` that this signer may use, exactly.
        pub id: String,
    }

    /// A required attestation.
    pub struct Attestation {
        /// A name for messages, unique in its rule.
        pub name: String,
        /// The predicate type, an exact URI.
        pub predicate_type: String,
        /// Who may have signed it.
        pub signers: List<String>,
        /// How many different principals must have signed; must be written when there are several signers.
        pub threshold: Option<NonZeroU32>,
        /// Which of several must pass: `all` (when left out), `any`, or the `latest` by trusted time.
        pub select: Option<Select>,
        /// The greatest age, by trusted time.
        pub max_age: Option<Period>,
        /// Tests on the predicate, by JSON pointer.
        #[schemars(default, rename = "where")]
        pub where_: BTreeMap<PointerKey, Test>,
    }

    /// A required AI bill of materials.
    pub struct Aibom {
        /// Formats with their least version, such as `cyclonedx>=1.6`.
        pub formats: List<BomFormat>,
        /// Who may have signed it.
        pub signers: List<String>,
        /// How many different principals must have signed; must be written when there are several signers.
        pub threshold: Option<NonZeroU32>,
        /// What it must tell.
        #[schemars(default)]
        pub require_fields: Vec<BomField>,
        /// Licences of the components.
        pub licenses: Option<Licenses>,
    }

    /// Licences that components of a bill of materials may have.
    pub struct Licenses {
        /// SPDX licence identifiers.
        pub allow: List<String>,
        /// What a missing licence or `NOASSERTION` means; `deny` when left out.
        pub unknown: Option<Permission>,
        /// Which components are looked at; all when left out.
        #[schemars(default)]
        pub scope: Vec<LicenseScope>,
    }

    /// Requirements on training data.
    pub struct Datasets {
        /// Where datasets are declared; the union counts.
        pub evidence: List<DatasetEvidence>,
        /// Whether each dataset needs a digest; `optional` when left out.
        pub digest: Option<Requirement>,
        /// How many datasets must be declared at least.
        pub min_count: Option<u64>,
        /// Each dataset must match one of these.
        #[schemars(default)]
        pub allow: Vec<Match>,
        /// No dataset may match one of these.
        #[schemars(default)]
        pub deny: Vec<Match>,
        /// Licences of the datasets.
        pub licenses: Option<DatasetLicenses>,
    }

    /// Licences that datasets may have.
    pub struct DatasetLicenses {
        /// SPDX licence identifiers.
        pub allow: List<String>,
        /// What a missing licence or `NOASSERTION` means; `deny` when left out.
        pub unknown: Option<Permission>,
    }

    /// What is refused whatever else holds: waivers and audit mode do not help.
    pub struct Deny {
        /// A name for messages, unique in this policy.
        pub id: String,
        /// Why, for people.
        pub reason: String,
        /// Models, by manifest digest.
        #[schemars(default)]
        pub digests: Vec<ManifestDigest>,
        /// Files, by content.
        #[schemars(default)]
        pub file_digests: Vec<FileDigest>,
        /// Signing keys.
        #[schemars(default)]
        pub keys: Vec<SpkiDigest>,
        /// Names of signers: a subject alternative name of the certificate.
        #[schemars(default)]
        pub identities: Vec<Match>,
        /// Signatures with a trusted time before this one stay good; for keys and identities.
        pub compromised_at: Option<Time>,
        /// A ticket or an advisory.
        pub reference: Option<String>,
    }

    /// A dated exception for named models from named reason codes of one rule.
    pub struct Waiver {
        /// A name for messages, unique in this policy.
        pub id: String,
        /// The rule that is relaxed.
        pub rule: String,
        /// The reason codes that are waived.
        pub codes: List<String>,
        /// The models that it is for.
        pub digests: List<ManifestDigest>,
        /// When it ends. RFC 3339 with an offset.
        pub expires: Time,
        /// Who approved it.
        pub approved_by: List<String>,
        /// Why, for people.
        pub reason: String,
        /// A ticket.
        pub reference: Option<String>,
    }
}

/// A list that must be written and must not be empty: nothing is true of the items of an empty list by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub(super) Vec<T>);

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "minItems": 1, "items": generator.subschema_for::<T>() })
    }
}

/// Whom signatures are believed from.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Signer {
    /// The holder of a private key.
    Key(KeySigner),
    /// The subject of an X.509 certificate.
    Certificate(Box<CertificateSigner>),
    /// The owner of an OpenID Connect identity.
    Keyless(KeylessSigner),
}

impl Signer {
    /// The value of `kind`: `key`, `certificate` or `keyless`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Certificate(_) => "certificate",
            Self::Keyless(_) => "keyless",
        }
    }

    /// The principal as it was written; the signer's name counts when there is none.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::Key(signer) => signer.principal.as_deref(),
            Self::Certificate(signer) => signer.principal.as_deref(),
            Self::Keyless(signer) => signer.principal.as_deref(),
        }
    }
}

impl Document {
    /// The principal that thresholds count for the signer called `name`.
    #[must_use]
    pub fn principal_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.signers.get(name).and_then(Signer::principal).unwrap_or(name)
    }
}

impl Rule {
    /// The rule's requirement blocks, in the form that the baseline's have, so that both are judged by the same code.
    #[must_use]
    pub fn requirements(&self) -> Requirements<'_> {
        Requirements {
            signature: self.signature.as_ref(),
            content: self.content.as_ref(),
            slsa: self.slsa.as_ref(),
            vsa: self.vsa.as_ref(),
            attestation: &self.attestation,
            aibom: self.aibom.as_ref(),
            datasets: self.datasets.as_ref(),
        }
    }
}

impl Baseline {
    /// The baseline's requirement blocks.
    #[must_use]
    pub fn requirements(&self) -> Requirements<'_> {
        Requirements {
            signature: self.signature.as_ref(),
            content: self.content.as_ref(),
            slsa: self.slsa.as_ref(),
            vsa: self.vsa.as_ref(),
            attestation: &self.attestation,
            aibom: self.aibom.as_ref(),
            datasets: self.datasets.as_ref(),
        }
    }
}

impl Content {
    /// Whether the files have to be inspected, and not only measured.
    #[must_use]
    pub fn needs_inspection(&self) -> bool {
        !self.allow_formats.is_empty()
            || !self.deny_formats.is_empty()
            || self.remote_code == Some(Permission::Deny)
            || self.max_pickle_tier.is_some()
            || self.max_verdict.is_some()
    }
}

impl Document {
    /// Whether any rule, or the baseline, wants the files of its models inspected.
    #[must_use]
    pub fn needs_inspection(&self) -> bool {
        let of_rules = self.rule.iter().filter_map(|rule| rule.content.as_ref());
        let of_baseline = self.baseline.iter().filter_map(|baseline| baseline.content.as_ref());
        of_rules.chain(of_baseline).any(Content::needs_inspection)
    }
}

/// The requirement blocks of a rule or of the baseline.
#[derive(Debug, Clone, Copy)]
pub struct Requirements<'a> {
    /// Who must have signed.
    pub signature: Option<&'a Signature>,
    /// What the files may be.
    pub content: Option<&'a Content>,
    /// Required SLSA provenance.
    pub slsa: Option<&'a Slsa>,
    /// Required verification summary.
    pub vsa: Option<&'a Vsa>,
    /// Required attestations.
    pub attestation: &'a [Attestation],
    /// Required bill of materials.
    pub aibom: Option<&'a Aibom>,
    /// Requirements on training data.
    pub datasets: Option<&'a Datasets>,
}

/// The fields of each kind of signer, in Rust's spelling.
const SIGNER_FIELDS: &[(&str, &[&str])] = &[
    ("key", KeySigner::FIELDS),
    ("certificate", CertificateSigner::FIELDS),
    ("keyless", KeylessSigner::FIELDS),
];

impl FromNode for Signer {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        if !matches!(node.kind, Kind::Table(_)) {
            return decoder.wrong_type(node, at, "a table");
        }
        let kinds = SIGNER_FIELDS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
        let Some(kind) = node.entry("kind") else {
            let message = format!("`{at}` lacks `kind`, which is one of {}", listed(&kinds));
            decoder.complain(&lint::MISSING_FIELD, head(node), &at.key("kind"), message, None);
            return None;
        };
        let Kind::String(word) = &kind.value.kind else {
            return decoder.wrong_type(&kind.value, &at.key("kind"), "a string");
        };
        decoder.tagged = Some(SIGNER_FIELDS);
        match word.as_str() {
            "key" => KeySigner::from_node(node, at, decoder).map(Self::Key),
            "certificate" => {
                CertificateSigner::from_node(node, at, decoder).map(Box::new).map(Self::Certificate)
            }
            "keyless" => KeylessSigner::from_node(node, at, decoder).map(Self::Keyless),
            _ => {
                decoder.tagged = None;
                decoder.unknown_word(&kind.value, &at.key("kind"), word, &kinds);
                None
            }
        }
    }
}
