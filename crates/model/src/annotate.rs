//! [`measure_annotating`]: a model's manifest, and the fs-verity digest of each of its files, of the same bytes.

use crate::{
    also::{Also, FileHash, measure_also},
    error::MeasureError,
    look::{FileView, Looked, measure_looking},
    measure::{Measured, Options},
    progress::Progress,
    source::Source,
    verity::Verity,
};
use modelseal_core::{manifest::Method, path::ModelPath, verity::FsVerityDigest};
use std::{collections::BTreeMap, io};

/// Bytes that are read at once; whole blocks of any grid that prints are taken of.
const BUFFER: usize = 1 << 20;

/// A model that was measured, with what the kernel would say of its files.
#[derive(Debug, Clone)]
pub struct Annotated {
    /// What it consists of.
    pub measured: Measured,
    /// The fs-verity digest of each file.
    pub fs_verity: BTreeMap<ModelPath, FsVerityDigest>,
}

/// Measures as [`measure`](crate::measure()), and gives each file's fs-verity digest besides. Under [`Method::Files`] every
/// byte is read once. Shards of a file are hashed apart, and its tree is not, so under [`Method::Shards`] every byte is read
/// twice, and a file that was other the second time is an error.
///
/// # Errors
/// As [`measure`](crate::measure()).
pub fn measure_annotating(
    source: &Source,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Annotated, MeasureError> {
    if options.serialization.method == Method::Files {
        let (measured, also) = measure_also(source, options, &[FileHash::FsVerity], progress)?;
        let fs_verity = fs_verity_among(&measured, &also);
        return Ok(Annotated { measured, fs_verity });
    }
    let look = |_: &ModelPath, view: &FileView<'_>| fs_verity_of(view);
    let Looked { measured, looks, .. } = measure_looking(source, options, &[], look, progress)?;
    Ok(Annotated { measured, fs_verity: looks.into_iter().collect() })
}

/// The fs-verity digest of a file that is looked into, all of it.
///
/// # Errors
/// Those of reading.
pub fn fs_verity_of(view: &FileView<'_>) -> io::Result<FsVerityDigest> {
    let mut verity = Verity::default();
    let mut buffer = vec![0; BUFFER];
    let mut offset = 0;
    while offset < view.len() {
        let read = view.read_at(offset, &mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        verity.update(&buffer[..read]);
        offset += read as u64;
    }
    let digests = Verity::finish(vec![verity]);
    digests.first().copied().map(FsVerityDigest::new).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The fs-verity digests among further digests of a model's files; none when they were not asked for.
#[must_use]
pub fn fs_verity_among(measured: &Measured, also: &[Also]) -> BTreeMap<ModelPath, FsVerityDigest> {
    let paths = measured.manifest.get().resources().iter().map(|resource| &resource.path);
    let digests = also.iter().filter(|also| also.hash == FileHash::FsVerity).flat_map(|also| &also.digests);
    let pairs = paths.zip(digests).filter_map(|(path, digest)| {
        let bytes = digest.as_bytes().first_chunk::<32>()?;
        Some((path.clone(), FsVerityDigest::new(*bytes)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::manifest::Serialization;
    use std::num::NonZeroU64;

    #[test]
    fn files_and_shards_have_the_same_annotations() {
        let model = tempfile::tempdir().unwrap();
        let sizes = [0_usize, 1, 4096, 4097, 1 << 20, (1 << 20) + 1, 3_300_001];
        for size in sizes {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n.wrapping_mul(31) % 251).unwrap()).collect();
            std::fs::write(model.path().join(format!("f{size}")), bytes).unwrap();
        }
        let source = Source::open(model.path()).unwrap();
        let measure = |method| {
            let serialization = Serialization { method, ..Serialization::default() };
            let options = Options { serialization, ..Options::default() };
            let annotated = measure_annotating(&source, &options, &()).unwrap();
            assert_eq!(annotated.measured.manifest, crate::measure(&source, &options, &()).unwrap().manifest);
            annotated.fs_verity
        };
        let files = measure(Method::Files);
        assert_eq!(files.len(), sizes.len());
        for shard in [1000, 4096, 1 << 20, 1 << 30] {
            assert_eq!(measure(Method::Shards(NonZeroU64::new(shard).unwrap())), files, "{shard}");
        }
    }
}
