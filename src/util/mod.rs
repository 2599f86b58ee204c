//! Small helpers that any module may use: digests, files, locks, memory, random numbers, signals, statistics, text.

pub mod digest;
pub mod files;
pub mod lock;
pub mod memory;
pub mod random;
pub mod signals;
pub mod statistics;
pub mod text;
