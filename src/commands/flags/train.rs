//! Flags of `train`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use super::settings::resolve;
use crate::config::preset::Preset;
use crate::config::settings::Taker;
use crate::config::{Config, Settings};
use crate::error::Result;

/// Flags of `train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Use the settings of an experiment of the report as defaults
    #[arg(long, help_heading = "Configuration")]
    pub preset: Option<Preset>,
    /// A run's config.toml, or some of its keys; flags on the command line win
    #[arg(long, help_heading = "Configuration", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// All that a run's config.toml says.
    #[command(flatten)]
    pub settings: Settings,
    /// Begin with these weights: the last ones of the run in this folder, or those of a safetensors file, ours or PyTorch's
    #[arg(long, help_heading = "Training", value_name = "RUN|FILE")]
    pub from: Option<PathBuf>,
    /// Stop after this time, such as 90s, 10m or 1h30m, as Ctrl-C does: with a checkpoint, to be continued by --resume. The exit code is 124, for the run is not complete
    #[arg(long, help_heading = "Training", value_name = "TIME", value_parser = time)]
    pub max_time: Option<Duration>,
    /// The run's folder, new or empty [default: runs/PRESET-DATE-TIME]
    #[arg(long, help_heading = "Output", value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Also write the metrics to metrics.csv
    #[arg(long, help_heading = "Output")]
    pub csv: bool,
    /// Also write the metrics as TensorBoard event files
    #[arg(long, help_heading = "Output")]
    pub tensorboard: bool,
    /// Resume the run in this folder from its last checkpoint
    #[arg(long, help_heading = "Output", value_name = "RUN", conflicts_with_all = ["preset", "config", "from", "out"])]
    pub resume: Option<PathBuf>,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

impl TrainArgs {
    /// The preset, with the file's keys over it, with the flags over those.
    pub fn config(&self) -> Result<Config> {
        let preset = self.preset.unwrap_or(Preset::Best);
        resolve(preset.config(), self.config.as_deref(), &self.settings, Taker::Train)
    }

    /// What a run is called that was not named.
    pub fn name(&self) -> String {
        self.preset.map_or_else(|| "train".into(), Preset::name)
    }
}

/// `90s`, `10m`, `1h30m`: more than no time.
fn time(text: &str) -> Result<Duration, &'static str> {
    let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| !time.is_zero()).ok_or("expected a time such as 90s, 10m or 1h30m")
}
