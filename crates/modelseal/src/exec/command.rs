//! The command: where it is, what of its words stands for a model, and what has to be readable for it to run at all.

use super::{ExecError, environment::Environment};
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Scripts whose interpreters are scripts, and virtual environments of virtual environments: more is no mistake of ours.
const MAX_STEPS: usize = 32;

/// Where commands are when nothing says so.
const USUAL_PATH: &str = if cfg!(unix) { "/usr/local/bin:/usr/bin:/bin" } else { "" };

/// A command that was found.
#[derive(Debug)]
pub(super) struct Program {
    /// Where, as it will be started.
    pub(super) path: PathBuf,
    /// What it is made of, besides what the system has: itself, its interpreter, and where these are installed.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing is taken away there"))]
    pub(super) parts: BTreeSet<PathBuf>,
}

impl Program {
    /// Finds the command as a shell would.
    pub(super) fn find(words: &[OsString], environment: &Environment) -> Result<Self, ExecError> {
        let Some(name) = words.first().filter(|name| !name.is_empty()) else {
            return Err(ExecError::usage("no command was given; write it after --"));
        };
        let path = lookup(name, environment)?;
        let mut parts = Parts { environment, found: BTreeSet::new(), todo: vec![path.clone()] };
        parts.collect();
        Ok(Self { path, parts: parts.found })
    }
}

/// Whether a word has a placeholder in it.
pub(super) fn contains(word: &OsStr, placeholder: &str) -> bool {
    let (word, placeholder) = (word.as_encoded_bytes(), placeholder.as_bytes());
    word.windows(placeholder.len()).any(|part| part == placeholder)
}

/// A word with the places of models in it. What is put in is not looked at again.
pub(super) fn filled_in(word: &OsStr, models: &[(&str, &OsStr)]) -> OsString {
    let mut filled = OsString::new();
    let mut rest = word.to_os_string();
    loop {
        let mut first: Option<(usize, usize, &OsStr)> = None;
        for (name, place) in models {
            let named = format!("{{{name}}}");
            for placeholder in [named.as_str(), "{model}"] {
                let at = rest
                    .as_encoded_bytes()
                    .windows(placeholder.len())
                    .position(|part| part == placeholder.as_bytes());
                if let Some(at) = at.filter(|at| first.is_none_or(|(before, ..)| *at < before)) {
                    first = Some((at, placeholder.len(), place));
                }
            }
        }
        let Some((at, length, place)) = first else { break };
        filled.push(part(&rest, 0, at));
        filled.push(place);
        rest = part(&rest, at + length, rest.len());
    }
    filled.push(rest);
    filled
}

/// Part of a word, cut beside characters of ASCII.
fn part(word: &OsStr, from: usize, to: usize) -> OsString {
    let bytes = word.as_encoded_bytes().get(from..to).unwrap_or_default();
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    #[cfg(not(unix))]
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn lookup(name: &OsStr, environment: &Environment) -> Result<PathBuf, ExecError> {
    let shown = modelseal_core::text::Printable(&name.to_string_lossy()).to_string();
    let direct = Path::new(name).components().count() > 1 || Path::new(name).is_absolute();
    let candidates: Vec<PathBuf> = if direct {
        vec![PathBuf::from(name)]
    } else {
        let path = environment.get("PATH").filter(|path| !path.is_empty()).unwrap_or(OsStr::new(USUAL_PATH));
        // An empty one would be the working directory, whoever writes to that.
        let named = std::env::split_paths(path).filter(|directory| !directory.as_os_str().is_empty());
        named.map(|directory| directory.join(name)).collect()
    };
    let mut refused = false;
    for candidate in candidates {
        let candidate = with_extension(candidate);
        match fs::metadata(&candidate) {
            Ok(found) if found.is_file() && is_executable(&found) => {
                let path = std::path::absolute(&candidate);
                return path.map_err(|e| ExecError::command(126, format_args!("cannot run '{shown}': {e}")));
            }
            Ok(_) => refused = true,
            Err(e) => refused |= e.kind() == io::ErrorKind::PermissionDenied,
        }
    }
    Err(if refused && direct {
        ExecError::command(126, format_args!("'{shown}' is no file that may be executed"))
    } else if direct {
        ExecError::command(127, format_args!("there is no '{shown}'"))
    } else {
        ExecError::command(127, format_args!("there is no command '{shown}' in PATH"))
    })
}

#[cfg(windows)]
fn with_extension(path: PathBuf) -> PathBuf {
    if path.extension().is_some() || path.is_file() { path } else { path.with_extension("exe") }
}

#[cfg(not(windows))]
fn with_extension(path: PathBuf) -> PathBuf {
    path
}

#[cfg(unix)]
fn is_executable(found: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}

/// Collects what a program is made of.
struct Parts<'a> {
    environment: &'a Environment,
    found: BTreeSet<PathBuf>,
    todo: Vec<PathBuf>,
}

