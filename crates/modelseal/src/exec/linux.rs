//! The place of a command on Linux: a private mount namespace where this system permits one, with
//!
//! ```text
//! PLACE/                in memory, for the command's own use
//!   mirror/0/NAME       each model as it lies there, each file mounted: this is verified, and moved to `models`
//!   models/0/NAME       the files that were decided about, read-only: mounted one by one, a directory as a whole, or a sealed copy
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
use rustix::fs::{Mode, OFlags, open};
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
        let failed = |e: io::Error| ExecError::io(format_args!("lay out '{}'", given.display()), e);
        let root = tree::hold(&original).map_err(failed)?;
        let held = |at: PathBuf, how, mirror, root| Held {
            given: given.to_owned(),
            original: original.clone(),
            at,
            how,
            files: Vec::new(),
            mirror,
            root,
        };
        let (_, place) = match &self.private {
            Ok(private) => private,
            Err(why) => {
                // Nothing here keeps the path from leading elsewhere while it is read.
                let fixed = fixed::is_read_only_tree(&original).and_then(|()| fixed::has_its_name(&original));
                return match fixed {
                    Ok(()) => Ok(held(original.clone(), How::ReadOnly, None, root)),
                    Err(writable) if settings.strict => Err(ExecError::unprotected(format_args!(
                        "--strict: '{}' could change while the command reads it: {writable}, and {why}",
                        given.display()
                    ))),
                    Err(_) => Ok(held(original.clone(), How::Path, None, root)),
                };
            }
        };
        if let (Some(allowed), Err(why)) = (around(settings, &original), fixed::has_its_name(&original)) {
            let what = format!(
                "'{}' is allowed, and '{}' with it: {why}, which the command could then read",
                allowed.display(),
                given.display()
            );
            if settings.strict {
                return Err(ExecError::unprotected(format_args!(
                    "--strict: {what}; allow less, or keep the model elsewhere"
                )));
            }
            self.notes.push(what);
        }
        let number = at.to_string();
        let [room, behind] = ["models", "mirror"].map(|part| place.join(part).join(&number));
        let name = original.file_name().unwrap_or(OsStr::new("model"));
        let (to, mirror) = (room.join(name), behind.join(name));
        for room in [&room, &behind] {
            fs::create_dir(room).map_err(failed)?;
            tree::unbounded_memory(room).map_err(failed)?;
        }
        if settings.copy {
            return Ok(held(to, How::Copy, None, root));
        }
        let how = match tree::lay_out(&root, &mirror) {
            Ok(()) => How::Names,
            Err(NotLaidOut::Link) => {
                // From another place it would lead elsewhere, and its target is not the only name of these bytes.
                self.notes
                    .push(format!("'{}' has links in it, so it is copied into memory", given.display()));
                tree::take_away(&behind).map_err(failed)?;
                return Ok(held(to, How::Copy, None, root));
            }
            Err(NotLaidOut::TooMany) => {
                tree::take_away(&behind).and_then(|()| tree::unbounded_memory(&behind)).map_err(failed)?;
                match tree::mount_whole(&root, &mirror) {
                    Ok(()) => How::Directory,
                    Err(NotLaidOut::Io(e)) => return Err(failed(e)),
                    Err(_) => return Err(ExecError::internal("a whole directory was looked into")),
                }
            }
            Err(NotLaidOut::Io(e)) => return Err(failed(e)),
        };
        // What will need a copy in any case is compared while it is copied, and read once.
        if settings.strict && !fixed::may_be_fixed(&mirror) {
            tree::take_away(&behind).map_err(failed)?;
            return Ok(held(to, How::Copy, None, root));
        }
        tree::seal(&behind).map_err(failed)?;
        Ok(held(to, how, Some(mirror), root))
    }

    /// Shows the command the files that were decided about, and no others; finds what their bytes are protected by, and
    /// copies them where that is how they are held.
    pub(super) fn keep(
        &mut self,
        settings: &Confinement,
        held: &mut Held,
        allowed: &AllowedModel,
        progress: &dyn Progress,
    ) -> Result<(), ExecError> {
        let names = match held.how {
            How::Copy => {
                let contents = allowed.contents().map_err(|e| ExecError::loading(&e))?;
                contents.files().map(|(name, _)| name.clone()).collect()
            }
            _ => allowed.decided_names(),
        };
        let is_file = fs::symlink_metadata(held.judged_at()).is_ok_and(|found| !found.is_dir());
        held.files = match is_file {
            true => vec![held.at.clone()],
            false => names.iter().map(|name| held.at.join(name.as_str())).collect(),
        };
        let Some(mirror) = &held.mirror else {
            return if held.how == How::Copy { copy(held, is_file, allowed, progress) } else { Ok(()) };
        };
        let room = &super::super::disk::parent(&held.at);
        let given = held.given.clone();
        let failed = |e: io::Error| ExecError::io(format_args!("lay out '{}'", given.display()), e);
        if names.iter().any(tree::in_whole) {
            held.how = How::Directory;
        }
        let verified: Vec<PathBuf> = match is_file {
            true => vec![mirror.clone()],
            false => names.iter().map(|name| mirror.join(name.as_str())).collect(),
        };
        let how = match held.how {
            How::Names if fixed::is_sealed_by_verity(&verified) => How::Verity,
            how => match fixed::is_read_only(&verified) {
                Ok(()) => How::ReadOnly,
                Err(_) if settings.strict => {
                    held.how = How::Copy;
                    return copy(held, is_file, allowed, progress);
                }
                Err(_) => how,
            },
        };
        let behind = &super::super::disk::parent(mirror);
        if held.how != How::Directory && !is_file {
            tree::leave_only(behind, mirror, &verified).map_err(failed)?;
        }
        tree::move_to(behind, room).map_err(failed)?;
        held.mirror = None;
        held.how = how;
        if held.how == How::Directory {
            self.notes.push(format!(
                "'{}' is mounted as a whole directory, because it has too many files or directories, or its .git was signed: \
                 whoever can write to it can still replace files, and files that nobody signed are there as well; give --copy \
                 or --strict",
                held.given.display()
            ));
        }
        tree::seal(room).map_err(failed)
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
        self.take_mirrors_away(models)?;
        self.cover_originals(models);
        let (temporary, shared) = self.temporary(identity.as_ref())?;
        let home = self.environment(settings, admitted, &temporary, identity.as_ref(), command)?;

        let mut rights = Rights::of_any_command();
        program.parts.iter().for_each(|part| rights.run(part));
        settings.read.iter().for_each(|path| rights.run(path));
        settings.write.iter().for_each(|path| rights.write(path));
        rights.write(&temporary);
        // Everybody's would be a way for others to hand it files.
        if shared {
            rights.write(Path::new("/dev/shm"));
        } else {
            self.notes.push("the command has no shared memory: /dev/shm is everybody's here".to_owned());
        }
        home.iter().for_each(|home| rights.write(home));
        for held in models {
            rights.read(&held.at);
            if self.private.is_err() {
                // Files that are links were verified through them.
                held.files.iter().filter(|file| file.is_symlink()).for_each(|file| rights.read(file));
            }
        }
        self.notes.extend(unreadable(settings, program, models, words));
        self.notes.extend(privileges::drop(identity.as_ref())?);
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

    /// What was verified is now shown by other mounts, which stay.
    fn take_mirrors_away(&self, models: &[Held]) -> Result<(), ExecError> {
        for held in models {
            if let Some(mirror) = &held.mirror {
                tree::take_away(&super::super::disk::parent(mirror)).map_err(|e| {
                    ExecError::io(format_args!("take away the mirror of '{}'", held.given.display()), e)
                })?;
            }
        }
        Ok(())
    }

    /// Puts what was verified where it was before, too: programs know models by their own paths. Where that fails, there are only
    /// the new places.
    fn cover_originals(&mut self, models: &[Held]) {
        for held in models.iter().filter(|held| held.at != held.original) {
            let same = || -> io::Result<bool> {
                let (here, there) = (fs::symlink_metadata(&held.at)?, fs::symlink_metadata(&held.original)?);
                Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
            };
            match tree::also_at(&held.at, &held.root).and_then(|()| same()) {
                Ok(true) => {}
                Ok(false) => self.notes.push(format!(
                    "'{}' leads elsewhere by now; the command finds what was verified at '{}' alone",
                    held.original.display(),
                    held.at.display()
                )),
                Err(e) => self.notes.push(format!(
                    "what was verified cannot be mounted at '{}', too ({e}); the command finds it at '{}' alone",
                    held.original.display(),
                    held.at.display()
                )),
            }
        }
        if let (Ok(_), Some(here)) = (&self.private, &self.here) {
            // Under a model that is covered now, this is another directory.
            let _ = std::env::set_current_dir(here);
        }
    }

    /// A directory that only the command writes to, and whether it has shared memory of its own.
    fn temporary(&self, identity: Option<&Identity>) -> Result<(PathBuf, bool), ExecError> {
        let mut shared = false;
        let failed = |e: io::Error| ExecError::io("make a temporary directory", e);
        let at = match &self.private {
            Ok((_, place)) => {
                // What others left in shared memory is nobody's model.
                shared = tree::memory(Path::new("/dev/shm"), 0o1777).is_ok();
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
        Ok((at, shared))
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

/// What is allowed besides and holds the old path of a model, or lies in it.
fn around<'a>(settings: &'a Confinement, original: &Path) -> Option<&'a PathBuf> {
    settings.read.iter().chain(&settings.write).find(|allowed| {
        fs::canonicalize(allowed)
            .is_ok_and(|allowed| original.starts_with(&allowed) || allowed.starts_with(original))
    })
}

/// Finds a directory to mount a private place on, and mounts it. The directory stays, and is used by the next command.
fn settle(settings: &Confinement) -> Result<PathBuf, String> {
    let mut why = String::from("there is no directory for one");
    for (candidate, whose) in candidates(settings) {
        let mounted =
            usable(&candidate, whose).and_then(|()| tree::memory(&candidate, 0o755)).and_then(|()| {
                for (name, mode) in [("models", 0o755), ("mirror", 0o700), ("tmp", 0o700), ("home", 0o700)] {
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
        let in_a_model = |directory: &Path| {
            let mut models = settings.models.iter().filter_map(|(_, path)| fs::canonicalize(path).ok());
            fs::canonicalize(directory).is_ok_and(|at| models.any(|model| at.starts_with(model)))
        };
        let of_session =
            of_session.filter(|at| at.is_absolute() && !in_a_model(at)).map(|d| d.join("modelseal"));
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

/// Copies a model that was allowed into its place, and seals that.
fn copy(
    held: &Held,
    is_file: bool,
    allowed: &AllowedModel,
    progress: &dyn Progress,
) -> Result<(), ExecError> {
    let contents = allowed.contents().map_err(|e| ExecError::loading(&e))?;
    has_room(held, contents)?;
    let room = super::super::disk::parent(&held.at);
    let to = if is_file { room.join("file") } else { held.at.clone() };
    contents.copy_to(&to, progress).map_err(|e| ExecError::loading(&e))?;
    let failed = |e: io::Error| ExecError::io(format_args!("seal the copy of '{}'", held.given.display()), e);
    if is_file {
        let name = held.original.file_name().unwrap_or_default();
        fs::rename(to.join(name), &held.at).map_err(failed)?;
        fs::remove_dir(&to).map_err(failed)?;
    }
    tree::make_readable(&held.at).map_err(failed)?;
    tree::seal(&room).map_err(failed)
}

/// Refuses a copy that would leave no memory.
fn has_room(held: &Held, contents: &Contents) -> Result<(), ExecError> {
    let sizes = contents.files().map(|(_, size)| size.div_ceil(4096).saturating_mul(4096));
    let needed = sizes.fold(0, u64::saturating_add);
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
    // What was decided about are files; one that is another thing by now, read by its own path, is not waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let outcome = held.files.iter().try_for_each(|path| {
        open(path, flags, Mode::empty())
            .map_err(io::Error::from)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Whoever owns the directory above puts a link in the model's place, between its layout and the start of the command.
    #[test]
    fn a_link_that_is_put_there_later_is_not_mounted_on() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let done = std::thread::spawn(|| {
            let directory = tempfile::tempdir().unwrap();
            let path = |name: &str| directory.path().join(name);
            for name in ["model", "other", "shown"] {
                fs::create_dir(path(name)).unwrap();
                fs::write(path(name).join("file"), name).unwrap();
            }
            // A namespace for this thread alone.
            let Ok(namespace) = namespace::enter() else { return };
            let mut enclosure =
                Enclosure { private: Ok((namespace, path("place"))), here: None, notes: Vec::new() };
            let held = Held {
                given: path("model"),
                original: path("model"),
                at: path("shown"),
                how: How::Names,
                files: Vec::new(),
                mirror: None,
                root: tree::hold(&path("model")).unwrap(),
            };
            fs::rename(path("model"), path("moved")).unwrap();
            symlink(path("other"), path("model")).unwrap();
            enclosure.cover_originals(std::slice::from_ref(&held));
            assert_eq!(fs::read_to_string(path("other/file")).unwrap(), "other");
            assert_eq!(fs::read_to_string(path("moved/file")).unwrap(), "shown");
            assert!(enclosure.notes[0].contains("leads elsewhere by now"), "{:?}", enclosure.notes);
            fs::remove_file(path("model")).unwrap();
            let _ = tree::take_away(&path("moved"));
        });
        done.join().unwrap();
    }
}
