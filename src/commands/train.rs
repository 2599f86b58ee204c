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
use crate::run_dir::{About, Csv, DataRecord, RunDir, TensorBoard};
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
    let mut csv = args.csv.then(|| Csv::create(records.path())).transpose()?;
    let mut board = args.tensorboard.then(|| TensorBoard::create(records.path())).transpose()?;
    let mut watching: Vec<&mut dyn Observer> = vec![&mut display, &mut records];
    watching.extend(csv.as_mut().map(|csv| csv as &mut dyn Observer));
    watching.extend(board.as_mut().map(|board| board as &mut dyn Observer));
    let outcome = training.run(engine.as_mut(), &mut All(watching))?;

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
            classes: dataset.classes.clone(),
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
    let training = Training::new(vec![config.train.clone()], split, config.steps)?;
    if config.overfit_one_batch { training.on_one_batch() } else { Ok(training) }
}

/// Several observers, told of everything in this order.
struct All<'a>(Vec<&'a mut dyn Observer>);

impl Observer for All<'_> {
    fn stepped(&mut self, step: u64) -> Result<()> {
        self.0.iter_mut().try_for_each(|observer| observer.stepped(step))
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        self.0.iter_mut().try_for_each(|observer| observer.evaluated(evaluation))
    }
}
