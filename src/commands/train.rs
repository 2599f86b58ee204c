//! `cyclone train`.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jiff::Zoned;
use rayon::join;

use crate::commands::flags::TrainArgs;
use crate::config::{Config, Settings};
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::device::Device;
use crate::engine::Engine;
use crate::error::{Error, Result, escaped, shown};
use crate::model::ModelSpec;
use crate::ranks::{LocalSgd, Ranks};
use crate::records::answers::Answers;
use crate::records::checkpoint::{self, Checkpoints, Run, Shapes, Store};
use crate::records::csv::Csv;
use crate::records::initial::{self, Initial};
use crate::records::processes::Start;
use crate::records::run::{CONFIG, RunDir};
use crate::records::summary::{self, About, DataRecord};
use crate::records::tensorboard::TensorBoard;
use crate::terminal::{self, Display, header};
use crate::train::{Evaluation, Observer, Peers, State, Training};
use crate::util::files::System;
use crate::util::signals::Signals;

use super::open::{device_and_images, on_ranks};

/// Trains one network, or several at once, as the flags say.
pub fn run(args: &TrainArgs) -> Result<()> {
    on_ranks(|ranks| train(args, ranks))
}

/// What a rank trains, and on what.
struct Prepared {
    config: Config,
    device: Device,
    dataset: Arc<Dataset>,
    standardisation: Arc<Standardisation>,
    shape: ModelSpec,
    training: Training,
    engine: Box<dyn Engine>,
    /// What its states are of, on all ranks.
    run: Run,
}

fn train(args: &TrainArgs, ranks: &Ranks) -> Result<()> {
    let deadline = args.max_time.and_then(|time| Instant::now().checked_add(time));
    ranks.expect_joined(|name| env::var(name).ok())?;
    let display = Display::new(args.quiet || !ranks.is_first());
    let (reopened, settings) = match &args.resume {
        None => (None, None),
        Some(path) => {
            let (run, settings) = ranks.first(|| reopen(path, args))?.unzip();
            let lacks = ranks.first(|| run.as_ref().map_or(Ok(None), RunDir::lacks))?.flatten();
            if ranks.tell(lacks.is_none())? {
                ranks.first(|| tables(args, path))?;
                return display.show(&format!("{}: the run is complete, there is nothing to do\n", shown(path)));
            }
            if let Some(file) = lacks.filter(|file| !file.ends_with(summary::FILE)) {
                display.note(&format!("{}: lost or damaged: it is made again from the last checkpoint", shown(&file)));
            }
            (run, ranks.tell(settings)?)
        }
    };
    let prepared = prepare(args, settings, ranks, &display);
    let prepared = ranks.agree(prepared, |prepared| {
        let Run { settings, data, .. } = &prepared.run;
        format!("{data} {settings:?}")
    })?;
    let records = ranks.first(|| match reopened {
        Some(records) => Ok(records),
        None => new_run(args, &prepared, &display),
    })?;
    match records {
        Some(mut records) => lead(args, ranks, prepared, &mut records, deadline, display),
        None => follow(ranks, prepared, deadline),
    }
}

/// The folder of a new run, with the weights that it begins with if these are given.
fn new_run(args: &TrainArgs, prepared: &Prepared, display: &Display) -> Result<RunDir> {
    let Prepared { config, shape, standardisation, .. } = prepared;
    let initial = args.from.as_ref().map(|path| Initial::open(path, shape, config.repeats)).transpose()?;
    if let Some(Initial { standardisation: Some(theirs), given, .. }) = &initial
        && *theirs != **standardisation
    {
        display.note(&format!(
            "the weights of {} were trained on inputs of other means and deviations than these training images have",
            escaped(&given.path)
        ));
    }
    RunDir::create(args.out.as_deref(), &args.name(), config, initial)
}

/// The run of a folder, and its settings with the flags over them, which must be those of the same training.
fn reopen(path: &Path, args: &TrainArgs) -> Result<(RunDir, Settings)> {
    let (run, config) = RunDir::reopen(path)?;
    let recorded = Settings::from(&config);
    let config = config.with(args.settings.clone());
    config.check()?;
    let settings = Settings::from(&config);
    checkpoint::compare_settings(&recorded, &settings).map_err(|what| Error::checkpoint(&path.join(CONFIG), what))?;
    Ok((run, settings))
}

/// Writes what the flags ask for of the metrics of a run that is complete.
fn tables(args: &TrainArgs, run: &Path) -> Result<()> {
    if args.csv {
        Csv::create(run)?;
    }
    if args.tensorboard && !TensorBoard::is_in(run)? {
        TensorBoard::create(run, None)?;
    }
    Ok(())
}

