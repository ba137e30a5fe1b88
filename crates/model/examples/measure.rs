//! Prints a model's digests and what there is to say about it: `measure MODEL [sha256|blake2b|blake3] [SHARD-SIZE]`.

use modelseal_core::manifest::{Method, Serialization};
use modelseal_model::{Options, Source, measure};
use std::{error::Error, io::Write, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("usage: measure MODEL [ALGORITHM] [SHARD-SIZE]")?;
    let algorithm = arguments.next().map(|name| name.parse()).transpose()?.unwrap_or_default();
    let method = arguments.next().map(|size| size.parse()).transpose()?.map_or(Method::Files, Method::Shards);
    let serialization = Serialization { method, algorithm, ..Serialization::default() };
    let options = Options { serialization, ..Options::default() };
    let measured = measure(&Source::open(Path::new(&model))?, &options, &())?;
    let mut out = std::io::stdout().lock();
    for note in &measured.notes {
        writeln!(out, "note: {note}")?;
    }
    let manifest = measured.manifest.get();
    writeln!(out, "root {}  manifest {}", manifest.root_digest(), manifest.manifest_digest())?;
    writeln!(out, "{} files, {} bytes", measured.files, measured.bytes)?;
    Ok(())
}
