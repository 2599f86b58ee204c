//! A search: its trials over what was searched, their ranking, the curves of the best.

use std::path::Path;

use maud::{Markup, html};

use super::curves::{Rate, figures};
use super::parts::{Card, Charts, Section, Subject, facts, heads, side_by_side, table};
use super::settings::{images, settings, toml};
use super::text::{accuracy, device, duration, moment, number, percent};
use crate::config::preset::Preset;
use crate::error::Result;
use crate::records::files::json;
use crate::records::metrics::Line;
use crate::report::chart::{Axis, Chart, Mark, Panel, Point, Series};
use crate::search::Search;
use crate::search::folder::{self, Plan};
use crate::search::halving::{Halving, Rung};
use crate::search::parameter::{Parameter, Value};
use crate::search::summary::SearchSummary;
use crate::search::trial::{Record, Scored, rank};
use crate::train::Score;
use crate::util::text::grouped;

/// Trials in the table at most.
const RANKED: usize = 60;

/// A kind of score, where a trial has it.
pub(super) type ScoreOf = fn(&Scored) -> Option<Score>;

pub(super) struct Searched {
    pub name: String,
    folder: String,
    plan: Plan,
    summary: Option<SearchSummary>,
    pub search: Search,
    pub records: Vec<Record>,
}

impl Searched {
    /// The settings that all trials share.
    pub(super) fn settings(&self) -> Markup {
        let searched = if self.search.space.trials > 1 { self.parameters() } else { Vec::new() };
        settings(&self.search.config, &searched)
    }

    pub(super) fn read(name: String, path: &Path) -> Result<Self> {
        let plan = Plan::read(path)?;
        let search = plan.search(Preset::Table1.config());
        let records = if path.join("trials.jsonl").exists() { folder::records(path)? } else { Vec::new() };
        let summary = json(&path.join("summary.json"), "the summary of a search. Remove it, or search again")?;
        Ok(Self { name, folder: path.display().to_string(), plan, summary, search, records })
    }
}

impl Subject for Searched {
    fn title(&self) -> String {
        format!("Search {}", self.name)
    }

    fn notices(&self) -> Vec<String> {
        let (name, there) = (&self.name, self.records.len());
        match &self.summary {
            None => match self.search.halving.map(|halving| self.ended(halving)) {
                Some(rungs) => {
                    vec![format!("{name} has not finished: {} of its trials have ended a rung.", rungs[0].1.len())]
                }
                None => vec![format!("{name} has not finished: {there} of its trials have.")],
            },
            Some(summary) if there < summary.trials => vec![format!(
                "{name}: trials.jsonl has records of {there} of {} trials, though the search finished: it was cut.",
                summary.trials
            )],
            Some(_) => Vec::new(),
        }
    }

