//! A search: many trainings that differ in the values searched, ranked by their accuracy on the validation images.
//!
//! A *trial* is one training. Trials that share a shape and their steps train together, in *waves* of as many models as
//! the device takes at once; a trial's figures are the same bits in any wave. A *stage* is a set of trials that can all
//! be drawn at once: stage 0 of the ranges asked for, stage 1 (`--refine`) of narrower ones around the best of stage 0.
//!
//! All trials of a search share the seed of the weights and the shuffles, unless the seed itself is searched: they
//! differ in nothing but the values, and read the same batches.
//!
//! # Warm start
//!
//! A right search starts every trial from fresh weights. With `--warm-start` one network is trained on and on through
//! the sorted values, its learning rate beginning a new run with each, as the reproduced report evidently did: its
//! figures depend on everything trained before. The trial numbered `i` takes the shuffles of the seed plus `i`.
//!
//! # Records
//!
//! A search's folder has
//!
//! - `search.toml`: what is searched, and the images' digest. A folder whose `search.toml` says the same is continued:
//!   trials with a record are skipped.
//! - `trials.jsonl`: a line a finished trial, in order of finishing, and in the order of their numbers once all are
//!   there. Keys: `trial` (its number), `stage`, `hidden`, `spec` (`lambda`, `penalty`, `batch_size`, `lr` with `min`,
//!   `max` and `half_cycle`, `length`, `seed`, `evals_per_cycle`), and `evaluations`: a list of `step`, `epoch`, `lr`,
//!   `train` and, if images validate, `validation`, each with `loss`, `cost` and `accuracy` (0 to 1). A trial that
//!   ended well has `result`: the last `train` and `validation`, and `test` if the test images were asked for. One that
//!   diverged has `diverged` instead: `step` and `message`. No line says anything of time or device, so that however
//!   the trials were dealt out, the lines are the same.
//! - `after-N.safetensors`, of a warm-started search: the network after trial `N`, the last one.
//! - `summary.json`, last: what was run and on what, `ranking` (trials' numbers, the best first), `diverged`, seconds.

pub mod crew;
pub mod folder;
pub mod parameter;
pub mod reproduce;
pub mod runner;
pub mod shard;
pub mod space;
pub mod table;
pub mod trial;

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::crew::Crew;
use self::folder::Folder;
use self::runner::Wave;
use self::shard::Shard;
use self::space::Space;
use self::trial::{Diverged, Record, Trial, rank};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::terminal::Display;

/// What is searched.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The settings of every trial but for the values searched.
    pub config: Config,
    /// The values searched.
    pub space: Space,
    /// Whether one network is trained through the sorted values.
    pub warm_start: bool,
    /// How many of the best regions are searched again; 0 for none.
    pub refine: usize,
    /// Whether trials are scored on the test images.
    pub with_test: bool,
}

/// The part of `search.toml` that says what is searched beside the settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// The values searched.
    #[serde(flatten)]
    pub space: Space,
    /// As in [`Search`].
    pub warm_start: bool,
    /// As in [`Search`].
    pub refine: usize,
    /// As in [`Search`].
    pub with_test: bool,
}

impl Search {
    /// Rejects what cannot be searched, naming the flag.
    pub fn check(&self) -> Result<()> {
        let usage = |what: &str| Err(Error::Usage(what.into()));
        if self.config.overfit_one_batch {
            return usage("--overfit-one-batch checks one training: use it with train");
        }
        if self.config.repeats > 1 {
            return usage(
                "--repeats is train's: search --sample list --range seed=0,1,2 and so on tries several seeds",
            );
        }
        if self.warm_start && self.refine > 0 {
            return usage(
                "--warm-start --refine: the trials of a warm-started search are one training, and are not refined",
            );
        }
        let parameters = self.space.parameters();
        if let ([_, _, ..], true) = (&parameters[..], self.warm_start) {
            return usage("--warm-start: expected one parameter to be searched, whose values can be sorted");
        }
        if let (Some(parameter), true) =
            (parameters.iter().find(|parameter| parameter.decides_shape()), self.warm_start)
        {
            return Err(Error::Usage(format!(
                "--warm-start: networks of different {} cannot go on from one another",
                parameter.name()
            )));
        }
        self.space.points(self.config.seed).iter().try_for_each(|point| self.config_at(point).check())
    }

    /// The trials of stage 0, numbered from 0.
    pub fn trials(&self) -> Vec<Trial> {
        let mut points = self.space.points(self.config.seed);
        if self.warm_start {
            points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        }
        let mut trials = self.at(&points, 0, 0);
        if self.warm_start {
            for trial in &mut trials {
                trial.spec.seed = trial.spec.seed.wrapping_add(trial.trial as u64);
            }
        }
        trials
    }

    /// The trials of stage 1: as many again, around the best of stage 0, whose records are all there.
    pub fn refined(&self, records: &[Record]) -> Vec<Trial> {
        let parameters = self.space.parameters();
        let best: Vec<Vec<f64>> = rank(records)
            .into_iter()
            .filter(|record| record.result.is_some())
            .map(|record| parameters.iter().map(|parameter| parameter.of(&record.trial)).collect())
            .collect();
        let first = records.len();
        let points = self.space.refined_points(&best, self.refine, self.config.seed, first as u64);
        self.at(&points, 1, first)
    }

    /// A trial at each of `points [trials][parameters]`.
    fn at(&self, points: &[Vec<f64>], stage: usize, first: usize) -> Vec<Trial> {
        let trial = |(place, point): (usize, &Vec<f64>)| {
            let config = self.config_at(point);
            let (spec, cut) = (config.train_spec(), config.steps);
            Trial { trial: first + place, stage, hidden: config.hidden, spec, cut }
        };
        points.iter().enumerate().map(trial).collect()
    }

