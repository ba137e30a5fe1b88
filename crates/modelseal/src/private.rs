//! Files of this user alone: caches, and what must not be changed behind one's back.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

/// Makes a directory, with those above it, that only its owner may enter, where there is none.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Only what nobody else can write is believed: a regular file and its directory, no links.
pub(crate) fn check(file: &Path) -> io::Result<()> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    let (own, directory) =
        (file.symlink_metadata()?, file.parent().unwrap_or(Path::new(".")).symlink_metadata()?);
    if !own.is_file() || !directory.is_dir() {
        return refuse("it is not a regular file in a directory");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        const OTHERS_MAY_WRITE: u32 = 0o022;
        let user = rustix::process::geteuid().as_raw();
        let theirs = |uid: u32| uid != user && uid != 0;
        if (own.mode() | directory.mode()) & OTHERS_MAY_WRITE != 0
            || theirs(own.uid())
            || theirs(directory.uid())
        {
            return refuse("others can write to it");
        }
    }
    Ok(())
}

/// Reads a regular file, at most a byte past `limit`, so that whoever parses it can refuse it.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces a file by what `write` writes, readable by its owner only: the old file or the new one, never half of one.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // Made with mode 0600.
    let mut file = tempfile::Builder::new().prefix(".modelseal-").suffix(".tmp").tempfile_in(directory)?;
    let mut buffered = io::BufWriter::new(&mut file);
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
