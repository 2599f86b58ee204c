//! Runs, overlaid: what came out, their curves, what their networks answer, and how they were made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use maud::{Markup, html};

use super::{Card, Charts, Section, Subject, answers, duration, facts, mean, network, percent};
use crate::chart::{Axis, Chart, Mark, Panel, Point, Series};
use crate::config::Config;
use crate::device::Record;
use crate::error::Result;
use crate::run_dir::{Line, Records, Summary};
use crate::schedule::Triangle;
use crate::search::parameter::Parameter;
use crate::spec::{Length, grouped};
use crate::statistics::Spread;
use crate::train::Score;

/// Evaluations drawn at most, of a run with more every so manyth.
const EVALUATIONS: usize = 600;

/// A run.
pub(super) struct Run {
    /// What people call it.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it has.
    pub records: Records,
}

/// A value of one model at one evaluation.
type Value = fn(&Line) -> Option<f64>;

/// What is drawn of an evaluation.
struct Kind {
    title: &'static str,
    axis: fn() -> Axis,
    /// On the training images.
    train: Value,
    /// On the validation images.
    validation: Value,
}

/// Each in a chart of its own, as in the report's figures.
const KINDS: [Kind; 3] = [
    Kind {
        title: "Cost",
        axis: || Axis::new("cost = loss + penalty"),
        train: |line| Some(line.train_cost),
        validation: |line| line.val_cost,
    },
    Kind {
        title: "Loss",
        axis: || Axis::new("loss, in nats"),
        train: |line| Some(line.train_loss),
        validation: |line| line.val_loss,
    },
    Kind {
        title: "Accuracy",
        axis: || Axis::percent("images classified rightly"),
        train: |line| Some(line.train_accuracy),
        validation: |line| line.val_accuracy,
    },
];

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
            p.warning { strong { (run.name) } " has not finished: its records end after step " (grouped(last)) ". What comes at a run's end is missing here." }
        }
        @if run.records.has_half_line { p.warning { strong { (run.name) } ": half a line at the end of its metrics is left out, as a killed run leaves it." } }
        @if skipped > 1 { p.about { (run.name) ": every " (skipped) "th evaluation is drawn; all are in metrics.jsonl." } }
    }
}

/// Lines by evaluation, every so manyth where there are more than can be seen.
fn thinned(lines: &[Line]) -> (Vec<&[Line]>, usize) {
    let evaluations: Vec<_> = lines.chunk_by(|a, b| a.step == b.step).collect();
    let every = evaluations.len().div_ceil(EVALUATIONS).max(1);
    let last = evaluations.len().saturating_sub(1);
    (
        evaluations
            .into_iter()
            .enumerate()
            .filter(|(place, _)| place % every == 0 || *place == last)
            .map(|(_, one)| one)
            .collect(),
        every,
    )
}

/// A value over the steps: the models' mean, with their range.
fn series(label: &str, look: usize, evaluations: &[&[Line]], value: Value) -> Series {
    let points = evaluations.iter().filter_map(|lines| {
        let values: Vec<f64> = lines.iter().filter_map(value).collect();
        Point::of(lines[0].step as f64, &values)
    });
    Series { label: label.to_owned(), look, mark: Mark::Line, points: points.collect() }
}

/// Series over the steps, with the learning rate below and the ends of its cycles marked.
fn over_steps(name: &str, title: &str, y: Axis, series: Vec<Series>, lr: Option<&Triangle>) -> Chart {
    let last = series.iter().filter_map(|series| series.points.last()).map(|point| point.x).fold(0.0, f64::max);
    let ends = series.iter().filter(|series| !series.points.is_empty()).filter_map(|series| {
        let last = series.points.last()?;
        Some(format!(
            "{} ends at {}",
            series.label,
            match y.form {
                crate::chart::Form::Percent => percent(last.y),
                _ => format!("{:.4}", last.y),
            }
        ))
    });
    let description = format!("{title} over {} steps: {}.", grouped(last as u64), ends.collect::<Vec<_>>().join(", "));
    let mut panels = vec![Panel::new(y, series)];
    let mut marks = Vec::new();
    if let Some(lr) = lr {
        marks = ends_of_cycles(lr, last);
        // At the corners it turns, at the evaluations it can be read.
        let mut steps = corners(lr, last);
        steps.extend(panels[0].series.iter().flat_map(|series| &series.points).map(|point| point.x));
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        let rate = steps.into_iter().map(|step| Point::new(step, lr.at(step as u64))).collect();
        let rate = Series { label: "learning rate".into(), look: 5, mark: Mark::Thin, points: rate };
        panels.push(Panel::strip(Axis::new("learning rate"), vec![rate]));
    }
    Chart { name: name.into(), title: title.into(), description, x: Axis::count("step"), panels, marks, range: None }
}

