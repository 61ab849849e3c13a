//! How a command ends: four exit codes, and a failure that says what happened and what to do about it.
//!
//! Scripts may rely on the numbers. It does not print; `cli` does, as text or as JSON.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// How a command ended, as the process reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Ok,
    /// 1: the command worked and found something that needs attention, or refused to do harm.
    Finding,
    /// 2: the command line or a file given on it makes no sense.
    Usage,
    /// 3: something the command needs is not there (a server, a program, a permission).
    Unavailable,
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Finding => 1,
            Self::Usage => 2,
            Self::Unavailable => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code that goes with it.
    pub exit: Exit,
    /// What happened, in one sentence or one line per finding.
    pub message: String,
    /// What the reader can do now.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure that leaves things as they were because going on would do harm.
    pub fn finding(message: impl Into<String>) -> Self {
        Self { exit: Exit::Finding, message: message.into(), hint: None }
    }

    /// A failure of the command line or of a file named on it.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// A failure because something is missing or not permitted.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unavailable, message: message.into(), hint: None }
    }

    /// The failure of an operation on a file.
    pub fn file(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::unavailable(format!("cannot {action} {}: {error}", path.display()))
    }

    /// The same failure with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
