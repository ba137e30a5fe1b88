//! Freezing: the kernel enforces each file of a model before it is measured, so that what was measured is what is read later.

use crate::{
    codes,
    kernel::{self, Answer},
    report::KernelReport,
};
use modelseal_core::path::ModelPath;
use modelseal_fsverity::{Enabled, Reason};
use modelseal_model::{Listing, MeasureError, Options, Progress, Source};
use std::{fmt, path::PathBuf};

/// Why not all of a model's files could be frozen. Those that were stay so: doing it again goes on from there.
#[derive(Debug)]
pub(crate) enum FreezeError {
    /// The model cannot be listed, or changed meanwhile.
    Measure(MeasureError),
    /// The kernel did not freeze a file.
    File { path: PathBuf, error: modelseal_fsverity::Error, frozen: usize, files: usize },
    /// A link leads to a file.
    Linked(PathBuf),
    /// Files that were frozen are no longer there, but others under their names.
    Replaced { enforced: usize, files: usize },
}

/// Has the kernel enforce every file that measuring under these options would read.
///
/// All files are looked at before any is changed, so that a file system without fs-verity leaves the model as it is.
pub(crate) fn freeze(
    source: &Source,
    options: &Options,
    progress: &dyn Progress,
) -> Result<KernelReport, FreezeError> {
    let listing = Listing::of(source, options, progress)?;
    if let Some((path, target)) = listing.links().next() {
        let (path, target) = (shown(source, path), target.to_owned());
        return Err(FreezeError::Measure(MeasureError::Symlink { path, target }));
    }
    if let Some(path) = listing.first_linked() {
        return Err(FreezeError::Linked(shown(source, path)));
    }
    let files = listing.files().len();
    let failed = |path: &ModelPath, error, frozen| {
        let path = shown(source, path);
        FreezeError::File { path, error, frozen, files }
    };
    let mut opening = listing.opening();
    let mut left = Vec::new();
    for (at, (path, size)) in listing.files().enumerate() {
        stop(progress)?;
        let file = opening.open(at)?;
        match modelseal_fsverity::measure(&file) {
            Ok(Some(_)) => {}
            Ok(None) => left.push((at, path, size)),
            // With another hash it is frozen, too.
            Err(error) if matches!(error.reason, Reason::OtherHash(_)) => {}
            Err(error) => return Err(failed(path, error, 0)),
        }
    }
    progress.plan(left.len(), left.iter().map(|(_, _, size)| *size).fold(0, u64::saturating_add));
    let before = files - left.len();
    let mut now = 0;
    for (done, (at, path, size)) in left.into_iter().enumerate() {
        stop(progress)?;
        let file = opening.open(at)?;
        let enabled =
            modelseal_fsverity::enable(&file).map_err(|error| failed(path, error, before + done))?;
        now += usize::from(enabled == Enabled::Now);
        progress.advance(size);
    }
    Ok(KernelReport { files, enforced: files, verified: 0, frozen: Some(now) })
}

/// Whether every file is still one that the kernel enforces: after it was measured, so that nobody has put another one in the
/// place of one that was frozen.
///
/// # Errors
/// [`FreezeError::Replaced`], and those of listing.
pub(crate) fn check(source: &Source, options: &Options, progress: &dyn Progress) -> Result<(), FreezeError> {
    let listing = Listing::of(source, options, progress)?;
    let files = listing.files().len();
    let mut opening = listing.opening();
    let mut enforced = 0;
    for at in 0..files {
        let answer = kernel::answer(&opening.open(at)?);
        enforced += usize::from(answer != Answer::NotEnforced);
    }
    if enforced == files { Ok(()) } else { Err(FreezeError::Replaced { enforced, files }) }
}

fn stop(progress: &dyn Progress) -> Result<(), MeasureError> {
    if progress.cancelled() { Err(MeasureError::Cancelled) } else { Ok(()) }
}

fn shown(source: &Source, path: &ModelPath) -> PathBuf {
    if source.is_file() { source.path().to_owned() } else { source.path().join(path.as_str()) }
}

impl FreezeError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Measure(error) => codes::measure(error),
            Self::File { error, .. } if matches!(error.reason, Reason::Writer | Reason::Busy) => {
                "error.file-in-use"
            }
            Self::File { error, .. } if matches!(error.reason, Reason::NoSpace | Reason::Io) => "error.io",
            Self::File { .. } | Self::Linked(_) | Self::Replaced { .. } => "error.not-frozen",
        }
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        const OTHERWISE: &str = "without it: `modelseal verify` reads and verifies all the same, and a read-only image or \
                                 `modelseal exec --strict` keep the bytes as they were verified";
        match self {
            Self::Measure(_) => String::new(),
            Self::File { error, .. } if error.reason == Reason::Unsupported => {
                format!("{}; {OTHERWISE}", error.remedy())
            }
            Self::File { error, .. } => error.remedy().to_owned(),
            Self::Linked(_) => {
                "copy the model with its links resolved (cp -RL), and freeze the copy".to_owned()
            }
            Self::Replaced { .. } => {
                "end whatever replaces files of the model, and freeze it again".to_owned()
            }
        }
    }
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measure(error) => error.fmt(f),
            Self::File { path, error, frozen, files } => {
                write!(f, "'{}' cannot be frozen: {error}", path.display())?;
                match frozen {
                    0 => f.write_str("; no file was changed"),
                    frozen => write!(f, "; {frozen} of {files} files are frozen and stay so"),
                }
            }
            Self::Linked(path) => {
                write!(
                    f,
                    "'{}' is reached through a symbolic link, and freezing follows none; no file was changed",
                    path.display()
                )
            }
            Self::Replaced { enforced, files } => write!(
                f,
                "all files were frozen, and now only {enforced} of {files} are: somebody replaced files meanwhile"
            ),
        }
    }
}

impl From<MeasureError> for FreezeError {
    fn from(error: MeasureError) -> Self {
        Self::Measure(error)
    }
}
