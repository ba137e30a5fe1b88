//! `open`: everything is judged but the bytes.

use crate::site::{Site, noise};
use modelseal::{Algorithm, Kind, Refusal, report::Status};
use std::fs;

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![("config.json", b"{}".to_vec()), ("empty", Vec::new()), ("w/weights.bin", noise(300_000, 1))]
}

fn site(shards: Option<u64>) -> Site {
    let files = files();
    let listed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
    Site::new(&listed, shards, Algorithm::Sha256)
}

/// Refused by `open` and by `run`, with one code.
fn refused(site: &Site) -> Refusal {
    let refusal = site.request().open(&()).unwrap_err();
    let of_run = site.request().run(&()).unwrap_err();
    assert_eq!(refusal.report().code, of_run.report().code);
    assert_eq!(refusal.kind(), of_run.kind());
    let lists = |refusal: &Refusal| {
        refusal.report().differences.as_ref().map(|found| (found.missing.clone(), found.unsigned.clone()))
    };
    assert_eq!(lists(&refusal), lists(&of_run));
    refusal
}

#[test]
fn reads_nothing_and_says_so() {
    for shards in [None, Some(100_000)] {
        let site = site(shards);
        // Unreadable bytes are no matter yet: this is another file of the same size.
        fs::write(site.file("w/weights.bin"), noise(300_000, 2)).unwrap();
        let model = site.open();
        let check = model.report().checks.last().unwrap();
        assert_eq!((check.id.as_str(), check.status), ("integrity", Status::Pass));
        assert!(check.message.as_ref().unwrap().contains("compared as they are read"));
        assert!(model.report().message.contains("compared as they are read"));
        assert!(model.report().measured.is_none());
        let listed: Vec<(&str, u64)> =
            model.contents().files().map(|(path, size)| (path.as_str(), size)).collect();
        assert_eq!(listed, [("config.json", 2), ("empty", 0), ("w/weights.bin", 300_000)]);
        assert_eq!(&*model.contents().read("config.json", &()).unwrap(), b"{}");
        let error = model.contents().read("w/weights.bin", &()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Denied, "integrity.digest-mismatch"));
        assert_eq!(error.file(), Some("w/weights.bin"));
        assert!(model.open_all_fused(&()).is_err());
        let refusal = site.request().run(&()).unwrap_err();
        assert_eq!(refusal.report().code.as_deref(), Some("integrity.digest-mismatch"));
    }
}

#[test]
fn what_was_measured_is_compared_again() {
    let site = site(None);
    let model = site.request().run(&()).unwrap();
    assert_eq!(model.report().message, "the model is what was signed");
    assert_eq!(&*model.contents().read("w/weights.bin", &()).unwrap(), &noise(300_000, 1)[..]);
    fs::write(site.file("w/weights.bin"), noise(300_000, 2)).unwrap();
    assert!(model.contents().read("w/weights.bin", &()).is_err());
}

#[test]
fn unsigned_and_missing_files_are_refused_at_once() {
    for shards in [None, Some(100_000)] {
        let site = site(shards);
        fs::write(site.file("modeling.py"), b"").unwrap();
        let refusal = refused(&site);
        assert_eq!(refusal.report().code.as_deref(), Some("integrity.file-unsigned"));
        assert_eq!(refusal.report().differences.as_ref().unwrap().unsigned, ["modeling.py"]);

        let request = site.request().ignore_unsigned_files(true);
        let model = request.open(&()).unwrap();
        assert_eq!(model.contents().files().len(), 3);
        assert_eq!(model.open("modeling.py").unwrap_err().code(), "integrity.not-signed");
        let model = site.request().ignore(site.file("modeling.py")).open(&()).unwrap();
        assert_eq!(model.open("modeling.py").unwrap_err().code(), "integrity.not-signed");

        fs::remove_file(site.file("modeling.py")).unwrap();
        fs::remove_file(site.file("config.json")).unwrap();
        let refusal = refused(&site);
        assert_eq!(refusal.report().code.as_deref(), Some("integrity.file-missing"));
        assert_eq!(refusal.report().differences.as_ref().unwrap().missing, ["config.json"]);
        let refusal = site.request().ignore(site.file("empty")).open(&()).unwrap_err();
        assert_eq!(refusal.report().code.as_deref(), Some("integrity.ignored-signed-file"));
    }
}

