//! The closed vocabularies of the policy language: fields whose value is one of a few words.

use super::{
    decode::{At, Decoder, FromNode},
    tree::{Kind, Node},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, fmt};

/// Declares an enum of words with its reader and its schema.
macro_rules! words {
    ($($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every word there is, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as policies write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromNode for $name {
            fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
                const NAMES: &[&str] = &[$($word,)+];
                let Kind::String(word) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
                let found = Self::ALL.iter().copied().find(|w| w.name() == word);
                if found.is_none() {
                    decoder.unknown_word(node, at, word, NAMES);
                }
                found
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($word,)+] })
            }
        }
    )+};
}

words! {
    /// Whether a decision may use the network.
    pub enum Network {
        /// Trust roots, revocation lists and referrers may be fetched.
        Allow = "allow",
        /// A need for the network is an error.
        Never = "never",
    }

    /// What a rule does with its models.
    pub enum Action {
        /// Verify them.
        Verify = "verify",
        /// Refuse them.
        Reject = "reject",
        /// Load them without a signature. The verdict says so, and the baseline and the deny lists still apply.
        InsecureAllowUnverified = "insecure-allow-unverified",
    }

    /// Whether a rule's failures deny.
    pub enum Mode {
        /// They do.
        Enforce = "enforce",
        /// Those that can be relaxed become warnings.
        Audit = "audit",
    }

    /// How a name is proven to belong to bytes.
    pub enum Binding {
        /// The manifest digest is listed in the rule.
        Digest = "digest",
        /// An in-toto release statement of the same principals names the reference.
        Release = "release",
        /// The SLSA provenance's subject is the reference.
        Provenance = "provenance",
        /// The verification summary's resource is the reference.
        Vsa = "vsa",
        /// Not at all: anything that the signer signed satisfies the rule.
        Signer = "signer",
    }

    /// Whether something must be there.
    pub enum Requirement {
        /// It must, and must be good.
        Required = "required",
        /// It need not; when it is there it must be good.
        Optional = "optional",
        /// It is not looked at.
        Off = "off",
    }

    /// Whether something may be.
    pub enum Permission {
        /// It may.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
    }

    /// What a stale deny feed means.
    pub enum OnStale {
        /// Nothing may be loaded until there is a fresh one.
        Deny = "deny",
    }

    /// How certificate revocation is checked.
    pub enum RevocationMode {
        /// Without a fresh status there is no verdict but deny.
        Require = "require",
        /// A revoked certificate is refused; a missing status is not.
        BestEffort = "best-effort",
        /// Not at all.
        Off = "off",
    }

    /// Which of several attestations must pass.
    pub enum Select {
        /// Every one.
        All = "all",
        /// At least one.
        Any = "any",
        /// The newest by trusted time.
        Latest = "latest",
    }

    /// Hash algorithms of signed manifests.
    pub enum HashAlgorithm {
        /// SHA-256.
        Sha256 = "sha256",
        /// SHA-384.
        Sha384 = "sha384",
        /// SHA-512.
        Sha512 = "sha512",
        /// BLAKE2b with 64 bytes.
        Blake2b = "blake2b",
        /// BLAKE3.
        Blake3 = "blake3",
    }

    /// File formats, told by content.
    pub enum FileFormat {
        /// Safetensors.
        Safetensors = "safetensors",
        /// GGUF.
        Gguf = "gguf",
        /// ONNX.
        Onnx = "onnx",
        /// JSON.
        Json = "json",
        /// YAML.
        Yaml = "yaml",
        /// Text that is nothing more specific.
        Text = "text",
        /// Vocabularies and tokenizer models.
        Tokenizer = "tokenizer",
        /// A compiled TensorRT engine.
        TensorrtEngine = "tensorrt-engine",
        /// Python pickle in any wrapping: torch, NumPy object arrays, joblib, Keras lambdas.
        Pickle = "pickle",
        /// NumPy arrays without objects.
        Numpy = "numpy",
        /// HDF5.
        Hdf5 = "hdf5",
        /// Keras archives.
        Keras = "keras",
        /// TensorFlow graphs and checkpoints.
        Tensorflow = "tensorflow",
        /// TensorFlow Lite.
        Tflite = "tflite",
        /// Core ML.
        Coreml = "coreml",
        /// OpenVINO.
        Openvino = "openvino",
        /// Programs, libraries and scripts.
        Executable = "executable",
        /// Archives and compressed files.
        Archive = "archive",
        /// Pictures.
        Image = "image",
    }

    /// What a file's pickles can do when they are loaded, least first.
    pub enum Tier {
        /// There is no pickle.
        None = "P0",
        /// Numbers, text and containers.
        Data = "P1",
        /// What `torch.load(weights_only=True)` loads.
        WeightsOnly = "P2",
        /// Classes and functions of known libraries that rebuild data.
        Framework = "P3",
        /// Something that is not known.
        Unknown = "P4",
    }

    /// What is thought of a file that was inspected, best first.
    pub enum Worst {
        /// All of it was understood, and nothing found.
        Clean = "clean",
        /// Some of it was not understood or not inspected.
        Unknown = "unknown",
        /// Some of it cannot be shown to be harmless.
        Suspicious = "suspicious",
        /// Some of it breaks its format.
        Malformed = "malformed",
    }

    /// What a bill of materials can be asked to tell.
    pub enum BomField {
        /// A model card.
        ModelCard = "model-card",
        /// The datasets it was trained on.
        TrainingDatasets = "training-datasets",
        /// The models it was made from.
        BaseModels = "base-models",
        /// Licences.
        Licenses = "licenses",
        /// Who supplies the model.
        Supplier = "supplier",
        /// The model's version.
        Version = "version",
        /// What the model is for.
        IntendedUse = "intended-use",
        /// What it is not good at.
        Limitations = "limitations",
        /// Ethical considerations.
        EthicalConsiderations = "ethical-considerations",
        /// How well it does, measured.
        PerformanceMetrics = "performance-metrics",
        /// Hyperparameters of the training.
        Hyperparameters = "hyperparameters",
        /// Energy that the training used.
        EnergyConsumption = "energy-consumption",
    }

    /// Components whose licences are looked at.
    pub enum LicenseScope {
        /// The model itself.
        Model = "model",
        /// The models it was made from.
        BaseModels = "base-models",
        /// The datasets it was trained on.
        Datasets = "datasets",
        /// Software in the bill of materials.
        Software = "software",
    }

    /// Where datasets are declared.
    pub enum DatasetEvidence {
        /// Resolved dependencies of the provenance.
        Provenance = "provenance",
        /// The bill of materials.
        Aibom = "aibom",
    }
}
