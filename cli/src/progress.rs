//! A progress bar on a terminal, once the work has taken a second.

use crate::interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use modelseal::Progress;
use std::{
    io::IsTerminal,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

const QUIET: Duration = Duration::from_secs(1);

/// Follows a measurement.
pub struct Bar {
    bar: ProgressBar,
    started: Instant,
    shown: AtomicBool,
    _work: interrupt::Work,
}

impl Bar {
    /// Starts following; the first Ctrl-C stops the work in good order, the second at once.
    pub fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = "{bar:30} {percent:>3}%  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        // Nothing to show, or nobody to show it to.
        let shown = AtomicBool::new(!std::io::stderr().is_terminal());
        Self { bar, started: Instant::now(), shown, _work: interrupt::Work::start() }
    }
}

impl Progress for Bar {
    fn plan(&self, _files: usize, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if !self.shown.load(Ordering::Relaxed)
            && self.started.elapsed() > QUIET
            && !self.shown.swap(true, Ordering::Relaxed)
        {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn cancelled(&self) -> bool {
        interrupt::cancelled()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
