//! A run to report on.

use std::path::PathBuf;

use crate::records::run::Records;

pub(super) struct Run {
    /// What people call it.
    pub name: String,
    pub path: PathBuf,
    pub records: Records,
}
