//! One picture, a PNG or JPEG file of any size, as an image of the data set: channel-planar RGB of 32 × 32 pixels.
//!
//! Grey is repeated, transparency dropped, of an animation the first frame is taken; the proportions are not kept.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use super::cifar::{PLANE, SIDE};
use crate::error::{Error, Result};

/// Largest width and height of an image, checked before its pixels are decoded.
const MAX_SIDE: u32 = 8192;
/// Most memory that the decoding of an image may take: three bytes a pixel of the largest, and as much again.
const MAX_BYTES: u64 = 6 * (MAX_SIDE as u64).pow(2);

/// Decodes a picture into `pixels [D]`, and says whether it was resized.
///
/// # Errors
///
/// [`Error::Data`], naming the file, for anything but a whole PNG or JPEG of at most 8,192 pixels a side.
pub fn read(path: &Path, pixels: &mut [u8]) -> Result<bool> {
    let failed = |fault: String| Error::data(path, format!("{fault}; expected a PNG or JPEG image"));
    // Asked before it is opened: reading a pipe or a device might never end.
    if !fs::metadata(path).map_err(|fault| failed(fault.to_string()))?.is_file() {
        return Err(failed("not a regular file".into()));
    }
    let file = File::open(path).map_err(|fault| failed(fault.to_string()))?;
    let mut reader =
        ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|fault| failed(fault.to_string()))?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(failed("neither PNG nor JPEG by its first bytes".into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut image = reader.decode().map_err(|fault| failed(fault.to_string()))?.into_rgb8();
    let side = SIDE as u32;
    let needs_resizing = image.dimensions() != (side, side);
    if needs_resizing {
        // Of the sharp filters the one made of sums and products alone, so that every platform gets the same bytes.
        image = imageops::resize(&image, side, side, FilterType::CatmullRom);
    }
    to_planes(&image, pixels);
    Ok(needs_resizing)
}

/// Red, green and blue of each pixel, to all the red, all the green, all the blue.
fn to_planes(image: &RgbImage, planes: &mut [u8]) {
    for (channel, plane) in planes.chunks_exact_mut(PLANE).enumerate() {
        for (out, pixel) in plane.iter_mut().zip(image.pixels()) {
            *out = pixel.0[channel];
        }
    }
}

/// The picture of an image's `planes [D]`.
pub fn from_planes(planes: &[u8]) -> RgbImage {
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let at = y as usize * SIDE + x as usize;
        Rgb([0, 1, 2].map(|channel| planes[channel * PLANE + at]))
    })
}
