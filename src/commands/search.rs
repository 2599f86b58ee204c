//! `cyclone search` and `cyclone search merge`.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Zoned;

use crate::commands::flags::{SearchAction, SearchArgs};
use crate::config::preset::Preset;
use crate::config::{Config, Settings};
use crate::data::split::Split;
use crate::error::{Error, Result, shown};
use crate::ranks::Ranks;
use crate::records::files::write_json;
use crate::records::summary::{self, Origin};
use crate::search::folder::{self, Folder, Plan};
use crate::search::halving::{Halving, Rung};
use crate::search::shard::Shard;
use crate::search::space::Sample;
use crate::search::summary::SearchSummary;
use crate::search::trainer::Trainer;
use crate::search::trial::{Record, rank};
use crate::search::{self, Search, deal};
use crate::terminal::search::{ranking, show};
use crate::terminal::{self, Display};
use crate::util::signals::Signals;

use super::open::{device_and_images, on_ranks};

/// Searches, or merges shards.
pub fn run(args: &SearchArgs) -> Result<()> {
    match &args.action {
        Some(SearchAction::Merge { folder, quiet }) => merge(folder, &Display::new(*quiet)),
        None => on_ranks(|ranks| train(args, ranks)),
    }
}

/// What a rank searches, and how.
struct Prepared {
    search: Search,
    shard: Shard,
    plan: Plan,
    trainer: Trainer,
}

fn train(args: &SearchArgs, ranks: &Ranks) -> Result<()> {
    let mut display = Display::new(args.quiet || !ranks.is_first());
    let shard = ranks.agree(shard(args, ranks, &display), ToString::to_string)?;
    let begun = match &args.resume {
        Some(path) => ranks.tell(ranks.first(|| Plan::read(&place(path, shard)))?)?,
        None => None,
    };
    let prepared = prepare(args, begun, shard, ranks, &display);
    let prepared = ranks.agree(prepared, |prepared| {
        let Plan { data, settings, .. } = &prepared.plan;
        format!("{} {settings:?} {}", data.sha256, prepared.shard)
    })?;
    let Prepared { search, shard, plan, trainer } = &prepared;
    let opened = ranks.first(|| {
        let path = match args.resume.as_ref().or(args.out.as_ref()) {
            Some(path) => place(path, *shard),
            None => crate::records::folder::fresh("search")?,
        };
        Folder::open(&path, plan)
    })?;
    let Some(mut folder) = opened else { return deal::serve(ranks, trainer) };

    display.show(&header(&prepared, ranks, &folder))?;
    let started = Zoned::now();
    let searched = search::run(search, trainer, ranks, &mut folder, *shard, &mut |event| {
        show(&mut display, search, event);
        Ok(())
    });
    let seconds = match searched {
        Ok(seconds) => seconds,
        Err(error) => {
            drop(display);
            advise(&error, &folder, *shard);
            return Err(error);
        }
    };
    folder.sort()?;
    let summary = SearchSummary {
        device: Some(trainer.device.record()),
        ranks: ranks.count(),
        seconds: seconds.as_secs_f64(),
        ..summary(&folder, plan, *shard, &started)
    };
    write_json(folder.path(), summary::FILE, &summary)?;
    if *shard == Shard::WHOLE {
        display.show(&format!("\n{}", ranking(search, folder.records())))?;
    }
    let path = shown(folder.path());
    display.show(&format!("\n{:.1} s of training; records in {path}\n", seconds.as_secs_f64()))
}

