//! Successive halving: all trials of a stage train for a part of their steps, the better ones go on.
//!
//! (Jamieson and Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter Optimization*, 2016.) In each *rung*
//! the trials train `eta` times as far as in the one before; of `n` trials the best `n/eta`, by their validation accuracy at
//! the rung's end, go on. The last rung ends with the whole training.
//!
//! A trial that goes on continues its own training: from its weights, its optimizer's moments and its step, with the
//! learning rates and shuffles of the whole training, which are functions of the step. So what it ends with has the same
//! bits as without halving. [`states::States`] keeps what it continues from.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::trial::{Record, Trial};
use crate::error::{Error, Result};

pub mod states;

/// How the worse trials are ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// One in `eta` goes on, to `eta` times as many steps.
    pub eta: usize,
    /// How many rungs there are.
    pub rungs: usize,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Which, from 0.
    pub index: usize,
    /// Of these.
    pub of: Halving,
}

impl Halving {
    /// One in how many goes on where nobody says.
    pub const DEFAULT_ETA: usize = 3;

    /// A checked halving of `trials` trials, with as many rungs as leave one trial or more, unless they are fewer.
    pub fn new(eta: usize, rungs: Option<usize>, trials: usize) -> Result<Self> {
        if eta < 2 {
            return Err(Error::Usage(format!("--eta {eta}: expected 2 or more: one trial in so many goes on")));
        }
        let most = 1 + trials.max(1).ilog(eta) as usize;
        if most == 1 {
            return Err(Error::Usage(format!(
                "--halving with --eta {eta} leaves none of {trials} trials: expected --trials {eta} or more"
            )));
        }
        match rungs {
            Some(rungs) if !(2..=most).contains(&rungs) => Err(Error::Usage(format!(
                "--rungs {rungs}: expected 2 to {most}, as one in {eta} of {trials} trials goes on at each"
            ))),
            rungs => Ok(Self { eta, rungs: rungs.unwrap_or(most) }),
        }
    }

    /// The rungs in their order.
    pub fn all(self) -> impl Iterator<Item = Rung> {
        (0..self.rungs).map(move |index| Rung { index, of: self })
    }
}

impl Rung {
    /// Whether the trials are trained to their end.
    pub fn is_last(self) -> bool {
        self.index + 1 == self.of.rungs
    }

    /// The one after it.
    pub fn next(self) -> Option<Self> {
        (!self.is_last()).then_some(Self { index: self.index + 1, ..self })
    }

    /// How many of a stage's `trials` train in it.
    pub fn count(self, trials: usize) -> usize {
        trials / self.of.eta.pow(self.index as u32)
    }

    /// It ends after one in so many steps.
    pub fn share(self) -> u64 {
        (self.of.eta as u64).saturating_pow((self.of.rungs - 1 - self.index) as u32)
    }

    /// The step it ends with, of a training of so many, at least one of which must be the first rung's.
    pub fn end(self, steps: u64) -> Result<u64> {
        let Halving { eta, rungs } = self.of;
        let first = Self { index: 0, ..self }.share();
        if steps < first {
            return Err(Error::Usage(format!(
                "--halving: {steps} steps are too few for {rungs} rungs, each of {eta} times as many steps as the one \
                 before: expected {first} or more; train longer, or give fewer --rungs"
            )));
        }
        Ok(steps.div_ceil(self.share()))
    }

    /// Those of a stage's `trials` that train in it, according to the records of the rung before, all of them.
    pub fn trials(self, trials: &[Trial], records: &[Record]) -> Vec<Trial> {
        let Some(index) = self.index.checked_sub(1) else { return trials.to_vec() };
        let ended = Self { index, ..self }.ranking(records);
        let number = |record: &Record| record.trial.trial;
        let ended = ended.into_iter().filter(|record| trials.iter().any(|trial| trial.trial == number(record)));
        ended.take(self.count(trials.len())).map(|record| record.trial.clone()).collect()
    }

    /// The records of those that have ended it, the best at its end first.
    pub fn ranking(self, records: &[Record]) -> Vec<&Record> {
        let mut ranked: Vec<_> =
            records.iter().filter_map(|record| Some((record.rungs.get(self.index)?.merit(), record))).collect();
        ranked.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.trial.trial.cmp(&other.trial.trial)));
        ranked.into_iter().map(|(_, record)| record).collect()
    }

    /// Whether a trial that trains in it has ended it, or diverged.
    pub fn is_over(self, trial: &Trial, records: &[Record]) -> bool {
        of(trial, records).is_some_and(|record| record.rungs.len() > self.index || record.diverged.is_some())
    }

    /// Whether a trial has ended this rung well, and not the next one, and may train in that.
    pub fn is_left_by(self, trial: &Trial, trials: &[Trial], records: &[Record]) -> bool {
        let may = |next: Self| !next.is_over(trial, records) && next.trials(trials, records).contains(trial);
        self.next().is_some_and(may)
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rung {} of {}", self.index + 1, self.of.rungs)
    }
}

/// The record of a trial.
fn of<'a>(trial: &Trial, records: &'a [Record]) -> Option<&'a Record> {
    records.iter().find(|record| record.trial.trial == trial.trial)
}
