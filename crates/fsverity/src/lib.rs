//! fs-verity (Linux, `Documentation/filesystems/fsverity.rst`): the kernel takes a file's Merkle tree, refuses from then on to
//! let anybody write to it, checks every page of it that is read, and says in constant time by which digest.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::File::open("weights.bin")?;
//! modelseal_fsverity::enable(&file)?; // for ever: an unchanged copy of it can be written again
//! println!("{:x?}", modelseal_fsverity::measure(&file)?);
//! # Ok(()) }
//! ```
//!
//! Always SHA-256, blocks of 4096 bytes, no salt and no signature of the kernel's own. A file that somebody enabled with another
//! salt or block size has another digest; one with another hash is [an error](Reason::OtherHash).

mod error;
#[cfg(target_os = "linux")]
mod ioctl;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod system;

pub use error::{Error, Reason};
pub use system::{enable, filesystem, measure};

/// The digest of a file: SHA-256 of the descriptor that holds its length and the root of its tree.
pub type Digest32 = [u8; 32];

/// A file that the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// Since this call.
    Now,
    /// It did already, under parameters that [`measure`] tells by their digest only.
    Already,
}
