//! What checks find, for the terminal and for `--json`.

use std::path::PathBuf;

use serde::Serialize;

use super::compare::Outcome;

/// What one comparison of a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was compared; findings of the same name and unit are summed up in one line.
    pub what: &'static str,
    /// Where in the check: a step, a tensor, a model. Empty where there is but one place.
    pub at: String,
    /// How it came out.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Anything else worth saying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Finding {
    pub(super) fn new(what: &'static str, outcome: Outcome) -> Self {
        Self { what, at: String::new(), outcome, note: None }
    }

    pub(super) fn at(self, at: impl Into<String>) -> Self {
        Self { at: at.into(), ..self }
    }

    pub(super) fn note(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

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
