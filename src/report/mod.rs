//! Records drawn: one page that needs nothing but itself, and its charts as files beside it.
//!
//! Everything comes from records on disk, so a page can be made of runs that another machine trained, and of a run that
//! still trains or was killed; neither engine is known here. The same records give the same bytes.
//!
//! | what | its records | drawn by |
//! |---|---|---|
//! | runs, overlaid | a run's folder, see [`crate::records`] | `runs`, `curves`, `answers`, `network` |
//! | a search | see [`crate::search`] | `search` |
//! | a reproduction | see [`crate::search::experiments`] | `reproduction`, `comparison`, and what its parts need of the others |
//! | a profile | what `profile --json` prints | `profile` |
//! | a verification | what `verify --json` prints | `verification` |
//! | an evaluation | what `evaluate --json` prints | `evaluation` |
//!
//! The last three are files, named for themselves, or found as `profile.json`, `verify.json` and `evaluate.json` in a folder
//! of the others.
//!
//! A name in a record may be anybody's: [`maud`] escapes every value, and the page's policy lets no script run but its
//! own, nor anything be loaded.

mod answers;
pub mod chart;
mod comparison;
mod curves;
mod evaluation;
pub mod lr_find;
mod network;
mod page;
mod parts;
mod profile;
mod reproduction;
mod runs;
mod search;
mod settings;
mod text;
mod verification;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use maud::html;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result, escaped, shown};
use crate::records::run::{Records, RunDir};
use crate::report::chart::{Chart, SOFTWARE};
use crate::util::text::bytes;
use parts::{Charts, Subject};
use runs::Runs;
use settings::Run;

/// Files of a folder that are reported on with it.
const PRINTED: [&str; 3] = ["profile.json", "verify.json", "evaluate.json"];
/// The largest such file that is read, 256 MiB: a thorough verification prints some hundred kB.
const MOST: u64 = 1 << 28;
/// Bytes of a file that this program made in which it says so.
const HEAD: u64 = 128;

/// What the paths have.
#[derive(Default)]
struct Found {
    /// To be overlaid.
    runs: Vec<Run>,
    others: Vec<Box<dyn Subject>>,
    /// [`PRINTED`] files in the folders of those.
    printed: Vec<Box<dyn Subject>>,
    /// Such files that were left out.
    notices: Vec<String>,
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
        let Found { runs, others: mut subjects, printed, notices: mut first_notices } = found;
        if !runs.is_empty() {
            subjects.insert(0, Box::new(Runs::new(runs)));
        }
        let named = if subjects.is_empty() { printed.len() } else { subjects.len() };
        subjects.extend(printed);
        let titles: Vec<_> = subjects[..named].iter().map(|subject| subject.title()).collect();
        let mut charts = Charts::default();
        let (mut notices, mut cards, mut sections) = (first_notices.clone(), Vec::new(), Vec::new());
        for (place, subject) in subjects.iter().enumerate() {
            cards.extend(subject.cards());
            let mut new_sections = subject.sections(&mut charts)?;
            let new_notices = subject.notices();
            notices.extend(new_notices.iter().cloned());
            match new_sections.first_mut() {
                Some(first) if place > 0 => first.body = html! { (page::warnings(&new_notices)) (first.body) },
                // The page's first subject has its notices at the top.
                _ => first_notices.extend(new_notices),
            }
            sections.extend(new_sections);
        }
        let page = page::page(&titles.join(", "), &first_notices, &cards, &sections);
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
         --json`, `cyclone verify --json` or `cyclone evaluate --json` printed",
        shown(path)
    ))
}

impl Found {
    /// Finds out what a path has.
    fn read(&mut self, path: &Path) -> Result<()> {
        let metadata = fs::metadata(path).map_err(|error| unknown(path, &error.to_string()))?;
        if !metadata.is_dir() {
            self.others.push(printed(name(path), path)?);
            return Ok(());
        }
        let name = name(path);
        let files = PRINTED.map(|file| (format!("{name}/{file}"), path.join(file)));
        let count = |found: &Self| found.runs.len() + found.others.len() + found.printed.len();
        let before = count(self);
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
                Err(Error::Usage(what)) => self.notices.push(what),
                found => self.printed.push(found?),
            }
        }
        if count(self) > before {
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
        return Err(failed(&format!("more than {}", bytes(MOST))));
    }
    let value: Value = serde_json::from_str(&text).map_err(|error| failed(&format!("no JSON: {error}")))?;
    if value.get("devices").is_some() {
        return Ok(Box::new(profile::Profile { name, document: document(path, value, "profile")? }));
    }
    if value.get("members").is_some() {
        let document = document(path, value, "evaluate")?;
        return Ok(Box::new(evaluation::Evaluation::new(name, path, document)?));
    }
    if ["checks", "mutants", "comparison"].iter().any(|key| value.get(key).is_some()) {
        return Ok(Box::new(verification::Verification { name, document: document(path, value, "verify")? }));
    }
    Err(failed(&"other JSON than these commands print"))
}

fn document<T: DeserializeOwned>(path: &Path, value: Value, command: &str) -> Result<T> {
    let expected = format!("expected what cyclone {command} --json prints. Print it again");
    serde_json::from_value(value).map_err(|error| Error::checkpoint(path, format!("{error}; {expected}")))
}

/// What people call a folder or a file.
fn name(path: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    whole.file_name().map_or_else(|| shown(path), |name| escaped(name.display()))
}
