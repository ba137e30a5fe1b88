//! What keeps a command from being started.

use super::{Door, Who, everybody, is_root, model};
use crate::{common::Ran, policy::NAME};
use std::{fs, os::unix::fs::symlink, process::Command};

/// A command that leaves a mark when it runs.
const MARK: [&str; 2] = ["touch", "mark/ran"];

/// Runs [`MARK`], which must not have been started.
fn refused(door: &Door, who: Who, flags: &[&str], exit: i32, code: &str) -> Ran {
    fs::create_dir_all(door.world().join("mark")).unwrap();
    let flags = [flags, &["--allow-write", "mark", "--status-fd", "9"]].concat();
    let ran = super::with_status(door, &mut door.command(who, &flags, &MARK)).exits(exit);
    assert!(!door.world().join("mark/ran").exists(), "the command ran");
    let word = match exit {
        1 => "denied",
        3 => "undecided",
        _ => "usage",
    };
    let line = ran.stderr.lines().find(|line| line.starts_with("modelseal: exec: ")).unwrap_or_default();
    assert!(line.starts_with(&format!("modelseal: exec: {word}: {code}: ")), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    let report: serde_json::Value = serde_json::from_str(&door.world().read("status")).unwrap();
    crate::schema::check(&report);
    assert_eq!(report["started"], false);
    assert_eq!(report["exit"], exit);
    assert_eq!(report["code"], code);
    assert!(line.ends_with(report["message"].as_str().unwrap()), "{line} {report}");
    ran
}

#[test]
fn the_mark_is_left_by_a_command_that_runs() {
    let door = Door::new();
    fs::create_dir_all(door.world().join("mark")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(door.world().join("mark"), fs::Permissions::from_mode(0o777)).unwrap();
    for who in everybody() {
        door.run(who, &["--allow-write", "mark"], &MARK).exits(0);
        fs::remove_file(door.world().join("mark/ran")).unwrap();
    }
}

#[test]
fn one_flipped_bit_starts_nothing() {
    let door = Door::new();
    door.world().file("model/sub/b.bin", b"sfcond\n");
    for who in everybody() {
        for more in [&[][..], &["--copy"], &["--strict"]] {
            let given = model();
            let flags = [&["--model", &given], more].concat();
            refused(&door, who, &flags, 1, "integrity.digest-mismatch").says("sub/b.bin");
        }
    }
}

#[test]
fn whatever_verify_denies_is_denied() {
    let door = Door::new();
    let given = model();
    let with_model = ["--model", given.as_str()];
    for who in everybody() {
        door.world().file("model/more.bin", "nobody signed this");
        refused(&door, who, &with_model, 1, "integrity.file-unsigned");
        fs::remove_file(door.world().join("model/more.bin")).unwrap();

        symlink("a.bin", door.world().join("model/link")).unwrap();
        refused(&door, who, &with_model, 1, "integrity.symlink");
        fs::remove_file(door.world().join("model/link")).unwrap();

        door.world().tool("mkfifo", &["model/pipe"]);
        refused(&door, who, &with_model, 1, "integrity.not-regular-file");
        fs::remove_file(door.world().join("model/pipe")).unwrap();

        let stranger = "hf://huggingface.co/acme/stranger=model";
        refused(&door, who, &["--model", stranger], 1, "policy.no-matching-rule");

        symlink("model", door.world().join("linked")).unwrap();
        let linked = format!("{NAME}=linked");
        refused(&door, who, &["--model", &linked], 1, "integrity.symlink");
        fs::remove_file(door.world().join("linked")).unwrap();

        let missing = format!("{NAME}=nowhere");
        refused(&door, who, &["--model", &missing], 3, "error.io");
        door.run(who, &[], &["true"]).exits(0);
    }
}

#[test]
fn one_denied_model_of_two_starts_nothing() {
    let door = Door::new();
    door.site.policy_with(
        "policy.toml",
        6,
        "",
        "models = [\"hf://huggingface.co/acme/**\"]\nbind = \"signer\"\nsignature = { signers = [\"alice\"] }",
    );
    door.world().file("adapter/lora.bin", "lora\n");
    door.sign("adapter");
    let (first, second) = (model(), "hf://huggingface.co/acme/lora=adapter".to_owned());
    for who in everybody() {
        door.world().file("adapter/lora.bin", "lora\n");
        let both = ["--model", &first, "--model", &second];
        let words =
            ["cat", "{hf://huggingface.co/acme/ranker}/a.bin", "{hf://huggingface.co/acme/lora}/lora.bin"];
        let ran = Ran::of(&mut door.command(who, &both, &words)).exits(0);
        assert_eq!(ran.stdout, "first\nlora\n");
        door.world().file("adapter/lora.bin", "Lora\n");
        refused(&door, who, &both, 1, "integrity.digest-mismatch");
    }
}

#[test]
fn wrong_usage_is_said_in_one_line() {
    let door = Door::new();
    let given = model();
    let other = "hf://huggingface.co/acme/other=model";
    let who = everybody()[0];
    let run = |flags: &[&str], command: &[&str], exit, code: &str, message: &str| {
        let ran = Ran::of(&mut door.command(who, flags, command)).exits(exit).says(message);
        let lines: Vec<&str> =
            ran.stderr.lines().filter(|line| line.starts_with("modelseal: exec: ")).collect();
        assert_eq!(lines.len(), 1, "{}", ran.stderr);
        assert!(lines[0].starts_with(&format!("modelseal: exec: usage: {code}: ")), "{}", ran.stderr);
        println!("| {exit} | {code} | {} |", lines[0]);
    };
    let with_model = ["--model", given.as_str()];
    run(&[], &["true"], 2, "usage.flags", "--model <REF=PATH>");
    run(&with_model, &[], 2, "usage.flags", "<COMMAND>");
    run(&["--model", "model"], &["true"], 2, "usage.flags", "no REFERENCE=PATH");
    run(&["--model", &given, "--model", &given], &["true"], 2, "usage.flags", "twice");
    run(&["--model", &given, "--model", other], &["cat", "{model}"], 2, "usage.flags", "{REF}");
    run(&with_model, &["no-such-command"], 127, "usage.command", "no command 'no-such-command' in PATH");
    run(&with_model, &["./nowhere"], 127, "usage.command", "there is no './nowhere'");
    run(&with_model, &["./policy.toml"], 126, "usage.command", "no file that may be executed");
    run(&with_model, &["./model"], 126, "usage.command", "no file that may be executed");
    run(
        &[&with_model[..], &["--user", "no-such-user"]].concat(),
        &["true"],
        2,
        "usage.flags",
        "no such user",
    );
    run(
        &[&with_model[..], &["--allow-read", "nowhere"]].concat(),
        &["true"],
        2,
        "usage.flags",
        "cannot allow",
    );
    run(&[&with_model[..], &["--status-fd", "77"]].concat(), &["true"], 2, "usage.flags", "--status-fd 77");
    run(
        &[&with_model[..], &["--policy", "nowhere.toml"]].concat(),
        &["true"],
        2,
        "usage.file",
        "nowhere.toml",
    );
    let mut command = door.command(who, &with_model, &["true"]);
    let document = Ran::of(command.args(["x"])).exits(0);
    assert_eq!(document.stdout, "");
    let args = ["exec", "--format", "json", "--policy", "policy.toml", "--model", &given, "--", "true"];
    let document = door.world().run(&args).exits(2).json();
    assert_eq!(document["code"], "usage.flags");
}

#[test]
fn a_user_cannot_become_somebody_else() {
    let door = Door::new();
    let given = model();
    refused(&door, Who::User, &["--model", &given, "--user", "0"], 2, "usage.flags").says("only root");
}

#[test]
fn a_command_that_the_kernel_refuses_is_told_apart() {
    let door = Door::new();
    use std::os::unix::fs::PermissionsExt;
    for (name, text, exit) in [("broken", "#!/nowhere/sh\n", 127), ("useless", "#!/etc/passwd\n", 126)] {
        door.world().file(name, text);
        fs::set_permissions(door.world().join(name), fs::Permissions::from_mode(0o755)).unwrap();
        for who in everybody() {
            let program = format!("./{name}");
            let flags = ["--model", &model(), "--status-fd", "9"];
            let ran = super::with_status(&door, &mut door.command(who, &flags, &[&program])).exits(exit);
            ran.says("modelseal: exec: usage: usage.command: the command could not be started");
            // It was said that it starts; the last line is what counts.
            let status = door.world().read("status");
            let last: serde_json::Value = serde_json::from_str(status.lines().last().unwrap()).unwrap();
            assert_eq!((&last["started"], &last["exit"]), (&false.into(), &exit.into()), "{status}");
        }
    }
}

/// Runs in a user namespace that allows no mount namespaces.
fn without_namespaces(door: &Door, flags: &[&str], command: &[&str]) -> Option<Ran> {
    let command = door.command(Who::Root, flags, command);
    let mut shell = Command::new("unshare");
    let script = "echo 0 >/proc/sys/user/max_mnt_namespaces || exit 99; exec \"$0\" \"$@\"";
    shell
        .args(["--user", "--map-root-user", "sh", "-c", script])
        .arg(command.get_program())
        .args(command.get_args());
    shell.current_dir(door.world().path()).stdin(std::process::Stdio::null());
    shell.env("PATH", "/usr/bin:/bin").env("HOME", door.world().join("home"));
    let ran = Ran::of(&mut shell);
    if ran.code == Some(99) || ran.stderr.starts_with("unshare:") {
        println!("without mount namespaces: not tested, {}", ran.stderr);
        return None;
    }
    Some(ran)
}

#[test]
fn strict_starts_nothing_where_the_means_are_missing() {
    let door = Door::new();
    if !is_root("a system without mount namespaces") {
        return;
    }
    let given = model();
    let with_model = ["--model", given.as_str(), "--user", "root"];
    for flag in ["--strict", "--copy"] {
        let Some(ran) = without_namespaces(&door, &[&with_model[..], &[flag]].concat(), &["touch", "ran"])
        else {
            return;
        };
        ran.exits(3)
            .says("modelseal: exec: undecided: error.unprotected: ")
            .says(flag)
            .says("mount namespace");
        assert!(!door.world().join("ran").exists());
    }
    // Without it the command runs and is told; it is still held to what it may open.
    let ran = without_namespaces(&door, &with_model, &["cat", "{model}/a.bin"]).unwrap().exits(0);
    assert_eq!(ran.stdout, "first\n");
    ran.says("warning: this system does not permit a mount namespace").says("can still change them");
    let ran = without_namespaces(&door, &with_model, &["cat", "policy.toml"]).unwrap().exits(1);
    ran.says("Permission denied").says("--allow-read");
    // Shared memory would be everybody's.
    let ran =
        without_namespaces(&door, &with_model, &["sh", "-c", "echo x >/dev/shm/modelseal-test"]).unwrap();
    assert!(!std::path::Path::new("/dev/shm/modelseal-test").exists(), "{ran:?}");
    ran.says("no shared memory").says("Permission denied");
}

/// Where others can give the model's old name to something else, what is put there could be read.
#[test]
fn nothing_that_others_can_put_in_its_place_is_allowed_with_the_directory_around() {
    let door = Door::new();
    let given = model();
    for who in everybody().into_iter().filter(|who| door.has_namespace(*who)) {
        for allowed in [".", "model/sub"] {
            let flags = ["--model", &given, "--strict", "--allow-read", allowed];
            refused(&door, who, &flags, 3, "error.unprotected").says("and 'model' with it");
            door.run(who, &["--allow-read", allowed], &["true"]).exits(0).says("and 'model' with it");
        }
    }
}

#[test]
fn a_refusal_of_json_is_told_down_the_status_descriptor() {
    let door = Door::new();
    let (ran, report) = door.run_with_status(Who::User, &["--format", "json"], &["true"]);
    ran.exits(2).says("modelseal: exec: usage: usage.flags: standard output belongs to the command");
    assert_eq!((&report["started"], &report["code"]), (&false.into(), &"usage.flags".into()));
    // A command line that cannot be read, too.
    for flags in [&["--memory", "0"][..], &["--nosuch"], &["--nosuch", "--format", "json"]] {
        let (ran, report) = door.run_with_status(Who::User, flags, &["true"]);
        ran.exits(2).says("modelseal: exec: usage: usage.flags: ");
        assert_eq!((&report["started"], &report["exit"]), (&false.into(), &2.into()));
    }
}

#[test]
fn no_command_is_taken_from_the_working_directory() {
    let door = Door::new();
    door.world().file("true", "#!/bin/sh\necho EVIL\n");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(door.world().join("true"), fs::Permissions::from_mode(0o755)).unwrap();
    let given = model();
    for who in everybody() {
        for path in [None, Some(""), Some(":/usr/bin:/bin")] {
            let mut command = door.command(who, &["--model", &given], &["true"]);
            match path {
                Some(path) => command.env("PATH", path),
                None => command.env_remove("PATH"),
            };
            assert_eq!(Ran::of(&mut command).exits(0).stdout, "");
        }
    }
}
