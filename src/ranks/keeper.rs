//! Local SGD: each rank trains its own copy of the networks, and all take the mean at every cycle's end.
//!
//! All ranks begin with the same weights and draw from the same images, each in shuffles of its own
//! ([`crate::util::random::shuffle_seed`]), as in Stich, *Local SGD Converges Fast and Communicates Little*, 2019. Steps and
//! learning rates are those of one process, so `N` ranks see `N` times as many images in the same time. Between two
//! cycles' ends the ranks have different weights; so only states at cycles' ends are saved, and the records of other
//! evaluations are of the first rank's own copy.

use super::Ranks;
use crate::error::Result;
use crate::model::params::Params;
use crate::train::Peers;
use crate::util::signals::Signals;

/// A rank's share in a training on all of them.
pub struct Together<'a> {
    ranks: &'a Ranks,
    signals: Signals,
}

impl<'a> Together<'a> {
    /// This rank's, which waits for the others until a signal comes.
    pub fn new(ranks: &'a Ranks, signals: Signals) -> Self {
        Self { ranks, signals }
    }
}

impl Peers for Together<'_> {
    fn average(&mut self, params: &mut [Params], step: u64) -> Result<()> {
        self.ranks.average(params, step, &self.signals)
    }
}
