//! `cyclone report`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::commands::flags::ReportArgs;
use crate::error::{Error, Result, shown};
use crate::records::files::write;
use crate::report::{Report, is_reports};
use crate::terminal::Display;
use crate::util::files::failed;
use crate::util::text::bytes;

const PAGE: &str = "report.html";
const CHARTS: &str = "charts";

/// Writes the page and the charts.
pub fn run(args: &ReportArgs) -> Result<()> {
    let display = Display::new(args.quiet);
    let report = Report::of(&args.runs)?;
    let folder = args.out.clone().unwrap_or_else(|| beside(&args.runs[0]));
    let charts = folder.join(CHARTS);
    let mut files = vec![(folder.clone(), PAGE.to_owned(), report.page.clone().into_bytes())];
    for chart in &report.charts {
        files.push((charts.clone(), format!("{}.svg", chart.name), chart.svg().into_bytes()));
        files.push((charts.clone(), format!("{}.png", chart.name), chart.png()?));
    }
    claim(&files)?;
    // The page last: if it exists, so do its charts.
    if !report.charts.is_empty() {
        fs::create_dir_all(&charts).map_err(failed(&charts))?;
    }
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    for (folder, name, bytes) in files.iter().rev() {
        write(folder, name, bytes)?;
    }
    report.notices.iter().for_each(|notice| display.note(notice));
    let size = bytes(report.page.len() as u128);
    display.show(&format!("{} ({size})\n", shown(&folder.join(PAGE))))?;
    let charts = shown(&charts);
    match report.charts.len() {
        0 => Ok(()),
        1 => display.show(&format!("{charts}: 1 chart, as SVG and PNG\n")),
        count => display.show(&format!("{charts}: {count} charts, each as SVG and PNG\n")),
    }
}

/// The default folder: that of the first record.
fn beside(run: &Path) -> PathBuf {
    if run.is_dir() { run.to_owned() } else { run.parent().unwrap_or(Path::new("")).to_owned() }
}

/// Fails if this would overwrite anything but an earlier report's files.
fn claim(files: &[(PathBuf, String, Vec<u8>)]) -> Result<()> {
    let paths = files.iter().map(|(folder, name, _)| folder.join(name));
    match paths.filter(|path| fs::symlink_metadata(path).is_ok()).find(|path| !is_reports(path)) {
        None => Ok(()),
        Some(path) => Err(Error::Usage(format!(
            "{}: already exists and is not of an earlier report; remove it, or choose another folder with --out",
            shown(&path)
        ))),
    }
}
