//! The progress of a training.

use std::fmt::Write as _;
use std::path::Path;

use indicatif::ProgressBar;

use super::progress::bar;
use super::training::{results, rounded};
use super::{note, print, remark};
use crate::error::Result;
use crate::train::{Evaluation, OVERFIT_LOSS, Observer, Outcome, Score, Scores};
use crate::util::text::percent;

/// Shows a training or a search as it goes.
pub struct Display {
    quiet: bool,
    bar: Option<ProgressBar>,
    /// Whether the column titles of the plain lines have been printed.
    titled: bool,
}

impl Display {
    /// A display; if `quiet`, one that shows nothing.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bar: None, titled: false }
    }

    /// Prints something to know.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            note(text);
        }
    }

    /// Prints something to change.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            remark(&format!("warning: {text}"));
        }
    }

    /// Prints text to standard output.
    pub fn show(&self, text: &str) -> Result<()> {
        if self.quiet { Ok(()) } else { print(text) }
    }

    /// Starts the progress bar of `steps` steps.
    pub fn start(&mut self, steps: u64) {
        let template = "{wide_bar} {human_pos}/{human_len} steps, {eta} left\n{wide_msg}";
        self.bar = (!self.quiet).then(|| bar(steps, template)).filter(|bar| !bar.is_hidden());
    }

    /// Moves the bar to `step`.
    pub fn at(&self, step: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    /// Ends the progress bar with a line of plain text.
    pub fn progress(&mut self, text: &str) {
        self.bar = None;
        if !self.quiet {
            remark(text);
        }
    }

    /// Ends the progress and shows the results.
    pub fn finish(&mut self, outcome: &Outcome, records: &Path) -> Result<()> {
        self.bar = None;
        self.show(&results(outcome, records))
    }

    /// Shows the verdict on a training on one batch.
    pub fn overfit(&self, outcome: &Outcome) -> Result<()> {
        outcome.check_overfit()?;
        self.show(&format!("one batch alone: its loss fell below {OVERFIT_LOSS}, as it must\n"))
    }
}

impl Observer for Display {
    fn stepped(&mut self, step: u64) -> Result<()> {
        self.at(step);
        Ok(())
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        let scores = mean(&evaluation.models);
        if let Some(bar) = &self.bar {
            bar.set_message(bar_line(evaluation, &scores));
            return Ok(());
        }
        if !self.titled {
            self.titled = true;
            remark("\n    step    epoch        lr  train loss      acc  val loss      acc    images/s");
        }
        remark(&plain_line(evaluation, &scores));
        Ok(())
    }
}

/// The models' mean scores; one model's own.
fn mean(models: &[Scores]) -> Scores {
    let n = models.len() as f64;
    let average = |value: &dyn Fn(&Scores) -> f64| models.iter().map(value).sum::<f64>() / n;
    let score = |part: &dyn Fn(&Scores) -> Score| Score {
        loss: average(&|scores| part(scores).loss),
        cost: average(&|scores| part(scores).cost),
        accuracy: average(&|scores| part(scores).accuracy),
    };
    let validated = models.iter().all(|scores| scores.validation.is_some());
    Scores {
        rate: average(&|scores| scores.rate),
        batch_loss: None,
        train: score(&|scores| scores.train),
        validation: validated.then(|| score(&|scores| scores.validation.unwrap_or_default())),
    }
}

/// At most 58 columns.
fn bar_line(evaluation: &Evaluation, scores: &Scores) -> String {
    let (name, accuracy) = match scores.validation {
        Some(validation) => ("val", validation.accuracy),
        None => ("train", scores.train.accuracy),
    };
    let mut line = format!("loss {:.4}   {name} {}   lr {:.5}", scores.train.loss, percent(accuracy), scores.rate);
    if evaluation.timing.steps > 0 {
        let _ = write!(line, "   {} images/s", rounded(evaluation.timing.images_per_second()));
    }
    line
}

/// The columns of the titles, 79 wide.
fn plain_line(evaluation: &Evaluation, scores: &Scores) -> String {
    let Evaluation { step, epoch, timing, .. } = evaluation;
    let validation = scores.validation.map_or_else(
        || format!("{:>8}  {:>7}", "-", "-"),
        |score| format!("{:>8.4}  {:>7}", score.loss, percent(score.accuracy)),
    );
    let speed = if timing.steps == 0 { "-".into() } else { rounded(timing.images_per_second()) };
    let Scores { rate, train, .. } = scores;
    let accuracy = percent(train.accuracy);
    format!("{step:>8}  {epoch:>7.2}  {rate:>8.6}  {:>10.4}  {accuracy:>7}  {validation}  {speed:>10}", train.loss)
}
