//! What stands before and after a training: its header and its results.

use std::fmt::Write as _;
use std::path::Path;

use indicatif::HumanFloatCount;

use crate::config::Config;
use crate::config::spec::{Check, Length, Penalty};
use crate::data::spec::{Augment, Standardise};
use crate::error::{escaped, shown};
use crate::model::ModelSpec;
use crate::model::params::Init;
use crate::model::regularise::Regularise;
use crate::records::run::RunDir;
use crate::train::{Outcome, Score, Scores, Stopped, Training};
use crate::util::statistics::Spread;
use crate::util::text::{grouped, percent};

/// Everything that decides a run's result, one setting a line. `device` is the engine's description, `data` the data
/// set's name.
pub fn header(
    device: &str,
    data: &str,
    config: &Config,
    training: &Training,
    shape: &ModelSpec,
    records: &RunDir,
) -> String {
    let (spec, plan, split) = (&training.models()[0], training.plan(), training.split());
    let [train, validation, test] = [&split.train, &split.validation, &split.test].map(|rows| grouped(rows.len()));
    let cost = match spec.penalty {
        Penalty::Half => "half: cost = loss + lambda/2 ΣW²",
        Penalty::Full => "full: cost = loss + lambda ΣW²",
    };
    let whole = plan.whole;
    let cycles = amount(plan.cycles(whole), "cycle");
    let epochs = amount(plan.epoch(whole), "epoch");
    let cycle = grouped(spec.lr.cycle());
    let (length, unit) = match config.length() {
        _ if !spec.lr.policy.is_cyclical() => (epochs, format!("every {cycle} steps")),
        Length::Cycles(_) => (format!("{cycles} = {epochs}"), "a cycle".to_owned()),
        Length::Epochs(_) => (format!("{epochs} = {cycles}"), "a cycle".to_owned()),
    };
    let seeds = match training.models() {
        [first, .., last] => format!("{} to {}, a network each", first.seed, last.seed),
        models => models.iter().map(|model| model.seed.to_string()).collect(),
    };
    let mut rows = vec![
        ("device", device.to_owned()),
        ("data", data.to_owned()),
        ("images", format!("{train} training, {validation} validation, {test} test")),
        ("network", format!("{shape}, {} parameters", grouped(shape.parameters()))),
        ("lambda", spec.lambda.to_string()),
        ("penalty", cost.to_owned()),
        ("optimizer", spec.optimizer.to_string()),
        ("batch size", grouped(spec.batch_size)),
        ("rate", spec.lr.to_string()),
        ("length", format!("{length} = {} steps", grouped(whole))),
        ("evaluation", format!("{} {unit}", grouped(spec.evals_per_cycle))),
        ("seed", seeds),
        (
            "check",
            match config.check {
                Check::Off => "off".into(),
                Check::Start => "two steps before the first".to_owned(),
                Check::Always => "two steps before the first, then one after an evaluation, as time allows".to_owned(),
            },
        ),
        ("records", records.path().display().to_string()),
    ];
    if spec.regularise != Regularise::default() {
        rows.insert(3, ("regularise", spec.regularise.to_string()));
    }
    if spec.augment != Augment::default() {
        rows.insert(3, ("augment", spec.augment.to_string()));
    }
    if config.standardise == Standardise::Channel {
        rows.insert(3, ("standardise", "by colour channel".into()));
    }
    if let Some(given) = records.given() {
        rows.push(("weights", format!("those of {} to begin with (--from)", given.path)));
    }
    if config.overfit_one_batch {
        rows.push(("check", "the first mini-batch alone, lambda 0 (--overfit-one-batch)".into()));
    }
    if spec.init == Init::He {
        rows.push(("weights", "normal, standard deviation √(2/fan-in) (--init he)".into()));
    }
    if let Some(patience) = config.patience.filter(|&patience| patience > 0) {
        rows.push((
            "patience",
            format!("{} without a better validation accuracy", amount(patience as f64, "evaluation")),
        ));
    }
    if plan.steps() < whole {
        rows.push(("cut", format!("after {} steps (--steps)", grouped(plan.steps()))));
    }
    let mut text = format!("cyclone {}\n\n", env!("CARGO_PKG_VERSION"));
    for (label, value) in rows {
        let _ = writeln!(text, "{label:<12}{}", escaped(value));
    }
    text
}

/// `3 cycles`, `1 cycle`, `2.55 cycles`.
fn amount(value: f64, unit: &str) -> String {
    let text = HumanFloatCount((value * 100.0).round() / 100.0).to_string();
    format!("{text} {unit}{}", if text == "1" { "" } else { "s" })
}

/// The scores and the times of a finished training.
pub fn results(outcome: &Outcome, records: &Path) -> String {
    let mut text = match &outcome.evaluation.models[..] {
        [scores] => scores_of_one(scores, outcome.test.first().copied().flatten()),
        _ => accuracies_of_many(outcome),
    };
    if let Some(Stopped { patience, best }) = outcome.stopped {
        let _ = writeln!(
            text,
            "\nstopped early after step {}: no better validation accuracy in {}\nbest: {} after step {}; \
             choose it with --weights best",
            grouped(outcome.evaluation.step),
            amount(patience as f64, "evaluation"),
            percent(best.accuracy),
            grouped(best.step),
        );
    }
    if let Some(checks) = outcome.evaluation.checks {
        let _ = writeln!(text, "\nchecked against the reference {checks}");
    }
    let timing = &outcome.timing;
    let _ = writeln!(
        text,
        "\n{} steps in {:.2} s: {} µs a step, {} images/s; evaluations {:.2} s",
        grouped(timing.steps),
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

/// One model a line, then mean and standard deviation as in the report.
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

/// `12,346`.
pub fn rounded(value: f64) -> String {
    grouped(value.round() as u64)
}
