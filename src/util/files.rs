//! Writing a file so that it is there whole or not at all, and stays there through a power cut.
//!
//! The system's calls stand behind a trait, so that a test can fail each of them in turn.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The calls that [`replace`] makes. Their errors are the system's.
#[allow(clippy::missing_errors_doc, reason = "said once above for all of them")]
pub trait Disk {
    /// Makes an empty file, or empties one that is there.
    fn create(&self, path: &Path) -> io::Result<File> {
        File::create(path)
    }

    /// Appends `bytes` to a file that [`Self::create`] gave.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Makes a file's bytes last.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Gives a file a name, which another file may have had.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Makes a folder's names last. Only Unix has, and needs, such a call on a folder.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The system's own disk.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Disk for System {}

/// Where [`replace`] writes before it renames: in the same folder, so that the renaming never crosses file systems.
fn temporary(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.part", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// Whether a file of this name is what a killed [`replace`] left.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension == "part")
}

/// Makes `path` a file of these bytes. Whenever the process is killed or the power fails, `path` is either what it was
/// or the whole of `bytes`; after an `Ok` it is `bytes`.
///
/// # Errors
///
/// The system's. The temporary file is then removed, if the disk still lets it.
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
        // It may never have been made; the first error is the one to report.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// What a user is told of a record that the system does not let be written.
pub fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error::output(path, format!("cannot be written: {error}. Free or name another place with --out"))
}
