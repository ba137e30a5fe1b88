//! Memory of Python's that bytes are read into. The stable ABI of Python 3.9 has no buffers, so the Python side, which holds
//! the buffer (`_memory.py`), passes its address.

use std::slice;

/// The bytes at an address.
///
/// # Safety
/// For as long as the slice is used they must be allocated by Python, and read or written through nothing else.
#[allow(unsafe_code, reason = "an address of Python's is no reference of Rust's")]
pub(crate) unsafe fn lend<'call>(address: usize, len: usize) -> &'call mut [u8] {
    if len == 0 {
        // An empty buffer may be anywhere.
        return &mut [];
    }
    // SAFETY: allocated and not shared, as the caller promises. Memory that comes from another language has some value.
    unsafe { slice::from_raw_parts_mut(address as *mut u8, len) }
}
