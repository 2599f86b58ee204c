//! The built-in stand-in for CIFAR-10: ten shapes, drawn when needed, in the layout of the official set.
//!
//! It has 50,000 training images in five batches of 10,000, and 10,000 test images, 32 × 32 pixels, RGB. Image `i` is a
//! pure function of `i` and shows class `i mod 10`, so every batch has 1,000 images of each class. All arithmetic is on
//! integers, so every platform draws the same bytes.
//!
//! The images are hard to classify: a shape is lighter or darker than its background (lighter in 13 of 16 images), has
//! any colour, is up to 6 pixels off the centre and 14 to 24 pixels wide, and may be partly covered by a spot; the
//! background has a gradient, and the noise is as strong as the shape. The mean image of a class therefore says little,
//! and a linear classifier, whose templates cannot match both contrasts, learns little. A hidden unit can detect one shape
//! in one contrast at one place.
//!
//! Accuracy in f32 with the settings of the report's `best` (`B` 100, `lambda` .00895 `half`, `n_s` 980, 3 cycles, the
//! last 1,000 training images for validation), seeds 0, 1, 2, on 2026-11-23:
//!
//! | network | training accuracy | test accuracy |
//! |---|---|---|
//! | 3072 → 10, linear | 32.8, 32.6, 32.9 % | 14.3, 14.3, 14.1 % |
//! | 3072 → 50 → 10 | 96.5, 96.6, 96.5 % | 73.6, 73.5, 73.4 % |
//!
//! The set is for trying out the program. Its accuracies say nothing about CIFAR-10.

#![expect(clippy::cast_possible_wrap, reason = "coordinates and sizes of an image are far below 2^31")]

use rand::Rng;
use rayon::prelude::*;

use super::cifar::{BATCH, BATCHES, IMAGES, INPUTS, PLANE, SIDE};
use super::dataset::{Dataset, blank_pixels};
use crate::error::Result;
use crate::util::random::{Purpose, stream};

/// The shapes, in the order of their labels.
pub const CLASSES: [&str; 10] =
    ["disc", "ring", "square", "frame", "plus", "cross", "triangle", "bow tie", "bars", "stripes"];

/// Another seed would give other images of the same kind.
const SEED: u64 = 0;
/// Lengths are in sixteenths of a pixel.
const PIXEL: i32 = 16;
/// Half-width of a shape in its own coordinates, see [`covers`].
const UNIT: i32 = 64;

/// The name of the data set.
pub const NAME: &str = "built-in stand-in";

/// All the images.
pub fn dataset() -> Result<Dataset> {
    let mut pixels = blank_pixels(IMAGES * INPUTS)?;
    pixels.par_chunks_exact_mut(INPUTS).enumerate().for_each(|(index, image)| draw(index as u64, image));
    let labels = (0..IMAGES).map(|index| class_of(index as u64)).collect();
    let classes = CLASSES.map(String::from).to_vec();
    Ok(Dataset::in_memory(NAME, classes, INPUTS, pixels, labels, BATCHES * BATCH).in_batches_of(BATCH))
}

fn class_of(index: u64) -> u8 {
    (index % CLASSES.len() as u64) as u8
}

