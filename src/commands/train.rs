//! `cyclone train`.

use std::env;
use std::path::Path;
use std::sync::Arc;

use jiff::Zoned;
use rayon::join;

use crate::answers::Answers;
use crate::checkpoint::{Checkpoints, Run, Shapes, Store};
use crate::cli::TrainArgs;
use crate::config::{Config, Settings};
use crate::data::Standardisation;
use crate::data::split::Split;
use crate::disk::System;
use crate::display::{self, Display, Header};
use crate::error::{Error, Result};
use crate::params::Params;
use crate::run_dir::{About, Csv, DataRecord, RunDir, TensorBoard};
use crate::signals::Signals;
use crate::spec::ModelSpec;
use crate::train::{Evaluation, Observer, State, Training};

use super::open::device_and_images;

/// Trains one network, or several at once, as the flags say.
pub fn run(args: &TrainArgs) -> Result<()> {
    let mut display = Display::new(args.quiet);
    let (reopened, config) = match &args.resume {
        None => (None, args.config()?),
        Some(path) => {
            let (run, mut config) = RunDir::reopen(path)?;
            if run.is_complete() {
                return display.show(&format!("{}: the run is complete, there is nothing to do\n", path.display()));
            }
            args.settings.clone().apply(&mut config)?;
            config.check()?;
            (Some(run), config)
        }
    };
    let (mut device, dataset) = device_and_images(&config.device, &config.data.source, &display)?;
    device.feed = config.feed;
    let split = Split::new(&dataset, &config.data)?;
    let standardisation = Arc::new(Standardisation::of(&dataset, &split.train)?);
    match standardisation.constant() {
        0 => {}
        constant => display.note(&format!("{constant} of {} input dimensions never change: left out", dataset.inputs)),
    }
    let shape = ModelSpec::new(dataset.inputs, config.hidden, dataset.classes.len())?;
    let training = training(&config, split)?;
    training.plan().warning().iter().for_each(|warning| display.warn(warning));
    // The digest takes a tenth of a second; meanwhile a GPU's driver compiles.
    let make = || device.engine(training.job(shape), dataset.clone(), standardisation.clone());
    let (digest, engine) = join(|| dataset.digest(), make);
    let mut engine = engine?;
    let (started, engine_name) = (Zoned::now(), engine.describe());
    let run = Run { settings: Settings::from(&config), data: digest?, device: engine_name.clone() };

    let resumes = reopened.is_some();
    let mut records = match reopened {
        Some(records) => records,
        None => RunDir::create(args.out.as_deref(), args.name(), &config)?,
    };
    let (state, mut checkpoints) = begin(&mut records, &training, shape, run.clone(), resumes, &display)?;
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
    let outcome = training.run_from(state, engine.as_mut(), &mut All(watching), &mut checkpoints);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            drop(display);
            advise(&error, checkpoints.last_step(), records.path());
            return Err(error);
        }
    };

    records.save_weights(&outcome.params, &standardisation)?;
    let split = training.split();
    if let Some(answers) = Answers::of(&outcome.params, &dataset, &standardisation, &split.test)? {
        records.save_answers(&answers)?;
    }
    let about = About {
        command: env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        started: started.to_string(),
        device: device.record(),
        engine: engine_name,
        data: DataRecord {
            name: dataset.name.clone(),
            sha256: run.data,
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
    let training = Training::new(config.models(), split, config.steps)?;
    if config.overfit_one_batch { training.on_one_batch() } else { Ok(training) }
}

/// The state to start from, and the keeper of those to come.
fn begin(
    records: &mut RunDir,
    training: &Training,
    shape: ModelSpec,
    run: Run,
    resumes: bool,
    display: &Display,
) -> Result<(State, Checkpoints)> {
    let store = Store::new(records.path(), System);
    store.prepare()?;
    let models = training.models();
    let shapes = Shapes { model: shape, models: models.len() };
    let last = store.last(&run, &shapes, |notice| display.note(notice))?;
    let (state, best) = match last {
        Some(last) => {
            if last.run.device != run.device {
                display.warn(&format!(
                    "the run was on {}: on another device the weights will not have the same bits",
                    last.run.device
                ));
            }
            (last.state, last.best)
        }
        None => (State::fresh(models.iter().map(|model| Params::init(&shape, model.seed)).collect()), None),
    };
    if resumes {
        records.cut_metrics(state.step)?.iter().for_each(|notice| display.note(notice));
        display.note(&format!("going on after step {} of {}", state.step, training.plan().steps()));
    }
    let every = run.settings.checkpoint_every;
    Ok((state, Checkpoints::new(store, run, every, Signals::watch()?, records.metrics()?, best)))
}

/// Says how to go on after what ended the training.
fn advise(error: &Error, last: Option<u64>, records: &Path) {
    let again = format!("cyclone train --resume {}", display::quoted(records));
    match (error, last) {
        // It would end the same way again.
        (Error::Diverged(_) | Error::Internal(_), _) => {}
        // The folder has gone, and the run with it.
        _ if !records.is_dir() => {}
        (_, Some(step)) => display::advice(&format!("the checkpoint of step {step} is kept; go on with: {again}")),
        (_, None) => display::advice(&format!("no checkpoint was saved yet; start over with: {again}")),
    }
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
