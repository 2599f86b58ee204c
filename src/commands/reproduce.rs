//! `cyclone reproduce`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jiff::Zoned;

use crate::commands::flags::ReproduceArgs;
use crate::data::split::Split;
use crate::data::stand_in;
use crate::device::Place;
use crate::error::{Error, Result, shown};
use crate::ranks::Ranks;
use crate::records::answers::{self, Answers};
use crate::records::files::{json_lines, write, write_json};
use crate::records::folder;
use crate::records::summary::{self, Origin};
use crate::records::weights;
use crate::search;
use crate::search::experiments::comparison::{self, Counts, Number, Terms};
use crate::search::experiments::experiment::{ALL, Published, check_scale, parts, shorten};
use crate::search::folder::{Folder, Plan};
use crate::search::shard::Shard;
use crate::search::summary::{PartTime, ReproductionSummary};
use crate::search::trainer::Trainer;
use crate::search::wave::{Event, Wave};
use crate::terminal::reproduction::table;
use crate::terminal::search::show;
use crate::terminal::{self, Display};
use crate::util::files::failed;
use crate::util::signals::Signals;
use crate::verify::gradients;

use super::open::device_and_images;

/// Repeats the experiments.
pub fn run(args: &ReproduceArgs) -> Result<()> {
    check_scale(args.scale)?;
    let begun = Instant::now();
    let started = Zoned::now();
    let mut display = Display::new(args.quiet);
    let (device, dataset) = device_and_images(&args.device, Place::ALONE, &args.data, &display)?;
    let device = Arc::new(device);
    let terms = Terms { scale: args.scale, real: dataset.name != stand_in::NAME };
    let path = match &args.out {
        Some(path) => {
            fs::create_dir_all(path).map_err(failed(path))?;
            path.clone()
        }
        None => folder::fresh("reproduce")?,
    };
    let warning = terms.warning().map_or_else(String::new, |warning| format!("{warning}\n"));
    let mut whole = String::new();
    say(
        &display,
        &mut whole,
        &format!(
            "cyclone {}\n\ndata        {}\nrecords     {}\n{warning}",
            env!("CARGO_PKG_VERSION"),
            dataset.name,
            shown(&path)
        ),
    )?;
    let (mut numbers, mut seconds) = (Vec::new(), Vec::new());
    if ["gradient", ALL].contains(&args.experiment.as_str()) {
        let found = comparison::gradient(gradients::decimals_that_agree());
        let table = table("gradient", "entries that agree with differences, at least as many", &found);
        say(&display, &mut whole, &format!("\n{table}"))?;
        numbers.extend(found);
    }
    let signals = Signals::watch()?;
    for part in parts(&args.experiment, args.scale)? {
        let split = shorten(Split::new(&dataset, &part.search.config.data_spec())?, args.scale);
        let plan = Plan::new(&part.search, &dataset, &split)?;
        let validation = split.validation.len();
        let mut trainer = Trainer::new(device.clone(), dataset.clone(), split, &part.search.config)?;
        trainer.signals = signals.clone();
        let own = path.join(part.name);
        let mut folder = Folder::open(&own, &plan)?;
        let searched = search::run(&part.search, &trainer, &Ranks::alone(), &mut folder, Shard::WHOLE, &mut |event| {
            if let (Event::Ended(wave), Published::One(_)) = (event, part.published) {
                save_network(&own, &trainer, wave)?;
            }
            show(&mut display, &part.search, event);
            Ok(())
        });
        let took = searched.inspect_err(|error| {
            if let Error::Interrupted { .. } = error {
                let path = terminal::quoted(&path);
                terminal::note(&format!("the finished trials are kept; the same command with --out {path} resumes"));
            }
        })?;
        folder.sort()?;
        let found = comparison::numbers(&part, folder.records(), validation, terms);
        let time = if took.is_zero() { "earlier records".into() } else { format!("{:.1} s", took.as_secs_f64()) };
        let title = format!("{} ({time})", part.title);
        let table = table(part.name, &title, &found);
        say(&display, &mut whole, &format!("\n{warning}{table}"))?;
        numbers.extend(found);
        seconds.push(PartTime { part: part.name.to_owned(), training: took.as_secs_f64() });
    }
    let counts = Counts::of(&numbers);
    say(&display, &mut whole, &conclusion(counts, begun.elapsed().as_secs_f64()))?;

    let summary = ReproductionSummary {
        origin: Origin::here(started.to_string()),
        device: device.record(),
        data: dataset.name.clone(),
        sha256: dataset.digest(),
        scale: args.scale,
        warning: terms.warning(),
        counts,
        parts: seconds,
        seconds: begun.elapsed().as_secs_f64(),
    };
    record(&path, &numbers, &whole, &summary)?;
    display.show(&format!("records in {}\n", shown(&path)))?;
    if counts.inside < counts.of {
        return Err(Error::CheckFailed(format!(
            "{} of {} numbers are outside their bands: see OUT above, and {}",
            counts.of - counts.inside,
            counts.of,
            shown(&path.join("comparison.txt"))
        )));
    }
    Ok(())
}

/// Saves the network of a part that trains only one, and its answers on the test images.
fn save_network(path: &Path, trainer: &Trainer, wave: &Wave) -> Result<()> {
    let ([record], [params]) = (&wave.records[..], &wave.params[..]) else { return Ok(()) };
    if record.diverged.is_some() {
        return Ok(());
    }
    write(path, &weights::file_name(0, 1), &weights::network(params)?)?;
    write(path, weights::STANDARDISATION, &weights::standardisation(&trainer.standardisation)?)?;
    let Trainer { device, dataset, standardisation, split, .. } = trainer;
    let mut engine = device.trained(&wave.params, dataset.clone(), standardisation.clone())?;
    match Answers::of(&engine.logits(&split.test)?, dataset, &split.test)? {
        Some(answers) => write(path, answers::FILE, &answers.to_json()?),
        None => Ok(()),
    }
}

/// Shows `text`, and adds it to `comparison.txt`.
fn say(display: &Display, whole: &mut String, text: &str) -> Result<()> {
    whole.push_str(text);
    display.show(text)
}

fn conclusion(counts: Counts, seconds: f64) -> String {
    let Counts { inside, of, fresh_inside, fresh_of } = counts;
    let mut text = String::from("\n");
    if of > 0 {
        let _ = writeln!(text, "{inside} of {of} numbers are inside their bands.");
    }
    if fresh_of > 0 {
        let _ = writeln!(
            text,
            "Fresh tables: {fresh_inside} of {fresh_of}. The report trained one network through all the lambdas; these show \
             what each lambda does alone."
        );
    }
    let _ = writeln!(text, "{seconds:.0} s in all");
    text
}

fn record(path: &Path, numbers: &[Number], text: &str, summary: &ReproductionSummary) -> Result<()> {
    write(path, "comparison.jsonl", &json_lines(numbers)?)?;
    write(path, "comparison.txt", text.as_bytes())?;
    write_json(path, summary::FILE, summary)
}
