//! Opening the device and the images, as most commands start.

use std::sync::Arc;

use crate::config::device::Choice;
use crate::data::Dataset;
use crate::data::spec::Source;
use crate::device::Device;
use crate::device::Place;
use crate::error::Result;
use crate::terminal::Display;

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
