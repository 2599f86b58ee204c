//! A run's header: everything that decides its result, before it starts.

use std::fmt::Write as _;
use std::path::Path;

use indicatif::HumanCount;

use crate::config::Config;
use crate::run_dir::About;
use crate::spec::{Length, Penalty};
use crate::train::Training;

/// A line a setting, labels and values aligned.
pub fn header(config: &Config, training: &Training, about: &About, records: &Path) -> String {
    let mut text = format!("cyclone {}\n\n", env!("CARGO_PKG_VERSION"));
    for (label, value) in rows(config, training, about, records) {
        let _ = writeln!(text, "{label:<12}{value}");
    }
    text.push('\n');
    text
}

fn rows(config: &Config, training: &Training, about: &About, records: &Path) -> Vec<(&'static str, String)> {
    let count = |n: usize| HumanCount(n as u64);
    let spec = &training.models()[0];
    let plan = training.plan();
    let data = &about.data;
    let mut rows = vec![
        ("device", about.engine.clone()),
        ("data", data.name.clone()),
        (
            "images",
            format!("{} training, {} validation, {} test", count(data.train), count(data.validation), count(data.test)),
        ),
        ("hidden", format!("{} units, {} parameters", count(config.hidden), count(about.parameters))),
        (
            "lambda",
            match spec.penalty {
                Penalty::Half => format!("{}, penalty half: cost lambda/2 ΣW²", spec.lambda),
                Penalty::Full => format!("{}, penalty full: cost lambda ΣW²", spec.lambda),
            },
        ),
        ("batch size", count(spec.batch_size).to_string()),
        (
            "rate",
            format!("{} to {} and back in 2 · {} steps", spec.lr.min, spec.lr.max, HumanCount(spec.lr.half_cycle)),
        ),
        ("length", length(training)),
        ("evaluation", format!("{} times a cycle", HumanCount(spec.evals_per_cycle))),
        ("seed", spec.seed.to_string()),
        ("records", records.display().to_string()),
    ];
    if config.overfit_one_batch {
        rows.push(("check", "--overfit-one-batch: the first mini-batch alone, without penalty".into()));
    }
    if let Some(cut) = plan.cut() {
        rows.push(("cut", format!("--steps {cut}: {} of {} steps", plan.steps(), HumanCount(plan.whole_steps()))));
    }
    rows
}

fn length(training: &Training) -> String {
    let plan = training.plan();
    let whole = plan.whole_steps();
    let (epochs, cycles) = (short(plan.epoch(whole)), short(plan.cycles(whole)));
    match training.models()[0].length {
        Length::Cycles(_) => format!("{cycles} cycles, {epochs} epochs, {} steps", HumanCount(whole)),
        Length::Epochs(_) => format!("{epochs} epochs, {cycles} cycles, {} steps", HumanCount(whole)),
    }
}

/// At most two decimals, none of them idle.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