impl Parts<'_> {
    fn collect(&mut self) {
        for _ in 0..MAX_STEPS {
            let Some(path) = self.todo.pop() else { break };
            if !self.found.insert(path.clone()) {
                continue;
            }
            self.installation(&path);
            self.interpreter(&path);
            // What a link leads to is installed somewhere, too; a virtual environment's python is such a link.
            if let Ok(target) = fs::read_link(&path) {
                self.todo.push(crate::disk::parent(&path).join(target));
            } else if let Ok(real) = fs::canonicalize(&path)
                && real != path
            {
                self.todo.push(real);
            }
        }
    }

    /// The directories that belong to a program in a `bin`.
    fn installation(&mut self, program: &Path) {
        let Ok(directory) = fs::canonicalize(crate::disk::parent(program)) else { return };
        let is_bin = directory.file_name().is_some_and(|name| name == "bin" || name == "sbin");
        let Some(prefix) = directory.parent().filter(|prefix| is_bin && prefix.parent().is_some()) else {
            return;
        };
        let config = prefix.join("pyvenv.cfg");
        if self.is_home_or_above(prefix) {
            // `~/bin`: all of the home is not what belongs to it.
        } else if config.is_file() || prefix.join("conda-meta").is_dir() {
            self.found.insert(prefix.to_path_buf());
            self.base_of(&config);
        } else {
            let parts = ["bin", "sbin", "lib", "lib32", "lib64", "libexec", "include"];
            let parts = parts.iter().map(|part| prefix.join(part)).filter(|part| part.is_dir());
            self.found.extend(parts);
        }
    }

    /// The installation that a virtual environment was made from (Python's `site`, PEP 405).
    fn base_of(&mut self, config: &Path) {
        let Ok(text) = first_bytes(config, 64 * 1024) else { return };
        let text = String::from_utf8_lossy(&text).into_owned();
        let homes =
            text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "home");
        self.todo.extend(homes.map(|(_, home)| Path::new(home.trim()).join("python")));
    }

    /// What runs a script (execve(2), "Interpreter scripts").
    fn interpreter(&mut self, program: &Path) {
        let Ok(start) = first_bytes(program, 256) else { return };
        let Some(line) = start.strip_prefix(b"#!").and_then(|rest| rest.split(|b| *b == b'\n').next()) else {
            return;
        };
        let line = String::from_utf8_lossy(line).into_owned();
        let mut words = line.split_whitespace();
        let Some(interpreter) = words.next() else { return };
        self.todo.push(PathBuf::from(interpreter));
        if Path::new(interpreter).file_name().is_some_and(|name| name == "env") {
            let named = words.find(|word| !word.starts_with('-') && !word.contains('='));
            let found = named.and_then(|named| lookup(OsStr::new(named), self.environment).ok());
            self.todo.extend(found);
        }
    }

    fn is_home_or_above(&self, directory: &Path) -> bool {
        let home = self.environment.get("HOME").map(PathBuf::from);
        let home = home.and_then(|home| fs::canonicalize(home).ok());
        home.is_some_and(|home| home.starts_with(directory))
    }
}

