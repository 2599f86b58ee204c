//! Records drawn: one page that needs nothing but itself, and its charts as files beside it.
//!
//! Everything comes from records on disk, so a page can be made of runs that another machine trained, and of a run that
//! still trains or was killed; neither engine is known here. The same records give the same bytes.
//!
//! | what | its records | drawn by |
//! |---|---|---|
//! | runs, overlaid | a run's folder, see [`crate::run_dir`] | `runs`, `curves`, `answers`, `network` |
//! | a search | see [`crate::search`] | `search` |
//! | a reproduction | see [`crate::reproduce`] | `reproduction`, `beside`, and what its parts need of the others |
//! | a profile | what `profile --json` prints | `profile` |
//! | a verification | what `verify --json` prints | `verification` |
//!
//! A name in a record may be anybody's: [`maud`] escapes every value, and the page's policy lets no script run but its
//! own, nor anything be loaded.

mod answers;
mod beside;
mod curves;
mod network;
mod page;
mod profile;
mod reproduction;
mod runs;
mod search;
mod verification;

use std::fs;
use std::path::{Path, PathBuf};

use maud::{Markup, html};

use crate::chart::{Chart, number};
use crate::error::{Error, Result};
use crate::run_dir::Records;
use crate::statistics::Spread;

pub use page::MARK;

/// Something to report on.
trait Subject {
    /// What kind of thing it is, and its name.
    fn title(&self) -> String;

    /// What a reader looks for first.
    fn cards(&self) -> Vec<Card>;

    /// All that is drawn of it.
    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>>;
}

/// What a path has.
enum Found {
    /// A run, to be overlaid with others.
    Run(Box<runs::Run>),
    /// What stands for itself.
    Other(Box<dyn Subject>),
}

/// A page with its charts.
pub struct Report {
    /// The page's text.
    pub page: String,
    /// The charts in it, each with a name of its own.
    pub charts: Vec<Chart>,
}

/// A part of the page with a heading.
struct Section {
    /// What its heading says, and the list of sections.
    title: String,
    /// What stands below.
    body: Markup,
}

/// A figure that a reader looks for first.
struct Card {
    /// What it is of.
    label: String,
    /// The figure.
    value: String,
    /// What else is to be known.
    note: String,
}

impl Card {
    fn new(label: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), note: note.into() }
    }
}

impl Report {
    /// Of what is in these folders and files.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a path that has no records, and for damaged ones what reads them: [`Error::Checkpoint`] or
    /// [`Error::Data`], naming the file and the line.
    pub fn of(paths: &[PathBuf]) -> Result<Self> {
        let (mut runs, mut subjects) = (Vec::new(), Vec::<Box<dyn Subject>>::new());
        for path in paths {
            match read(path)? {
                Found::Run(run) => runs.push(*run),
                Found::Other(subject) => subjects.push(subject),
            }
        }
        if !runs.is_empty() {
            subjects.insert(0, Box::new(runs::Runs(runs)));
        }
        let mut charts = Charts::default();
        let (mut cards, mut sections) = (Vec::new(), Vec::new());
        for subject in &subjects {
            cards.extend(subject.cards());
            sections.extend(subject.sections(&mut charts)?);
        }
        let titles: Vec<_> = subjects.iter().map(|subject| subject.title()).collect();
        let page = page::page(&titles.join(", "), &cards, &sections);
        Ok(Self { page, charts: charts.drawn })
    }
}

/// Finds out what a path has.
fn read(path: &Path) -> Result<Found> {
    const EXPECTED: &str = "expected the folder of a run, a search or a reproduction, or a file with what \
                            `cyclone profile --json` or `cyclone verify --json` printed";
    let usage = |what: &str| Error::Usage(format!("{}: {what}; {EXPECTED}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| usage(&error.to_string()))?;
    let name = name(path);
    if metadata.is_file() {
        let text = fs::read_to_string(path).map_err(|error| usage(&error.to_string()))?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| usage(&format!("no JSON: {error}")))?;
        if value.get("devices").is_some() {
            return Ok(Found::Other(Box::new(profile::Profile::read(name, path, value)?)));
        }
        if ["checks", "mutants", "comparison"].iter().any(|key| value.get(key).is_some()) {
            return Ok(Found::Other(Box::new(verification::Verification::read(name, path, value)?)));
        }
        return Err(usage("other JSON than these commands print"));
    }
    if path.join("search.toml").is_file() {
        return Ok(Found::Other(Box::new(search::Searched::read(name, path)?)));
    }
    if path.join("config.toml").is_file() {
        let records = Records::read(path)?;
        return Ok(Found::Run(Box::new(runs::Run { name, path: path.to_owned(), records })));
    }
    if let Some(all) = reproduction::Reproduction::read(name, path)? {
        return Ok(Found::Other(Box::new(all)));
    }
    if !crate::search::folder::shards(path)?.is_empty() {
        let path = path.display();
        return Err(usage(&format!("only shards of a search: bring them together by cyclone search merge {path}")));
    }
    Err(usage("no records"))
}

/// What people call a folder or a file.
fn name(path: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    whole.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The charts of a page.
#[derive(Default)]
struct Charts {
    drawn: Vec<Chart>,
}

impl Charts {
    /// The chart in the page, with its values; nothing if there is nothing in it.
    fn add(&mut self, mut chart: Chart) -> Markup {
        if chart.is_empty() {
            return html! {};
        }
        chart.name = self.unused(&chart.name);
        let figure = html! {
            figure {
                div.plot { (chart.figure()) }
                details {
                    summary { "Values" span.unseen { " of " (chart.title) } }
                    div.scroll tabindex="0" { (chart.table()) }
                }
            }
        };
        self.drawn.push(chart);
        figure
    }

    /// The nearest name to `wanted` that is good for a file and not taken.
    fn unused(&self, wanted: &str) -> String {
        let plain = slug(wanted);
        let taken = |name: &str| self.drawn.iter().any(|chart| chart.name == name);
        let mut name = plain.clone();
        for next in 2.. {
            if !taken(&name) {
                break;
            }
            name = format!("{plain}-{next}");
        }
        name
    }
}

/// Letters, digits and single hyphens, 60 at most.
fn slug(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let parts: Vec<_> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let mut slug = parts.join("-");
    slug.truncate(60);
    if slug.is_empty() { "chart".into() } else { slug }
}

/// A share as people read it; the number and its sign stay together.
fn percent(share: f64) -> String {
    format!("{:.2}\u{a0}%", share * 100.0)
}

/// The same where tenths are enough.
fn tenths(share: f64) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}

/// A mean of shares with its standard deviation.
fn mean(spread: &Spread) -> String {
    format!("{:.2}\u{a0}±\u{a0}{:.2}\u{a0}%", spread.mean * 100.0, spread.deviation * 100.0)
}

/// A cell with a text and a bar, full at 1.
fn bar(share: f64, text: &str) -> Markup {
    html! { td.bar { span { (text) } i style=(format!("--share:{:.3}", share.clamp(0.0, 1.0))) {} } }
}

/// Seconds as people read them.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", number(s * 1e6, 3)),
        s if s < 1.0 => format!("{} ms", number(s * 1e3, 3)),
        s if s < 100.0 => format!("{} s", number(s, 3)),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Names and values, a line each.
fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
