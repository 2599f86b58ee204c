//! An engine that is checked while it works.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::lockstep::{self, Lockstep};
use super::{Finding, impossible, start};
use crate::config::spec::Check;
use crate::data::{Dataset, ImageList, Images, Standardisation};
use crate::engine::{Checks, Chunk, Engine, Job, Later, Tally, Witness};
use crate::error::{Error, Result};
use crate::model::params::Params;
use crate::model::regularise::Training;

/// Images of an evaluation that are scored again, beside those of the step.
const SCORED: usize = 200;

/// How an engine is checked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often.
    pub check: Check,
    /// So many times the last check's duration pass before the next may start: on a CPU engine, whose time it takes; else 0.
    pub rest: u32,
}

/// An engine, and what watches it.
pub struct Checked {
    engine: Box<dyn Engine>,
    dataset: Arc<Dataset>,
    standardisation: Arc<Standardisation>,
    pace: Pace,
    /// The weights that were loaded first, until they have been used for a proof.
    start: Option<Vec<Params>>,
    proven: bool,
    /// Whether the weights that were loaded last differ from model to model.
    differ: bool,
    /// Images that were scored since the last check.
    scored: Vec<u32>,
    /// The check that runs.
    running: Option<JoinHandle<Result<Verdict>>>,
    /// Before then there is no other.
    rests: Instant,
    checks: Checks,
    /// Checks of steps that began: the models take turns, and of each the slices.
    turn: usize,
    /// Steps trained by this process.
    steps: u64,
    /// Since when steps of so many images run.
    training: Option<(Instant, u64)>,
}

struct Verdict {
    findings: Vec<Finding>,
    took: Duration,
}

impl Checked {
    /// `engine`, which trains on `dataset`.
    pub fn new(
        engine: Box<dyn Engine>,
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
        pace: Pace,
    ) -> Self {
        Self {
            engine,
            dataset,
            standardisation,
            pace,
            start: None,
            proven: pace.check == Check::Off,
            differ: false,
            scored: Vec::new(),
            running: None,
            rests: Instant::now(),
            checks: Checks::default(),
            turn: 0,
            steps: 0,
            training: None,
        }
    }

    /// The error for something that the engine computed wrong.
    fn wrong(&self, what: &str) -> Error {
        Error::Wrong { device: self.engine.describe(), what: what.into() }
    }

    /// Counts what a check found; an error if that was wrong.
    fn count(&mut self, findings: &[Finding]) -> Result<()> {
        if let Some(Finding { what, at, outcome, .. }) = findings.iter().find(|finding| !finding.outcome.passed()) {
            let at = if at.is_empty() { String::new() } else { format!(", {at}") };
            return Err(self.wrong(&format!("{what}{at}: {}", outcome.describe())));
        }
        let worst = findings.iter().map(|finding| finding.outcome.share()).fold(0.0, f64::max);
        // Nothing is compared of a training that diverges.
        self.checks = self.checks.and(Checks { times: u64::from(!findings.is_empty()), worst });
        Ok(())
    }

    /// Takes the verdict of the check that runs, if it has ended or must.
    fn hear(&mut self, end: bool) -> Result<()> {
        let Some(running) = self.running.take_if(|running| end || running.is_finished()) else { return Ok(()) };
        let verdict = running.join().map_err(|_| Error::Internal("the thread that checks has panicked".into()))??;
        self.rests = Instant::now() + verdict.took * self.pace.rest;
        self.count(&verdict.findings)
    }

