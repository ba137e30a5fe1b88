//! Measures a model on disk: bytes in, [`Observed<Manifest>`](modelseal_core::observed::Observed) out.
//!
//! ```text
//! Source -> walk (ignore rules, links, names) -> plan (files and shards) -> engine (workers, lanes) -> Measured
//! ```
//!
//! | module | step |
//! |---|---|
//! | `source` | [`Source`]: a model that is open: one directory descriptor, or one file |
//! | `walk` | the regular files of a model, by the rules of OMS v1.0 §6.1 and §6.2 |
//! | `snapshot` | Hugging Face cache snapshots, whose files are links into `blobs/` |
//! | `plan` | which byte ranges are hashed, in which order |
//! | `engine` | the workers: reading, hashing, noticing files that change |
//! | `kernel` | the hash functions behind one interface |
//! | `multi` | several of them over the same bytes |
//! | `verity` | the digest by which Linux enforces a file's contents |
//! | `fs` | the few calls into the operating system, relative to descriptors |
//! | `listing` | [`Listing`]: the files themselves, for whoever reads them for another purpose than hashing |
//! | `files` | [`Files`]: the same, owned, for loading them |
//! | `load` | [`load()`]: resources into memory or elsewhere, hashed on their way and compared |
//! | `measure` | [`measure`] and [`survey`], which join these |
//! | `also` | [`measure_also`]: further digests of each file from the same read |
//! | `look` | [`measure_looking`]: looking into the files first, such that what was seen is what was hashed |
//! | `prints` | what ties the two together |
//! | `part` | [`measure_part`]: a share of the resources, for several machines |
//! | `reuse` | [`measure_except`]: only the files that somebody does not know already |
//! | `explain` | what a file that should not be there probably is: [`explain`] |
//!
//! Names become [`ModelPath`](modelseal_core::path::ModelPath) here and nowhere else. What is not understood is an
//! error; nothing is skipped in silence.

mod also;
mod engine;
mod error;
mod explain;
#[cfg(test)]
mod faults;
mod files;
#[cfg_attr(unix, path = "fs_unix.rs")]
#[cfg_attr(not(unix), path = "fs_portable.rs")]
mod fs;
mod kernel;
mod listing;
mod load;
mod look;
mod measure;
mod multi;
mod note;
mod part;
mod plan;
mod prints;
mod progress;
mod read;
mod reuse;
mod snapshot;
mod source;
mod verity;
mod walk;

pub use also::{Also, FileHash, UnknownFileHash, measure_also};
pub use error::{Change, ErrorKind, MeasureError, SpecialFile};
pub use explain::{
    Explanation, LFS_POINTER_BYTES, LfsPointer, explain, is_huggingface_leftover, is_lfs_pointer,
};
pub use files::Files;
pub use listing::{Listing, Opening};
#[cfg(target_os = "linux")]
pub use load::seal;
pub use load::{Destination, LoadError, Memory, Mismatch, Wanted, load};
pub use look::{FileView, Looked, measure_looking};
pub use measure::{DEFAULT_MEMORY, Measured, Options, Survey, measure, survey};
pub use note::Note;
pub use part::{MAX_PARTS, MeasuredPart, Part, PartError, Planned, measure_part};
pub use progress::Progress;
pub use reuse::{Identity, KnownDigests, Partly, measure_except};
pub use source::Source;
