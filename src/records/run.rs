//! A run's records on disk.
//!
//! `config.toml` says what is trained, `metrics.jsonl` grows by a line a model at every evaluation, and the end adds
//! `weights.safetensors`, `standardisation.safetensors` and `summary.json`. A file is there whole or not at all, but for
//! `metrics.jsonl`, of which a killed run leaves all lines written so far. The same numbers come as `metrics.csv` and as
//! TensorBoard's event files where they are asked for. `starts.json` says when and by which command each process began
//! that trained here. `initial.safetensors` has the weights that the run began with, if it was given some. `answers.json`
//! is what the network takes the test images for, see [`super::answers`]. [`Records`] reads back what stands there.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::answers::{self, Answers};
use super::files::{json_lines, write, write_json};
use super::initial::Initial;
use super::metrics::{self, Line};
use super::processes::{self, Entry, Given, Start};
use super::summary::{self, About, Summary};
use super::weights::{self, STANDARDISATION};
use super::{checkpoint, csv, folder, tensorboard, trained};
use crate::config::{Config, Settings};
use crate::data::Standardisation;
use crate::error::{Error, Result, shown};
use crate::model::params::Params;
use crate::train::{Evaluation, Observer, Outcome};
use crate::util::files::{failed, is_temporary};
use crate::util::lock;

/// The file of the settings: where it is, there is a run.
pub const CONFIG: &str = "config.toml";

/// A run's folder, made by this process.
pub struct RunDir {
    path: PathBuf,
    metrics: File,
    starts: Vec<Entry>,
    /// Where the weights came from that this process begins the run with.
    given: Option<Given>,
    /// When this process began here.
    opened: SystemTime,
    /// Whether it has trained.
    trained: bool,
    /// Held as long as this process trains here.
    _lock: File,
}

impl RunDir {
    /// Makes the folder `out`, or a fresh one in `runs/` named after `name` and the time, and writes the `initial` weights,
    /// if the run begins with given ones, and `config.toml`. A place that cannot be written to is found out here, before
    /// any training.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a folder that is not empty, [`Error::Output`] for one that cannot be made, [`Error::Busy`]
    /// for one that another process trains in.
    pub fn create(out: Option<&Path>, name: &str, config: &Config, initial: Option<Initial>) -> Result<Self> {
        let path = match out {
            Some(path) => {
                folder::claim(path)?;
                path.to_owned()
            }
            None => folder::fresh(name)?,
        };
        let lock = lock::take(&path)?;
        let metrics = open_metrics(&path)?;
        let opened = SystemTime::now();
        initial.as_ref().map_or(Ok(()), |initial| initial.write(&path))?;
        let given = initial.map(|initial| initial.given);
        let run = Self { path, metrics, starts: Vec::new(), given, opened, trained: false, _lock: lock };
        // Last: from here on, the run can be resumed.
        run.write(CONFIG, config.to_toml()?.as_bytes())?;
        Ok(run)
    }

