//! Records drawn: one page that needs nothing but itself, and its charts as files beside it.
//!
//! Everything comes from records on disk, so a page can be made of runs that another machine trained, and of a run that
//! still trains or was killed; neither engine is known here. The same records give the same bytes.
//!
//! | what | its records | drawn by |
//! |---|---|---|
//! | runs, overlaid | a run's folder, see [`crate::records::run_dir`] | `runs`, `curves`, `answers`, `network` |
//! | a search | see [`crate::search`] | `search` |
//! | a reproduction | see [`crate::search::experiments`] | `reproduction`, `beside`, and what its parts need of the others |
//! | a profile | what `profile --json` prints | `profile` |
//! | a verification | what `verify --json` prints | `verification` |
//!
//! The last two are files, named for themselves, or found as `profile.json` and `verify.json` in a folder of the others.
//!
//! A name in a record may be anybody's: [`maud`] escapes every value, and the page's policy lets no script run but its
//! own, nor anything be loaded.

mod answers;
mod beside;
pub mod chart;
mod curves;
pub mod lr_find;
mod made;
mod network;
mod page;
mod profile;
mod reproduction;
mod runs;
mod search;
mod verification;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use maud::{Markup, html};
use serde_json::Value;

use crate::error::{Error, Result, escaped, shown};
use crate::records::run_dir::{Records, RunDir};
use crate::report::chart::{Chart, SOFTWARE, number};
use crate::util::statistics::Spread;
use crate::util::text::bytes;
use runs::{Run, Runs};

/// Files of a folder that are reported on with it.
const PRINTED: [&str; 2] = ["profile.json", "verify.json"];
/// The largest such file that is read, 256 MiB: a thorough verification prints some hundred kB.
const MOST: u64 = 1 << 28;
/// Bytes of a file that this program made in which it says so.
const HEAD: u64 = 128;

/// Something to report on.
trait Subject {
    /// What kind of thing it is, and its name.
    fn title(&self) -> String;

    /// What is to be known before the figures are believed: what is missing in the records, or was amiss.
    fn notices(&self) -> Vec<String>;

    /// What a reader looks for first.
    fn cards(&self) -> Vec<Card>;

    /// All that is drawn of it.
    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>>;
}

/// What the paths have.
#[derive(Default)]
struct Found {
    /// Runs, to be overlaid.
    runs: Vec<Run>,
    /// What stands for itself.
    others: Vec<Box<dyn Subject>>,
    /// What was found in the folders of those.
    beside: Vec<Box<dyn Subject>>,
    /// What was found there and left out.
    told: Vec<String>,
}

/// A page with its charts.
pub struct Report {
    /// The page's text.
    pub page: String,
    /// The charts in it, each with a name of its own.
    pub charts: Vec<Chart>,
    /// What is to be known before the figures are believed; it stands on the page too.
    pub notices: Vec<String>,
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
    /// [`Error::Usage`] for a path that has no records, and for damaged ones [`Error::Checkpoint`], naming the file and
    /// the line.
    pub fn of(paths: &[PathBuf]) -> Result<Self> {
        let mut found = Found::default();
        for path in paths {
            found.read(path)?;
        }
        let Found { runs, others: mut subjects, beside, told: mut above } = found;
        if !runs.is_empty() {
            subjects.insert(0, Box::new(Runs::new(runs)));
        }
        let named = if subjects.is_empty() { beside.len() } else { subjects.len() };
        subjects.extend(beside);
        let titles: Vec<_> = subjects[..named].iter().map(|subject| subject.title()).collect();
        let mut charts = Charts::default();
        let (mut notices, mut cards, mut sections) = (above.clone(), Vec::new(), Vec::new());
        for (place, subject) in subjects.iter().enumerate() {
            cards.extend(subject.cards());
            let mut own = subject.sections(&mut charts)?;
            let told = subject.notices();
            notices.extend(told.iter().cloned());
            match own.first_mut() {
                Some(first) if place > 0 => first.body = html! { (page::warnings(&told)) (first.body) },
                // Of what the page is about first of all.
                _ => above.extend(told),
            }
            sections.extend(own);
        }
        let page = page::page(&titles.join(", "), &above, &cards, &sections);
        Ok(Self { page, charts: charts.drawn, notices })
    }
}

/// Whether a file is an earlier report's page or chart, by what stands at its beginning.
pub fn is_reports(path: &Path) -> bool {
    // A pipe would be waited for.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.is_ok() && head.windows(SOFTWARE.len()).any(|part| part == SOFTWARE.as_bytes())
}

