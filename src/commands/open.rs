//! How most commands start: opening the device and the images, joining the ranks.

use std::process;
use std::sync::Arc;

use crate::config::device::Choice;
use crate::data::Dataset;
use crate::data::spec::Source;
use crate::device::{Device, Place};
use crate::error::{Error, Result};
use crate::ranks::{Cause, Ranks};
use crate::terminal::{self, Display};

/// Opens the device and the images at the same time, as neither the driver nor the disk waits for the other, and shows
/// their notices. `place` is that of this process on its machine.
pub fn device_and_images(
    choice: &Choice,
    place: Place,
    source: &Source,
    display: &Display,
) -> Result<(Device, Arc<Dataset>)> {
    let (device, dataset) = rayon::join(|| Device::open_at(choice, place), || Dataset::open(source));
    let device = device?;
    device.notice.iter().for_each(|notice| display.note(notice));
    let dataset = dataset?;
    dataset.notice.iter().for_each(|notice| display.note(notice));
    Ok((device, Arc::new(dataset)))
}

/// Runs a command on this rank of a job, and ends the whole job if this rank fails alone.
pub fn on_ranks(command: impl FnOnce(&Ranks) -> Result<()>) -> Result<()> {
    let ranks = Ranks::join()?;
    match command(&ranks) {
        // All ranks know of it, and the first one prints it, unless another's exit code makes the launcher kill it before.
        Err(Error::Job { .. }) if !ranks.is_first() => Ok(()),
        // The launcher has sent the signal to all ranks, or kills those it has not.
        Err(error @ Error::Interrupted { .. }) if ranks.count() > 1 => {
            if ranks.is_first() {
                terminal::error(&error);
            }
            process::exit(error.exit_code().into())
        }
        // The others would wait for this one.
        Err(error) if ranks.count() > 1 && !matches!(error, Error::Job { .. }) => {
            terminal::error(&Cause::from(&error).of(ranks.rank()));
            ranks.abort(error.exit_code())
        }
        result => result,
    }
}
