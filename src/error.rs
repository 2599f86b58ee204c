//! The causes of failure, each with its exit code; `cyclone --help` lists them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of anything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command stopped. A message says what failed and where, what was expected and found, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Exit code 1: a check found a difference.
    #[error("{0}")]
    CheckFailed(String),
    /// Exit code 2: an invalid flag, configuration file or shape.
    #[error("{0}")]
    Usage(String),
    /// Exit code 3: the images cannot be used.
    #[error("{}: {what}", shown(path))]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// Where in it, what was expected and found, what to do.
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
    /// Exit code 5: no GPU, a lost GPU, or one with too little memory.
    #[error("{0}")]
    Gpu(String),
    /// Exit code 6: a loss or a weight is no longer finite.
    #[error("{0}")]
    Diverged(String),
    /// Exit code 7: an archive is damaged or is not the expected one.
    #[error("{}: {what}", shown(path))]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Which member, what was expected and found, what to do.
        what: String,
    },
    /// Exit code 7: a download failed, or returned another file.
    #[error("{}: {what}", escaped(url))]
    Download {
        /// The requested address.
        url: String,
        /// What happened, what was expected and found, what to do.
        what: String,
    },
    /// Exit code 8: a checkpoint is damaged, or belongs to another run.
    #[error("{}: {what}", shown(path))]
    Checkpoint {
        /// The checkpoint, or the run's folder.
        path: PathBuf,
        /// Where in it, what was expected and found, what to do.
        what: String,
    },
    /// Exit code 9: another process is training in the folder, or downloading into it.
    #[error("{}: {what}", shown(path))]
    Busy {
        /// The folder, or the file.
        path: PathBuf,
        /// Which process, and what to do.
        what: String,
    },
    /// Exit code 10: not enough memory or threads.
    #[error("{0}")]
    Resources(String),
    /// Exit code 11: a device computed something wrong, so nothing it gave is a result.
    #[error(
        "{device} computed something wrong: {what}. No result of it can be trusted. See which kernel fails: cyclone verify; \
         use another --device or update the driver"
    )]
    Wrong {
        /// Adapter, driver and how the engine is set up.
        device: String,
        /// When, what (and by which kernels), and how far off.
        what: String,
    },
    /// A signal or the end of `--max-time` ended the command, and the work so far is kept.
    #[error("stopped by {name} after {after}")]
    Interrupted {
        /// `SIGINT`, `SIGTERM`, `SIGHUP` or `--max-time`.
        name: &'static str,
        /// The exit code: 128 + the signal's number, as in shells, or 124, as of `timeout`.
        code: u8,
        /// Progress so far: `step 96`, `5 of 20 trials`.
        after: String,
    },
    /// The exit code of its cause: one rank of a job failed, and told the others.
    #[error("{message}")]
    Job {
        /// The cause's exit code.
        code: u8,
        /// Which rank, and the cause.
        message: String,
    },
    /// Exit code 70: a bug in this program.
    #[error("{0} (this is a bug in cyclone: please report it)")]
    Internal(String),
}

impl Error {
    /// The exit code of the process.
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
            Self::Wrong { .. } => 11,
            Self::Interrupted { code, .. } | Self::Job { code, .. } => *code,
            Self::Internal(_) => 70,
        }
    }

    /// An [`Error::Resources`] for threads that cannot be started.
    pub fn threads(fault: &rayon::ThreadPoolBuildError) -> Self {
        Self::Resources(format!("cannot start threads: {fault}; raise the limit (ulimit -u, -v)"))
    }

    /// An [`Error::Data`] about `path`.
    pub fn data(path: &Path, what: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), what: what.into() }
    }

    /// An [`Error::Data`] for a file or folder that cannot be read.
    pub fn unreadable(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::data(path, error.to_string())
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

/// `text` with its control characters escaped, so that a file name cannot control the terminal or start a new line.
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
