//! Asking a store: the index says where, the files say what.

use super::{
    Claims, Problem, ProblemKind, Resource, State, Store, StoreError, StoredBundle,
    cache::{Known, LastFile},
    index::{Index, IndexError, Key, Place},
    layout::{self, MAX_DOCUMENT_BYTES},
    problem, stored,
};
use modelseal_core::{
    artifact::ArtifactId,
    digest::{Algorithm, Digest},
    limits::{MAX_STORE_ANSWER_BYTES, MAX_STORE_DOCUMENTS},
};
use std::{collections::HashSet, sync::Arc};

impl Store {
    /// The bundle with this SHA-256, under its own name or in a file of another.
    ///
    /// # Errors
    /// [`StoreError`] when the store or the index cannot be read.
    pub fn get(&self, sha256: &Digest) -> Result<Option<StoredBundle>, StoreError> {
        let Ok(wanted) = <[u8; 32]>::try_from(sha256.as_bytes()) else { return Ok(None) };
        if sha256.algorithm() != Algorithm::Sha256 {
            return Ok(None);
        }
        let own = Place { folder: layout::folder_name(&wanted), name: None, sha256: wanted, line: 0 };
        if self
            .folder
            .enter(&own.folder)
            .and_then(|folder| folder.stamp_at(&layout::bundle_name(&wanted)))
            .is_ok()
            && let Some(found) = self.read(&own, &mut None)
        {
            return Ok(Some(Arc::unwrap_or_clone(found.bundle)));
        }
        let places = self.find(Key::content(&wanted))?;
        let mut file = self.state().cache.take_file();
        let mut found = places.iter().filter_map(|place| self.read(place, &mut file));
        let found = found.find(|found| found.bundle.sha256 == *sha256);
        self.state().cache.keep_file(file);
        Ok(found.map(|found| Arc::unwrap_or_clone(found.bundle)))
    }

    /// The bundles whose statements have a subject with one of these ids. Nobody has verified them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or there are more than fit into memory.
    pub fn about(&self, ids: &[ArtifactId]) -> Result<Vec<StoredBundle>, StoreError> {
        self.collect(|take| self.each_about(ids, take))
    }

    /// The bundles whose provenance depends on the artifact with this id. Nobody has verified them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or there are more than fit into memory.
    pub fn used_by(&self, id: &ArtifactId) -> Result<Vec<StoredBundle>, StoreError> {
        self.collect(|take| self.each_used_by(std::slice::from_ref(id), take))
    }

    /// The bundles whose statements name this URI as that of a subject or of a dependency. Nobody has verified them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or there are more than fit into memory.
    pub fn naming(&self, uri: &str) -> Result<Vec<StoredBundle>, StoreError> {
        let names = |resource: &Resource| resource.uri.as_deref() == Some(uri);
        self.collect(|take| {
            let mut take = |bundle| take(Arc::unwrap_or_clone(bundle));
            self.each(&[Key::uri(uri)], &mut take, |claims| {
                claims.subjects.iter().chain(&claims.dependencies).any(names)
            })
        })
    }

