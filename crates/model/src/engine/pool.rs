//! [`Pool`]: the large jobs, which no worker keeps. A message that is half hashed is its state and an offset, so
//! workers give theirs back after every slice and take those that have most left. So all of them end together, and
//! the lanes of all workers are full until then.

use crate::{
    engine::{
        lane::{Message, Stream},
        units::{Unit, Units},
    },
    error::MeasureError,
    kernel::{Kernel, Part},
    plan::Plan,
    walk::Walked,
};
use std::{
    cmp::Ordering as Order,
    collections::{BinaryHeap, HashMap},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// What the workers share.
pub(super) struct Pool<'a, K: Kernel, R> {
    plan: &'a Plan,
    walked: &'a Walked,
    units: Units<'a>,
    workers: usize,
    /// Large jobs, or pieces of them, that may be begun and not ended: each has a descriptor.
    window: u64,
    /// The next small job that nobody has taken.
    small: AtomicUsize,
    stop: AtomicBool,
    /// The first error, by the name of its file, of those that were seen; `None` for a wish to stop.
    failure: Mutex<Option<(Option<usize>, MeasureError)>>,
    state: Mutex<State<K::State, R>>,
    /// Somebody gave something back, or there is nothing left to wait for.
    changed: Condvar,
}

struct State<S, R> {
    /// The next large job to begin, and which piece of it.
    next: Unit,
    /// Jobs, or pieces of them, to begin; and those begun and not ended.
    unstarted: u64,
    live: u64,
    waiting: BinaryHeap<ByLength<S, R>>,
    /// Workers with nothing to do, and streams that one of them may read ahead of another, which hashes.
    idle: usize,
    offers: Vec<Offer<R>>,
    /// Of jobs that are hashed in pieces: the pieces that have ended.
    parts: HashMap<usize, Vec<Option<Part>>>,
}

/// What a worker is to do next.
pub(super) enum Given<S, R> {
    Begin(Unit),
    GoOn(Stream<S, R>),
}

/// What there is for a worker that has nothing.
pub(super) enum Wait<R> {
    /// To be dealt.
    Again,
    /// To read for another.
    Read(Offer<R>),
    /// Nothing, and nothing will come.
    Done,
}

/// A message whose bytes somebody else may read.
pub(super) struct Offer<R> {
    pub(super) file: usize,
    pub(super) open: R,
    pub(super) next: u64,
    pub(super) end: u64,
    pub(super) pipe: super::pipe::ReadEnd,
}

