//! A progress bar on a terminal, once the work has taken a second; and Ctrl-C.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use modelseal::Progress;
use std::{
    io::IsTerminal,
    process,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

const QUIET: Duration = Duration::from_secs(1);

static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Follows a measurement.
pub struct Bar {
    bar: ProgressBar,
    started: Instant,
    shown: AtomicBool,
}

impl Bar {
    /// Starts following, and listening for Ctrl-C: the first one stops the work in good order, the second at once.
    pub fn start() -> Self {
        // Fails only where a handler is there already, which then serves.
        let _ = ctrlc::set_handler(|| {
            if CANCELLED.swap(true, Ordering::Relaxed) {
                process::exit(130);
            }
        });
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = "{bar:30} {percent:>3}%  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        // Nothing to show, or nobody to show it to.
        let shown = AtomicBool::new(!std::io::stderr().is_terminal());
        Self { bar, started: Instant::now(), shown }
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
        CANCELLED.load(Ordering::Relaxed)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
