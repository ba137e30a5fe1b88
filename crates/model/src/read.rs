//! Positional reads that do not stop half-way.

use std::{fs::File, io};

/// A file that is read at offsets and can say what it is. Behind a trait so that tests can make the system's errors
/// and short reads happen; everywhere else it is [`File`].
pub(crate) trait ReadAt: Send {
    /// As `pread`: may read less than asked for; 0 is the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// What it is now.
    fn status(&self) -> io::Result<crate::fs::Status>;

    /// That much of it will be read, and in order: the system may read further ahead.
    fn will_read(&self) {}
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
    let mut filled = 0;
    loop {
        match file.read_at(&mut buffer[filled..], offset.saturating_add(filled as u64)) {
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
