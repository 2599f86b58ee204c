//! A search's folder: what is searched, and the records of its trials.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::mem;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::Search;
use super::trial::Record;
use crate::config::{Config, Settings};
use crate::data::Dataset;
use crate::data::split::Split;
use crate::error::{Error, Result, shown};
use crate::model::ModelSpec;
use crate::model::params::Params;
use crate::records::files::{json_lines, parse_lines, write};
use crate::records::summary::DataRecord;
use crate::records::weights;
use crate::util::files::{failed, is_temporary};
use crate::util::lock;

const SEARCH: &str = "search.toml";
const TRIALS: &str = "trials.jsonl";

/// `search.toml`: everything that decides the trials' results except the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What is searched, without the settings.
    pub search: Search,
    /// All other settings of the trials.
    pub settings: Settings,
    /// The images.
    pub data: DataRecord,
}

impl Plan {
    /// The plan of `search` on these images.
    pub fn new(search: &Search, dataset: &Dataset, split: &Split) -> Result<Self> {
        let data = DataRecord::new(dataset, dataset.digest(), split);
        // Shards of one search may run on different devices; where the images are is kept for the next command.
        let settings = Settings::from(&search.config);
        let settings = Settings { data: settings.data.clone(), ..settings.deciding() };
        Ok(Self { search: Search { config: Config::default(), ..search.clone() }, settings, data })
    }

    /// The plan in a search's folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SEARCH);
        let usage = |error: &dyn std::fmt::Display| Error::Usage(format!("{}: {error}", shown(&path)));
        let text = fs::read_to_string(&path).map_err(|error| usage(&format!("{error}: no search was begun here")))?;
        toml::from_str(&text).map_err(|error| usage(&error))
    }

    /// The search, with `config`'s device.
    pub fn search(&self, config: Config) -> Search {
        Search { config: config.with(self.settings.clone()), ..self.search.clone() }
    }

    /// Whether both have the same trials with the same results: the images count, not their location.
    pub fn is(&self, other: &Self) -> bool {
        let key = |plan: &Self| {
            let mut plan = plan.clone();
            plan.settings = plan.settings.deciding();
            plan.data.name.clear();
            plan
        };
        key(self) == key(other)
    }
}

/// A search's folder, which only this process writes to.
pub struct Folder {
    path: PathBuf,
    plan: Plan,
    trials: File,
    /// The latest of each trial, in the order of `trials.jsonl`.
    records: Vec<Record>,
    /// Held while this process searches here.
    _lock: File,
}

