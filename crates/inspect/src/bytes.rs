//! Where bytes come from: [`Bytes`] at any place, [`Input`] a range of them, [`Stream`] one after the other.
//!
//! Nothing here holds more than it was asked for. What lies in an archive uncompressed is a range of the archive; what is
//! compressed is a stream, of which each reader keeps what it needs.

use std::{fmt, fs::File, io};

/// A file, or something like one, that can be read at any place.
///
/// This is also where inspecting and hashing meet. A model is inspected through the descriptors from which it is hashed,
/// and whoever hashes it can give an implementation that answers with what was hashed: from the buffers that went by, or
/// from the file while comparing each block with a print of it that the hashing pass left behind. An error of such a
/// comparison is an error like any other here: the inspection ends, and nothing is said of the file.
pub trait Bytes: Sync {
    /// The number of bytes. It stays the same.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at `offset`, as `pread`: may read less than asked for; 0 is the end.
    ///
    /// # Errors
    /// Those of the file. They end the inspection.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// A [`File`] and the size it had when it was opened.
#[derive(Debug)]
pub struct FileBytes {
    file: File,
    len: u64,
}

/// A range of [`Bytes`].
#[derive(Clone, Copy)]
pub struct Input<'a> {
    bytes: &'a dyn Bytes,
    start: u64,
    len: u64,
}

/// Bytes one after the other.
pub trait Stream {
    /// Reads some, at least one unless it has ended or `buffer` is empty.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// Passes over `count` bytes and says how many there were.
    ///
    /// # Errors
    /// [`ReadError`].
    fn skip(&mut self, count: u64) -> Result<u64, ReadError> {
        let mut buffer = [0; 16 * 1024];
        let mut left = count;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match self.read(&mut buffer[..most])? {
                0 => break,
                read => left -= read as u64,
            }
        }
        Ok(count - left)
    }

    /// How many are left, where that is known.
    fn remaining(&self) -> Option<u64>;
}

/// Why bytes cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be read: nothing can be said.
    Io(io::Error),
    /// What is compressed cannot be decompressed any further: something can be said.
    Corrupt(String),
    /// More would be decompressed than is allowed.
    Bound,
    /// Decompressing takes more memory than is allowed.
    Memory,
}

impl FileBytes {
    /// Takes an open file.
    ///
    /// # Errors
    /// When its size cannot be asked for.
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Bytes for FileBytes {
    fn len(&self) -> u64 {
        self.len
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
    }
}

impl Bytes for [u8] {
    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let count = buffer.len().min(self.len() - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }
}

impl Bytes for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }
}

impl<'a> Input<'a> {
    /// All of `bytes`.
    #[must_use]
    pub fn of(bytes: &'a dyn Bytes) -> Self {
        Self { bytes, start: 0, len: bytes.len() }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `len` bytes from `offset` on; none when they are not all there.
    #[must_use]
    pub fn slice(&self, offset: u64, len: u64) -> Option<Self> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then(|| Self { bytes: self.bytes, start: self.start + offset, len })
    }

    /// From `offset` to the end; empty when it lies beyond.
    #[must_use]
    pub fn from(&self, offset: u64) -> Self {
        let offset = offset.min(self.len);
        Self { bytes: self.bytes, start: self.start + offset, len: self.len - offset }
    }

    /// Fills `buffer` from `offset` on, but for what lies beyond the end; says how much there was.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(there);
        let mut filled = 0;
        while filled < wanted {
            let at = self.start + offset + filled as u64;
            match self.bytes.read_at(at, &mut buffer[filled..wanted]) {
                Ok(0) => {
                    let short = io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter");
                    return Err(ReadError::Io(short));
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
        Ok(filled)
    }

    /// At most `most` bytes from `offset` on; less when the end comes first.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn read_some(&self, offset: u64, most: usize) -> Result<Vec<u8>, ReadError> {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; most.min(there)];
        let read = self.read_at(offset, &mut buffer)?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// One after the other from the start.
    #[must_use]
    pub fn stream(&self) -> RangeStream<'a> {
        RangeStream { input: *self, at: 0 }
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({}..+{})", self.start, self.len)
    }
}

/// [`Input::stream`].
#[derive(Debug, Clone)]
pub struct RangeStream<'a> {
    input: Input<'a>,
    at: u64,
}

impl Stream for RangeStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let read = self.input.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }

    fn skip(&mut self, count: u64) -> Result<u64, ReadError> {
        let count = count.min(self.input.len - self.at);
        self.at += count;
        Ok(count)
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.input.len - self.at)
    }
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        (**self).read(buffer)
    }

    fn skip(&mut self, count: u64) -> Result<u64, ReadError> {
        (**self).skip(count)
    }

    fn remaining(&self) -> Option<u64> {
        (**self).remaining()
    }
}