#[test]
fn under_shards_another_size_is_refused_at_once() {
    for len in [0, 1, 99_999, 100_000, 200_000, 299_999, 300_001, 400_000, 1_000_000] {
        let site = site(Some(100_000));
        fs::write(site.file("w/weights.bin"), noise(len, 1)).unwrap();
        let refusal = refused(&site);
        assert_eq!(refusal.report().code.as_deref(), Some("integrity.digest-mismatch"), "{len}");
        let changed = &refusal.report().differences.as_ref().unwrap().changed;
        assert!(!changed.is_empty() && changed.iter().all(|change| change.path == "w/weights.bin"), "{len}");
        assert!(changed.iter().all(|change| change.found.is_none()));
    }
}

/// Under `files` a size is not signed.
#[test]
fn under_files_another_size_is_noticed_when_the_file_is_read() {
    for len in [0, 299_999, 300_001] {
        let site = site(None);
        fs::write(site.file("w/weights.bin"), noise(len, 1)).unwrap();
        let model = site.open();
        let mut file = model.open("w/weights.bin").unwrap();
        assert!(std::io::Read::read(&mut file, &mut [0; 1]).is_err());
        assert!(file.read_at(&mut [], 0).is_err(), "an empty read of a poisoned file");
        assert!(model.contents().read("w/weights.bin", &()).is_err());
    }
    let site = site(None);
    fs::write(site.file("empty"), b"x").unwrap();
    assert!(site.open().open("empty").unwrap().read_at(&mut [0; 9], 0).is_err());
}

#[test]
fn a_model_of_one_file_is_found_by_its_name() {
    let bytes = noise(300_000, 3);
    for shards in [None, Some(100_000)] {
        let site = Site::of_file("model.gguf", &bytes, shards);
        let model = site.open();
        let names: Vec<&str> = model.contents().files().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["model.gguf"]);
        assert_eq!(&*model.contents().read("model.gguf", &()).unwrap(), &bytes[..]);
        let to = site.folder.path().join("copy");
        model.contents().copy_to(&to, &()).unwrap();
        assert_eq!(fs::read(to.join("model.gguf")).unwrap(), bytes);
    }
}

#[cfg(unix)]
#[test]
fn a_hugging_face_snapshot_is_read_through_its_own_links() {
    let folder = tempfile::TempDir::new().unwrap();
    let repository = folder.path().join("models--acme--tiny");
    let snapshot = repository.join("snapshots/0123456789abcdef0123456789abcdef01234567");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("blobs")).unwrap();
    let bytes = noise(200_000, 4);
    fs::write(repository.join("blobs/aaaa"), &bytes).unwrap();
    std::os::unix::fs::symlink("../../blobs/aaaa", snapshot.join("model.safetensors")).unwrap();
    let site = Site::of_directory(folder, snapshot.strip_prefix(repository.parent().unwrap()).unwrap());
    site.sign(None, Algorithm::Sha256);
    let model = site.open();
    assert_eq!(&*model.contents().read("model.safetensors", &()).unwrap(), &bytes[..]);

    // Led elsewhere afterwards, to the very same bytes: what was listed is what is opened.
    let link = snapshot.join("model.safetensors");
    fs::remove_file(&link).unwrap();
    fs::write(site.folder.path().join("evil"), noise(200_000, 5)).unwrap();
    std::os::unix::fs::symlink(site.folder.path().join("evil"), &link).unwrap();
    assert_eq!(&*model.contents().read("model.safetensors", &()).unwrap(), &bytes[..]);
}

#[cfg(unix)]
#[test]
fn links_that_the_signer_allowed_are_followed_and_what_they_lead_to_is_compared() {
    let site = site(None);
    std::os::unix::fs::symlink("w/weights.bin", site.file("link")).unwrap();
    let refusal = site.request().open(&()).unwrap_err();
    assert_eq!(refusal.report().code.as_deref(), Some("integrity.symlink"));
    site.sign_with_links();
    let model = site.open();
    assert_eq!(&*model.contents().read("link", &()).unwrap(), &noise(300_000, 1)[..]);
    fs::remove_file(site.file("link")).unwrap();
    fs::write(site.file("other"), noise(300_000, 9)).unwrap();
    std::os::unix::fs::symlink("other", site.file("link")).unwrap();
    assert_eq!(model.contents().read("link", &()).unwrap_err().kind(), Kind::Denied);
}
