//! Networks: their shapes, tensors and initial values, for both engines, the records and the referee.

pub use shape::{Hidden, ModelSpec};

pub mod optimizer;
pub mod params;
pub mod reference;
pub mod regularise;
mod shape;
pub mod softmax;
