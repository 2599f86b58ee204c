//! The proof that goes with a run: an engine's results, computed again by the reference while it trains.
//!
//! [`Checked`] is an engine around another one. Before the first step it has that one take two steps and judges them; from
//! then on it judges a step and some scored images after each evaluation, on a thread of its own. `verify` judges by the same
//! [`Lockstep`] and the same [rules](compare::Rule).

mod checked;
pub mod compare;
mod finding;
mod impossible;
mod lockstep;
mod start;

pub use checked::{Checked, Pace};
pub use finding::Finding;
pub use lockstep::{Lockstep, memory};
