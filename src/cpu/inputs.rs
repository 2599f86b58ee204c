//! Images on their way into the network: inputs from pixels. The shaders' twin: `shaders/inputs.wgsl`.

use pulp::Arch;
use rayon::prelude::*;

use super::real::Real;
use super::rows::Rows;
use crate::data::{Dataset, Images, Standardisation};

/// Images that a thread standardises at a time: 8 are 24 KB of pixels and 96 KB of f32, some 4 µs.
const IMAGES: usize = 8;

/// Pixels of an image before the next image's: the images are far apart in memory, and so fetched side by side.
const PIXELS: usize = 512;

/// A step's standardised images. Refilled step after step without allocation.
pub(super) struct Batch<T> {
    /// Each shuffle's.
    x: Vec<Rows<T>>,
    labels: Vec<u8>,
}

impl<T: Real> Batch<T> {
    /// No images of `inputs` pixels yet, of so many shuffles.
    pub(super) fn new(inputs: usize, shuffles: usize) -> Self {
        Self { x: vec![Rows::zeros(0, inputs); shuffles], labels: Vec::new() }
    }

    /// Takes in `images [G][length]` of the data set.
    pub(super) fn fill(&mut self, data: &Dataset, statistics: &Standardisation, images: Images<'_>, length: usize) {
        self.labels.clear();
        self.labels.extend(images.rows.iter().map(|&row| data.labels[row as usize]));
        self.x.par_iter_mut().zip(images.par_chunks(length)).for_each(|(x, images)| {
            x.resize(length);
            let stride = x.stride();
            let parts = x.values_mut().par_chunks_mut(IMAGES * stride).zip(images.par_chunks(IMAGES));
            parts.for_each_init(Vec::new, |moved, (x, images)| {
                // Images that are not moved are read where they lie.
                if !images.moves.is_empty() {
                    moved.resize(images.len() * data.inputs, 0);
                    data.gather(images, moved);
                }
                let pixels = |place: usize| match images.moves {
                    [] => data.image(images.rows[place]),
                    _ => &moved[place * data.inputs..][..data.inputs],
                };
                for first in (0..data.inputs).step_by(PIXELS) {
                    let part = first..data.inputs.min(first + PIXELS);
                    let [mean, scale] = [&statistics.mean, &statistics.scale].map(|values| &values[part.clone()]);
                    for (place, x) in x.chunks_exact_mut(stride).enumerate() {
                        standardise(&pixels(place)[part.clone()], mean, scale, &mut x[part.clone()]);
                    }
                }
            });
        });
    }

    /// The images of shuffle `group`, `[B, D]`.
    pub(super) fn x(&self, group: usize) -> &Rows<T> {
        &self.x[group]
    }

    /// The labels of shuffle `group`, `[B]`.
    pub(super) fn labels(&self, group: usize) -> &[u8] {
        let length = self.labels.len() / self.x.len();
        &self.labels[group * length..][..length]
    }
}

/// Standardises images: `x [B, D]` from `pixels [B, D]`, `mean [D]` and `scale [D]`.
fn standardise<T: Real>(pixels: &[u8], mean: &[f32], scale: &[f32], x: &mut [T]) {
    assert_eq!(pixels.len(), x.len(), "an input for each pixel");
    // Only for the widest registers: the compiler makes use of them by itself.
    Arch::new().dispatch(|| {
        for (pixels, x) in pixels.chunks_exact(mean.len()).zip(x.chunks_exact_mut(mean.len())) {
            for (((x, &pixel), &mean), &scale) in x.iter_mut().zip(pixels).zip(mean).zip(scale) {
                *x = (<T as From<u8>>::from(pixel) - <T as From<f32>>::from(mean)) * <T as From<f32>>::from(scale);
            }
        }
    });
}
