//! `starts.json`: when and by which command a run was begun, and gone on with each time. A record of its own, because
//! only the last of these processes lives to write `summary.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{RunDir, json};
use crate::error::{Error, Result};

const FILE: &str = "starts.json";

/// A process that trained in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The command line.
    pub command: Vec<String>,
    /// When training began, in the local time zone.
    pub started: String,
    /// Steps that were done by then; above 0 in the first of a run's only if the file was lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_step: u64,
}

/// As it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub start: Start,
    /// Of the images.
    pub sha256: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(steps: &u64) -> bool {
    *steps == 0
}

impl RunDir {
    /// Records that this process trains on images of that digest from here on. All starts are in [`super::Summary`].
    pub fn start(&mut self, start: Start, sha256: &str) -> Result<()> {
        self.starts.push(Entry { start, sha256: sha256.to_owned() });
        let mut text =
            serde_json::to_vec_pretty(&self.starts).map_err(|error| Error::Internal(format!("{FILE}: {error}")))?;
        text.push(b'\n');
        self.write(FILE, &text)
    }

    /// The digest of the images that the run began with, and the file that says so; none if that is not known.
    pub fn images(&self) -> Option<(PathBuf, &str)> {
        self.starts.first().map(|entry| (self.path.join(FILE), entry.sha256.as_str()))
    }

    /// How the run began, and how it was gone on with each time.
    pub fn starts(&self) -> Vec<Start> {
        self.starts.iter().map(|entry| entry.start.clone()).collect()
    }
}

/// The starts that a folder's file names; none if it is not there.
pub(super) fn read(run: &Path) -> Result<Vec<Entry>> {
    Ok(json(&run.join(FILE), "the starts of a run. Remove it to go on without")?.unwrap_or_default())
}
