//! A search from its first trial, or from where it was stopped, to its last.

use std::time::Duration;

use super::deal::{dismiss, fresh};
use super::folder::Folder;
use super::halving::states::States;
use super::halving::{Halving, Rung};
use super::shard::Shard;
use super::spec::Search;
use super::trainer::Trainer;
use super::trial::{Record, Trial, rank};
use super::wave::{Event, Progress, Tell, Wave};
use crate::error::{Error, Result};
use crate::ranks::Ranks;

/// Trains the trials of `shard` that have no record yet, stage after stage and in a stage rung after rung, and records each
/// wave as it ends. The caller shows what it is told. Returns the time of training.
///
/// # Errors
///
/// Those of the device, the records and `tell`; [`Error::Interrupted`] by a signal, which loses the waves in
/// training. A trial that diverges is no error.
pub fn run(
    search: &Search,
    trainer: &Trainer,
    ranks: &Ranks,
    folder: &mut Folder,
    shard: Shard,
    tell: &mut Tell<'_>,
) -> Result<Duration> {
    let trials: Vec<_> = search.trials().into_iter().filter(|trial| shard.has(trial.trial)).collect();
    let total = trials.len() * if search.refine > 0 { 2 } else { 1 };
    let mut run = Run { search, folder, tell, total, spent: Duration::ZERO, part: Part::default() };
    let trained = if search.warm_start { run.warm(trainer, &trials) } else { run.stages(trainer, ranks, trials) };
    let (spent, so_far) = (run.spent, run.so_far());
    if let Ok(()) | Err(Error::Job { .. }) = trained {
        dismiss(ranks)?;
    }
    match trained {
        Err(Error::Interrupted { name, code, .. }) => Err(Error::Interrupted { name, code, after: so_far }),
        trained => trained.map(|()| spent),
    }
}

struct Run<'a> {
    search: &'a Search,
    folder: &'a mut Folder,
    tell: &'a mut Tell<'a>,
    /// Trials of all stages.
    total: usize,
    /// Time of the waves of this command.
    spent: Duration,
    /// What is trained now.
    part: Part,
}

/// A stage, or a rung of it.
#[derive(Default)]
struct Part {
    rung: Option<Rung>,
    /// The stage's trials.
    stage: Vec<Trial>,
    /// How many of them train in it.
    trials: usize,
    /// Those of them that this command has trained, and for how long.
    trained: usize,
    spent: Duration,
    /// Those that are left.
    left: usize,
    /// How many waves train at once.
    ranks: usize,
}

impl<'a> Run<'a> {
    fn stages(&mut self, trainer: &Trainer, ranks: &Ranks, trials: Vec<Trial>) -> Result<()> {
        self.stage(trainer, ranks, trials)?;
        if self.search.refine == 0 {
            return Ok(());
        }
        let coarse: Vec<_> = self.folder.records().iter().filter(|record| record.trial.stage == 0).cloned().collect();
        self.stage(trainer, ranks, self.search.refined(&coarse))
    }

    fn stage(&mut self, trainer: &Trainer, ranks: &Ranks, mut trials: Vec<Trial>) -> Result<()> {
        if let Some(halving) = self.search.halving {
            return halving.all().try_for_each(|rung| self.rung(trainer, rung, &trials));
        }
        trials.retain(|trial| !self.folder.has(trial.trial));
        self.part = Part { left: trials.len(), ranks: ranks.count(), ..Part::default() };
        fresh(ranks, trainer, &trials, &mut |event| self.told(event))
    }