/// A few bytes that were read already, and what comes after them.
pub(crate) struct Rejoined<S> {
    head: Vec<u8>,
    at: usize,
    /// What went wrong while reading ahead: it is for whoever reads so far.
    failed: Option<ReadError>,
    rest: S,
}

impl<S: Stream> Rejoined<S> {
    /// Reads up to `most` bytes ahead; they come again from the stream that is returned.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn peek(mut rest: S, most: usize) -> Result<Self, ReadError> {
        let mut head = vec![0; most];
        let mut filled = 0;
        let mut failed = None;
        while filled < most && failed.is_none() {
            match rest.read(&mut head[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(ReadError::Io(error)) => return Err(ReadError::Io(error)),
                Err(error) => failed = Some(error),
            }
        }
        head.truncate(filled);
        Ok(Self { head, at: 0, failed, rest })
    }

    /// What was read ahead.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether reading ahead came to something that cannot be read.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }
}

impl<S: Stream> Rejoined<S> {
    /// These bytes, what went wrong behind them, and what comes after.
    pub(crate) fn of(head: Vec<u8>, failed: Option<ReadError>, rest: S) -> Self {
        Self { head, at: 0, failed, rest }
    }
}

impl Rejoined<Nothing> {
    /// These bytes, and nothing after them.
    pub(crate) fn all(head: Vec<u8>) -> Self {
        Self { head, at: 0, failed: None, rest: Nothing }
    }
}

/// A stream that has ended.
pub(crate) struct Nothing;

impl Stream for Nothing {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ReadError> {
        Ok(0)
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}

impl<S: Stream> Stream for Rejoined<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let left = &self.head[self.at..];
        if left.is_empty() {
            return match self.failed.take() {
                Some(error) => Err(error),
                None => self.rest.read(buffer),
            };
        }
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }

    fn remaining(&self) -> Option<u64> {
        self.rest.remaining().map(|rest| rest.saturating_add((self.head.len() - self.at) as u64))
    }
}

/// A [`Stream`] for decoders that want [`io::Read`]. [`read_error`] finds the stream's own errors again in theirs.
pub(crate) struct AsRead<S>(pub(crate) S);

impl<S: Stream> io::Read for AsRead<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error {
            ReadError::Io(error) => io::Error::other(OfSource(ReadError::Io(error))),
            other => io::Error::other(OfSource(other)),
        })
    }
}

/// What a decoder's error is: that of the stream below it, or else its own.
pub(crate) fn read_error(error: io::Error) -> ReadError {
    match error.downcast::<OfSource>() {
        Ok(OfSource(error)) => error,
        Err(error) => ReadError::Corrupt(error.to_string()),
    }
}

#[derive(Debug)]
struct OfSource(ReadError);

impl fmt::Display for OfSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for OfSource {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Corrupt(what) => f.write_str(what),
            Self::Bound => f.write_str("more would be decompressed than is allowed"),
            Self::Memory => f.write_str("decompressing takes more memory than is allowed"),
        }
    }
}

impl std::error::Error for ReadError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_inside() {
        let data = b"0123456789".to_vec();
        let input = Input::of(&data);
        let part = input.slice(2, 5).unwrap();
        assert_eq!(part.read_some(1, 100).unwrap(), b"3456");
        assert!(part.slice(3, 3).is_none() && part.slice(u64::MAX, 2).is_none());
        assert_eq!(part.from(4).read_some(0, 9).unwrap(), b"6");
        let mut stream = part.stream();
        assert_eq!(stream.skip(9).unwrap(), 5);
        assert_eq!(stream.remaining(), Some(0));
    }

    #[test]
    fn what_was_peeked_comes_again() {
        let data = b"0123456789".to_vec();
        let mut stream = Rejoined::peek(Input::of(&data).stream(), 4).unwrap();
        assert_eq!(stream.head(), b"0123");
        assert_eq!(stream.remaining(), Some(10));
        assert_eq!(stream.skip(6).unwrap(), 6);
        let mut rest = [0; 9];
        assert_eq!(stream.read(&mut rest).unwrap(), 4);
    }

    #[test]
    fn an_error_of_the_file_is_not_taken_for_a_corrupt_stream() {
        struct Broken;
        impl Bytes for Broken {
            fn len(&self) -> u64 {
                10
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::PermissionDenied))
            }
        }
        let mut reader = AsRead(Input::of(&Broken).stream());
        let error = io::Read::read(&mut reader, &mut [0; 4]).unwrap_err();
        assert!(matches!(read_error(error), ReadError::Io(_)));
        assert!(matches!(read_error(io::Error::other("bad block")), ReadError::Corrupt(_)));
    }
}
