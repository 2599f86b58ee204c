//! Files that a user names.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file that is not there yet, whole or not at all. `flag` is what named it.
pub fn write_new(path: &Path, flag: &str, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).map_err(|fault| match fault.kind() {
        ErrorKind::AlreadyExists => {
            let path = path.display();
            Error::Usage(format!("{flag} {path}: it is there, and nothing is overwritten: name another file"))
        }
        _ => Error::output(path, format!("cannot be made: {fault}. Name another place with {flag}")),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|fault| {
        // The first error is the one to report.
        let _ = fs::remove_file(path);
        Error::output(path, format!("cannot be written: {fault}. Name another place with {flag}"))
    })
}
