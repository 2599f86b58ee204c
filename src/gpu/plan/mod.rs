//! What a job needs of an adapter: sizes, grids and constants, worked out and checked before anything is created.

mod dispatch;
mod limits;
mod sizes;
mod tiles;
mod tuning;
mod work;

pub use sizes::{LOSSES, Plan, Sizes, TALLIES};
pub use tiles::{PART, SLICE, TALLY};
pub use tuning::Tuning;
pub use work::Work;
