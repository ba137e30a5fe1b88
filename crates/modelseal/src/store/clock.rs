//! Whether a time is old enough to tell a change.

use super::files::Stamp;
use std::{
    path::Path,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

/// How long a time must have passed before nothing can change under it: the coarsest clock of a file system in use.
const SETTLED: Duration = Duration::from_secs(2);

/// By how much the clock of another machine's file system differs at most from ours.
const SKEW: Duration = Duration::from_secs(3600);

/// The time now, by our clock and by that of a store's file system.
pub(super) struct Clock<'a> {
    store: &'a Path,
    ours: SystemTime,
    theirs: OnceLock<SystemTime>,
    /// How far both are ahead; nothing but in tests.
    ahead: Duration,
}

impl<'a> Clock<'a> {
    pub(super) fn new(store: &'a Path, ahead: Duration) -> Self {
        Self { store, ours: SystemTime::now() + ahead, theirs: OnceLock::new(), ahead }
    }

    /// The stamp, if what it is of cannot have changed since without changing it.
    pub(super) fn settled(&self, stamp: Stamp) -> Option<Stamp> {
        let youngest = stamp.modified.max(stamp.changed);
        let youngest = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(youngest).ok()?);
        let age = |now: SystemTime| now.duration_since(youngest).ok();
        let old = age(self.ours).is_some_and(|age| age >= SKEW);
        let settled = old || age(self.theirs()).is_some_and(|age| age >= SETTLED);
        settled.then_some(stamp)
    }

    /// What a new file in the store is dated, where one can be made. The earlier of both clocks remembers less.
    fn theirs(&self) -> SystemTime {
        *self.theirs.get_or_init(|| {
            let touched = crate::disk::temporary_file(self.store)
                .and_then(|file| file.as_file().metadata()?.modified());
            touched.map_or(self.ours, |theirs| self.ours.min(theirs + self.ahead))
        })
    }
}
