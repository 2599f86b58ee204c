//! A reproduction: the published numbers beside ours, the report's figures and tables drawn again.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::curves::{Rate, by_step, figures};
use super::parts::{Card, Charts, Section, Subject, facts, side_by_side};
use super::search::{ScoreOf, Searched, lines, scatter};
use super::text::{device, duration, mean, moment, number, percent};
use super::{answers, comparison, network};
use crate::error::Result;
use crate::records::answers::{self as recorded, Answers};
use crate::records::files::{json, optional, parse_lines};
use crate::report::chart::{Axis, Chart, Mark, Panel, Point, Series};
use crate::search::experiments::comparison::{Number, Of, POINTS};
use crate::search::experiments::experiment::{self, Part, Published};
use crate::search::experiments::published::Row;
use crate::search::parameter::Parameter;
use crate::search::summary::ReproductionSummary;
use crate::util::statistics::Spread;

/// Neighbouring lambdas that are further apart stand in charts of their own: the fine search has two ranges.
const APART: f64 = 10.0;

struct Done {
    part: Part,
    path: PathBuf,
    searched: Searched,
    answers: Option<Answers>,
}

pub(super) struct Reproduction {
    pub name: String,
    summary: Option<ReproductionSummary>,
    numbers: Vec<Number>,
    parts: Vec<Done>,
}

impl Reproduction {
    /// Reads a reproduction's folder; none if it has no part and no numbers.
    pub(super) fn read(name: String, path: &Path) -> Result<Option<Self>> {
        let mut parts = Vec::new();
        for part in experiment::parts(experiment::ALL, 1.0)? {
            let path = path.join(part.name);
            if path.join("search.toml").is_file() {
                let searched = Searched::read(part.name.into(), &path)?;
                let answers = recorded::read(&path.join(recorded::FILE))?;
                parts.push(Done { part, path, searched, answers });
            }
        }
        let numbers = numbers(&path.join("comparison.jsonl"))?;
        if parts.is_empty() && numbers.is_empty() {
            return Ok(None);
        }
        let expected = "the summary of a reproduction. Remove it, or reproduce again";
        let summary = json(&path.join("summary.json"), expected)?;
        Ok(Some(Self { name, summary, numbers, parts }))
    }
}

impl Subject for Reproduction {
    fn title(&self) -> String {
        format!("Reproduction {}", self.name)
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = match &self.summary {
            None => vec![format!("{} has not finished: the numbers come at its end.", self.name)],
            Some(summary) => summary.warning.iter().cloned().collect(),
        };
        for Done { part, searched, .. } in &self.parts {
            let (there, all) = (searched.records.len(), part.search.trials().len());
            if there < all {
                notices.push(format!("{}: records of {there} of {all} trainings.", part.name));
            }
        }
        notices
    }

    fn cards(&self) -> Vec<Card> {
        let mut cards = Vec::new();
        if let Some(ReproductionSummary { counts, .. }) = self.summary.as_ref().filter(|summary| summary.counts.of > 0)
        {
            cards.push(Card::new(
                "Inside their bands",
                format!("{} of {}", counts.inside, counts.of),
                "published numbers, trained as in the report",
            ));
        }
        // The best classifier, else what there is.
        let shown = ["best", "figure-3", "figure-2", "figure-1"].iter().find_map(|part| self.of(part, Of::Test));
        if let Some((number, ours)) = shown.and_then(|number| Some((number, number.ours?))) {
            let value =
                number.deviation.map_or_else(|| percent(ours), |deviation| mean(&Spread { mean: ours, deviation }));
            cards.push(Card::new(
                format!("Test accuracy, {}", number.part),
                value,
                format!("report: {:.2} %", number.published * 100.0),
            ));
        }
        if let Some(summary) = &self.summary {
            let before = match summary.parts.iter().filter(|part| part.training == 0.0).count() {
                0 => String::new(),
                count => format!("{count} of {} parts were trained before", summary.parts.len()),
            };
            cards.push(Card::new("Time", duration(summary.seconds), before));
            cards.push(Card::new(
                "Device",
                device(&summary.device),
                summary.data.split(" from ").next().unwrap_or_default(),
            ));
        }
        cards
    }

    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>> {
        let mut sections = vec![Section::new("Beside the published numbers", self.overview())];
        for done in &self.parts {
            if let Some(section) = self.section(done, charts) {
                sections.push(section);
            }
        }
        if let Some((done, found)) = self.parts.iter().rev().find_map(|done| Some((done, done.answers.as_ref()?))) {
            let name = done.part.name;
            sections.push(Section::new(format!("Answers of {name}'s network"), answers::body(found)));
            if let Some(body) = network::body(&done.path.join("weights.safetensors"), &found.classes)? {
                sections.push(Section::new(format!("First-layer weights of {name}'s network"), body));
            }
        }
        if let Some(summary) = &self.summary {
            let body = facts(&[
                ("command", summary.origin.command.join(" ")),
                ("started", moment(&summary.origin.started)),
                ("device", device(&summary.device)),
                ("platform", summary.origin.platform.clone()),
                ("version", format!("cyclone {}", summary.origin.version)),
                ("images", summary.data.clone()),
                ("SHA-256", summary.sha256.clone()),
            ]);
            sections.push(Section::new("Environment", body));
        }
        Ok(sections)
    }
}

impl Reproduction {
    fn of(&self, part: &str, images: Of) -> Option<&Number> {
        self.numbers.iter().find(|number| number.part == part && number.images == images)
    }

    fn numbers_of(&self, part: &str) -> Vec<&Number> {
        self.numbers.iter().filter(|number| number.part == part).collect()
    }

