//! The environment variable that forces a backend, seen from a process of its own.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use modelseal_sha256::{BACKEND_VARIABLE, Backend, available, backend, digest_many};

/// What the child below prints when the variable has the value given.
fn chosen(value: Option<&str>) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env("SHOW_BACKEND", "1").env_remove(BACKEND_VARIABLE);
    if let Some(value) = value {
        child.env(BACKEND_VARIABLE, value);
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, after) = text.split_once("backend=").unwrap();
    after.split_whitespace().next().unwrap().to_owned()
}

/// Runs in the child; does nothing in an ordinary test run.
#[test]
fn child() {
    if std::env::var_os("SHOW_BACKEND").is_some() {
        let digests = digest_many(&[b"abc", b"abc", b"", b"abc", b"abc"]);
        assert_eq!(digests[0][..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(digests[4], digests[0]);
        println!("backend={} ", backend());
    }
}

#[test]
fn a_known_name_is_used() {
    for backend in available() {
        assert_eq!(chosen(Some(backend.name())), backend.name());
    }
}

#[test]
fn any_other_name_means_portable() {
    for value in ["", "fastest", "SHA-NI-X4", "sha-ni-x4 ", "portable,sha-ni-x4"] {
        assert_eq!(chosen(Some(value)), Backend::Portable.name());
    }
    let lacking = if cfg!(target_arch = "aarch64") { Backend::ShaNi4 } else { Backend::Armv8x4 };
    assert_eq!(chosen(Some(lacking.name())), Backend::Portable.name());
}

#[test]
fn without_it_one_that_is_there() {
    let name = chosen(None);
    assert!(available().iter().any(|backend| backend.name() == name), "{name}");
}
