//! One error enum, its variants by cause. Every cause has its own exit code, listed by `cyclone --help`.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command stopped. A message says what, where, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Exit code 1: everything ran, and a check found a difference.
    #[error("{0}")]
    CheckFailed(String),
    /// Exit code 2: a flag, a configuration file or a shape that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// Exit code 3: the images cannot be used.
    #[error("{}: {what}", shown(path))]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// Where in it, expected, found, what to do.
        what: String,
    },
    /// Exit code 4: a record cannot be written.
    #[error("{}: {what}", shown(path))]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What was tried and what the system said.
        what: String,
    },
    /// Exit code 5: no GPU, a GPU that was lost, or one without the memory.
    #[error("{0}")]
    Gpu(String),
    /// Exit code 6: a loss or a weight stopped being a finite number.
    #[error("{0}")]
    Diverged(String),
    /// Exit code 7: an archive is damaged or is not the expected one.
    #[error("{}: {what}", shown(path))]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Which member, expected, found, what to do.
        what: String,
    },
    /// Exit code 7: a download failed, or brought something else than was asked for.
    #[error("{}: {what}", escaped(url))]
    Download {
        /// What was asked for.
        url: String,
        /// What happened, expected, found, what to do.
        what: String,
    },
    /// Exit code 8: a checkpoint is damaged, or is not of the run that was asked for.
    #[error("{}: {what}", shown(path))]
    Checkpoint {
        /// The checkpoint, or the run's folder.
        path: PathBuf,
        /// Where in it, expected, found, what to do.
        what: String,
    },
    /// Exit code 9: another process trains in the folder, or downloads into it.
    #[error("{}: {what}", shown(path))]
    Busy {
        /// The folder, or the file.
        path: PathBuf,
        /// Which process, and what to do.
        what: String,
    },
    /// Exit code 10: the system does not give the memory or the threads that are needed.
    #[error("{0}")]
    Resources(String),
    /// Exit code 128 + number, as shells have it: a signal ended the command, and what was done so far is kept.
    #[error("stopped by {name} after {after}")]
    Interrupted {
        /// `SIGINT`, `SIGTERM` or `SIGHUP`.
        name: &'static str,
        /// The signal's number: 2, 15 or 1.
        number: u8,
        /// What was done by then: `step 96`, `5 of 20 trials`.
        after: String,
    },
    /// The exit code of its cause: something failed on one of a job's ranks, and all of them know.
    #[error("{message}")]
    Job {
        /// The cause's exit code.
        code: u8,
        /// Which rank, and the cause.
        message: String,
    },
    /// Exit code 70: a mistake in this program.
    #[error("{0} (this is a mistake in cyclone: please report it)")]
    Internal(String),
}

impl Error {
    /// The process's exit code for this cause.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CheckFailed(_) => 1,
            Self::Usage(_) => 2,
            Self::Data { .. } => 3,
            Self::Output { .. } => 4,
            Self::Gpu(_) => 5,
            Self::Diverged(_) => 6,
            Self::Archive { .. } | Self::Download { .. } => 7,
            Self::Checkpoint { .. } => 8,
            Self::Busy { .. } => 9,
            Self::Resources(_) => 10,
            Self::Interrupted { number, .. } => 128 + number,
            Self::Job { code, .. } => *code,
            Self::Internal(_) => 70,
        }
    }

    /// An [`Error::Resources`] for threads that the system does not give.
    pub fn threads(fault: &rayon::ThreadPoolBuildError) -> Self {
        Self::Resources(format!("cannot start threads: {fault}; raise the limit (ulimit -u, -v)"))
    }

    /// An [`Error::Data`] about `path`.
    pub fn data(path: &Path, what: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), what: what.into() }
    }

    /// An [`Error::Output`] about `path`.
    pub fn output(path: &Path, what: impl Into<String>) -> Self {
        Self::Output { path: path.to_owned(), what: what.into() }
    }

    /// An [`Error::Archive`] about `path`.
    pub fn archive(path: &Path, what: impl Into<String>) -> Self {
        Self::Archive { path: path.to_owned(), what: what.into() }
    }

    /// An [`Error::Checkpoint`] about `path`.
    pub fn checkpoint(path: &Path, what: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_owned(), what: what.into() }
    }
}

/// `text`, a file's name say, with its control characters escaped: one that would steer a terminal or begin a line of its
/// own is seen and does nothing.
pub fn escaped(text: impl fmt::Display) -> String {
    let mut shown = String::new();
    for character in text.to_string().chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A path as messages show it.
pub fn shown(path: &Path) -> String {
    escaped(path.display())
}
