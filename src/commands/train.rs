//! `cyclone train`.

use std::env;
use std::sync::Arc;

use jiff::Zoned;

use crate::cli::TrainArgs;
use crate::config::Config;
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::device::Device;
use crate::display::{Display, Header};
use crate::error::Result;
use crate::run_dir::{About, DataRecord, RunDir};
use crate::spec::ModelSpec;
use crate::train::{Evaluation, Observer, Training};

/// Trains one network, or several at once, as the flags say.
pub fn run(args: &TrainArgs) -> Result<()> {
    let config = args.config()?;
    let mut display = Display::new(args.quiet);
    let device = Device::open(&config.device)?;
    device.notice.iter().for_each(|notice| display.note(notice));
    let dataset = Arc::new(Dataset::open(&config.data.source)?);
    dataset.notice.iter().for_each(|notice| display.note(notice));
    let split = Split::new(&dataset, &config.data)?;
    let standardisation = Arc::new(Standardisation::of(&dataset, &split.train)?);
    match standardisation.constant() {
        0 => {}
        constant => display.note(&format!("{constant} of {} input dimensions never change: left out", dataset.inputs)),
    }
    let shape = ModelSpec::new(dataset.inputs, config.hidden, dataset.classes.len())?;
    let training = training(&config, split)?;
    training.plan().warning().iter().for_each(|warning| display.warn(warning));
    let mut engine = device.engine(training.job(shape), dataset.clone(), standardisation.clone())?;

    let mut records = RunDir::create(args.out.as_deref(), args.name(), &config)?;
    let (started, engine_name) = (Zoned::now(), engine.describe());
    let header = Header {
        device: &engine_name,
        data: &dataset.name,
        config: &config,
        training: &training,
        shape,
        records: records.path(),
    };
    display.show(&header.to_string())?;
    display.start(training.plan().steps());
    let outcome = training.run(engine.as_mut(), &mut Both(&mut display, &mut records))?;

    records.save_weights(&outcome.params, &standardisation)?;
    let split = training.split();
    let about = About {
        command: env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        started: started.to_string(),
        device: device.record(),
        engine: engine_name,
        data: DataRecord {
            name: dataset.name.clone(),
            sha256: dataset.digest()?,
            train: split.train.len(),
            validation: split.validation.len(),
            test: split.test.len(),
        },
        seeds: training.models().iter().map(|model| model.seed).collect(),
        parameters: shape.parameters(),
    };
    records.summarise(&outcome, &about)?;
    display.finish(&outcome, records.path())?;
    if config.overfit_one_batch { display.overfit(&outcome) } else { Ok(()) }
}

fn training(config: &Config, split: Split) -> Result<Training> {
    let training = Training::new(config.models(), split, config.steps)?;
    if config.overfit_one_batch { training.on_one_batch() } else { Ok(training) }
}

/// The terminal and the records, told of everything in this order.
struct Both<'a>(&'a mut Display, &'a mut RunDir);

impl Observer for Both<'_> {
    fn stepped(&mut self, step: u64) -> Result<()> {
        self.0.stepped(step)?;
        self.1.stepped(step)
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        self.0.evaluated(evaluation)?;
        self.1.evaluated(evaluation)
    }
}
