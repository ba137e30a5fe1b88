//! [`VerifiedBytes`]: verified bytes in memory that is this process's alone.

use super::{LoadError, memory};
use memmap2::MmapMut;
use modelseal_core::path::ModelPath;
use std::{fmt, ops::Deref};

/// From so many bytes on memory is mapped for itself: it goes back to the system when it is not needed, and comes in large
/// pages. Mappings are counted, so small files do without.
const MAPPED: u64 = 1024 * 1024;

/// Bytes that were compared with what was signed, in private memory.
pub struct VerifiedBytes(Memory);

enum Memory {
    Heap(Vec<u8>),
    Mapped(MmapMut),
}

impl VerifiedBytes {
    /// Memory for so many bytes of a file. Nobody may see it before it was filled and compared.
    pub(super) fn unverified(len: u64, of: &ModelPath) -> Result<Self, LoadError> {
        memory::check(len, &format!("'{of}'")).map_err(|error| error.about(of))?;
        let short = || LoadError::memory(&format!("'{of}'"), len, None).about(of);
        let count = usize::try_from(len).map_err(|_| short())?;
        if len < MAPPED {
            let mut heap = Vec::new();
            heap.try_reserve_exact(count).map_err(|_| short())?;
            heap.resize(count, 0);
            return Ok(Self(Memory::Heap(heap)));
        }
        let map = MmapMut::map_anon(count).map_err(|_| short())?;
        // Only a hint: a fault for each 4 KiB costs more than hashing them.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(Memory::Mapped(map)))
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Memory::Heap(bytes) => bytes,
            Memory::Mapped(map) => map,
        }
    }
}

impl Deref for VerifiedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Memory::Heap(bytes) => bytes,
            Memory::Mapped(map) => map,
        }
    }
}

impl AsRef<[u8]> for VerifiedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for VerifiedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedBytes({} bytes)", self.len())
    }
}
