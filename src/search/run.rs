//! A search from its first trial, or from where it was stopped, to its last.

use std::time::Duration;

use super::deal::{dismiss, fresh};
use super::folder::Folder;
use super::shard::Shard;
use super::spec::Search;
use super::trainer::Trainer;
use super::trial::{Trial, rank};
use super::wave::{Event, Progress, Tell, Wave};
use crate::error::{Error, Result};
use crate::ranks::Ranks;

/// Trains the trials of `shard` that have no record yet, stage after stage, and records each wave as it ends. The caller
/// shows what it is told. Returns the time of training.
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
    let mut run = Run { search, folder, tell, total, spent: Duration::ZERO, trained: 0, left: 0, ranks: 1 };
    let trained = if search.warm_start { run.warm(trainer, &trials) } else { run.stages(trainer, ranks, trials) };
    let Run { spent, folder, .. } = run;
    if let Ok(()) | Err(Error::Job { .. }) = trained {
        dismiss(ranks)?;
    }
    match trained {
        Err(Error::Interrupted { name, code, .. }) => {
            let after = format!("{} of {total} trials", folder.records().len());
            Err(Error::Interrupted { name, code, after })
        }
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
    /// Its trials.
    trained: usize,
    /// Trials of the stage without a record.
    left: usize,
    /// How many waves train at once.
    ranks: usize,
}

impl Run<'_> {
    fn stages(&mut self, trainer: &Trainer, ranks: &Ranks, trials: Vec<Trial>) -> Result<()> {
        self.ranks = ranks.count();
        self.stage(trainer, ranks, trials)?;
        if self.search.refine == 0 {
            return Ok(());
        }
        let coarse: Vec<_> = self.folder.records().iter().filter(|record| record.trial.stage == 0).cloned().collect();
        self.stage(trainer, ranks, self.search.refined(&coarse))
    }

    fn stage(&mut self, trainer: &Trainer, ranks: &Ranks, mut trials: Vec<Trial>) -> Result<()> {
        trials.retain(|trial| !self.folder.has(trial.trial));
        self.left = trials.len();
        fresh(ranks, trainer, &trials, &mut |event| self.told(event))
    }

    /// A warm-started search resumes from the network after the last trial that has a record.
    fn warm(&mut self, trainer: &Trainer, trials: &[Trial]) -> Result<()> {
        let done = trials.iter().take_while(|trial| self.folder.has(trial.trial)).count();
        let missing = &trials[done..];
        let start = match (done, missing.first()) {
            (1.., Some(next)) => Some(self.folder.network(&trainer.shape(next)?, done - 1)?),
            _ => None,
        };
        self.left = missing.len();
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
        self.folder.append(&wave.records)?;
        self.spent += wave.duration;
        self.trained += wave.records.len();
        self.left -= wave.records.len();
        let records = self.folder.records();
        (self.tell)(Event::Recorded(Progress {
            wave,
            done: records.len(),
            total: self.total,
            seconds_left: self.spent.as_secs_f64() / self.trained as f64 * self.left as f64 / self.ranks as f64,
            best: rank(records).first().copied().filter(|best| best.result.is_some()),
        }))
    }
}
