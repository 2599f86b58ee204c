//! A run's folder of checkpoints.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Checkpoint, Fault, Run, Shapes};
use crate::error::{Error, Result, shown};
use crate::records::weights;
use crate::train::State;
use crate::util::files::{self, Disk};

/// Checkpoints of single steps that are kept: the last, and the one before it in case the last is damaged.
const KEPT: usize = 2;

/// A run's folder of checkpoints.
pub const FOLDER: &str = "checkpoints";
/// The checkpoint of the best validation accuracy.
pub const BEST: &str = "best.safetensors";

/// What the names of files begin with: of checkpoints, and of weights that stay.
const STEP: &str = "step-";
const SNAPSHOT: &str = "snapshot-";

/// `checkpoints/`: `step-N.safetensors` of the last steps that were saved, `best.safetensors` of the best; and
/// `snapshot-N.safetensors`, weights without the rest of a state, which are never removed.
pub struct Store<D> {
    folder: PathBuf,
    disk: D,
}

impl<D: Disk> Store<D> {
    /// The checkpoints in the folder of a run.
    pub fn new(run: &Path, disk: D) -> Self {
        Self { folder: run.join(FOLDER), disk }
    }

    /// Makes the folder, and removes what a killed process left in it.
    pub fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        for entry in fs::read_dir(&self.folder).map_err(failed(&self.folder))? {
            let entry = entry.map_err(failed(&self.folder))?;
            if files::is_temporary(&entry.file_name().to_string_lossy()) {
                self.disk.remove(&entry.path()).map_err(failed(&self.folder))?;
            }
        }
        Ok(())
    }

    /// Saves a checkpoint under its step, then removes those that it makes needless.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        let step = checkpoint.state.step;
        self.write(&self.folder.join(format!("{STEP}{step}.safetensors")), checkpoint)?;
        let earlier = self.steps(STEP)?.into_iter().filter(|(saved, _)| *saved <= step);
        for (_, path) in earlier.skip(KEPT) {
            self.disk.remove(&path).map_err(failed(&path))?;
        }
        Ok(())
    }

    /// Saves a checkpoint as the best one.
    pub fn save_best(&self, checkpoint: &Checkpoint) -> Result<()> {
        self.write(&self.best(), checkpoint)
    }

    /// Keeps the weights of a state: a file for `load_state_dict`, of several models with their numbers before the names.
    pub fn save_snapshot(&self, state: &State) -> Result<()> {
        let path = self.folder.join(format!("{SNAPSHOT}{}.safetensors", state.step));
        files::replace(&self.disk, &path, &weights::several(&state.params)?).map_err(failed(&path))
    }

    /// The snapshots and their steps, in the order of these.
    pub fn snapshots(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut snapshots = self.steps(SNAPSHOT)?;
        snapshots.reverse();
        Ok(snapshots)
    }

    fn best(&self) -> PathBuf {
        self.folder.join(BEST)
    }

    fn write(&self, path: &Path, checkpoint: &Checkpoint) -> Result<()> {
        files::replace(&self.disk, path, &checkpoint.encode()?).map_err(failed(path))
    }

    /// The step of the last checkpoint, damaged or not.
    pub fn last_step(&self) -> Result<Option<u64>> {
        Ok(self.steps(STEP)?.first().map(|(step, _)| *step))
    }

    /// The last checkpoint of `run`; if that is damaged the one before, and if no other is whole the best one, reported
    /// through `notice`; none if nothing was saved yet. A training resumed from any of them ends with the same bits.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if all are damaged, or the last one is of another run or format.
    pub fn last(&self, run: &Run, shapes: &Shapes, mut notice: impl FnMut(&str)) -> Result<Option<Checkpoint>> {
        let mut damaged = None;
        let best = self.best();
        let best = best.is_file().then_some((None, best));
        for (step, path) in self.steps(STEP)?.into_iter().map(|(step, path)| (Some(step), path)).chain(best) {
            match load(&path, run, shapes) {
                Ok(checkpoint) if step.is_none_or(|step| checkpoint.state.step == step) => {
                    let found = checkpoint.state.step;
                    if step.is_none() {
                        notice(&format!("continuing from the best checkpoint, of step {found}: no other is whole"));
                    } else if damaged.is_some() {
                        notice(&format!("continuing from the checkpoint before it, of step {found}"));
                    }
                    return Ok(Some(checkpoint));
                }
                Ok(checkpoint) => {
                    let what = format!("it is of step {}, which is not the one in its name", checkpoint.state.step);
                    notice(&format!("{}: {what}", shown(&path)));
                    damaged.get_or_insert(Error::checkpoint(&path, what));
                }
                Err(Fault::Damaged(what)) => {
                    notice(&format!("{}: damaged: {what}", shown(&path)));
                    let advice = "No checkpoint can be used: train anew with --out";
                    damaged.get_or_insert(Error::checkpoint(&path, format!("damaged: {what}. {advice}")));
                }
                Err(Fault::Mismatch(what)) => return Err(Error::checkpoint(&path, what)),
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    /// The files of single steps whose names begin with `kind`, the last first.
    fn steps(&self, kind: &str) -> Result<Vec<(u64, PathBuf)>> {
        let mut steps = Vec::new();
        if !self.folder.is_dir() {
            return Ok(steps);
        }
        for entry in fs::read_dir(&self.folder).map_err(failed(&self.folder))? {
            let entry = entry.map_err(failed(&self.folder))?;
            let name = entry.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix(kind)?.strip_suffix(".safetensors"));
            if let Some(step) = step.and_then(|step| step.parse().ok()) {
                steps.push((step, entry.path()));
            }
        }
        steps.sort_by(|one, other| other.cmp(one));
        Ok(steps)
    }
}

/// Reads one file. Whatever the system says against it is damage: an older checkpoint may be readable.
fn load(path: &Path, run: &Run, shapes: &Shapes) -> Result<Checkpoint, Fault> {
    let damaged = |error: io::Error| Fault::Damaged(error.to_string());
    // Asked before it is opened: a pipe would be waited for.
    let metadata = fs::metadata(path).map_err(damaged)?;
    if !metadata.is_file() {
        return Err(Fault::Damaged("not a regular file".into()));
    }
    Checkpoint::decode(File::open(path).map_err(damaged)?, metadata.len(), run, shapes)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error::output(path, format!("the checkpoint cannot be written: {error}"))
}

#[cfg(test)]
mod tests;
