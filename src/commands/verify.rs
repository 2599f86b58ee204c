//! `cyclone verify`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::flags::VerifyArgs;
use crate::config::Config;
use crate::data::Dataset;
use crate::device;
use crate::error::{Error, Result, shown};
use crate::gpu::Gpu;
use crate::gpu::kernels::Shaders;
use crate::terminal::{self, checks, mutants, own_run};
use crate::verify::mutants::{MUTANTS, Mutant};
use crate::verify::own_run::OwnRun;
use crate::verify::{Check, Level, Referee, Report, emit, shaders};

/// Checks what the flags ask for. [`Error::CheckFailed`] if anything was wrong.
pub fn run(args: &VerifyArgs) -> Result<()> {
    // What can be refused without a GPU is refused before one is opened.
    let choice = args.adapter()?;
    let training = args.training()?;
    let checks = selected(args)?;
    let (shaders, replaced) = match &args.shaders {
        Some(folder) => shaders::read(folder)?,
        None => (Shaders::default(), vec![]),
    };
    if let Some(folder) = &args.emit {
        let kernels = emit::emit(folder, &shaders).map_err(|error| misfit(error, args))?.len();
        return terminal::print(&format!("{kernels} kernels in {}: WGSL, SPIR-V, HLSL, MSL\n", shown(folder)));
    }
    let gpu = Gpu::open(&choice)?;
    if gpu.is_software() {
        terminal::note(&format!("{} is a software adapter: what is found is true of this driver", gpu.info.name));
    }
    let referee = Referee { gpu, shaders };
    let replaced: Vec<_> = replaced.iter().map(|kernel| kernel.name()).collect();
    let done = match training {
        Some(config) => compare(args, &referee, &config),
        None if args.mutants => hunt(args, &referee),
        None => check(args, &referee, &checks, &replaced),
    };
    done.map_err(|error| misfit(error, args))
}

/// Shaders of the user's that do not fit their bindings are no mistake of this program.
fn misfit(error: Error, args: &VerifyArgs) -> Error {
    match (error, &args.shaders) {
        (Error::Internal(what), Some(folder)) => Error::Usage(format!("--shaders {}: {what}", shown(folder))),
        (error, _) => error,
    }
}

/// The checks of the level, those of `--case` alone if it is given.
fn selected(args: &VerifyArgs) -> Result<Vec<Check>> {
    let mut checks = crate::verify::checks(args.level());
    let Some(name) = &args.case else { return Ok(checks) };
    let exact = checks.iter().any(|check| check.name == *name);
    let matches = |check: &Check| if exact { check.name == *name } else { check.name.contains(name.as_str()) };
    if checks.iter().any(matches) {
        checks.retain(matches);
        return Ok(checks);
    }
    let hint = if args.level() == Level::Quick && crate::verify::checks(Level::Full).iter().any(matches) {
        "; with --full there is one".to_owned()
    } else {
        checks.sort_by(|a, b| strsim::jaro_winkler(&b.name, name).total_cmp(&strsim::jaro_winkler(&a.name, name)));
        let similar: Vec<_> = checks.iter().take(4).map(|check| format!("\n  {}", check.name)).collect();
        format!(". Similar names:{}", similar.concat())
    };
    Err(Error::Usage(format!("--case {name}: no check has that in its name{hint}")))
}

fn check(args: &VerifyArgs, referee: &Referee, checks: &[Check], replaced: &[&str]) -> Result<()> {
    let level = if args.full { "full" } else { "quick" };
    let mut rows = vec![("checks", format!("{} of {level}", checks.len()))];
    if let Some(folder) = &args.shaders {
        let folder = shown(folder);
        let row = match replaced {
            [] => format!("built in; those of {folder} are the same"),
            kernels => format!("built in, but from {folder}: {}", kernels.join(", ")),
        };
        rows.push(("shaders", row));
    }
    header(args, referee, &rows)?;
    let start = Instant::now();
    let progress = terminal::spinner(checks.len() as u64);
    let mut reports = Vec::new();
    let mut stopped = None;
    for check in checks {
        progress.set_position(reports.len() as u64);
        progress.set_message(check.name.clone());
        match check.run(referee, &args.out) {
            Ok(report) => reports.push(report),
            // A device that is lost, say. What was found before is shown all the same.
            Err(error) => {
                stopped = Some((&check.name, error));
                break;
            }
        }
    }
    drop(progress);
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        let count = |of: &dyn Fn(&Report) -> bool| reports.iter().filter(|report| of(report)).count();
        let mut document = document(referee, "checks", &reports)?;
        document["level"] = json!(args.level());
        document["shaders"] = json!(replaced);
        document["seconds"] = json!(seconds);
        document["stopped"] = json!(stopped.as_ref().map(|(name, error)| format!("{name}: {error}")));
        document["failed"] = json!(count(&Report::failed));
        document["skipped"] = json!(count(&|report| report.skipped.is_some()));
        terminal::json(&document)?;
    } else {
        let width = terminal::width();
        let repeat = |name: &str| args.repeat(name);
        terminal::print(&format!(
            "{}{}{}{}{}",
            checks::findings(&reports, width),
            checks::notes(&reports, width),
            checks::skipped(&reports, width),
            checks::failures(&reports, &repeat, width),
            checks::summary(&reports, seconds)
        ))?;
    }
    match stopped {
        None => verdict(&reports),
        Some((name, error)) => {
            terminal::note(&format!("stopped after {} of {} checks, in {name}", reports.len(), checks.len()));
            Err(error)
        }
    }
}

