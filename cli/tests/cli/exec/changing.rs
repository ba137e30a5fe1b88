//! Somebody who writes to a model while a command reads it.

use super::{Door, Who, everybody, is_root, model};
use crate::common::Ran;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
};

/// Runs a command that prints a line and then waits for one; `change` happens in between.
pub(super) fn meanwhile(command: &mut Command, change: impl FnOnce()) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    change();
    // A command that has ended already does not listen.
    let _ = child.stdin.take().unwrap().write_all(b"go\n");
    stdout.read_to_string(&mut printed).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stdout = printed.into_bytes();
    Ran::from(output)
}

/// Reads the model before and after, at its place and by its old path.
const TWICE: &str =
    "cat {model}/a.bin; read go; cat {model}/a.bin \"$0/a.bin\"; ls -A {model} | tr '\\n' ' '";

fn read_twice(door: &Door, who: Who, flags: &[&str], change: impl FnOnce()) -> Ran {
    let old = door.world().join("model");
    let given = model();
    let flags = [&["--model", &given], flags].concat();
    meanwhile(&mut door.command(who, &flags, &["sh", "-c", TWICE, old.to_str().unwrap()]), change)
}

#[test]
fn nothing_that_is_written_outside_is_seen_in_a_sealed_copy() {
    for flags in [&["--copy"][..], &["--strict"]] {
        for who in everybody() {
            let door = Door::new();
            if !door.has_namespace(who) {
                continue;
            }
            let ran = read_twice(&door, who, flags, || {
                // In place, as a writer who had it open could.
                let path = door.world().join("model/a.bin");
                let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.write_all(b"EVIL!\n").unwrap();
                door.world().file("model/new.bin", "new");
                fs::remove_file(door.world().join("model/sub/b.bin")).unwrap();
            });
            assert_eq!(ran.exits(0).stdout, "first\nfirst\nfirst\na.bin sub ");
        }
    }
}

#[test]
fn a_name_that_is_given_to_another_file_changes_nothing() {
    for who in everybody() {
        let door = Door::new();
        if !door.has_namespace(who) {
            continue;
        }
        let ran = read_twice(&door, who, &[], || {
            door.world().file("evil", "EVIL!\n");
            fs::rename(door.world().join("evil"), door.world().join("model/a.bin")).unwrap();
            door.world().file("model/new.bin", "new");
        });
        assert_eq!(ran.exits(0).stdout, "first\nfirst\nfirst\na.bin sub ");
    }
}

#[test]
fn a_directory_that_is_swapped_changes_nothing_and_cannot_be_read() {
    for who in everybody() {
        let door = Door::new();
        if !door.has_namespace(who) {
            continue;
        }
        let ran = read_twice(&door, who, &[], || {
            fs::rename(door.world().join("model"), door.world().join("model.old")).unwrap();
            door.world().file("model/a.bin", "EVIL!\n");
        });
        assert!(ran.stdout.starts_with("first\nfirst\n") && !ran.stdout.contains("EVIL"), "{ran:?}");
        ran.says("Permission denied");
    }
}

/// This is why it is said to be advisory.
#[test]
fn without_a_copy_a_write_in_place_is_seen() {
    for who in everybody() {
        let door = Door::new();
        if !door.has_namespace(who) {
            continue;
        }
        let ran = read_twice(&door, who, &[], || door.world().file("model/a.bin", "EVIL!\n"));
        assert_eq!(ran.exits(0).stdout, "first\nEVIL!\nEVIL!\na.bin sub ");
        let (_, report) = door.run_with_status(who, &["--accept-unverified"], &["true"]);
        assert_eq!(report["started"], false, "what was written is refused the next time");
    }
}

