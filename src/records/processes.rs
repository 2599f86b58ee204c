//! `starts.json`: when and by which command a run was started, and each time resumed. A record of its own, because
//! only the last of these processes lives to write `summary.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::json;
use crate::error::Result;

/// The file's name.
pub const FILE: &str = "starts.json";

/// A process that trained in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The command line.
    pub command: Vec<String>,
    /// When training began, in the local time zone.
    pub started: String,
    /// Steps that were done by then; above 0 in the first of a run's only if the file was lost.
    #[serde(default, skip_serializing_if = "num_traits::Zero::is_zero")]
    pub after_step: u64,
}

/// Where the weights came from that a run began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The run's folder, or the file, as `--from` named it.
    pub path: String,
    /// Of the run's own copy, [`super::initial::FILE`].
    pub sha256: String,
}

/// An entry of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its beginning.
    #[serde(flatten)]
    pub start: Start,
    /// Of the images.
    pub sha256: String,
    /// The weights, if this process began the run with given ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Given>,
}

/// The starts that a folder's file names; none if it is not there.
pub fn read(run: &Path) -> Result<Vec<Entry>> {
    Ok(json(&run.join(FILE), "the starts of a run. Remove it to continue without")?.unwrap_or_default())
}
