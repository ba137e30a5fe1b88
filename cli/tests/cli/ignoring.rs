//! What does not belong to the model, by whose choice, and what is said about it.

use crate::common::{SIGN, VERIFY, World, with};
use std::fs;

#[test]
fn the_signers_ignore_paths_are_recorded_obeyed_and_shown() {
    let world = World::with_keys();
    world.run(&with(&SIGN, &["--ignore-paths", "model/sub"])).exits(0).prints("1 file");
    world.file("model/sub/anything", "x");
    let message = "not signed, by the signer's choice: .git, .gitattributes, .github, .gitignore, sub";
    world.run(&VERIFY).exits(0).prints(message);
}

#[test]
fn an_ignore_path_outside_the_model_is_said() {
    let world = World::signed();
    let outside =
        "warning: the ignore path 'sub' lies outside the model and has no effect; did you mean 'model/sub'?";
    let args = with(&VERIFY, &["--ignore-paths", "sub"]);
    world.run(&args).exits(0).says(outside).says("Paths are taken from the working directory");
    world.run(&["digest", "model", "--ignore-paths", "sub"]).exits(0).says(outside);
    let ran = world.run(&with(&VERIFY, &["--ignore-paths", "/etc"])).exits(0);
    let ran = ran.says("warning: the ignore path '/etc' lies outside the model and has no effect");
    assert!(!ran.stderr.contains("did you mean"), "{}", ran.stderr);
}

#[test]
fn an_ignore_path_that_matches_nothing_is_said() {
    let world = World::signed();
    let message = "warning: the ignore path 'nothing' matches nothing in the model";
    world.run(&with(&VERIFY, &["--ignore-paths", "model/nothing"])).exits(0).says(message);
    world.run(&["digest", "model", "--ignore-paths", "model/nothing"]).exits(0).says(message);
    let literal = "warning: the ignore path '*.bin' matches nothing in the model";
    let ran = world.run(&["digest", "model", "--ignore-paths", "model/*.bin"]);
    assert!(ran.stderr.contains(literal) || ran.code == Some(2), "{ran:?}");
}

#[test]
fn the_model_itself_cannot_be_ignored() {
    let world = World::signed();
    let message = "cannot ignore 'model': it is the model itself";
    world.refused(&["digest", "model", "--ignore-paths", "model"], 2, "usage.ignore-path", message);
    world.refused(&with(&VERIFY, &["--ignore-paths", "model"]), 2, "usage.ignore-path", message);
}

#[test]
fn a_signed_file_cannot_be_ignored() {
    let world = World::signed();
    world.file("model/a.bin", "other");
    for path in ["model/a.bin", "model/sub", "model/sub/b.bin"] {
        let args = with(&VERIFY, &["--ignore-paths", path]);
        world.refused(&args, 1, "integrity.ignored-signed-file", "was signed and cannot be ignored");
    }
}

#[test]
fn unsigned_files_can_be_left_aside() {
    let world = World::signed();
    world.file("model/extra/readme", "x");
    world.run(&VERIFY).exits(1);
    world.run(&with(&VERIFY, &["--ignore-unsigned-files"])).exits(0);
    world.run(&with(&VERIFY, &["--ignore-paths", "model/extra"])).exits(0);
    world.file("model/a.bin", "other");
    let args = with(&VERIFY, &["--ignore-unsigned-files"]);
    world.refused(&args, 1, "integrity.digest-mismatch", "'a.bin' is changed");
    fs::remove_file(world.join("model/a.bin")).unwrap();
    world.refused(&args, 1, "integrity.file-missing", "'a.bin' is missing");
}

#[test]
fn git_paths_are_out_unless_told_otherwise() {
    let world = World::signed();
    world.file("model/.gitignore", "x");
    world.file("model/.git/config", "x");
    world.run(&VERIFY).exits(0);
    // A signature that recorded them as ignored says so, whatever the flag.
    world.run(&with(&VERIFY, &["--no-ignore-git-paths"])).exits(0);

    let world = World::with_keys();
    world.file("model/.gitignore", "x");
    world.run(&with(&SIGN, &["--no-ignore-git-paths"])).exits(0).prints("3 files");
    world.run(&VERIFY).exits(0).prints("3 files");
    world.file("model/.gitignore", "y");
    world.refused(&VERIFY, 1, "integrity.digest-mismatch", "'.gitignore' is changed");
    world.file("model/.gitignore", "x");
    world.file("model/.gitattributes", "y");
    world.run(&VERIFY).exits(0);
    let args = with(&VERIFY, &["--no-ignore-git-paths"]);
    world.refused(&args, 1, "integrity.file-unsigned", "'.gitattributes' is not signed");
}
