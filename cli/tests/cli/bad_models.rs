//! Models that cannot be what was signed, or cannot be read.

use crate::common::{Ran, SIGN, VERIFY, World, with};
use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink, net::UnixListener},
    process::Stdio,
    thread,
    time::Duration,
};

/// Refused by `digest`, `sign` and `verify` alike.
fn refused_everywhere(world: &World, code: &str, message: &str) {
    world.refused(&VERIFY, 1, code, message);
    world.refused(&["digest", "model"], 1, code, message);
    world.refused(&with(&SIGN, &["--signature", "other.sig"]), 1, code, message);
    assert!(!world.join("other.sig").exists());
}

#[test]
fn fifos_and_sockets_are_refused_unopened() {
    let world = World::signed();
    world.tool("mkfifo", &["model/pipe"]);
    refused_everywhere(&world, "integrity.not-regular-file", "'model/pipe' is a named pipe (FIFO)");
    world.run(&with(&VERIFY, &["--ignore-paths", "model/pipe"])).exits(0);
    world.run(&with(&VERIFY, &["--ignore-unsigned-files"])).exits(0);
    fs::remove_file(world.join("model/pipe")).unwrap();
    let _socket = UnixListener::bind(world.join("model/socket")).unwrap();
    refused_everywhere(&world, "integrity.not-regular-file", "'model/socket' is a socket");
    let args = ["digest", "/dev/null"];
    world.refused(&args, 1, "integrity.not-regular-file", "'/dev/null' is a character device");
}

#[test]
fn a_signed_file_replaced_by_a_fifo() {
    let world = World::signed();
    fs::remove_file(world.join("model/a.bin")).unwrap();
    world.tool("mkfifo", &["model/a.bin"]);
    world.refused(&VERIFY, 1, "integrity.not-regular-file", "'model/a.bin' is a named pipe (FIFO)");
    let args = with(&VERIFY, &["--ignore-unsigned-files"]);
    world.refused(&args, 1, "integrity.not-regular-file", "'model/a.bin' is a named pipe (FIFO)");
}

#[test]
fn what_cannot_be_read_is_undecided() {
    let world = World::signed();
    for (name, message) in
        [("model/a.bin", "cannot open 'model/a.bin': Permission denied"), ("model/sub", "model/sub")]
    {
        let before = fs::metadata(world.join(name)).unwrap().permissions();
        fs::set_permissions(world.join(name), Permissions::from_mode(0o000)).unwrap();
        let ran =
            Ran::of(&mut world.command_as_nobody(&VERIFY)).exits(3).says(message).says("Permission denied");
        println!("| 3 | error.io | {} |", ran.stderr.lines().next().unwrap());
        let json =
            Ran::of(&mut world.command_as_nobody(&with(&VERIFY, &["--format", "json"]))).exits(3).json();
        assert_eq!((&json["verdict"], &json["code"]), (&"error".into(), &"error.io".into()));
        Ran::of(&mut world.command_as_nobody(&["digest", "model"])).exits(3).says("Permission denied");
        fs::set_permissions(world.join(name), before).unwrap();
    }
    fs::set_permissions(world.join("model.sig"), Permissions::from_mode(0o000)).unwrap();
    let ran = Ran::of(&mut world.command_as_nobody(&VERIFY)).exits(3);
    ran.says("cannot read the signature 'model.sig': Permission denied");
}

#[test]
fn links_are_refused_unless_signed_as_such() {
    let world = World::signed();
    symlink("a.bin", world.join("model/link")).unwrap();
    refused_everywhere(&world, "integrity.symlink", "'model/link' is a symbolic link to 'a.bin'");
    let args = with(&VERIFY, &["--allow-symlinks"]);
    world.refused(&args, 1, "integrity.symlink", "'model/link' is a symbolic link to 'a.bin'");
    world.run(&with(&SIGN, &["--force", "--allow-symlinks"])).exits(0);
    world.run(&VERIFY).exits(0).prints("symbolic links are read through, by the signer's choice");
    world.run(&args).exits(0);
}

#[test]
fn a_link_to_the_outside_is_said() {
    let world = World::with_keys();
    world.file("secret", "outside");
    symlink("../secret", world.join("model/link")).unwrap();
    let sign = with(&SIGN, &["--allow-symlinks"]);
    let message = "warning: the link 'link' leads out of the model, to ";
    world.run(&sign).exits(0).says(message);
    world.run(&VERIFY).exits(0).says(message);
    world.file("secret", "changed");
    world.refused(&VERIFY, 1, "integrity.digest-mismatch", "'link' is changed");
}

