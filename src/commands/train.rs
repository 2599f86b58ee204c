//! `cyclone train`.

use std::env;
use std::sync::Arc;

use jiff::Zoned;

use crate::cli::TrainArgs;
use crate::config::Config;
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::device::Device;
use crate::display::{Display, header};
use crate::error::Result;
use crate::run_dir::{About, DataRecord, RunDir};
use crate::spec::ModelSpec;
use crate::train::{Evaluation, Observer, Training};

/// Trains one network as the flags say.
pub fn run(args: &TrainArgs) -> Result<()> {
    let config = args.config()?;
    let mut display = Display::new(args.quiet);
    let device = Device::open(&config.device)?;
    device.notice.iter().for_each(|notice| display.note(notice));
    let dataset = Arc::new(Dataset::open(&config.data.source)?);
    dataset.notice.iter().for_each(|notice| display.note(notice));
    let split = Split::new(&dataset, &config.data)?;
    let standardisation = Arc::new(Standardisation::of(&dataset, &split.train)?);
    if standardisation.constant > 0 {
        display.note(&format!("{} of {} input dimensions never change and are left out", standardisation.constant, dataset.inputs));
    }
    let shape = ModelSpec::new(dataset.inputs, config.hidden, dataset.classes.len())?;
    let training = training(&config, split)?;
    training.plan().warning().iter().for_each(|warning| display.warn(warning));

    let mut engine = device.engine(training.job(shape), dataset.clone(), standardisation.clone())?;
    let mut records = RunDir::create(args.out.as_deref(), args.name(), &config)?;
    let about = about(&dataset, &training, shape, &device, engine.describe())?;
    display.show(&header(&config, &training, &about, records.path()))?;

    display.start(training.plan().steps());
    let outcome = training.run(engine.as_mut(), &mut Both(&mut display, &mut records))?;
    records.finish(&outcome, &standardisation, &about)?;
    display.finish(&outcome, records.path())?;
    if config.overfit_one_batch { display.overfit(&outcome) } else { Ok(()) }
}

fn training(config: &Config, split: Split) -> Result<Training> {
    let training = Training::new(vec![config.train.clone()], split, config.steps)?;
    if config.overfit_one_batch { training.on_one_batch() } else { Ok(training) }
}

fn about(dataset: &Dataset, training: &Training, shape: ModelSpec, device: &Device, engine: String) -> Result<About> {
    let split = training.split();
    Ok(About {
        command: env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        started: Zoned::now().to_string(),
        device: device.record(),
        engine,
        data: DataRecord {
            name: dataset.name.clone(),
            sha256: dataset.digest()?,
            train: split.train.len(),
            validation: split.validation.len(),
            test: split.test.len(),
        },
        seeds: training.models().iter().map(|model| model.seed).collect(),
        parameters: shape.parameters(),
    })
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
