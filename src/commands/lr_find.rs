//! `cyclone lr-find`.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::commands::flags::LrFindArgs;
use crate::config::schedule::Policy;
use crate::data::Standardisation;
use crate::data::batches::Batches;
use crate::data::split::Split;
use crate::device::Place;
use crate::engine::Job;
use crate::error::Result;
use crate::model::ModelSpec;
use crate::report::lr_find as chart;
use crate::terminal::{self, Display};
use crate::train::lr_find::{self, Found, Sweep};
use crate::util::text::{grouped, percent};

use super::new_file::{check_new, ending, write_new};
use super::open::device_and_images;

/// Images for an accuracy: 2,000 give 50 % to within 1.1 %, and take little time compared with the steps.
const SCORED: usize = 2_000;
/// Largest number of lines in the table.
const LINES: usize = 20;

/// Runs the range test.
pub fn run(args: &LrFindArgs) -> Result<()> {
    let config = args.config()?;
    let chart_ending = args.chart.as_ref().map(|path| ending(path, "--chart", &["svg", "png"])).transpose()?;
    args.chart.iter().try_for_each(|path| check_new(path, "--chart"))?;
    // The rates are checked before the images are read; the default number of steps depends on the images.
    Sweep { from: args.from, to: args.to, steps: config.steps.unwrap_or(u64::MAX) }.check()?;
    let mut display = Display::new(args.json);
    let (mut device, dataset) = device_and_images(&config.device, Place::ALONE, &config.data, &display)?;
    device.feed = config.feed;
    device.check = config.check;
    let mut split = Split::new(&dataset, &config.data_spec())?;
    // Without validation images, the training images will do: the test sees each of them only once or twice.
    let mut scored =
        if split.validation.is_empty() { split.train.clone() } else { std::mem::take(&mut split.validation) };
    scored.truncate(SCORED);
    let standardisation = Arc::new(Standardisation::of(&dataset, &split.train, config.standardise)?);
    let spec = config.train_spec();
    spec.augment.check(&dataset)?;
    let batch_size = spec.batch_size.min(split.train.len());
    let epoch = split.train.len().div_ceil(batch_size) as u64;
    let sweep = Sweep { from: args.from, to: args.to, steps: config.steps.unwrap_or(2 * epoch) };
    sweep.check()?;
    let shape = ModelSpec::new(dataset.inputs, config.hidden.clone(), dataset.classes.len())?;
    let decay = vec![spec.penalty.gradient(spec.lambda) as f32];
    let job = Job { decay, batch_size, optimizer: spec.optimizer, regularise: spec.regularise, ..Job::new(shape) };
    let mut engine = device.trainer(job, &split, dataset.clone(), standardisation)?;

    let steps = grouped(sweep.steps);
    display.show(&format!(
        "{steps} steps of {batch_size} images on {}, rates {:e} to {:e}; no run is created or changed\n\n",
        engine.describe(),
        sweep.from,
        sweep.to
    ))?;
    display.start(sweep.steps);
    let batches = Batches::new(split.train.clone(), batch_size, vec![spec.seed])
        .augmented(spec.augment)
        .mixed(spec.regularise.mixup);
    let found = lr_find::run(engine.as_mut(), &sweep, (spec.seed, spec.init), batches, &scored, &mut |step| {
        display.at(step);
    })?;
    drop(display);

    if args.json {
        terminal::json(&found)?;
    } else {
        terminal::print(&text(&found, config.schedule))?;
    }
    // Last, so that the result is shown even if the chart cannot be written.
    if let Some(path) = &args.chart {
        let chart = chart::chart(&found, config.schedule);
        let bytes = if chart_ending == Some("png") { chart.png()? } else { chart.svg().into_bytes() };
        write_new(path, "--chart", &bytes)?;
    }
    Ok(())
}

fn text(found: &Found, schedule: Policy) -> String {
    let mut text = format!("{:>8}  {:>10}  {:>8}  {:>8}  {:>8}\n", "step", "rate", "loss", "smoothed", "accuracy");
    let scored: Vec<_> = found.points.iter().filter(|point| point.accuracy.is_some()).collect();
    for point in scored.iter().step_by(scored.len().div_ceil(LINES).max(1)) {
        let _ = writeln!(
            text,
            "{:>8}  {:>10.3e}  {:>8.4}  {:>8.4}  {:>8}",
            point.step,
            point.rate,
            point.loss,
            point.smoothed,
            percent(point.accuracy.unwrap_or_default())
        );
    }
    if let (true, Some(last)) = (found.diverged, found.points.last()) {
        let _ = writeln!(text, "stopped after step {}, at rate {:.3e}: the loss diverges", last.step, last.rate);
    }
    let _ = writeln!(text, "\n{}", found.advice(schedule));
    text
}
