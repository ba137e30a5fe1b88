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
//! | `model` | what only shows when all files of a model are seen together: links, twins, raw tensors that another file names: [`join`] |
//! | `ruleset` | [`RuleSet`]: the rules that are shipped, and what users lay over them |
//! | `limits` | every bound with its reason; reaching one is a finding, and never clean |
//! | `memory` | what is held of a file at once, which all readers share |
//! | `pickle` | the virtual machine, and [`Globals`]: which Python names are allowed |
//! | `compress` | compressed streams, always bounded, never held whole |
//! | `zip`, `tar`, `sevenz` | archives, read as their loaders read them |
//! | `hdf5`, `keras` | HDF5 files, and Keras' configurations in them and in its archives |
//! | `flax`, `rdata`, `torch7` | MessagePack of Flax, R's serialisation, Torch7 |
//! | `fields` | `Source`: a stream whose fields are taken one after the other |
//! | `npy`, `torch`, `torchserve`, `skops` | NumPy's and PyTorch's files, TorchServe's archives, skops |
//! | `boost` | models of XGBoost, LightGBM and CatBoost |
//! | `yaml`, `vocabulary`, `text` | configurations, vocabularies, and what people read |
//! | `source`, `requirements`, `native` | code: scripts, lists of packages, programs |
//! | `media`, `lfs` | pictures and documents; pointers and files of Git |
//! | `json` | JSON of any size, and `json::Kind`: what is written in it |
//! | `hf`, `tokenizer` | configuration that names code or files; tokenizers |
//! | `jinja` | chat templates |
//! | `suspect` | texts that look like code where none belongs |
//! | `safetensors` | safetensors |
//! | `gguf` | GGUF, and the mark of what was before it |
//! | `protobuf` | protocol buffers, walked in place; which of them it is: `onnx`, `tensorflow`, `coreml`, `paddle` |
//! | `flatbuffer` | flatbuffers, checked before they are followed: `tflite`, `executorch` |
//! | `xml` | XML without its entities: OpenVINO, PMML |
//! | `tensorrt` | compiled engines, which nobody can read |
//! | `operators`, `outside` | operators that frameworks have; names of files that lead out of a model |
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
mod coreml;
mod executorch;
mod fields;
mod flatbuffer;
mod flax;
mod gguf;
mod hdf5;
mod hf;
mod jinja;
mod json;
mod keras;
mod lfs;
mod limits;
mod media;
mod memory;
mod model;
mod native;
mod npy;
mod onnx;
mod operators;
mod outside;
mod paddle;
mod pickle;
mod protobuf;
mod rdata;
mod requirements;
mod route;
mod rule;
mod ruleset;
mod safetensors;
mod scan;
mod sevenz;
mod skops;
mod source;
mod suspect;
mod tar;
mod tensorflow;
mod tensorrt;
#[cfg(test)]
mod testing;
mod text;
mod tflite;
mod tokenizer;
mod torch;
mod torch7;
mod torchserve;
mod vocabulary;
mod xml;
mod yaml;
mod zip;

pub use bytes::{Bytes, FileBytes, Input, RangeStream, ReadError, Stream};
pub use model::{Link, join};
pub use pickle::{Allowed, Danger, Globals, GlobalsError, Role, Standing};
pub use rule::{Rule, all as rules, find as rule};
pub use ruleset::{Changed, MAX_RULES_BYTES, RULES_SCHEMA, RuleSet, RuleSetError, limits_digest};

use modelseal_core::{inspection::FileInspection, observed::Observed, path::ModelPath};
use scan::{Content, Halt, Scan};
use std::{fmt, io};

/// Inspects one file.
///
/// # Errors
/// When `bytes` cannot be read: then nothing can be said. What is wrong with the file itself is a finding.
pub fn inspect(
    path: &ModelPath,
    bytes: &dyn Bytes,
    globals: &Globals,
) -> io::Result<Observed<FileInspection>> {
    let mut input = Input::of(bytes);
    let held;
    if input.len() <= limits::SMALL {
        // Readers ask for it a piece at a time, and of small files there are many.
        held = input.read_some(0, usize::MAX).map_err(|error| Halt::of(error).0)?;
        input = Input::of(&held);
    }
    let mut scan = Scan::new(globals, path.clone(), input.len());
    let content = Content::random(input).map_err(|halt| halt.0)?;
    let format = route::inspect(content, &mut scan).map_err(|halt| halt.0)?;
    Ok(Observed::measured_by_this_process(scan.finish(input.len(), format)))
}

/// Writes the annotated disassembly of the pickles in a file, and in the archives that it is, at most `lines` lines of it:
/// nothing when there are none.
///
/// # Errors
/// When `bytes` cannot be read.
pub fn trace(
    path: &ModelPath,
    bytes: &dyn Bytes,
    globals: &Globals,
    to: &mut dyn fmt::Write,
    lines: u64,
) -> io::Result<()> {
    let input = Input::of(bytes);
    let mut scan = Scan::new(globals, path.clone(), input.len());
    scan.trace = Some(pickle::Trace::new(to, lines));
    let content = Content::random(input).map_err(|halt| halt.0)?;
    route::inspect(content, &mut scan).map_err(|halt| halt.0)?;
    Ok(())
}