/// What the flags ask for, or the `settings` of a resumed run, with this rank's device and images.
fn prepare(args: &TrainArgs, settings: Option<Settings>, ranks: &Ranks, display: &Display) -> Result<Prepared> {
    let config = match settings {
        None => args.config()?,
        Some(settings) => Config::default().with(settings),
    };
    if let (Some(every), 2..) = (config.checkpoint_every, ranks.count()) {
        return Err(Error::Usage(format!(
            "--checkpoint-every {every}: several ranks have the same weights at cycles' ends alone, and save them there"
        )));
    }
    let (mut device, dataset) = device_and_images(&config.device, ranks.place(), &config.data, display)?;
    device.feed = config.feed;
    device.check = config.check;
    let split = Split::new(&dataset, &config.data_spec())?;
    config.train_spec().augment.check(&dataset)?;
    let standardisation = Arc::new(Standardisation::of(&dataset, &split.train, config.standardise)?);
    match standardisation.constant() {
        0 => {}
        constant => display.note(&format!("{constant} of {} input dimensions never change: left out", dataset.inputs)),
    }
    let shape = ModelSpec::new(dataset.inputs, config.hidden.clone(), dataset.classes.len())?;
    let training = training(&config, split)?.on_rank(ranks.rank());
    training.plan().warning().iter().for_each(|warning| display.warn(warning));
    // The digest takes a tenth of a second; meanwhile a GPU's driver compiles.
    let make = || device.trainer(training.job(&shape), training.split(), dataset.clone(), standardisation.clone());
    let (digest, engine) = join(|| dataset.digest(), make);
    let engine = engine?;
    let run = Run { settings: Settings::from(&config), data: digest, device: ranks.describe(engine.describe()) };
    Ok(Prepared { config, device, dataset, standardisation, shape, training, engine, run })
}

/// Trains until the `deadline`, keeps the records and shows the progress.
fn lead(
    args: &TrainArgs,
    ranks: &Ranks,
    prepared: Prepared,
    records: &mut RunDir,
    deadline: Option<Instant>,
    mut display: Display,
) -> Result<()> {
    let Prepared { config, device, dataset, standardisation, shape, training, mut engine, run } = prepared;
    let started = Zoned::now().to_string();
    let resumes = args.resume.is_some();
    let signals = Signals::watch()?.until(deadline);
    let (mut state, mut checkpoints) =
        begin(records, &training, &shape, run.clone(), signals.clone(), resumes, &display)?;
    let command = env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    records.start(Start { command, started, after_step: state.step }, &run.data)?;
    display.show(&header(&run.device, &dataset.name, &config, &training, &shape, records))?;
    display.start(training.plan().steps());
    // A resumed run keeps the outputs it already has.
    let mut csv = (args.csv || Csv::is_in(records.path())).then(|| Csv::create(records.path())).transpose()?;
    let board = args.tensorboard || TensorBoard::is_in(records.path())?;
    let resumed = resumes.then_some(state.step);
    let mut board = board.then(|| TensorBoard::create(records.path(), resumed)).transpose()?;
    let mut watching: Vec<&mut dyn Observer> = vec![&mut display, records];
    watching.extend(csv.as_mut().map(|csv| csv as &mut dyn Observer));
    watching.extend(board.as_mut().map(|board| board as &mut dyn Observer));
    let mut watching = All(watching);
    let mut local_sgd = LocalSgd::new(ranks, signals);
    let mut peers: Option<&mut dyn Peers> = None;
    if ranks.count() > 1 {
        broadcast(ranks, &mut state)?;
        peers = Some(&mut local_sgd);
    }
    let (split, first) = (training.split(), state.step);
    let trained = training.run_from(state, engine.as_mut(), &mut watching, &mut checkpoints, peers);
    let last = checkpoints.last_step();
    // Still the device's work, and its faults: the last checkpoint is there.
    let (outcome, logits) = match trained.and_then(|outcome| Ok((outcome, engine.logits(&split.test)?))) {
        Ok(trained) => trained,
        Err(error) => {
            drop(display);
            if let Error::Wrong { .. } = error {
                match records.set_aside(first) {
                    Ok(None) => {}
                    Ok(Some(place)) => terminal::note(&format!(
                        "what this device computed is now in {}: no figure there is a result",
                        shown(&place)
                    )),
                    Err(fault) => terminal::note(&format!("{fault}; no figure of this run is a result")),
                }
            }
            advise(&error, last, records.path(), ranks);
            return Err(error);
        }
    };

    records.save_weights(&outcome.params, &standardisation)?;
    if let Some(answers) = Answers::of(&logits, &dataset, &split.test)? {
        records.save_answers(&answers)?;
    }
    let mut starts = records.starts();
    let about = About {
        start: starts.remove(0),
        resumed: starts,
        from: records.given().cloned(),
        device: device.record(),
        engine: run.device,
        data: DataRecord::new(&dataset, run.data, split),
        seeds: training.models().iter().map(|model| model.seed).collect(),
        parameters: shape.parameters(),
    };
    records.summarise(&outcome, &about)?;
    display.finish(&outcome, records.path())?;
    if config.overfit_one_batch { display.overfit(&outcome) } else { Ok(()) }
}

