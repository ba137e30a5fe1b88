//! Models in places that are hard to name or to lay out.

use super::{Door, everybody};
use crate::{common::Ran, policy::NAME};
use std::{fs, os::unix::fs::symlink};

#[test]
fn paths_may_have_any_characters() {
    let door = Door::new();
    for name in ["with space", "with\nbreak", "=x=", "{model}", "-x", "\u{202e}x"] {
        let (from, to) = (door.world().join("model"), door.world().join(name));
        fs::rename(&from, &to).unwrap();
        for who in everybody() {
            for path in [
                format!("./{name}"),
                format!("{name}/."),
                format!("home/../{name}"),
                to.display().to_string(),
            ] {
                let given = format!("{NAME}={path}");
                let ran =
                    Ran::of(&mut door.command(who, &["--model", &given], &["cat", "{model}/a.bin"])).exits(0);
                assert_eq!(ran.stdout, "first\n", "{path}");
                let ran = Ran::of(&mut door.command(
                    who,
                    &["--model", &given, "--copy"],
                    &["cat", "{model}/a.bin"],
                ));
                assert_eq!(ran.exits(0).stdout, "first\n", "{path}");
            }
        }
        fs::rename(&to, &from).unwrap();
    }
}

#[test]
fn the_working_directory_may_be_the_model() {
    let door = Door::new();
    for who in everybody() {
        for flags in [&[][..], &["--copy"]] {
            let given = format!("{NAME}=.");
            let policy = door.world().join("policy.toml");
            let flags = [&["--model", &given, "--policy", policy.to_str().unwrap()], flags].concat();
            let mut command = door.command(who, &flags, &["cat", "a.bin", "{model}/a.bin"]);
            let args: Vec<_> = command.get_args().map(|arg| arg.to_owned()).collect();
            let mut here = std::process::Command::new(command.get_program());
            // The first policy was given by a relative path.
            let at = args.iter().position(|arg| arg == "policy.toml").unwrap();
            let state = args.iter().position(|arg| arg == "--state-dir").unwrap() + 1;
            here.args(args.iter().enumerate().filter(|(i, _)| *i != at && *i + 1 != at).map(|(i, arg)| {
                if i == state {
                    door.world().join(arg.to_str().unwrap()).into_os_string()
                } else {
                    arg.clone()
                }
            }));
            here.current_dir(door.world().join("model")).env("PATH", "/usr/bin:/bin").env("HOME", "/nowhere");
            if who == super::Who::User && rustix::process::geteuid().is_root() {
                std::os::unix::process::CommandExt::uid(&mut here, 65534);
            }
            assert_eq!(Ran::of(&mut here).exits(0).stdout, "first\nfirst\n");
            let _ = command.env_clear();
        }
    }
}

#[test]
fn a_single_file_is_a_model() {
    let door = Door::new();
    door.world().file("one/weights.bin", "weights\n");
    let args = [
        "sign",
        "key",
        "one/weights.bin",
        "--private-key",
        "alice.key",
        "--signature",
        "one/weights.sigstore.json",
    ];
    door.world().run(&args).exits(0);
    door.world().file("one/beside.bin", "beside\n");
    let given = format!("{NAME}=one/weights.bin");
    for who in everybody() {
        for flags in [&[][..], &["--copy"], &["--strict"]] {
            let flags = [&["--model", &given], flags].concat();
            let ran =
                Ran::of(&mut door.command(who, &flags, &["cat", "{model}", "one/weights.bin"])).exits(0);
            assert_eq!(ran.stdout, "weights\nweights\n");
            let ran = Ran::of(&mut door.command(who, &flags, &["sh", "-c", "basename {model}"])).exits(0);
            assert_eq!(ran.stdout, "weights.bin\n");
            Ran::of(&mut door.command(who, &flags, &["cat", "one/beside.bin"]))
                .exits(1)
                .says("Permission denied");
        }
    }
}

