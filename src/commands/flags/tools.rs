//! Flags of the commands around a training: data sets, pictures, formats, learning rates, reports, profiles.

use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};

use super::settings::resolve;
use crate::config::device::Choice;
use crate::config::settings::Taker;
use crate::config::{Config, Settings};
use crate::data::spec::Source;
use crate::error::Result;
use crate::export::Format;
use crate::profile::Options;
use crate::records::evaluation::Part;
use crate::records::trained::Weights;

/// Flags of `predict`.
#[derive(Args, Debug)]
pub struct PredictArgs {
    /// The folder of a finished run
    pub run: PathBuf,
    /// Which network of a run with several, counted from 0
    #[arg(long, value_name = "M")]
    pub model: Option<usize>,
    /// The weights at the run's end (last), or those with the best validation accuracy (best)
    #[arg(long, value_enum, default_value = "last", hide_possible_values = true, value_name = "WHICH")]
    pub weights: Weights,
    /// PNG or JPEG images of up to 16,384 pixels a side, or folders of them
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// How many classes to print, most likely first
    #[arg(long, default_value_t = 3, value_name = "K", value_parser = value_parser!(u16).range(1..=256))]
    pub top: u16,
    /// auto, gpu, gpu:N, cpu, or a part of an adapter's name
    #[arg(long, default_value = "cpu")]
    pub device: Choice,
    /// Print a JSON list: an object for each image, with `classes` or an `error`
    #[arg(long)]
    pub json: bool,
}

/// Flags of `evaluate`.
#[derive(Args, Debug)]
pub struct EvaluateArgs {
    /// Folders of finished runs; several networks are also scored as an ensemble, by their mean probabilities
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The weights at the runs' ends (last), or those with the best validation accuracy (best)
    #[arg(long, value_enum, default_value = "last", hide_possible_values = true, value_name = "WHICH")]
    pub weights: Weights,
    /// The weights that train --snapshots kept at the end of every cycle, instead of those at the end alone
    #[arg(long, conflicts_with = "weights")]
    pub snapshots: bool,
    /// Other images: auto, synthetic, or a path [default: those of the first RUN]
    #[arg(long)]
    pub data: Option<Source>,
    /// Which images: train, val (those that the runs trained and validated on) or test
    #[arg(long, value_enum, default_value = "test", hide_possible_values = true)]
    pub part: Part,
    /// Average the probabilities over each image and the one flipped from left to right
    #[arg(long)]
    pub mirror: bool,
    /// auto, gpu, gpu:N, cpu, or a part of an adapter's name
    #[arg(long, default_value = "cpu")]
    pub device: Choice,
    /// Print JSON; report draws it, with the run if it is saved as RUN/evaluate.json
    #[arg(long)]
    pub json: bool,
}

/// Flags of `export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The folder of a finished run
    pub run: PathBuf,
    /// Which network of a run with several, counted from 0
    #[arg(long, value_name = "M")]
    pub model: Option<usize>,
    /// The weights at the run's end (last), or those with the best validation accuracy (best)
    #[arg(long, value_enum, default_value = "last", hide_possible_values = true, value_name = "WHICH")]
    pub weights: Weights,
    /// The file format
    #[arg(long)]
    pub format: Format,
    /// The file to write, which must not exist yet [default: RUN/model.FORMAT, or model-M.FORMAT]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Flags of `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Folders of runs (drawn over one another), searches or reproductions; output files of profile --json, verify --json
    /// or evaluate --json, which are also found in such a folder as profile.json, verify.json and evaluate.json
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The folder for report.html and charts/ [default: the first RUN's]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print only errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Flags of `profile`.
#[derive(Args, Debug)]
pub struct ProfileArgs {
    /// What to profile.
    #[command(flatten)]
    pub options: Options,
    /// Instead, check and time matrix products on each GPU: square ones, and the first layer's own
    #[arg(long, conflicts_with_all = ["sweeps", "trace", "hidden", "batch_size", "models", "steps", "repeats"])]
    pub matmul: bool,
    /// Write the timeline of a run to this file, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// What to do with data sets.
#[derive(Subcommand, Debug)]
pub enum DataCommand {
    /// Download CIFAR-10, check it and unpack it to data/cifar-10-batches-bin, where `train` finds it
    Fetch(FetchArgs),
    /// Convert an image folder, train/CLASS/* and test/CLASS/*, to the binary format, which loads much faster
    Import(ImportArgs),
    /// Show how many images a data set has of each class, and its digest
    Info(InfoArgs),
}

/// Flags of `data fetch`.
#[derive(Args, Debug)]
pub struct FetchArgs {
    /// Another address of the official archive, or a local copy of it
    #[arg(long, value_name = "URL|FILE")]
    pub mirror: Option<String>,
    /// The folder to create cifar-10-batches-bin in
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub dest: PathBuf,
}

/// Flags of `data import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The image folder
    pub folder: PathBuf,
    /// The folder to create
    pub destination: PathBuf,
}

/// Flags of `data info`.
#[derive(Args, Debug)]
pub struct InfoArgs {
    /// auto, synthetic, or a path: folder or archive of the binary version, or an image folder
    #[arg(default_value_t = Source::Auto)]
    pub source: Source,
    /// Draw the mean image and the first images of every class into a new file, NAME.png
    #[arg(long, value_name = "FILE")]
    pub contact_sheet: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Flags of `lr-find`.
#[derive(Args, Debug)]
pub struct LrFindArgs {
    /// Those of `train`, as far as they say what is trained.
    #[command(flatten)]
    pub settings: Settings,
    /// The first learning rate
    #[arg(long, help_heading = "Range test", value_name = "ETA", default_value_t = 1e-5)]
    pub from: f64,
    /// The last learning rate
    #[arg(long, help_heading = "Range test", value_name = "ETA", default_value_t = 10.0)]
    pub to: f64,
    /// Plot loss and accuracy against the rate in a new file, NAME.svg or NAME.png
    #[arg(long, help_heading = "Output", value_name = "FILE")]
    pub chart: Option<PathBuf>,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl LrFindArgs {
    /// The defaults of `train`, with the flags over them.
    pub fn config(&self) -> Result<Config> {
        resolve(Config::default(), None, &self.settings, Taker::LrFind)
    }
}
