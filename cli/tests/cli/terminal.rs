//! What only happens on a terminal, here one that `script` makes.

use crate::common::{SIGN, VERIFY, World};
use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A program on a terminal.
struct Terminal {
    child: Child,
    seen: String,
}

impl Terminal {
    fn start(world: &World, args: &[&str], variables: &str) -> Self {
        let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
        let line = format!("{variables} {} {}", env!("CARGO_BIN_EXE_modelseal"), quoted.join(" "));
        Self::shell(world, &line)
    }

    /// A line for the shell, on a terminal.
    fn shell(world: &World, line: &str) -> Self {
        let mut command = world.prepared(Command::new("script"), &["-qec", line, "/dev/null"]);
        command.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
        Self { child: command.spawn().unwrap(), seen: String::new() }
    }

    /// Reads until `text` was seen.
    fn wait_for(&mut self, text: &str) {
        let stdout = self.child.stdout.as_mut().unwrap();
        let from = self.seen.len();
        while !self.seen[from..].contains(text) {
            let mut bytes = [0; 256];
            let count = stdout.read(&mut bytes).unwrap();
            assert!(count > 0, "ended without '{text}': {}", self.seen);
            self.seen += &String::from_utf8_lossy(&bytes[..count]);
        }
    }

    /// Types, as slowly as people do: the terminal stops echoing only after the question was shown.
    fn send(&mut self, text: &str) {
        thread::sleep(Duration::from_millis(300));
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Everything that was shown, and the exit status.
    fn end(mut self) -> (String, Option<i32>) {
        let mut rest = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        self.seen += &String::from_utf8_lossy(&rest);
        (self.seen, self.child.wait().unwrap().code())
    }
}

#[test]
fn passwords_are_typed_unseen() {
    let world = World::new();
    let mut terminal = Terminal::start(&world, &["key", "generate", "--output", "k"], "");
    terminal.wait_for("Password for the new private key: ");
    terminal.send("tell-nobody\n");
    terminal.wait_for("The same again: ");
    terminal.send("tell-nobody\n");
    let (seen, code) = terminal.end();
    assert!(code == Some(0) && seen.contains("k.key (encrypted)"), "{seen}");
    assert!(!seen.contains("tell-nobody"), "{seen}");

    for (password, exit) in [("tell-everybody", 2), ("tell-nobody", 0)] {
        let mut terminal = Terminal::start(&world, &SIGN, "");
        terminal.wait_for("Password of the private key: ");
        terminal.send(&format!("{password}\n"));
        let (seen, code) = terminal.end();
        assert_eq!(code, Some(exit), "{seen}");
        assert!(!seen.contains(password), "{seen}");
    }
    world.run(&VERIFY).exits(0);
}

#[test]
fn passwords_that_differ_make_no_key() {
    let world = World::new();
    let mut terminal = Terminal::start(&world, &["key", "generate", "--output", "k"], "");
    terminal.wait_for("Password for the new private key: ");
    terminal.send("one\n");
    terminal.wait_for("The same again: ");
    terminal.send("two\n");
    let (seen, code) = terminal.end();
    assert!(code == Some(2) && seen.contains("the two passwords differ"), "{seen}");
    assert_eq!(world.list("."), ["model"]);
}

#[test]
fn an_interrupted_question_leaves_the_terminal_as_it_was() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_modelseal");
    let by_key = format!("trap : INT; {program} key generate; echo status $?; stty -a");
    let by_signal = format!(
        "(sleep 2; kill -TERM $(cat model/pid)) & \
         sh -c 'echo $$ > model/pid; exec {program} key generate'; echo status $?; stty -a"
    );
    for line in [by_key, by_signal] {
        let mut terminal = Terminal::shell(&world, &line);
        terminal.wait_for("Password for the new private key: ");
        if !line.contains("sleep") {
            terminal.send("\u{3}");
        }
        let (seen, _) = terminal.end();
        assert!(seen.contains("status 130") && seen.contains("error: cancelled"), "{seen}");
        assert!(seen.contains("\nisig icanon iexten echo "), "{seen}");
        assert_eq!(world.list("."), ["model"]);
    }
}

#[test]
fn a_bar_is_shown_after_a_second_and_only_on_a_terminal() {
    let world = World::with_keys();
    world.sparse("model/large", 1 << 40);
    let mut terminal = Terminal::start(&world, &["digest", "model"], "");
    terminal.wait_for("1.00 TiB");
    terminal.send("\u{3}");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(130), "{seen}");
    assert!(seen.contains("% "), "{seen}");

    // Nothing to show for what is done at once.
    std::fs::remove_file(world.join("model/large")).unwrap();
    let (seen, code) = Terminal::start(&world, &["digest", "model"], "").end();
    assert!(code == Some(0) && !seen.contains('%') && !seen.contains('\u{1b}'), "{seen:?}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let world = World::new();
    let coloured = |variables: &str| Terminal::start(&world, &["wat"], variables).end().0.contains('\u{1b}');
    assert!(coloured(""));
    assert!(!coloured("NO_COLOR=1"));
}
