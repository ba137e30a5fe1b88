//! Says what is in a model's files and whether loading them can run code: bytes in, [`Observed<FileInspection>`] out.
//!
//! ```text
//! Bytes -> Input -> route (by content) -> a format's reader -> Scan (findings, contents) -> FileInspection
//!                     ^                        |
//!                     +---- members of archives, decompressed streams, nested pickles
//! ```
//!
//! | module | part |
//! |---|---|
//! | `bytes` | [`Bytes`], [`Input`], [`Stream`]: where bytes come from, and where hashing and inspecting meet |
//! | `scan` | `Scan`: what is known of one file so far; `Content`: a file or a member as its reader gets it |
//! | `route` | which reader gets it, by content; the name is only an expectation |
//! | `rule` | [`Rule`]: every finding has one, with a lasting name; each format keeps its table beside its reader |
//! | `limits` | every bound with its reason; reaching one is a finding, and never clean |
//! | `pickle` | the virtual machine, and [`Globals`]: which Python names are allowed |
//! | `compress` | compressed streams, always bounded, never held whole |
//! | `zip`, `tar` | archives, read as their loaders read them |
//! | `npy`, `torch` | NumPy's and PyTorch's files |
//! | `boost` | models of XGBoost, LightGBM and CatBoost |
//! | `yaml`, `vocabulary`, `text` | configurations, vocabularies, and what people read |
//! | `source`, `requirements`, `native` | code: scripts, lists of packages, programs |
//! | `media`, `lfs` | pictures and documents; pointers and files of Git |
//! | `json` | JSON of any size, and `json::Kind`: what is written in it |
//! | `jinja` | chat templates |
//!
//! To add a format: a file with a reader that implements `route::Format`, a table of its rules, and a line each in
//! `route::FORMATS` and `rule::all`; for one that lives in zip archives, `zip::Kind` and `zip::KINDS`; for one that is
//! written in JSON, `json::Kind` and `json::KINDS`.
//!
//! Nothing is imported, executed, written, or looked up elsewhere: the result is a function of the bytes, the rules and
//! the bounds. What is not understood is unknown, never clean.

mod boost;
mod bytes;
mod compress;
mod jinja;
mod json;
mod lfs;
mod limits;
mod media;
mod native;
mod npy;
mod pickle;
mod requirements;
mod route;
mod rule;
mod scan;
mod source;
mod tar;
#[cfg(test)]
mod test;
mod text;
mod torch;
mod vocabulary;
mod yaml;
mod zip;

pub use bytes::{Bytes, FileBytes, Input, RangeStream, ReadError, Stream};
pub use pickle::{Allowed, Danger, Globals, GlobalsError, Role, Standing, trace};
pub use rule::{Rule, all as rules, find as rule};

use modelseal_core::{inspection::FileInspection, observed::Observed, path::ModelPath};
use scan::{Content, Scan};
use std::io;

/// Inspects one file.
///
/// # Errors
/// When `bytes` cannot be read: then nothing can be said. What is wrong with the file itself is a finding.
pub fn inspect(
    path: &ModelPath,
    bytes: &dyn Bytes,
    globals: &Globals,
) -> io::Result<Observed<FileInspection>> {
    let input = Input::of(bytes);
    let mut scan = Scan::new(globals, path.clone(), input.len());
    let content = Content::random(input).map_err(|halt| halt.0)?;
    let format = route::inspect(content, &mut scan).map_err(|halt| halt.0)?;
    Ok(Observed::measured_by_this_process(scan.finish(input.len(), format)))
}
