//! The place of a command on Linux: a private mount namespace where this system permits one, with
//!
//! ```text
//! PLACE/                in memory, for the command's own use
//!   models/0/NAME       each model, read-only: files mounted one by one, a directory as a whole, or a sealed copy
//!   tmp/ home/          the command's TMPDIR, and a home where its own was not allowed
//! ```
//!
//! and the models once more where they were before. What lies in this namespace can be reached by root, and where it is a user's
//! own (no root needed) by other processes of that user that join it.

use super::{
    Confinement, ExecError, Held, How, command,
    environment::Environment,
    fixed,
    namespace::{self, Namespace},
    privileges,
    rights::Rights,
    tree::{self, NotLaidOut},
    user::{self, Identity},
};
use crate::{
    contents::Contents,
    decide::AllowedModel,
    report::{ExecModel, Protections},
};
use modelseal_model::Progress;
use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

/// Memory that is left alone when a model is copied into it: the command needs some, too.
const SPARE_MEMORY: u64 = 64 * 1024 * 1024;

/// Where a command runs.
#[derive(Debug)]
pub(super) struct Enclosure {
    /// The namespace, and the directory in it that is ours.
    private: Result<(Namespace, PathBuf), String>,
    /// Where this process was.
    here: Option<PathBuf>,
    notes: Vec<String>,
}

impl Enclosure {
    pub(super) fn enter(settings: &Confinement) -> Result<Self, ExecError> {
        let here = std::env::current_dir().ok();
        let private = namespace::enter().and_then(|namespace| Ok((namespace, settle(settings)?)));
        let mut notes = Vec::new();
        if let Err(why) = &private {
            if settings.copy {
                return Err(ExecError::unprotected(format_args!("--copy needs a private place: {why}")));
            }
            notes.push(format!(
                "{why}: models are read by their own paths, and whoever can write to them can still change them"
            ));
        }
        Ok(Self { private, here, notes })
    }

    /// Lays a model out, and finds what its bytes are protected by.
    pub(super) fn hold(
        &mut self,
        settings: &Confinement,
        at: usize,
        given: &Path,
        original: PathBuf,
    ) -> Result<Held, ExecError> {
        let held = |at: &Path, how| Held {
            given: given.to_owned(),
            original: original.clone(),
            at: at.to_owned(),
            how,
        };
        let (_, place) = match &self.private {
            Ok(private) => private,
            Err(why) => {
                // Nothing here keeps the path from leading elsewhere while it is read.
                let fixed = fixed::is_read_only(&original).and_then(|()| fixed::has_its_name(&original));
                return match fixed {
                    Ok(()) => Ok(held(&original, How::ReadOnly)),
                    Err(writable) if settings.strict => Err(ExecError::unprotected(format_args!(
                        "--strict: '{}' could change while the command reads it: {writable}, and {why}",
                        given.display()
                    ))),
                    Err(_) => Ok(held(&original, How::Path)),
                };
            }
        };
        let room = place.join("models").join(at.to_string());
        let to = room.join(original.file_name().unwrap_or(OsStr::new("model")));
        let failed = |e: io::Error| ExecError::io(format_args!("lay out '{}'", given.display()), e);
        fs::create_dir(&room).map_err(failed)?;
        tree::unbounded_memory(&room).map_err(failed)?;
        if settings.copy {
            return Ok(held(&to, How::Copy));
        }
        let again = || tree::take_away(&room).and_then(|()| tree::unbounded_memory(&room));
        let how = match tree::lay_out(&original, &to) {
            Ok(()) if fixed::is_sealed_by_verity(&to).map_err(failed)? => How::Verity,
            Ok(()) => How::Names,
            Err(NotLaidOut::Link) => {
                // From another place it would lead elsewhere, and its target is not the only name of these bytes.
                self.notes
                    .push(format!("'{}' has links in it, so it is copied into memory", given.display()));
                again().map_err(failed)?;
                return Ok(held(&to, How::Copy));
            }
            Err(NotLaidOut::TooMany | NotLaidOut::Io(_)) => {
                again().map_err(failed)?;
                match tree::mount_whole(&original, &to) {
                    Ok(()) => How::Directory,
                    Err(NotLaidOut::Io(e)) => return Err(failed(e)),
                    Err(_) => return Err(ExecError::internal("a whole directory was looked into")),
                }
            }
        };
        let how = match how {
            How::Verity => how,
            how => match fixed::is_read_only(&to) {
                Ok(()) => How::ReadOnly,
                Err(_) if settings.strict => {
                    again().map_err(failed)?;
                    return Ok(held(&to, How::Copy));
                }
                Err(_) => how,
            },
        };
        tree::seal(&room).map_err(failed)?;
        Ok(held(&to, how))
    }

