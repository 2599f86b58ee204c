//! Records drawn: one page that needs nothing but itself, and its charts as files beside it.
//!
//! Everything comes from records on disk, so a page can be made of runs that another machine trained, and of a run that
//! still trains or was killed; neither engine is known here. The same records give the same bytes.
//!
//! | [`Subject`] | its records | drawn by |
//! |---|---|---|
//! | runs, overlaid | a run's folder, see [`crate::run_dir`] | `runs`, `answers`, `network` |
//! | a search | see [`crate::search`] | `search` |
//! | a reproduction | see [`crate::reproduce`] | `reproduction`, and what its parts need of the others |
//! | a profile | what `profile --json` prints | `profile` |
//! | a verification | what `verify --json` prints | `verification` |
//!
//! A name in a record may be anybody's: [`maud`] escapes every value, and the page's policy lets no script run but its
//! own, nor anything be loaded.

mod answers;
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

use crate::chart::Chart;
use crate::error::{Error, Result};
use crate::run_dir::Records;

pub use page::MARK;

/// Something to report on.
enum Subject {
    Run(runs::Run),
    Search(Box<search::Searched>),
    Reproduction(Box<reproduction::Reproduction>),
    Profile(Box<profile::Profile>),
    Verification(Box<verification::Verification>),
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
        let (mut runs, mut others) = (Vec::new(), Vec::new());
        for path in paths {
            match read(path)? {
                Subject::Run(run) => runs.push(run),
                other => others.push(other),
            }
        }
        let mut charts = Charts::default();
        let (mut cards, mut sections) = (Vec::new(), Vec::new());
        let mut title = Vec::new();
        if !runs.is_empty() {
            title.push(match &runs[..] {
                [run] => run.name.clone(),
                runs => format!("{} runs", runs.len()),
            });
            cards.extend(runs::cards(&runs));
            sections.extend(runs::sections(&runs, &mut charts)?);
        }
        for subject in &others {
            let (name, new_cards, new_sections) = match subject {
                Subject::Run(_) => continue,
                Subject::Search(searched) => (&searched.name, searched.cards(), searched.sections(&mut charts)),
                Subject::Reproduction(all) => (&all.name, all.cards(), all.sections(&mut charts)?),
                Subject::Profile(profile) => (&profile.name, profile.cards(), profile.sections(&mut charts)),
                Subject::Verification(verified) => (&verified.name, verified.cards(), verified.sections(&mut charts)),
            };
            title.push(name.clone());
            cards.extend(new_cards);
            sections.extend(new_sections);
        }
        let page = page::page(&title.join(", "), &cards, &sections);
        Ok(Self { page, charts: charts.drawn })
    }
}

/// Finds out what a path has.
fn read(path: &Path) -> Result<Subject> {
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
            return Ok(Subject::Profile(Box::new(profile::Profile::read(name, path, value)?)));
        }
        if ["checks", "mutants", "comparison"].iter().any(|key| value.get(key).is_some()) {
            return Ok(Subject::Verification(Box::new(verification::Verification::read(name, path, value)?)));
        }
        return Err(usage("other JSON than these commands print"));
    }
    if path.join("search.toml").is_file() {
        return Ok(Subject::Search(Box::new(search::Searched::read(name, path)?)));
    }
    if path.join("config.toml").is_file() {
        return Ok(Subject::Run(runs::Run { name, path: path.to_owned(), records: Records::read(path)? }));
    }
    if let Some(all) = reproduction::Reproduction::read(name, path)? {
        return Ok(Subject::Reproduction(Box::new(all)));
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

/// A share as people read it.
fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Seconds as people read them.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.1} s"),
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
