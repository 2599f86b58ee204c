//! Deals waves to the ranks of a job, for [`super::run()`].
//!
//! The first rank deals: each rank trains a wave, answers with its records, and gets the next one. It trains too, on a
//! thread beside the one that deals. Records come in any order and have the same bits from any rank, so a job of any size
//! leaves the same search.
//!
//! A wave that fails, on a GPU without the memory say, does not stop the others: its trials get no records, as the last
//! error says, and resuming the search tries them again. A rank that fails twice in a row gets no more waves, so that one
//! lost GPU does not fail them all.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::trainer::{Trainer, waves};
use super::trial::{Record, Trial};
use super::wave::{Event, Tell, Wave};
use crate::error::Result;
use crate::ranks::{Cause, Ranks, pause};

/// Waves in a row that a rank may fail.
const FAILURES: usize = 2;

/// What came of a wave that was dealt.
#[derive(Serialize, Deserialize)]
struct Answer {
    records: Vec<Record>,
    duration: Duration,
    /// Why trials are missing among the records.
    failed: Option<Cause>,
}

/// What the first rank knows about another, or about its own training thread.
#[derive(Clone, Default)]
struct Player {
    /// The trials dealt, until the answer.
    busy: Option<Vec<Trial>>,
    failures: usize,
}

/// Trains `trials` from fresh weights on all ranks. For the first rank.
///
/// # Errors
///
/// Those of the device and of `tell`; on several ranks [`crate::error::Error::Job`] once all other waves are done. A
/// trial that diverges is no error.
pub fn fresh(ranks: &Ranks, trainer: &Trainer, trials: &[Trial], tell: &mut Tell<'_>) -> Result<()> {
    if ranks.count() == 1 {
        return trainer.fresh(trials, tell);
    }
    thread::scope(|scope| {
        let (deal, dealt) = channel::<Vec<Trial>>();
        let (answer, answers) = channel();
        scope.spawn(move || dealt.into_iter().try_for_each(|trials| answer.send(answered(trainer, &trials))));
        deal_all(ranks, trainer, trials, &deal, &answers, tell)
    })
}

/// Deals waves until none is left, to this rank's thread through `own` and to the others as messages.
fn deal_all(
    ranks: &Ranks,
    trainer: &Trainer,
    trials: &[Trial],
    own: &Sender<Vec<Trial>>,
    answers: &Receiver<Answer>,
    tell: &mut Tell<'_>,
) -> Result<()> {
    let mut waves = waves(trials, trainer.models, ranks.count());
    let mut players = vec![Player::default(); ranks.count()];
    let mut failed: Option<(usize, Cause)> = None;
    let mut missing = Vec::new();
    loop {
        for (rank, player) in players.iter_mut().enumerate().filter(|(_, player)| player.is_free()) {
            let Some(wave) = waves.pop_front() else { break };
            match rank {
                // The thread ends only after this side of its channel.
                0 => drop(own.send(wave.clone())),
                _ => ranks.send(rank, &Some(&wave))?,
            }
            player.busy = Some(wave);
        }
        if players.iter().all(|player| player.busy.is_none()) {
            break;
        }
        if let Some(stop) = trainer.signals.caught("some waves") {
            return Err(stop);
        }
        let own = answers.try_recv().ok().map(|answer| (0, answer));
        let Some((rank, answer)) = own.map_or_else(|| ranks.take::<Answer>(), |own| Ok(Some(own)))? else {
            pause();
            continue;
        };
        let Answer { records, duration, failed: cause } = answer;
        let wave = players[rank].busy.take().unwrap_or_default();
        players[rank].failures = if cause.is_some() { players[rank].failures + 1 } else { 0 };
        if let Some(cause) = cause {
            missing
                .extend(wave.iter().map(|trial| trial.trial).filter(|&n| records.iter().all(|r| r.trial.trial != n)));
            tell(Event::Failed(rank, &cause.message))?;
            failed.get_or_insert((rank, cause));
        }
        if !records.is_empty() {
            tell(Event::Ended(&Wave { records, params: Vec::new(), states: Vec::new(), duration }))?;
        }
    }
    let Some((rank, Cause { code, message })) = failed else { return Ok(()) };
    missing.extend(waves.iter().flatten().map(|trial| trial.trial));
    missing.sort_unstable();
    let names: Vec<_> = missing.iter().map(usize::to_string).collect();
    let message = format!("{message} (trials without a record: {})", names.join(", "));
    Err(Cause { code, message }.of(rank))
}

/// The loop of the other ranks: train what they are dealt, until [`dismiss`].
///
/// # Errors
///
/// [`crate::error::Error::Interrupted`] by a signal. A wave that fails is the first rank's to report.
pub fn serve(ranks: &Ranks, trainer: &Trainer) -> Result<()> {
    let stop = || trainer.signals.caught("some waves");
    while let Some(trials) = ranks.wait::<Option<Vec<Trial>>>(0, stop)? {
        let answer = answered(trainer, &trials);
        stop().map_or(Ok(()), Err)?;
        ranks.send(0, &answer)?;
    }
    Ok(())
}

/// Tells the other ranks that there is no more.
pub fn dismiss(ranks: &Ranks) -> Result<()> {
    (1..ranks.count()).try_for_each(|rank| ranks.send(rank, &None::<Vec<Trial>>))
}

impl Player {
    fn is_free(&self) -> bool {
        self.busy.is_none() && self.failures < FAILURES
    }
}

fn answered(trainer: &Trainer, trials: &[Trial]) -> Answer {
    let (mut records, mut duration) = (Vec::new(), Duration::ZERO);
    let trained = trainer.fresh(trials, &mut |event| {
        if let Event::Ended(wave) = event {
            records.extend_from_slice(&wave.records);
            duration += wave.duration;
        }
        Ok(())
    });
    Answer { records, duration, failed: trained.err().as_ref().map(Cause::from) }
}

#[cfg(test)]
mod tests;
