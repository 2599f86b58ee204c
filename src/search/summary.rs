//! `summary.json` of a search, and that of a reproduction.

use serde::{Deserialize, Serialize};

use super::experiments::comparison::Counts;
use super::trial::Record;
use crate::device;
use crate::records::summary::{DataRecord, Origin};

/// What came of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchSummary {
    /// How it was made.
    #[serde(flatten)]
    pub origin: Origin,
    /// What ran it; none where shards were merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<device::Record>,
    /// Processes.
    pub ranks: usize,
    /// The part of the trials that it trained.
    pub shard: String,
    /// The images.
    pub data: DataRecord,
    /// How many trials have records.
    pub trials: usize,
    /// Trials' numbers, the best first.
    pub ranking: Vec<usize>,
    /// Numbers of those that ended each rung, of a search by successive halving, the best at its end first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Vec<usize>>,
    /// Numbers of those that diverged.
    pub diverged: Vec<usize>,
    /// The first of the ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Record>,
    /// Of all waves of this command, added up.
    pub seconds: f64,
}

/// What came of a reproduction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReproductionSummary {
    /// How it was made.
    #[serde(flatten)]
    pub origin: Origin,
    /// What ran it.
    pub device: device::Record,
    /// The images.
    pub data: String,
    /// Their SHA-256.
    pub sha256: String,
    /// 1, or the share of the images and steps that a rehearsal took.
    pub scale: f64,
    /// Why no figure compares with the report's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// How many numbers are inside their bands.
    pub counts: Counts,
    /// The parts in their order.
    pub parts: Vec<PartTime>,
    /// Of all parts.
    pub seconds: f64,
}

/// Time of a part's trainings in this process; 0 of a part whose records were there before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartTime {
    /// The part's name.
    pub part: String,
    /// Seconds.
    pub training: f64,
}