/// A model on a file system of its own, in an image that root alone can write, or that others can.
#[test]
fn a_read_only_file_system_needs_no_copy() {
    if !is_root("a read-only file system") {
        return;
    }
    let door = Door::new();
    let door = &door;
    let run = |image: &std::path::Path, option: &str| {
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-d"])
            .arg(door.world().join("model"))
            .arg(image)
            .arg("4M")
            .output();
        if !made.as_ref().is_ok_and(|made| made.status.success()) {
            println!("a read-only file system: not tested, {made:?}");
            return None;
        }
        fs::create_dir_all(door.world().join("mounted")).unwrap();
        let given = format!("{}=mounted", crate::policy::NAME);
        // Its lost+found is nothing that anybody signed.
        let flags = ["--model", &given, "--strict", "--status-fd", "9"];
        let inner = door.command(Who::Root, &flags, &["cat", "{model}/a.bin"]);
        door.world().file("status", "");
        let mut shell = Command::new("unshare");
        let script = "mount -o loop \"$1\" mounted && rmdir mounted/lost+found && umount mounted && mount -o loop,\"$0\" \"$1\" mounted \
                      || exit 99; shift; exec \"$@\" 9>status";
        shell
            .args(["-m", "sh", "-c", script, option])
            .arg(image)
            .arg(inner.get_program())
            .args(inner.get_args());
        shell
            .current_dir(door.world().path())
            .stdin(Stdio::null())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let ran = Ran::of(&mut shell);
        if ran.code == Some(99) {
            println!("a read-only file system: not tested, {}", ran.stderr);
            return None;
        }
        assert_eq!(ran.exits(0).stdout, "first\n");
        let report: serde_json::Value = serde_json::from_str(&door.world().read("status")).unwrap();
        Some(report["models"][0]["bytes"].as_str().unwrap().to_owned())
    };
    // The system's temporary directory is everybody's: who can put another image there could have this one.
    let exposed = run(&door.world().join("image"), "ro");
    if let Some(bytes) = exposed {
        assert_eq!(bytes, "sealed copy");
        let safe = tempfile::tempdir_in("/run").unwrap();
        assert_eq!(run(&safe.path().join("image"), "ro").unwrap(), "read-only filesystem");
        assert_eq!(run(&safe.path().join("image-rw"), "rw").unwrap(), "sealed copy");
    }
}

/// The kernel refuses every write to such files, and names are private: no copy is needed.
#[test]
fn files_under_fs_verity_need_no_copy() {
    if !is_root("fs-verity") {
        return;
    }
    let door = Door::new();
    let safe = tempfile::tempdir().unwrap();
    let image = safe.path().join("image");
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-b", "4096", "-O", "verity", "-d"])
        .arg(door.world().join("model"))
        .arg(&image)
        .arg("8M")
        .output();
    fs::create_dir_all(door.world().join("mounted")).unwrap();
    door.world().file("status", "");
    let given = format!("{}=mounted", crate::policy::NAME);
    let inner = door.command(
        Who::Root,
        &["--model", &given, "--strict", "--status-fd", "9"],
        &["cat", "{model}/a.bin"],
    );
    // What nobody decided about, the signature, need not be frozen.
    let script = "mount -o loop \"$0\" mounted && rmdir mounted/lost+found || exit 99; \
                  find mounted -name '*.bin' -exec fsverity enable {} \\; || exit 98; fsverity measure mounted/a.bin || exit 98; exec \"$@\" 9>status";
    let mut shell = Command::new("unshare");
    shell.args(["-m", "sh", "-c", script]).arg(&image).arg(inner.get_program()).args(inner.get_args());
    shell.current_dir(door.world().path()).stdin(Stdio::null()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let ran = Ran::of(&mut shell);
    if !made.is_ok_and(|made| made.status.success()) || matches!(ran.code, Some(98 | 99)) {
        println!("fs-verity: not tested, {}", ran.stderr);
        return;
    }
    assert!(ran.exits(0).stdout.ends_with("first\n"));
    let report: serde_json::Value = serde_json::from_str(&door.world().read("status")).unwrap();
    assert_eq!(report["models"][0]["bytes"], "fs-verity");
}
