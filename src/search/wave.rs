//! What a search yields: waves of trials that have trained together, and what is seen on the way.

use std::time::Duration;

use super::halving::Rung;
use super::trial::Record;
use crate::error::Result;
use crate::model::params::Params;
use crate::train::State;

/// Trials that have ended together.
pub struct Wave {
    /// One a trial, in the order of the trials.
    pub records: Vec<Record>,
    /// The weights at the end, one a trial; meaningless where it diverged. None from another rank.
    pub params: Vec<Params>,
    /// What its trials may continue from, one a trial, at the end of a rung that is not the last one; none if all diverged.
    pub states: Vec<State>,
    /// From building the engine to the last score.
    pub duration: Duration,
}

/// What is seen of a search.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// A wave of so many steps begins on this rank.
    Begun(u64),
    /// Its engine has been handed all steps before this one.
    Stepped(u64),
    /// A wave has failed on this rank, for this reason. The other ranks continue.
    Failed(usize, &'a str),
    /// A wave has ended, on whatever rank, and is about to be recorded.
    Ended(&'a Wave),
    /// It is recorded.
    Recorded(Progress<'a>),
    /// A rung has ended, with these records of its trials, the best first, of which so many go on.
    Rung(Rung, &'a [&'a Record], usize),
}

/// Who is told. An error stops the search.
pub type Tell<'a> = dyn FnMut(Event<'_>) -> Result<()> + 'a;

/// How far a search has come once a wave is recorded.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    /// The wave.
    pub wave: &'a Wave,
    /// The rung, of a search by successive halving.
    pub rung: Option<Rung>,
    /// Trials recorded, in that rung if there is one.
    pub done: usize,
    /// Of so many, in all stages or in that rung.
    pub total: usize,
    /// Seconds that the rest of the stage or rung will take; 0 at its end.
    pub seconds_left: f64,
    /// The best trial, unless all have diverged.
    pub best: Option<&'a Record>,
}
