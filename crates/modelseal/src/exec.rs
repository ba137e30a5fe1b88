//! `exec`: a command that can read only what was verified.
//!
//! ```text
//! exec(words) -> Confinement -> enter: namespace, private place -> Room
//!                                       for each model: decide under policies -> AllowedModel -> admit: bytes held
//!                                                                      close: rights, user, environment -> Ready -> start
//! ```
//!
//! The order is the point: what the command will see is laid out first, where nobody outside can change a name of it; that is
//! then verified; and only then is there a command. `enter` must be called while the process has one thread, because a
//! process with several cannot have a user namespace of its own.

mod command;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod environment;
#[cfg(target_os = "linux")]
mod fixed;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod privileges;
#[cfg(target_os = "linux")]
mod rights;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(unix)]
mod user;

#[cfg(not(target_os = "linux"))]
use elsewhere::Enclosure;
#[cfg(target_os = "linux")]
use linux::Enclosure;

#[cfg(target_os = "linux")]
use crate::contents::LoadError;
use crate::{
    codes,
    decide::{AllowedModel, DecideRequest, Decided, decide},
    error::{Error, Kind},
    policies::Policies,
    report::{ExecModel, ExecReport},
};
use command::Program;
use environment::Environment;
use modelseal_core::text::Printable;
use modelseal_model::{MeasureError, Progress, Source};
use modelseal_verify::policy::reference::Reference;
use std::{
    convert::Infallible,
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs a command, given as its words, with models that policies allow, and with what `environment` holds.
///
/// ```no_run
/// let policies = modelseal::policies().file("policy.toml").load()?;
/// let words = ["vllm", "serve", "{model}"].map(std::ffi::OsString::from);
/// let mut room = modelseal::exec(words, std::env::vars_os()).model("hf://huggingface.co/acme/ranker", "ranker").enter()?;
/// for at in 0..room.len() {
///     let decided = room.judge(at, &room.decide(at)?.under(&policies), &())?;
///     let allowed = decided.into_allowed(false)?;
///     room.admit(at, &allowed, &())?;
/// }
/// let never = room.close()?.start();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn exec(
    words: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Confinement {
    Confinement {
        words: words.into_iter().collect(),
        environment: Environment::new(environment),
        models: Vec::new(),
        strict: false,
        copy: false,
        user: None,
        read: Vec::new(),
        write: Vec::new(),
    }
}

/// What a command shall be, and what it shall be able to reach.
#[derive(Debug)]
#[must_use]
pub struct Confinement {
    words: Vec<OsString>,
    environment: Environment,
    models: Vec<(String, PathBuf)>,
    strict: bool,
    copy: bool,
    user: Option<String>,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

/// The place where models are verified and where the command will run.
#[derive(Debug)]
#[must_use]
pub struct Room {
    settings: Confinement,
    program: Program,
    enclosure: Enclosure,
    models: Vec<Held>,
    admitted: Vec<ExecModel>,
}

/// A command that can start: all its models were verified, and the process has already given up what the command must not
/// have.
#[derive(Debug)]
#[must_use]
pub struct Ready {
    command: Command,
    report: ExecReport,
}

/// A model as it lies where the command will see it.
#[derive(Debug)]
struct Held {
    /// As it was given.
    given: PathBuf,
    /// Absolute, with every link above it resolved.
    original: PathBuf,
    /// Where the command sees it.
    at: PathBuf,
    how: How,
    /// The files that were decided about, where the command sees them. None before.
    #[cfg(target_os = "linux")]
    files: Vec<PathBuf>,
    /// All of it, laid out to be verified; the command never sees this.
    #[cfg(target_os = "linux")]
    mirror: Option<PathBuf>,
    /// What lay at `original` when it was laid out.
    #[cfg(target_os = "linux")]
    root: std::os::fd::OwnedFd,
}

/// What stands between a writer elsewhere and the bytes that the command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Nothing: it is read by its own path.
    Path,
    /// Names are private and files are mounted read-only one by one; the bytes of a file can still be written elsewhere.
    #[cfg(target_os = "linux")]
    Names,
    /// The whole directory is mounted read-only; files in it can still be written, added and replaced elsewhere.
    #[cfg(target_os = "linux")]
    Directory,
    /// As [`How::Names`], and the kernel refuses every write to the files.
    #[cfg(target_os = "linux")]
    Verity,
    /// It lies on a file system that nobody can write to.
    #[cfg(target_os = "linux")]
    ReadOnly,
    /// In memory, where nobody outside can reach it.
    #[cfg(target_os = "linux")]
    Copy,
}

/// Why a command was not started.
#[derive(Debug)]
pub struct ExecError {
    kind: Kind,
    code: &'static str,
    message: String,
    /// As env(1) has it: 126 for a command that cannot be run, 127 for one that is not there.
    status: Option<u8>,
}

impl Confinement {
    /// Adds a model, under the name by which policies know it.
    pub fn model(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.models.push((name.into(), path.into()));
        self
    }

    /// Refuses to start unless what was verified cannot change any more, and the command is held to it.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Copies every model into memory that nobody outside can reach, hashed while it is copied.
    pub fn copy(mut self, copy: bool) -> Self {
        self.copy = copy;
        self
    }

    /// Who the command runs as, when root runs it: a name or a number, perhaps with `:` and a group's number. Unless set,
    /// root becomes `nobody`.
    pub fn user(mut self, user: Option<String>) -> Self {
        self.user = user;
        self
    }

    /// A file or directory that the command may read besides.
    pub fn allow_read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// A file or directory that the command may read and write besides.
    pub fn allow_write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Finds what is certain to stop the command, before a model is read.
    ///
    /// # Errors
    /// [`ExecError`] of [`Kind::Usage`].
    pub fn check(&self) -> Result<(), ExecError> {
        self.checked().map(|_| ())
    }

    /// Makes the place where the models will be verified, and where nobody outside can change a name. Call it while the
    /// process has one thread.
    ///
    /// # Errors
    /// [`ExecError`]: something given is wrong, or what [`strict`](Self::strict) wants cannot be had.
    pub fn enter(self) -> Result<Room, ExecError> {
        let program = self.checked()?;
        let mut enclosure = Enclosure::enter(&self)?;
        let mut models = Vec::new();
        for (at, (_, path)) in self.models.iter().enumerate() {
            // Refuses what cannot be measured, links above all, before anything is made of it.
            Source::open(path).map_err(ExecError::measuring)?;
            let original = resolved(path).map_err(|error| {
                ExecError::measuring(MeasureError::Io { doing: "resolve", path: path.clone(), error })
            })?;
            models.push(enclosure.hold(&self, at, path, original)?);
        }
        Ok(Room { settings: self, program, enclosure, models, admitted: Vec::new() })
    }

    fn checked(&self) -> Result<Program, ExecError> {
        if self.models.is_empty() {
            return Err(ExecError::usage("no model was named; give one with --model REF=PATH"));
        }
        for (at, (name, _)) in self.models.iter().enumerate() {
            if let Err(error) = Reference::parse(name) {
                return Err(ExecError::usage(format_args!("'{}' is no reference: {error}", Printable(name))));
            }
            if self.models.iter().take(at).any(|(before, _)| before == name) {
                return Err(ExecError::usage(format_args!("'{}' is named twice", Printable(name))));
            }
        }
        if self.models.len() > 1 && self.words.iter().any(|word| command::contains(word, "{model}")) {
            let message = "{model} stands for the only model, and there are several; write {REF} with the reference of one";
            return Err(ExecError::usage(message));
        }
        for path in self.read.iter().chain(&self.write) {
            if let Err(e) = path.metadata() {
                let path = path.display().to_string();
                return Err(ExecError::usage(format_args!("cannot allow '{}': {e}", Printable(&path))));
            }
        }
        #[cfg(unix)]
        user::identity(self.user.as_deref())?;
        Program::find(&self.words, &self.environment)
    }
}

impl Room {
    /// How many models there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The decision to take about the model of that number: where it lies now, under its name.
    ///
    /// # Errors
    /// [`ExecError`] when there is no such model.
    pub fn decide(&self, at: usize) -> Result<DecideRequest<()>, ExecError> {
        let (Some((name, _)), Some(held)) = (self.settings.models.get(at), self.models.get(at)) else {
            return Err(ExecError::internal("there is no such model"));
        };
        let request = decide(held.judged_at()).said_to_be(&held.given).beside(&held.original);
        Ok(request.named(name)?)
    }

    /// Takes that decision: before the bytes are read where they are compared while they are copied, else over what lies here.
    ///
    /// # Errors
    /// As [`DecideRequest::run`].
    pub fn judge(
        &self,
        at: usize,
        request: &DecideRequest<&Policies>,
        progress: &dyn Progress,
    ) -> Result<Decided, ExecError> {
        #[cfg(target_os = "linux")]
        if self.models.get(at).is_some_and(|held| held.how == How::Copy) {
            return Ok(request.open(progress)?);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = at;
        Ok(request.run(progress)?)
    }

    /// Lets a model in that was allowed, and holds its bytes.
    ///
    /// # Errors
    /// [`ExecError`]: it is another one, it changed, or there is no room for it.
    pub fn admit(
        &mut self,
        at: usize,
        allowed: &AllowedModel,
        progress: &dyn Progress,
    ) -> Result<(), ExecError> {
        let (Some((name, _)), Some(held)) = (self.settings.models.get(at), self.models.get_mut(at)) else {
            return Err(ExecError::internal("there is no such model"));
        };
        let decided = allowed.report().decided.as_ref();
        let expected = Reference::parse(name).ok().map(|requested| requested.reference.to_string());
        if at != self.admitted.len() || decided.map(|decided| &decided.reference) != expected.as_ref() {
            return Err(ExecError::internal("the decision is about another model"));
        }
        self.enclosure.keep(&self.settings, held, allowed, progress)?;
        self.admitted.push(ExecModel {
            reference: name.clone(),
            path: held.at.display().to_string(),
            original: held.original.display().to_string(),
            manifest: decided.and_then(|decided| decided.manifest.clone()),
            bytes: held.how.words().to_owned(),
        });
        Ok(())
    }

    /// Gives up everything that the command must not have: for this process, there is no way back.
    ///
    /// # Errors
    /// [`ExecError`]: a model was not admitted, or something could not be given up.
    pub fn close(self) -> Result<Ready, ExecError> {
        let Self { settings, program, enclosure, models, admitted } = self;
        if admitted.len() != models.len() {
            return Err(ExecError::internal("not every model was admitted"));
        }
        let places: Vec<(&str, &OsStr)> = settings
            .models
            .iter()
            .zip(&models)
            .map(|((name, _), held)| (name.as_str(), held.at.as_os_str()))
            .collect();
        let words: Vec<OsString> =
            settings.words.iter().map(|word| command::filled_in(word, &places)).collect();
        let mut command = Command::new(&program.path);
        command.args(words.iter().skip(1));
        #[cfg(unix)]
        if let Some(name) = words.first() {
            std::os::unix::process::CommandExt::arg0(&mut command, name);
        }
        let (protections, notes) =
            enclosure.close(&settings, &program, &models, &words, &admitted, &mut command)?;
        Ok(Ready { command, report: ExecReport::started(admitted, protections, notes) })
    }
}

impl Ready {
    /// What protects the command's models, and from what. It says that the command was started.
    #[must_use]
    pub fn report(&self) -> &ExecReport {
        &self.report
    }

    /// Becomes the command: on Unix in this very process, so that its status and signals are its own. Elsewhere runs it, waits
    /// and ends with its status. Comes back only when the command could not be started.
    #[must_use]
    pub fn start(self) -> ExecError {
        match become_command(self.command) {
            Err(error) => ExecError::not_run(&error),
            Ok(never) => match never {},
        }
    }
}

#[cfg(unix)]
fn become_command(mut command: Command) -> Result<Infallible, io::Error> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
fn become_command(mut command: Command) -> Result<Infallible, io::Error> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(3))
}