/// The search of the flags, or the one that was `begun`, with this rank's device and images.
fn prepare(args: &SearchArgs, begun: Option<Plan>, shard: Shard, ranks: &Ranks, display: &Display) -> Result<Prepared> {
    let search = begun.map_or_else(|| args.search(), |plan| resumed(args, &plan))?;
    let usage = |what: &str| Err(Error::Usage(format!("--shard {shard} {what}")));
    match search {
        _ if shard == Shard::WHOLE => {}
        Search { refine: 1.., .. } => {
            return usage(
                "--refine: the second stage needs all results of the first: search the shards without --refine, merge \
                 them, then search the ranges around the best",
            );
        }
        Search { halving: Some(_), .. } => {
            return usage("--halving: which trials go on follows from the results of all: search on one machine");
        }
        Search { warm_start: true, .. } => {
            return usage("--warm-start: one network goes through all values, and cannot be divided");
        }
        _ if args.out.is_none() && args.resume.is_none() => {
            return usage("without --out: give all shards the same --out, where `search merge` looks");
        }
        _ => {}
    }
    if search.warm_start && ranks.count() > 1 {
        display.note("one network goes through all values: rank 0 trains alone");
    }
    if search.halving.is_some() && ranks.count() > 1 {
        display.note("what trials continue from is kept in the folder, with --halving: rank 0 trains alone");
    }
    let Config { device, data, .. } = &search.config;
    let (mut device, dataset) = device_and_images(device, ranks.place(), data, display)?;
    device.feed = search.config.feed;
    device.check = search.config.check;
    let mut split = Split::new(&dataset, &search.config.data_spec())?;
    if !search.with_test {
        split.test.clear();
    }
    let plan = Plan::new(&search, &dataset, &split)?;
    let mut trainer = Trainer::new(Arc::new(device), dataset, split, &search.config)?;
    trainer.signals = Signals::watch()?;
    trainer.check(&search)?;
    Ok(Prepared { search, shard, plan, trainer })
}

/// The folder of a search, or of its shard.
fn place(path: &Path, shard: Shard) -> PathBuf {
    if shard == Shard::WHOLE { path.to_owned() } else { path.join(shard.folder()) }
}

/// The search that was begun, with `--device`, `--feed` and `--check` from the flags, which can change nothing else.
fn resumed(args: &SearchArgs, plan: &Plan) -> Result<Search> {
    let Settings { device, feed, check, .. } = args.settings.clone();
    if args.settings != (Settings { device: device.clone(), feed, check, ..Settings::default() }) {
        return Err(Error::Usage(
            "--resume: the folder's search.toml has all settings; only --device, --feed, --check, --shard and --quiet \
             can be given with it"
                .into(),
        ));
    }
    let mut search = plan.search(SearchArgs::defaults(Preset::Table1));
    search.config.device = device.unwrap_or_default();
    search.config.feed = feed.unwrap_or_default();
    search.config.check = check.unwrap_or_default();
    search.check()?;
    Ok(search)
}

/// Says how to resume the search after `error`.
fn advise(error: &Error, folder: &Folder, shard: Shard) {
    // A bug would stop it again, as would a device that computes wrong; without its folder there is nothing to resume.
    if matches!(error, Error::Internal(_) | Error::Wrong { .. }) || !folder.path().is_dir() {
        return;
    }
    let (path, part) = match folder.path().parent() {
        Some(parent) if shard != Shard::WHOLE => (parent, format!(" --shard {shard}")),
        _ => (folder.path(), String::new()),
    };
    let path = terminal::quoted(path);
    terminal::note(&format!("the finished trials are kept; resume with: cyclone search --resume {path}{part}"));
}

fn shard(args: &SearchArgs, ranks: &Ranks, display: &Display) -> Result<Shard> {
    if let Some(shard) = args.shard {
        return Ok(shard);
    }
    // Between ranks that have joined, Open MPI's numbers do not mean shards.
    let variable = |name: &str| env::var(name).ok().filter(|_| !(ranks.is_joined() && name.starts_with("OMPI_")));
    let found = Shard::from_environment(variable)?;
    Ok(found.map_or(Shard::WHOLE, |(shard, variables)| {
        display.note(&format!("shard {shard}, from {variables}; --shard 0/1 for everything"));
        shard
    }))
}

