//! Values and wire forms of model signing. No files, network, clock, threads or keys.
//!
//! What comes in is bytes somebody wrote; what goes out is a value that cannot be malformed, believed by nobody yet.
//!
//! | module | noun |
//! |---|---|
//! | [`path`] | [`ModelPath`](path::ModelPath): the only way a file name enters |
//! | [`digest`] | [`Algorithm`](digest::Algorithm), [`Digest`](digest::Digest) |
//! | [`manifest`] | [`Manifest`](manifest::Manifest): what a model consists of; [`Comparison`](manifest::Comparison) of two |
//! | [`statement`] | the in-toto Statement v1 around a predicate |
//! | [`attestation`] | [`Attestation`](attestation::Attestation): a statement of any predicate type, read in full |
//! | [`predicate`] | one file per predicate type |
//! | [`artifact`] | [`ArtifactId`](artifact::ArtifactId): what joins the statement that made something to those that used it |
//! | [`cover`] | whether a statement's subjects are this model, all of it |
//! | [`croissant`] | [`Croissant`](croissant::Croissant): what describes the files of a dataset, and what of it pins them |
//! | [`purl`] | [`Purl`](purl::Purl): a package URL of a release |
//! | [`payload`] | payload types of signed documents that are no statements |
//! | [`rollback`] | [`RollbackState`](rollback::RollbackState): the newest versions that were accepted |
//! | [`deny_feed`] | [`DenyFeed`](deny_feed::DenyFeed): what must not be used any more, as somebody publishes it |
//! | [`dsse`] | [`Envelope`](dsse::Envelope) and its pre-authentication encoding |
//! | [`bundle`] | [`Bundle`](bundle::Bundle): the Sigstore bundle that travels beside a model |
//! | [`log_entry`] | [`LogEntry`](log_entry::LogEntry): a transparency log's record of one signature |
//! | [`key`] | names of public keys: SPKI text, hint, fingerprint |
//! | [`json`] | the one strict JSON reader |
//! | [`inspection`] | [`Inspection`](inspection::Inspection): what is in a model's files, and whether they can run code |
//! | [`observed`] | [`Observed<T>`](observed::Observed): this process measured it |
//! | [`verity`] | [`FsVerityDigest`](verity::FsVerityDigest): by which Linux knows a file whose bytes it enforces |
//! | [`text`] | foreign text made safe to print |
//! | [`limits`] | every bound on hostile input, with its reason |

pub mod artifact;
pub mod attestation;
pub mod bundle;
pub mod cover;
pub mod croissant;
pub mod deny_feed;
pub mod digest;
pub mod dsse;
pub mod inspection;
pub mod json;
pub mod key;
pub mod limits;
pub mod log_entry;
pub mod manifest;
pub mod observed;
pub mod path;
pub mod payload;
pub mod predicate;
pub mod purl;
pub mod rollback;
pub mod statement;
pub mod text;
pub mod verity;
