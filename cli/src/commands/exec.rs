//! `modelseal exec`: decides about models, then becomes a command that can read only these.

use super::decide::{Evidence, named_path, print_checks, trusting};
use crate::{
    args::ExecArgs,
    exit::{Exit, Failure},
    output::Output,
    progress::Bar,
};
use modelseal::{
    Confinement, DecideRequest, Decided, ExecError, Kind, Policies, Printable, Room,
    report::{ExecReport, Status as CheckStatus},
};
use std::{convert::Infallible, env, ffi::OsStr, path::PathBuf};

/// Comes back only when the command was not started.
pub fn run(args: &ExecArgs, output: &Output) -> Result<Exit, Failure> {
    let mut status = match Status::open(args.status_fd) {
        Ok(status) => status,
        Err(refused) => return Ok(refused.tell(output, &mut Status::None)),
    };
    // Standard output is the command's.
    if output.is_json() {
        let message = "standard output belongs to the command; for one line of JSON, give --status-fd";
        Refused::from(Failure::usage("usage.flags", message)).tell(output, &mut status);
        return Err(Failure::usage("usage.flags", message));
    }
    let refused = match start(args, output, &mut status) {
        Err(refused) => refused,
        Ok(never) => match never {},
    };
    Ok(refused.tell(output, &mut status))
}

/// Says that a command was not started for what is wrong on the command line itself.
pub fn refuse(status_fd: Option<u32>, failure: Failure, output: &Output) {
    let mut status = Status::open(status_fd).unwrap_or(Status::None);
    Refused::from(failure).tell(output, &mut status);
}

fn start(args: &ExecArgs, output: &Output, status: &mut Status) -> Result<Infallible, Refused> {
    let confinement = confinement(args)?;
    confinement.check()?;
    // In a user namespace root's files no longer look like root's: who may write a policy is asked before.
    let mut request = trusting(&args.policies.trust);
    for policy in &args.policies.policy {
        request = request.file(policy);
    }
    let policies = request.load().map_err(Failure::from)?;
    let mut room = confinement.enter()?;
    for at in 0..room.len() {
        admit(args, &policies, &mut room, at, output)?;
    }
    let ready = room.close()?;
    let report = ready.report();
    output.warnings(&report.notes);
    status.write(report);
    Err(ready.start().into())
}

fn confinement(args: &ExecArgs) -> Result<Confinement, Failure> {
    let confinement = modelseal::exec(args.command.iter().cloned(), env::vars_os())
        .strict(args.strict)
        .copy(args.copy)
        .user(args.user.clone());
    let confinement = args.allow_read.iter().fold(confinement, Confinement::allow_read);
    let mut confinement = args.allow_write.iter().fold(confinement, Confinement::allow_write);
    for model in &args.models {
        let (name, path) = reference_and_path(model)?;
        confinement = confinement.model(name, path);
    }
    Ok(confinement)
}

/// `REF=PATH`, of which the path need not be text.
fn reference_and_path(given: &OsStr) -> Result<(String, PathBuf), Failure> {
    if let Some(text) = given.to_str() {
        let (name, path) = named_path("--model", text)?;
        return Ok((name.to_owned(), PathBuf::from(path)));
    }
    let wrong = || {
        let given = given.to_string_lossy();
        Failure::usage("usage.flags", format_args!("--model '{}' is no REF=PATH", Printable(&given)))
    };
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let bytes = given.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
        let (name, path) = (bytes.get(..at), bytes.get(at + 1..).filter(|path| !path.is_empty()));
        let name = name.and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(wrong)?;
        Ok((name.to_owned(), PathBuf::from(OsStr::from_bytes(path.ok_or_else(wrong)?))))
    }
    #[cfg(not(unix))]
    Err(wrong())
}

/// Decides about one model and lets it in.
fn admit(
    args: &ExecArgs,
    policies: &Policies,
    room: &mut Room,
    at: usize,
    output: &Output,
) -> Result<(), Refused> {
    let request = requested(args, room.decide(at)?)?.under(policies);
    let decided = room.judge(at, &request, &Bar::start())?;
    let warned = decided.report().with(CheckStatus::Warn).count();
    let allowed = decided.into_allowed(args.accept_unverified).map_err(|denial| {
        let exit = denial.kind().into();
        say_why(denial.decided(), exit, output);
        let code = denial.report().code.clone().unwrap_or_else(|| "error.internal".to_owned());
        let model = &denial.report().model;
        Refused { exit, status: None, code, message: format!("'{model}': {denial}") }
    })?;
    output.warnings(&allowed.report().notes);
    if warned > 0 {
        let exit = if args.warnings_as_errors { Exit::Denied } else { Exit::Done };
        say_why(allowed.decided(), exit, output);
        if args.warnings_as_errors {
            let first = allowed.report().with(CheckStatus::Warn).find_map(|check| check.code.clone());
            return Err(Refused {
                exit,
                status: None,
                code: first.unwrap_or_else(|| "error.internal".to_owned()),
                message: format!("denied because of {warned} warnings and --warnings-as-errors"),
            });
        }
    }
    Ok(room.admit(at, &allowed, &Bar::start())?)
}

