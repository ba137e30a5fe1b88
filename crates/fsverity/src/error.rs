//! [`Error`]: why the kernel does not enforce a file, and what to do about it.

use std::{fmt, io};

/// Why the kernel did not do what was asked.
#[derive(Debug)]
pub struct Error {
    /// What stands in the way.
    pub reason: Reason,
    /// The type of the file system, such as `ext4`.
    pub filesystem: String,
    /// What the system said, where it said anything.
    pub source: Option<io::Error>,
}

/// What stands in the way of fs-verity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Somebody has the file open for writing, or mapped (`ETXTBSY`).
    Writer,
    /// The file system, as it was made, or the kernel has no fs-verity; or its answer is not the kernel's own.
    Unsupported,
    /// The file system is mounted read-only.
    ReadOnly,
    /// Whoever runs this may not write to the file (`EACCES`), or it may only be appended to (`EPERM`).
    NotPermitted,
    /// There is no room for the tree: about 1/127 of the file.
    NoSpace,
    /// The file is too large for the file system with its tree behind it.
    TooLarge,
    /// Another process enables it right now (`EBUSY`).
    Busy,
    /// It is enabled with another hash: this number of `include/uapi/linux/fsverity.h`.
    OtherHash(u16),
    /// It is no regular file.
    NotRegular,
    /// Anything else.
    Io,
}

impl Error {
    /// What to do about it, as a sentence without its end.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.reason {
            Reason::Writer => {
                "end the process that has it open for writing (`fuser -v FILE` names it) and try again"
            }
            Reason::Unsupported if self.filesystem == "ext4" => {
                "turn the feature on with `tune2fs -O verity DEVICE` (Linux 5.4 or newer with CONFIG_FS_VERITY, and blocks of 4096 \
                 bytes before Linux 6.3)"
            }
            Reason::Unsupported => {
                "use ext4 with `-O verity`, f2fs with `-O verity` or btrfs, on Linux with CONFIG_FS_VERITY"
            }
            Reason::ReadOnly => "mount it read-write for as long as this takes",
            Reason::NotPermitted => "run this as the owner of the file, who must be able to write to it",
            Reason::NoSpace => "make room: the tree takes about 1/127 of the file",
            Reason::Busy => "wait for the other process",
            Reason::OtherHash(_) => "copy the file: the copy is a new file without fs-verity",
            Reason::TooLarge | Reason::NotRegular | Reason::Io => "use another copy of the file",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filesystem = &self.filesystem;
        match self.reason {
            Reason::Writer => f.write_str("it is open for writing"),
            Reason::Unsupported => write!(f, "there is no fs-verity on this file system ({filesystem})"),
            Reason::ReadOnly => write!(f, "the file system ({filesystem}) is mounted read-only"),
            Reason::NotPermitted => f.write_str("this user may not write to it"),
            Reason::NoSpace => write!(f, "the file system ({filesystem}) has no room for the tree"),
            Reason::TooLarge => write!(f, "it is too large for fs-verity on {filesystem}"),
            Reason::Busy => f.write_str("another process enables fs-verity for it"),
            Reason::OtherHash(number) => {
                write!(f, "it has fs-verity with another hash than SHA-256 (number {number})")
            }
            Reason::NotRegular => f.write_str("it is no regular file"),
            Reason::Io => match &self.source {
                Some(source) => write!(f, "{source}"),
                None => f.write_str("the kernel's answer cannot be understood"),
            },
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