    /// The settings of a trial at `point [parameters]`.
    fn config_at(&self, point: &[f64]) -> Config {
        let mut config = self.config.clone();
        self.space.parameters().iter().zip(point).for_each(|(parameter, &value)| parameter.set(&mut config, value));
        config
    }

    /// What `search.toml` says of it beside the settings.
    pub fn options(&self) -> Options {
        let Self { space, warm_start, refine, with_test, .. } = self.clone();
        Options { space, warm_start, refine, with_test }
    }
}

/// Trains the trials of `shard` that have no record yet, stage after stage, and records each as it ends. Returns the time
/// that this took. `watch` is shown every wave before it is recorded.
///
/// # Errors
///
/// What the device, the records and the display have; [`Error::Interrupted`] by a signal, which loses the waves that
/// run. A trial that diverges is no error.
pub fn run(
    search: &Search,
    crew: &Crew<'_>,
    folder: &mut Folder,
    shard: Shard,
    display: &mut Display,
    watch: &mut dyn FnMut(&Wave) -> Result<()>,
) -> Result<Duration> {
    let trials = search.trials();
    let mine: Vec<_> = trials.into_iter().filter(|trial| shard.has(trial.trial)).collect();
    let total = mine.len() * if search.refine > 0 { 2 } else { 1 };
    let mut progress = Progress { total, spent: Duration::ZERO, trained: 0, left: 0, ranks: crew.ranks.count(), watch };
    let trained = if search.warm_start {
        progress.warm(search, crew, folder, &mine, display)
    } else {
        progress.stages(search, crew, folder, mine, display)
    };
    match trained {
        Err(Error::Interrupted { name, number, .. }) => {
            let after = format!("{} of {total} trials", folder.records().len());
            Err(Error::Interrupted { name, number, after })
        }
        trained => trained.map(|()| progress.spent),
    }
}

/// How far a search has come.
struct Progress<'a> {
    /// Trials of all stages.
    total: usize,
    /// Time of this process's waves.
    spent: Duration,
    /// Trials of this process.
    trained: usize,
    /// Trials of the stage that have not ended.
    left: usize,
    /// How many train at once.
    ranks: usize,
    /// Shown every wave.
    watch: &'a mut dyn FnMut(&Wave) -> Result<()>,
}

impl Progress<'_> {
    fn stages(
        &mut self,
        search: &Search,
        crew: &Crew<'_>,
        folder: &mut Folder,
        trials: Vec<Trial>,
        display: &mut Display,
    ) -> Result<()> {
        self.fresh(search, crew, folder, trials, display)?;
        if search.refine > 0 {
            let coarse: Vec<_> = folder.records().iter().filter(|record| record.trial.stage == 0).cloned().collect();
            self.fresh(search, crew, folder, search.refined(&coarse), display)?;
        }
        Ok(())
    }

    fn fresh(
        &mut self,
        search: &Search,
        crew: &Crew<'_>,
        folder: &mut Folder,
        trials: Vec<Trial>,
        display: &mut Display,
    ) -> Result<()> {
        let missing: Vec<_> = trials.into_iter().filter(|trial| !folder.has(trial.trial)).collect();
        self.left = missing.len();
        crew.fresh(&missing, display, &mut |wave, display| self.ended(search, folder, wave, display))
    }

    /// A warm-started search goes on from the network after the last trial that has a record.
    fn warm(
        &mut self,
        search: &Search,
        crew: &Crew<'_>,
        folder: &mut Folder,
        trials: &[Trial],
        display: &mut Display,
    ) -> Result<()> {
        let runner = crew.runner;
        let done = trials.iter().take_while(|trial| folder.has(trial.trial)).count();
        let missing = &trials[done..];
        let start = match (done, missing.first()) {
            (1.., Some(next)) => Some(folder.network(&runner.shape(next)?, done - 1)?),
            _ => None,
        };
        (self.left, self.ranks) = (missing.len(), 1);
        runner.warm(missing, start, display, &mut |wave, display| {
            // Before the record: a record without its network could not be gone on from.
            folder.keep_network(wave.records[0].trial.trial, &wave.params[0])?;
            self.ended(search, folder, wave, display)
        })
    }

    fn ended(&mut self, search: &Search, folder: &mut Folder, wave: Wave, display: &mut Display) -> Result<()> {
        let models = wave.records.len();
        if models == 0 {
            return Ok(());
        }
        (self.watch)(&wave)?;
        self.spent += wave.duration;
        self.trained += models;
        self.left -= models;
        let diverged = wave.records.iter().filter_map(|record| Some((record.trial.trial, record.diverged.clone()?)));
        let diverged: Vec<_> = diverged.collect();
        folder.append(wave.records)?;
        let mut line = format!(
            "{} of {} trials, the last {models} in {:.1} s",
            folder.records().len(),
            self.total,
            wave.duration.as_secs_f64(),
        );
        let left = self.spent.as_secs_f64() / self.trained as f64 * self.left as f64 / self.ranks as f64;
        if left > 0.0 {
            let _ = write!(line, ", {left:.0} s left");
        }
        if let Some(best) = rank(folder.records()).first().filter(|best| best.result.is_some()) {
            let values = search.space.parameters().into_iter();
            let values = values.map(|one| format!("{} {}", one.name(), one.show(one.of(&best.trial))));
            let merit = best.merit().unwrap_or_default() * 100.0;
            let _ = write!(
                line,
                "; best so far trial {}, {}: {merit:.2}%",
                best.trial.trial,
                values.collect::<Vec<_>>().join(", ")
            );
        }
        display.progress(&line);
        for (trial, Diverged { step, message }) in diverged {
            display.warn(&format!("trial {trial}: diverged at step {step}: {message}"));
        }
        Ok(())
    }
}
