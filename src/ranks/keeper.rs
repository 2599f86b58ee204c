//! Local SGD: each rank trains its own copy of the networks, and all take the mean at every cycle's end.
//!
//! All ranks begin with the same weights and draw from the same images, each in shuffles of its own
//! ([`crate::util::random::shuffle_seed`]), as in Stich, *Local SGD Converges Fast and Communicates Little*, 2019. Steps and
//! learning rates are those of one process, so `N` ranks see `N` times as many images in the same time. Between two
//! cycles' ends the ranks have different weights; so only states at cycles' ends are saved, and the records of other
//! evaluations are of the first rank's own copy.

use super::Ranks;
use crate::error::{Error, Result};
use crate::model::params::Params;
use crate::records::checkpoint::Checkpoints;
use crate::train::{Evaluation, Keeper, State};
use crate::util::signals::Signals;

/// Keeps the states of a training on several ranks.
pub struct Together<'a> {
    ranks: &'a Ranks,
    signals: Signals,
    /// Of the first rank.
    checkpoints: Option<&'a mut Checkpoints>,
    /// The step after which all ranks had the same weights last.
    averaged: Option<u64>,
}

impl<'a> Together<'a> {
    /// A keeper for this rank, with the first one's checkpoints.
    pub fn new(ranks: &'a Ranks, signals: Signals, checkpoints: Option<&'a mut Checkpoints>) -> Self {
        Self { ranks, signals, checkpoints, averaged: None }
    }
}

impl Keeper for Together<'_> {
    fn every(&self) -> Option<u64> {
        None
    }

    fn stop(&self, step: u64) -> Option<Error> {
        self.signals.caught(format_args!("step {step}"))
    }

    fn is_best(&self, evaluation: &Evaluation) -> bool {
        self.averaged == Some(evaluation.step)
            && self.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.is_best(evaluation))
    }

    fn hold(&mut self, state: State, evaluation: &Evaluation) {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.hold(state, evaluation);
        }
    }

    fn save(&mut self, state: &State) -> Result<()> {
        match &mut self.checkpoints {
            Some(checkpoints) if self.averaged == Some(state.step) => checkpoints.save(state),
            _ => Ok(()),
        }
    }

    fn averages(&self) -> bool {
        true
    }

    fn average(&mut self, params: &mut [Params], step: u64) -> Result<()> {
        self.ranks.average(params, step, &self.signals)?;
        self.averaged = Some(step);
        Ok(())
    }
}
