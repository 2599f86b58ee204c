//! Cyclone.

pub mod cpu;
pub mod data;
pub mod engine;
pub mod error;
pub mod gpu;
pub mod kernels;
pub mod params;
pub mod random;
pub mod schedule;
pub mod spec;