impl Folder {
    /// Begins the search in `path`, or resumes it if its `search.toml` says the same.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a folder with anything else in it, [`Error::Busy`] for one that another process writes to,
    /// [`Error::Output`] for one that cannot be written to, [`Error::Checkpoint`] for records that cannot be read.
    pub fn open(path: &Path, plan: &Plan) -> Result<Self> {
        fs::create_dir_all(path).map_err(failed(path))?;
        if path.join(SEARCH).exists() {
            if !Plan::read(path)?.is(plan) {
                return Err(Error::Usage(format!(
                    "--out {0}: another search was begun there, see {0}/{SEARCH}: choose another folder",
                    shown(path)
                )));
            }
        } else if fs::read_dir(path).map_err(failed(path))?.any(|entry| !entry.is_ok_and(|entry| is_ours(&entry))) {
            return Err(Error::Usage(format!(
                "--out {}: the folder is not empty, and nothing is ever overwritten: choose another one",
                shown(path)
            )));
        }
        let lock = lock::take(path)?;
        let trials = path.join(TRIALS);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&trials).map_err(failed(&trials))?;
        let mut folder =
            Self { path: path.to_owned(), plan: plan.clone(), trials: file, records: Vec::new(), _lock: lock };
        folder.read_records()?;
        if !path.join(SEARCH).exists() {
            let text = toml::to_string(plan).map_err(|error| Error::Internal(format!("{SEARCH}: {error}")))?;
            write(path, SEARCH, text.as_bytes())?;
        }
        Ok(folder)
    }

    /// Reads the records, and truncates the partial line that a killed process may have left.
    fn read_records(&mut self) -> Result<()> {
        let path = self.path.join(TRIALS);
        let mut text = Vec::new();
        self.trials.seek(SeekFrom::Start(0)).map_err(failed(&path))?;
        self.trials.read_to_end(&mut text).map_err(failed(&path))?;
        let whole = whole(&text).len();
        if whole < text.len() {
            self.trials.set_len(whole as u64).map_err(failed(&path))?;
        }
        self.records = parse(&path, &text[..whole])?;
        Ok(())
    }

    /// What is searched there.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The latest of each trial.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Whether the trial of this number has a record.
    pub fn has(&self, trial: usize) -> bool {
        self.records.iter().any(|record| record.trial.trial == trial)
    }

    /// Appends the records of a wave, and syncs them to disk. They replace earlier ones of their trials.
    pub fn append(&mut self, records: &[Record]) -> Result<()> {
        let path = self.path.join(TRIALS);
        let lines = json_lines(records)?;
        self.trials.write_all(&lines).and_then(|()| self.trials.sync_data()).map_err(failed(&path))?;
        let before = mem::take(&mut self.records);
        self.records = latest(before.into_iter().chain(records.iter().cloned()));
        Ok(())
    }

    /// Writes another file of the folder atomically.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.path, name, bytes)
    }

    /// Replaces the network after the previous warm-started trial by that after this one.
    pub fn keep_network(&self, trial: usize, params: &Params) -> Result<()> {
        self.write(&network(trial), &weights::network(params)?)?;
        if let Some(before) = trial.checked_sub(1) {
            let before = self.path.join(network(before));
            if before.exists() {
                fs::remove_file(&before).map_err(failed(&before))?;
            }
        }
        Ok(())
    }

    /// The network after a warm-started trial, the last one recorded.
    pub fn network(&self, shape: &ModelSpec, trial: usize) -> Result<Params> {
        let path = self.path.join(network(trial));
        let bytes = fs::read(&path).map_err(|error| Error::checkpoint(&path, error.to_string()))?;
        weights::read_network(&bytes, shape).map_err(|what| Error::checkpoint(&path, what))
    }

    /// Sorts the lines of `trials.jsonl` by the trials' numbers, which do not depend on who trained what when.
    pub fn sort(&mut self) -> Result<()> {
        self.records.sort_by_key(|record| record.trial.trial);
        self.write(TRIALS, &json_lines(&self.records)?)
    }
}

/// The records in a folder, which may be incomplete.
pub fn records(folder: &Path) -> Result<Vec<Record>> {
    let path = folder.join(TRIALS);
    let text = fs::read(&path).map_err(|error| Error::checkpoint(&path, error.to_string()))?;
    parse(&path, whole(&text))
}

/// The folders of shards in `folder`, sorted.
pub fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).map_err(|error| Error::Usage(format!("{}: {error}", shown(folder))))?;
    let mut shards: Vec<_> = listed.flatten().filter(is_shard).map(|entry| entry.path()).collect();
    shards.sort();
    Ok(shards)
}

fn network(trial: usize) -> String {
    format!("after-{trial}.safetensors")
}

fn is_shard(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with("shard-") && entry.path().is_dir()
}

/// Whether a folder may have this before a search begins in it: its shards, or what a process left that was killed early.
fn is_ours(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    is_shard(entry) || name == TRIALS || name == lock::NAME || is_temporary(&name)
}

/// The lines that were written to their end.
fn whole(text: &[u8]) -> &[u8] {
    &text[..text.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1)]
}

fn parse(path: &Path, text: &[u8]) -> Result<Vec<Record>> {
    let damaged = |error| format!("not a trial's record: {error}. Remove the line to continue without it");
    Ok(latest(parse_lines(path, text, damaged)?))
}

/// Of each trial the last of its records, in the order of the first ones.
fn latest(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let (mut places, mut latest) = (HashMap::new(), Vec::new());
    for record in records {
        let place = *places.entry(record.trial.trial).or_insert(latest.len());
        match latest.get_mut(place) {
            Some(earlier) => *earlier = record,
            None => latest.push(record),
        }
    }
    latest
}
