//! The training loop, for every engine and any number of models, and the range test of learning rates.
//!
//! What is shown and what is recorded stay out of it: an [`Observer`] and a [`Keeper`] are told.

pub use keeper::{Keeper, Peers};
pub use observer::{Divergence, Observer};
pub use outcome::{OVERFIT_LOSS, Outcome, Stopped};
pub use plan::Plan;
pub use scores::{Evaluation, Score, Scores, Timing};
pub use state::{BatchLosses, Best, State};
pub use state_machine::{Action, Driver, Loop};
pub use training::Training;

mod keeper;
pub mod lr_find;
mod observer;
mod outcome;
mod plan;
mod scores;
mod state;
mod state_machine;
mod training;
