//! The command's status, and what is said about it.

use super::{Door, everybody, model};
use crate::common::Ran;
use std::{
    io::Read,
    os::{
        fd::AsRawFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
};

#[test]
fn the_status_is_that_of_the_command() {
    let door = Door::new();
    for who in everybody() {
        for status in [0, 1, 2, 3, 7, 126, 255] {
            let script = format!("exit {status}");
            door.run(who, &[], &["sh", "-c", &script]).exits(status).says_nothing();
        }
        for (name, number) in [("TERM", 15), ("KILL", 9), ("INT", 2), ("HUP", 1)] {
            let script = format!("kill -{name} $$");
            let flags = ["--model", &model()];
            // Whoever runs the tests may ignore some of them: a shell in the background does.
            let command = ["env", "--default-signal", "sh", "-c", &script];
            let output = door.command(who, &flags, &command).output().unwrap();
            assert_eq!(output.status.signal(), Some(number), "{name}");
        }
    }
}

#[test]
fn the_command_is_this_very_process() {
    let door = Door::new();
    let mut command = door.command(everybody()[0], &["--model", &model()], &["sh", "-c", "echo $$"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let process = child.id();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.stdout.trim_end(), process.to_string());
}

/// As `nohup modelseal exec ..` needs it.
#[test]
fn signals_that_were_ignored_stay_ignored() {
    let door = Door::new();
    let command =
        door.command(everybody()[0], &["--model", &model()], &["sh", "-c", "kill -HUP $$; echo alive"]);
    let with = |option: &str| {
        let mut env = std::process::Command::new("env");
        env.arg(option).arg(command.get_program()).args(command.get_args());
        env.current_dir(door.world().path());
        env
    };
    assert_eq!(Ran::of(&mut with("--ignore-signal=HUP")).exits(0).stdout, "alive\n");
    assert_eq!(with("--default-signal=HUP").output().unwrap().status.signal(), Some(1));
}

#[test]
fn the_status_descriptor_does_not_live_on_in_the_command() {
    let door = Door::new();
    for who in everybody() {
        let (ran, report) = door.run_with_status(who, &[], &["sh", "-c", "ls /proc/self/fd; echo more >&9"]);
        assert!(!ran.stdout.lines().any(|line| line == "9"), "{ran:?}");
        assert_ne!(ran.code, Some(0));
        assert_eq!(report["started"], true);
    }
}

#[test]
fn the_status_goes_down_a_socket_too() {
    let door = Door::new();
    for who in everybody() {
        let (mut here, there) = UnixStream::pair().unwrap();
        rustix::io::fcntl_setfd(&there, rustix::io::FdFlags::empty()).unwrap();
        let number = there.as_raw_fd().to_string();
        let flags = ["--model", &model(), "--status-fd", &number];
        let mut child = door.command(who, &flags, &["true"]).spawn().unwrap();
        drop(there);
        let mut line = String::new();
        here.read_to_string(&mut line).unwrap();
        assert!(child.wait().unwrap().success());
        let report: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(report["started"], true);
    }
}

#[test]
fn the_status_can_go_where_errors_go() {
    let door = Door::new();
    let ran = door.run(everybody()[0], &["--status-fd", "2"], &["sh", "-c", "echo mine >&2"]).exits(0);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(lines[0].starts_with("{\"schema\":\"modelseal.exec/v1\",\"started\":true"), "{lines:?}");
    assert_eq!(lines[1], "mine");
}
