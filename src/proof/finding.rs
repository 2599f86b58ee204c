//! What one comparison found.

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
    /// A comparison of `what`.
    pub fn new(what: &'static str, outcome: Outcome) -> Self {
        Self { what, at: String::new(), outcome, note: None }
    }

    /// The same, at this place.
    #[must_use]
    pub fn at(self, at: impl Into<String>) -> Self {
        Self { at: at.into(), ..self }
    }

    /// The same with a note.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}
