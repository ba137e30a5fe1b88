//! [`Opener`]: a worker's way to the files of a walk: opening them again, reading them, and seeing whether they changed.

use crate::{
    error::{Change, MeasureError},
    fs::{Dir, Kind},
    read::{ReadAt, fill, fill_by},
    source::{Root, Source},
    walk::{FoundFile, Via, Walked},
};
use std::{ffi::OsStr, fs::File, io, path::PathBuf};

/// An error and the index of the file it is about.
pub(crate) type Failed = (usize, MeasureError);

/// Opens the files of a walk again, by names relative to descriptors, keeping the directory it was in last.
pub(crate) struct Opener<'a> {
    source: &'a Source,
    walked: &'a Walked,
    last: Option<(u32, Dir)>,
}

impl<'a> Opener<'a> {
    pub(crate) fn new(source: &'a Source, walked: &'a Walked) -> Self {
        Self { source, walked, last: None }
    }

    pub(crate) fn open(&mut self, file: &FoundFile) -> io::Result<File> {
        let (root, name) = match (&self.source.root, &file.via) {
            (Root::File { file, .. }, _) => return file.try_clone(),
            (Root::Directory { .. }, Via::Blob(blob)) => {
                let snapshot = self.source.snapshot.as_ref().ok_or(io::ErrorKind::NotFound)?;
                return snapshot.blobs.open_file(OsStr::new(&**blob), false);
            }
            (Root::Directory { dir, .. }, _) => (dir, file.path.components().next_back().unwrap_or_default()),
        };
        let follow = matches!(file.via, Via::Link);
        self.directory(root, file.directory)?.open_file(OsStr::new(name), follow)
    }

    /// The directory of this index, reached from the one that was used last when that lies on the way.
    fn directory<'d>(&'d mut self, root: &'d Dir, index: u32) -> io::Result<&'d Dir> {
        if index == 0 {
            return Ok(root);
        }
        let last = self.last.take();
        let mut names = Vec::new();
        let mut at = index;
        while at != 0 && last.as_ref().is_none_or(|(last, _)| *last != at) {
            let directory = &self.walked.directories[at as usize];
            names.push((&*directory.name, directory.link));
            at = directory.parent;
        }
        let mut reached = last.filter(|(last, _)| *last == at).map(|(_, dir)| dir);
        for (name, link) in names.into_iter().rev() {
            reached = Some(reached.as_ref().unwrap_or(root).enter(name, link)?);
        }
        Ok(match reached {
            Some(dir) => &self.last.insert((index, dir)).1,
            None => root,
        })
    }

    /// Whether an open file is still what the walk saw. The descriptor stays with one inode and nothing gives an inode
    /// an old `ctime` back (short of setting the clock), so what was read is what was there all the time; but for a
    /// system whose clock ticks slowly, where two writes within one tick look like one.
    pub(crate) fn examine<R: ReadAt>(&self, file: usize, open: &R) -> Result<(), Failed> {
        let status = open.status().map_err(|e| (file, self.failed("inspect", file, e)))?;
        let found = &self.walked.files[file];
        let change = match status.size {
            _ if status.kind != Kind::File => Change::Replaced,
            size if size > found.size => Change::Grew { from: found.size },
            size if size < found.size => Change::Shrank { from: found.size },
            _ if status.stamp != found.stamp => Change::Modified,
            _ => return Ok(()),
        };
        Err((file, self.changed(file, change)))
    }

    /// Reads the bytes of `file` from `next` on, up to `end` or as many as `buffer` holds with one to spare, and says how
    /// many. Short reads are gone on with; fewer or more bytes than the file has are an error.
    pub(crate) fn read<R: ReadAt>(
        &self,
        (file, open): (usize, &R),
        buffer: &mut [u8],
        (next, end): (u64, u64),
    ) -> Result<usize, Failed> {
        let size = self.walked.files[file].size;
        let room = buffer.len().saturating_sub(1);
        let needed = usize::try_from(end - next).map_or(room, |left| left.min(room));
        // With the last bytes of a file one more is asked for, which it should not have.
        let beyond = usize::from(next + needed as u64 == size);
        let read = fill(open, &mut buffer[..needed + beyond], needed, next);
        self.judge((file, open), read, needed)
    }

    /// The same, filling memory that the bytes stay in.
    pub(crate) fn read_placed<R: ReadAt>(
        &self,
        (file, open): (usize, &R),
        memory: &mut [u8],
        next: u64,
    ) -> Result<usize, Failed> {
        let needed = memory.len();
        let read_at = |buffer: &mut [u8], offset| open.read_placed_at(buffer, offset);
        let mut read = fill_by(read_at, memory, needed, next);
        let end = next + needed as u64;
        if end == self.walked.files[file].size
            && let Ok(read) = &mut read
            && *read == needed
        {
            match fill_by(read_at, &mut [0], 0, end) {
                Ok(beyond) => *read += beyond,
                Err(error) => return self.judge((file, open), Err(error), needed),
            }
        }
        self.judge((file, open), read, needed)
    }

    /// Whether a read gave what it should.
    fn judge<R: ReadAt>(
        &self,
        (file, open): (usize, &R),
        read: io::Result<usize>,
        needed: usize,
    ) -> Result<usize, Failed> {
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                // A read fails, too, when the name has been given to something that is no file.
                self.examine(file, open)?;
                return Err((file, self.failed("read", file, error)));
            }
        };
        if read != needed {
            self.examine(file, open)?;
            // The system's size is not what the file gives, as with some files that no disk holds.
            let size = self.walked.files[file].size;
            let change =
                if read > needed { Change::Grew { from: size } } else { Change::Shrank { from: size } };
            return Err((file, self.changed(file, change)));
        }
        Ok(needed)
    }

    pub(crate) fn changed(&self, file: usize, change: Change) -> MeasureError {
        MeasureError::Changed { path: self.shown(file), change }
    }

    pub(crate) fn failed(&self, doing: &'static str, file: usize, error: io::Error) -> MeasureError {
        MeasureError::from_io(doing, self.shown(file), error)
    }

    fn shown(&self, file: usize) -> PathBuf {
        self.source.join(self.walked.files[file].path.as_str())
    }
}