/// The steps at which the rate turns, up to the last step.
fn corners(lr: &Triangle, last: f64) -> Vec<f64> {
    let half = lr.half_cycle.max(1) as f64;
    let turns = (last / half).floor() as u64;
    // So many that they could not be seen are not drawn.
    let mut corners: Vec<f64> = (0..=turns.min(400)).map(|turn| turn as f64 * half).collect();
    if turns <= 400 && corners.last().is_some_and(|&corner| corner < last) {
        corners.push(last);
    }
    corners
}

fn ends_of_cycles(lr: &Triangle, last: f64) -> Vec<f64> {
    let cycle = lr.cycle().max(1) as f64;
    let count = (last / cycle).floor() as u64;
    if count > 60 { Vec::new() } else { (1..=count).map(|end| end as f64 * cycle).collect() }
}

/// A row a network.
fn finals(runs: &[Run]) -> Markup {
    let cell = |score: Option<Score>| score.map_or_else(|| "–".to_owned(), |score| percent(score.accuracy));
    html! {
        div.scroll tabindex="0" { table {
            thead { tr { th scope="col" { "run" } th scope="col" { "seed" } th scope="col" { "training" } th scope="col" { "validation" } th scope="col" { "test" } th scope="col" { "test loss" } } }
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
            ("command", about.command.join(" ")),
            ("started", about.started.clone()),
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
    }
    let config = &run.records.config;
    Ok(html! { (settings(config, &[])) (facts(&rows)) (toml(&config.to_toml()?)) })
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

/// Curves of several trainings at once, by evaluation: what a search's records have, as lines.
pub(super) fn by_step(models: &[Vec<Line>]) -> Vec<Line> {
    let mut steps: BTreeMap<u64, Vec<Line>> = BTreeMap::new();
    for line in models.iter().flatten() {
        steps.entry(line.step).or_default().push(line.clone());
    }
    steps.into_values().flatten().collect()
}

/// Cost, loss and accuracy of trainings over their steps.
pub(super) fn figures(name: &str, lines: &[Line], lr: &Triangle, charts: &mut Charts) -> Markup {
    let (lines, _) = thinned(lines);
    html! {
        div.figures {
            @for Kind { title, axis, train, validation } in KINDS {
                @let both = vec![series("training", 0, &lines, train), series("validation", 1, &lines, validation)];
                (charts.add(over_steps(&format!("{name}-{title}"), title, axis(), both, Some(lr))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64, model: usize, loss: f64) -> Line {
        Line {
            step,
            epoch: 0.0,
            model,
            lr: 0.1,
            batch_loss: None,
            train_loss: loss,
            train_cost: loss,
            train_accuracy: 0.5,
            val_loss: None,
            val_cost: None,
            val_accuracy: None,
            training_seconds: 0.0,
            evaluation_seconds: 0.0,
        }
    }

    #[test]
    fn of_many_evaluations_every_so_manyth_is_drawn_and_the_last() {
        let lines: Vec<_> = (0..=1501).map(|step| line(step, 0, 1.0)).collect();
        let (drawn, every) = thinned(&lines);
        assert_eq!((drawn.len(), every), (502, 3));
        assert_eq!([drawn[0][0].step, drawn[1][0].step, drawn[501][0].step], [0, 3, 1501]);
        assert_eq!(thinned(&lines[..600]).1, 1);
        assert!(thinned(&[]).0.is_empty());
    }

    #[test]
    fn a_point_is_the_mean_of_the_models_with_their_range() {
        let lines = [line(0, 0, 1.0), line(0, 1, 4.0), line(9, 0, 2.0), line(9, 1, f64::NAN)];
        let (evaluations, _) = thinned(&lines);
        let points = series("loss", 0, &evaluations, |line| Some(line.train_loss)).points;
        // One that is not a number leaves no mean.
        assert_eq!(points, [Point { x: 0.0, y: 2.5, low: 1.0, high: 4.0 }]);
        assert!(series("loss", 0, &evaluations, |line| line.val_loss).points.is_empty());
    }

    #[test]
    fn cycles_end_and_rates_turn_at_their_steps_up_to_the_last() {
        let lr = Triangle { min: 0.1, max: 0.5, half_cycle: 4 };
        assert_eq!(ends_of_cycles(&lr, 17.0), [8.0, 16.0]);
        assert_eq!(corners(&lr, 10.0), [0.0, 4.0, 8.0, 10.0]);
        assert_eq!(corners(&lr, 8.0), [0.0, 4.0, 8.0]);
    }
}