    /// Copies a model that was allowed, where that is how it is held.
    pub(super) fn keep(
        &self,
        held: &Held,
        allowed: &AllowedModel,
        progress: &dyn Progress,
    ) -> Result<(), ExecError> {
        if held.how != How::Copy {
            return Ok(());
        }
        let contents = allowed.contents().map_err(|e| ExecError::loading(&e))?;
        has_room(held, contents)?;
        let room = super::super::disk::parent(&held.at);
        let is_file = held.original.is_file();
        let to = if is_file { room.join("file") } else { held.at.clone() };
        contents.copy_to(&to, progress).map_err(|e| ExecError::loading(&e))?;
        let failed =
            |e: io::Error| ExecError::io(format_args!("seal the copy of '{}'", held.given.display()), e);
        if is_file {
            let name = held.original.file_name().unwrap_or_default();
            fs::rename(to.join(name), &held.at).map_err(failed)?;
            fs::remove_dir(&to).map_err(failed)?;
        }
        tree::make_readable(&held.at).map_err(failed)?;
        tree::seal(&room).map_err(failed)
    }

    /// Gives up everything that the command must not have.
    pub(super) fn close(
        mut self,
        settings: &Confinement,
        program: &command::Program,
        models: &[Held],
        words: &[OsString],
        admitted: &[ExecModel],
        command: &mut Command,
    ) -> Result<(Protections, Vec<String>), ExecError> {
        let identity = user::identity(settings.user.as_deref())?;
        self.cover_originals(models);
        let temporary = self.temporary(identity.as_ref())?;
        let home = self.environment(settings, admitted, &temporary, identity.as_ref(), command)?;

        let mut rights = Rights::of_any_command();
        program.parts.iter().for_each(|part| rights.run(part));
        settings.read.iter().for_each(|path| rights.run(path));
        settings.write.iter().for_each(|path| rights.write(path));
        rights.write(&temporary);
        home.iter().for_each(|home| rights.write(home));
        for held in models {
            rights.read(&held.at);
            if self.private.is_err() {
                // Files that are links were verified through them.
                let _ = tree::each_file(&held.at, &mut |path, metadata| {
                    if metadata.is_symlink() && path.is_file() {
                        rights.read(path);
                    }
                    Ok(())
                });
            }
        }
        self.notes.extend(unreadable(settings, program, models, words));
        privileges::drop(identity.as_ref())?;
        let landlock = rights.apply(settings.strict)?;
        if landlock.is_none() {
            self.notes.push(
                "this kernel has no Landlock: the command can read whatever its user can, other models among them".into(),
            );
        }
        for held in models {
            can_be_read(held, identity.as_ref())?;
        }
        let protections = Protections {
            namespace: self.private.as_ref().ok().map(|(namespace, _)| {
                match namespace {
                    Namespace::Mount => "mount",
                    Namespace::UserAndMount => "user and mount",
                }
                .to_owned()
            }),
            landlock,
            user: identity.map(|Identity { uid, gid }| format!("{uid}:{gid}")),
            strict: settings.strict,
        };
        Ok((protections, self.notes))
    }

    /// Puts what was verified where it was before, too: programs know models by their own paths. Where that fails, there are only
    /// the new places.
    fn cover_originals(&self, models: &[Held]) {
        for held in models.iter().filter(|held| held.at != held.original) {
            let _ = tree::also_at(&held.at, &held.original);
        }
        if let (Ok(_), Some(here)) = (&self.private, &self.here) {
            // Under a model that is covered now, this is another directory.
            let _ = std::env::set_current_dir(here);
        }
    }