fn requested(args: &ExecArgs, request: DecideRequest<()>) -> Result<DecideRequest<()>, Failure> {
    let evidence = Evidence {
        bundle: &args.bundle,
        bundle_dir: &args.bundle_dir,
        base: &args.base,
        store: args.store.as_deref(),
        remember_version: args.remember_version,
    };
    evidence.with(request, &args.effort)
}

/// The checks that did not pass, as `verify --policy` prints them.
fn say_why(decided: &Decided, exit: Exit, output: &Output) {
    let mut text = Vec::new();
    if print_checks(&mut text, decided.report(), exit).is_ok() && !text.is_empty() {
        output.diagnostic(String::from_utf8_lossy(&text).trim_end());
    }
    if exit != Exit::Done {
        output.warnings(&decided.report().notes);
    }
}

/// Why a command was not started.
struct Refused {
    exit: Exit,
    /// Another status than that of `exit`.
    status: Option<u8>,
    code: String,
    message: String,
}

impl Refused {
    /// Says so in one line that tells modelseal's exit statuses from those of a command.
    fn tell(self, output: &Output, status: &mut Status) -> Exit {
        let word = match self.exit {
            Exit::Denied => "denied",
            Exit::Usage => "usage",
            _ => "undecided",
        };
        output.diagnostic(format_args!(
            "modelseal: exec: {word}: {}: {}",
            self.code,
            Printable(&self.message)
        ));
        let exit = self.status.map_or(self.exit, Exit::NotRun);
        status.write(&ExecReport::refused(u8::from(exit).into(), &self.code, self.message));
        exit
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { exit: failure.exit, status: None, code: failure.code.to_owned(), message: failure.message }
    }
}

impl From<ExecError> for Refused {
    fn from(error: ExecError) -> Self {
        let exit = match error.kind() {
            Kind::Denied => Exit::Denied,
            Kind::Usage => Exit::Usage,
            Kind::Undecided => Exit::Undecided,
        };
        Self { exit, status: error.status(), code: error.code().to_owned(), message: error.to_string() }
    }
}

/// Where it is written whether the command was started.
enum Status {
    /// Nowhere.
    None,
    /// A pipe or file. It does not live on in the command.
    #[cfg(unix)]
    File(std::fs::File),
    /// A socket, which has no name to open it by.
    #[cfg(unix)]
    Socket(i32),
}

impl Status {
    #[cfg(unix)]
    fn open(number: Option<u32>) -> Result<Self, Refused> {
        let Some(number) = number else { return Ok(Self::None) };
        let refuse = |e: &dyn std::fmt::Display| {
            Refused::from(Failure::usage(
                "usage.flags",
                format_args!("--status-fd {number} is no descriptor that can be written to: {e}"),
            ))
        };
        let raw = i32::try_from(number).map_err(|e| refuse(&e))?;
        // Before anything here is opened, which might get that number.
        std::fs::symlink_metadata(format!("/dev/fd/{raw}")).map_err(|e| refuse(&e))?;
        // Taken or opened anew, so that it closes with this process.
        let opened =
            take(raw).or_else(|_| std::fs::OpenOptions::new().append(true).open(format!("/dev/fd/{raw}")));
        let status = match opened {
            Ok(file) => Self::File(file),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                return Ok(Self::Socket(raw));
            }
            Err(e) => return Err(refuse(&e)),
        };
        // The command has its own input and output.
        if raw > 2 {
            let _ = nix::unistd::close(raw);
        }
        Ok(status)
    }

    #[cfg(not(unix))]
    fn open(number: Option<u32>) -> Result<Self, Refused> {
        match number {
            None => Ok(Self::None),
            Some(_) => Err(Failure::usage(
                "usage.flags",
                "--status-fd is for Unix: this system has no descriptors by number",
            )
            .into()),
        }
    }

    /// Writes a line. Whoever does not listen is not waited for, and changes nothing.
    fn write(&mut self, report: &ExecReport) {
        let Ok(mut line) = serde_json::to_vec(report) else { return };
        line.push(b'\n');
        match self {
            Self::None => {}
            #[cfg(unix)]
            Self::File(file) => {
                let _ = std::io::Write::write_all(file, &line);
            }
            #[cfg(unix)]
            Self::Socket(raw) => {
                use nix::sys::socket::{MsgFlags, send};
                // A reader that is gone is no signal here: Rust's runtime ignores SIGPIPE until the command starts.
                let mut rest = line.as_slice();
                while let Ok(sent @ 1..) = send(*raw, rest, MsgFlags::empty()) {
                    rest = rest.get(sent..).unwrap_or_default();
                }
            }
        }
    }
}

/// A duplicate of a descriptor that is known by its number alone (pidfd_getfd(2), Linux 5.6).
#[cfg(target_os = "linux")]
fn take(raw: i32) -> std::io::Result<std::fs::File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    let taken = pidfd_getfd(this, raw, PidfdGetfdFlags::empty())?;
    let flags = rustix::fs::fcntl_getfl(&taken)?;
    if flags.intersection(rustix::fs::OFlags::RWMODE) == rustix::fs::OFlags::RDONLY {
        return Err(rustix::io::Errno::BADF.into());
    }
    Ok(taken.into())
}

#[cfg(all(unix, not(target_os = "linux")))]
fn take(_: i32) -> std::io::Result<std::fs::File> {
    Err(std::io::ErrorKind::Unsupported.into())
}
