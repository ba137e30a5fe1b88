//! [`enable`] and [`measure`] over the ioctls: what the kernel's answers mean.

use crate::{Digest32, Enabled, Error, Reason, ioctl};
use rustix::io::Errno;
use std::{fs::File, io};

/// Makes the kernel enforce the bytes of a file, which is open for reading only. It reads all of it, which takes as long as
/// hashing it, and cannot be undone; a file whose enabling was interrupted is as it was.
///
/// # Errors
/// [`Error`]; the file is as it was then.
pub fn enable(file: &File) -> Result<Enabled, Error> {
    // What enforces nothing is not asked: it could say that it did.
    if !is_kernels_own(file) {
        return Err(error(file, Errno::OPNOTSUPP));
    }
    match retried(|| ioctl::enable(file)) {
        Ok(()) => Ok(Enabled::Now),
        Err(Errno::EXIST) => Ok(Enabled::Already),
        Err(errno) => Err(error(file, errno)),
    }
}

/// The digest of a file whose bytes the kernel enforces, in constant time; `None` for a file that it does not.
///
/// # Errors
/// [`Error`]; [`Reason::Unsupported`] where no file is ever enforced, [`Reason::OtherHash`].
pub fn measure(file: &File) -> Result<Option<Digest32>, Error> {
    if !is_kernels_own(file) {
        return Err(error(file, Errno::OPNOTSUPP));
    }
    match retried(|| ioctl::measure(file)) {
        Ok((ioctl::SHA256, digest)) => match <Digest32>::try_from(digest) {
            Ok(digest) => Ok(Some(digest)),
            Err(_) => Err(Error { reason: Reason::Io, filesystem: filesystem(file), source: None }),
        },
        Ok((other, _)) => {
            Err(Error { reason: Reason::OtherHash(other), filesystem: filesystem(file), source: None })
        }
        Err(Errno::NODATA) => Ok(None),
        Err(errno) => Err(error(file, errno)),
    }
}

/// The type of the file system that a file lies in.
#[must_use]
pub fn filesystem(file: &File) -> String {
    let Some(magic) = magic(file) else { return "unknown".to_owned() };
    match NAMES.iter().find(|(known, _)| *known == magic) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("type {magic:#x}"),
    }
}

const EXT4: u64 = 0xef53;
const F2FS: u64 = 0xf2f5_2010;
const BTRFS: u64 = 0x9123_683e;

/// Numbers of `include/uapi/linux/magic.h`.
const NAMES: [(u64, &str); 19] = [
    (EXT4, "ext4"),
    (F2FS, "f2fs"),
    (BTRFS, "btrfs"),
    (0x5846_5342, "xfs"),
    (0x0102_1994, "tmpfs"),
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x7371_7368, "squashfs"),
    (0xe0f5_e1e2, "erofs"),
    (0x2fc1_2fc1, "zfs"),
    (0x9660, "iso9660"),
    (0x4d44, "vfat"),
    (0x5346_544e, "ntfs"),
    (0x8584_58f6, "ramfs"),
    (0x00c3_6400, "ceph"),
];

/// Whether the file system is one of those whose fs-verity is in the kernel itself. Others may pass the ioctls on, as FUSE
/// does, to a program that gives any answer and enforces nothing.
fn is_kernels_own(file: &File) -> bool {
    magic(file).is_some_and(|magic| [EXT4, F2FS, BTRFS].contains(&magic))
}

fn magic(file: &File) -> Option<u64> {
    let wide = i128::from(rustix::fs::fstatfs(file).ok()?.f_type);
    // Some systems have the number as a signed one of 32 bits.
    u64::try_from(wide.rem_euclid(1 << 32)).ok()
}

/// A signal that is handled elsewhere ends no ioctl for good.
fn retried<T>(call: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn error(file: &File, errno: Errno) -> Error {
    let reason = match errno {
        Errno::TXTBSY => Reason::Writer,
        // ENOPKG: this kernel was built without SHA-256.
        Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::NOPKG => Reason::Unsupported,
        Errno::ROFS => Reason::ReadOnly,
        Errno::ACCESS | Errno::PERM => Reason::NotPermitted,
        Errno::NOSPC | Errno::DQUOT => Reason::NoSpace,
        Errno::FBIG => Reason::TooLarge,
        Errno::BUSY => Reason::Busy,
        Errno::ISDIR => Reason::NotRegular,
        _ => Reason::Io,
    };
    Error { reason, filesystem: filesystem(file), source: Some(io::Error::from(errno)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_apart() {
        let file = tempfile::tempfile().unwrap();
        for (errno, reason) in [
            (Errno::TXTBSY, Reason::Writer),
            (Errno::NOTTY, Reason::Unsupported),
            (Errno::OPNOTSUPP, Reason::Unsupported),
            (Errno::ROFS, Reason::ReadOnly),
            (Errno::ACCESS, Reason::NotPermitted),
            (Errno::PERM, Reason::NotPermitted),
            (Errno::NOSPC, Reason::NoSpace),
            (Errno::DQUOT, Reason::NoSpace),
            (Errno::FBIG, Reason::TooLarge),
            (Errno::BUSY, Reason::Busy),
            (Errno::IO, Reason::Io),
        ] {
            let error = error(&file, errno);
            assert_eq!(error.reason, reason);
            assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
        }
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let calls = std::cell::Cell::new(0);
        let answer = retried(|| {
            calls.set(calls.get() + 1);
            if calls.get() < 3 { Err(Errno::INTR) } else { Err::<(), _>(Errno::IO) }
        });
        assert_eq!((answer, calls.get()), (Err(Errno::IO), 3));
    }

    /// The numbers as C has them: `_IOW('f', 133, struct fsverity_enable_arg)`, `_IOWR('f', 134, struct fsverity_digest)`.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn the_numbers_are_those_of_the_kernel() {
        assert_eq!(ioctl::NUMBERS, [0x4080_6685, 0xc004_6686]);
    }
}
