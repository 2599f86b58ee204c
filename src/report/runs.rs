//! Runs, overlaid: what came out, their curves, what their networks answer.

use maud::{Markup, html};

use super::curves::{KINDS, Kind, Rate, figures, over_steps, series, thinned};
use super::parts::{Card, Charts, Section, Subject, heads, side_by_side, table};
use super::settings::Run;
use super::text::{accuracy, device, duration, mean, number, percent};
use super::{answers, network, settings};
use crate::error::{Result, shown};
use crate::records::run::Records;
use crate::records::summary::{Final, Summary};
use crate::records::weights;
use crate::train::Score;
use crate::util::statistics::Spread;
use crate::util::text::grouped;

/// Runs that have a card, and a section for their answers and one for their weights, which take some 300 kB together: of
/// more runs, the first ones do.
const SHOWN: usize = 6;

/// Some runs, one at least.
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// These, each with a name of its own: if two folders have one, their paths.
    pub(super) fn new(mut runs: Vec<Run>) -> Self {
        let names: Vec<_> = runs.iter().map(|run| run.name.clone()).collect();
        for run in &mut runs {
            if names.iter().filter(|name| **name == run.name).count() > 1 {
                run.name = shown(&run.path);
            }
        }
        Self(runs)
    }
}

impl Subject for Runs {
    fn title(&self) -> String {
        match &self.0[..] {
            [run] => format!("Run {}", run.name),
            runs => format!("{} runs", runs.len()),
        }
    }

    fn notices(&self) -> Vec<String> {
        self.0.iter().flat_map(notices).collect()
    }

    fn cards(&self) -> Vec<Card> {
        cards(&self.0)
    }

    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>> {
        sections(&self.0, charts)
    }
}

/// What a run's records lack.
fn notices(run: &Run) -> Vec<String> {
    let Run { name, records: Records { config, lines, has_half_line, summary, .. }, .. } = run;
    let [first, last] = [lines.first(), lines.last()].map(|line| line.map_or(0, |line| line.step));
    let mut notices = Vec::new();
    if summary.is_none() {
        notices.push(format!(
            "{name} has not finished: its records end after step {}. What comes at a run's end is missing here.",
            grouped(last)
        ));
    }
    if *has_half_line {
        notices
            .push(format!("{name}: half a line at the end of metrics.jsonl is left out, as a killed run leaves it."));
    }
    match summary {
        Some(_) if lines.is_empty() => notices.push(format!(
            "{name}: metrics.jsonl has no records, though the run finished: it was lost or emptied. There are no curves."
        )),
        Some(summary) if last < summary.steps => notices.push(format!(
            "{name}: metrics.jsonl ends after step {} of {}, though the run finished: it was cut. So are the curves.",
            grouped(last),
            grouped(summary.steps)
        )),
        _ => {}
    }
    if first > 0 {
        let first = grouped(first);
        notices.push(format!("{name}: metrics.jsonl begins at step {first}, not at 0: what came before is lost."));
    }
    let whole = |evaluation: &[_]| evaluation.len() == config.repeats;
    if let Some(part) = lines.chunk_by(|a, b| a.step == b.step).find(|evaluation| !whole(evaluation)) {
        notices.push(format!(
            "{name}: at step {} metrics.jsonl has records of {} networks, expected {}.",
            grouped(part[0].step),
            part.len(),
            config.repeats
        ));
    }
    notices
}

