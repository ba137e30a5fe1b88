//! [`Listing`]: the files of a model, to be opened by whoever reads them for another purpose than hashing: by the same rules,
//! through the same descriptors, and noticing the same changes.

use crate::{
    engine::opener::Opener,
    error::MeasureError,
    measure::Options,
    note::Note,
    progress::Progress,
    source::Source,
    walk::{Rules, Walked, walk},
};
use modelseal_core::path::ModelPath;
use std::{fs::File, path::Path};

/// The files of a model, as they were when they were listed.
#[derive(Debug)]
pub struct Listing<'s> {
    source: &'s Source,
    walked: Walked,
    /// Positions in the walk, by name.
    order: Vec<usize>,
}

/// One thread's way to the files of a [`Listing`] or of [`Files`](crate::Files).
pub struct Opening<'l> {
    walked: &'l Walked,
    order: &'l [usize],
    opener: Opener<'l>,
}

impl<'s> Listing<'s> {
    /// Lists what [`measure`](crate::measure()) would read. Symbolic links that are not allowed are no error: they are
    /// [listed](Self::links), too.
    ///
    /// # Errors
    /// As [`measure`](crate::measure()), but for those of reading.
    pub fn of(source: &'s Source, options: &Options, progress: &dyn Progress) -> Result<Self, MeasureError> {
        let rules = Rules { list_symlinks: true, ..options.rules() };
        let mut walked = walk(source, rules, progress)?;
        let order = by_name(&walked);
        walked.links.sort_unstable();
        Ok(Self { source, walked, order })
    }

    /// Every file with its size in bytes, sorted by name.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&ModelPath, u64)> {
        self.order.iter().map(|at| &self.walked.files[*at]).map(|file| (&file.path, file.size))
    }

    /// Links that were not followed, with their text, sorted by name.
    pub fn links(&self) -> impl ExactSizeIterator<Item = (&ModelPath, &Path)> {
        self.walked.links.iter().map(|(path, target)| (path, target.as_path()))
    }

    /// Things to say about the model.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.walked.notes
    }

    /// Begins to open files.
    #[must_use]
    pub fn opening(&self) -> Opening<'_> {
        Opening::new(self.source, &self.walked, &self.order)
    }
}

/// The positions of the files of a walk, by name.
pub(crate) fn by_name(walked: &Walked) -> Vec<usize> {
    let mut order: Vec<usize> = (0..walked.files.len()).collect();
    order.sort_unstable_by(|a, b| walked.files[*a].path.cmp(&walked.files[*b].path));
    order
}

impl<'l> Opening<'l> {
    pub(crate) fn new(source: &'l Source, walked: &'l Walked, order: &'l [usize]) -> Self {
        Self { walked, order, opener: Opener::new(source, walked) }
    }

    /// Opens the file at this place of [`Listing::files`]; it is the file that was listed, or an error.
    ///
    /// # Errors
    /// [`MeasureError::Changed`], [`MeasureError::Io`].
    pub fn open(&mut self, file: usize) -> Result<File, MeasureError> {
        let at = self.order[file];
        let found = &self.walked.files[at];
        let open = self.opener.open(found);
        let open = open.map_err(|error| self.opener.failed("open", at, error))?;
        self.opener.examine(at, &open).map_err(|(_, error)| error)?;
        Ok(open)
    }

    /// Whether an open file is still what was listed: asked for after it was read.
    ///
    /// # Errors
    /// As [`Opening::open`].
    pub fn check(&self, file: usize, open: &File) -> Result<(), MeasureError> {
        self.opener.examine(self.order[file], open).map_err(|(_, error)| error)
    }
}

impl std::fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Change;
    use std::fs;

    #[test]
    fn files_are_sorted_and_noticed_when_they_change() {
        let model = tempfile::tempdir().unwrap();
        fs::create_dir(model.path().join("a")).unwrap();
        for (name, text) in [("b", "xy"), ("a/c", "z"), ("a.d", "")] {
            fs::write(model.path().join(name), text).unwrap();
        }
        let source = Source::open(model.path()).unwrap();
        let listing = Listing::of(&source, &Options::default(), &()).unwrap();
        let names: Vec<(&str, u64)> = listing.files().map(|(path, size)| (path.as_str(), size)).collect();
        assert_eq!(names, [("a.d", 0), ("a/c", 1), ("b", 2)]);
        let mut opening = listing.opening();
        let file = opening.open(2).unwrap();
        opening.check(2, &file).unwrap();
        fs::write(model.path().join("b"), "xyz").unwrap();
        let error = opening.check(2, &file).unwrap_err();
        assert!(matches!(error, MeasureError::Changed { change: Change::Grew { from: 2 }, .. }), "{error}");
        assert!(opening.open(2).is_err());
        fs::remove_file(model.path().join("a/c")).unwrap();
        let error = opening.open(1).unwrap_err();
        assert!(matches!(error, MeasureError::Changed { change: Change::Vanished, .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_listed_and_not_followed() {
        let model = tempfile::tempdir().unwrap();
        fs::write(model.path().join("f"), "x").unwrap();
        for (name, target) in [("l", "f"), ("out", "/etc/passwd"), ("d", "."), ("gone", "nowhere")] {
            std::os::unix::fs::symlink(target, model.path().join(name)).unwrap();
        }
        let source = Source::open(model.path()).unwrap();
        let listing = Listing::of(&source, &Options::default(), &()).unwrap();
        assert_eq!(listing.files().len(), 1);
        let links: Vec<String> =
            listing.links().map(|(path, target)| format!("{path} {}", target.display())).collect();
        assert_eq!(links, ["d .", "gone nowhere", "l f", "out /etc/passwd"]);
        fs::remove_file(model.path().join("f")).unwrap();
        assert_eq!(Listing::of(&source, &Options::default(), &()).unwrap().files().len(), 0);
    }
}
