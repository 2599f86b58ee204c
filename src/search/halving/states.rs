//! What trials continue from between two rungs: files of the search's folder, one a trial.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::config::Settings;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::records::checkpoint::{Checkpoint, Run, Shapes};
use crate::records::files::write;
use crate::search::Search;
use crate::search::trial::Trial;
use crate::train::State;
use crate::util::files::failed;

/// The states that a search keeps in its folder.
#[derive(Clone)]
pub struct States<'a> {
    /// The search's folder.
    pub folder: PathBuf,
    /// The search.
    pub search: &'a Search,
    /// SHA-256 of the images.
    pub data: String,
}

impl States<'_> {
    /// Keeps a trial's state at the end of rung `rung`, from 0.
    pub fn keep(&self, trial: &Trial, rung: usize, state: State) -> Result<()> {
        let bytes = Checkpoint { run: self.run(trial), state }.encode()?;
        write(&self.folder, &name(trial.trial, rung), &bytes)
    }

    /// The state that was kept of a trial whose network has this shape.
    pub fn read(&self, trial: &Trial, rung: usize, model: ModelSpec) -> Result<State> {
        let path = self.folder.join(name(trial.trial, rung));
        let fault = |what: &dyn std::fmt::Display| {
            let number = trial.trial;
            let cure = format!("Remove the lines of trial {number} from trials.jsonl to train it from its start");
            Error::checkpoint(&path, format!("trial {number} cannot continue from it: {what}. {cure}"))
        };
        let file = File::open(&path).map_err(|error| fault(&error))?;
        let length = file.metadata().map_err(|error| fault(&error))?.len();
        let shapes = Shapes { model, models: 1 };
        let read = Checkpoint::decode(file, length, &self.run(trial), &shapes).map_err(|what| fault(&what))?;
        Ok(read.state)
    }

    /// Removes the states that are not `needed`, given the trial's number and the rung.
    pub fn retain(&self, needed: impl Fn(usize, usize) -> bool) -> Result<()> {
        for entry in fs::read_dir(&self.folder).map_err(failed(&self.folder))?.flatten() {
            let of = entry.file_name().to_str().and_then(parse);
            if of.is_some_and(|(trial, rung)| !needed(trial, rung)) {
                fs::remove_file(entry.path()).map_err(failed(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn run(&self, trial: &Trial) -> Run {
        let settings = Settings::from(&self.search.config_of(trial)).deciding();
        Run { settings, data: self.data.clone(), device: String::new() }
    }
}

/// The file's name, which counts rungs from 1, as people do.
fn name(trial: usize, rung: usize) -> String {
    format!("trial-{trial}-rung-{}.safetensors", rung + 1)
}

/// The trial and the rung of such a name.
fn parse(name: &str) -> Option<(usize, usize)> {
    let (trial, rung) = name.strip_prefix("trial-")?.strip_suffix(".safetensors")?.split_once("-rung-")?;
    Some((trial.parse().ok()?, rung.parse::<usize>().ok()?.checked_sub(1)?))
}
