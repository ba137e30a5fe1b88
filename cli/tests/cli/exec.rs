//! `exec`: real commands, in real namespaces, as root and as a user.

mod changing;
mod places;
mod privileges;
mod reaching;
mod refusing;
mod status;

use crate::{
    common::{Ran, World},
    policy::{NAME, Site},
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    process::Command,
};

/// A model that policies know under [`NAME`], signed inside its folder.
pub(crate) struct Door {
    pub(crate) site: Site,
}

/// Who runs modelseal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User,
}

/// Whoever can be tested here: root can be both.
pub(crate) fn everybody() -> Vec<Who> {
    if rustix::process::geteuid().is_root() { vec![Who::Root, Who::User] } else { vec![Who::User] }
}

/// Whether root runs the tests; says what is left out otherwise.
pub(crate) fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("{what}: not tested, only root can");
    }
    root
}

impl Door {
    pub(crate) fn new() -> Self {
        let site = Site::new(&["alice"]);
        site.policy("signature = { signers = [\"alice\"] }");
        let door = Self { site };
        door.sign("model");
        door
    }

    pub(crate) fn world(&self) -> &World {
        &self.site.world
    }

    /// Signs a model into its own folder.
    pub(crate) fn sign(&self, model: &str) {
        let signature = format!("{model}/model.sig");
        let args = ["sign", "key", model, "--private-key", "alice.key", "--signature", &signature, "--force"];
        self.world().run(&args).exits(0);
    }

    /// `exec` with these flags and that command, run by `who`.
    pub(crate) fn command(&self, who: Who, flags: &[&str], command: &[&str]) -> Command {
        let state = format!("state-{who:?}");
        let home = self.world().join("home");
        fs::create_dir_all(&home).unwrap();
        let policy = ["exec", "--policy", "policy.toml", "--policy-unsigned", "--state-dir", &state];
        let args = [&policy[..], flags, &["--"], command].concat();
        let mut command = match who {
            Who::Root => self.world().command(&args),
            Who::User => {
                fs::create_dir_all(self.world().join(&state)).unwrap();
                if rustix::process::geteuid().is_root() {
                    chown(self.world().join(&state), Some(65534), Some(65534)).unwrap();
                }
                self.world().command_as_nobody(&args)
            }
        };
        // What decides is what may be opened, and not whose home it is.
        fs::set_permissions(self.world().path(), fs::Permissions::from_mode(0o755)).unwrap();
        command.env("HOME", home).env("PATH", "/usr/local/bin:/usr/bin:/bin").env_remove("XDG_RUNTIME_DIR");
        command
    }

    /// Runs it with the model.
    pub(crate) fn run(&self, who: Who, flags: &[&str], command: &[&str]) -> Ran {
        Ran::of(&mut self.command(who, &[&["--model", &model()], flags].concat(), command))
    }

    /// Runs it with the model and gives what is written down the status descriptor besides.
    pub(crate) fn run_with_status(&self, who: Who, flags: &[&str], command: &[&str]) -> (Ran, Value) {
        let given = model();
        let flags = [&["--model", &given, "--status-fd", "9"], flags].concat();
        let ran = with_status(self, &mut self.command(who, &flags, command));
        let line = self.world().read("status");
        let report: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line} {ran:?}"));
        crate::schema::check(&report);
        (ran, report)
    }

    /// Whether this kernel lets `who` have a mount namespace; says so when not.
    pub(crate) fn has_namespace(&self, who: Who) -> bool {
        let (_, report) = self.run_with_status(who, &[], &["true"]);
        let has = report["protections"]["namespace"].is_string();
        if !has {
            println!("not tested as {who:?}: {}", report["notes"]);
        }
        has
    }
}

/// `REF=PATH` of the model.
pub(crate) fn model() -> String {
    format!("{NAME}=model")
}

/// Runs a command with descriptor 9 leading to the file `status`.
fn with_status(door: &Door, command: &mut Command) -> Ran {
    door.world().file("status", "");
    fs::set_permissions(door.world().join("status"), fs::Permissions::from_mode(0o666)).unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 9>status"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(door.world().path()).stdin(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    // The user of a command cannot be asked for.
    if rustix::process::geteuid().is_root() && command.get_args().any(|arg| arg == "state-User") {
        std::os::unix::process::CommandExt::uid(&mut shell, 65534);
        std::os::unix::process::CommandExt::gid(&mut shell, 65534);
    }
    Ran::of(&mut shell)
}

#[test]
fn an_allowed_model_is_what_the_command_reads() {
    let door = Door::new();
    for who in everybody() {
        for flags in [&[][..], &["--copy"], &["--strict"]] {
            if !flags.is_empty() && !door.has_namespace(who) {
                continue;
            }
            let (ran, report) =
                door.run_with_status(who, flags, &["cat", "{model}/a.bin", "{model}/sub/b.bin"]);
            let ran = ran.exits(0).says_nothing();
            assert_eq!(ran.stdout, "first\nsecond\n");
            assert_eq!((&report["schema"], &report["started"]), (&"modelseal.exec/v1".into(), &true.into()));
            assert_eq!(report["models"][0]["reference"], NAME);
            let digest = door.world().run(&[
                "digest",
                "model",
                "--format",
                "json",
                "--ignore-paths",
                "model/model.sig",
            ]);
            let digest = digest.exits(0).json()["digests"]["manifest"].as_str().unwrap().to_owned();
            assert_eq!(report["models"][0]["manifest"], format!("manifest-{digest}"), "{report:#}");
            let bytes = report["models"][0]["bytes"].as_str().unwrap();
            assert_eq!(bytes == "sealed copy", !flags.is_empty(), "{report:#}");
            assert_eq!(report["protections"]["strict"], flags == ["--strict"]);
        }
    }
}

