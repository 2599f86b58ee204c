//! Files that a user names.

use std::fs;
use std::path::Path;

use crate::disk;
use crate::error::{Error, Result};

/// Writes a file that is not there yet, whole or not at all. `flag` is what named it.
pub fn write_new(path: &Path, flag: &str, bytes: &[u8]) -> Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        let path = path.display();
        return Err(Error::Usage(format!("{flag} {path}: it is there, and nothing is overwritten: name another file")));
    }
    disk::replace(&disk::System, path, bytes)
        .map_err(|fault| Error::output(path, format!("cannot be written: {fault}. Name another place with {flag}")))
}