    /// A directory that only the command writes to.
    fn temporary(&self, identity: Option<&Identity>) -> Result<PathBuf, ExecError> {
        let failed = |e: io::Error| ExecError::io("make a temporary directory", e);
        let at = match &self.private {
            Ok((_, place)) => {
                // What others left in shared memory is nobody's model.
                let _ = tree::memory(Path::new("/dev/shm"), 0o1777);
                place.join("tmp")
            }
            // Nobody is left who could remove it afterwards.
            Err(_) => {
                let directory =
                    tempfile::Builder::new().prefix("modelseal-exec-").tempdir().map_err(failed)?;
                directory.keep()
            }
        };
        give(&at, identity).map_err(failed)?;
        Ok(at)
    }

    /// The environment; gives the new home, if there is one.
    fn environment(
        &self,
        settings: &Confinement,
        admitted: &[ExecModel],
        temporary: &Path,
        identity: Option<&Identity>,
        command: &mut Command,
    ) -> Result<Option<PathBuf>, ExecError> {
        let failed = |e: io::Error| ExecError::io("make a home for the command", e);
        settings.environment.give(command, temporary, admitted);
        Environment::give_temporary(command, temporary);
        let cache = temporary.join("huggingface");
        fs::DirBuilder::new().mode(0o700).create(&cache).map_err(failed)?;
        give(&cache, identity).map_err(failed)?;
        let hub = cache.join("hub");
        fs::DirBuilder::new().mode(0o700).create(&hub).map_err(failed)?;
        give(&hub, identity).map_err(failed)?;
        let old = settings.environment.home();
        let allowed = |home: &PathBuf| {
            let mut paths =
                settings.read.iter().chain(&settings.write).filter_map(|path| fs::canonicalize(path).ok());
            fs::canonicalize(home)
                .is_ok_and(|home| paths.any(|path| home.starts_with(&path) || path.starts_with(&home)))
        };
        if old.as_ref().is_some_and(allowed) {
            return Ok(None);
        }
        let home = match &self.private {
            Ok((_, place)) => place.join("home"),
            Err(_) => temporary.join("home"),
        };
        if !home.exists() {
            fs::DirBuilder::new().mode(0o700).create(&home).map_err(failed)?;
        }
        give(&home, identity).map_err(failed)?;
        Environment::give_home(command, &home);
        Ok(Some(home))
    }
}

/// Finds a directory to mount a private place on, and mounts it. The directory stays, and is used by the next command.
fn settle(settings: &Confinement) -> Result<PathBuf, String> {
    let mut why = String::from("there is no directory for one");
    for (candidate, whose) in candidates(settings) {
        let mounted =
            usable(&candidate, whose).and_then(|()| tree::memory(&candidate, 0o755)).and_then(|()| {
                for (name, mode) in [("models", 0o755), ("tmp", 0o700), ("home", 0o700)] {
                    fs::create_dir(candidate.join(name))?;
                    fs::set_permissions(candidate.join(name), fs::Permissions::from_mode(mode))?;
                }
                Ok(())
            });
        match mounted {
            Ok(()) => return Ok(candidate),
            Err(e) => why = format!("'{}': {e}", candidate.display()),
        }
    }
    Err(format!("this system does not permit a private place ({why})"))
}

/// Whose directory a private place may be mounted on: nobody else can give its name to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// This user's; made when it is not there.
    Own,
    /// The system's: empty on most.
    System,
}

fn candidates(settings: &Confinement) -> Vec<(PathBuf, Whose)> {
    let user = rustix::process::geteuid();
    let own: Vec<PathBuf> = if user.is_root() {
        vec!["/run/modelseal".into(), "/var/lib/modelseal/exec".into()]
    } else {
        let of_session = settings.environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
        let of_session = of_session.filter(|directory| directory.is_absolute()).map(|d| d.join("modelseal"));
        let shared = PathBuf::from(format!("/tmp/modelseal-{}", user.as_raw()));
        of_session.into_iter().chain([shared]).collect()
    };
    let system = ["/mnt", "/media"].map(|path| (PathBuf::from(path), Whose::System));
    own.into_iter().map(|path| (path, Whose::Own)).chain(system).collect()
}

