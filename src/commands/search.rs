//! `cyclone search` and `cyclone search merge`.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use serde::Serialize;

use crate::cli::{SearchAction, SearchArgs};
use crate::config::Settings;
use crate::data::split::Split;
use crate::device;
use crate::display::Display;
use crate::error::{Error, Result};
use crate::preset::Preset;
use crate::run_dir;
use crate::search::folder::{self, Folder, Plan};
use crate::search::runner::Runner;
use crate::search::shard::Shard;
use crate::search::trial::{Record, rank};
use crate::search::{self, Search, table::table};

use super::open::device_and_images;

/// Searches, or merges shards, as the flags say.
pub fn run(args: &SearchArgs) -> Result<()> {
    match &args.action {
        Some(SearchAction::Merge { folder, quiet }) => merge(folder, &Display::new(*quiet)),
        None => train(args),
    }
}

fn train(args: &SearchArgs) -> Result<()> {
    let mut display = Display::new(args.quiet);
    let (search, out) = match &args.resume {
        None => (args.search()?, args.out.clone()),
        Some(path) => (resumed(args, path)?, Some(path.clone())),
    };
    let shard = shard(args, &display)?;
    if search.refine > 0 && shard != Shard::WHOLE {
        return Err(Error::Usage(format!(
            "--shard {shard} --refine {}: the second stage needs all results of the first: search the shards without \
             --refine, merge them, then search the ranges around the best",
            search.refine
        )));
    }
    if out.is_none() && shard != Shard::WHOLE {
        return Err(Error::Usage(format!(
            "--shard {shard}: give all shards the same --out, where `search merge` looks"
        )));
    }
    let (mut device, dataset) = device_and_images(&search.config.device, &search.config.data.source, &display)?;
    device.feed = search.config.feed;
    let mut split = Split::new(&dataset, &search.config.data)?;
    if !search.with_test {
        split.test.clear();
    }
    let plan = Plan::new(&search, &dataset, &split)?;
    let runner = Runner::new(Arc::new(device), dataset, split)?;

    let path = match out {
        Some(path) if shard == Shard::WHOLE => path,
        Some(path) => path.join(shard.folder()),
        None => run_dir::fresh("search")?,
    };
    let mut folder = Folder::open(&path, &plan)?;
    display.show(&header(&search, &runner, shard, &folder))?;
    let started = Zoned::now();
    let seconds = search::run(&search, &runner, &mut folder, shard, &mut display, &mut |_| Ok(()))?;
    folder.sort()?;
    let about = About { started: started.to_string(), device: Some(runner.device.record()), seconds };
    summarise(&folder, &plan, shard, about)?;
    if shard == Shard::WHOLE {
        display.show(&format!("\n{}", table(&search, folder.records())))?;
    }
    display.show(&format!("\n{:.1} s of training; records in {}\n", seconds.as_secs_f64(), path.display()))
}

/// The search in a folder, on the device and by the feed that the flags say; they can say nothing else.
fn resumed(args: &SearchArgs, path: &Path) -> Result<Search> {
    let (device, feed) = (args.settings.device.clone(), args.settings.feed);
    if args.settings != (Settings { device: device.clone(), feed, ..Settings::default() }) {
        return Err(Error::Usage(format!(
            "--resume {}: its search.toml says all settings, and only --device, --feed, --shard and --quiet go with it",
            path.display()
        )));
    }
    let mut search = Plan::read(path)?.search(SearchArgs::defaults(Preset::Table1))?;
    search.config.device = device.unwrap_or_default();
    search.config.feed = feed.unwrap_or_default();
    search.check()?;
    Ok(search)
}

fn shard(args: &SearchArgs, display: &Display) -> Result<Shard> {
    if let Some(shard) = args.shard {
        return Ok(shard);
    }
    let found = Shard::from_environment(|name| env::var(name).ok())?;
    Ok(found.map_or(Shard::WHOLE, |(shard, variables)| {
        display.note(&format!("shard {shard}, from {variables}; --shard 0/1 for everything"));
        shard
    }))
}