    /// Whether a folder has a run that can be resumed.
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
                "--resume {}: there is no config.toml, so no run to resume; expected the folder that --out named",
                shown(path)
            )));
        }
        let lock = lock::take(path)?;
        let config = Config::default().with(Settings::read(&path.join(CONFIG))?);
        let starts = processes::read(path)?;
        let metrics = open_metrics(path)?;
        for entry in fs::read_dir(path).map_err(failed(path))? {
            let entry = entry.map_err(failed(path))?;
            if is_temporary(&entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path()).map_err(failed(&entry.path()))?;
            }
        }
        let (path, opened) = (path.to_owned(), SystemTime::now());
        Ok((Self { path, metrics, starts, given: None, opened, trained: false, _lock: lock }, config))
    }

    /// The first file of a complete run that is not here, or is damaged; none if its training reached its end and nothing
    /// was lost since.
    pub fn lacks(&self) -> Result<Option<PathBuf>> {
        let path = self.path.join(summary::FILE);
        let Some(summary) = summary::read(&self.path)? else { return Ok(Some(path)) };
        let path = self.path.join(STANDARDISATION);
        let Ok(standardisation) = trained::standardisation(&path) else { return Ok(Some(path)) };
        let (models, data) = (summary.models.len(), &summary.about.data);
        let lost = (0..models)
            .map(|model| self.path.join(weights::file_name(model, models)))
            .find(|path| trained::network(path, standardisation.mean.len(), data.classes.len()).is_err());
        let answers = self.path.join(answers::FILE);
        Ok(lost.or_else(|| (data.test > 0 && !answers.is_file()).then_some(answers)))
    }

    /// Cuts `metrics.jsonl` before the records of `step` and of later steps, which will be written again. Returns what
    /// a person should know: that half a line was at its end, that the records before `step` are lost.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a whole line that is no record, [`Error::Output`].
    pub fn cut_metrics(&mut self, step: u64) -> Result<Vec<String>> {
        let path = self.path.join(metrics::FILE);
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let kept = metrics::before(&path, &bytes, step)?;
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
        self.metrics.try_clone().map_err(failed(&self.path.join(metrics::FILE)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the final weights, and what must be done to a pixel before them.
    pub fn save_weights(&self, params: &[Params], standardisation: &Standardisation) -> Result<()> {
        for (model, one) in params.iter().enumerate() {
            self.write(&weights::file_name(model, params.len()), &weights::network(one)?)?;
        }
        self.write(STANDARDISATION, &weights::standardisation(standardisation)?)
    }

    /// Writes what the network takes the test images for.
    pub fn save_answers(&self, answers: &Answers) -> Result<()> {
        self.write(answers::FILE, &answers.to_json()?)
    }

    /// Records that this process trains on images of that digest from here on. All of them are in [`About`].
    pub fn start(&mut self, start: Start, sha256: &str) -> Result<()> {
        self.starts.push(Entry { start, sha256: sha256.to_owned(), from: self.given.take() });
        write_json(&self.path, processes::FILE, &self.starts)
    }

    /// The digest of the images that the run began with, and the file that says so; none if that is not known.
    pub fn images(&self) -> Option<(PathBuf, &str)> {
        self.starts.first().map(|entry| (self.path.join(processes::FILE), entry.sha256.as_str()))
    }

    /// Where the weights came from that the run began with, if they were given.
    pub fn given(&self) -> Option<&Given> {
        self.starts.first().and_then(|entry| entry.from.as_ref())
    }

    /// How the run was started, and each time resumed.
    pub fn starts(&self) -> Vec<Start> {
        self.starts.iter().map(|entry| entry.start.clone()).collect()
    }

    /// Writes `summary.json`. It comes last: where it is, the run is complete.
    pub fn summarise(&self, outcome: &Outcome, about: &About) -> Result<()> {
        write_json(&self.path, summary::FILE, &Summary::new(outcome, about))
    }

    /// After this process has trained, from step `first` on, on a device that computes wrong: moves the metrics and the
    /// checkpoints of that into a folder of their own, which it returns. What earlier processes left and
    /// this one did not replace stays.
    pub fn set_aside(&mut self, first: u64) -> Result<Option<PathBuf>> {
        if !self.trained {
            return Ok(None);
        }
        let place = self.path.join(format!("unproven-{}", self.starts.len()));
        let metrics = self.path.join(metrics::FILE);
        fs::create_dir_all(place.join(checkpoint::FOLDER)).map_err(failed(&place))?;
        fs::copy(&metrics, place.join(metrics::FILE)).map_err(failed(&metrics))?;
        self.cut_metrics(first)?;
        for folder in [Path::new(""), Path::new(checkpoint::FOLDER)] {
            let from = self.path.join(folder);
            for entry in fs::read_dir(&from).map_err(failed(&from))? {
                let entry = entry.map_err(failed(&from))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_table = name == csv::FILE || name.starts_with(tensorboard::PREFIX);
                let changed = entry.metadata().and_then(|file| file.modified()).map_err(failed(&entry.path()))?;
                if (is_table || folder == Path::new(checkpoint::FOLDER)) && (first == 0 || changed >= self.opened) {
                    fs::rename(entry.path(), place.join(folder).join(name)).map_err(failed(&entry.path()))?;
                }
            }
        }
        Ok(Some(place))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.path, name, bytes)
    }
}

fn open_metrics(run: &Path) -> Result<File> {
    let path = run.join(metrics::FILE);
    OpenOptions::new().append(true).create(true).open(&path).map_err(failed(&path))
}

impl Observer for RunDir {
    fn stepped(&mut self, _step: u64) -> Result<()> {
        self.trained = true;
        Ok(())
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        let lines = json_lines(metrics::lines(evaluation))?;
        // One unbuffered write, so that a reader never sees half an evaluation.
        self.metrics.write_all(&lines).map_err(failed(&self.path.join(metrics::FILE)))
    }
}

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
        let (lines, has_half_line) = metrics::read(run)?;
        let summary = summary::read(run)?;
        let answers = answers::read(&run.join(answers::FILE))?;
        Ok(Self { config, lines, has_half_line, summary, answers })
    }
}
