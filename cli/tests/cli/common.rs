//! A working directory with a model, keys and the program.

use crate::schema;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// Verifies `model` with the public key of [`World::signed`].
pub(crate) const VERIFY: [&str; 5] = ["verify", "key", "model", "--public-key", "k.pub"];

/// Signs `model` with the private key of [`World::with_keys`].
pub(crate) const SIGN: [&str; 5] = ["sign", "key", "model", "--private-key", "k.key"];

/// A working directory that holds `model`, and whatever a test adds.
pub(crate) struct World {
    directory: TempDir,
}

impl World {
    /// `model` with two files.
    pub(crate) fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        world.file("model/a.bin", b"first\n");
        world.file("model/sub/b.bin", b"second\n");
        world
    }

    /// Besides, an unencrypted Ed25519 key pair `k.key` and `k.pub`.
    pub(crate) fn with_keys() -> Self {
        let world = Self::new();
        world.run(&["key", "generate", "--no-password", "--output", "k"]).exits(0);
        world
    }

    /// Besides, the signature `model.sig`.
    pub(crate) fn signed() -> Self {
        let world = Self::with_keys();
        world.run(&SIGN).exits(0);
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.join(name)).unwrap()
    }

    /// A file of zeros that takes no room.
    pub(crate) fn sparse(&self, name: &str, size: u64) {
        self.file(name, b"");
        fs::OpenOptions::new().write(true).open(self.join(name)).unwrap().set_len(size).unwrap();
    }

    /// The names in a directory, in order.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.join(name)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Whether a signature was written, or half of one.
    pub(crate) fn no_signature(&self) {
        let names = self.list(".");
        assert!(names.iter().all(|n| !n.ends_with(".sig") && !n.ends_with(".tmp")), "{names:?}");
    }

    /// The program, in this directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_modelseal")), args)
    }

    /// Gives a command the arguments, this directory and a quiet environment.
    pub(crate) fn prepared(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        for variable in [
            "MODELSEAL_PASSWORD",
            "MODELSEAL_PIN",
            "MODELSEAL_IDENTITY_TOKEN",
            "MODELSEAL_CLIENT_SECRET",
            "COLUMNS",
            "CLICOLOR_FORCE",
            // What gives identity tokens.
            "GITHUB_ACTIONS",
            "GITLAB_CI",
            "BUILDKITE",
            "CIRCLECI",
            // What else is read as a CI system.
            "JENKINS_URL",
            "TEKTON_PIPELINE_RUN_UID",
            "TEKTON_TASK_RUN_UID",
        ] {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// The program as a user for whom permissions count.
    #[cfg(target_os = "linux")]
    pub(crate) fn command_as_nobody(&self, args: &[&str]) -> Command {
        use std::os::unix::{fs::PermissionsExt, process::CommandExt};
        let mut command = self.command(args);
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755)).unwrap();
            command.uid(65534).gid(65534);
        }
        command
    }

    /// Runs a command that must not do what it was asked to, for people and as JSON: the exit status, the stable code
    /// and part of the message, which goes to standard error.
    pub(crate) fn refused(&self, args: &[&str], exit: i32, code: &str, message: &str) -> Value {
        let ran = self.run(args).exits(exit).says(message);
        assert_eq!(ran.stdout, "", "results only on standard output");
        println!("| {exit} | {code} | {} |", ran.stderr.lines().next().unwrap_or_default());
        let document = self.run(&[args, &["--format", "json"]].concat()).exits(exit).json();
        assert_eq!(document["code"], code, "{document:#}");
        let said = document["message"].as_str().unwrap();
        assert!(said.lines().count() == 1 && !said.is_empty(), "{said}");
        if document["schema"] == "modelseal.result/v1" {
            assert_eq!(document["verdict"], if exit == 1 { "deny" } else { "error" });
        }
        document
    }

    /// Runs any other program, which must succeed.
    pub(crate) fn tool(&self, program: &str, args: &[&str]) -> String {
        let ran = Ran::of(&mut self.prepared(Command::new(program), args));
        assert_eq!(ran.code, Some(0), "{program} {args:?}: {}", ran.stderr);
        ran.stdout
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Standard error contains `text`.
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "not said: {text}\nstderr: {}", self.stderr);
        self
    }

    /// Standard output contains `text`.
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "not printed: {text}\nstdout: {}", self.stdout);
        self
    }

    /// Standard error is empty.
    pub(crate) fn says_nothing(self) -> Self {
        assert_eq!(self.stderr, "");
        self
    }

    /// Standard output is one JSON document that obeys the schema it names.
    pub(crate) fn json(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not one JSON document: {e}\n{}\n{}", self.stdout, self.stderr));
        schema::check(&document);
        document
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let ran = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        // The program's own name, where programs have endings; `modelseal.exec` is none.
        let ran = if cfg!(windows) {
            Self { stderr: ran.stderr.replace("modelseal.exe", "modelseal"), ..ran }
        } else {
            ran
        };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }
}

/// `base` and more arguments.
pub(crate) fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [base, more].concat()
}
