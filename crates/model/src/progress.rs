//! [`Progress`]: what a door learns while a model is measured, and how it calls a halt.

/// Follows a measurement. Called from several threads at once, so it must be quick; `()` follows nothing.
pub trait Progress: Sync {
    /// The walk is over: this many files and bytes will be read.
    fn plan(&self, files: usize, bytes: u64);

    /// Another so many bytes have been hashed. The sum is exactly the planned number when the measurement succeeds.
    fn advance(&self, bytes: u64);

    /// Whether to stop; asked for each directory listed and before each round of reads, of at most 256 KiB a lane.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Progress for () {
    fn plan(&self, _files: usize, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
}
