//! The command line: what can be typed, and what it means as a [`Config`].

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};
use toml::{Table, Value};

use crate::config::device::Choice;
use crate::config::preset::Preset;
use crate::config::spec::Feed;
use crate::config::{Config, Settings, word};
use crate::data::spec::Source;
use crate::error::{Error, Result, shown};
use crate::profile::Options;
use crate::profile::sweep::Axis;

mod search;
mod verify;

pub use search::{ReproduceArgs, SearchAction, SearchArgs};
pub use verify::VerifyArgs;

pub use tools::{DataCommand, ExportArgs, FetchArgs, ImportArgs, InfoArgs, LrFindArgs, PredictArgs, ReportArgs};

mod tools;

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  a check failed
   2  a flag, a configuration or a shape that cannot be used
   3  images that cannot be used
   4  records that cannot be written
   5  no GPU, or one that was lost or lacks memory
   6  the training diverged
   7  a damaged archive, or a download that failed
   8  a checkpoint or weights that are damaged, or of another training
   9  another process trains in the folder, or downloads into it
  10  too little memory, or too few threads, on this machine
  70  a mistake in cyclone
 129  stopped by SIGHUP (the terminal was closed), the state saved
 130  stopped by Ctrl-C, the state saved
 143  stopped by SIGTERM, the state saved";

/// Trains fully-connected CIFAR-10 classifiers on any GPU, with a CPU engine as reference
#[derive(Parser, Debug)]
#[command(version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Train a two-layer network and write its records to runs/
    #[command(after_help = EXIT_CODES, allow_negative_numbers = true, args_override_self = true)]
    Train(Box<TrainArgs>),
    /// Find the range of learning rates to train with, by a test in which the rate grows
    #[command(name = "lr-find", after_help = EXIT_CODES, allow_negative_numbers = true, args_override_self = true)]
    LrFind(Box<LrFindArgs>),
    /// Say what a trained network takes pictures for
    #[command(after_help = EXIT_CODES)]
    Predict(PredictArgs),
    /// Write a trained network in the format of other programs
    #[command(after_help = EXIT_CODES)]
    Export(ExportArgs),
    /// Fetch, import or look at images
    #[command(subcommand, after_help = EXIT_CODES)]
    Data(DataCommand),
    /// Train with many values of lambda, or of other settings, and rank them
    #[command(after_help = EXIT_CODES, args_override_self = true, args_conflicts_with_subcommands = true)]
    Search(Box<SearchArgs>),
    /// Repeat the report's experiments, its published numbers beside ours
    #[command(after_help = EXIT_CODES, args_override_self = true)]
    Reproduce(ReproduceArgs),
    /// Draw records as one page, report.html, and its charts as SVG and PNG
    #[command(after_help = EXIT_CODES)]
    Report(ReportArgs),
    /// Prove that the GPU computes the right thing: kernels, gradients, training
    #[command(after_help = EXIT_CODES, args_override_self = true)]
    Verify(VerifyArgs),
    /// Say where the time goes on each device, against what it can do at most
    #[command(after_help = EXIT_CODES)]
    Profile(ProfileArgs),
    /// List the GPUs that can be used, with the limits that matter
    Devices,
}

/// Flags of `train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// An experiment of the report, whose settings are the defaults of all others
    #[arg(long, help_heading = "Configuration")]
    pub preset: Option<Preset>,
    /// A run's config.toml, or some of its keys; flags on the command line win
    #[arg(long, help_heading = "Configuration", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// All that a run's config.toml says.
    #[command(flatten)]
    pub settings: Settings,
    /// The run's folder, new or empty [default: runs/PRESET-DATE-TIME]
    #[arg(long, help_heading = "Output", value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the metrics as metrics.csv too
    #[arg(long, help_heading = "Output")]
    pub csv: bool,
    /// Write the metrics as TensorBoard's event files too
    #[arg(long, help_heading = "Output")]
    pub tensorboard: bool,
    /// Go on with the run in this folder from its last checkpoint
    #[arg(long, help_heading = "Output", value_name = "RUN", conflicts_with_all = ["preset", "config", "out"])]
    pub resume: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

impl TrainArgs {
    /// The preset, with the file's keys over it, with the flags over those.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a file that cannot be read, or a setting that is unknown or out of its range.
    pub fn config(&self) -> Result<Config> {
        resolve(self.preset.unwrap_or(Preset::Best).config(), self.config.as_deref(), &self.settings)
    }

    /// What a run is called that was not named.
    pub fn name(&self) -> &'static str {
        self.preset.map_or("train", Preset::name)
    }
}

/// `config`, with the file's keys over it, with the flags over those.
fn resolve(mut config: Config, file: Option<&Path>, flags: &Settings) -> Result<Config> {
    if let Some(path) = file {
        let within = |error| Error::Usage(format!("--config {}: {error}", shown(path)));
        Settings::read(path).and_then(|settings| settings.apply(&mut config)).map_err(within)?;
    }
    flags.clone().apply(&mut config)?;
    config.check()?;
    Ok(config)
}

