//! Whom a command runs as.

use super::{Door, Who, everybody, is_root};

const STATUS: [&str; 3] =
    ["sh", "-c", "id -u; id -g; id -G; grep -E '^(Cap|NoNewPrivs)' /proc/self/status | tr -d '\\t'"];

fn no_privileges(stdout: &str) {
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(stdout.contains(&format!("{set}:0000000000000000\n")), "{stdout}");
    }
    assert!(stdout.contains("NoNewPrivs:1\n"), "{stdout}");
}

#[test]
fn root_becomes_nobody_unless_told_otherwise() {
    if !is_root("dropping privileges") {
        return;
    }
    let door = Door::new();
    for (flags, ids, user) in [
        (&[][..], "65534\n65534\n65534\n", "65534:65534"),
        (&["--user", "12345:12346"], "12345\n12346\n12346\n", "12345:12346"),
        (&["--user", "daemon"], "1\n1\n1\n", "1:1"),
        (&["--user", "root"], "0\n0\n0\n", "0:0"),
    ] {
        let (ran, report) = door.run_with_status(Who::Root, flags, &STATUS);
        let ran = ran.exits(0);
        assert!(ran.stdout.starts_with(ids), "{flags:?}: {}", ran.stdout);
        no_privileges(&ran.stdout);
        assert_eq!(report["protections"]["user"], user);
    }
}

#[test]
fn a_user_stays_who_they_are_and_gains_nothing() {
    let door = Door::new();
    let (ran, report) = door.run_with_status(Who::User, &[], &STATUS);
    let ran = ran.exits(0);
    assert!(!ran.stdout.starts_with("0\n"), "{}", ran.stdout);
    no_privileges(&ran.stdout);
    assert!(report["protections"].get("user").is_none());
}

#[test]
fn the_home_is_new_unless_it_was_allowed() {
    let door = Door::new();
    let home = door.world().join("home");
    for who in everybody() {
        let script = ["sh", "-c", "echo $HOME; echo x >$HOME/x && ls -A $HOME"];
        let ran = door.run(who, &[], &script).exits(0);
        assert!(
            ran.stdout.ends_with("/home\nx\n") && !ran.stdout.starts_with(home.to_str().unwrap()),
            "{ran:?}"
        );
        let ran = door.run(who, &["--allow-read", "home"], &["sh", "-c", "echo $HOME"]).exits(0);
        assert_eq!(ran.stdout.trim_end(), home.to_str().unwrap());
        assert_eq!(door.world().list("home"), Vec::<String>::new());
    }
}

#[test]
fn root_that_stays_root_keeps_no_groups_and_sends_no_signals() {
    if !is_root("groups of root") {
        return;
    }
    let door = Door::new();
    let given = super::model();
    let inner = door.command(Who::Root, &["--model", &given, "--user", "root"], &["id", "-G"]);
    let mut with_groups = std::process::Command::new("setpriv");
    with_groups.args(["--groups", "4,24"]).arg(inner.get_program()).args(inner.get_args());
    with_groups.current_dir(door.world().path()).env("PATH", "/usr/bin:/bin");
    assert_eq!(crate::common::Ran::of(&mut with_groups).exits(0).stdout, "0\n");

    let (ran, report) = door.run_with_status(
        Who::Root,
        &["--user", "root"],
        &["sh", "-c", "kill -0 $$ && echo itself; kill -0 $PPID && echo others"],
    );
    // Landlock knows signals since the sixth version of its interface.
    if report["protections"]["landlock"].as_u64() >= Some(6) {
        assert_eq!(ran.stdout, "itself\n");
    }
}
