//! Cyclone.

pub mod cli;
pub mod commands;
pub mod config;
pub mod cpu;
pub mod data;
pub mod device;
pub mod display;
pub mod engine;
pub mod error;
pub mod gpu;
pub mod kernels;
pub mod params;
pub mod preset;
pub mod random;
pub mod run_dir;
pub mod schedule;
pub mod spec;
pub mod train;
pub mod weights;
