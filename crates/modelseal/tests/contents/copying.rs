//! Private copies.

use crate::site::{After, Site, noise};
use modelseal::{Algorithm, Kind};
use std::{fs, path::Path};

fn files() -> Vec<(String, Vec<u8>)> {
    let small = (0..30_usize).map(|n| (format!("d{}/e/small-{n}", n % 3), noise(n * 31, 7)));
    [("weights.bin".to_owned(), noise(3_000_001, 1)), ("empty".to_owned(), Vec::new())]
        .into_iter()
        .chain(small)
        .collect()
}

fn site(shards: Option<u64>, hash: Algorithm) -> Site {
    let files = files();
    let listed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    Site::new(&listed, shards, hash)
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn a_copy_has_every_file_and_no_other() {
    for hash in Algorithm::ALL {
        for shards in [None, Some(1_000_000)] {
            let site = site(shards, hash);
            let made = site.folder.path().join("made");
            let there = site.folder.path().join("there");
            fs::create_dir(&there).unwrap();
            for to in [&made, &there] {
                site.open().contents().copy_to(to, &()).unwrap();
                for (name, bytes) in files() {
                    assert!(fs::read(to.join(&name)).unwrap() == bytes, "{name}");
                }
                assert_eq!(fs::read_dir(to).unwrap().count(), 5);
                let again = site.open().contents().copy_to(to, &()).unwrap_err();
                assert_eq!((again.kind(), again.code()), (Kind::Usage, "usage.output"));
            }
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
                assert_eq!((mode(&made), mode(&made.join("weights.bin"))), (0o700, 0o400));
            }
        }
    }
}

#[test]
fn nothing_has_its_final_name_when_a_byte_differs() {
    for hash in Algorithm::ALL {
        for shards in [None, Some(1_000_000)] {
            let site = site(shards, hash);
            let (made, there) = (site.folder.path().join("made"), site.folder.path().join("there"));
            fs::create_dir(&there).unwrap();
            let model = site.open();
            let mut bytes = noise(3_000_001, 1);
            bytes[2_999_999] ^= 1;
            let seen = std::sync::Mutex::new(0);
            let writes = After::new(1_100_000, || {
                // In the middle of the copy, too, no file has its name.
                *seen.lock().unwrap() = usize::from(made.join("weights.bin").exists());
                fs::write(site.file("weights.bin"), &bytes).unwrap();
            });
            let error = model.contents().copy_to(&made, &writes).unwrap_err();
            assert_eq!(error.kind(), Kind::Denied, "{error}");
            assert!(writes.happened() && *seen.lock().unwrap() == 0);
            assert!(!made.exists());
            let error = site.open().contents().copy_to(&there, &()).unwrap_err();
            assert_eq!(error.code(), "integrity.digest-mismatch");
            assert!(is_empty(&there));
        }
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_told() {
    let site = site(None, Algorithm::Sha256);
    let file = site.folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    let error = site.open().contents().copy_to(&file, &()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "usage.output"));
    let error = site.open().contents().copy_to(&file.join("below"), &()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Undecided, "error.io"));
    let error = site.open().contents().copy_to(&site.folder.path().join("no/where"), &()).unwrap_err();
    assert_eq!(error.code(), "error.io");
}