fn first_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What is no file, a pipe, is not waited for.
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const RANKER: &str = "hf://huggingface.co/acme/ranker";

    #[test]
    fn placeholders_become_places_once() {
        let place = OsStr::new("/run/{model}\n x");
        let models = [(RANKER, place)];
        for (word, expected) in [
            ("{model}", "/run/{model}\n x"),
            ("--model={model}/a.bin", "--model=/run/{model}\n x/a.bin"),
            ("{hf://huggingface.co/acme/ranker}", "/run/{model}\n x"),
            ("{\"model\": 1}{}", "{\"model\": 1}{}"),
            ("{model}{model}", "/run/{model}\n x/run/{model}\n x"),
            ("", ""),
        ] {
            assert_eq!(filled_in(OsStr::new(word), &models), OsString::from(expected), "{word}");
        }
        assert!(contains(OsStr::new("a{model}"), "{model}") && !contains(OsStr::new("{mode"), "{model}"));
    }

    #[test]
    fn words_that_are_no_text_stay_what_they_are() {
        use std::os::unix::ffi::OsStrExt;
        let word = OsStr::from_bytes(b"\xff{model}\xfe");
        let filled = filled_in(word, &[(RANKER, OsStr::new("/m"))]);
        assert_eq!(filled.as_bytes(), b"\xff/m\xfe");
    }

    #[test]
    fn a_script_needs_its_interpreter_and_what_that_was_made_from() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let put = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        put("base/bin/python3", "\x7fELF");
        put("base/lib/python/os.py", "");
        put("base/share/models/x", "");
        put("venv/pyvenv.cfg", &format!("home = {}/base/bin\nversion = 3\n", root.display()));
        put("venv/bin/serve", &format!("#!{}/venv/bin/python3\n", root.display()));
        symlink(root.join("base/bin/python3"), root.join("venv/bin/python3")).unwrap();
        put("home/bin/mine", "#!/usr/bin/env -S serve\n");
        let variables =
            [("HOME", root.join("home").into_os_string()), ("PATH", root.join("venv/bin").into_os_string())];
        let environment = Environment::new(variables.map(|(name, value)| (OsString::from(name), value)));
        let program = Program::find(&[root.join("home/bin/mine").into()], &environment).unwrap();
        for part in ["home/bin/mine", "venv", "venv/bin/serve", "base/bin", "base/lib"] {
            assert!(program.parts.contains(&root.join(part)), "{part}: {:?}", program.parts);
        }
        for other in ["home", "home/bin", "base", "base/share", ""] {
            assert!(!program.parts.contains(&root.join(other)), "{other}: {:?}", program.parts);
        }
    }

    #[test]
    fn without_a_path_commands_are_the_systems() {
        for path in [None, Some(""), Some(":/usr/bin:/bin:")] {
            let environment =
                Environment::new(path.map(|path| (OsString::from("PATH"), OsString::from(path))));
            let program = Program::find(&["sh".into()], &environment).unwrap();
            assert!(program.path.ends_with("bin/sh") && program.path.starts_with("/"), "{program:?}");
            // The working directory of this test is the crate's, and this is no command of the system.
            let error = lookup(OsStr::new("Cargo.toml"), &environment).unwrap_err();
            assert!(error.to_string().contains("in PATH") && error.status() == Some(127));
        }
        let empty = OsStr::new(":/nowhere:");
        let tried: Vec<_> = std::env::split_paths(empty).filter(|d| !d.as_os_str().is_empty()).collect();
        assert_eq!(tried, [Path::new("/nowhere")]);
    }

    #[test]
    fn an_interpreter_that_is_a_pipe_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o755),
            0,
        )
        .unwrap();
        assert!(first_bytes(&pipe, 256).is_err());
    }

    #[test]
    fn links_that_go_round_are_no_command() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        let environment = Environment::new([]);
        let error = Program::find(&[root.path().join("a").into()], &environment).unwrap_err();
        assert_eq!(error.code(), "usage.command");
    }
}
