//! What a person sees: the header and the last table on standard output, progress and remarks on standard error.
//!
//! Nothing is coloured. On a terminal progress is a bar of two lines, which fit in 60 columns; elsewhere it is a line of
//! plain text an evaluation. A reader that goes away (`| head -1`) does not stop a training.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Result, escaped, shown};
use crate::train::{Evaluation, OVERFIT_LOSS, Observer, Outcome, Score, Scores, Stopped};
use crate::util::statistics::Spread;

pub use header::Header;
pub use progress::Progress;

pub mod checks;
mod columns;
mod header;
pub mod mutants;
pub mod own_run;
pub mod profile;
mod progress;

/// Prints lines to standard output, escaped, where a closed pipe is no error.
pub fn print(text: &str) -> Result<()> {
    written(io::stdout().write_all(printable(text).as_bytes()))
}

/// What came of writing to standard output, to its last byte.
pub fn written(result: io::Result<()>) -> Result<()> {
    match result.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::output(Path::new("standard output"), error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Prints a document of JSON.
pub fn json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Error::Internal(format!("--json: {error}")))?;
    let mut ascii = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // In JSON these may stand for themselves; before a terminal they had better not.
        if ('\u{7f}'..='\u{9f}').contains(&character) {
            let _ = write!(ascii, "\\u{:04x}", character as u32);
        } else {
            ascii.push(character);
        }
    }
    print(&(ascii + "\n"))
}

/// Prints lines to standard error, escaped; nothing could be said about a failure there.
fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// What would steer a terminal, in a file's name say, is escaped in every line.
fn printable(text: &str) -> String {
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// Columns of the terminal, or 100 where there is none.
pub fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(100, |(width, _)| width.0.into())
}

/// Prints a thing to know.
pub fn note(text: &str) {
    remark(&format!("note: {text}"));
}

/// Prints why the command stopped.
pub fn error(error: &Error) {
    remark(&format!("error: {error}"));
}

/// Prints what to do about the error that follows; not silenced by `--quiet`, as the error is not.
pub fn advice(text: &str) {
    remark(&format!("note: {text}"));
}

/// A path as it is typed in a shell; control characters as POSIX.1-2024, section 2.2.4, has them: `$'two\012lines'`.
pub fn quoted(path: &Path) -> String {
    let mut text = path.display().to_string();
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    if text.contains(char::is_control) {
        let mut typed = String::from("$'");
        for c in text.chars() {
            match c {
                '\'' | '\\' => typed.extend(['\\', c]),
                c if c.is_control() => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        let _ = write!(typed, "\\{byte:03o}");
                    }
                }
                c => typed.push(c),
            }
        }
        return typed + "'";
    }
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A training's display.
pub struct Display {
    quiet: bool,
    bar: Option<ProgressBar>,
    /// Whether the column titles of the plain lines have been printed.
    titled: bool,
}

impl Display {
    /// A display, or one that shows nothing but errors.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bar: None, titled: false }
    }

    /// Something to know.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            note(text);
        }
    }

    /// Something to change.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            remark(&format!("warning: {text}"));
        }
    }

    /// Text for standard output.
    pub fn show(&self, text: &str) -> Result<()> {
        if self.quiet { Ok(()) } else { print(text) }
    }

    /// Begins to show the progress of `steps` steps.
    pub fn start(&mut self, steps: u64) {
        if self.quiet || !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} steps, {eta} left\n{wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─"));
        self.bar = Some(bar);
    }

    /// Shows that so many steps are done.
    pub fn at(&self, step: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    /// Ends the progress of some steps with a line of plain text.
    pub fn progress(&mut self, text: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !self.quiet {
            remark(text);
        }
    }

    /// Ends the progress and shows the last table.
    pub fn finish(&mut self, outcome: &Outcome, records: &Path) -> Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.show(&table(outcome, records))
    }

    /// The verdict on one batch trained on alone.
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

impl Drop for Display {
    /// Leaves the terminal clean for the error that follows.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
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

/// The last table.
fn table(outcome: &Outcome, records: &Path) -> String {
    let mut text = match &outcome.evaluation.models[..] {
        [scores] => scores_of_one(scores, outcome.test.first().copied().flatten()),
        _ => accuracies_of_many(outcome),
    };
    if let Some(Stopped { patience, best }) = outcome.stopped {
        let _ = writeln!(
            text,
            "\nstopped early after step {}: the validation accuracy has not improved for {patience} evaluations; its best is \
             {} after step {} (--weights best)",
            HumanCount(outcome.evaluation.step),
            percent(best.accuracy),
            HumanCount(best.step),
        );
    }
    let timing = &outcome.timing;
    let _ = writeln!(
        text,
        "\n{} steps in {:.2} s: {} µs a step, {} images/s; evaluations {:.2} s",
        HumanCount(timing.steps),
        timing.training.as_secs_f64(),
        rounded(timing.microseconds_a_step()),
        rounded(timing.images_per_second()),
        timing.evaluation.as_secs_f64(),
    );
    let _ = writeln!(text, "records in {}", shown(records));
    text
}

fn scores_of_one(scores: &Scores, test: Option<Score>) -> String {
    let mut text = format!("\n{:<12}{:>8}  {:>8}  {:>8}\n", "", "loss", "cost", "accuracy");
    for (name, score) in [("training", Some(scores.train)), ("validation", scores.validation), ("test", test)] {
        if let Some(Score { loss, cost, accuracy }) = score {
            let _ = writeln!(text, "{name:<12}{loss:>8.4}  {cost:>8.4}  {:>8}", percent(accuracy));
        }
    }
    text
}

/// A line a model, then mean and standard deviation as the report gives them.
fn accuracies_of_many(outcome: &Outcome) -> String {
    let accuracies = outcome.accuracies();
    let mut text = format!("\n{:<12}", "accuracy");
    for (name, _) in accuracies.iter().filter(|(_, values)| !values.is_empty()) {
        let _ = write!(text, "{name:>12}");
    }
    for model in 0..outcome.evaluation.models.len() {
        let _ = write!(text, "\n{:<12}", format!("model {model}"));
        for accuracy in accuracies.iter().filter_map(|(_, values)| values.get(model)) {
            let _ = write!(text, "{:>12}", percent(*accuracy));
        }
    }
    text.push_str("\n\n");
    for (name, spread) in accuracies.iter().filter_map(|(name, values)| Some((name, Spread::of(values)?))) {
        let _ = writeln!(text, "The accuracy on the {name} set is {spread}");
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

fn rounded(value: f64) -> String {
    HumanCount(value.round() as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_a_shell_reads_it() {
        for (path, typed) in [
            ("runs/a-1", "runs/a-1"),
            ("-dash", "./-dash"),
            ("a folder", "'a folder'"),
            ("it's", r"'it'\''s'"),
            ("it's\n\u{1b}[2J\u{9b}1", r"$'it\'s\012\033[2J\302\2331'"),
        ] {
            assert_eq!(quoted(Path::new(path)), typed);
        }
    }
}
