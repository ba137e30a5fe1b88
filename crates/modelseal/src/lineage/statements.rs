//! Where statements about an artifact are found: a [`Store`], or whatever else implements [`Statements`]. What is found is
//! only a candidate: whoever asks verifies the signature and compares the subjects.

use crate::store::{Problem, ProblemKind, Store, StoreError, StoredBundle};
use modelseal_core::{artifact::ArtifactId, limits::MAX_LINEAGE_BUNDLES, text::Printable};

/// Problems of a store that are said, before the others are only counted.
const MAX_NOTES: usize = 20;

/// Finds the statements about artifacts.
pub trait Statements {
    /// The bundles whose statements may be about something that has one of these ids, in an order that depends on their
    /// contents only. At most [`MAX_LINEAGE_BUNDLES`] and one more, which says that there are too many.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn about(&self, ids: &[ArtifactId]) -> Result<Vec<StoredBundle>, StoreError>;

    /// A walk begins: what is read for it may be kept until it ends, and is then the same for all of it.
    fn walk_begins(&self) {}

    /// A walk that began has ended.
    fn walk_ends(&self) {}

    /// What has to be said about where they come from.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn notes(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// A walk that lasts until this is dropped.
pub(super) struct Walking<'a>(&'a dyn Statements);

impl<'a> Walking<'a> {
    pub(super) fn over(statements: &'a dyn Statements) -> Self {
        statements.walk_begins();
        Self(statements)
    }
}

impl Drop for Walking<'_> {
    fn drop(&mut self) {
        self.0.walk_ends();
    }
}

/// No store: only what lies beside a model is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStatements;

impl Statements for NoStatements {
    fn about(&self, _: &[ArtifactId]) -> Result<Vec<StoredBundle>, StoreError> {
        Ok(Vec::new())
    }
}

impl Statements for Store {
    fn about(&self, ids: &[ArtifactId]) -> Result<Vec<StoredBundle>, StoreError> {
        let mut found = Vec::new();
        self.each_about(ids, &mut |bundle| {
            found.push(bundle);
            found.len() <= MAX_LINEAGE_BUNDLES
        })?;
        found.sort_by_key(|bundle| bundle.sha256);
        Ok(found)
    }

    fn walk_begins(&self) {
        self.begin_search();
    }

    fn walk_ends(&self) {
        self.end_search();
    }

    fn notes(&self) -> Result<Vec<String>, StoreError> {
        // A file that holds something else than a bundle keeps nothing back.
        let problems: Vec<Problem> =
            self.problems()?.into_iter().filter(|problem| problem.kind != ProblemKind::NoBundle).collect();
        let mut notes = Self::notes(self);
        notes.extend(problems.iter().take(MAX_NOTES).map(|problem| {
            let (path, message) = (problem.path.display(), Printable(&problem.message));
            format!("'{path}' of the store was not used: {message}")
        }));
        if problems.len() > MAX_NOTES {
            notes.push(format!("{} more files of the store have problems", problems.len() - MAX_NOTES));
        }
        Ok(notes)
    }
}
