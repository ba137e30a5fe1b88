//! The assembly in the repository is what its generator writes.
#![cfg(target_os = "linux")]

use std::{io::ErrorKind, path::Path, process::Command};

#[test]
fn assembly_is_as_generated() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("generate_mixed.py");
    match Command::new("python3").arg(script).arg("--check").output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("no python3 here: the assembly was not compared with its generator");
        }
        Err(error) => panic!("{error}"),
    }
}
