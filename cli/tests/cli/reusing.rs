//! `sign --remember` and `sign --reuse`: only files that changed are read again, and only a signature of the same key
//! gives digests.

use crate::common::{Ran, VERIFY, World, with};
use serde_json::Value;
use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    thread::sleep,
    time::Duration,
};

const REMEMBER: [&str; 7] = ["sign", "key", "model", "--private-key", "k.key", "--remember", "--force"];
const REUSE: [&str; 9] = [
    "sign",
    "key",
    "model",
    "--private-key",
    "k.key",
    "--force",
    "--reuse",
    "model.sig",
    "--trust-unchanged",
];

fn run(world: &World, args: &[&str]) -> Ran {
    Ran::of(world.command(args).env("XDG_CACHE_HOME", world.join("cache")))
}

fn sign(world: &World, args: &[&str]) -> Value {
    run(world, &with(args, &["--format", "json"])).exits(0).json()
}

fn notes(signed: &Value) -> String {
    signed["notes"].to_string()
}

/// A model whose files are old enough to be remembered.
fn settled() -> World {
    let world = World::with_keys();
    world.file("model/c.bin", "third\n");
    sleep(Duration::from_millis(3200));
    world
}

fn cache(world: &World) -> PathBuf {
    let names = world.list("cache/modelseal");
    assert_eq!(names.len(), 1, "{names:?}");
    world.join("cache/modelseal").join(&names[0])
}

#[test]
fn only_what_changed_is_read_again_and_the_signature_is_the_same() {
    let world = settled();
    for flags in [&[][..], &["--method", "shards", "--shard-size", "4"]] {
        sign(&world, &with(&REMEMBER, flags));
        assert_eq!(fs::metadata(cache(&world)).unwrap().permissions().mode() & 0o777, 0o600);
        let signed = sign(&world, &with(&REUSE, flags));
        assert!(notes(&signed).contains("3 of 3 files were not read"), "{signed:#}");
        world.run(&VERIFY).exits(0);
        // It remembers, too. One file is changed, one added, one removed.
        world.file("model/a.bin", "FIRST\n");
        world.file("model/new.bin", "x");
        fs::remove_file(world.join("model/c.bin")).unwrap();
        let signed = sign(&world, &with(&REUSE, flags));
        assert!(notes(&signed).contains("1 of 3 files were not read"), "{signed:#}");
        world.run(&VERIFY).exits(0);
        // Read whole, it is the same statement: another one would not be written over it.
        world.run(&with(&["sign", "key", "model", "--private-key", "k.key"], flags)).exits(0);
        world.file("model/a.bin", "first\n");
        world.file("model/c.bin", "third\n");
        fs::remove_file(world.join("model/new.bin")).unwrap();
        sleep(Duration::from_millis(3200));
    }
}

#[test]
fn a_file_with_its_old_size_and_time_is_read_again() {
    let world = settled();
    sign(&world, &REMEMBER);
    let path = world.join("model/a.bin");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "FIRST\n").unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_times(FileTimes::new().set_modified(before))
        .unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert!(notes(&sign(&world, &REUSE)).contains("2 of 3 files were not read"));
    world.run(&VERIFY).exits(0);
}

#[test]
fn a_file_that_was_just_written_is_not_remembered() {
    let world = World::with_keys();
    sign(&world, &REMEMBER);
    assert!(notes(&sign(&world, &REUSE)).contains("0 of 2 files were not read"));
    // A time in the future is no better.
    sleep(Duration::from_millis(3200));
    let future = std::time::SystemTime::now() + Duration::from_secs(9000);
    let file = File::options().write(true).open(world.join("model/a.bin")).unwrap();
    file.set_times(FileTimes::new().set_modified(future)).unwrap();
    sign(&world, &REMEMBER);
    assert!(notes(&sign(&world, &REUSE)).contains("1 of 2 files were not read"));
}

