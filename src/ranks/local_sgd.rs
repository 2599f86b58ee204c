//! Local SGD: each rank trains its own copy of the networks, and all copies are averaged at every cycle's end.
//!
//! All ranks start from the same weights and draw from the same images, each in shuffles of its own
//! ([`crate::util::random::shuffle_seed`]), as in Stich, *Local SGD Converges Fast and Communicates Little*, 2019. Steps and
//! learning rates are those of one process, so `N` ranks see `N` times as many images in the same time. Between cycles'
//! ends the ranks' weights differ: only states at cycles' ends are saved, and evaluations in between are of the first
//! rank's copy.

use super::Ranks;
use crate::error::Result;
use crate::model::params::Params;
use crate::train::Peers;
use crate::util::signals::Signals;

/// Averages this rank's weights with those of the others.
pub struct LocalSgd<'a> {
    ranks: &'a Ranks,
    signals: Signals,
}

impl<'a> LocalSgd<'a> {
    /// For this rank, which waits for the others until a signal comes.
    pub fn new(ranks: &'a Ranks, signals: Signals) -> Self {
        Self { ranks, signals }
    }
}

impl Peers for LocalSgd<'_> {
    fn average(&mut self, params: &mut [Params], step: u64) -> Result<()> {
        self.ranks.average(params, step, &self.signals)
    }
}
