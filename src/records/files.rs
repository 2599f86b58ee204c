//! A record as a file: written whole or not at all, and read if it is there.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::util::files::{self, failed};

/// Writes a file of `folder` so that it is there whole or not at all.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    files::replace(&files::System, &path, bytes).map_err(failed(&path))
}

/// Writes a record as JSON that people can read too.
pub fn write_json(folder: &Path, name: &str, record: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(record).map_err(|error| Error::Internal(format!("{name}: {error}")))?;
    text.push(b'\n');
    write(folder, name, &text)
}

/// Records as JSON, a line each.
pub fn json_lines<T: Serialize>(records: impl IntoIterator<Item = T>) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, &record).map_err(|error| Error::Internal(format!("a record: {error}")))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Such records in `bytes` of a file, empty lines apart; `damaged` says what to do about a line that is none.
pub fn parse_lines<T: DeserializeOwned>(
    path: &Path,
    bytes: &[u8],
    damaged: impl Fn(serde_json::Error) -> String,
) -> Result<Vec<T>> {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let record = |(place, line)| {
        let fault = |error| Error::checkpoint(path, format!("line {}: {}", place + 1, damaged(error)));
        serde_json::from_slice(line).map_err(fault)
    };
    lines.map(record).collect()
}

/// A file's bytes; none if it is not there.
pub fn optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // A pipe would be waited for.
        Ok(metadata) if !metadata.is_file() => return Err(Error::checkpoint(path, "expected a regular file")),
        _ => {}
    }
    fs::read(path).map(Some).map_err(|error| Error::checkpoint(path, format!("cannot be read: {error}")))
}

/// What a file of JSON says; none if it is not there. `expected` is what it should be, and what to do if it is not.
pub fn json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<Option<T>> {
    let Some(bytes) = optional(path)? else { return Ok(None) };
    let damaged = |error| Error::checkpoint(path, format!("{error}; expected {expected}"));
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}
