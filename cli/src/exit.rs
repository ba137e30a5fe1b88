//! Exit statuses: a contract.

use modelseal::{Error, Kind};
use std::{fmt, process::ExitCode};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, verified.
    Done,
    /// 1: the model is denied.
    Denied,
    /// 2: flags, or a key, certificate or path given with them, are wrong.
    Usage,
    /// 3: nothing could be decided.
    Undecided,
    /// 126 or 127: `exec` could not run the command, as env(1) has it.
    NotRun(u8),
    /// 130: interrupted from the keyboard or told to stop.
    Interrupted,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub code: &'static str,
    pub message: String,
    /// What the program was doing, in the reference tool's words.
    pub doing: Option<&'static str>,
}

impl Failure {
    /// Something given is wrong.
    pub fn usage(code: &'static str, message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, code, message: message.to_string(), doing: None }
    }

    /// Something could not be done.
    pub fn io(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Undecided, code: "error.io", message: message.to_string(), doing: None }
    }

    /// Says what was being done.
    pub fn doing(self, doing: &'static str) -> Self {
        Self { doing: Some(doing), ..self }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        let exit = if e.code() == "error.cancelled" { Exit::Interrupted } else { e.kind().into() };
        Self { exit, code: e.code(), message: e.to_string(), doing: None }
    }
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Denied => Self::Denied,
            Kind::Usage => Self::Usage,
            Kind::Undecided => Self::Undecided,
        }
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => 0,
            Exit::Denied => 1,
            Exit::Usage => 2,
            Exit::Undecided => 3,
            Exit::NotRun(status) => status,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(u8::from(exit))
    }
}