impl<'a, K: Kernel, R> Pool<'a, K, R> {
    /// `window` is an upper limit, and at least one.
    pub(super) fn new(plan: &'a Plan, walked: &'a Walked, workers: usize, window: usize) -> Self {
        let units = Units::new::<K>(plan, walked);
        let unstarted = units.total();
        // In waves of one size: a small last one would leave lanes empty.
        let waves = unstarted.div_ceil(window.max(1) as u64).max(1);
        Self {
            plan,
            walked,
            units,
            workers,
            window: unstarted.div_ceil(waves),
            small: AtomicUsize::new(plan.large),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
            state: Mutex::new(State {
                next: Unit { job: 0, piece: 0 },
                unstarted,
                live: 0,
                waiting: BinaryHeap::new(),
                idle: 0,
                offers: Vec::new(),
                parts: HashMap::new(),
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn take_small(&self) -> Option<usize> {
        // The first look keeps the counter from running away.
        if self.small.load(Ordering::Relaxed) >= self.plan.jobs.len() {
            return None;
        }
        Some(self.small.fetch_add(1, Ordering::Relaxed)).filter(|job| *job < self.plan.jobs.len())
    }

    /// Takes back streams, and gives a worker with `room` lanes its share of those that have most left.
    pub(super) fn deal(&self, back: Vec<Stream<K::State, R>>, room: usize) -> Vec<Given<K::State, R>> {
        let mut state = self.lock();
        state.waiting.extend(back.into_iter().map(ByLength));
        let unfinished = usize::try_from(state.unstarted + state.live).unwrap_or(usize::MAX);
        let share = unfinished.div_ceil(self.workers).min(room);
        let mut given = Vec::with_capacity(share);
        while given.len() < share {
            let fresh = state.unstarted > 0 && state.live < self.window;
            let fresh = fresh.then(|| self.units.range(state.next));
            let longest = state.waiting.peek().map(|stream| stream.0.message.left());
            match (fresh, longest) {
                (None, None) => break,
                (Some(range), longest) if longest.is_none_or(|left| left <= range.end - range.start) => {
                    given.push(Given::Begin(state.next));
                    state.next = self.units.after(state.next);
                    state.unstarted -= 1;
                    state.live += 1;
                }
                _ => given.extend(state.waiting.pop().map(|stream| Given::GoOn(stream.0))),
            }
        }
        if !state.waiting.is_empty() && state.idle > 0 {
            self.changed.notify_one();
        }
        given
    }

    /// Waits until others leave something to do.
    pub(super) fn wait(&self) -> Wait<R> {
        let mut state = self.lock();
        state.idle += 1;
        let found = loop {
            if self.stopped() || state.unstarted + state.live == 0 {
                break Wait::Done;
            }
            if let Some(offer) = state.offers.pop() {
                break Wait::Read(offer);
            }
            if !state.waiting.is_empty() || (state.unstarted > 0 && state.live < self.window) {
                break Wait::Again;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        state.idle -= 1;
        found
    }

    /// Whether somebody could read for another now.
    pub(super) fn may_offer(&self) -> bool {
        let state = self.lock();
        state.idle > state.offers.len() && !self.stopped()
    }

    /// Gives a stream to a worker that waits. `Err` gives it back when none does any more.
    pub(super) fn offer(&self, offer: Offer<R>) -> Result<(), Offer<R>> {
        let mut state = self.lock();
        // Under the lock, so that an offer is either seen by one who waits or swept away by `halt`.
        if self.stopped() || state.idle <= state.offers.len() {
            return Err(offer);
        }
        state.offers.push(offer);
        self.changed.notify_all();
        Ok(())
    }

    /// Some large jobs, or pieces of them, have ended.
    pub(super) fn ended(&self, count: usize) {
        let mut state = self.lock();
        state.live = state.live.saturating_sub(count as u64);
        if state.idle > 0 && (state.unstarted > 0 || state.live == 0) {
            self.changed.notify_all();
        }
    }

    /// Keeps the result of a piece; with the last of its job, gives the job's digest.
    pub(super) fn part(&self, unit: Unit, part: Part, join: fn(&[Part]) -> K::Output) -> Option<K::Output> {
        let mut state = self.lock();
        let count = self.units.pieces(unit.job);
        let parts = state
            .parts
            .entry(unit.job)
            .or_insert_with(|| vec![None; usize::try_from(count).unwrap_or(usize::MAX)]);
        if let Some(place) = usize::try_from(unit.piece).ok().and_then(|at| parts.get_mut(at)) {
            *place = Some(part);
        }
        let all: Vec<Part> =
            if parts.contains(&None) { return None } else { parts.iter().flatten().copied().collect() };
        state.parts.remove(&unit.job);
        drop(state);
        Some(join(&all))
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Makes every worker end soon.
    pub(super) fn halt(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.lock().offers.clear();
        self.changed.notify_all();
    }

    pub(super) fn fail(&self, file: Option<usize>, error: MeasureError) {
        let name = |file: usize| &self.walked.files[file].path;
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = match (&*failure, file) {
            (None, _) => true,
            (Some((None, _)), new) => new.is_some(),
            (Some((Some(_), _)), None) => false,
            (Some((Some(old), _)), Some(new)) => name(new) < name(*old),
        };
        if is_first {
            *failure = Some((file, error));
        }
        drop(failure);
        self.halt();
    }

    pub(super) fn into_failure(self) -> Option<MeasureError> {
        self.failure.into_inner().unwrap_or_else(PoisonError::into_inner).map(|(_, error)| error)
    }

    fn lock(&self) -> MutexGuard<'_, State<K::State, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Streams in the order of what they have left; among equals the earlier job first.
struct ByLength<S, R>(Stream<S, R>);

impl<S, R> ByLength<S, R> {
    fn key(&self) -> (u64, std::cmp::Reverse<(usize, u64)>) {
        let Message { unit, .. } = &self.0.message;
        (self.0.message.left(), std::cmp::Reverse((unit.job, unit.piece)))
    }
}

impl<S, R> Ord for ByLength<S, R> {
    fn cmp(&self, other: &Self) -> Order {
        self.key().cmp(&other.key())
    }
}

impl<S, R> PartialOrd for ByLength<S, R> {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl<S, R> PartialEq for ByLength<S, R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<S, R> Eq for ByLength<S, R> {}