/// Flags of `profile`.
#[derive(Args, Debug)]
pub struct ProfileArgs {
    /// auto, gpu, gpu:N, cpu, or a part of an adapter's name; several with commas [default: the best GPU if there is a real one, and cpu]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub device: Vec<Choice>,
    /// auto, synthetic, or a path: folder or archive of the binary version, or an image folder
    #[arg(long, default_value = "auto")]
    pub data: Source,
    /// How images reach a GPU: stream, resident, or auto
    #[arg(long, value_name = "FEED", default_value = "auto", value_parser = word::<Feed>)]
    pub feed: Feed,
    /// Hidden units
    #[arg(long, value_name = "H", default_value_t = 50)]
    pub hidden: usize,
    /// Images of a mini-batch
    #[arg(long, value_name = "B", default_value_t = 100)]
    pub batch_size: usize,
    /// Models trained at once, on the same batches
    #[arg(long, value_name = "M", default_value_t = 1)]
    pub models: usize,
    /// Steps of a repetition [default: an epoch, or as many as take 2 s; 1 s on a software adapter]
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Repetitions, after one to warm up
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repeats: usize,
    /// Show how the cost of a step grows with these; several with commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub sweep: Vec<Axis>,
    /// Time by the host's clock alone, as on a GPU without timestamps
    #[arg(long)]
    pub no_timestamps: bool,
    /// Instead: check and time the first layer's products on each GPU, square ones and this work's own
    #[arg(long, conflicts_with_all = ["sweep", "trace", "hidden", "batch_size", "models", "steps", "repeats"])]
    pub matmul: bool,
    /// Write the timeline of a run here, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

impl ProfileArgs {
    /// What they ask for.
    pub fn options(&self) -> Options {
        Options {
            devices: self.device.clone(),
            source: self.data.clone(),
            feed: self.feed,
            hidden: self.hidden,
            batch_size: self.batch_size,
            models: self.models,
            steps: self.steps,
            repeats: self.repeats,
            sweeps: self.sweep.clone(),
            timestamps: !self.no_timestamps,
        }
    }
}

/// The command line with every setting's default in its help, taken from the presets.
pub fn command() -> clap::Command {
    let search = |command: clap::Command| {
        // What these say of one training makes no sense of many.
        ["overfit_one_batch", "repeats", "checkpoint_every"]
            .into_iter()
            .fold(command, |command, name| command.mut_arg(name, |arg| arg.hide(true)))
    };
    let lr_find = |command: clap::Command| {
        let hide = |command: clap::Command, &name: &&'static str| command.mut_arg(name, |arg| arg.hide(true));
        let steps = "Steps of the test [default: two epochs]";
        LrFindArgs::FOREIGN.iter().fold(command, hide).mut_arg("steps", |arg| arg.help(steps))
    };
    Cli::command()
        .mut_subcommand("train", |train| with_defaults(train, &Config::default()))
        .mut_subcommand("lr-find", |command| lr_find(with_defaults(command, &Config::default())))
        .mut_subcommand("search", |command| search(with_defaults(command, &SearchArgs::defaults(Preset::Table1))))
}

/// `command` with every setting's default in its help.
fn with_defaults(command: clap::Command, config: &Config) -> clap::Command {
    let defaults = Table::try_from(Settings::from(config)).unwrap_or_default();
    command.mut_args(|arg| match (defaults.get(&arg.get_id().as_str().replace('_', "-")), arg.get_help()) {
        (Some(default), Some(help)) if !matches!(default, Value::Boolean(_)) => {
            let help = format!("{help} [default: {}]", plain(default));
            arg.help(help)
        }
        _ => arg,
    })
}

/// A value as it is typed after a flag.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn config(arguments: &[&str]) -> Config {
        let matches = command().try_get_matches_from([&["cyclone", "train"], arguments].concat()).unwrap();
        let Command::Train(args) = Cli::from_arg_matches(&matches).unwrap().command else { panic!("not train") };
        args.config().unwrap()
    }

    #[test]
    fn the_definition_has_no_contradictions() {
        command().debug_assert();
    }

    #[test]
    fn without_flags_it_is_the_reports_best() {
        assert_eq!(config(&[]), Preset::Best.config());
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_preset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.toml");
        std::fs::write(&path, "hidden = 7\nlambda = 0.5\nepochs = 2\n").unwrap();
        let path = path.to_str().unwrap();
        let config = config(&["--preset", "figure-2", "--config", path, "--hidden", "9"]);
        let mut expected = Preset::Figure2.config();
        expected.hidden = 9;
        expected.train.lambda = 0.5;
        expected.train.length = crate::config::spec::Length::Epochs(2);
        assert_eq!(config, expected);
    }

    #[test]
    fn help_shows_the_defaults() {
        let mut command = command();
        let help = command.find_subcommand_mut("train").unwrap().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for default in
            ["[default: 50]", "[default: 1,2,3,4,5]", "[default: auto]", "[default: 0.00895]", "[default: last]"]
        {
            assert!(help.contains(default), "{default} in {help}");
        }
    }
}
