//! [`Observed<T>`]: this process measured it.

/// A value that this process measured itself, as opposed to one that somebody wrote down.
///
/// Only measuring code may build one, through a name that a reviewer can search for:
/// [`measured_by_this_process`](Self::measured_by_this_process). The two exceptions have names of their own,
/// [`vouched_for_by_operator`](Self::vouched_for_by_operator) and [`enforced_by_kernel`](Self::enforced_by_kernel).
///
/// ```compile_fail
/// # use modelseal_core::observed::Observed;
/// let forged = Observed(7); // the field is private
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed<T>(T);

impl<T> Observed<T> {
    /// Asserts that this process measured `value`, reading every byte it speaks of.
    pub fn measured_by_this_process(value: T) -> Self {
        Self(value)
    }

    /// Takes a measurement that was made elsewhere, because whoever holds the signing key said in so many words that its
    /// source is to be trusted. For signing only: a signer answers for what is signed, however it was measured. Never for
    /// verifying, where it would make a claim out of a check.
    pub fn vouched_for_by_operator(value: T) -> Self {
        Self(value)
    }

    /// Takes a measurement in which some files were not read: the kernel, which enforces their bytes at every read, gave
    /// the fs-verity digest that a verified signature has for each beside the digests that stand here. So these digests rest
    /// on the word of whoever signed that manifest, and are good for a comparison with it and with no other.
    pub fn enforced_by_kernel(value: T) -> Self {
        Self(value)
    }

    /// The measurement.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Gives the measurement up as a plain value, which proves nothing any more.
    pub fn into_inner(self) -> T {
        self.0
    }
}
