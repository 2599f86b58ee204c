//! Runs, overlaid: what came out, their curves, what their networks answer, and how they were made.

use std::path::PathBuf;

use maud::{Markup, html};

use super::curves::{KINDS, Kind, over_steps, series, thinned};
use super::{Card, Charts, Section, Subject, answers, duration, facts, mean, network, percent};
use crate::config::Config;
use crate::device::Record;
use crate::error::Result;
use crate::run_dir::{Records, Start, Summary};
use crate::search::parameter::Parameter;
use crate::spec::{Length, grouped};
use crate::statistics::Spread;
use crate::train::Score;

/// A run.
pub(super) struct Run {
    /// What people call it.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it has.
    pub records: Records,
}

/// Some runs, one at least.
pub(super) struct Runs(pub Vec<Run>);

impl Subject for Runs {
    fn title(&self) -> String {
        match &self.0[..] {
            [run] => format!("Run {}", run.name),
            runs => format!("{} runs", runs.len()),
        }
    }

    fn cards(&self) -> Vec<Card> {
        cards(&self.0)
    }

    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>> {
        sections(&self.0, charts)
    }
}

/// What came out, of one run or of each.
fn cards(runs: &[Run]) -> Vec<Card> {
    let [run] = runs else {
        return runs.iter().map(|run| outcome(run, &run.name)).collect();
    };
    let mut cards = vec![outcome(run, "Test accuracy")];
    if let Some(summary) = &run.records.summary {
        cards.extend(cost(summary));
        cards.push(Card::new(
            "Training time",
            duration(summary.seconds.training),
            format!("{} steps, {} a step", grouped(summary.steps), duration(summary.microseconds_a_step * 1e-6)),
        ));
        cards.push(Card::new(
            "Device",
            device(&summary.about.device),
            format!("{} images/s", grouped(summary.images_per_second as u64)),
        ));
    }
    cards
}

/// The final accuracy of a run as a card.
fn outcome(run: &Run, label: &str) -> Card {
    let Some(summary) = &run.records.summary else {
        let step = run.records.lines.last().map_or(0, |line| line.step);
        return Card::new(label, "–", format!("not finished: {} steps recorded", grouped(step)));
    };
    let accuracies = |score: &dyn Fn(&crate::run_dir::Final) -> Option<Score>| -> Vec<f64> {
        summary.models.iter().filter_map(score).map(|score| score.accuracy).collect()
    };
    let models = match summary.models.len() {
        1 => String::new(),
        models => format!("mean of {models} runs; "),
    };
    let (test, train) = (accuracies(&|model| model.test), accuracies(&|model| Some(model.train)));
    let (value, what) = if test.is_empty() { (&train, "on the training images") } else { (&test, "") };
    let note = if test.is_empty() { what.to_owned() } else { format!("{models}training {}", spread(&train)) };
    Card::new(label, spread(value), note)
}

/// Cost and loss at the end, of several networks their means.
fn cost(summary: &Summary) -> Option<Card> {
    let of = if summary.models.iter().all(|model| model.test.is_some()) { "test" } else { "training" };
    let scores: Vec<_> =
        summary.models.iter().map(|model| model.test.filter(|_| of == "test").unwrap_or(model.train)).collect();
    let mean =
        |value: fn(&Score) -> f64| Spread::of(&scores.iter().map(value).collect::<Vec<_>>()).map(|spread| spread.mean);
    let (cost, loss) = (mean(|score| score.cost)?, mean(|score| score.loss)?);
    Some(Card::new("Cost", format!("{cost:.4}"), format!("loss {loss:.4}, on the {of} images")))
}

/// A mean in percent, with the standard deviation of several.
pub(super) fn spread(shares: &[f64]) -> String {
    match Spread::of(shares) {
        None => "–".into(),
        Some(spread) if shares.len() == 1 => percent(spread.mean),
        Some(spread) => mean(&spread),
    }
}

/// The device in a few words.
pub(super) fn device(record: &Record) -> String {
    match record {
        Record::Cpu { threads } => format!("CPU, {threads} threads"),
        Record::Gpu { adapter, .. } => adapter.clone(),
    }
}

