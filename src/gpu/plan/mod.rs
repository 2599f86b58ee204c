//! What a job needs of an adapter: sizes, grids and constants, worked out and checked before anything is created.

mod dispatch;
mod limits;
mod sizes;
mod tiles;
mod tuning;
mod work;

pub(in crate::gpu) use sizes::small_name;
pub use sizes::{LOSSES, LayerSizes, Plan, Sizes, TALLIES, Wide};
pub use tiles::{GROUP, PART, SLICE, TALLY};
pub use tuning::Tuning;
pub use work::Work;