#[test]
fn links_to_nothing_and_in_circles() {
    let world = World::signed();
    world.run(&with(&SIGN, &["--allow-symlinks", "--force"])).exits(0);
    for (target, message) in [
        ("nowhere", "'model/link' is a symbolic link to 'nowhere', which does not exist"),
        ("link", "'model/link' is a symbolic link to 'link', which leads back to it"),
    ] {
        symlink(target, world.join("model/link")).unwrap();
        world.refused(&VERIFY, 1, "integrity.symlink", message);
        world.refused(&["digest", "model", "--allow-symlinks"], 1, "integrity.symlink", message);
        fs::remove_file(world.join("model/link")).unwrap();
    }
    symlink(".", world.join("model/sub/up")).unwrap();
    world
        .run(&["digest", "model", "--allow-symlinks"])
        .exits(0)
        .says("leads back to a directory that contains it");
}

#[test]
fn a_model_path_that_is_a_link() {
    let world = World::signed();
    symlink("model", world.join("link")).unwrap();
    let message = "the model path 'link' is a symbolic link to 'model'; name the target itself";
    world.refused(&["verify", "key", "link", "--public-key", "k.pub"], 1, "integrity.symlink", message);
}

#[test]
fn no_model_at_all() {
    let world = World::signed();
    let message = "there is no model at 'nowhere'";
    world.refused(&["verify", "key", "nowhere", "--public-key", "k.pub"], 3, "error.io", message);
    world.refused(&["digest", "nowhere"], 3, "error.io", message);
    world.refused(&["sign", "key", "nowhere", "--private-key", "k.key"], 3, "error.io", message);
}

#[test]
fn an_empty_model() {
    let world = World::signed();
    fs::remove_dir_all(world.join("model")).unwrap();
    fs::create_dir_all(world.join("model/empty/.git")).unwrap();
    refused_everywhere(&world, "integrity.empty-model", "'model' holds no files");
    world.file("model/.gitignore", "x");
    refused_everywhere(&world, "integrity.empty-model", "holds no files besides those that are");
}

#[test]
fn strange_names_are_signed_byte_for_byte() {
    let world = World::with_keys();
    for name in [
        "a:b:c",
        "x:0:5",
        "with space",
        " ",
        "caf\u{e9}",
        "cafe\u{301}",
        "-dash",
        "emoji \u{1f600}",
        "new\nline",
    ] {
        world.file(&format!("model/{name}"), name);
    }
    for method in ["files", "shards"] {
        world.run(&with(&SIGN, &["--force", "--method", method])).exits(0);
        world.run(&VERIFY).exits(0).prints("11 files");
    }
    // The other normal form is another name.
    fs::remove_file(world.join("model/caf\u{e9}")).unwrap();
    world.refused(&VERIFY, 1, "integrity.file-missing", "'caf\u{e9}' is missing");
    fs::rename(world.join("model/new\nline"), world.join("model/new\nlines")).unwrap();
    let ran = world.run(&VERIFY).exits(1).says("not signed: new\\u{a}lines");
    assert!(ran.stderr.lines().all(|line| !line.starts_with("line")), "{}", ran.stderr);
}

#[test]
fn names_that_cannot_be_signed() {
    let world = World::signed();
    let bad = world.join("model").join(std::ffi::OsStr::from_bytes(b"bad\xff"));
    fs::write(&bad, "x").unwrap();
    refused_everywhere(&world, "integrity.name-not-allowed", "is not UTF-8");
    fs::remove_file(bad).unwrap();
    world.file("model/back\\slash", "x");
    refused_everywhere(&world, "integrity.name-not-allowed", "contains a backslash");
}

#[test]
fn directories_nested_without_end() {
    let world = World::signed();
    world.file(&format!("model/{}/file", vec!["d"; 200].join("/")), "x");
    let ran = world.run(&VERIFY).exits(1);
    println!("| 1 | {} |", ran.stderr.lines().next().unwrap());
    world.run(&["digest", "model"]).exits(1);
}

#[test]
fn a_file_that_changes_while_it_is_hashed() {
    let world = World::with_keys();
    world.sparse("model/large", 1 << 30);
    let sign = with(&SIGN, &["--hash", "blake3"]);
    world.run(&sign).exits(0);
    for args in
        [with(&VERIFY, &["--format", "json"]), with(&sign, &["--format", "json", "--signature", "other.sig"])]
    {
        let mut child = world.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(world.join("model/large")).unwrap();
        while child.try_wait().unwrap().is_none() {
            file.write_all(b"x").unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        let ran = Ran::from(child.wait_with_output().unwrap()).exits(1);
        let document = ran.json();
        assert_eq!(document["code"], "integrity.changed-during-verify", "{document}");
        println!("| 1 | {} | {} |", document["code"], document["message"]);
        assert!(document["message"].as_str().unwrap().contains("while the model was measured"));
        file.set_len(1 << 30).unwrap();
    }
    assert!(!world.join("other.sig").exists());
    world.run(&VERIFY).exits(0);
}