#[test]
fn a_model_with_links_that_were_signed_is_copied() {
    let door = Door::new();
    symlink("a.bin", door.world().join("model/link")).unwrap();
    let args =
        ["sign", "key", "model", "--private-key", "alice.key", "--signature", "model/model.sig", "--force"];
    door.world().run(&[&args[..], &["--allow-symlinks"]].concat()).exits(0);
    for who in everybody() {
        let (ran, report) = door.run_with_status(who, &[], &["cat", "{model}/link"]);
        assert_eq!(ran.exits(0).says("has links in it, so it is copied").stdout, "first\n");
        assert_eq!(report["models"][0]["bytes"], "sealed copy");
    }
}

#[test]
fn a_snapshot_in_a_cache_is_copied() {
    let door = Door::new();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let repository = "hub/models--acme--ranker";
    let blob = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    door.world().file(&format!("{repository}/blobs/{blob}"), "first\n");
    door.world().file(&format!("{repository}/refs/main"), commit);
    let snapshot = format!("{repository}/snapshots/{commit}");
    fs::create_dir_all(door.world().join(&snapshot)).unwrap();
    symlink(format!("../../blobs/{blob}"), door.world().join(&snapshot).join("a.bin")).unwrap();
    let signature = "snapshot.sig";
    let args = ["sign", "key", &snapshot, "--private-key", "alice.key", "--signature", signature];
    door.world().run(&args).exits(0);
    let given = format!("{NAME}={snapshot}");
    for who in everybody() {
        let flags = ["--model", &given, "--bundle", signature];
        let ran = Ran::of(&mut door.command(who, &flags, &["cat", "{model}/a.bin"])).exits(0);
        assert_eq!(ran.stdout, "first\n");
        door.world().file(&format!("{repository}/blobs/{blob}"), "First\n");
        Ran::of(&mut door.command(who, &flags, &["cat", "{model}/a.bin"])).exits(1);
        door.world().file(&format!("{repository}/blobs/{blob}"), "first\n");
    }
}

#[test]
fn a_model_of_very_many_files_is_mounted_as_a_whole() {
    let door = Door::new();
    for at in 0..10_050 {
        door.world().file(&format!("model/many/{at}"), "x");
    }
    door.sign("model");
    for who in everybody() {
        let ran = door.run(
            who,
            &[],
            &["sh", "-c", "ls {model}/many | wc -l; cat {model}/many/77; echo x >{model}/many/77"],
        );
        assert_eq!(ran.stdout, "10050\nx");
        assert_ne!(ran.code, Some(0));
        if door.has_namespace(who) {
            let (ran, report) = door.run_with_status(who, &[], &["true"]);
            assert_eq!(report["models"][0]["bytes"], "directory mount (advisory)");
            ran.says("is mounted as a whole directory");
            let (_, report) = door.run_with_status(who, &["--strict"], &["cat", "{model}/many/77"]);
            assert_eq!(report["models"][0]["bytes"], "sealed copy");
        }
    }
}

