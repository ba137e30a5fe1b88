//! Laying a model out where nobody outside can change a name: directories are new, and every file is mounted into them
//! read-only. Who has a file open elsewhere can still write its bytes; who replaces it replaces another name.

use modelseal_core::{
    limits::{MAX_MOUNTED_DEPTH, MAX_MOUNTED_FILES},
    path::ModelPath,
};
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, StatVfsMountFlags, open, openat, statat, statvfs},
    io::Errno,
    mount::{
        MountFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_move, mount_remount, unmount,
    },
};
use std::{
    collections::BTreeSet,
    ffi::{CString, OsStr, OsString},
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
};

/// How a file is opened that is mounted and not read.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why a model cannot be laid out file by file.
#[derive(Debug)]
pub(super) enum NotLaidOut {
    /// It has a symbolic link in it, which would lead elsewhere from another place.
    Link,
    /// It has more files than are mounted one by one, or deeper directories.
    TooMany,
    /// The system refused something.
    Io(io::Error),
}

impl From<Errno> for NotLaidOut {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<io::Error> for NotLaidOut {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Mounts an empty file system in memory.
pub(super) fn memory(at: &Path, mode: u32) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let options = CString::new(format!("mode={mode:04o}"))?;
    Ok(mount("modelseal", at, "tmpfs", flags, options.as_c_str())?)
}

/// As [`memory`], and as large as what is put into it.
pub(super) fn unbounded_memory(at: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("modelseal", at, "tmpfs", flags, c"mode=0755,size=0,nr_inodes=0")?)
}

/// Makes a file system in memory read-only, for every mount of it.
pub(super) fn seal(at: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
    Ok(mount_remount(at, flags, "")?)
}

/// Takes a mount away with all that is mounted in it.
pub(super) fn take_away(at: &Path) -> io::Result<()> {
    Ok(unmount(at, UnmountFlags::DETACH)?)
}

/// Mounts what is at `from`, with what is mounted in it, at `to`, too: at what was opened, whatever has its name now.
pub(super) fn also_at(from: &Path, to: &OwnedFd) -> io::Result<()> {
    Ok(mount_bind_recursive(from, of_descriptor(to))?)
}

/// Opens what has a name now, to be laid out and to be covered later: other names lead elsewhere, this does not.
pub(super) fn hold(original: &Path) -> io::Result<OwnedFd> {
    Ok(open(original, HANDLE, Mode::empty())?)
}

/// Lays a model out as `to`, which must not exist yet. A directory at its top that no signature need cover (`.git`) may be
/// anything: it is mounted as a whole, and [`in_whole`] tells what lies in it.
pub(super) fn lay_out(root: &OwnedFd, to: &Path) -> Result<(), NotLaidOut> {
    if !is_directory(root)? {
        return mount_file(root, to);
    }
    make_directory(to)?;
    // Names and no descriptors: a process may have far fewer of these than a model has directories.
    let mut todo: Vec<Vec<OsString>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(inside) = todo.pop() {
        if inside.len() > MAX_MOUNTED_DEPTH {
            return Err(NotLaidOut::TooMany);
        }
        let directory = descend(root, &inside)?;
        let to: PathBuf = [to].into_iter().chain(inside.iter().map(Path::new)).collect();
        for (name, kind) in entries(&directory)? {
            seen += 1;
            if seen > MAX_MOUNTED_FILES {
                return Err(NotLaidOut::TooMany);
            }
            let place = to.join(&name);
            let is_git = inside.is_empty() && crate::scope::git_paths().any(|git| name == git.as_str());
            if kind == FileType::Symlink {
                if is_git {
                    continue;
                }
                return Err(NotLaidOut::Link);
            }
            let entry = openat(&directory, name.as_os_str(), HANDLE, Mode::empty())?;
            if !is_directory(&entry)? {
                mount_file(&entry, &place)?;
            } else if is_git {
                mount_directory(&entry, &place)?;
            } else {
                make_directory(&place)?;
                todo.push(inside.iter().cloned().chain([name]).collect());
            }
        }
    }
    Ok(())
}

/// Whether [`lay_out`] left what is around this file to others.
pub(super) fn in_whole(name: &ModelPath) -> bool {
    crate::scope::git_paths().any(|git| name.is_within(&git) && *name != git)
}

/// Mounts a model as `to`, whatever is in it.
pub(super) fn mount_whole(root: &OwnedFd, to: &Path) -> Result<(), NotLaidOut> {
    if is_directory(root)? { mount_directory(root, to) } else { mount_file(root, to) }
}