fn sections(runs: &[Run], charts: &mut Charts) -> Result<Vec<Section>> {
    let mut sections = vec![Section { title: "Curves".into(), body: curves(runs, charts) }];
    if runs.len() > 1 || runs.iter().any(|run| run.records.config.repeats > 1) {
        sections.push(Section { title: "Final figures".into(), body: finals(runs) });
    }
    for run in runs {
        let within = |title: &str| if runs.len() == 1 { title.to_owned() } else { format!("{title}: {}", run.name) };
        if let Some(found) = &run.records.answers {
            sections.push(Section { title: within("Answers to the test images"), body: answers::body(found) });
        }
        if let Some(body) = network_of(run)? {
            sections.push(Section { title: within("First-layer weights"), body });
        }
        sections.push(Section { title: within("Configuration and environment"), body: made(run)? });
    }
    Ok(sections)
}

fn curves(runs: &[Run], charts: &mut Charts) -> Markup {
    let mut figures = Vec::new();
    if let [run] = runs {
        for Kind { title, axis, train, validation } in KINDS {
            let (lines, _) = thinned(&run.records.lines);
            let series = vec![series("training", 0, &lines, train), series("validation", 1, &lines, validation)];
            let lr = &run.records.config.train.lr;
            figures.push(charts.add(over_steps(&slug_of(run, title), title, axis(), series, Some(lr))));
        }
    } else {
        // All share the learning rate's panel only if they share the rate.
        let first = &runs[0].records.config.train.lr;
        let lr = runs.iter().all(|run| run.records.config.train.lr == *first).then_some(first);
        for (of, training) in [("training", true), ("validation", false)] {
            for Kind { title, axis, train, validation } in KINDS {
                let value = if training { train } else { validation };
                let all = runs
                    .iter()
                    .enumerate()
                    .map(|(look, run)| series(&run.name, look, &thinned(&run.records.lines).0, value));
                let title = format!("{title}, {of}");
                figures.push(charts.add(over_steps(&format!("runs-{title}"), &title, axis(), all.collect(), lr)));
            }
        }
    }
    let repeats = runs.iter().any(|run| run.records.config.repeats > 1);
    html! {
        @for run in runs { (state(run)) }
        div.figures { @for figure in figures { (figure) } }
        p.about {
            "Scored on all training and validation images between the steps; dotted uprights are the ends of cycles."
            @if repeats { " A line is the mean of a run's networks, its band goes from the lowest to the highest of them." }
        }
    }
}

fn slug_of(run: &Run, title: &str) -> String {
    format!("{}-{title}", run.name)
}

/// What a reader should know about how far a run came.
fn state(run: &Run) -> Markup {
    let last = run.records.lines.last().map_or(0, |line| line.step);
    let (_, skipped) = thinned(&run.records.lines);
    html! {
        @if run.records.summary.is_none() {
            p.warning {
                strong { (run.name) } " has not finished: its records end after step " (grouped(last))
                ". What comes at a run's end is missing here."
            }
        }
        @if run.records.has_half_line {
            p.warning {
                strong { (run.name) } ": half a line at the end of its metrics is left out, as a killed run leaves it."
            }
        }
        @if skipped > 1 { p.about { (run.name) ": every " (skipped) "th evaluation is drawn; all are in metrics.jsonl." } }
    }
}

/// A row a network.
fn finals(runs: &[Run]) -> Markup {
    let cell = |score: Option<Score>| score.map_or_else(|| "–".to_owned(), |score| percent(score.accuracy));
    html! {
        div.scroll tabindex="0" { table {
            thead { tr {
                th scope="col" { "run" }
                th scope="col" { "seed" }
                th scope="col" { "training" }
                th scope="col" { "validation" }
                th scope="col" { "test" }
                th scope="col" { "test loss" }
            } }
            @for run in runs {
                tbody {
                    @if let Some(summary) = &run.records.summary {
                        @for (model, seed) in summary.models.iter().zip(&summary.about.seeds) {
                            tr {
                                th scope="row" { (run.name) }
                                td { (seed) }
                                td { (cell(Some(model.train))) } td { (cell(model.validation)) } td { (cell(model.test)) }
                                td { (model.test.map_or_else(|| "–".to_owned(), |score| format!("{:.4}", score.loss))) }
                            }
                        }
                        @if summary.models.len() > 1 {
                            tr.sum {
                                th scope="row" { "mean ± deviation" } td {}
                                @for part in ["training", "validation", "test"] {
                                    td { (summary.accuracy.get(part).map_or_else(|| "–".to_owned(), mean)) }
                                }
                                td {}
                            }
                        }
                    } @else {
                        tr { th scope="row" { (run.name) } td colspan="5" { "not finished" } }
                    }
                }
            }
        } }
    }
}

