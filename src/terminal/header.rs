//! A run's header: everything that decides its result, before it starts.

use std::fmt;
use std::path::Path;

use indicatif::{HumanCount, HumanFloatCount};

use crate::config::Config;
use crate::config::spec::{Length, Penalty};
use crate::error::escaped;
use crate::model::ModelSpec;
use crate::train::Training;

/// A line a setting, labels and values aligned.
pub struct Header<'a> {
    /// The engine's words for itself.
    pub device: &'a str,
    /// The data set's name.
    pub data: &'a str,
    /// What was asked for.
    pub config: &'a Config,
    /// What will be done.
    pub training: &'a Training,
    /// The network.
    pub shape: ModelSpec,
    /// The run's folder.
    pub records: &'a Path,
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cyclone {}\n", env!("CARGO_PKG_VERSION"))?;
        self.rows().iter().try_for_each(|(label, value)| writeln!(f, "{label:<12}{}", escaped(value)))
    }
}

impl Header<'_> {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let count = |n: usize| HumanCount(n as u64);
        let (spec, plan, split) = (&self.training.models()[0], self.training.plan(), self.training.split());
        let ModelSpec { inputs, hidden, classes } = self.shape;
        let [train, validation, test] = [&split.train, &split.validation, &split.test].map(|rows| count(rows.len()));
        let cost = match spec.penalty {
            Penalty::Half => "half: cost = loss + lambda/2 ΣW²",
            Penalty::Full => "full: cost = loss + lambda ΣW²",
        };
        let mut rows = vec![
            ("device", self.device.to_owned()),
            ("data", self.data.to_owned()),
            ("images", format!("{train} training, {validation} validation, {test} test")),
            ("network", format!("{inputs}-{hidden}-{classes}, {} parameters", count(self.shape.parameters()))),
            ("lambda", spec.lambda.to_string()),
            ("penalty", cost.to_owned()),
            ("batch size", count(spec.batch_size).to_string()),
            (
                "rate",
                format!("{} to {}, half-cycle {} steps", spec.lr.min, spec.lr.max, HumanCount(spec.lr.half_cycle)),
            ),
            ("length", self.length()),
            ("evaluation", format!("{} a cycle", HumanCount(spec.evals_per_cycle))),
            ("seed", self.seeds()),
            ("records", self.records.display().to_string()),
        ];
        if self.config.overfit_one_batch {
            rows.push(("check", "the first mini-batch alone, lambda 0 (--overfit-one-batch)".into()));
        }
        if plan.steps() < plan.whole_steps() {
            rows.push(("cut", format!("after {} steps (--steps)", HumanCount(plan.steps()))));
        }
        rows
    }

    fn seeds(&self) -> String {
        match self.training.models() {
            [first, .., last] => format!("{} to {}, a network each", first.seed, last.seed),
            models => models.iter().map(|model| model.seed.to_string()).collect(),
        }
    }

    fn length(&self) -> String {
        let plan = self.training.plan();
        let whole = plan.whole_steps();
        let cycles = amount(plan.cycles(whole), "cycle");
        let epochs = amount(plan.epoch(whole), "epoch");
        let (first, second) = match self.config.length() {
            Length::Cycles(_) => (cycles, epochs),
            Length::Epochs(_) => (epochs, cycles),
        };
        format!("{first} = {second} = {} steps", HumanCount(whole))
    }
}

/// `3 cycles`, `1 cycle`, `2.55 cycles`.
fn amount(value: f64, unit: &str) -> String {
    let text = HumanFloatCount((value * 100.0).round() / 100.0).to_string();
    format!("{text} {unit}{}", if text == "1" { "" } else { "s" })
}
