//! Images and labels: sources, download, splits, standardisation, augmentation and mini-batches, for both engines and every
//! command.

mod archive;
mod augment;
pub mod batches;
pub mod binary;
mod cifar;
mod dataset;
pub mod fetch;
mod folder;
pub mod info;
mod mirror;
mod moves;
mod open;
pub mod picture;
pub mod spec;
pub mod split;
pub mod stand_in;
mod standardise;

pub use cifar::{FILES, INPUTS};
pub use dataset::Dataset;
pub use folder::picture_files;
pub use mirror::mirrored;
pub use moves::{ImageList, Images, Mix, Move, Planes};
pub use standardise::Standardisation;
