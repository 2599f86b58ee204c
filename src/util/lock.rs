//! A lock on a run's folder, so that one process trains there. It is a file lock, which ends with the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;
use std::process;

use crate::error::{Error, Result};
use crate::util::files::failed;

/// The locked file. It is never removed, and has the id of the last process that trained here.
pub const NAME: &str = ".lock";

/// Locks the folder for this process.
pub fn take(run: &Path) -> Result<File> {
    let path = run.join(NAME);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy(run)),
        Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
    }
    file.set_len(0).and_then(|()| write!(file, "{}", process::id())).map_err(failed(&path))?;
    Ok(file)
}

/// Fails if a process holds the lock.
pub fn check(run: &Path) -> Result<()> {
    match File::open(run.join(NAME)).map(|file| file.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => Err(busy(run)),
        _ => Ok(()),
    }
}

fn busy(run: &Path) -> Error {
    let holder = match fs::read_to_string(run.join(NAME)) {
        Ok(process) if !process.is_empty() => format!("process {process}"),
        _ => "another process".into(),
    };
    Error::Busy {
        path: run.to_owned(),
        what: format!("{holder} is training in this folder: wait for it, stop it, or choose another folder with --out"),
    }
}
