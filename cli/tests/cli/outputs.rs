//! Targets that no signature can be written to.

use crate::common::{Ran, SIGN, World, with};
use std::{fs, os::unix::fs::PermissionsExt, os::unix::fs::symlink};

#[test]
fn a_directory_as_target() {
    let world = World::with_keys();
    fs::create_dir(world.join("model.sig")).unwrap();
    world.refused(&SIGN, 2, "usage.output", "it is a directory; name a file in it");
    for target in ["model.sig/", "model", ".", "/"] {
        world.refused(&with(&SIGN, &["--signature", target]), 2, "usage.output", "directory");
    }
    assert!(world.list("model.sig").is_empty());
}

#[test]
fn a_fifo_as_target() {
    let world = World::with_keys();
    world.tool("mkfifo", &["model.sig"]);
    world.refused(&with(&SIGN, &["--force"]), 2, "usage.output", "it is not a regular file");
    world.refused(&with(&SIGN, &["--signature", "/dev/null"]), 2, "usage.output", "it is not a regular file");
}

#[test]
fn a_dangling_link_as_target() {
    let world = World::with_keys();
    symlink("nowhere", world.join("model.sig")).unwrap();
    world.refused(&with(&SIGN, &["--force"]), 2, "usage.output", "it is not a regular file");
    assert!(!world.join("nowhere").exists());
}

#[test]
fn a_directory_that_is_not_there() {
    let world = World::with_keys();
    let message = "the directory 'not/there' does not exist";
    world.refused(&with(&SIGN, &["--signature", "not/there/m.sig"]), 2, "usage.output", message);
    let message = "cannot write the signature to 'k.pub/m.sig'";
    let code = world.run(&with(&SIGN, &["--signature", "k.pub/m.sig"])).says(message).code;
    assert!(matches!(code, Some(2 | 3)), "{code:?}");
}

#[test]
fn a_read_only_directory() {
    let world = World::with_keys();
    fs::set_permissions(world.join("k.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(world.join("out")).unwrap();
    fs::set_permissions(world.join("out"), fs::Permissions::from_mode(0o555)).unwrap();
    let args = with(&SIGN, &["--signature", "out/m.sig"]);
    let message = "Signing failed with error: cannot write the signature to 'out/m.sig': Permission denied (os error 13)\n";
    let ran = Ran::of(&mut world.command_as_nobody(&args)).exits(3).says(message);
    println!("| 3 | error.io | {} |", ran.stderr.trim_end());
    assert!(world.list("out").is_empty());
    let json = Ran::of(&mut world.command_as_nobody(&with(&args, &["--format", "json"]))).exits(3).json();
    assert_eq!(json["code"], "error.io");
}

#[test]
fn a_full_disk() {
    let world = World::with_keys();
    // A limit on file size fails the same call, with another reason. The signal that comes with it is ignored, as a
    // shell would pass it on.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#, env!("CARGO_BIN_EXE_modelseal")]);
    let ran = Ran::of(&mut world.prepared(shell, &SIGN)).exits(3);
    let ran = ran.says("cannot write the signature to 'model.sig': File too large (os error 27)\n");
    println!("| 3 | error.io | {} |", ran.stderr.trim_end());
    world.no_signature();
}
