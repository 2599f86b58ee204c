//! Flags of `profile`.

use std::path::PathBuf;

use clap::Args;

use crate::config::device::Choice;
use crate::config::settings::word;
use crate::config::spec::Feed;
use crate::data::spec::Source;
use crate::profile::Options;
use crate::profile::sweep::Axis;

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
