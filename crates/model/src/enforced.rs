//! [`measure_enforced`]: measuring a model some of whose files the kernel answers for.

use crate::{
    engine::opener::Opener,
    error::MeasureError,
    measure::{Measured, Options, measure_walked},
    progress::Progress,
    reuse::{Known, KnownDigests, measure_but},
    source::Source,
    walk::walk,
};
use modelseal_core::{observed::Observed, path::ModelPath};
use std::fs::File;

/// A model that was measured, with the kernel's help.
#[derive(Debug, Clone)]
pub struct Enforced {
    /// What it consists of.
    pub measured: Measured,
    /// Files whose bytes the kernel enforces, read or not.
    pub enforced: usize,
    /// Those of them that were not read.
    pub unread: usize,
}

/// Measures as [`measure`](crate::measure()), but for the files that `kernel` gives all digests of. It is asked with each
/// file open, once, and says `None` for a file whose bytes the kernel does not enforce, and no digests for one that nobody
/// signed so.
///
/// The manifest is then [`Observed::enforced_by_kernel`]: to be compared with the manifest that the digests were taken from.
///
/// # Errors
/// As [`measure`](crate::measure()).
pub fn measure_enforced(
    source: &Source,
    options: &Options,
    kernel: &dyn Fn(&ModelPath, &File) -> Option<KnownDigests>,
    progress: &dyn Progress,
) -> Result<Enforced, MeasureError> {
    let walked = walk(source, options.rules(), progress)?;
    let mut enforced = 0;
    let mut digests = Vec::with_capacity(walked.files.len());
    let mut opener = Opener::new(source, &walked);
    for (at, found) in walked.files.iter().enumerate() {
        if progress.cancelled() {
            return Err(MeasureError::Cancelled);
        }
        let file = opener.open(found).map_err(|error| opener.failed("open", at, error))?;
        opener.examine(at, &file).map_err(|(_, error)| error)?;
        let answer = kernel(&found.path, &file);
        enforced += usize::from(answer.is_some());
        digests.push(answer.unwrap_or_default());
    }
    if digests.iter().all(KnownDigests::is_empty) {
        let measured = measure_walked(source, walked, options, progress, |_, file| file)?;
        return Ok(Enforced { measured, enforced, unread: 0 });
    }
    let files = walked.files.len();
    let Known { manifest, bytes, known } = measure_but(source, &walked, options, &digests, progress)?;
    let manifest = Observed::enforced_by_kernel(manifest);
    let measured = Measured { manifest, bytes, files, notes: walked.notes };
    Ok(Enforced { measured, enforced, unread: known })
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::{
        digest::{Algorithm, Digest},
        manifest::{Method, Serialization},
    };
    use std::{cell::RefCell, num::NonZeroU64};

    fn model() -> tempfile::TempDir {
        let model = tempfile::tempdir().unwrap();
        std::fs::create_dir(model.path().join("sub")).unwrap();
        for (name, size) in [("a", 5000), ("b", 0), ("sub/c", 2500)] {
            std::fs::write(model.path().join(name), vec![7; size]).unwrap();
        }
        model
    }

    fn digest(byte: u8) -> Digest {
        Digest::new(Algorithm::Sha256, &[byte; 32]).unwrap()
    }

    #[test]
    fn files_that_the_kernel_answers_for_are_not_read() {
        struct Count(std::sync::atomic::AtomicU64);
        impl Progress for Count {
            fn plan(&self, _: usize, _: u64) {}

            fn advance(&self, bytes: u64) {
                self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let plain = crate::measure(&source, &Options::default(), &()).unwrap();
        let asked = RefCell::new(Vec::new());
        let kernel = |path: &ModelPath, file: &File| {
            asked.borrow_mut().push((path.to_string(), file.metadata().unwrap().len()));
            match path.as_str() {
                "a" => Some(KnownDigests::from([(None, digest(1))])),
                "b" => Some(KnownDigests::new()),
                _ => None,
            }
        };
        let count = Count(0.into());
        let found = measure_enforced(&source, &Options::default(), &kernel, &count).unwrap();
        assert_eq!((found.enforced, found.unread), (2, 1));
        assert_eq!((found.measured.files, found.measured.bytes), (3, 7500));
        assert_eq!(count.0.into_inner(), 2500);
        let (plain, found) = (plain.manifest.get().resources(), found.measured.manifest.get().resources());
        assert_eq!(found[0].digest, digest(1));
        assert_eq!(found[1..], plain[1..]);
        let mut asked = asked.into_inner();
        asked.sort();
        assert_eq!(asked, [("a".to_owned(), 5000), ("b".to_owned(), 0), ("sub/c".to_owned(), 2500)]);
    }

    #[test]
    fn without_an_answer_everything_is_measured() {
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let plain = crate::measure(&source, &Options::default(), &()).unwrap();
        let found = measure_enforced(&source, &Options::default(), &|_, _| None, &()).unwrap();
        assert_eq!((found.enforced, found.unread), (0, 0));
        assert_eq!(found.measured.manifest, plain.manifest);
    }

    /// Digests of other ranges than the file has now are of another file.
    #[test]
    fn a_file_of_another_length_is_read() {
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let method = Method::Shards(NonZeroU64::new(1000).unwrap());
        let options = Options {
            serialization: Serialization { method, ..Serialization::default() },
            ..Options::default()
        };
        let plain = crate::measure(&source, &options, &()).unwrap();
        let kernel = |path: &ModelPath, _: &File| {
            let resources = plain.manifest.get().resources().iter().filter(|resource| resource.path == *path);
            let other = resources.map(|resource| {
                let mut range = resource.range;
                if let Some(range) = range.as_mut().filter(|range| !range.end.is_multiple_of(1000)) {
                    range.end -= 1;
                }
                (range, digest(9))
            });
            Some(other.collect())
        };
        let found = measure_enforced(&source, &options, &kernel, &()).unwrap();
        // `a` and `b` end at a multiple; of `sub/c` one shard is longer than the digests are of.
        assert_eq!((found.enforced, found.unread), (3, 2));
        let digests_of = |m: &Measured, name: &str| {
            let of = m.manifest.get().resources().iter().filter(|resource| resource.path.as_str() == name);
            of.map(|resource| resource.digest).collect::<Vec<_>>()
        };
        assert_eq!(digests_of(&found.measured, "sub/c"), digests_of(&plain, "sub/c"));
        assert_eq!(digests_of(&found.measured, "a"), vec![digest(9); 5]);
    }
}