    fn cards(&self) -> Vec<Card> {
        let ranked = rank(&self.records);
        let diverged = self.records.iter().filter(|record| record.diverged.is_some()).count();
        let note = if diverged == 0 { String::new() } else { format!("{diverged} of them diverged") };
        let mut cards = Vec::new();
        if let Some((best, scored)) = ranked.first().and_then(|best| Some((best, best.result?))) {
            let values: Vec<_> =
                self.parameters().iter().map(|one| format!("{} {}", one.name(), shown(*one, best))).collect();
            let of = if scored.validation.is_some() { "Best validation accuracy" } else { "Best training accuracy" };
            cards.push(Card::new(of, percent(best.merit().unwrap_or_default()), values.join(", ")));
        }
        cards.push(Card::new("Trials", grouped(self.records.len()), note));
        if let Some((summary, ran)) =
            self.summary.as_ref().and_then(|summary| Some((summary, summary.device.as_ref()?)))
        {
            cards.push(Card::new("Training time", duration(summary.seconds), device(ran)));
        }
        cards
    }

    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>> {
        let title = |what: &str| format!("{}: {what}", self.name);
        let mut sections = vec![Section::new(title("trials"), self.scatter(charts))];
        sections.push(Section::new(title("ranking"), self.ranking()));
        if let Some(halving) = self.search.halving {
            sections.push(Section::new(title("rungs"), self.rungs(halving)));
        }
        if let Some(best) =
            rank(&self.records).first().filter(|best| best.result.is_some() && best.evaluations.len() > 2)
        {
            let (lines, spec) = (lines(best, 0), &best.trial.spec);
            let rate = Rate::of(spec.lr, spec.length, &lines);
            let body = html! {
                p.about { "Trial " (best.trial.trial) ", the first of the ranking." }
                (figures(&format!("{}-best", self.name), &lines, rate, charts))
            };
            sections.push(Section::new(title("curves of the best trial"), body));
        }
        let data = &self.plan.data;
        let mut made = vec![("folder", self.folder.clone())];
        if let Some(summary) = &self.summary {
            made.extend([
                ("command", summary.origin.command.join(" ")),
                ("started", moment(&summary.origin.started)),
                ("platform", summary.origin.platform.clone()),
                ("version", format!("cyclone {}", summary.origin.version)),
            ]);
        }
        made.extend([("images", images(data)), ("SHA-256", data.sha256.clone())]);
        let body = html! {
            (self.settings())
            (facts(&made))
            @if let Ok(text) = self.search.config.to_toml() { (toml(&text)) }
        };
        sections.push(Section::new(title("configuration and environment"), body));
        Ok(sections)
    }
}

impl Searched {
    fn parameters(&self) -> Vec<Parameter> {
        self.search.space.parameters()
    }

    /// A chart for each parameter searched: accuracies over its values.
    fn scatter(&self, charts: &mut Charts) -> Markup {
        let kinds: [(&str, usize, ScoreOf); 3] = [
            ("validation", 1, |scored| scored.validation),
            ("training", 0, |scored| Some(scored.train)),
            ("test", 2, |scored| scored.test),
        ];
        let mut drawn = Vec::new();
        // Words have no place on an axis; they are in the ranking.
        let is_number = |parameter: &Parameter| {
            self.records.iter().all(|record| matches!(parameter.of(&record.trial), Value::Number(_)))
        };
        for parameter in self.parameters().into_iter().filter(is_number) {
            for (of, look, score) in kinds {
                let chart = over(parameter, of, look, &self.records, score);
                drawn.push(charts.add(Chart { name: format!("{}-{}-{of}", self.name, parameter.name()), ..chart }));
            }
        }
        html! {
            (side_by_side(&drawn))
            p.about {
                "Each mark is a trial. They are ranked on the validation images; to choose by the test images would be "
                "to train on them."
                @if self.search.halving.is_some() {
                    " A trial that did not go on has its accuracy at the end of its last rung."
                }
                @if self.search.warm_start {
                    " One network went through these values in ascending order: each figure depends on all trials "
                    "before it."
                }
            }
        }
    }

    fn ranking(&self) -> Markup {
        let parameters = self.parameters();
        let ranked = rank(&self.records);
        let mut heading = vec!["rank", "trial"];
        heading.extend(parameters.iter().map(|parameter| parameter.name()));
        heading.extend(self.search.halving.map(|_| "rungs"));
        heading.extend(["training", "validation"]);
        heading.extend(self.search.with_test.then_some("test"));
        let rows = html! {
            (heads(&heading))
            tbody {
                @for (place, record) in ranked.iter().take(RANKED).enumerate() {
                    tr {
                        th scope="row" { @if record.result.is_some() { (place + 1) } @else { "–" } }
                        td { (record.trial.trial) }
                        @for parameter in &parameters { td { (shown(*parameter, record)) } }
                        @if self.search.halving.is_some() { td { (record.rungs.len()) } }
                        @match &record.result {
                            Some(scored) => {
                                td { (accuracy(Some(scored.train))) } td { (accuracy(scored.validation)) }
                                @if self.search.with_test { td { (accuracy(scored.test)) } }
                            },
                            None => td.word colspan=(if self.search.with_test { 3 } else { 2 }) {
                                "diverged at step " (record.diverged.as_ref().map_or(0, |diverged| diverged.step))
                            },
                        }
                    }
                }
            }
        };
        html! {
            (table("Ranking", None, &rows))
            @if ranked.len() > RANKED { p.about { "The first " (RANKED) " of " (ranked.len()) "; all are in trials.jsonl." } }
        }
    }
}

