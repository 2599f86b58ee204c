//! Files that a user names.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::{Error, Result, shown};
use crate::util::files;

/// Demands that a file of this name can be made and is not there yet: before the work whose result it is to hold. `flag`
/// is what named it.
pub fn check_new(path: &Path, flag: &str) -> Result<()> {
    let made = File::create_new(path).and_then(|_| fs::remove_file(path));
    made.map_err(|fault| failed(path, flag, &fault))
}

/// Writes a file that is not there yet, whole or not at all. `flag` is what named it.
pub fn write_new(path: &Path, flag: &str, bytes: &[u8]) -> Result<()> {
    check_new(path, flag)?;
    files::replace(&files::System, path, bytes).map_err(|fault| failed(path, flag, &fault))
}

fn failed(path: &Path, flag: &str, fault: &io::Error) -> Error {
    let name = shown(path);
    if path.is_dir() {
        Error::Usage(format!("{flag} {name}: a folder, expected the name of a new file"))
    } else if fault.kind() == ErrorKind::AlreadyExists {
        Error::Usage(format!("{flag} {name}: it is there, and nothing is overwritten: name another file"))
    } else {
        Error::output(path, format!("cannot be written: {fault}. Name another place with {flag}"))
    }
}

/// What a file's name ends with, in lower case, of the `known` endings. `flag` is what named it.
pub fn ending(path: &Path, flag: &str, known: &[&'static str]) -> Result<&'static str> {
    let found = path.extension().unwrap_or_default().to_ascii_lowercase();
    known.iter().find(|known| found == **known).copied().ok_or_else(|| {
        let known: Vec<_> = known.iter().map(|known| format!(".{known}")).collect();
        Error::Usage(format!("{flag} {}: expected a name that ends with {}", shown(path), known.join(" or ")))
    })
}