/// What `report` does not know what to do with.
fn unknown(path: &Path, what: &str) -> Error {
    Error::Usage(format!(
        "{}: {what}; expected the folder of a run, a search or a reproduction, or a file with what `cyclone profile \
         --json` or `cyclone verify --json` printed",
        shown(path)
    ))
}

impl Found {
    fn len(&self) -> usize {
        self.runs.len() + self.others.len() + self.beside.len()
    }

    /// Finds out what a path has.
    fn read(&mut self, path: &Path) -> Result<()> {
        let metadata = fs::metadata(path).map_err(|error| unknown(path, &error.to_string()))?;
        if !metadata.is_dir() {
            self.others.push(printed(name(path), path)?);
            return Ok(());
        }
        let name = name(path);
        let files = PRINTED.map(|file| (format!("{name}/{file}"), path.join(file)));
        let before = self.len();
        if path.join("search.toml").is_file() {
            self.others.push(Box::new(search::Searched::read(name, path)?));
        } else if RunDir::is_run(path) {
            self.runs.push(Run { name, path: path.to_owned(), records: Records::read(path)? });
        } else if let Some(all) = reproduction::Reproduction::read(name, path)? {
            self.others.push(Box::new(all));
        }
        for (name, file) in files.into_iter().filter(|(_, file)| file.is_file()) {
            match printed(name, &file) {
                // Perhaps the user's own, and the folder's records are there all the same.
                Err(Error::Usage(what)) => self.told.push(what),
                found => self.beside.push(found?),
            }
        }
        if self.len() > before {
            return Ok(());
        }
        if !crate::search::folder::shards(path)?.is_empty() {
            let merge = format!("only shards of a search: bring them together by cyclone search merge {}", shown(path));
            return Err(unknown(path, &merge));
        }
        Err(unknown(path, "no records"))
    }
}

/// What a command has printed.
fn printed(name: String, path: &Path) -> Result<Box<dyn Subject>> {
    let failed = |what: &dyn std::fmt::Display| unknown(path, &what.to_string());
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text)).map_err(|error| failed(&error))?;
    if text.len() as u64 > MOST {
        return Err(failed(&format!("more than {}", bytes(MOST.into()))));
    }
    let value: Value = serde_json::from_str(&text).map_err(|error| failed(&format!("no JSON: {error}")))?;
    if value.get("devices").is_some() {
        return Ok(Box::new(profile::Profile::read(name, path, value)?));
    }
    if ["checks", "mutants", "comparison"].iter().any(|key| value.get(key).is_some()) {
        return Ok(Box::new(verification::Verification::read(name, path, value)?));
    }
    Err(failed(&"other JSON than these commands print"))
}

/// What people call a folder or a file.
fn name(path: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    whole.file_name().map_or_else(|| shown(path), |name| escaped(name.display()))
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
                    (scroll(&format!("Values of {}", chart.title), &chart.table()))
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

/// What may be wider than the page, and scrolls by itself then, by keyboard too.
fn scroll(of: &str, body: &Markup) -> Markup {
    html! { div.scroll role="group" aria-label=(of) tabindex="0" { (body) } }
}

/// A table with its rows, and what it is of.
fn table(of: &str, class: Option<&str>, rows: &Markup) -> Markup {
    scroll(of, &html! { table class=[class] { caption.unseen { (of) } (rows) } })
}

/// A row of column headings; the first column's is of the row's names.
fn heads(heads: &[&str]) -> Markup {
    html! { thead { tr { @for head in heads { th scope="col" { (head) } } } } }
}

/// Letters, digits and single hyphens, 60 at most: of a longer text its beginning and its end.
fn slug(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let parts: Vec<_> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let slug = parts.join("-");
    match slug.len() {
        0 => "chart".into(),
        1..=60 => slug,
        length => format!("{}-{}", slug[..39].trim_end_matches('-'), slug[length - 20..].trim_start_matches('-')),
    }
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

/// A time in a record as people read it.
fn moment(recorded: &str) -> String {
    let time = recorded.parse::<jiff::Zoned>();
    time.map_or_else(|_| recorded.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_keeps_both_ends() {
        assert_eq!(slug("Run <1> — Cost"), "run-1-cost");
        assert_eq!(slug("—"), "chart");
        let long = slug(&format!("{}-accuracy-validation", "run ".repeat(30)));
        assert!(long.len() <= 60 && long.starts_with("run-run") && long.ends_with("-accuracy-validation"), "{long}");
    }

    #[test]
    fn times_have_three_digits_and_the_nearest_unit() {
        let texts = [2.5e-7, 0.012_34, 12.34, 1234.0, 9000.0].map(duration);
        assert_eq!(texts, ["0.25 µs", "12.3 ms", "12.3 s", "21 min", "2.5 h"]);
    }
}