    /// Gives the bundles of [`about`](Self::about) one after the other, each once, until `take` returns false.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn each_about(
        &self,
        ids: &[ArtifactId],
        take: &mut dyn FnMut(StoredBundle) -> bool,
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = ids.iter().map(Key::subject).collect();
        let mut take = |bundle| take(Arc::unwrap_or_clone(bundle));
        self.each(&keys, &mut take, |claims| claims.subjects.iter().any(|subject| subject.is_any_of(ids)))
    }

    /// Gives the bundles of [`used_by`](Self::used_by), for any of several ids, one after the other, each once, until `take`
    /// returns false.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn each_used_by(
        &self,
        ids: &[ArtifactId],
        take: &mut dyn FnMut(StoredBundle) -> bool,
    ) -> Result<(), StoreError> {
        self.each_shared_used_by(ids, &mut |bundle| take(Arc::unwrap_or_clone(bundle)))
    }

    /// The same without a copy of each.
    pub(crate) fn each_shared_used_by(
        &self,
        ids: &[ArtifactId],
        take: &mut dyn FnMut(Arc<StoredBundle>) -> bool,
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = ids.iter().map(Key::dependency).collect();
        self.each(&keys, take, |claims| {
            claims.dependencies.iter().any(|dependency| dependency.is_any_of(ids))
        })
    }

    fn find(&self, key: Key) -> Result<Vec<Place>, StoreError> {
        let mut state = self.state();
        self.bring_up_to_date(&mut state)?;
        let find = |state: &State| {
            let index = state.index.as_ref().ok_or(IndexError::Damaged("there is none"))?;
            index.find(key, MAX_STORE_DOCUMENTS + 1)
        };
        let places = match find(&state) {
            Ok(places) => places,
            Err(e) => {
                state.note_anew(&e);
                state.index = Some(Index::empty()?);
                state.fresh = false;
                self.bring_up_to_date(&mut state)?;
                find(&state)?
            }
        };
        if places.len() > MAX_STORE_DOCUMENTS {
            return Err(StoreError::TooMany { what: "bundles", limit: MAX_STORE_DOCUMENTS as u64 });
        }
        Ok(places)
    }

    fn each(
        &self,
        keys: &[Key],
        take: &mut dyn FnMut(Arc<StoredBundle>) -> bool,
        wanted: impl Fn(&Claims) -> bool,
    ) -> Result<(), StoreError> {
        let mut places = Vec::new();
        for key in keys {
            places.append(&mut self.find(*key)?);
        }
        places.sort_unstable();
        places.dedup();
        let (mut seen, mut file) = (HashSet::new(), self.state().cache.take_file());
        for place in &places {
            let Some(Known { bundle, content }) = self.read(place, &mut file) else { continue };
            // The index is believed in nothing.
            let claims_it = bundle.claims.as_ref().is_some_and(&wanted);
            if claims_it && seen.insert(content) && !take(bundle) {
                break;
            }
        }
        self.state().cache.keep_file(file);
        Ok(())
    }

    fn collect(
        &self,
        ask: impl FnOnce(&mut dyn FnMut(StoredBundle) -> bool) -> Result<(), StoreError>,
    ) -> Result<Vec<StoredBundle>, StoreError> {
        let (mut bundles, mut bytes) = (Vec::<StoredBundle>::new(), 0);
        ask(&mut |bundle| {
            bytes += bundle.bytes.len() as u64;
            bundles.push(bundle);
            bytes <= MAX_STORE_ANSWER_BYTES
        })?;
        if bytes > MAX_STORE_ANSWER_BYTES {
            return Err(StoreError::TooMany { what: "bytes of bundles", limit: MAX_STORE_ANSWER_BYTES });
        }
        // An order that depends on nothing but the bundles.
        bundles.sort_unstable_by_key(|bundle| bundle.sha256);
        Ok(bundles)
    }

    /// Reads the bundle at a place again, unless an earlier question of the same search did. What is not what the index says is reported and not
    /// used. `file` keeps the last file, of which another line may be wanted next.
    fn read(&self, place: &Place, file: &mut Option<LastFile>) -> Option<Known> {
        if let Some(known) = self.state().cache.get(place) {
            return Some(known);
        }
        let own = layout::bundle_name(&place.sha256);
        let name = place.name.as_deref().unwrap_or(&own);
        let path = layout::path_of(self.path(), &place.folder, name);
        if file.as_ref().is_none_or(|known| !known.is(&path, &place.sha256)) {
            let read = self.folder.enter(&place.folder).and_then(|f| f.read(name, MAX_DOCUMENT_BYTES));
            let why = match read {
                Ok((bytes, _)) if layout::sha256(&bytes) == place.sha256 => {
                    *file = Some(LastFile::new(path.clone(), place.sha256, bytes));
                    None
                }
                Ok(_) if place.name.is_none() => Some(problem::OTHER_CONTENT.to_owned()),
                Ok(_) => Some("it was changed while it was looked at".to_owned()),
                Err(e) => Some(e.to_string()),
            };
            if let Some(message) = why {
                *file = None;
                self.state().problems.insert(Problem { path, kind: ProblemKind::NotRead, message });
                return None;
            }
        }
        let line = place.line;
        let part = file.as_ref()?.part(line)?;
        match stored(path.clone(), line, part) {
            Ok(stored) => {
                let known = Known::new(stored);
                self.state().cache.keep(place, &known);
                Some(known)
            }
            // The index had only glanced at it.
            Err(unusable) => {
                self.state().problems.insert(unusable.into_problem(path, line));
                None
            }
        }
    }
}