fn header(search: &Search, runner: &Runner, shard: Shard, folder: &Folder) -> String {
    let space = &search.space;
    let ranges: Vec<_> = space.axes.iter().map(ToString::to_string).collect();
    let ranges = if ranges.concat().len() > 60 { format!("{} listed values", space.trials) } else { ranges.join(" ") };
    let start = if search.warm_start { "one network through the sorted values" } else { "a fresh network a trial" };
    let of = if shard == Shard::WHOLE { String::new() } else { format!(", of which shard {shard}") };
    let done = folder.records().len();
    let done = if done == 0 { String::new() } else { format!(", {done} done before") };
    let stages =
        if search.refine > 0 { format!(", as many again around the best {}", search.refine) } else { String::new() };
    format!(
        "cyclone {}\n\ndata        {}\nsearched    {ranges}\ntrials      {}{stages}{of}{done}\nstart       {start}\n\
         records     {}\n\n",
        env!("CARGO_PKG_VERSION"),
        runner.dataset.name,
        space.trials,
        folder.path().display()
    )
}

/// Brings the shards in `path` together as one search.
fn merge(path: &Path, display: &Display) -> Result<()> {
    let shards = folder::shards(path)?;
    let [first, rest @ ..] = &shards[..] else {
        return Err(Error::data(path, "no shards: expected folders named shard-0-of-2 and so on"));
    };
    let plan = Plan::read(first)?;
    for other in rest {
        if !Plan::read(other)?.is(&plan) {
            return Err(Error::data(
                other,
                format!("another search than that of {}: merge shards of one", first.display()),
            ));
        }
    }
    let search = plan.search(SearchArgs::defaults(Preset::Table1))?;
    let mut merged = Folder::open(path, &plan)?;
    for shard in &shards {
        let new = folder::records(shard)?.into_iter().filter(|record| !merged.has(record.trial.trial)).collect();
        merged.append(new)?;
    }
    let missing: Vec<_> = search.trials().iter().map(|trial| trial.trial).filter(|trial| !merged.has(*trial)).collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(usize::to_string).collect();
        return Err(Error::data(path, format!("no records of trials {}: run their shards again", names.join(", "))));
    }
    merged.sort()?;
    let about = About { started: Zoned::now().to_string(), device: None, seconds: Duration::ZERO };
    summarise(&merged, &plan, Shard::WHOLE, about)?;
    display.show(&table(&search, merged.records()))?;
    display.show(&format!("\n{} shards merged in {}\n", shards.len(), path.display()))
}

/// What a summary says beside the records.
struct About {
    started: String,
    device: Option<device::Record>,
    seconds: Duration,
}

/// `summary.json`.
#[derive(Serialize)]
struct Summary<'a> {
    version: &'static str,
    platform: String,
    command: Vec<String>,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<device::Record>,
    shard: String,
    data: &'a run_dir::DataRecord,
    trials: usize,
    /// Trials' numbers, the best first.
    ranking: Vec<usize>,
    diverged: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<&'a Record>,
    /// Of this process's waves.
    seconds: f64,
}

fn summarise(folder: &Folder, plan: &Plan, shard: Shard, about: About) -> Result<()> {
    let (ranked, diverged): (Vec<_>, Vec<_>) =
        rank(folder.records()).into_iter().partition(|record| record.result.is_some());
    let numbers = |records: &[&Record]| records.iter().map(|record| record.trial.trial).collect::<Vec<_>>();
    let summary = Summary {
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{} {}", env::consts::OS, env::consts::ARCH),
        command: env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        started: about.started,
        device: about.device,
        shard: shard.to_string(),
        data: &plan.data,
        trials: folder.records().len(),
        ranking: numbers(&ranked),
        diverged: numbers(&diverged),
        best: ranked.first().copied(),
        seconds: about.seconds.as_secs_f64(),
    };
    let mut text =
        serde_json::to_vec_pretty(&summary).map_err(|error| Error::Internal(format!("summary.json: {error}")))?;
    text.push(b'\n');
    folder.write("summary.json", &text)
}
