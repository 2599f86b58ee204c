//! Flags of `search` and `reproduce`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand};

use super::settings::resolve;
use crate::config::device::Choice;
use crate::config::preset::Preset;
use crate::config::settings::Taker;
use crate::config::{Config, Settings};
use crate::data::spec::Source;
use crate::error::Result;
use crate::search::Search;
use crate::search::experiments::experiment::{ALL, EXPERIMENTS};
use crate::search::experiments::published;
use crate::search::halving::Halving;
use crate::search::parameter::{Parameter, Value};
use crate::search::shard::Shard;
use crate::search::space::{Axis, Sample, Space, Span};

/// Flags of `search`.
#[derive(Args, Debug)]
pub struct SearchArgs {
    /// What else can be done with searches.
    #[command(subcommand)]
    pub action: Option<SearchAction>,

    /// How to choose the values [default: log-uniform, or the report's own values with --preset table-1 or table-2]
    #[arg(long, help_heading = "Search")]
    pub sample: Option<Sample>,
    /// What to search, and where.
    #[arg(long, help_heading = "Search", value_name = "RANGE", action = clap::ArgAction::Append, help = range_help())]
    pub range: Vec<Axis>,
    /// How many trials [default: 20]
    #[arg(long, help_heading = "Search", value_name = "N")]
    pub trials: Option<usize>,
    /// Then run as many trials again, around the best N
    #[arg(long, help_heading = "Search", value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub refine: usize,
    /// How the worse trials are ended early.
    #[command(flatten)]
    pub halving: HalvingArgs,
    /// Train a single network through the sorted values, as the report did, instead of a fresh one for each
    #[arg(long, help_heading = "Search")]
    pub warm_start: bool,
    /// Also score the trials on the test images, to report and not to choose by
    #[arg(long, help_heading = "Search")]
    pub with_test: bool,
    /// Train only part I of N of the trials, counted from 0; see `search merge` [default: taken from the environment in
    /// a Slurm array, an indexed Kubernetes job or under Open MPI, else all trials]
    #[arg(long, help_heading = "Search", value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Use the settings of an experiment of the report as defaults [default: table-1's]
    #[arg(long, help_heading = "Configuration")]
    pub preset: Option<Preset>,
    /// A file of settings as in a run's config.toml; flags on the command line win
    #[arg(long, help_heading = "Configuration", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// All that the trials share.
    #[command(flatten)]
    pub settings: Settings,
    /// The search's folder; a search that was stopped there is resumed [default: runs/search-DATE-TIME]
    #[arg(long, help_heading = "Output", value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Resume the search in this folder; only --device and --feed can be changed
    #[arg(long, help_heading = "Output", value_name = "DIR", conflicts_with_all = ["preset", "config", "out", "sample",
        "range", "trials", "refine", "halving", "eta", "rungs", "warm_start", "with_test"])]
    pub resume: Option<PathBuf>,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// Flags of successive halving.
#[derive(Args, Debug)]
pub struct HalvingArgs {
    /// Train all trials for a part of their steps, a rung, the best third of them three times as far, and so on; the last
    /// ones end with the same bits as without it
    #[arg(long, help_heading = "Search")]
    pub halving: bool,
    /// With --halving, one trial in N goes on, to N times as many steps [default: 3]
    #[arg(long, help_heading = "Search", value_name = "N", requires = "halving")]
    pub eta: Option<usize>,
    /// With --halving, how many rungs: the last one ends with the whole training, each other one after 1/eta of the steps
    /// of the next one [default: as many as leave one trial or more]
    #[arg(long, help_heading = "Search", value_name = "N", requires = "halving")]
    pub rungs: Option<usize>,
}

impl HalvingArgs {
    /// The halving of so many trials that the flags ask for, if they do.
    fn of(&self, trials: usize) -> Result<Option<Halving>> {
        let eta = self.eta.unwrap_or(Halving::DEFAULT_ETA);
        self.halving.then(|| Halving::new(eta, self.rungs, trials)).transpose()
    }
}

fn range_help() -> String {
    format!(
        "[PARAM=]A:B, or [PARAM=]A,B,C with --sample list or beside a range; repeated, ranges of one parameter share the \
         trials, those of several combine. PARAM: {}. Layers of one network are joined by -, as in hidden=50,512-256. \
         Trials train together that differ in no more than lambda, lr-max, lr-min, gamma, step-size, warmup, init and \
         seed: of the others list few values [default: lambda=1e-5:1e-1]",
        Parameter::names()
    )
}

/// What can be done with searches.
#[derive(Subcommand, Debug)]
pub enum SearchAction {
    /// Merge the records of all shards, as if one process had trained all trials
    Merge {
        /// The search's folder, which holds those of the shards
        folder: PathBuf,
        /// Print only errors
        #[arg(long, short)]
        quiet: bool,
    },
}

impl SearchArgs {
    /// What the flags ask for.
    pub fn search(&self) -> Result<Search> {
        let preset = self.preset.unwrap_or(Preset::Table1);
        let config = resolve(Self::defaults(preset), self.config.as_deref(), &self.settings, Taker::Search)?;
        let named = self.preset.and_then(published::lambdas);
        let space = match named {
            Some(lambdas) if self.sample.is_none() && self.range.is_empty() && self.trials.is_none() => {
                let span = Span::Values(lambdas.into_iter().map(Value::Number).collect());
                let axis = Axis { parameter: Parameter::LAMBDA, span };
                Space::new(Sample::List, vec![axis], None)?
            }
            _ => {
                let axes = if self.range.is_empty() { Space::default_axes() } else { self.range.clone() };
                Space::new(self.sample.unwrap_or_default(), axes, self.trials)?
            }
        };
        let Self { warm_start, refine, with_test, .. } = *self;
        let halving = self.halving.of(space.trials)?;
        let search = Search { config, space, warm_start, refine, with_test, halving };
        search.check()?;
        Ok(search)
    }

    /// The settings without flags: a preset's, scored once a cycle, for scoring costs as much as a fifth of a cycle.
    pub fn defaults(preset: Preset) -> Config {
        Config { evals_per_cycle: 1, ..preset.config() }
    }
}

/// Flags of `reproduce`.
#[derive(Args, Debug)]
pub struct ReproduceArgs {
    /// What to reproduce
    #[arg(value_name = "EXPERIMENT", default_value = ALL, value_parser = PossibleValuesParser::new(
        EXPERIMENTS.map(|(name, help)| PossibleValue::new(name).help(help))))]
    pub experiment: String,
    /// auto, or a path to the real images: folder or archive of the binary version
    #[arg(long, default_value = "auto")]
    pub data: Source,
    /// auto, gpu, gpu:N, cpu, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    pub device: Choice,
    /// Use only this share of the images and steps, above 0 to 1: a rehearsal, whose results mean nothing
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub scale: f64,
    /// The folder to write; a reproduction that was stopped there is resumed [default: runs/reproduce-DATE-TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print only errors
    #[arg(long, short)]
    pub quiet: bool,
}
