//! What a command cannot open.

use super::{Door, everybody, is_root, model};
use crate::{common::Ran, policy::NAME};
use std::{fs, os::unix::fs::PermissionsExt};

/// Makes a file that the permissions of files let everybody read.
fn open_file(door: &Door, name: &str, text: &str) {
    door.world().file(name, text);
    let path = door.world().join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for directory in path.ancestors().skip(1).take_while(|above| above.starts_with(door.world().path())) {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn another_model_in_a_cache_cannot_be_read() {
    let door = Door::new();
    let other = "home/.cache/huggingface/hub/models--x/snapshots/1/other.bin";
    open_file(&door, other, "other\n");
    open_file(&door, "elsewhere/other.bin", "other\n");
    for who in everybody() {
        for path in [other, "elsewhere/other.bin"] {
            let absolute = door.world().join(path);
            for path in [path, absolute.to_str().unwrap()] {
                door.run(who, &[], &["cat", path]).exits(1).says("Permission denied");
            }
        }
        door.run(who, &[], &["ls", "home"]).exits(2).says("Permission denied");
        // Unless it was allowed.
        let ran = door.run(who, &["--allow-read", "elsewhere"], &["cat", "elsewhere/other.bin"]).exits(0);
        assert_eq!((&*ran.stdout, &*ran.stderr), ("other\n", ""));
        let ran =
            door.run(who, &["--allow-read", "elsewhere/other.bin"], &["cat", "elsewhere/other.bin"]).exits(0);
        assert_eq!(ran.stdout, "other\n");
        let write = "echo x >elsewhere/new || echo x >elsewhere/other.bin";
        door.run(who, &["--allow-read", "elsewhere"], &["sh", "-c", write])
            .exits(2)
            .says("Permission denied");
    }
}

#[test]
fn what_it_is_told_about_and_cannot_read_is_said_beforehand() {
    let door = Door::new();
    open_file(&door, "serve.toml", "");
    for who in everybody() {
        let ran =
            door.run(who, &[], &["true", "--config=serve.toml", "{model}/a.bin", "/etc/passwd"]).exits(0);
        assert_eq!(
            ran.stderr,
            "warning: the command cannot read 'serve.toml'; give --allow-read if it should\n"
        );
    }
}

#[test]
fn an_adapter_that_is_pulled_later_cannot_be_read() {
    let door = Door::new();
    fs::create_dir_all(door.world().join("adapters")).unwrap();
    fs::set_permissions(door.world().join("adapters"), fs::Permissions::from_mode(0o777)).unwrap();
    open_file(&door, "home/.cache/huggingface/hub/there", "");
    for who in everybody() {
        // It cannot put one there,
        let pull = "cp {model}/a.bin adapters/lora.bin";
        door.run(who, &[], &["sh", "-c", pull]).exits(1).says("Permission denied");
        let home = door.world().join("home/.cache/huggingface/hub/lora");
        door.run(who, &[], &["cp", "{model}/a.bin", home.to_str().unwrap()]).exits(1);
        assert!(!home.exists());
        // and what somebody else puts there while it runs it cannot read.
        let command = ["sh", "-c", "echo ready; read go; cat adapters/lora.bin"];
        let mut command = door.command(who, &["--model", &model()], &command);
        let ran =
            super::changing::meanwhile(&mut command, || open_file(&door, "adapters/lora.bin", "lora\n"));
        assert_eq!(ran.stdout, "ready\n");
        ran.exits(1).says("Permission denied");
        fs::remove_file(door.world().join("adapters/lora.bin")).unwrap();
        fs::set_permissions(door.world().join("adapters"), fs::Permissions::from_mode(0o777)).unwrap();
    }
}

#[test]
fn the_model_cannot_be_written() {
    let door = Door::new();
    // Whoever runs the command may write by the permissions of files.
    for name in ["model", "model/sub"] {
        fs::set_permissions(door.world().join(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    for name in ["model/a.bin", "model/sub/b.bin"] {
        fs::set_permissions(door.world().join(name), fs::Permissions::from_mode(0o666)).unwrap();
    }
    let absolute = door.world().join("model");
    for who in everybody() {
        for flags in [&[][..], &["--copy"], &["--allow-write", "model"]] {
            for place in ["{model}", "model", absolute.to_str().unwrap()] {
                for script in [
                    "echo x >\"$0/a.bin\"",
                    "echo x >>\"$0/sub/b.bin\"",
                    "echo x >\"$0/new\"",
                    "rm \"$0/a.bin\"",
                    "mv \"$0/a.bin\" \"$0/c.bin\"",
                    "truncate -s 0 \"$0/a.bin\"",
                ] {
                    let ran = door.run(who, flags, &["sh", "-c", script, place]);
                    assert!(matches!(ran.code, Some(1 | 2)), "{who:?} {script} {place}: {ran:?}");
                }
            }
        }
        assert_eq!(door.world().read("model/a.bin"), "first\n");
        assert_eq!(door.world().read("model/sub/b.bin"), "second\n");
        assert_eq!(door.world().list("model"), ["a.bin", "model.sig", "sub"]);
    }
}

#[test]
fn there_is_no_way_out_by_mounting_or_by_other_namespaces() {
    let door = Door::new();
    open_file(&door, "elsewhere/other.bin", "other\n");
    let other = door.world().join("elsewhere/other.bin");
    let other = other.to_str().unwrap();
    for who in everybody() {
        for script in [
            "umount {model}",
            "mount -o remount,rw {model}",
            "mount -t tmpfs none {model}",
            "unshare -Ur cat \"$0\"",
            "unshare -Urm mount -o remount,rw,bind {model}/a.bin",
            "cat /proc/1/root\"$0\"",
            "cat /proc/$PPID/root\"$0\"",
        ] {
            let ran = door.run(who, &[], &["sh", "-c", script, other]);
            assert_ne!(ran.code, Some(0), "{who:?} {script}: {ran:?}");
            assert_eq!(ran.stdout, "");
        }
    }
}

#[test]
fn root_that_stays_root_is_held_as_well() {
    if !is_root("--user root") {
        return;
    }
    let door = Door::new();
    open_file(&door, "elsewhere/other.bin", "other\n");
    for script in [
        "cat elsewhere/other.bin",
        "echo x >{model}/a.bin",
        "mount -o remount,rw {model}",
        "nsenter -t 1 -m true",
        "chroot / true",
        "echo x >/proc/sys/kernel/hostname",
        "echo x >/etc/modelseal-was-here",
    ] {
        let ran = door.run(super::Who::Root, &["--user", "root"], &["sh", "-c", script]);
        assert_ne!(ran.code, Some(0), "{script}: {ran:?}");
    }
}

#[test]
fn a_script_and_its_interpreter_can_be_run_from_anywhere() {
    let door = Door::new();
    open_file(&door, "tools/bin/mine", "#!/usr/bin/env sh\n. \"${0%/*}/../lib/part\"\ncat \"$1/a.bin\"\n");
    open_file(&door, "tools/lib/part", "echo part\n");
    open_file(&door, "tools/models/other.bin", "other\n");
    fs::set_permissions(door.world().join("tools/bin/mine"), fs::Permissions::from_mode(0o755)).unwrap();
    for who in everybody() {
        let ran = door.run(who, &[], &["tools/bin/mine", "{model}"]).exits(0);
        assert_eq!(ran.stdout, "part\nfirst\n");
        let mut command = door.command(who, &["--model", &model()], &["mine", "{model}"]);
        command.env("PATH", format!("{}:/usr/bin:/bin", door.world().join("tools/bin").display()));
        assert_eq!(Ran::of(&mut command).exits(0).stdout, "part\nfirst\n");
        // Its installation is not all that lies beside it.
        door.run(who, &[], &["cat", "tools/models/other.bin"]).exits(1);
    }
    let _ = NAME;
}