/// Whoever owns the directory can put what they want under names that no signature covers.
#[test]
fn what_nobody_signed_changes_nothing_and_is_not_there() {
    let door = Door::new();
    for at in 0..10_050 {
        door.world().file(&format!("model/.git/{at}"), "x");
    }
    door.world().file("model/.gitattributes", "x");
    symlink("/etc", door.world().join("model/.github")).unwrap();
    door.world().tool("mkfifo", &["model/.git/fifo"]);
    symlink("/etc", door.world().join("model/.git/link")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(door.world().join("model/.git/7"), fs::Permissions::from_mode(0o600)).unwrap();
    for who in everybody() {
        for flags in [&[][..], &["--copy"], &["--strict"]] {
            if !door.has_namespace(who) {
                continue;
            }
            let (ran, report) =
                door.run_with_status(who, flags, &["sh", "-c", "cd {model} && find . | sort"]);
            assert_eq!(ran.exits(0).says_nothing().stdout, ".\n./a.bin\n./sub\n./sub/b.bin\n");
            let expected = if flags.is_empty() { "bind mount (advisory)" } else { "sealed copy" };
            assert_eq!(report["models"][0]["bytes"], expected);
        }
    }
}

#[test]
fn files_that_a_policy_lets_be_unsigned_are_not_there() {
    let door = Door::new();
    door.site.policy("signature = { signers = [\"alice\"] }\ncontent = { unsigned-files = \"allow\" }");
    door.world().file("model/extra.py", "x");
    for who in everybody().into_iter().filter(|who| door.has_namespace(*who)) {
        for flags in [&[][..], &["--copy"]] {
            let ran = door.run(who, flags, &["ls", "{model}"]).exits(0);
            assert_eq!(ran.stdout, "a.bin\nsub\n");
        }
    }
}

/// A git directory that was signed is part of the model; it is laid out as a whole, and that is said.
#[test]
fn a_git_directory_that_was_signed_is_there() {
    let door = Door::new();
    door.world().file("model/.git/config", "signed\n");
    let args =
        ["sign", "key", "model", "--private-key", "alice.key", "--signature", "model/model.sig", "--force"];
    door.world().run(&[&args[..], &["--no-ignore-git-paths"]].concat()).exits(0);
    for who in everybody().into_iter().filter(|who| door.has_namespace(*who)) {
        for (flags, expected) in [(&[][..], "directory mount (advisory)"), (&["--strict"], "sealed copy")] {
            let (ran, report) = door.run_with_status(who, flags, &["cat", "{model}/.git/config"]);
            assert_eq!(ran.exits(0).stdout, "signed\n");
            assert_eq!(report["models"][0]["bytes"], expected);
        }
    }
}

#[test]
fn few_descriptors_are_enough_for_many_directories() {
    let door = Door::new();
    for at in 0..300 {
        door.world().file(&format!("model/d{at}/x"), "x");
    }
    door.sign("model");
    for who in everybody().into_iter().filter(|who| door.has_namespace(*who)) {
        let given = super::model();
        let inner = door.command(who, &["--model", &given, "--status-fd", "9"], &["true"]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -n 100; exec \"$0\" \"$@\" 9>&1"]).arg(inner.get_program());
        shell.args(inner.get_args()).current_dir(door.world().path()).env("PATH", "/usr/bin:/bin");
        if who == super::Who::User && rustix::process::geteuid().is_root() {
            std::os::unix::process::CommandExt::uid(&mut shell, 65534);
        }
        let report: serde_json::Value = serde_json::from_str(&Ran::of(&mut shell).exits(0).stdout).unwrap();
        assert_eq!(report["models"][0]["bytes"], "bind mount (advisory)");
    }
}

#[test]
fn a_model_that_the_command_may_not_read_is_said_to_be() {
    if !super::is_root("a model of root's alone") {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let door = Door::new();
    fs::set_permissions(door.world().join("model/a.bin"), fs::Permissions::from_mode(0o600)).unwrap();
    let root = super::Who::Root;
    let ran = door.run(root, &[], &["touch", "{model}/x"]).exits(3);
    ran.says("modelseal: exec: undecided: error.io: cannot let user 65534 read 'model'")
        .says("a.bin")
        .says("--copy");
    assert_eq!(door.run(root, &["--copy"], &["cat", "{model}/a.bin"]).exits(0).stdout, "first\n");
    assert_eq!(door.run(root, &["--user", "root"], &["cat", "{model}/a.bin"]).exits(0).stdout, "first\n");
}

#[test]
fn two_commands_at_once_have_places_of_their_own() {
    let door = Door::new();
    for who in everybody() {
        let given = super::model();
        let script = ["sh", "-c", "echo ready >$TMPDIR/x; echo up; read go; cat $TMPDIR/x {model}/a.bin"];
        let mut first = door.command(who, &["--model", &given], &script);
        let ran = super::changing::meanwhile(&mut first, || {
            let mut second =
                door.command(who, &["--model", &given], &["sh", "-c", "ls $TMPDIR; echo other >$TMPDIR/x"]);
            assert_eq!(Ran::of(&mut second).exits(0).stdout, "huggingface\n");
        });
        assert_eq!(ran.exits(0).stdout, "up\nready\nfirst\n");
    }
}