/// Leaves only these files in a mirror, and the directories that lead to them. What is mounted there are the very files that were
/// verified; other mounts of them could not be made where they have lost their names meanwhile. `behind` is what `mirror` lies in.
pub(super) fn leave_only(behind: &Path, mirror: &Path, files: &[PathBuf]) -> io::Result<()> {
    mount_remount(behind, MountFlags::NOSUID | MountFlags::NODEV, "")?;
    let kept: BTreeSet<&Path> = files.iter().map(PathBuf::as_path).collect();
    let (mut todo, mut directories) = (vec![mirror.to_owned()], Vec::new());
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory)? {
            let at = entry?.path();
            if kept.contains(at.as_path()) {
                continue;
            }
            // What is mounted here is somebody else's; below it lies what this process made.
            match unmount(&at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
                Ok(()) | Err(Errno::INVAL) => {}
                Err(e) => return Err(e.into()),
            }
            if fs::symlink_metadata(&at)?.is_dir() {
                todo.push(at);
            } else {
                fs::remove_file(&at)?;
            }
        }
        directories.push(directory);
    }
    let needed: BTreeSet<&Path> = kept.iter().flat_map(|file| file.ancestors().skip(1)).collect();
    // Those that were found last lie deepest.
    for directory in directories.iter().rev().filter(|directory| !needed.contains(directory.as_path())) {
        fs::remove_dir(directory)?;
    }
    Ok(())
}

/// Moves a mount with all that is mounted in it.
pub(super) fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    Ok(mount_move(from, to)?)
}

/// Every file below a path that is no link, and every link: what may be many is given one by one. Whoever asks says when it
/// is enough.
pub(super) fn each_file(
    root: &Path,
    each: &mut dyn FnMut(&Path, &fs::Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                todo.push(entry?.path());
            }
        } else {
            each(&path, &metadata)?;
        }
    }
    Ok(())
}

/// Lets everybody read a tree, and nobody write it.
pub(super) fn make_readable(root: &Path) -> io::Result<()> {
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let directory = fs::symlink_metadata(&path)?.is_dir();
        fs::set_permissions(&path, fs::Permissions::from_mode(if directory { 0o555 } else { 0o444 }))?;
        if directory {
            for entry in fs::read_dir(&path)? {
                todo.push(entry?.path());
            }
        }
    }
    Ok(())
}

fn make_directory(at: &Path) -> Result<(), NotLaidOut> {
    fs::create_dir(at)?;
    Ok(fs::set_permissions(at, fs::Permissions::from_mode(0o555))?)
}

/// Opens a directory below another one, by names none of which may be a link.
fn descend(root: &OwnedFd, names: &[OsString]) -> Result<OwnedFd, NotLaidOut> {
    let mut at = openat(root, ".", HANDLE, Mode::empty())?;
    for name in names {
        at = openat(&at, name.as_os_str(), HANDLE | OFlags::DIRECTORY, Mode::empty())?;
    }
    Ok(at)
}

fn mount_directory(directory: &OwnedFd, to: &Path) -> Result<(), NotLaidOut> {
    make_directory(to)?;
    mount_bind_recursive(of_descriptor(directory), to)?;
    make_read_only(to)
}

fn mount_file(file: &OwnedFd, to: &Path) -> Result<(), NotLaidOut> {
    fs::File::create_new(to)?;
    mount_bind(of_descriptor(file), to)?;
    make_read_only(to)
}

/// Forbids writing, devices and privileged programs through this mount; what is forbidden already stays so, which the kernel
/// insists on in a user namespace.
fn make_read_only(at: &Path) -> Result<(), NotLaidOut> {
    let now = statvfs(at)?.f_flag;
    let kept = [
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    for (is, stays) in kept {
        if now.contains(is) {
            flags |= stays;
        }
    }
    Ok(mount_remount(at, flags, "")?)
}

/// A descriptor as a path that mount(2) takes: what was opened is what is mounted, whatever has its name now.
fn of_descriptor(of: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", of.as_raw_fd()))
}

fn is_directory(of: &OwnedFd) -> Result<bool, NotLaidOut> {
    let status = statat(of, "", AtFlags::EMPTY_PATH)?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

fn entries(directory: &OwnedFd) -> Result<Vec<(OsString, FileType)>, NotLaidOut> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = openat(directory, ".", flags, Mode::empty())?;
    let mut found = Vec::new();
    for entry in Dir::new(readable)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        if found.len() > MAX_MOUNTED_FILES {
            return Err(NotLaidOut::TooMany);
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let status = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(status.st_mode)
            }
            known => known,
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}
