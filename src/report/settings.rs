//! How runs were made: their settings, where they differ, and where they ran.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::PathBuf;

use maud::{Markup, html};
use toml::Value;

use super::parts::{facts, heads, scroll, table};
use super::text::{duration, moment};
use crate::config::Config;
use crate::config::spec::Length;
use crate::data::spec::{Augment, Standardise};
use crate::error::{Error, Result};
use crate::model::regularise::Regularise;
use crate::records::processes::{Given, Start};
use crate::records::run::Records;
use crate::records::summary::DataRecord;
use crate::search::parameter::Parameter;
use crate::train::Stopped;
use crate::util::text::{grouped, plural};

/// A run to report on.
pub(super) struct Run {
    /// What people call it.
    pub name: String,
    pub path: PathBuf,
    pub records: Records,
}

/// Of a run; of several, what differs between them, and each one's folded.
pub(super) fn body(runs: &[Run]) -> Result<Markup> {
    if let [run] = runs {
        return one(run);
    }
    let all: Vec<_> = runs.iter().map(|run| Ok((&run.name, one(run)?))).collect::<Result<_>>()?;
    Ok(html! {
        (differences(runs)?)
        @for (name, body) in all { details.made { summary { (name) } (body) } }
    })
}

/// A row a run, a column a setting that is not the same in all.
fn differences(runs: &[Run]) -> Result<Markup> {
    let all: Vec<_> = runs.iter().map(|run| flat(&run.records.config)).collect::<Result<_>>()?;
    let keys: BTreeSet<_> = all.iter().flat_map(BTreeMap::keys).collect();
    let differ: Vec<_> =
        keys.into_iter().filter(|key| all.iter().any(|one| one.get(*key) != all[0].get(*key))).collect();
    if differ.is_empty() {
        return Ok(html! { p { "All have the same settings." } });
    }
    let heading: Vec<_> = iter::once("run").chain(differ.iter().map(|key| key.as_str())).collect();
    let rows = html! {
        (heads(&heading))
        tbody { @for (run, settings) in runs.iter().zip(&all) {
            tr {
                th scope="row" { (run.name) }
                @for key in &differ { td { (settings.get(*key).map_or("–", String::as_str)) } }
            }
        } }
    };
    Ok(html! { h3 { "Settings that differ" } (table("Settings that differ", None, &rows)) })
}

/// A configuration's keys and values.
fn flat(config: &Config) -> Result<BTreeMap<String, String>> {
    let settings: toml::Table =
        toml::from_str(&config.to_toml()?).map_err(|error| Error::Internal(format!("config.toml: {error}")))?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(settings.into_iter().map(|(key, value)| (key, text(value))).collect())
}

/// A run's settings and surroundings.
fn one(run: &Run) -> Result<Markup> {
    let mut rows = vec![("folder", run.path.display().to_string())];
    if let Some(summary) = &run.records.summary {
        let about = &summary.about;
        rows.extend([
            ("command", about.start.command.join(" ")),
            ("started", since(&about.start)),
            ("device", about.engine.clone()),
            ("platform", summary.platform.clone()),
            ("version", format!("cyclone {}", summary.version)),
            ("images", images(&about.data)),
            ("SHA-256", about.data.sha256.clone()),
            ("parameters", grouped(about.parameters)),
            (
                "time",
                format!(
                    "training {}, evaluations {}",
                    duration(summary.seconds.training),
                    duration(summary.seconds.evaluation)
                ),
            ),
        ]);
        if let Some(Given { path, sha256 }) = &about.from {
            rows.push(("began with", format!("the weights of {path}, SHA-256 {sha256}")));
        }
        rows.extend(summary.checks.map(|checks| ("checked", format!("against the reference {checks}"))));
        rows.extend(summary.stopped.map(|Stopped { patience, best }| {
            let [after, best] = [summary.steps, best.step].map(grouped);
            let why = format!("no better validation accuracy in {patience} evaluations, the best is of step {best}");
            ("stopped early", format!("after {after} steps: {why}"))
        }));
        rows.extend(about.resumed.iter().map(|start| {
            let command = start.command.join(" ");
            ("resumed", format!("{}: {command}", since(start)))
        }));
    }
    let config = &run.records.config;
    Ok(html! { (settings(config, &[])) (facts(&rows)) (toml(&config.to_toml()?)) })
}

/// The images and how many are in each part.
pub(super) fn images(data: &DataRecord) -> String {
    let [train, validation, test] = [data.train, data.validation, data.test].map(grouped);
    format!("{}: {train} training, {validation} validation, {test} test", data.name)
}

/// When a process began to train, and after how much of it.
fn since(start: &Start) -> String {
    match start.after_step {
        0 => moment(&start.started),
        steps => format!("{}, after {} steps", moment(&start.started), grouped(steps)),
    }
}

/// The settings that people compare, but those that were searched.
pub(super) fn settings(config: &Config, searched: &[Parameter]) -> Markup {
    let length = match config.length() {
        Length::Cycles(cycles) => plural(cycles as usize, "cycle"),
        Length::Epochs(epochs) => plural(epochs as usize, "epoch"),
    };
    let mut all: Vec<(&[&str], _, _)> = vec![
        (&["hidden"], "hidden units", config.hidden.to_string()),
        (&["lambda"], "lambda", config.lambda.to_string()),
        (&["optimizer", "momentum", "weight-decay"], "optimizer", config.optimizer().to_string()),
        (&["batch-size"], "batch size", config.batch_size.to_string()),
        (&["schedule"], "schedule", config.schedule.name()),
        (&["lr-min"], "lr-min", config.lr_min.to_string()),
        (&["lr-max"], "lr-max", config.lr_max.to_string()),
        (&["half-cycle"], "half-cycle", format!("{} steps", grouped(config.half_cycle))),
        (&[], "length", length),
        (&["seed"], "seed", config.seed.to_string()),
    ];
    let augment = config.train_spec().augment;
    if augment != Augment::default() {
        all.push((&["flip", "shift"], "augmentation", augment.to_string()));
    }
    if config.regularise() != Regularise::default() {
        all.push((
            &["label-smoothing", "mixup", "dropout", "input-dropout"],
            "regularised by",
            config.regularise().to_string(),
        ));
    }
    if config.standardise == Standardise::Channel {
        all.push((&[], "standardised", "by colour channel".into()));
    }
    let fixed = all.into_iter().filter(|(of, ..)| searched.iter().all(|parameter| !of.contains(&parameter.name())));
    facts(&fixed.map(|(_, name, value)| (name, value)).collect::<Vec<_>>())
}

/// All settings as they stand in the file.
pub(super) fn toml(text: &str) -> Markup {
    html! { details { summary { "All settings" } (scroll("All settings", &html! { pre { (text) } })) } }
}