fn hunt(args: &VerifyArgs, referee: &Referee) -> Result<()> {
    header(args, referee, &[("mutants", MUTANTS.len().to_string())])?;
    let progress = terminal::spinner(MUTANTS.len() as u64);
    let mut hunted = Vec::new();
    for mutant in &*MUTANTS {
        progress.set_position(hunted.len() as u64);
        progress.set_message(mutant.name);
        hunted.push((mutant, mutant.hunt(&referee.gpu)?));
    }
    drop(progress);
    if args.json {
        let mutant = |(mutant, caught): &(&Mutant, _)| json!({ "mutant": mutant.name, "kernel": mutant.kernel.name(), "race": mutant.races(), "caught": caught });
        terminal::json(&document(referee, "mutants", &hunted.iter().map(mutant).collect::<Vec<_>>())?)?;
    } else {
        terminal::print(&mutants::hunted(&hunted, terminal::width()))?;
    }
    // A missing barrier may be harmless on one adapter; that it is caught elsewhere is for the tests to show.
    let survived = |(mutant, caught): &&(&Mutant, Option<_>)| caught.is_none() && !mutant.races();
    let survivors: Vec<_> = hunted.iter().filter(survived).map(|(mutant, _)| mutant.name).collect();
    if survivors.is_empty() {
        return Ok(());
    }
    Err(Error::CheckFailed(format!(
        "{} of {} mutants survived: {}. The checks are too weak",
        survivors.len(),
        hunted.len(),
        survivors.join("; ")
    )))
}

fn compare(args: &VerifyArgs, referee: &Referee, config: &Config) -> Result<()> {
    let dataset = Arc::new(Dataset::open(&config.data)?);
    dataset.notice.iter().for_each(|notice| terminal::note(notice));
    let own = OwnRun::new(config, dataset.clone(), args.steps, args.run.as_deref())?;
    let (shape, steps) = (own.shape(), own.steps);
    let name = args.run.as_ref().map_or_else(
        || args.preset.map_or(String::new(), |preset| format!("preset {}", preset.name())),
        |run| run.display().to_string(),
    );
    let network = format!("{shape}, batch size {}", config.batch_size);
    let rows = [("run", name), ("data", dataset.name.clone()), ("network", network), ("steps", steps.to_string())];
    header(args, referee, &rows)?;
    let progress = terminal::spinner(steps);
    progress.set_message("steps on GPU and CPU");
    let comparison = own.compare(referee, &mut |done| progress.set_position(done))?;
    drop(progress);
    if args.json {
        terminal::json(&document(referee, "comparison", &comparison)?)?;
    } else {
        terminal::print(&own_run::comparison(&comparison, referee.gpu.is_software(), terminal::width()))?;
    }
    verdict(std::slice::from_ref(&comparison.report))
}

/// What is checked on what; not where JSON is expected.
fn header(args: &VerifyArgs, referee: &Referee, rows: &[(&str, String)]) -> Result<()> {
    if args.json {
        return Ok(());
    }
    let mut text =
        format!("cyclone {} verify\n\n{:<12}{}\n", env!("CARGO_PKG_VERSION"), "device", referee.gpu.describe());
    let _ = writeln!(text, "{:<12}the reference in f64; long trainings: the CPU engine in f64", "against");
    for (label, value) in rows {
        let _ = writeln!(text, "{label:<12}{value}");
    }
    text.push('\n');
    terminal::print(&text)
}

/// A document that says what was checked where. Numbers that are not finite are `null`.
fn document(referee: &Referee, what: &str, value: &impl Serialize) -> Result<Value> {
    let value = serde_json::to_value(value).map_err(|error| Error::Internal(format!("--json: {error}")))?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "device": device::Record::gpu(&referee.gpu.info),
        what: value,
    }))
}

fn verdict(reports: &[Report]) -> Result<()> {
    let failed: Vec<_> = reports.iter().filter(|report| report.failed()).map(|report| report.name.as_str()).collect();
    match failed.as_slice() {
        [] => Ok(()),
        [name] => Err(Error::CheckFailed(format!("{name} failed"))),
        [first, .., last] => Err(Error::CheckFailed(format!("{} checks failed, from {first} to {last}", failed.len()))),
    }
}
