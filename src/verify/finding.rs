//! What checks find, for the terminal and for `--json`.

use std::path::PathBuf;

use serde::Serialize;

use crate::proof::Finding;

/// What a check came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The check's name.
    pub name: String,
    /// Its family.
    pub group: &'static str,
    /// Why it could not run here, if it could not. Such a check has found nothing, and has not passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What it compared; empty only if it was skipped.
    pub findings: Vec<Finding>,
    /// The file with inputs, outputs and expected values of a kernel that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<PathBuf>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// What was wrong.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.outcome.passed())
    }

    /// Whether it ran and something was wrong.
    pub fn failed(&self) -> bool {
        self.failures().next().is_some()
    }
}
