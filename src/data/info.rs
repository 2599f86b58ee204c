//! A summary of a data set: counts, colours, digest, and a contact sheet of its images.

use std::collections::HashSet;

use image::RgbImage;
use image::imageops::replace;
use serde::Serialize;

use super::cifar::{PLANE, SIDE};
use super::dataset::Dataset;
use super::picture;

/// Images of a class on the contact sheet, next to their mean.
const COLUMNS: usize = 16;
/// Pixels between images on the sheet.
const GAP: usize = 2;

/// The figures of a data set.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    /// What it is and where it came from.
    pub name: String,
    /// [`Dataset::digest`].
    pub sha256: String,
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Sizes of the training batches; empty for a set without batches.
    pub batches: Vec<usize>,
    /// Images of each class, in the order of the labels.
    pub classes: Vec<Class>,
    /// Red, green and blue over the training images.
    pub channels: Vec<Channel>,
    /// Test images that are also training images, pixel for pixel.
    pub in_both: usize,
}

/// The figures of a class.
#[derive(Clone, Debug, Serialize)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Its training images.
    pub train: usize,
    /// Its test images.
    pub test: usize,
}

/// The figures of a colour channel, 0 to 255.
#[derive(Clone, Debug, Serialize)]
pub struct Channel {
    /// Mean over all its pixels.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
}

impl Info {
    /// Counts the images of `dataset`.
    pub fn of(dataset: &Dataset) -> Self {
        let (train, test) = dataset.labels.split_at(dataset.train);
        let count = |labels: &[u8], class: usize| labels.iter().filter(|&&label| usize::from(label) == class).count();
        let classes = dataset.classes.iter().enumerate().map(|(class, name)| Class {
            name: name.clone(),
            train: count(train, class),
            test: count(test, class),
        });
        Self {
            name: dataset.name.clone(),
            sha256: dataset.digest(),
            train: train.len(),
            test: test.len(),
            batches: dataset.batches.iter().map(ExactSizeIterator::len).collect(),
            classes: classes.collect(),
            channels: (0..dataset.inputs / PLANE).map(|channel| Channel::of(dataset, channel)).collect(),
            in_both: in_both(dataset),
        }
    }
}

/// How many test images are also training images, pixel for pixel.
pub fn in_both(dataset: &Dataset) -> usize {
    let tests = dataset.train as u32..dataset.labels.len() as u32;
    let trained: HashSet<&[u8]> = (0..tests.start).map(|row| dataset.image(row)).collect();
    tests.filter(|&row| trained.contains(dataset.image(row))).count()
}

impl Channel {
    /// Sums are exact integers: 255² times the pixels of 2³² images is below 2⁶⁴.
    fn of(dataset: &Dataset, channel: usize) -> Self {
        let (mut sum, mut squares) = (0u64, 0u64);
        for row in 0..dataset.train as u32 {
            for &pixel in &dataset.image(row)[channel * PLANE..][..PLANE] {
                sum += u64::from(pixel);
                squares += u64::from(pixel).pow(2);
            }
        }
        let n = (dataset.train * PLANE).max(1) as f64;
        let mean = sum as f64 / n;
        Self { mean, deviation: (squares as f64 / n - mean * mean).max(0.0).sqrt() }
    }
}

/// The contact sheet: the mean of all training images on top, then a row for each class, in the order of the labels, with
/// the mean of its training images and the first 16 of them.
pub fn contact_sheet(dataset: &Dataset) -> RgbImage {
    let step = SIDE + GAP;
    let size = |cells: usize| (cells * step + GAP) as u32;
    let white = image::Rgb([255; 3]);
    // A gap of half an image between the means and the images.
    let mut sheet = RgbImage::from_pixel(size(1 + COLUMNS) + SIDE as u32 / 2, size(1 + dataset.classes.len()), white);
    let mut put = |line: usize, column: usize, planes: &[u8]| {
        let left = if column == 0 { GAP } else { GAP + SIDE / 2 + column * step };
        let [left, top] = [left, GAP + line * step].map(|pixels| pixels as u32);
        replace(&mut sheet, &picture::from_planes(planes), left.into(), top.into());
    };
    let all: Vec<_> = (0..dataset.train as u32).collect();
    put(0, 0, &mean_image(dataset, &all));
    for class in 0..dataset.classes.len() {
        let of_class = |&row: &u32| usize::from(dataset.labels[row as usize]) == class;
        let rows: Vec<_> = all.iter().copied().filter(of_class).collect();
        put(1 + class, 0, &mean_image(dataset, &rows));
        for (column, &row) in rows.iter().take(COLUMNS).enumerate() {
            put(1 + class, 1 + column, dataset.image(row));
        }
    }
    sheet
}

/// The rounded mean of images; black for none.
fn mean_image(dataset: &Dataset, rows: &[u32]) -> Vec<u8> {
    let mut sums = vec![0u64; dataset.inputs];
    for &row in rows {
        for (sum, &pixel) in sums.iter_mut().zip(dataset.image(row)) {
            *sum += u64::from(pixel);
        }
    }
    let n = rows.len().max(1) as u64;
    sums.into_iter().map(|sum| ((sum + n / 2) / n) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cifar::INPUTS;
    use super::*;

    /// Three training images and two test images of two classes; the second test image is the first training image.
    fn sample() -> Dataset {
        let image = |red: u8| [vec![red; PLANE], vec![10; PLANE], vec![20; PLANE]].concat();
        let pixels = [10, 20, 60, 99, 10].map(image).concat();
        Dataset::in_memory("sample", vec!["ant".into(), "bee".into()], INPUTS, pixels, vec![0, 0, 1, 1, 0], 3)
    }

    #[test]
    fn counts_colours_and_repeated_images_are_right() {
        let info = Info::of(&sample());
        assert_eq!((info.train, info.test, info.in_both), (3, 2, 1));
        assert_eq!(info.classes.iter().map(|class| (class.train, class.test)).collect::<Vec<_>>(), [(2, 1), (1, 1)]);
        approx::assert_relative_eq!(info.channels[0].mean, 30.0);
        approx::assert_relative_eq!(info.channels[0].deviation, (1400.0f64 / 3.0).sqrt(), max_relative = 1e-12);
        assert_eq!((info.channels[1].mean, info.channels[1].deviation), (10.0, 0.0));
    }

    #[test]
    fn the_contact_sheet_has_means_on_the_left_and_a_row_for_each_class() {
        let sheet = contact_sheet(&sample());
        let red = |line: u32, x: u32| sheet.get_pixel(x, 2 + line * 34).0[0];
        let image = |column: u32| 2 + 16 + column * 34;
        assert_eq!([red(0, 2), red(1, 2), red(2, 2)], [30, 15, 60]);
        assert_eq!([red(1, image(1)), red(1, image(2)), red(1, image(3))], [10, 20, 255]);
        assert_eq!([red(2, image(1)), red(2, image(2))], [60, 255]);
    }
}