/// The first layer of a run's network, or of the first of several.
fn network_of(run: &Run) -> Result<Option<Markup>> {
    let Some(summary) = &run.records.summary else { return Ok(None) };
    let name = if summary.models.len() == 1 { "weights.safetensors" } else { "weights-0.safetensors" };
    network::body(&run.path.join(name), &summary.about.data.classes)
}

/// How a run was made.
fn made(run: &Run) -> Result<Markup> {
    let mut rows = vec![("folder", run.path.display().to_string())];
    if let Some(summary) = &run.records.summary {
        let about = &summary.about;
        rows.extend([
            ("command", about.start.command.join(" ")),
            ("started", since(&about.start)),
            ("device", about.engine.clone()),
            ("platform", summary.platform.clone()),
            ("version", format!("cyclone {}", summary.version)),
            (
                "images",
                format!(
                    "{}: {} training, {} validation, {} test",
                    about.data.name,
                    grouped(about.data.train as u64),
                    grouped(about.data.validation as u64),
                    grouped(about.data.test as u64)
                ),
            ),
            ("SHA-256", about.data.sha256.clone()),
            ("parameters", grouped(about.parameters as u64)),
            (
                "time",
                format!(
                    "training {}, evaluations {}",
                    duration(summary.seconds.training),
                    duration(summary.seconds.evaluation)
                ),
            ),
        ]);
        rows.extend(about.resumed.iter().map(|start| {
            let command = start.command.join(" ");
            ("resumed", format!("{}: {command}", since(start)))
        }));
    }
    let config = &run.records.config;
    Ok(html! { (settings(config, &[])) (facts(&rows)) (toml(&config.to_toml()?)) })
}

/// When a process began to train, and after how much of it.
fn since(start: &Start) -> String {
    match start.after_step {
        0 => start.started.clone(),
        steps => format!("{}, after {} steps", start.started, grouped(steps)),
    }
}

/// The settings that people compare, but those that were searched.
pub(super) fn settings(config: &Config, searched: &[Parameter]) -> Markup {
    let train = &config.train;
    let length = match train.length {
        Length::Cycles(1) => "1 cycle".to_owned(),
        Length::Cycles(cycles) => format!("{cycles} cycles"),
        Length::Epochs(1) => "1 epoch".to_owned(),
        Length::Epochs(epochs) => format!("{epochs} epochs"),
    };
    let all = [
        (Some(Parameter::Hidden), "hidden units", config.hidden.to_string()),
        (Some(Parameter::Lambda), "lambda", train.lambda.to_string()),
        (Some(Parameter::BatchSize), "batch size", train.batch_size.to_string()),
        (Some(Parameter::LrMin), "lr-min", train.lr.min.to_string()),
        (Some(Parameter::LrMax), "lr-max", train.lr.max.to_string()),
        (Some(Parameter::HalfCycle), "half-cycle", format!("{} steps", grouped(train.lr.half_cycle))),
        (None, "length", length),
        (Some(Parameter::Seed), "seed", train.seed.to_string()),
    ];
    let fixed = all.into_iter().filter(|(of, ..)| of.is_none_or(|of| !searched.contains(&of)));
    facts(&fixed.map(|(_, name, value)| (name, value)).collect::<Vec<_>>())
}

/// All settings as they stand in the file.
pub(super) fn toml(text: &str) -> Markup {
    html! { details { summary { "All settings" } div.scroll tabindex="0" { pre { (text) } } } }
}
