//! New files that the user names on the command line.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::{Error, Result, shown};
use crate::util::files;

/// Fails unless a new file can be created at `path`, which `flag` names: checked before the work that fills it.
pub fn check_new(path: &Path, flag: &str) -> Result<()> {
    let made = File::create_new(path).and_then(|_| fs::remove_file(path));
    made.map_err(|fault| failed(path, flag, &fault))
}

/// Writes a new file at `path`, which `flag` names, completely or not at all.
pub fn write_new(path: &Path, flag: &str, bytes: &[u8]) -> Result<()> {
    check_new(path, flag)?;
    files::replace(&files::System, path, bytes).map_err(|fault| failed(path, flag, &fault))
}

fn failed(path: &Path, flag: &str, fault: &io::Error) -> Error {
    let name = shown(path);
    if path.is_dir() {
        Error::Usage(format!("{flag} {name}: is a folder, expected the name of a new file"))
    } else if fault.kind() == ErrorKind::AlreadyExists {
        Error::Usage(format!("{flag} {name}: already exists; choose another name"))
    } else {
        Error::output(path, format!("cannot be written: {fault}. Choose another path with {flag}"))
    }
}

/// The ending of `path`, which `flag` names, in lower case: one of `known`.
pub fn ending(path: &Path, flag: &str, known: &[&'static str]) -> Result<&'static str> {
    let found = path.extension().unwrap_or_default().to_ascii_lowercase();
    known.iter().find(|known| found == **known).copied().ok_or_else(|| {
        let known: Vec<_> = known.iter().map(|known| format!(".{known}")).collect();
        Error::Usage(format!("{flag} {}: expected a name that ends in {}", shown(path), known.join(" or ")))
    })
}
