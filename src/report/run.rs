//! A run to report on.

use std::path::PathBuf;

use crate::records::run::Records;

/// A run.
pub(super) struct Run {
    /// What people call it.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it has.
    pub records: Records,
}