/// Makes a directory, or sees that it can be used.
fn usable(at: &Path, whose: Whose) -> io::Result<()> {
    if whose == Whose::Own {
        match fs::DirBuilder::new().mode(0o755).create(at) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    let found = fs::symlink_metadata(at)?;
    let owned = match whose {
        Whose::Own => found.uid() == rustix::process::geteuid().as_raw(),
        // Root's are somebody's whom a user namespace does not know.
        Whose::System => [0, OVERFLOW].contains(&found.uid()) && found.mode() & 0o022 == 0,
    };
    if !found.is_dir() || !owned || fs::read_dir(at)?.next().is_some() {
        let why = "there is something else of that name, it is somebody else's, or it is not empty";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    Ok(())
}

/// As whom root appears in a user namespace that does not know root.
const OVERFLOW: u32 = 65534;

/// Gives a directory to whom the command runs as.
fn give(directory: &Path, identity: Option<&Identity>) -> io::Result<()> {
    match identity {
        Some(identity) => chown(directory, Some(identity.uid), Some(identity.gid)),
        None => Ok(()),
    }
}

/// Refuses a copy that would leave no memory.
fn has_room(held: &Held, contents: &Contents) -> Result<(), ExecError> {
    let needed: u64 = contents.files().map(|(_, size)| size.next_multiple_of(4096)).sum();
    let Some(available) = available_memory() else { return Ok(()) };
    if needed.saturating_add(SPARE_MEMORY) <= available {
        return Ok(());
    }
    Err(ExecError::unprotected(format_args!(
        "'{}' takes {needed} bytes and there are {available} bytes of memory for a copy of it; freeze its files with fs-verity \
         or put it on a read-only file system, so that none is needed",
        held.given.display()
    )))
}

/// What the kernel could give without swapping (proc_meminfo(5)).
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What the command is told about by path and cannot read: said now, because the command will only say that it may not.
fn unreadable(
    settings: &Confinement,
    program: &command::Program,
    models: &[Held],
    words: &[OsString],
) -> Vec<String> {
    let known: Vec<PathBuf> = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev"]
        .iter()
        .map(PathBuf::from)
        .chain(program.parts.iter().cloned())
        .chain(settings.read.iter().chain(&settings.write).filter_map(|path| fs::canonicalize(path).ok()))
        .chain(models.iter().flat_map(|held| [held.at.clone(), held.original.clone()]))
        .collect();
    let mut notes = Vec::new();
    for word in words.iter().skip(1) {
        // `--config=serve.toml` names a file, too.
        let named =
            word.to_str().and_then(|word| word.split_once('=')).map_or(word.as_os_str(), |(_, v)| v.as_ref());
        for path in [Path::new(word), Path::new(named)] {
            let Ok(real) = fs::canonicalize(path) else { continue };
            if !known.iter().any(|known| real.starts_with(known)) {
                notes.push(format!(
                    "the command cannot read '{}'; give --allow-read if it should",
                    path.display()
                ));
                break;
            }
        }
    }
    notes
}

/// Sees that the command can open every file of a model, as what it will be.
fn can_be_read(held: &Held, identity: Option<&Identity>) -> Result<(), ExecError> {
    let outcome = tree::each_file(&held.at, &mut |path, _| {
        fs::File::open(path)
            .map_err(|e| io::Error::new(e.kind(), format!("'{}': {e}", path.display())))
            .map(|_| ())
    });
    outcome.map_err(|e| {
        let user = identity.map_or_else(|| "the command".to_owned(), |i| format!("user {}", i.uid));
        ExecError::io(
            format_args!(
                "let {user} read '{}' (make it readable, name another --user, or give --copy)",
                held.given.display()
            ),
            e,
        )
    })
}
