//! [`Observed<T>`]: this process measured it.

/// A value that this process measured itself, as opposed to one that somebody wrote down.
///
/// Only measuring code may build one, through the one name a reviewer can search for.
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

    /// The measurement.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Gives the measurement up as a plain value, which proves nothing any more.
    pub fn into_inner(self) -> T {
        self.0
    }
}
