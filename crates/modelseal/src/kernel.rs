//! Measuring with the kernel's help: a file whose bytes it enforces (fs-verity) is not read when the signer of the very manifest
//! that it is compared with signed the digest by which the kernel knows it.

use crate::report::KernelReport;
use modelseal_core::{path::ModelPath, text::Printable, verity::FsVerityDigest};
use modelseal_fsverity::Reason;
use modelseal_model::{KnownDigests, MeasureError, Measured, Options, Progress, Source, measure_enforced};
use modelseal_verify::enforced::SignedFsVerity;
use std::{cell::RefCell, fs::File};

/// What the kernel says of an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Anybody may write to it.
    NotEnforced,
    /// Nobody can, and its digest is this.
    Enforced(FsVerityDigest),
    /// Nobody can; it has no digest of the kind that is signed.
    EnforcedOtherwise,
}

/// A model that was measured, and what the kernel did for it.
pub(crate) struct WithKernel {
    pub(crate) measured: Measured,
    pub(crate) report: KernelReport,
    /// What the user should know.
    pub(crate) note: Option<String>,
}

/// Measures, reading no file that `signed` lets the kernel answer for.
pub(crate) fn measure(
    source: &Source,
    options: &Options,
    signed: &SignedFsVerity,
    progress: &dyn Progress,
) -> Result<WithKernel, MeasureError> {
    let differing = RefCell::new(Vec::new());
    let kernel = |path: &ModelPath, file: &File| match answer(file) {
        Answer::NotEnforced => None,
        Answer::EnforcedOtherwise => Some(KnownDigests::new()),
        Answer::Enforced(digest) => {
            let digests: KnownDigests = signed.digests(path, digest).iter().copied().collect();
            if digests.is_empty() && signed.has(path) {
                differing.borrow_mut().push(path.clone());
            }
            Some(digests)
        }
    };
    let found = measure_enforced(source, options, &kernel, progress)?;
    let report = KernelReport {
        files: found.measured.files,
        enforced: found.enforced,
        verified: found.unread,
        frozen: None,
    };
    Ok(WithKernel { measured: found.measured, report, note: note(&differing.into_inner()) })
}

/// What the kernel says of a file. What it does not say is no answer: the file is then read.
pub(crate) fn answer(file: &File) -> Answer {
    #[cfg(test)]
    if let Some(answer) = double::answer(file) {
        return answer;
    }
    match modelseal_fsverity::measure(file) {
        Ok(Some(digest)) => Answer::Enforced(FsVerityDigest::new(digest)),
        Err(error) if matches!(error.reason, Reason::OtherHash(_)) => Answer::EnforcedOtherwise,
        Ok(None) | Err(_) => Answer::NotEnforced,
    }
}

fn note(differing: &[ModelPath]) -> Option<String> {
    let first = Printable(differing.first()?.as_str());
    const WHY: &str = "other bytes, or enabled with a salt or another block size";
    Some(match differing.len() {
        1 => format!("the kernel's fs-verity digest of '{first}' is not the signed one ({WHY}): it was read"),
        count => format!(
            "the kernel's fs-verity digests of {count} files, the first '{first}', are not the signed ones ({WHY}): they were \
             read"
        ),
    })
}

/// Stands for the kernel in tests of this crate, on machines whose kernel has no fs-verity.
#[cfg(test)]
pub(crate) mod double {
    use super::Answer;
    use std::{cell::RefCell, fs::File};

    type Kernel = Box<dyn Fn(&File) -> Answer>;

    thread_local! {
        static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
    }

    /// Answers so on this thread until it is dropped.
    pub(crate) struct Standing;

    pub(crate) fn stand(kernel: impl Fn(&File) -> Answer + 'static) -> Standing {
        KERNEL.set(Some(Box::new(kernel)));
        Standing
    }

    pub(super) fn answer(file: &File) -> Option<Answer> {
        KERNEL.with_borrow(|kernel| kernel.as_ref().map(|kernel| kernel(file)))
    }

    impl Drop for Standing {
        fn drop(&mut self) {
            KERNEL.set(None);
        }
    }
}

#[cfg(test)]
mod tests;