fn header(prepared: &Prepared, ranks: &Ranks, folder: &Folder) -> String {
    let Prepared { search, shard, trainer, .. } = prepared;
    let space = &search.space;
    let ranges: Vec<_> = space.axes.iter().map(ToString::to_string).collect();
    let ranges = match space.sample {
        Sample::List if ranges.concat().len() > 60 => format!("{} listed values", space.trials),
        _ => ranges.join(" "),
    };
    let start = if search.warm_start { "one network through the sorted values" } else { "a fresh network a trial" };
    let of = if *shard == Shard::WHOLE { String::new() } else { format!(", of which shard {shard}") };
    let done = folder.records().len();
    let done = if done == 0 { String::new() } else { format!(", {done} done before") };
    let rungs =
        search.halving.map_or(String::new(), |halving| format!("rungs       {}\n", parts(halving, space.trials)));
    let stages =
        if search.refine > 0 { format!(", as many again around the best {}", search.refine) } else { String::new() };
    let ranks = if ranks.count() == 1 { String::new() } else { format!("ranks       {}\n", ranks.count()) };
    format!(
        "cyclone {}\n\ndata        {}\nsearched    {ranges}\ntrials      {}{stages}{of}{done}\n{rungs}start       {start}\n\
         {ranks}records     {}\n\n",
        env!("CARGO_PKG_VERSION"),
        trainer.dataset.name,
        space.trials,
        shown(folder.path())
    )
}

/// `20 trials for 1/9 of their steps, 6 for 1/3, 2 to the end`.
fn parts(halving: Halving, trials: usize) -> String {
    let part = |rung: Rung| match (rung.count(trials), rung.index) {
        (count, _) if rung.is_last() => format!("{count} to the end"),
        (count, 0) => format!("{count} trials for 1/{} of their steps", rung.share()),
        (count, _) => format!("{count} for 1/{}", rung.share()),
    };
    halving.all().map(part).collect::<Vec<_>>().join(", ")
}

fn merge(path: &Path, display: &Display) -> Result<()> {
    let shards = folder::shards(path)?;
    let [first, rest @ ..] = &shards[..] else {
        return Err(Error::Usage(format!("{}: no shards: expected folders named shard-0-of-2 and so on", shown(path))));
    };
    let plan = Plan::read(first)?;
    for other in rest {
        if !Plan::read(other)?.is(&plan) {
            return Err(Error::checkpoint(
                other,
                format!("not the search of {}: merge the shards of one search", shown(first)),
            ));
        }
    }
    let search = plan.search(SearchArgs::defaults(Preset::Table1));
    let mut merged = Folder::open(path, &plan)?;
    for shard in &shards {
        let mut new = folder::records(shard)?;
        new.retain(|record| !merged.has(record.trial.trial));
        merged.append(&new)?;
    }
    let missing: Vec<_> = search.trials().iter().map(|trial| trial.trial).filter(|trial| !merged.has(*trial)).collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(usize::to_string).collect();
        return Err(Error::checkpoint(path, format!("no records of trials {}: resume their shards", names.join(", "))));
    }
    merged.sort()?;
    write_json(path, summary::FILE, &summary(&merged, &plan, Shard::WHOLE, &Zoned::now()))?;
    display.show(&ranking(&search, merged.records()))?;
    display.show(&format!("\n{} shards merged in {}\n", shards.len(), shown(path)))
}

/// What came of a search, as of one merged: without a device, in no time.
fn summary(folder: &Folder, plan: &Plan, shard: Shard, started: &Zoned) -> SearchSummary {
    let (ranked, diverged): (Vec<_>, Vec<_>) =
        rank(folder.records()).into_iter().partition(|record| record.result.is_some());
    let numbers = |records: &[&Record]| records.iter().map(|record| record.trial.trial).collect::<Vec<_>>();
    let halving = plan.search.halving.into_iter();
    SearchSummary {
        origin: Origin::here(started.to_string()),
        device: None,
        ranks: 1,
        shard: shard.to_string(),
        data: plan.data.clone(),
        trials: folder.records().len(),
        ranking: numbers(&ranked),
        rungs: halving.flat_map(Halving::all).map(|rung| numbers(&rung.ranking(folder.records()))).collect(),
        diverged: numbers(&diverged),
        best: ranked.first().copied().cloned(),
        seconds: 0.0,
    }
}