/// Trains beside the first rank, whose weights it starts from and shares.
fn follow(ranks: &Ranks, prepared: Prepared, deadline: Option<Instant>) -> Result<()> {
    let Prepared { shape, training, mut engine, .. } = prepared;
    let mut state = training.fresh(&shape);
    broadcast(ranks, &mut state)?;
    let mut signals = Signals::watch()?.until(deadline);
    let mut local_sgd = LocalSgd::new(ranks, signals.clone());
    training.run_from(state, engine.as_mut(), &mut All(Vec::new()), &mut signals, Some(&mut local_sgd)).map(drop)
}

fn broadcast(ranks: &Ranks, state: &mut State) -> Result<()> {
    state.step = ranks.tell(state.step)?;
    for params in &mut state.params {
        params.steps = ranks.tell(params.steps)?;
    }
    ranks.spread(&mut state.params, || None)
}

fn training(config: &Config, split: Split) -> Result<Training> {
    let training = Training::new(config.models(), split, config.steps)?;
    match config.patience.filter(|&patience| patience > 0) {
        Some(patience) if config.overfit_one_batch => Err(Error::Usage(format!(
            "--patience {patience}: --overfit-one-batch validates nothing; omit one of the two"
        ))),
        None if config.overfit_one_batch => training.on_one_batch(),
        Some(patience) => Ok(training.patient(patience)),
        None => Ok(training),
    }
}

/// The state to start from, and the keeper of those to come.
fn begin(
    records: &mut RunDir,
    training: &Training,
    shape: &ModelSpec,
    run: Run,
    signals: Signals,
    resumes: bool,
    display: &Display,
) -> Result<(State, Checkpoints)> {
    if let Some((path, data)) = records.images() {
        let began = Run { data: data.to_owned(), ..run.clone() };
        checkpoint::compare(&began, &run).map_err(|what| Error::checkpoint(&path, what))?;
    }
    let store = Store::new(records.path(), System);
    store.prepare()?;
    let shapes = Shapes { model: shape.clone(), models: training.models().len() };
    let last = store.last(&run, &shapes, |notice| display.note(notice))?;
    let state = match last {
        Some(last) => {
            if last.run.device != run.device {
                display.warn(&format!(
                    "the run was on {}: on another device the weights will not have the same bits",
                    last.run.device
                ));
            }
            last.state
        }
        None => match initial::read(records.path(), records.given(), shape, shapes.models)? {
            Some(given) => training.begun_with(given),
            None => training.fresh(shape),
        },
    };
    if resumes {
        if state.step > 0 && records.starts().is_empty() {
            let path = records.path().join("starts.json");
            display.note(&format!("{}: lost; the summary will not say when and how the run began", shown(&path)));
        }
        records.cut_metrics(state.step)?.iter().for_each(|notice| display.note(notice));
        display.note(&format!("resuming after step {} of {}", state.step, training.plan().steps()));
    }
    Ok((state, Checkpoints::new(store, run, training.plan(), signals, records.metrics()?)))
}

/// Says how to resume after what ended the training.
fn advise(error: &Error, last: Option<u64>, records: &Path, ranks: &Ranks) {
    let launcher = if ranks.count() == 1 { String::new() } else { format!("mpirun -n {} ", ranks.count()) };
    let again = format!("{launcher}cyclone train --resume {}", terminal::quoted(records));
    match (error, last) {
        // It would end the same way again.
        (Error::Diverged(_) | Error::Internal(_), _) => {}
        // The folder has gone, or is going, and the run with it.
        _ if !RunDir::is_run(records) => {}
        (Error::Wrong { .. }, _) => {
            terminal::note(&format!("on a device that is right, resume with: {again} --device …"));
        }
        (_, Some(step)) => terminal::note(&format!("the checkpoint of step {step} is kept; resume with: {again}")),
        (_, None) => terminal::note(&format!("there is no checkpoint to resume from; start over with: {again}")),
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
