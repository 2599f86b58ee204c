//! Local SGD: each rank trains its own copy of the networks, and all copies are averaged at every cycle's end.
//!
//! All ranks start from the same weights and draw from the same images, each in shuffles of its own
//! ([`crate::util::random::shuffle_seed`]), as in Stich, *Local SGD Converges Fast and Communicates Little*, 2019. Steps and
//! learning rates are those of one process, so `N` ranks see `N` times as many images in the same time. Between cycles'
//! ends the ranks' weights differ: only states at cycles' ends are saved, and evaluations in between are of the first
//! rank's copy.

use super::Ranks;
use crate::error::{Error, Result};
use crate::model::params::Params;
use crate::records::checkpoint::Checkpoints;
use crate::train::{Evaluation, Keeper, State};
use crate::util::signals::Signals;

/// Averages the weights at each cycle's end, and saves only states that are averages.
pub struct LocalSgd<'a> {
    ranks: &'a Ranks,
    signals: Signals,
    /// Of the first rank.
    checkpoints: Option<&'a mut Checkpoints>,
    /// The last step after which all ranks had the same weights.
    averaged: Option<u64>,
}

impl<'a> LocalSgd<'a> {
    /// For this rank; only the first one has checkpoints.
    pub fn new(ranks: &'a Ranks, signals: Signals, checkpoints: Option<&'a mut Checkpoints>) -> Self {
        Self { ranks, signals, checkpoints, averaged: None }
    }
}

impl Keeper for LocalSgd<'_> {
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
