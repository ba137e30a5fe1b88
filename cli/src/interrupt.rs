//! Ctrl-C and being told to stop: work ends in good order, a question leaves the terminal as it was, anything else ends
//! at once. The exit status is 130 each time.

use crate::{
    exit::{Exit, Failure},
    output::Output,
};
use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

static WORKING: AtomicBool = AtomicBool::new(false);
static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Starts listening, for the whole run of the program.
pub fn listen(output: Output) {
    // Fails only where a handler is there already, which then serves.
    let _ = ctrlc::set_handler(move || {
        let again = CANCELLED.swap(true, Ordering::Relaxed);
        if WORKING.load(Ordering::Relaxed) && !again {
            return;
        }
        terminal::restore();
        if !again {
            output.failure(&Failure {
                exit: Exit::Interrupted,
                code: "error.cancelled",
                ..Failure::io("cancelled")
            });
        }
        process::exit(130);
    });
}

/// Whether work should stop.
pub fn cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// Work that looks at [`cancelled`] while it lasts.
pub struct Work(());

impl Work {
    pub fn start() -> Self {
        WORKING.store(true, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        WORKING.store(false, Ordering::Relaxed);
    }
}

pub use terminal::Question;

#[cfg(unix)]
mod terminal {
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
    use std::{
        fs::File,
        sync::{Mutex, PoisonError},
    };

    static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

    /// A question to whose answer the terminal is blind, while it lasts.
    pub struct Question(());

    impl Question {
        pub fn start() -> Self {
            let terminal = File::open("/dev/tty").ok();
            let before = terminal.and_then(|tty| tcgetattr(&tty).ok().map(|settings| (tty, settings)));
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = before;
            Self(())
        }
    }

    impl Drop for Question {
        fn drop(&mut self) {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    pub(super) fn restore() {
        if let Some((terminal, settings)) = &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = tcsetattr(terminal, OptionalActions::Now, settings);
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    /// A question; the system restores the terminal.
    pub struct Question(());

    impl Question {
        pub fn start() -> Self {
            Self(())
        }
    }

    pub(super) fn restore() {}
}
