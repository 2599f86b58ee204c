//! Every file of a run, written and read here: by the training, by a resume, by reports and by tools.

pub mod answers;
pub mod checkpoint;
pub mod run_dir;
pub mod trained;
pub mod weights;