    /// A row for each kind of number of each part.
    fn overview(&self) -> Markup {
        let mut rows: Vec<Vec<&Number>> = Vec::new();
        for number in &self.numbers {
            match rows.iter_mut().find(|row| row[0].part == number.part && row[0].images == number.images) {
                Some(row) => row.push(number),
                None => rows.push(vec![number]),
            }
        }
        let (faithful, fresh): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[0].faithful);
        html! {
            @if !faithful.is_empty() { (comparison::overview(&faithful)) }
            p.about {
                "Each dot is one number: ours less the published one, in points (hundredths of all images). The band is "
                "how far two runs of one experiment may differ: " (number(POINTS, 2)) " points for training and test "
                "accuracy, two standard deviations of two samples of as many images for validation."
            }
            @if !fresh.is_empty() {
                h3 { "Fresh networks beside the same numbers" }
                p.about {
                    "The report trained one network on and on through the sorted lambdas, never initialised again. "
                    "These are what each lambda does alone: that they differ is the finding."
                }
                (comparison::overview(&fresh))
            }
        }
    }

    fn section(&self, done: &Done, charts: &mut Charts) -> Option<Section> {
        let Done { part, searched, .. } = done;
        let numbers = self.numbers_of(part.name);
        match part.published {
            Published::One(_) | Published::Mean(_) => {
                let models: Vec<_> =
                    searched.records.iter().enumerate().map(|(model, record)| lines(record, model)).collect();
                let (lines, config) = (by_step(&models), &searched.search.config);
                let rate = Rate::of(config.lr(), config.length(), &lines);
                let is_mean = matches!(part.published, Published::Mean(_));
                let body = html! {
                    (searched.settings()) (comparison::table(&numbers))
                    (figures(part.name, &lines, rate, charts))
                    @if is_mean {
                        p.about {
                            "Lines are means of " (models.len()) " runs, scored at the end of every cycle; bands go from "
                            "the lowest to the highest run."
                        }
                    }
                };
                let what = if is_mean { "Best classifier".to_owned() } else { spoken(part.name) };
                Some(Section::new(format!("{what}: {}", part.title), body))
            }
            // A table's fresh part is drawn with its warm one.
            Published::Table(_) if !part.faithful => None,
            Published::Table(rows) => {
                let name = part.name.trim_end_matches("-warm");
                let fresh = self.parts.iter().find(|other| other.part.name == format!("{name}-fresh"));
                let body = html! {
                    (searched.settings())
                    (over_lambda(name, rows, done, fresh, charts))
                    h3 { "As in the report: one network through the sorted lambdas" }
                    (comparison::table(&numbers))
                    @if let Some(fresh) = fresh {
                        details.more {
                            summary { "A fresh network for each lambda, beside the same numbers" }
                            (comparison::table(&self.numbers_of(fresh.part.name)))
                        }
                    }
                };
                let what = if name == "table-1" { "coarse search" } else { "fine search" };
                Some(Section::new(format!("{}: {what}", spoken(name)), body))
            }
        }
    }
}

/// `figure-1` as a heading has it.
fn spoken(name: &str) -> String {
    let mut text = name.replace('-', " ");
    text[..1].make_ascii_uppercase();
    text
}

/// The lines of `comparison.jsonl`; none if it is not there.
fn numbers(path: &Path) -> Result<Vec<Number>> {
    let bytes = optional(path)?.unwrap_or_default();
    parse_lines(path, &bytes, |error| format!("{error}: not a number's record. Reproduce again"))
}

/// A kind of score of a published row, where it has it.
type PublishedOf = fn(&Row) -> Option<f64>;

/// Accuracies over lambda: published, through one network, and fresh.
fn over_lambda(name: &str, rows: &[Row], warm: &Done, fresh: Option<&Done>, charts: &mut Charts) -> Markup {
    let kinds: [(&str, PublishedOf, ScoreOf); 3] = [
        ("training", |row| Some(row.train), |scored| Some(scored.train)),
        ("validation", |row| Some(row.validation), |scored| scored.validation),
        ("test", |row| row.test, |scored| scored.test),
    ];
    let groups: Vec<&[Row]> = rows.chunk_by(|a, b| b.lambda / a.lambda <= APART).collect();
    let mut drawn = Vec::new();
    for group in &groups {
        let ends = [group[0].lambda, group[group.len() - 1].lambda];
        for (of, published, score) in kinds {
            let points = group.iter().filter_map(|row| Some(Point::new(row.lambda, published(row)?)));
            let mut series =
                vec![Series { label: "report".into(), look: 5, mark: Mark::Joined, points: points.collect() }];
            for (label, look, done) in [("one network", 0, Some(warm)), ("fresh", 1, fresh)] {
                let Some(done) = done else { continue };
                let mut one = scatter(label, look, Mark::Joined, &done.searched.records, Parameter::LAMBDA, score);
                // The lambdas went through a text with all their digits.
                one.points.retain(|point| (ends[0] * 0.999..=ends[1] * 1.001).contains(&point.x));
                series.push(one);
            }
            let range = if groups.len() == 1 {
                String::new()
            } else {
                format!(", {} to {}", number(ends[0], 2), number(ends[1], 2))
            };
            let title = format!("Accuracy, {of}{range}");
            let description = format!(
                "{title}, over lambda: {} published values, ours of one network trained through them, and of fresh networks.",
                group.len()
            );
            let panels = vec![Panel::new(Axis::percent("images classified rightly"), series)];
            let chart = Chart::new(format!("{name}-{of}"), title, description, Axis::log("lambda"), panels);
            drawn.push(charts.add(chart));
        }
    }
    side_by_side(&drawn)
}