#[test]
fn a_lying_cache_brings_back_old_digests_only_and_verifiers_notice() {
    let world = settled();
    sign(&world, &REMEMBER);
    let old = world.run(&["digest", "model"]).stdout;
    world.file("model/a.bin", "FIRST\n");
    let now = fs::metadata(world.join("model/a.bin")).unwrap();
    let mut document: Value = serde_json::from_slice(&fs::read(cache(&world)).unwrap()).unwrap();
    let entry = document["files"].as_array_mut().unwrap().iter_mut().find(|e| e["name"] == "a.bin").unwrap();
    entry["modified"] = serde_json::json!([now.mtime(), now.mtime_nsec()]);
    entry["changed"] = serde_json::json!([now.ctime(), now.ctime_nsec()]);
    entry["inode"] = now.ino().into();
    fs::write(cache(&world), document.to_string()).unwrap();
    let signed = sign(&world, &REUSE);
    assert!(notes(&signed).contains("3 of 3 files were not read"), "{signed:#}");
    assert_eq!(signed["digests"]["root"], old.lines().next().unwrap());
    world.refused(&VERIFY, 1, "integrity.digest-mismatch", "'a.bin' is changed");
}

#[test]
fn without_a_cache_of_that_signature_every_file_is_read() {
    let world = settled();
    world.run(&REMEMBER[..5]).exits(0);
    let read_all = |why: &str| {
        let signed = sign(&world, &REUSE);
        assert!(notes(&signed).contains("0 of 3 files were not read"), "{signed:#}");
        assert!(notes(&signed).contains(&format!("every file is read again: {why}")), "{signed:#}");
        world.run(&VERIFY).exits(0);
    };
    read_all("this model was not signed with --remember");
    fs::write(cache(&world), "{}").unwrap();
    read_all("the cache '");
    fs::write(cache(&world), "{\"schema\":1,\"schema\":2}").unwrap();
    read_all("the cache '");
    // Somebody else's word, or one that would be waited for.
    fs::set_permissions(cache(&world), fs::Permissions::from_mode(0o666)).unwrap();
    read_all("the cache '");
    let pipe = cache(&world);
    fs::remove_file(&pipe).unwrap();
    world.tool("mkfifo", &[pipe.to_str().unwrap()]);
    read_all("the cache '");
    // Signed otherwise meanwhile.
    world.file("model/d.bin", "x");
    world.run(&["sign", "key", "model", "--private-key", "k.key", "--force"]).exits(0);
    fs::remove_file(world.join("model/d.bin")).unwrap();
    read_all("what is remembered belongs to another signature");
}

#[test]
fn digests_come_from_a_signature_of_the_same_key_and_parameters() {
    let world = settled();
    sign(&world, &REMEMBER);
    let good = world.read("model.sig");
    let refused = |args: &[&str], message: &str| {
        let ran = run(&world, &with(args, &["--format", "json"])).exits(2);
        assert_eq!(ran.json()["code"], "usage.reuse");
        assert!(ran.stderr.contains(message), "{message}\n{}", ran.stderr);
    };
    refused(&with(&REUSE, &["--hash", "blake3"]), "it was made with another method, shard size, hash");
    refused(&with(&REUSE, &["--method", "shards"]), "it was made with another method, shard size, hash");
    refused(&with(&REUSE, &["--allow-symlinks"]), "rule for links");
    world.run(&["key", "generate", "--no-password", "--output", "l"]).exits(0);
    let mut other = REUSE;
    other[4] = "l.key";
    refused(&other, "it was not made with the key that signs now");
    let mut envelope: Value = serde_json::from_str(&good).unwrap();
    let payload = envelope["dsseEnvelope"]["payload"].as_str().unwrap().to_owned();
    envelope["dsseEnvelope"]["payload"] = format!("A{}", &payload[1..]).into();
    world.file("old.sig", envelope.to_string());
    let mut tampered = REUSE;
    tampered[7] = "old.sig";
    refused(&tampered, "it was not made with the key that signs now");
    world.file("old.sig", "{}");
    refused(&tampered, "cannot use the digests of 'old.sig' again");
    fs::remove_file(world.join("old.sig")).unwrap();
    refused(&tampered, "No such file");
}

#[test]
fn reuse_must_be_asked_for_in_full_and_never_when_verifying() {
    let world = World::signed();
    for flags in [&["--reuse", "model.sig"][..], &["--trust-unchanged"]] {
        world.refused(&with(&REUSE[..5], flags), 2, "usage.flags", "required");
    }
    world.refused(&with(&REUSE, &["--dry-run"]), 2, "usage.flags", "cannot be used with");
    world.refused(&with(&VERIFY, &["--trust-unchanged"]), 2, "usage.flags", "unexpected argument");
}
