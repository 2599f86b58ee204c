//! `metrics.csv`: the numbers of `metrics.jsonl` as a table, for spreadsheets.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{failed, metrics};
use crate::error::{Error, Result};
use crate::train::{Evaluation, Observer};

/// The keys of `metrics.jsonl`. All values are numbers, so nothing ever needs quotes; what a line lacks stays empty.
const COLUMNS: [&str; 13] = [
    "step",
    "epoch",
    "model",
    "lr",
    "batch/loss",
    "train/loss",
    "train/cost",
    "train/accuracy",
    "val/loss",
    "val/cost",
    "val/accuracy",
    "seconds/training",
    "seconds/evaluation",
];

/// A table that grows by a row a model at every evaluation.
pub struct Csv {
    path: PathBuf,
    file: File,
}

impl Csv {
    /// Begins `metrics.csv` in the run's folder.
    ///
    /// # Errors
    ///
    /// [`Error::Output`].
    pub fn create(run: &Path) -> Result<Self> {
        let path = run.join("metrics.csv");
        let mut file = File::create_new(&path).map_err(failed(&path))?;
        writeln!(file, "{}", COLUMNS.join(",")).map_err(failed(&path))?;
        Ok(Self { path, file })
    }
}

impl Observer for Csv {
    fn stepped(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        let mut rows = String::new();
        for line in metrics(evaluation) {
            let line = serde_json::to_value(&line).map_err(|error| Error::Internal(format!("metrics.csv: {error}")))?;
            let cells = COLUMNS.map(|column| line.get(column).map_or(String::new(), ToString::to_string));
            rows += &cells.join(",");
            rows.push('\n');
        }
        // One unbuffered write, so that a reader never sees half a row.
        self.file.write_all(rows.as_bytes()).map_err(failed(&self.path))
    }
}