/// What came out, of one run or of each.
fn cards(runs: &[Run]) -> Vec<Card> {
    let [run] = runs else {
        return if runs.len() <= SHOWN {
            runs.iter().map(|run| outcome(run, &format!("{}, test accuracy", run.name))).collect()
        } else {
            range(runs)
        };
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

/// How many of many runs there are, and the ends of their accuracies.
fn range(runs: &[Run]) -> Vec<Card> {
    let unfinished = runs.iter().filter(|run| run.records.summary.is_none()).count();
    let note = if unfinished == 0 { String::new() } else { format!("{unfinished} of them not finished") };
    let mut cards = vec![Card::new("Runs", grouped(runs.len()), note)];
    let test = |run: &Run| {
        let models = &run.records.summary.as_ref()?.models;
        Some(Spread::of(&models.iter().filter_map(|model| Some(model.test?.accuracy)).collect::<Vec<_>>())?.mean)
    };
    let mut tested: Vec<_> = runs.iter().filter_map(|run| Some((test(run)?, run))).collect();
    tested.sort_by(|a, b| a.0.total_cmp(&b.0));
    if let [(low, worst), .., (high, best)] = &tested[..] {
        cards.push(Card::new("Highest test accuracy", percent(*high), best.name.clone()));
        cards.push(Card::new("Lowest test accuracy", percent(*low), worst.name.clone()));
    }
    cards
}

/// The final accuracy of a run as a card.
fn outcome(run: &Run, label: &str) -> Card {
    let Some(summary) = &run.records.summary else {
        let step = run.records.lines.last().map_or(0, |line| line.step);
        return Card::new(label, "–", format!("not finished: {} steps recorded", grouped(step)));
    };
    let accuracies = |score: &dyn Fn(&Final) -> Option<Score>| -> Vec<f64> {
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
    Some(Card::new("Cost", number(cost, 5), format!("loss {}, on the {of} images", number(loss, 5))))
}

/// A mean in percent, with the standard deviation of several.
pub(super) fn spread(shares: &[f64]) -> String {
    match Spread::of(shares) {
        None => "–".into(),
        Some(spread) if shares.len() == 1 => percent(spread.mean),
        Some(spread) => mean(&spread),
    }
}

fn sections(runs: &[Run], charts: &mut Charts) -> Result<Vec<Section>> {
    let mut sections = vec![Section::new("Curves", curves(runs, charts))];
    if runs.len() > 1 || runs.iter().any(|run| run.records.config.repeats > 1) {
        sections.push(Section::new("Final figures", finals(runs)));
    }
    for run in runs.iter().take(SHOWN) {
        let within = |title: &str| if runs.len() == 1 { title.to_owned() } else { format!("{title}: {}", run.name) };
        if let Some(found) = &run.records.answers {
            sections.push(Section::new(within("Answers to the test images"), answers::body(found)));
        }
        if let Some(body) = network_of(run)? {
            sections.push(Section::new(within("First-layer weights"), body));
        }
    }
    sections.push(Section::new("Configuration and environment", settings::body(runs)?));
    Ok(sections)
}

fn curves(runs: &[Run], charts: &mut Charts) -> Markup {
    let drawn = match runs {
        [run] => figures(&run.name, &run.records.lines, rate(run), charts),
        _ => overlaid(runs, charts),
    };
    let repeats = runs.iter().any(|run| run.records.config.repeats > 1);
    let every = runs.iter().map(|run| thinned(&run.records.lines, runs.len()).1).max().unwrap_or(1);
    html! {
        (drawn)
        p.about {
            "Scored on all training and validation images between the steps; dotted uprights are the ends of cycles."
            @if repeats { " A line is the mean of a run's networks, its band goes from the lowest to the highest of them." }
            @if every > 1 { " One of " (every) " evaluations is drawn; all are in metrics.jsonl." }
            @if runs.len() > SHOWN {
                " Answers and weights are those of the first " (SHOWN) " runs; " code { "cyclone report" }
                " of a single run shows its own."
            }
        }
    }
}

/// A run's learning rate.
fn rate(run: &Run) -> Rate {
    let Records { config, lines, .. } = &run.records;
    Rate::of(config.lr(), config.length(), lines)
}

/// Each score in a chart of its own, with a line a run.
fn overlaid(runs: &[Run], charts: &mut Charts) -> Markup {
    // All share the learning rate's panel only if they share the rate.
    let first = rate(&runs[0]);
    let shared = runs.iter().all(|run| rate(run) == first).then_some(first);
    let lines: Vec<_> = runs.iter().map(|run| thinned(&run.records.lines, runs.len()).0).collect();
    let mut drawn = Vec::new();
    for (of, training) in [("training", true), ("validation", false)] {
        for Kind { title, axis, train, validation } in KINDS {
            let value = if training { train } else { validation };
            let all = runs.iter().zip(&lines).enumerate();
            let all = all.map(|(look, (run, lines))| series(&run.name, look, lines, value));
            let title = format!("{title}, {of}");
            drawn.push(charts.add(over_steps(&format!("runs-{title}"), &title, axis(), all.collect(), shared)));
        }
    }
    side_by_side(&drawn)
}

/// A row a network.
fn finals(runs: &[Run]) -> Markup {
    let rows = html! {
        (heads(&["run", "seed", "training", "validation", "test", "test loss"]))
        @for run in runs {
            tbody {
                @if let Some(summary) = &run.records.summary {
                    @for (model, seed) in summary.models.iter().zip(&summary.about.seeds) {
                        tr {
                            th scope="row" { (run.name) }
                            td { (seed) }
                            td { (accuracy(Some(model.train))) } td { (accuracy(model.validation)) } td { (accuracy(model.test)) }
                            td { (model.test.map_or_else(|| "–".to_owned(), |score| number(score.loss, 5))) }
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
    };
    table("Final figures", None, &rows)
}

/// The first layer of a run's network, or of the first of several.
fn network_of(run: &Run) -> Result<Option<Markup>> {
    let Some(summary) = &run.records.summary else { return Ok(None) };
    network::body(&run.path.join(weights::file_name(0, summary.models.len())), &summary.about.data.classes)
}
