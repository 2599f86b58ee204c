//! One process a run's folder. The lock is the system's, on an open file, so it ends with the process however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;
use std::process;

use crate::error::{Error, Result};
use crate::util::files::failed;

/// The file that is locked. It stays; its text is the number of the last process that trained here.
pub const NAME: &str = ".lock";

/// Takes the folder's lock for this process.
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

/// Demands that no process have the lock, if there is one.
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
        what: format!("{holder} trains in this folder: wait for it, stop it, or name another folder with --out"),
    }
}
