//! Going on with a run that ended early.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CONFIG, METRICS, RunDir, STANDARDISATION, SUMMARY, read, starts, weights_file};
use crate::config::{Config, Settings};
use crate::error::{Error, Result, shown};
use crate::records::answers;
use crate::records::weights;
use crate::util::files;
use crate::util::files::failed;
use crate::util::lock;

/// What is needed of a line of `metrics.jsonl`.
#[derive(Deserialize)]
struct Line {
    step: u64,
}

impl RunDir {
    /// Whether there is a run in a folder, to go on with.
    pub fn is_run(path: &Path) -> bool {
        path.join(CONFIG).is_file()
    }

    /// The run in a folder that [`Self::create`] made, whatever ended it, and the settings in its `config.toml`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a folder without a run, [`Error::Busy`] for one that another process trains in,
    /// [`Error::Checkpoint`] for a `starts.json` that is none, [`Error::Output`].
    pub fn reopen(path: &Path) -> Result<(Self, Config)> {
        if !Self::is_run(path) {
            return Err(Error::Usage(format!(
                "--resume {}: there is no config.toml, so no run to go on with; expected the folder that --out named",
                shown(path)
            )));
        }
        let lock = lock::take(path)?;
        let config = Config::default().with(Settings::read(&path.join(CONFIG))?);
        let starts = starts::read(path)?;
        let metrics = path.join(METRICS);
        let metrics = OpenOptions::new().append(true).create(true).open(&metrics).map_err(failed(&metrics))?;
        for entry in fs::read_dir(path).map_err(failed(path))? {
            let entry = entry.map_err(failed(path))?;
            if files::is_temporary(&entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path()).map_err(failed(&entry.path()))?;
            }
        }
        Ok((Self { path: path.to_owned(), metrics, starts, _lock: lock }, config))
    }

    /// The first file of a complete run that is not here, or is damaged; none if its training reached its end and nothing
    /// was lost since.
    pub fn lacks(&self) -> Result<Option<PathBuf>> {
        let path = self.path.join(SUMMARY);
        let Some(summary) = read::summary(&path)? else { return Ok(Some(path)) };
        let models = summary.models.len();
        let weights = (0..models).map(|model| weights_file(model, models)).chain([STANDARDISATION.to_owned()]);
        let is_whole = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| weights::parse(&bytes).is_ok());
        let lost = weights.map(|name| self.path.join(name)).find(|path| !is_whole(path));
        let answers = self.path.join(answers::FILE);
        Ok(lost.or_else(|| (summary.about.data.test > 0 && !answers.is_file()).then_some(answers)))
    }

    /// Cuts `metrics.jsonl` before the records of `step` and of later steps, which will be written again. Returns what
    /// a person should know: that half a line was at its end, that the records before `step` are lost.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a whole line that is no record, [`Error::Output`].
    pub fn cut_metrics(&mut self, step: u64) -> Result<Vec<String>> {
        let path = self.path.join(METRICS);
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let mut kept = 0;
        for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if line.last() != Some(&b'\n') {
                break;
            }
            let Line { step: of } = serde_json::from_slice(line).map_err(|error| {
                let what = format!("line {}: not a record: {error}. Remove the line and resume again", number + 1);
                Error::checkpoint(&path, what)
            })?;
            if of >= step {
                break;
            }
            kept += line.len();
        }
        self.metrics.set_len(kept as u64).map_err(failed(&path))?;
        let half = bytes.last().is_some_and(|&last| last != b'\n');
        // Before its first step every run has a record.
        let lost = step > 0 && kept == 0;
        let notices = [
            half.then(|| format!("{}: half a line at its end was cut off", shown(&path))),
            lost.then(|| format!("{}: the records before step {step} are lost; those after it follow", shown(&path))),
        ];
        Ok(notices.into_iter().flatten().collect())
    }

    /// The open `metrics.jsonl`, to sync it.
    pub fn metrics(&self) -> Result<File> {
        self.metrics.try_clone().map_err(failed(&self.path.join(METRICS)))
    }
}

/// Whether a folder has nothing in it but what a process leaves that is killed before its run began.
pub fn is_unused(path: &Path) -> Result<bool> {
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_empty = || entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if name != lock::NAME && !files::is_temporary(&name) && !(name == METRICS && is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}
