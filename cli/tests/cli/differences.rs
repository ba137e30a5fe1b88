//! What differs is listed, counted and explained.

use crate::common::{SIGN, VERIFY, World, with};
use std::fs;

#[test]
fn a_changed_byte_an_added_a_removed_and_a_renamed_file() {
    let world = World::signed();
    world.file("model/a.bin", "firsT\n");
    let document = world.refused(&VERIFY, 1, "integrity.digest-mismatch", "'a.bin' is changed");
    let change = &document["differences"]["changed"][0];
    assert_eq!(change["path"], "a.bin");
    assert_ne!(change["signed"], change["found"]);
    let ran = world.run(&VERIFY).says(&format!("    signed:   {}", change["signed"].as_str().unwrap()));
    ran.says(&format!("    found:    {}", change["found"].as_str().unwrap())).says("  changed:    a.bin");

    let world = World::signed();
    world.file("model/new", "x");
    let document = world.refused(&VERIFY, 1, "integrity.file-unsigned", "  not signed: new");
    assert!(document["checks"][3]["fix"].as_str().unwrap().contains("--ignore-unsigned-files"));

    let world = World::signed();
    fs::remove_file(world.join("model/a.bin")).unwrap();
    world.refused(&VERIFY, 1, "integrity.file-missing", "  missing:    a.bin");

    let world = World::signed();
    fs::rename(world.join("model/a.bin"), world.join("model/c.bin")).unwrap();
    world.refused(&VERIFY, 1, "integrity.file-missing", "'a.bin' is missing; 'c.bin' is not signed");
}

#[test]
fn a_rename_that_keeps_the_root_digest() {
    let world = World::signed();
    let root = |world: &World| world.run(&["digest", "model"]).stdout.lines().next().unwrap().to_owned();
    let before = root(&world);
    fs::rename(world.join("model/a.bin"), world.join("model/b.bin")).unwrap();
    assert_eq!(root(&world), before, "the root digest does not cover names");
    world.refused(&VERIFY, 1, "integrity.file-missing", "'a.bin' is missing; 'b.bin' is not signed");
}

#[test]
fn two_files_swapped() {
    let world = World::signed();
    world.file("model/a.bin", "second\n");
    world.file("model/sub/b.bin", "first\n");
    world.refused(&VERIFY, 1, "integrity.digest-mismatch", "2 files are changed, the first is 'a.bin'");
}

#[test]
fn long_lists_are_cut_for_people_and_whole_in_json() {
    let world = World::with_keys();
    for n in 0..1000 {
        world.file(&format!("model/{n:04}"), "x");
    }
    world.run(&SIGN).exits(0);
    for n in 0..1000 {
        world.file(&format!("model/{n:04}"), "y");
    }
    let document =
        world.refused(&VERIFY, 1, "integrity.digest-mismatch", "1000 files are changed, the first is '0000'");
    assert_eq!(document["differences"]["changed"].as_array().unwrap().len(), 1000);
    let ran = world.run(&VERIFY).says("  changed: 980 more, 1000 in all (--format json lists them)");
    assert_eq!(ran.stderr.matches("  changed:    ").count(), 20);
}

#[test]
fn changes_under_shards_name_the_bytes() {
    let world = World::with_keys();
    world.run(&with(&SIGN, &["--method", "shards", "--shard-size", "4"])).exits(0);
    world.file("model/a.bin", "firsT\n");
    world.run(&VERIFY).exits(1).says("changed:    a.bin, bytes 4:6");
    world.file("model/a.bin", "firs");
    world.run(&VERIFY).exits(1).says("found:    nothing: the file is shorter");
    world.file("model/a.bin", "first\nand more");
    world.run(&VERIFY).exits(1).says("signed:   nothing: the file was shorter");
}

#[test]
fn a_git_lfs_pointer_is_explained() {
    let world = World::signed();
    let oid = "0".repeat(64);
    world.file(
        "model/a.bin",
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 4096\n"),
    );
    let message = "'a.bin' is a Git LFS pointer, not the file of 4096 bytes it stands for; fetch that with `git lfs pull`";
    let document = world.refused(&VERIFY, 1, "integrity.digest-mismatch", message);
    assert_eq!(document["differences"]["explained"][0]["message"], message);
}

#[test]
fn hugging_face_leftovers_are_explained_once_and_the_advice_works() {
    let world = World::signed();
    for n in 0..100 {
        world.file(&format!("model/.cache/huggingface/download/{n}.metadata"), "x");
    }
    let message = "'.cache/huggingface' holds 100 files left behind by `hf download --local-dir`";
    let document = world.refused(&VERIFY, 1, "integrity.file-unsigned", message);
    assert_eq!(document["differences"]["explained"].as_array().unwrap().len(), 1);
    let ran = world.run(&VERIFY).says("pass --ignore-paths 'model/.cache/huggingface'");
    assert_eq!(ran.stderr.matches("left behind").count(), 1);
    world.run(&with(&VERIFY, &["--ignore-paths", "model/.cache/huggingface"])).exits(0);
}

#[cfg(unix)]
#[test]
fn a_hugging_face_snapshot_verifies_without_flags() {
    use std::os::unix::fs::symlink;
    let world = World::signed();
    let repository = "cache/hub/models--acme--tiny";
    let snapshot = format!("{repository}/snapshots/{}", "c".repeat(40));
    fs::create_dir_all(world.join(&format!("{snapshot}/sub"))).unwrap();
    for (name, target, up) in [("a.bin", "a".repeat(40), ""), ("sub/b.bin", "b".repeat(64), "../")] {
        let bytes = world.read(&format!("model/{name}"));
        world.file(&format!("{repository}/blobs/{target}"), bytes);
        symlink(format!("{up}../../blobs/{target}"), world.join(&format!("{snapshot}/{name}"))).unwrap();
    }
    let args = ["verify", "key", &snapshot, "--public-key", "k.pub"];
    world.run(&args).exits(0).prints("2 files").says("Hugging Face cache snapshot (acme/tiny at cccc");
    symlink("/etc/passwd", world.join(&format!("{snapshot}/evil"))).unwrap();
    world.refused(&args, 1, "integrity.symlink", "is a symbolic link to '/etc/passwd'");
}
