//! Sealed memory.

use crate::site::{Site, noise};
use modelseal::{Algorithm, Progress};
use std::{
    fs::{self, File},
    io::Read,
    os::{fd::AsRawFd, unix::fs::FileExt},
    sync::Mutex,
};

#[test]
fn the_bytes_can_be_read_by_path_and_by_nobody_changed() {
    let bytes = noise(3_000_017, 1);
    for shards in [None, Some(1_000_000)] {
        let site = Site::new(&[("w", &bytes)], shards, Algorithm::Sha256);
        let model = site.open();
        let mut sealed = model.contents().sealed("w", &()).unwrap();
        fs::write(site.file("w"), b"something else").unwrap();
        let mut read = Vec::new();
        sealed.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        let path = format!("/proc/self/fd/{}", sealed.as_raw_fd());
        assert!(fs::read(&path).unwrap() == bytes);
        for file in [&sealed, &File::options().read(true).write(true).open(&path).unwrap()] {
            assert!(file.write_at(b"x", 0).is_err());
            assert!(file.set_len(0).is_err());
            assert!(file.set_len(4_000_000).is_err());
        }
        assert!(File::options().write(true).truncate(true).open(&path).is_err());
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

/// Another process of the same user can open what is not sealed yet.
#[test]
fn what_somebody_writes_to_the_memory_before_it_is_sealed_is_noticed() {
    struct Pokes {
        len: u64,
        calls: Mutex<u32>,
        done: Mutex<bool>,
    }
    impl Progress for Pokes {
        fn plan(&self, _files: usize, _bytes: u64) {}
        fn advance(&self, _bytes: u64) {}
        // Asked for between two reads.
        fn cancelled(&self) -> bool {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            if *calls == 5 {
                for entry in fs::read_dir("/proc/self/fd").unwrap() {
                    let path = entry.unwrap().path();
                    let is_memory = fs::read_link(&path)
                        .is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:modelseal"));
                    // Only this test's: others run beside it.
                    if is_memory && fs::metadata(&path).is_ok_and(|found| found.len() == self.len) {
                        File::options().write(true).open(&path).unwrap().write_all_at(b"evil", 0).unwrap();
                        *self.done.lock().unwrap() = true;
                    }
                }
            }
            false
        }
    }
    for hash in Algorithm::ALL {
        let bytes = noise(3_141_592, 1);
        let site = Site::new(&[("w", &bytes)], None, hash);
        let pokes = Pokes { len: 3_141_592, calls: Mutex::new(0), done: Mutex::new(false) };
        let error = site.open().contents().sealed("w", &pokes).unwrap_err();
        assert!(*pokes.done.lock().unwrap());
        assert_eq!(error.code(), "integrity.digest-mismatch");
    }
}