/// Draws image `index`: background, gradient, shape, spot, noise, in this order.
fn draw(index: u64, image: &mut [u8]) {
    let mut random = stream(SEED, Purpose::StandIn, index);
    let mut noise = [0; INPUTS];
    random.fill_bytes(&mut noise);
    // Uniform over `low..=high` up to a bias below 2⁻²². By hand, because `rand`'s method may change with its version.
    let mut between =
        |low: i32, high: i32| low + ((u64::from(random.next_u32()) * u64::from(high.abs_diff(low) + 1)) >> 32) as i32;

    let side = SIDE as i32 * PIXEL;
    let half_width = between(7 * PIXEL, 12 * PIXEL);
    let centre = (side / 2 + between(-6 * PIXEL, 6 * PIXEL), side / 2 + between(-6 * PIXEL, 6 * PIXEL));
    let contrast = if between(0, 15) < 13 { 1 } else { -1 };
    let shape = coverage(|x, y| {
        covers(class_of(index), (x - centre.0) * UNIT / half_width, (y - centre.1) * UNIT / half_width)
    });

    let radius = between(4 * PIXEL, 8 * PIXEL);
    let spot_centre = (between(0, side - 1), between(0, side - 1));
    let spot_contrast = if between(0, 1) == 0 { 1 } else { -1 };
    let spot = coverage(|x, y| (x - spot_centre.0).pow(2) + (y - spot_centre.1).pow(2) < radius.pow(2));

    for (plane, noise) in image.chunks_exact_mut(PLANE).zip(noise.chunks_exact(PLANE)) {
        let shape_step = contrast * between(20, 110);
        let spot_step = spot_contrast * between(20, 110);
        // Shape and background are centred on mid-grey, so few pixels are clipped at 0 or 255.
        let ground = 128 - shape_step / 2 + between(-50, 50);
        let slope = (between(-40, 40), between(-40, 40));
        for (at, pixel) in plane.iter_mut().enumerate() {
            // From -31 to 31 across the image.
            let from_centre = |place: usize| 2 * (place as i32) - (SIDE as i32 - 1);
            let tilt = (slope.0 * from_centre(at % SIDE) + slope.1 * from_centre(at / SIDE)) / (SIDE as i32 - 1);
            let drawn = (shape_step * shape[at] + spot_step * spot[at]) / 4;
            let grain = (i32::from(noise[at]) - 128) * 96 / 128;
            *pixel = (ground + tilt + drawn + grain).clamp(0, 255) as u8;
        }
    }
}

/// For each pixel, how many of its 2 × 2 sample points are `inside`.
fn coverage(inside: impl Fn(i32, i32) -> bool) -> [i32; PLANE] {
    std::array::from_fn(|at| {
        let (left, top) = ((at % SIDE) as i32 * PIXEL, (at / SIDE) as i32 * PIXEL);
        let points = [(4, 4), (12, 4), (4, 12), (12, 12)];
        points.iter().filter(|point| inside(left + point.0, top + point.1)).count() as i32
    })
}

/// Whether the shape of `class` covers a point, `x` to the right and `y` down from its centre; [`UNIT`] is half its width.
fn covers(class: u8, x: i32, y: i32) -> bool {
    let (across, down) = (x.abs(), y.abs());
    let from_centre = across.max(down);
    let radius_squared = x * x + y * y;
    match class {
        0 => radius_squared < 50 * 50,
        1 => (32 * 32..60 * 60).contains(&radius_squared),
        2 => from_centre < 44,
        3 => (36..58).contains(&from_centre),
        4 => from_centre < 60 && across.min(down) < 16,
        5 => from_centre < 52 && (across - down).abs() < 24,
        6 => down < 52 && 2 * across < y + 56,
        7 => across < 56 && down < across,
        8 => from_centre < 56 && (y + 56) / 22 % 2 == 0,
        _ => from_centre < 56 && (x + 56) / 22 % 2 == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_images_are_the_same_bytes_on_every_platform() {
        let mut images = vec![0; 20 * INPUTS];
        images.chunks_exact_mut(INPUTS).enumerate().for_each(|(index, image)| draw(index as u64, image));
        assert_eq!(
            crate::util::digest::sha256(&images),
            "559d6461c095b953976e3b96bae416930d5d9823f9d2384fb3761582a76143dc"
        );
    }

    #[test]
    fn an_image_depends_only_on_its_index() {
        let data = dataset().unwrap();
        let mut alone = vec![0; INPUTS];
        for index in [0, 9_999, 50_000, 59_999] {
            draw(index.into(), &mut alone);
            assert_eq!(data.image(index), alone);
        }
        assert_ne!(data.image(0), data.image(10), "two images of one class differ");
    }

    #[test]
    fn every_batch_has_a_thousand_images_of_each_class() {
        let data = dataset().unwrap();
        let count = |labels: &[u8]| {
            let mut images = [0; 10];
            for &label in labels {
                images[usize::from(label)] += 1;
            }
            images
        };
        for batch in data.labels.chunks(BATCH) {
            assert_eq!(count(batch), [1000; 10]);
        }
        assert_eq!((data.train, data.labels.len(), data.batches.len()), (50_000, 60_000, 5));
    }
}
