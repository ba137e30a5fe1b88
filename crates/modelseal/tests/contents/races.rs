//! Files that change while they are loaded, or between verdict and load.

use crate::site::{After, Site, noise};
use modelseal::{Algorithm, Kind, LoadError};
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
};

const LEN: usize = 4_000_000;
const SHARD: u64 = 1_000_000;

fn site(shards: Option<u64>, hash: Algorithm) -> Site {
    Site::new(&[("weights.bin", &noise(LEN, 1)), ("z", b"z")], shards, hash)
}

fn each(test: impl Fn(Site)) {
    for hash in Algorithm::ALL {
        for shards in [None, Some(SHARD)] {
            test(site(shards, hash));
        }
    }
}

/// Writes one byte in place.
fn flip(site: &Site, at: u64) {
    let mut file = File::options().read(true).write(true).open(site.file("weights.bin")).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    let mut byte = [0];
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

fn denied(error: &LoadError) {
    assert_eq!(error.kind(), Kind::Denied, "{error}");
    assert!(
        ["integrity.digest-mismatch", "integrity.changed-during-verify"].contains(&error.code()),
        "{error}"
    );
    assert!(error.to_string().contains("weights.bin"), "{error}");
    assert!(!error.fix().is_empty());
}

#[test]
fn a_file_that_is_swapped_after_the_verdict_is_refused() {
    each(|site| {
        let model = site.request().run(&()).unwrap();
        let opened = model.open("weights.bin").unwrap();
        fs::remove_file(site.file("weights.bin")).unwrap();
        fs::write(site.file("weights.bin"), noise(LEN, 2)).unwrap();
        denied(LoadError::of(&opened.read_at(&mut [0; 10], 0).unwrap_err()).unwrap());
        denied(&model.contents().read("weights.bin", &()).unwrap_err());
        let mut buffer = vec![1; 100];
        denied(&model.contents().read_into("weights.bin", 0, &mut buffer, &()).unwrap_err());
        assert_eq!(buffer, [0; 100]);
        denied(&model.open_all_fused(&()).unwrap_err());
        #[cfg(target_os = "linux")]
        denied(&model.contents().sealed("weights.bin", &()).unwrap_err());
        denied(&model.contents().copy_to(&site.folder.path().join("copy"), &()).unwrap_err());
    });
}

#[test]
fn a_write_in_place_during_a_load_is_noticed_ahead_of_the_reader_and_behind_it() {
    each(|site| {
        for at in [0, 3_999_999] {
            let model = site.open();
            let flips = After::new(1_100_000, || flip(&site, at));
            denied(&model.contents().read("weights.bin", &flips).unwrap_err());
            assert!(flips.happened());
            flip(&site, at);
            let (model, flips) = (site.open(), After::new(1_100_000, || flip(&site, at)));
            let mut buffer = vec![1; LEN];
            denied(&model.contents().read_into("weights.bin", 0, &mut buffer, &flips).unwrap_err());
            assert!(buffer.iter().all(|byte| *byte == 0), "nothing unverified is left behind");
            flip(&site, at);
            let (model, flips) = (site.open(), After::new(1_100_000, || flip(&site, at)));
            denied(&model.open_all_fused(&flips).unwrap_err());
            flip(&site, at);
        }
    });
}

#[test]
fn a_file_that_is_truncated_or_appended_to_while_it_loads_is_refused() {
    each(|site| {
        let set_len =
            |len| File::options().write(true).open(site.file("weights.bin")).unwrap().set_len(len).unwrap();
        for len in [0, 2_000_000, 3_999_999] {
            let (model, cuts) = (site.open(), After::new(1_100_000, || set_len(len)));
            denied(&model.contents().read("weights.bin", &cuts).unwrap_err());
            fs::write(site.file("weights.bin"), noise(LEN, 1)).unwrap();
        }
        let (model, grows) = (site.open(), After::new(1_100_000, || set_len(5_000_000)));
        denied(&model.contents().read("weights.bin", &grows).unwrap_err());
    });
}

#[cfg(unix)]
#[test]
fn a_link_a_pipe_or_a_directory_in_its_place_is_refused_and_not_waited_for() {
    each(|site| {
        let path = site.file("weights.bin");
        let copy = site.folder.path().join("copy.bin");
        fs::copy(&path, &copy).unwrap();
        let puts: [&dyn Fn(); 3] = [
            // To the very same bytes.
            &|| std::os::unix::fs::symlink(&copy, &path).unwrap(),
            &|| assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success()),
            &|| fs::create_dir(&path).unwrap(),
        ];
        for put in puts {
            let model = site.open();
            let opened = model.open("weights.bin").unwrap();
            fs::remove_file(&path).unwrap();
            put();
            denied(&model.contents().read("weights.bin", &()).unwrap_err());
            denied(LoadError::of(&opened.read_at(&mut [0; 10], 0).unwrap_err()).unwrap());
            #[cfg(target_os = "linux")]
            denied(&model.contents().sealed("weights.bin", &()).unwrap_err());
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
            fs::copy(&copy, &path).unwrap();
        }
    });
}

