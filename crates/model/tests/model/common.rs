//! Models in temporary folders, and a second, naive opinion on them.

use modelseal_core::{
    digest::{Algorithm, Digest},
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    path::ModelPath,
};
use modelseal_model::{MeasureError, Measured, Options, Source, measure};
use std::{
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// A folder `model` inside a temporary folder.
pub(crate) struct Model {
    outside: TempDir,
}

impl Model {
    pub(crate) fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("model")).unwrap();
        Self { outside }
    }

    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        let model = Self::new();
        for (name, bytes) in files {
            model.file(name, bytes);
        }
        model
    }

    pub(crate) fn outside(&self) -> &Path {
        self.outside.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.outside.path().join("model")
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[cfg(unix)]
    pub(crate) fn link(&self, name: &str, target: impl AsRef<Path>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    pub(crate) fn source(&self) -> Source {
        Source::open(&self.path()).unwrap()
    }

    pub(crate) fn measure(&self, options: &Options) -> Result<Measured, MeasureError> {
        measure(&self.source(), options, &())
    }

    /// The names of its files, measured.
    pub(crate) fn names(&self, options: &Options) -> Vec<String> {
        names(self.measure(options).unwrap().manifest.get())
    }

    /// The error of measuring it.
    pub(crate) fn error(&self, options: &Options) -> MeasureError {
        self.measure(options).expect_err("must not be measured")
    }
}

pub(crate) fn names(manifest: &Manifest) -> Vec<String> {
    manifest.resources().iter().map(|r| r.name().into_owned()).collect()
}

pub(crate) fn paths(names: &[&str]) -> Vec<ModelPath> {
    names.iter().map(|name| ModelPath::parse(name).unwrap()).collect()
}

pub(crate) fn ignoring(names: &[&str]) -> Options {
    let serialization = Serialization { ignore_paths: paths(names), ..Serialization::default() };
    Options { serialization, ..Options::default() }
}

pub(crate) fn following() -> Options {
    let serialization = Serialization { allow_symlinks: true, ..Serialization::default() };
    Options { serialization, ..Options::default() }
}

pub(crate) fn sharded(size: u64) -> Options {
    let method = Method::Shards(NonZeroU64::new(size).unwrap());
    let serialization = Serialization { method, ..Serialization::default() };
    Options { serialization, ..Options::default() }
}

/// Lets the clock by which files are stamped move on.
pub(crate) fn tick() {
    std::thread::sleep(Duration::from_millis(25));
}

/// Bytes that differ from place to place and from seed to seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The manifest of files given as bytes, computed the simple way by other code: `sha2` and the one-shot functions.
pub(crate) fn naive(files: &[(String, Vec<u8>)], serialization: &Serialization) -> Manifest {
    let mut resources = Vec::new();
    for (name, bytes) in files {
        let path = ModelPath::parse(name).unwrap();
        match serialization.method {
            Method::Files => {
                resources.push(Resource { path, range: None, digest: hash(serialization.algorithm, bytes) });
            }
            Method::Shards(size) => {
                let size = usize::try_from(size.get()).unwrap();
                let mut start = 0;
                loop {
                    let end = (start + size).min(bytes.len());
                    let range = Some(ByteRange { start: start as u64, end: end as u64 });
                    let digest = hash(serialization.algorithm, &bytes[start..end]);
                    resources.push(Resource { path: path.clone(), range, digest });
                    start = end;
                    if end == bytes.len() {
                        break;
                    }
                }
            }
        }
    }
    Manifest::sorted(serialization.clone(), resources).unwrap()
}

pub(crate) fn hash(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    match algorithm {
        Algorithm::Sha256 => Digest::new(algorithm, &sha2::Sha256::digest(bytes)),
        Algorithm::Blake2b => Digest::new(algorithm, blake2b_simd::blake2b(bytes).as_bytes()),
        Algorithm::Blake3 => Digest::new(algorithm, blake3::hash(bytes).as_bytes()),
    }
    .unwrap()
}
