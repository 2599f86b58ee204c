//! Who trains a search's waves: this process, or all ranks of a job.
//!
//! The first rank deals: each rank trains a wave, answers with its records, and gets the next one. It trains too, on a
//! thread beside the one that deals. Records come in any order and are the same bits from any rank, so a job of any
//! size leaves the same search.
//!
//! A wave that fails, on a GPU without the memory say, does not stop the others: it is left without records, as the last
//! error says, and going on with the search tries it again. A rank that fails twice in a row gets no more waves, so that
//! a GPU which was lost does not spoil them all.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::runner::{Runner, Wave, groups};
use super::trial::{Record, Trial};
use crate::error::Result;
use crate::ranks::{Cause, Ranks, pause};
use crate::terminal::Display;
use crate::util::signals::Signals;

/// Waves that a rank may fail in a row.
const FAILURES: usize = 2;

/// The ranks, and what trains on this one.
pub struct Crew<'a> {
    /// All of them.
    pub ranks: &'a Ranks,
    /// Of this one.
    pub runner: &'a Runner,
}

/// What a rank has made of a wave.
#[derive(Serialize, Deserialize)]
struct Answer {
    records: Vec<Record>,
    duration: Duration,
    /// Why trials are missing among the records.
    failed: Option<Cause>,
}

/// What the first rank knows of another, or of its own training thread.
#[derive(Clone, Default)]
struct Hand {
    /// The trials dealt, until the answer.
    busy: Option<Vec<Trial>>,
    /// Waves failed in a row.
    failures: usize,
}

impl Crew<'_> {
    /// Trains `trials` from fresh weights and hands over each wave at its end. For the first rank.
    ///
    /// # Errors
    ///
    /// What the device and `done` have; on several ranks [`crate::error::Error::Job`] once all other waves are done. A
    /// trial that diverges is no error.
    pub fn fresh(
        &self,
        trials: &[Trial],
        display: &mut Display,
        done: &mut dyn FnMut(Wave, &mut Display) -> Result<()>,
    ) -> Result<()> {
        if self.ranks.count() == 1 {
            return self.runner.fresh(trials, display, done);
        }
        thread::scope(|scope| {
            let (deal, dealt) = channel::<Vec<Trial>>();
            let (answer, answers) = channel();
            let runner = self.runner;
            scope.spawn(move || dealt.into_iter().try_for_each(|trials| answer.send(answered(runner, &trials))));
            self.deal(trials, &deal, &answers, display, done)
        })
    }

    /// Deals waves until none is left, to this rank's thread through `own` and to the others as messages.
    fn deal(
        &self,
        trials: &[Trial],
        own: &Sender<Vec<Trial>>,
        answers: &Receiver<Answer>,
        display: &mut Display,
        done: &mut dyn FnMut(Wave, &mut Display) -> Result<()>,
    ) -> Result<()> {
        let mut waves = self.waves(trials);
        let mut hands = vec![Hand::default(); self.ranks.count()];
        let mut failed: Vec<(usize, Cause, Vec<usize>)> = Vec::new();
        loop {
            for (rank, hand) in hands.iter_mut().enumerate().filter(|(_, hand)| hand.is_free()) {
                let Some(wave) = waves.pop_front() else { break };
                match rank {
                    // The thread ends only after this side of its channel.
                    0 => drop(own.send(wave.clone())),
                    _ => self.ranks.send(rank, &Some(&wave))?,
                }
                hand.busy = Some(wave);
            }
            if hands.iter().all(|hand| hand.busy.is_none()) {
                break;
            }
            if let Some(stop) = self.signals().caught("some waves") {
                return Err(stop);
            }
            let own = answers.try_recv().ok().map(|answer| (0, answer));
            let Some((rank, answer)) = own.map_or_else(|| self.ranks.take::<Answer>(), |own| Ok(Some(own)))? else {
                pause();
                continue;
            };
            let wave = hands[rank].busy.take().unwrap_or_default();
            hands[rank].failures = if answer.failed.is_some() { hands[rank].failures + 1 } else { 0 };
            if let Some(cause) = answer.failed {
                let has = |trial: &Trial| answer.records.iter().any(|record| record.trial.trial == trial.trial);
                let missing = wave.iter().filter(|trial| !has(trial)).map(|trial| trial.trial).collect();
                display.warn(&format!("rank {rank}: {}", cause.message));
                failed.push((rank, cause, missing));
            }
            done(Wave { records: answer.records, params: Vec::new(), duration: answer.duration }, display)?;
        }
        missing(failed, waves.into_iter().flatten())
    }

    /// What the other ranks do: train what they are dealt, until there is no more.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Interrupted`] by a signal. A wave that fails is the first rank's to report.
    pub fn serve(&self) -> Result<()> {
        while let Some(trials) = self.ranks.wait::<Option<Vec<Trial>>>(0, || self.signals().caught("some waves"))? {
            let answer = answered(self.runner, &trials);
            self.signals().caught("some waves").map_or(Ok(()), Err)?;
            self.ranks.send(0, &answer)?;
        }
        Ok(())
    }

    /// Tells the other ranks that there is no more.
    pub fn dismiss(&self) -> Result<()> {
        (1..self.ranks.count()).try_for_each(|rank| self.ranks.send(rank, &None::<Vec<Trial>>))
    }

    fn signals(&self) -> &Signals {
        &self.runner.signals
    }

    /// As large as the device takes them, and no larger than leaves one for each rank.
    fn waves(&self, trials: &[Trial]) -> VecDeque<Vec<Trial>> {
        let count = self.ranks.count();
        let cut = |group: Vec<Trial>| {
            let size = self.runner.wave.min(group.len().div_ceil(count)).max(1);
            group.chunks(size).map(<[Trial]>::to_vec).collect::<Vec<_>>()
        };
        groups(trials).into_iter().flat_map(cut).collect()
    }
}

impl Hand {
    fn is_free(&self) -> bool {
        self.busy.is_none() && self.failures < FAILURES
    }
}

/// Trains a wave that was dealt.
fn answered(runner: &Runner, trials: &[Trial]) -> Answer {
    let (mut records, mut duration) = (Vec::new(), Duration::ZERO);
    let trained = runner.fresh(trials, &mut Display::new(true), &mut |wave, _| {
        records.extend(wave.records);
        duration += wave.duration;
        Ok(())
    });
    Answer { records, duration, failed: trained.err().as_ref().map(Cause::from) }
}

/// The error of a search some of whose waves failed.
fn missing(failed: Vec<(usize, Cause, Vec<usize>)>, left: impl Iterator<Item = Trial>) -> Result<()> {
    let mut trials: Vec<_> = failed.iter().flat_map(|(.., trials)| trials.clone()).collect();
    trials.extend(left.map(|trial| trial.trial));
    trials.sort_unstable();
    let Some((rank, cause, _)) = failed.into_iter().next() else { return Ok(()) };
    let names: Vec<_> = trials.iter().map(usize::to_string).collect();
    let message = format!("{} (trials without a record: {})", cause.message, names.join(", "));
    Err(Cause { message, ..cause }.of(rank))
}

#[cfg(test)]
mod tests;
