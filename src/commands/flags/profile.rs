//! Flags of `profile`.

use std::path::PathBuf;

use clap::Args;

use crate::profile::Options;

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
