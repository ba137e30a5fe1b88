//! The two ioctls of `include/uapi/linux/fsverity.h`, and the only unsafe code.

#![allow(unsafe_code, reason = "ioctls have no safe form; each block says why it is sound")]

use rustix::{
    io::Errno,
    ioctl::{Opcode, Setter, Updater, ioctl, opcode},
};
use std::{fs::File, mem::size_of};

/// `struct fsverity_enable_arg`. Its padding is in the reserved fields: every byte is given.
#[repr(C)]
struct EnableArg {
    version: u32,
    hash_algorithm: u32,
    block_size: u32,
    salt_size: u32,
    salt_ptr: u64,
    sig_size: u32,
    reserved1: u32,
    sig_ptr: u64,
    reserved2: [u64; 11],
}

/// `struct fsverity_digest`, whose size is part of the number of the ioctl.
#[repr(C)]
struct DigestHeader {
    digest_algorithm: u16,
    digest_size: u16,
}

/// The same with room for the longest digest behind it, that of SHA-512.
#[repr(C)]
struct DigestBuffer {
    header: DigestHeader,
    digest: [u8; ROOM as usize],
}

/// `FS_VERITY_HASH_ALG_SHA256`.
pub(crate) const SHA256: u16 = 1;
const BLOCK: u32 = 4096;
const ROOM: u16 = 64;

const ENABLE: Opcode = opcode::write::<EnableArg>(b'f', 133);
const MEASURE: Opcode = opcode::read_write::<DigestHeader>(b'f', 134);

#[cfg(test)]
pub(crate) const NUMBERS: [Opcode; 2] = [ENABLE, MEASURE];

// What the kernel's header says; were a field forgotten here, the kernel would read beyond the value.
const _: () = assert!(size_of::<EnableArg>() == 128 && size_of::<DigestHeader>() == 4);
const _: () = assert!(size_of::<DigestBuffer>() == 4 + ROOM as usize);

/// `FS_IOC_ENABLE_VERITY` with SHA-256, blocks of 4096 bytes, no salt, no signature.
pub(crate) fn enable(file: &File) -> Result<(), Errno> {
    let arg = EnableArg {
        version: 1,
        hash_algorithm: u32::from(SHA256),
        block_size: BLOCK,
        salt_size: 0,
        salt_ptr: 0,
        sig_size: 0,
        reserved1: 0,
        sig_ptr: 0,
        reserved2: [0; 11],
    };
    // SAFETY: `ENABLE` is FS_IOC_ENABLE_VERITY, whose argument is a pointer to `struct fsverity_enable_arg`: `EnableArg` has
    // its layout (`repr(C)`, size asserted above). The kernel only reads it. The two pointers in it are of size zero and
    // null, so it follows neither. `Setter` owns the value for as long as the call takes.
    unsafe { ioctl(file, Setter::<ENABLE, EnableArg>::new(arg)) }
}

/// `FS_IOC_MEASURE_VERITY`: the number of the hash, and the digest.
pub(crate) fn measure(file: &File) -> Result<(u16, Vec<u8>), Errno> {
    let header = DigestHeader { digest_algorithm: 0, digest_size: ROOM };
    let mut buffer = DigestBuffer { header, digest: [0; ROOM as usize] };
    // SAFETY: `MEASURE` is FS_IOC_MEASURE_VERITY, whose argument is a pointer to `struct fsverity_digest` with as many bytes
    // behind it as `digest_size` says: `DigestBuffer` is that header (`repr(C)`, sizes asserted above) with `ROOM` bytes, and
    // `digest_size` is `ROOM`. The kernel writes the header and at most so many bytes, else it gives EOVERFLOW. Whatever it
    // writes is a valid value of these integers, and the buffer is borrowed mutably for the whole call.
    unsafe { ioctl(file, Updater::<MEASURE, DigestBuffer>::new(&mut buffer)) }?;
    let DigestBuffer { header, digest } = buffer;
    let digest = digest.get(..usize::from(header.digest_size)).unwrap_or(&digest);
    Ok((header.digest_algorithm, digest.to_vec()))
}