#[test]
fn a_flipped_shard_is_refused_while_the_others_of_its_file_read_well() {
    let site = site(Some(SHARD), Algorithm::Sha256);
    flip(&site, 1_500_000);
    let bytes = noise(LEN, 1);
    let model = site.open();
    let mut buffer = vec![0; 1_000_000];
    for shard in [0, 2, 3] {
        let file = model.open("weights.bin").unwrap();
        file.read_exact_at(&mut buffer, shard * SHARD).unwrap();
        let from = usize::try_from(shard * SHARD).unwrap();
        assert!(buffer[..] == bytes[from..from + 1_000_000]);
    }
    let mut whole = vec![0; 2_000_000];
    model.contents().read_into("weights.bin", 2 * SHARD, &mut whole, &()).unwrap();
    assert!(whole[..] == bytes[2_000_000..]);
    let error = model.contents().read_into("weights.bin", 2 * SHARD - 1, &mut whole, &()).unwrap_err();
    assert!(error.to_string().contains("in its shard 1"), "{error}");
    assert_eq!(error.code(), "integrity.digest-mismatch");
}

#[test]
fn a_mismatch_poisons_the_handle() {
    let site = site(Some(SHARD), Algorithm::Sha256);
    flip(&site, 1_500_000);
    let model = site.open();
    let mut file = model.open("weights.bin").unwrap();
    let mut buffer = [0; 100];
    file.read_exact_at(&mut buffer, 0).unwrap();
    let first = file.read_at(&mut buffer, SHARD).unwrap_err();
    let code = LoadError::of(&first).unwrap().code();
    assert_eq!(code, "integrity.digest-mismatch");
    // Even when the bytes are right again, and for shards that were read before.
    flip(&site, 1_500_000);
    for offset in [0, SHARD, 3 * SHARD, u64::MAX] {
        let error = file.read_at(&mut buffer, offset).unwrap_err();
        assert_eq!(LoadError::of(&error).unwrap().code(), code);
    }
    assert!(file.read(&mut buffer).is_err());
    assert!(file.read(&mut []).is_err());
    site.open().open("weights.bin").unwrap().read_exact_at(&mut buffer, SHARD).unwrap();
}

/// What was verified stays what it was: nothing is read from the file again.
#[test]
fn what_was_read_does_not_change_with_the_file() {
    for shards in [None, Some(SHARD)] {
        let site = site(shards, Algorithm::Sha256);
        let model = site.open();
        let file = model.open("weights.bin").unwrap();
        let mut buffer = [0; 100];
        file.read_exact_at(&mut buffer, 500).unwrap();
        let bytes = model.contents().read("weights.bin", &()).unwrap();
        fs::write(site.file("weights.bin"), noise(LEN, 2)).unwrap();
        let mut again = [0; 100];
        file.read_exact_at(&mut again, 500).unwrap();
        assert_eq!(buffer, again);
        assert!(bytes[..] == noise(LEN, 1));
    }
}

#[test]
fn a_wish_to_stop_stops_and_poisons_nothing() {
    struct Stop;
    impl modelseal::Progress for Stop {
        fn plan(&self, _files: usize, _bytes: u64) {}
        fn advance(&self, _bytes: u64) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    each(|site| {
        let model = site.open();
        let error = model.contents().read("weights.bin", &Stop).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Undecided, "error.cancelled"));
        #[cfg(target_os = "linux")]
        assert_eq!(model.contents().sealed("weights.bin", &Stop).unwrap_err().code(), "error.cancelled");
        assert_eq!(model.contents().read("weights.bin", &()).unwrap().len(), LEN);
    });
}