#[test]
fn a_model_is_found_by_its_old_path_too() {
    let door = Door::new();
    for who in everybody() {
        let absolute = door.world().join("model/a.bin");
        for path in ["model/a.bin", absolute.to_str().unwrap()] {
            let ran = door.run(who, &[], &["cat", path]).exits(0);
            assert_eq!(ran.stdout, "first\n", "{path}");
        }
    }
}

#[test]
fn everyday_commands_run() {
    let door = Door::new();
    for who in everybody() {
        let script = "echo hello >&2; echo x | cat >/dev/null; mktemp; test -w \"$TMPDIR\"; ls / >/dev/null 2>&1; \
                      head -c 4 /dev/urandom | wc -c; env | grep -c HF_HUB_OFFLINE=1";
        let ran = door.run(who, &[], &["sh", "-c", script]).exits(0);
        assert!(ran.stdout.ends_with("\n4\n1\n"), "{ran:?}");
        assert_eq!(ran.stderr, "hello\n");
        door.run(who, &[], &["env", "true"]).exits(0).says_nothing();
    }
}

#[test]
fn a_python_program_loads_tensors_from_the_model() {
    let door = Door::new();
    if !std::path::Path::new("/usr/bin/python3").exists() {
        println!("python: not tested, there is no /usr/bin/python3");
        return;
    }
    // The layout of safetensors: the length of the header, the header, the data.
    let header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend([1.5_f32, -2.0].iter().flat_map(|value| value.to_le_bytes()));
    door.world().file("model/model.safetensors", file);
    door.sign("model");
    let program = "
import json, mmap, struct, sys, tempfile, multiprocessing
with open(sys.argv[1] + '/model.safetensors', 'rb') as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
size, = struct.unpack('<Q', data[:8])
start, end = json.loads(data[8:8 + size])['w']['data_offsets']
print(struct.unpack('<2f', data[8 + size + start:8 + size + end]))
with tempfile.NamedTemporaryFile() as scratch:
    scratch.write(b'x')
with multiprocessing.get_context('fork').Pool(2) as pool:
    print(pool.map(abs, [-1, 2]))
";
    for who in everybody() {
        let ran = door.run(who, &[], &["/usr/bin/python3", "-c", program, "{model}"]).exits(0).says_nothing();
        assert_eq!(ran.stdout, "(1.5, -2.0)\n[1, 2]\n");
    }
}

#[test]
fn the_environment_keeps_loaders_here_and_secrets_away() {
    let door = Door::new();
    for who in everybody() {
        let mut command = door.command(who, &["--model", &model()], &["env"]);
        command
            .env("MODELSEAL_PASSWORD", "hunter2")
            .env("MODELSEAL_PIN", "1234")
            .env("MODELSEAL_IDENTITY_TOKEN", "t");
        command
            .env("MODELSEAL_CLIENT_SECRET", "s")
            .env("HF_HUB_OFFLINE", "0")
            .env("TRANSFORMERS_CACHE", "/elsewhere");
        command.env("KEPT", "yes");
        let ran = Ran::of(&mut command).exits(0);
        let value = |name: &str| {
            ran.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        for (name, expected) in [
            ("HF_HUB_OFFLINE", Some("1")),
            ("TRANSFORMERS_OFFLINE", Some("1")),
            ("HF_DATASETS_OFFLINE", Some("1")),
            ("MODELSEAL_VERIFIED", Some("1")),
            ("KEPT", Some("yes")),
            ("MODELSEAL_PASSWORD", None),
            ("MODELSEAL_PIN", None),
            ("MODELSEAL_IDENTITY_TOKEN", None),
            ("MODELSEAL_CLIENT_SECRET", None),
            ("TRANSFORMERS_CACHE", None),
        ] {
            assert_eq!(value(name).as_deref(), expected, "{name}");
        }
        let models: Value = serde_json::from_str(&value("MODELSEAL_MODELS").unwrap()).unwrap();
        let place = models[NAME]["path"].as_str().unwrap();
        assert!(place.ends_with("/model"), "{models}");
        assert!(models[NAME]["manifest"].as_str().unwrap().starts_with("manifest-sha256:"));
        assert_ne!(value("HOME").unwrap(), door.world().join("home").to_str().unwrap());
        let cache = value("HF_HUB_CACHE").unwrap();
        assert!(cache.starts_with(&value("TMPDIR").unwrap()));
        assert_eq!(door.run(who, &[], &["ls", "-A", &cache]).exits(0).stdout, "");
    }
}
