//! Work without Python's lock: cancelled by Ctrl-C and by what the progress callback raises, and never by a thread that stays.

use modelseal::Progress;
use pyo3::prelude::*;
use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How often the thread that asked looks for signals and reports progress.
const TICK: Duration = Duration::from_millis(100);

/// As much as the main thread of a program has: the work was written for one.
const STACK_BYTES: usize = 8 << 20;

/// Does `job` without Python's lock. `callback` is called with the bytes that are done and those to do: before the first is
/// read, ten times in a second, and at the end.
///
/// # Errors
/// What a signal handler or `callback` raised: the job was stopped for it.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    callback: Option<&Bound<'_, PyAny>>,
    job: impl FnOnce(&Watch) -> T + Send,
) -> PyResult<T> {
    let watch = Watch::new(callback.is_some());
    let (done, raised) = thread::scope(|scope| {
        let doing = || {
            let _end = Ending(&watch);
            job(&watch)
        };
        let worker = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, doing)?;
        let mut raised = None;
        while let Tick::Look = py.detach(|| watch.wait()) {
            if raised.is_none() {
                raised = py.check_signals().and_then(|()| watch.report(callback)).err();
                watch.cancelled.store(raised.is_some(), Ordering::Relaxed);
            }
            watch.seen();
        }
        PyResult::Ok((py.detach(|| worker.join()), raised))
    })?;
    // A panic goes on where somebody asked: PyO3 makes an exception of it.
    let done = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match raised {
        Some(error) => Err(error),
        None => {
            py.check_signals()?;
            watch.report(callback)?;
            Ok(done)
        }
    }
}

/// What the worker tells, and is told.
pub(crate) struct Watch {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    /// Whether somebody wants to hear of a plan before it is carried out.
    tells: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ended: bool,
    /// A plan that nobody has been told of yet.
    planned: bool,
}

enum Tick {
    Look,
    End,
}

impl Watch {
    fn new(tells: bool) -> Self {
        Self {
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            tells,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to do for the thread that asked.
    fn wait(&self) -> Tick {
        let quiet = |state: &mut State| !state.ended && !state.planned;
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), TICK, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        if state.ended { Tick::End } else { Tick::Look }
    }

    fn seen(&self) {
        self.state().planned = false;
        self.changed.notify_all();
    }

    fn report(&self, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let Some(callback) = callback else { return Ok(()) };
        let total = self.total.load(Ordering::Relaxed);
        // A file that grew while it was read must not look like more than everything.
        let done = self.done.load(Ordering::Relaxed).min(total);
        callback.call1((done, total)).map(drop)
    }
}

impl Progress for Watch {
    fn plan(&self, _files: usize, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
        if self.tells {
            let mut state = self.state();
            state.planned = true;
            self.changed.notify_all();
            let told = self.changed.wait_while(state, |state| state.planned);
            drop(told.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Says that the work is over, however it ends.
struct Ending<'a>(&'a Watch);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_all();
    }
}
