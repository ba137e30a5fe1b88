//! Positional reads that do not stop half-way.

use std::{fs::File, io};

/// A file that is read at offsets and can say what it is. Behind a trait so that tests can make the system's errors
/// and short reads happen; everywhere else it is [`File`].
pub(crate) trait ReadAt: Send {
    /// As `pread`: may read less than asked for; 0 is the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The same, into memory that the bytes stay in: nobody else has to be told of them.
    fn read_placed_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    /// What it is now.
    fn status(&self) -> io::Result<crate::fs::Status>;

    /// That much of it will be read, and in order: the system may read further ahead.
    fn will_read(&self) {}
}

/// Memory that bytes are read into and hashed in, where they are to stay.
pub(crate) trait Placing: Sync {
    /// The place of the bytes of a file (by its place in the walk) from `offset` on, when there is one for exactly so many and
    /// nobody has asked for it before.
    #[expect(
        clippy::mut_from_ref,
        reason = "the memory is not the implementor's, and each byte of it is given once"
    )]
    fn place(&self, file: usize, offset: u64, len: usize) -> Option<&mut [u8]>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        crate::fs::read_at(self, buffer, offset)
    }

    fn status(&self) -> io::Result<crate::fs::Status> {
        crate::fs::status_of(self)
    }

    fn will_read(&self) {
        // Only a hint, which some file systems do not take.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::Sequential);
    }
}

/// Reads at least `needed` bytes at `offset` unless the file ends before, and at most `buffer` holds: reads once even
/// when nothing is needed, so that a room of one byte more than needed shows a file that goes on.
pub(crate) fn fill(file: &impl ReadAt, buffer: &mut [u8], needed: usize, offset: u64) -> io::Result<usize> {
    fill_by(|buffer, offset| file.read_at(buffer, offset), buffer, needed, offset)
}

/// The same by any way to read.
pub(crate) fn fill_by(
    read_at: impl Fn(&mut [u8], u64) -> io::Result<usize>,
    buffer: &mut [u8],
    needed: usize,
    offset: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        match read_at(&mut buffer[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        }
        if filled >= needed {
            return Ok(filled);
        }
    }
}