    /// Trains those of a stage's `trials` through `rung` that go on into it.
    fn rung(&mut self, trainer: &Trainer, rung: Rung, stage: &[Trial]) -> Result<()> {
        // What a process that was killed has left.
        self.forget(rung.of, stage)?;
        let (before, states) = (self.folder.records().to_vec(), self.states());
        let trials = rung.trials(stage, &before);
        let missing: Vec<_> = trials.iter().filter(|trial| !rung.is_over(trial, &before)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (stage, left) = (stage.to_vec(), missing.len());
        self.part = Part { rung: Some(rung), stage, trials: trials.len(), left, ranks: 1, ..Part::default() };
        let begun = |trial: &Trial| {
            let Some(last) = rung.index.checked_sub(1) else { return Ok(None) };
            let record = before.iter().find(|record| record.trial.trial == trial.trial);
            record.map(|record| Ok((states.read(trial, last, trainer.shape(trial)?)?, record.clone()))).transpose()
        };
        trainer.rung(&missing, rung, &begun, &mut |event| self.told(event))?;
        let trained = |record: &&Record| trials.iter().any(|trial| trial.trial == record.trial.trial);
        let ended: Vec<_> = self.folder.records().iter().filter(trained).cloned().collect();
        let go_on = rung.next().map_or(0, |next| next.trials(&self.part.stage, &ended).len());
        (self.tell)(Event::Rung(rung, &rank(&ended), go_on))
    }

    fn states(&self) -> States<'a> {
        States {
            folder: self.folder.path().to_owned(),
            search: self.search,
            data: self.folder.plan().data.sha256.clone(),
        }
    }

    /// A warm-started search resumes from the network after the last trial that has a record.
    fn warm(&mut self, trainer: &Trainer, trials: &[Trial]) -> Result<()> {
        let done = trials.iter().take_while(|trial| self.folder.has(trial.trial)).count();
        let missing = &trials[done..];
        let start = match (done, missing.first()) {
            (1.., Some(next)) => Some(self.folder.network(&trainer.shape(next)?, done - 1)?),
            _ => None,
        };
        self.part = Part { left: missing.len(), ranks: 1, ..Part::default() };
        trainer.warm(missing, start, &mut |event| self.told(event))
    }

    fn told(&mut self, event: Event<'_>) -> Result<()> {
        (self.tell)(event)?;
        if let Event::Ended(wave) = event { self.record(wave) } else { Ok(()) }
    }

    fn record(&mut self, wave: &Wave) -> Result<()> {
        if self.search.warm_start {
            // Before the record: a record without its network could not be resumed from.
            self.folder.keep_network(wave.records[0].trial.trial, &wave.params[0])?;
        }
        if let Some(rung) = self.part.rung {
            // Before the records, for the same reason.
            let states = wave.records.iter().zip(&wave.states).filter(|(record, _)| record.diverged.is_none());
            for (record, state) in states {
                self.states().keep(&record.trial, rung.index, state.clone())?;
            }
        }
        self.folder.append(&wave.records)?;
        if let Some(Rung { of, .. }) = self.part.rung {
            self.forget(of, &self.part.stage)?;
        }
        self.spent += wave.duration;
        let part = &mut self.part;
        part.spent += wave.duration;
        part.trained += wave.records.len();
        part.left -= wave.records.len();
        let (records, part) = (self.folder.records(), &self.part);
        let (done, total) = match part.rung {
            Some(_) => (part.trials - part.left, part.trials),
            None => (records.len(), self.total),
        };
        (self.tell)(Event::Recorded(Progress {
            wave,
            rung: part.rung,
            done,
            total,
            seconds_left: part.spent.as_secs_f64() / part.trained as f64 * part.left as f64 / part.ranks as f64,
            best: rank(records).first().copied().filter(|best| best.result.is_some()),
        }))
    }

    /// Removes the states of a stage's trials that do not continue from them any more.
    fn forget(&self, of: Halving, stage: &[Trial]) -> Result<()> {
        let records = self.folder.records();
        self.states().retain(|number, index| {
            let trial = stage.iter().find(|trial| trial.trial == number);
            trial.is_none_or(|trial| Rung { index, of }.is_left_by(trial, stage, records))
        })
    }

    /// How far it has come, after a signal.
    fn so_far(&self) -> String {
        let Part { rung, trials, left, .. } = &self.part;
        match rung {
            Some(rung) => format!("{} of {trials} trials of {rung}", trials - left),
            None => format!("{} of {} trials", self.folder.records().len(), self.total),
        }
    }
}
