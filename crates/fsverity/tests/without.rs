//! File systems that have no fs-verity, of which every machine has some.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use modelseal_fsverity::{Reason, enable, filesystem, measure};
use std::{fs::File, path::Path};

#[test]
fn a_file_system_without_it_says_so_and_is_named() {
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        eprintln!("skipped: there is no /dev/shm");
        return;
    }
    let kept = tempfile::NamedTempFile::new_in(memory).unwrap();
    std::fs::write(kept.path(), "abc").unwrap();
    let file = File::open(kept.path()).unwrap();
    assert_eq!(filesystem(&file), "tmpfs");
    for error in [enable(&file).unwrap_err(), measure(&file).unwrap_err()] {
        assert_eq!(error.reason, Reason::Unsupported);
        assert_eq!(error.to_string(), "there is no fs-verity on this file system (tmpfs)");
        assert!(error.remedy().contains("ext4"));
    }
    std::fs::write(kept.path(), "abcd").unwrap();
}

/// What is no file of a disk is not asked at all: a driver could take the number for another request.
#[test]
fn a_device_is_not_asked() {
    let file = File::open("/dev/zero").unwrap();
    assert_eq!(measure(&file).unwrap_err().reason, Reason::Unsupported);
    assert_eq!(enable(&file).unwrap_err().reason, Reason::Unsupported);
}
