//! One picture, a PNG or JPEG file of any size, as an image of the data set: channel-planar RGB of 32 × 32 pixels.
//!
//! Grey is repeated, transparency dropped, of an animation the first frame is taken; a picture is turned as its EXIF
//! orientation says; the proportions are not kept.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Mutex;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use super::cifar::{PLANE, SIDE};
use crate::error::{Error, Result};
use crate::util::memory;
use crate::util::text::grouped;

/// Largest width and height of a picture, checked before its pixels are decoded: a phone of 200 megapixels has 16,320.
const MAX_SIDE: u32 = 16_384;
/// The most bytes of a file, and of its decoded pixels: four a pixel of the largest.
const MAX_BYTES: u64 = 1 << 30;
/// Pictures of more decoded bytes are decoded one at a time, so that the memory needed does not grow with the threads.
/// Those of the usual cameras, 24 megapixels and 72 MB, are smaller.
const LARGE: u64 = 1 << 27;

/// Held while a large picture is decoded.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Decodes a picture into `pixels [D]`, and says whether it was resized.
///
/// # Errors
///
/// [`Error::Data`], naming the file, for anything but a whole PNG or JPEG of at most 16,384 pixels a side and 1 GiB.
/// [`Error::Resources`] where there is no memory for a large one.
pub fn read(path: &Path, pixels: &mut [u8]) -> Result<bool> {
    let refused = |what: String| Error::data(path, what);
    // A decoder's message may end with a line break.
    let damaged =
        |fault: ImageError| refused(format!("{}; expected a PNG or JPEG image", fault.to_string().trim_end()));
    let unreadable = |fault| damaged(ImageError::IoError(fault));
    // Asked before it is opened: reading a pipe or a device might never end.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(refused("not a regular file, expected a PNG or JPEG image".into()));
    }
    let [length, most] = [metadata.len(), MAX_BYTES].map(grouped);
    if metadata.len() > MAX_BYTES {
        return Err(refused(format!("{length} bytes, expected {most} at most")));
    }
    let file = fs::read(path).map_err(unreadable)?;
    let mut reader = ImageReader::new(Cursor::new(&file)).with_guessed_format().map_err(unreadable)?;
    match reader.format() {
        Some(ImageFormat::Png) => {}
        Some(ImageFormat::Jpeg) if has_end(&file) => {}
        Some(ImageFormat::Jpeg) => {
            return Err(refused(format!("cut: {length} bytes, and the JPEG image does not end")));
        }
        _ => return Err(refused("neither PNG nor JPEG by its first bytes: convert it".into())),
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let ((width, height), decoded) = (decoder.dimensions(), decoder.total_bytes());
    if width.max(height) > MAX_SIDE || decoded > MAX_BYTES {
        let [width, height, side] = [width, height, MAX_SIDE].map(|side| grouped(side.into()));
        return Err(refused(format!(
            "{width} x {height} pixels, {} bytes decoded: expected {side} pixels a side and {most} bytes at most; make it \
             smaller",
            grouped(decoded)
        )));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let turn = (decoded > LARGE).then(|| ONE_AT_A_TIME.lock());
    if turn.is_some() {
        // As it is decoded, and as RGB. A Vec that gets no memory ends the process.
        memory::expect(u128::from(decoded) + 3 * u128::from(width) * u128::from(height), "a picture")?;
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?.into_rgb8();
    let side = SIDE as u32;
    let needs_resizing = image.dimensions() != (side, side);
    if needs_resizing {
        // Of the sharp filters the one made of sums and products alone, so that every platform gets the same bytes.
        image = imageops::resize(&image, side, side, FilterType::CatmullRom);
    }
    drop(turn);
    // As the camera was held. Turned only now, when it is small: the proportions are not kept anyway.
    let mut image = DynamicImage::from(image);
    image.apply_orientation(orientation);
    to_planes(&image.into_rgb8(), pixels);
    Ok(needs_resizing)
}

/// Whether a JPEG has the marker of its end behind the beginning of its data (ITU-T T.81, annex B). The decoder makes grey
/// of what is missing, and says nothing.
fn has_end(jpeg: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let mut at = 2;
    // What stands before the data says how long it is; a thumbnail in it has an end of its own.
    while let Some(&[0xff, marker, high, low]) = jpeg.get(at..at + 4)
        && marker != START_OF_SCAN
    {
        // Before a marker there may be any number of bytes of all ones.
        at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    jpeg.get(at..).is_some_and(|data| data.windows(2).any(|marker| marker == END_OF_IMAGE))
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

#[cfg(test)]
mod tests;
