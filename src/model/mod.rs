//! Networks: their shapes, tensors and initial values. Both engines, the records and the referee use it.

pub use shape::ModelSpec;

pub mod params;
pub mod reference;
mod shape;
