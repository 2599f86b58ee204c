//! A PNG or JPEG file of any size as an image of the data set: channel-planar RGB of 32 × 32 pixels.
//!
//! Grey becomes RGB, transparency is dropped, the first frame of an animation is used, and the EXIF orientation is applied.
//! The aspect ratio is not kept.

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

/// Largest width and height, checked before the pixels are decoded: a 200-megapixel phone has 16,320.
const MAX_SIDE: u32 = 16_384;
/// Largest size of a file and of its decoded pixels: four bytes for each pixel of the largest image.
const MAX_BYTES: u64 = 1 << 30;
/// Images with more decoded bytes are decoded one at a time, so that memory use does not grow with the threads. A
/// 24-megapixel photo, 72 MB, is smaller.
const LARGE: u64 = 1 << 27;

/// Held while a large image is decoded.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Decodes an image file into `pixels [D]`, and returns whether it was resized.
///
/// [`Error::Data`] for anything but a complete PNG or JPEG file of at most 16,384 pixels a side and 1 GiB.
pub fn read(path: &Path, pixels: &mut [u8]) -> Result<bool> {
    let refused = |what: String| Error::data(path, what);
    // A decoder's message may end with a newline.
    let damaged =
        |fault: ImageError| refused(format!("{}; expected a PNG or JPEG image", fault.to_string().trim_end()));
    let unreadable = |fault| damaged(ImageError::IoError(fault));
    // Checked before opening it: reading a pipe or a device may never end.
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
            return Err(refused(format!("truncated: the JPEG image does not end within {length} bytes")));
        }
        _ => return Err(refused("neither PNG nor JPEG by its first bytes: convert it".into())),
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let ((width, height), decoded) = (decoder.dimensions(), decoder.total_bytes());
    if width.max(height) > MAX_SIDE || decoded > MAX_BYTES {
        let [width, height, side] = [width, height, MAX_SIDE].map(grouped);
        return Err(refused(format!(
            "{width} x {height} pixels, {} bytes decoded: expected {side} pixels a side and {most} bytes at most; \
             reduce it",
            grouped(decoded)
        )));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let turn = (decoded > LARGE).then(|| ONE_AT_A_TIME.lock());
    if turn.is_some() {
        // As decoded, and as RGB. The decoder itself would abort the process.
        memory::expect(u128::from(decoded) + 3 * u128::from(width) * u128::from(height), "an image")?;
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?.into_rgb8();
    let side = SIDE as u32;
    let needs_resizing = image.dimensions() != (side, side);
    if needs_resizing {
        // The sharp filter that needs only sums and products, so that every platform gets the same bytes.
        image = imageops::resize(&image, side, side, FilterType::CatmullRom);
    }
    drop(turn);
    // Rotated after resizing, when it is small: the aspect ratio is not kept anyway.
    let mut image = DynamicImage::from(image);
    image.apply_orientation(orientation);
    to_planes(&image.into_rgb8(), pixels);
    Ok(needs_resizing)
}

/// Whether a JPEG has an end marker after the start of its data (ITU-T T.81, annex B). The decoder silently fills what is
/// missing with grey.
fn has_end(jpeg: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let mut at = 2;
    // Segments before the data have a length; a thumbnail in one has an end marker of its own.
    while let Some(&[0xff, marker, high, low]) = jpeg.get(at..at + 4)
        && marker != START_OF_SCAN
    {
        // Any number of 0xff bytes may precede a marker.
        at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    jpeg.get(at..).is_some_and(|data| data.windows(2).any(|marker| marker == END_OF_IMAGE))
}

/// Interleaved to channel-planar.
fn to_planes(image: &RgbImage, planes: &mut [u8]) {
    for (channel, plane) in planes.chunks_exact_mut(PLANE).enumerate() {
        for (out, pixel) in plane.iter_mut().zip(image.pixels()) {
            *out = pixel.0[channel];
        }
    }
}

/// Channel-planar to interleaved: the image of `planes [D]`.
pub fn from_planes(planes: &[u8]) -> RgbImage {
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let at = y as usize * SIDE + x as usize;
        Rgb([0, 1, 2].map(|channel| planes[channel * PLANE + at]))
    })
}

#[cfg(test)]
mod tests;
