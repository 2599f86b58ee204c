//! `metrics.csv`: the numbers of `metrics.jsonl` as a table, for spreadsheets.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::files::write;
use super::metrics::{self, Line};
use crate::error::{Error, Result};
use crate::train::{Evaluation, Observer};
use crate::util::files::failed;

/// The file's name.
pub const FILE: &str = "metrics.csv";

/// The keys of `metrics.jsonl`. All values are numbers, so nothing ever needs quotes; what a line lacks stays empty.
const COLUMNS: &str = "step,epoch,model,lr,batch/loss,train/loss,train/cost,train/accuracy,val/loss,val/cost,val/accuracy,\
                       seconds/training,seconds/evaluation,check/times,check/worst";

/// A table that grows by a row a model at every evaluation.
pub struct Csv {
    path: PathBuf,
    file: File,
}

impl Csv {
    /// Whether a run's folder has one.
    pub fn is_in(run: &Path) -> bool {
        run.join(FILE).is_file()
    }

    /// Makes `metrics.csv` in the run's folder, with a row for each line that `metrics.jsonl` has already, as that of a
    /// resumed run does.
    pub fn create(run: &Path) -> Result<Self> {
        let mut table = COLUMNS.to_owned() + "\n";
        for line in metrics::read(run)?.0 {
            table += &row(&line)?;
        }
        write(run, FILE, table.as_bytes())?;
        let path = run.join(FILE);
        let file = OpenOptions::new().append(true).open(&path).map_err(failed(&path))?;
        Ok(Self { path, file })
    }
}

fn row(line: &Line) -> Result<String> {
    let line = serde_json::to_value(line).map_err(|error| Error::Internal(format!("{FILE}: {error}")))?;
    let cells = COLUMNS.split(',').map(|column| line.get(column).map_or(String::new(), ToString::to_string));
    Ok(cells.collect::<Vec<_>>().join(",") + "\n")
}

impl Observer for Csv {
    fn stepped(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        let mut rows = String::new();
        for line in metrics::lines(evaluation) {
            rows += &row(&line)?;
        }
        // One unbuffered write, so that a reader never sees half a row.
        self.file.write_all(rows.as_bytes()).map_err(failed(&self.path))
    }
}
