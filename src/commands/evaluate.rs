//! `cyclone evaluate`.

use std::path::PathBuf;

use super::open::device_and_images;
use crate::commands::flags::EvaluateArgs;
use crate::config::{Config, Settings};
use crate::data::Dataset;
use crate::data::split::Split;
use crate::device::Place;
use crate::error::{Error, Result, shown};
use crate::export::evaluate::{Images, evaluate};
use crate::records::evaluation::Part;
use crate::records::run::CONFIG;
use crate::records::trained::Networks;
use crate::terminal::evaluation::text;
use crate::terminal::{self, Display};

/// Scores the networks of runs, and all of them as an ensemble.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    let open = |run: &PathBuf| {
        let networks = if args.snapshots { Networks::snapshots(run) } else { Networks::open(run, args.weights) }?;
        Ok((run.clone(), networks))
    };
    let runs = args.runs.iter().map(open).collect::<Result<Vec<_>>>()?;
    let config = |run: &PathBuf| Ok(Config::default().with(Settings::read(&run.join(CONFIG))?));
    let configs = args.runs.iter().map(config).collect::<Result<Vec<_>>>()?;
    let display = Display::new(false);
    let source = args.data.as_ref().unwrap_or(&configs[0].data);
    let (device, dataset) = device_and_images(&args.device, Place::ALONE, source, &display)?;
    let rows = rows(args, &configs, &dataset)?;
    let images = Images { dataset, part: args.part, rows, mirror: args.mirror };
    let evaluated = evaluate(&runs, &images, &device)?;
    for (run, networks) in &runs {
        let own = &networks.summary.about.data;
        if args.data.is_none() && own.sha256 != evaluated.sha256 {
            let run = shown(run);
            display.note(&format!("{run} was trained on other images than these, {}; see --data", own.name));
        }
    }
    if args.json { terminal::json(&evaluated) } else { terminal::print(&text(&evaluated, terminal::width())) }
}

/// The rows of the part that is asked for, by the split of the runs.
fn rows(args: &EvaluateArgs, configs: &[Config], dataset: &Dataset) -> Result<Vec<u32>> {
    let (part, name) = (args.part, &dataset.name);
    let usage = |what: String| Error::Usage(format!("--part {part}: {what}"));
    let split = || {
        let split = |config: &Config| {
            let spec = config.data_spec();
            (spec.train_batches, spec.validation)
        };
        if let Some(place) = configs.iter().position(|config| split(config) != split(&configs[0])) {
            let [one, other] = [&args.runs[0], &args.runs[place]].map(|run| shown(run));
            return Err(usage(format!("{one} and {other} split their images in different ways: evaluate them apart")));
        }
        Split::new(dataset, &configs[0].data_spec())
            .map_err(|error| usage(format!("{name} cannot be split as the run's images were: {error}")))
    };
    let rows = match part {
        Part::Train => split()?.train,
        Part::Val => split()?.validation,
        Part::Test => (dataset.train as u32..dataset.labels.len() as u32).collect(),
    };
    if rows.is_empty() { Err(usage(format!("{name} has no such images"))) } else { Ok(rows) }
}