impl Searched {
    /// The rungs, each with the trials that have ended it, the best first.
    fn ended(&self, halving: Halving) -> Vec<(Rung, Vec<&Record>)> {
        halving.all().map(|rung| (rung, rung.ranking(&self.records))).collect()
    }

    fn rungs(&self, halving: Halving) -> Markup {
        let rows = html! {
            (heads(&["rung", "steps", "epochs", "ended by", "best", "worst", "best trial"]))
            tbody {
                @for (rung, ended) in self.ended(halving) {
                    @let point = |record: &Record| record.rungs[rung.index].clone();
                    tr {
                        th scope="row" { (rung.index + 1) }
                        @if let [best, ..] = ended[..] {
                            td { (grouped(point(best).step)) } td { (number(point(best).epoch, 4)) }
                            td { (ended.len()) }
                            td { (percent(point(best).merit())) } td { (percent(point(ended[ended.len() - 1]).merit())) }
                            td { (best.trial.trial) }
                        } @else { td.word colspan="6" { "not ended by any trial" } }
                    }
                }
            }
        };
        html! {
            (table("Rungs", None, &rows))
            p.about {
                "At the end of a rung one trial in " (halving.eta) " went on, by its validation accuracy there. Steps and "
                "epochs are those of the best trial."
            }
        }
    }
}

/// A parameter's value in a trial, as people write it.
fn shown(parameter: Parameter, record: &Record) -> String {
    match parameter.of(&record.trial) {
        Value::Number(value) if parameter.is_integer() => grouped(value as u64),
        Value::Number(value) => number(value, 5),
        Value::Word(word) => word,
    }
}

/// Accuracies over a parameter, on a logarithmic axis if its values span more than a power of ten.
fn over(parameter: Parameter, of: &str, look: usize, records: &[Record], score: ScoreOf) -> Chart {
    let series = scatter(of, look, Mark::Dots, records, parameter, score);
    let (first, last) =
        (series.points.first().map_or(0.0, |point| point.x), series.points.last().map_or(0.0, |point| point.x));
    let axis =
        if first > 0.0 && last / first > 10.0 { Axis::log(parameter.name()) } else { Axis::new(parameter.name()) };
    let best = series.points.iter().max_by(|a, b| a.y.total_cmp(&b.y));
    let description = best.map_or_else(String::new, |best| {
        format!(
            "{} trials; the highest {of} accuracy is {} at {} {}.",
            series.points.len(),
            percent(best.y),
            parameter.name(),
            number(best.x, 4)
        )
    });
    let panels = vec![Panel::new(Axis::percent("images classified rightly"), vec![series])];
    Chart::new("", format!("Accuracy, {of}"), description, axis, panels)
}

/// The accuracies of trials that ended well over a parameter.
pub(super) fn scatter(
    label: &str,
    look: usize,
    mark: Mark,
    records: &[Record],
    parameter: Parameter,
    score: ScoreOf,
) -> Series {
    let points = records.iter().filter_map(|record| match parameter.of(&record.trial) {
        Value::Number(value) => Some(Point::new(value, score(record.result.as_ref()?)?.accuracy)),
        Value::Word(_) => None,
    });
    let mut points: Vec<_> = points.filter(|point| point.y.is_finite()).collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Series { label: label.to_owned(), look, mark, points }
}

/// A trial's evaluations as a run's lines.
pub(super) fn lines(record: &Record, model: usize) -> Vec<Line> {
    let points = record.evaluations.iter();
    let lines = points.map(|point| {
        let line = Line { step: point.step, epoch: point.epoch, model, lr: point.lr, ..Line::default() };
        line.scored(point.train, point.validation)
    });
    lines.collect()
}