impl Held {
    /// Where it lies until it was decided about.
    fn judged_at(&self) -> &Path {
        #[cfg(target_os = "linux")]
        {
            let elsewhere = if self.how == How::Copy { &self.original } else { &self.at };
            self.mirror.as_ref().unwrap_or(elsewhere)
        }
        #[cfg(not(target_os = "linux"))]
        &self.at
    }
}

impl How {
    fn words(self) -> &'static str {
        match self {
            Self::Path => "path (advisory)",
            #[cfg(target_os = "linux")]
            Self::Names => "bind mount (advisory)",
            #[cfg(target_os = "linux")]
            Self::Directory => "directory mount (advisory)",
            #[cfg(target_os = "linux")]
            Self::Verity => "fs-verity",
            #[cfg(target_os = "linux")]
            Self::ReadOnly => "read-only filesystem",
            #[cfg(target_os = "linux")]
            Self::Copy => "sealed copy",
        }
    }
}

impl ExecError {
    /// Who is at fault.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The exit status that env(1) and its like give, for a command that cannot be run (126) or is not there (127).
    #[must_use]
    pub fn status(&self) -> Option<u8> {
        self.status
    }

    fn usage(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Usage, code: "usage.flags", message: message.to_string(), status: None }
    }

    fn internal(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Undecided, code: "error.internal", message: message.to_string(), status: None }
    }

    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "less can fail where less is done"))]
    fn io(doing: impl fmt::Display, error: impl fmt::Display) -> Self {
        let message = format!("cannot {doing}: {error}");
        Self { kind: Kind::Undecided, code: "error.io", message, status: None }
    }

    /// Something that protects the models cannot be had.
    fn unprotected(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Undecided, code: "error.unprotected", message: message.to_string(), status: None }
    }

    fn command(status: u8, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Usage, code: "usage.command", message: message.to_string(), status: Some(status) }
    }

    fn not_run(error: &io::Error) -> Self {
        let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        Self::command(status, format_args!("the command could not be started: {error}"))
    }

    #[cfg(target_os = "linux")]
    fn loading(error: &LoadError) -> Self {
        Self { kind: error.kind(), code: error.code(), message: error.to_string(), status: None }
    }

    fn measuring(error: MeasureError) -> Self {
        Self {
            kind: codes::measure_kind(&error),
            code: codes::measure(&error),
            message: error.to_string(),
            status: None,
        }
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.message).fmt(f)
    }
}

