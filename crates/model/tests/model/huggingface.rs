//! Hugging Face cache snapshots, laid out as `huggingface_hub` does.

use crate::common::{Model, following, hash, names};
use modelseal_core::digest::Algorithm;
use modelseal_model::{MeasureError, Note, Options, Source, measure};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

struct Cache {
    folder: TempDir,
}

impl Cache {
    fn new() -> Self {
        let cache = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(cache.repository().join("blobs")).unwrap();
        fs::create_dir_all(cache.repository().join("refs")).unwrap();
        fs::write(cache.repository().join("refs/main"), COMMIT).unwrap();
        fs::create_dir_all(cache.snapshot()).unwrap();
        cache.blob("aa11", b"{}");
        cache.blob("bb22", b"weights");
        cache.link("config.json", "../../blobs/aa11");
        cache.link("onnx/model.onnx", "../../../blobs/bb22");
        cache
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("hub/models--ibm-granite--granite--3")
    }

    fn snapshot(&self) -> PathBuf {
        self.repository().join("snapshots").join(COMMIT)
    }

    fn blob(&self, name: &str, bytes: &[u8]) {
        fs::write(self.repository().join("blobs").join(name), bytes).unwrap();
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        let path = self.snapshot().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn measure(&self, options: &Options) -> Result<modelseal_model::Measured, MeasureError> {
        measure(&Source::open(&self.snapshot()).unwrap(), options, &())
    }
}

fn note() -> Note {
    Note::HuggingFaceSnapshot { repository: "ibm-granite/granite--3".into(), revision: COMMIT.into() }
}

#[test]
fn a_snapshot_is_read_through_its_own_blobs() {
    let cache = Cache::new();
    fs::write(cache.snapshot().join("plain.txt"), b"abc").unwrap();
    for options in [Options::default(), following()] {
        let measured = cache.measure(&options).unwrap();
        assert_eq!(names(measured.manifest.get()), ["config.json", "onnx/model.onnx", "plain.txt"]);
        let digests: Vec<_> = measured.manifest.get().resources().iter().map(|r| r.digest).collect();
        assert_eq!(digests, [&b"{}"[..], b"weights", b"abc"].map(|bytes| hash(Algorithm::Sha256, bytes)));
        assert_eq!(measured.notes, [note()]);
    }
}

#[test]
fn a_folder_or_a_file_of_a_snapshot_is_a_model_too() {
    let cache = Cache::new();
    let source = Source::open(&cache.snapshot().join("onnx")).unwrap();
    let measured = measure(&source, &Options::default(), &()).unwrap();
    assert_eq!(
        (names(measured.manifest.get()), &*measured.notes),
        (vec!["model.onnx".into()], &[note()][..])
    );
    let source = Source::open(&cache.snapshot().join("onnx/model.onnx")).unwrap();
    let measured = measure(&source, &Options::default(), &()).unwrap();
    assert!(source.is_file());
    assert_eq!(source.model_name().unwrap(), "model.onnx");
    assert_eq!(
        (names(measured.manifest.get()), &*measured.notes),
        (vec!["model.onnx".into()], &[note()][..])
    );
    assert_eq!(measured.manifest.get().resources()[0].digest, hash(Algorithm::Sha256, b"weights"));
}

#[test]
fn an_absolute_link_to_a_blob_is_one_too() {
    let cache = Cache::new();
    let blob = fs::canonicalize(cache.repository().join("blobs/aa11")).unwrap();
    cache.link("absolute", blob);
    assert_eq!(names(cache.measure(&Options::default()).unwrap().manifest.get())[0], "absolute");
}

#[test]
fn any_other_link_obeys_the_normal_rule() {
    let other = |target: &str, prepare: fn(&Cache)| {
        let cache = Cache::new();
        cache.link("x", target);
        prepare(&cache);
        let error = cache.measure(&Options::default()).unwrap_err();
        assert!(
            matches!(&error, MeasureError::Symlink { path, .. } if path.ends_with("x")),
            "{target}: {error}"
        );
        assert!(matches!(
            Source::open(&cache.snapshot().join("x")),
            Err(MeasureError::ModelIsSymlink { .. })
        ));
    };
    for target in [
        "config.json",
        "../../../../secret",
        "/etc/passwd",
        "../../refs/main",
        "../../blobs",
        "../../blobs/..",
        "../../blobs/../refs/main",
        "../../blobs/../aa11",
        "../../blobs/sub/deep",
        "../blobs/aa11",
        "../../../blobs/aa11",
        "onnx/../../../blobs/aa11",
        "../../../models--other--repo/blobs/aa11",
        "blobs/aa11",
    ] {
        other(target, |_| ());
    }
    // A blob that is itself a link, or a directory, is no blob.
    other("../../blobs/cc33", |c| symlink("/etc/passwd", c.repository().join("blobs/cc33")).unwrap());
    other("../../blobs/cc33", |c| fs::create_dir(c.repository().join("blobs/cc33")).unwrap());
}

#[test]
fn a_missing_blob_is_a_dangling_link() {
    let cache = Cache::new();
    fs::remove_file(cache.repository().join("blobs/bb22")).unwrap();
    let error = cache.measure(&Options::default()).unwrap_err();
    assert!(matches!(error, MeasureError::DanglingSymlink { .. }), "{error}");
}

#[test]
fn blobs_that_are_elsewhere_make_no_cache() {
    let cache = Cache::new();
    fs::rename(cache.repository().join("blobs"), cache.folder.path().join("moved")).unwrap();
    symlink(cache.folder.path().join("moved"), cache.repository().join("blobs")).unwrap();
    assert!(matches!(cache.measure(&Options::default()), Err(MeasureError::Symlink { .. })));
}

#[test]
fn the_shape_alone_makes_a_snapshot() {
    let model = Model::with(&[("blobs/aa", b"x")]);
    model.link("snapshots/main/f", "../../blobs/aa");
    let error = measure(&Source::open(&model.join("snapshots/main")).unwrap(), &Options::default(), &());
    assert!(matches!(error, Err(MeasureError::Symlink { .. })));
}

/// Links in a folder that is itself reached by a link would start from somewhere else.
#[test]
fn a_folder_reached_by_a_link_is_not_the_snapshot() {
    let cache = Cache::new();
    let elsewhere = cache.folder.path().join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    symlink("../../blobs/aa11", elsewhere.join("f")).unwrap();
    cache.link("y", &elsewhere);
    let error = cache.measure(&following()).unwrap_err();
    assert!(matches!(error, MeasureError::DanglingSymlink { .. }), "{error}");
}
