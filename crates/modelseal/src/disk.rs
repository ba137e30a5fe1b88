//! Small files: read whole and bounded, replaced whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Most names that are looked at in a directory of evidence or revocation lists.
const MAX_NAMES: usize = 2_000_000;

#[cfg(unix)]
const OTHERS_MAY_WRITE: u32 = 0o022;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Why not, for people.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let bytes = read_past(path, limit).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > limit { Err(format!("it is larger than {limit} bytes")) } else { Ok(bytes) }
}

/// Reads a regular file, at most a byte past `limit`, so that whoever parses it can refuse it.
pub(crate) fn read_past(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file. A named pipe is refused, and not waited for.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    let what = file.metadata()?;
    if what.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if what.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Opens a file that the user named: a regular one, or what the shell has opened already (`<(..)`, `/dev/stdin`), which is how
/// keys come that lie on no disk. A named pipe is not waited for.
///
/// # Errors
/// [`io::Error`], also for what is no regular file.
pub fn open_named(path: &Path) -> io::Result<File> {
    let is_open = ["/dev/fd", "/dev/stdin", "/proc/self/fd"].iter().any(|known| path.starts_with(known));
    if is_open { File::open(path) } else { open_regular(path) }
}

/// The names in a directory for which `wanted` holds, in order. Names that are not UTF-8 are none.
pub(crate) fn names(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)?.take(MAX_NAMES) {
        if let Ok(name) = entry?.file_name().into_string()
            && wanted(&name)
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The directory that a path lies in.
pub(crate) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Makes a directory that only its owner may enter, with those above it, where there is none.
pub(crate) fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Refuses a directory that somebody else can write to.
pub(crate) fn check_private(directory: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(directory)?;
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    if !metadata.is_dir() {
        return refuse("it is not a directory");
    }
    #[cfg(unix)]
    if is_open_to_others(&metadata) {
        return refuse("others can write to it");
    }
    Ok(())
}

/// Only what nobody else can write is believed: a regular file and its directory, no links.
pub(crate) fn check_private_file(file: &Path) -> io::Result<()> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    let (own, directory) =
        (file.symlink_metadata()?, file.parent().unwrap_or(Path::new(".")).symlink_metadata()?);
    if !own.is_file() || !directory.is_dir() {
        return refuse("it is not a regular file in a directory");
    }
    #[cfg(unix)]
    if is_open_to_others(&own) || is_open_to_others(&directory) {
        return refuse("others can write to it");
    }
    Ok(())
}

/// Whether somebody other than this user and root can write to it, or could let themselves: its owner can.
#[cfg(unix)]
fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let theirs = metadata.uid() != rustix::process::geteuid().as_raw() && metadata.uid() != 0;
    theirs || metadata.mode() & OTHERS_MAY_WRITE != 0
}

/// Replaces a file, readable by its owner only: the old one or the new one, never half of one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, None)
}

/// Replaces a file that is there, under the permissions that it has. A link stays one.
pub(crate) fn replace_as_it_was(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    replace_with(&path, bytes, Some(permissions))
}

/// Makes or replaces a file that everybody may read, as far as the umask lets them.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> io::Result<()> {
    #[cfg(unix)]
    let permissions = Some(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    #[cfg(not(unix))]
    let permissions = None;
    replace_with(path, bytes, permissions)
}

/// What temporary files begin and end with. No reader looks at such a name.
pub(crate) const TEMPORARY: (&str, &str) = (".modelseal-", ".tmp");

/// A file that everybody may read, as far as the umask lets them, to be renamed within its directory.
pub(crate) fn temporary_file(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

/// Makes a rename survive a crash. Not every system lets a directory be synchronised.
pub(crate) fn sync(directory: &Path) {
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
}

fn replace_with(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let directory = parent(path);
    let (prefix, suffix) = TEMPORARY;
    let mut file = tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(&directory)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync(&directory);
    Ok(())
}

/// Opens without waiting for the other end of a named pipe.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, O_NONBLOCK);
    options.open(path)
}

#[cfg(unix)]
const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn what_others_can_write_or_own_is_not_private() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("private");
        let file = directory.join("file");
        make_private(&directory).unwrap();
        fs::write(&file, "x").unwrap();
        check_private(&directory).unwrap();
        check_private_file(&file).unwrap();
        assert!(check_private(&file).is_err() && check_private_file(&directory.join("none")).is_err());
        for mode in [0o770, 0o707] {
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
            assert!(check_private(&directory).is_err() && check_private_file(&file).is_err(), "{mode:o}");
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        if !rustix::process::geteuid().is_root() {
            eprintln!("only root can give a directory away: its owner was not tested");
            return;
        }
        chown(&file, Some(65534), None).unwrap();
        assert!(check_private_file(&file).is_err());
        chown(&file, Some(0), None).unwrap();
        check_private_file(&file).unwrap();
        chown(&directory, Some(65534), None).unwrap();
        assert!(check_private(&directory).is_err() && check_private_file(&file).is_err());
    }
}
