//! Writing a file completely or not at all, even if the power fails.
//!
//! The system calls are behind a trait, so that a test can make each of them fail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The system calls of [`replace`].
pub trait Disk {
    /// Creates an empty file, or truncates an existing one.
    fn create(&self, path: &Path) -> io::Result<File> {
        File::create(path)
    }

    /// Appends `bytes` to a file from [`Self::create`].
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Flushes a file to the disk.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Renames a file, replacing one of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Flushes a folder's entries to the disk. Only Unix has, and needs, this call.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The real disk.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Disk for System {}

/// The file that [`replace`] writes before renaming it, in the same folder and so on the same file system.
fn temporary(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.part", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// Whether this is the name of a file that a killed [`replace`] left behind.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension == "part")
}

/// Writes `bytes` to `path`. If the process is killed or the power fails, `path` is either unchanged or complete; after an
/// `Ok` it is complete. After an error the temporary file is removed, if possible.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let renamed = (|| {
        let mut file = disk.create(&temporary)?;
        disk.write(&mut file, bytes)?;
        disk.sync(&file)?;
        drop(file);
        disk.rename(&temporary, path)
    })();
    if let Err(error) = renamed {
        // It may not exist; the first error is the one to report.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// The error for a record that cannot be written.
pub fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| {
        Error::output(path, format!("cannot be written: {error}. Free space, or choose another place with --out"))
    }
}