    /// Trains the chunk's first step as a witness, and has another thread judge that.
    fn check_step(&mut self, step: &Chunk<'_>) -> Result<()> {
        let begun = Instant::now();
        let job = self.engine.job().clone();
        let (model, turn) = (self.turn % job.models(), self.turn / job.models());
        self.turn += 1;
        let batch = step.batch(model, job.shuffles);
        // A batch that is too large to be computed again need not be scored.
        let batch_scored =
            if batch.len() <= lockstep::images(&job.model, job.regularise) { batch } else { Images::default() };
        let scored = std::mem::take(&mut self.scored);
        let some = scored.iter().cycle().skip(turn * SCORED % scored.len()).take(SCORED.min(scored.len()));
        let some: Vec<u32> = some.copied().collect();
        let images: ImageList = [batch_scored, (&some).into()].into_iter().collect();
        let witness = self.engine.witness(step, model, images.images())?;
        let (dataset, standardisation) = (self.dataset.clone(), self.standardisation.clone());
        let (batch, optimizer, decay, rate) = (batch.len(), job.optimizer, job.decay[model], step.rates[model]);
        let training = Training { regularise: job.regularise, key: step.key(model) };
        let steps = self.steps;
        let judge = move || {
            let witness = witness()?;
            let (dataset, standardisation) = (&*dataset, &*standardisation);
            let images = images.images();
            let again = Lockstep { dataset, standardisation, images, batch, optimizer, training, decay, rate, turn };
            let place = format!("model {model}, step {steps} of this process");
            Ok(Verdict { findings: again.judge(&witness, &place), took: begun.elapsed() })
        };
        let thread = std::thread::Builder::new().name("check".into()).spawn(judge);
        self.running =
            Some(thread.map_err(|error| {
                Error::Resources(format!("cannot start a thread: {error}; --check start needs none"))
            })?);
        Ok(())
    }
}

impl Engine for Checked {
    fn describe(&self) -> String {
        self.engine.describe()
    }

    fn job(&self) -> &Job {
        self.engine.job()
    }

    fn chunk_steps(&self) -> usize {
        self.engine.chunk_steps()
    }

    fn load(&mut self, params: &[Params]) -> Result<()> {
        self.differ = impossible::differ(params);
        if !self.proven {
            let optimizer = self.engine.job().optimizer;
            self.start = Some(params.iter().map(|params| params.clone().with_moments_of(optimizer)).collect());
        }
        self.engine.load(params)
    }

    fn params(&mut self) -> Result<Vec<Params>> {
        self.engine.params()
    }

    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        self.hear(false)?;
        let images = &mut self.training.get_or_insert((Instant::now(), 0)).1;
        *images += chunk.lengths.iter().map(|&length| u64::from(length)).sum::<u64>();
        let steps = chunk.lengths.len() as u64;
        let due = self.pace.check == Check::Always && !self.scored.is_empty();
        if !due || self.running.is_some() || Instant::now() < self.rests || steps == 0 {
            self.engine.train(chunk)?;
        } else {
            let (step, rest) = chunk.split(1, self.engine.job().shuffles);
            self.check_step(&step)?;
            if steps > 1 {
                self.engine.train(&rest)?;
            }
        }
        self.steps += steps;
        Ok(())
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        let losses = self.engine.losses()?;
        let Some((since, images)) = self.training.take() else { return Ok(losses) };
        match impossible::rate(self.engine.job(), images, since.elapsed()) {
            Some(why) => Err(self.wrong(&why)),
            None => Ok(losses),
        }
    }

    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
        self.hear(false)?;
        let tallies = self.engine.evaluate(rows)?;
        self.scored = rows.to_vec();
        match impossible::scores(&tallies, self.differ) {
            Some(why) => Err(self.wrong(&why)),
            None => Ok(tallies),
        }
    }

    fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.engine.logits(rows)
    }

    fn squares(&mut self) -> Result<Vec<f64>> {
        self.engine.squares()
    }

    fn witness(&mut self, step: &Chunk<'_>, model: usize, images: Images<'_>) -> Result<Later<Witness>> {
        self.engine.witness(step, model, images)
    }

    fn prove(&mut self, first: &Chunk<'_>) -> Result<()> {
        if std::mem::replace(&mut self.proven, true) {
            return Ok(());
        }
        let start = self.start.take().unwrap_or_default();
        let images = (&*self.dataset, &*self.standardisation);
        let findings = start::findings(self.engine.as_mut(), images, &start, first)?;
        self.count(&findings)
    }

    fn checks(&mut self, end: bool) -> Result<Option<Checks>> {
        self.hear(end)?;
        Ok((self.pace.check != Check::Off).then_some(self.checks))
    }
}

impl Drop for Checked {
    /// The device must outlive what waits for it.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // What it found concerns nobody any more.
            let _ = running.join();
        }
    }
}
