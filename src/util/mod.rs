//! What every module may use and none is about: text, files, locks, random numbers, signals, statistics.

pub mod files;
pub mod lock;
pub mod memory;
pub mod random;
pub mod signals;
pub mod statistics;
pub mod text;
