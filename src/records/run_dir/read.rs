//! A run read back from its records, whole or not.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::{CONFIG, Line, METRICS, SUMMARY, Summary};
use crate::config::{Config, Settings};
use crate::error::{Error, Result};
use crate::records::answers::{self, Answers};

/// What a run's folder says.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    /// What was to be trained.
    pub config: Config,
    /// The lines of `metrics.jsonl`, in order.
    pub lines: Vec<Line>,
    /// Whether half a line was at its end, as a killed run leaves it.
    pub has_half_line: bool,
    /// `summary.json`; none of a run that has not ended.
    pub summary: Option<Summary>,
    /// `answers.json`; none of a run that has not ended, or had no test images.
    pub answers: Option<Answers>,
}

impl Records {
    /// Reads the folder of a run, which may still be running, or have been killed.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a folder without a run, [`Error::Checkpoint`] for a record that is damaged, naming the file
    /// and the line.
    pub fn read(run: &Path) -> Result<Self> {
        let config = Config::default().with(Settings::read(&run.join(CONFIG))?);
        let (lines, has_half_line) = metrics(run)?;
        let summary = summary(&run.join(SUMMARY))?;
        let answers = answers::read(&run.join(answers::FILE))?;
        Ok(Self { config, lines, has_half_line, summary, answers })
    }
}

/// What `summary.json` says; none if it is not there.
pub(super) fn summary(path: &Path) -> Result<Option<Summary>> {
    json(path, "the summary of a run. Remove it, and go on with the run by --resume")
}

/// A file's bytes; none if it is not there.
pub(crate) fn optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // A pipe would be waited for.
        Ok(metadata) if !metadata.is_file() => return Err(Error::checkpoint(path, "expected a regular file")),
        _ => {}
    }
    fs::read(path).map(Some).map_err(|error| Error::checkpoint(path, format!("cannot be read: {error}")))
}

/// What a file of JSON says; none if it is not there. `expected` is what it should be, and what to do if it is not.
pub(crate) fn json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<Option<T>> {
    let Some(bytes) = optional(path)? else { return Ok(None) };
    let damaged = |error| Error::checkpoint(path, format!("{error}; expected {expected}"));
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// The whole lines of a run's `metrics.jsonl`, none if it is not there, and whether half a line follows them.
pub(super) fn metrics(run: &Path) -> Result<(Vec<Line>, bool)> {
    let path = run.join(METRICS);
    let bytes = optional(&path)?.unwrap_or_default();
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    let mut lines: Vec<Line> = Vec::new();
    for (number, text) in bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let damaged = |what: String| {
            Error::checkpoint(&path, format!("line {}: {what}. Remove the line to go on without it", number + 1))
        };
        let line: Line = serde_json::from_slice(text).map_err(|error| damaged(format!("not a record: {error}")))?;
        if lines.last().is_some_and(|before| line.step < before.step) {
            return Err(damaged(format!("step {} comes after a later one", line.step)));
        }
        lines.push(line);
    }
    Ok((lines, whole < bytes.len()))
}
