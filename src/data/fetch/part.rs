//! The files of an unfinished download: `NAME.part`, `NAME.part.tag` and `NAME.part.lock`.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::published::Published;
use super::space::unwritable;
use crate::error::{Error, Result};

/// Held while downloading, so that two processes never write to the same part.
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Fails with [`Error::Busy`] if another process holds it.
    pub fn take(folder: &Path, published: &Published<'_>) -> Result<Self> {
        let path = folder.join(format!("{}.part.lock", published.name));
        let file = File::create(&path).map_err(|fault| unwritable(&path, published.bytes, &fault))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, _file: file }),
            Err(TryLockError::WouldBlock) => {
                let what =
                    "another process is downloading this file: wait for it, or choose another folder with --dest";
                Err(Error::Busy { path: folder.join(published.name), what: what.into() })
            }
            Err(TryLockError::Error(fault)) => Err(Error::output(&path, fault.to_string())),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The part of a file that has been downloaded.
pub struct Part {
    /// The bytes so far.
    pub path: PathBuf,
    /// Holds the server's `ETag` or, without one, its `Last-Modified`.
    pub tag: PathBuf,
}

impl Part {
    /// The part of the file `name` in `folder`.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(format!("{name}.part")), tag: folder.join(format!("{name}.part.tag")) }
    }

    /// Its size; 0 if it does not exist.
    pub fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Where to resume, and which version of the file; `None` to start from the beginning.
    pub fn place(&self) -> Option<(u64, String)> {
        let tag = fs::read_to_string(&self.tag).ok().filter(|tag| !tag.is_empty())?;
        Some((self.length(), tag)).filter(|(length, _)| *length > 0)
    }

    /// Removes it. A file that cannot be removed is overwritten later.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.tag);
        let _ = fs::remove_file(&self.path);
    }
}