impl std::error::Error for ExecError {}

impl From<Error> for ExecError {
    fn from(error: Error) -> Self {
        Self { kind: error.kind(), code: error.code(), message: error.to_string(), status: None }
    }
}

/// A path made absolute, with every link above its last component resolved; the last one is none.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let named = path.components().as_path();
    let Some(name) = named.file_name() else { return std::fs::canonicalize(path) };
    Ok(std::fs::canonicalize(crate::disk::parent(named))?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_work_is_said_before_anything_is_read() {
        let path = [(OsString::from("PATH"), OsString::from("/usr/bin:/bin"))];
        let wrong = |line: &str, models: &[(&str, &str)]| {
            let confinement = exec(words(line), path.clone());
            let confinement = models.iter().fold(confinement, |c, (name, path)| c.model(*name, *path));
            confinement.check().unwrap_err()
        };
        let error = wrong("true", &[]);
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "usage.flags"));
        let error = wrong("true", &[("no reference", "x")]);
        assert!(error.to_string().contains("is no reference"), "{error}");
        let twice = [("hf://huggingface.co/a/b", "x"), ("hf://huggingface.co/a/b", "y")];
        assert!(wrong("true", &twice).to_string().contains("twice"));
        let two = [("hf://huggingface.co/a/b", "x"), ("hf://huggingface.co/a/c", "y")];
        assert!(wrong("cat {model}", &two).to_string().contains("{REF}"));
        let one = [("hf://huggingface.co/a/b", "x")];
        let error = wrong("no-such-command", &one);
        assert_eq!((error.code(), error.status()), ("usage.command", Some(127)));
        let error = wrong("/etc/passwd", &one);
        assert_eq!((error.code(), error.status()), ("usage.command", Some(126)));
    }

    #[test]
    fn a_command_cannot_be_closed_over_a_model_that_nobody_decided_about() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("x"), "x").unwrap();
        let here = std::env::current_exe().unwrap().into_os_string();
        let confinement = exec([here], []).model("hf://huggingface.co/a/b", directory.path());
        // Tests have threads: there is no namespace, which is said.
        let room = confinement.enter();
        let Ok(room) = room else { return };
        assert_eq!(room.len(), 1);
        assert_eq!(room.close().unwrap_err().code(), "error.internal");
    }
}
