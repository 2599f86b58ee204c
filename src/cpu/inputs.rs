//! Images on their way into the network: inputs from pixels. The shaders' twin: `shaders/inputs.wgsl`.
//!
//! Standardised, a batch of the report is 1.2 MB, more than a second cache: it takes as long to write for others as to
//! compute. So, as on a GPU, pixels stay bytes until they are inside a kernel, and each part of a model standardises those that
//! it is about to multiply into its nearest cache. Only where many parts share a batch is it standardised ahead.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::dropout::drop_units;
use super::real::Real;
use super::rows::Rows;
use crate::data::{Dataset, Images};
use crate::model::regularise::{Dropout, Target};

/// Images that a thread gathers at a time: 8 are 24 KB of pixels and 96 KB of f32, some 4 µs.
const IMAGES: usize = 8;

/// Pixels of an image before the next image's: the images are far apart in memory, and so fetched side by side.
const PIXELS: usize = 512;

/// The most parts that standardise a batch themselves. Of the report's, on a Zen 4 (AVX-512), each takes 29 µs; ahead, it
/// took two threads together 98 µs.
const SHARED: usize = 4;

/// Registers of every row that are standardised at a time: their means and scales, 8 registers, are loaded once.
const REGISTERS: usize = 4;

/// What enters a layer, `[B, D]`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inputs<'a, T> {
    /// Pixels, and the means and scales `[2, D]` that make inputs of them.
    Pixels(&'a Rows<u8>, &'a Rows<T>),
    /// Standardised images, or what leaves the layer before.
    Values(&'a Rows<T>),
}

impl<'a, T: Real> Inputs<'a, T> {
    /// `B`.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Pixels(pixels, _) => pixels.rows(),
            Self::Values(values) => values.rows(),
        }
    }

    /// See [`Rows::width`].
    pub(super) fn width(&self) -> usize {
        self.values().width()
    }

    /// Of the weights' rows, see [`Rows::stride`].
    pub(super) fn stride(&self) -> usize {
        self.values().stride()
    }

    /// A matrix of as many values in a row.
    fn values(&self) -> &'a Rows<T> {
        match self {
            Self::Pixels(_, values) | Self::Values(values) => values,
        }
    }

    /// Some inputs, whole registers of them, of some images, and how many values lie from one image's to the next one's.
    #[inline(always)]
    pub(super) fn panel<'b, S: Simd>(
        &'b self,
        simd: S,
        images: Range<usize>,
        inputs: Range<usize>,
        scratch: &'b mut Rows<T>,
    ) -> (&'b [T], usize) {
        match self {
            Self::Values(values) => {
                let stride = values.stride();
                (&values.values()[images.start * stride + inputs.start..images.end * stride], stride)
            }
            Self::Pixels(pixels, statistics) => {
                scratch.reshape(images.len(), inputs.len());
                let (stride, size) = (scratch.stride(), size_of::<T::Lanes<S>>() / size_of::<T>());
                let first = images.start * pixels.stride() + inputs.start;
                let from = (&pixels.values()[first..], pixels.stride());
                let (mean, scale) = statistics.values().split_at(statistics.stride());
                let statistics = [mean, scale].map(|values| T::lanes::<S>(&values[inputs.clone()]));
                let registers = inputs.len() / size;
                let whole = registers - registers % REGISTERS;
                for register in (0..whole).step_by(REGISTERS) {
                    standardise::<T, S, REGISTERS>(simd, register, from, statistics, (scratch.values_mut(), stride));
                }
                for register in whole..registers {
                    standardise::<T, S, 1>(simd, register, from, statistics, (scratch.values_mut(), stride));
                }
                (scratch.values(), stride)
            }
        }
    }
}

/// `x` from pixels in some registers of every row, of both so long, and `statistics`, the means and scales.
#[inline(always)]
fn standardise<T: Real, S: Simd, const REGISTERS: usize>(
    simd: S,
    first: usize,
    (pixels, pixels_stride): (&[u8], usize),
    [means, scales]: [&[T::Lanes<S>]; 2],
    (x, stride): (&mut [T], usize),
) {
    let size = size_of::<T::Lanes<S>>() / size_of::<T>();
    let (mut mean, mut scale) = ([T::ZERO.splat(simd); REGISTERS], [T::ZERO.splat(simd); REGISTERS]);
    mean.copy_from_slice(&means[first..][..REGISTERS]);
    scale.copy_from_slice(&scales[first..][..REGISTERS]);
    for (x, pixels) in x.chunks_exact_mut(stride).zip(pixels.chunks(pixels_stride)) {
        let x = &mut T::lanes_mut::<S>(x)[first..][..REGISTERS];
        let pixels = pixels[first * size..][..REGISTERS * size].chunks_exact(size);
        for (((x, pixels), mean), scale) in x.iter_mut().zip(pixels).zip(mean).zip(scale) {
            *x = T::standardise(simd, pixels, mean, scale);
        }
    }
}

/// A step's images. Refilled step after step without allocation.
pub(super) struct Batch<T> {
    /// Each shuffle's.
    gathered: Vec<Gathered<T>>,
    targets: Vec<Target>,
    /// Means and scales, `[2, D]`.
    statistics: Arc<Rows<T>>,
}

/// A shuffle's images `[B, D]`.
#[derive(Clone)]
enum Gathered<T> {
    Pixels(Rows<u8>),
    /// Standardised.
    Values(Rows<T>),
}

impl<T: Real> Batch<T> {
    /// Whether images stay bytes where so many parts of models share a shuffle.
    pub(super) fn keeps_pixels(parts: usize) -> bool {
        parts <= SHARED
    }

    /// No images yet, of so many shuffles; `statistics [2, D]` are means and scales. Images of which inputs are left out must be
    /// standardised ahead: bytes have no zero.
    pub(super) fn new(statistics: &Arc<Rows<T>>, shuffles: usize, keeps_pixels: bool) -> Self {
        let inputs = statistics.columns();
        let gathered = if keeps_pixels {
            Gathered::Pixels(Rows::zeros(0, inputs))
        } else {
            Gathered::Values(Rows::zeros(0, inputs))
        };
        Self { gathered: vec![gathered; shuffles], targets: Vec::new(), statistics: Arc::clone(statistics) }
    }

    /// Takes in `images [G][length]` of the data set, of those of a shuffle the inputs left out that `masks` says.
    pub(super) fn fill(
        &mut self,
        data: &Dataset,
        images: Images<'_>,
        length: usize,
        masks: impl Fn(usize) -> Option<Dropout> + Sync,
    ) {
        self.targets.clear();
        self.targets.extend(data.targets(images));
        let (mean, scale) = self.statistics.values().split_at(self.statistics.stride());
        let groups = self.gathered.par_iter_mut().zip(images.par_chunks(length)).enumerate();
        groups.for_each(|(group, (gathered, images))| match gathered {
            Gathered::Pixels(pixels) => gather(data, images, pixels, |_, from, to| to.copy_from_slice(from)),
            Gathered::Values(x) => {
                gather(data, images, x, |part, pixels, x| {
                    standardise_ahead(pixels, &mean[part.clone()], &scale[part], x);
                });
                let (units, stride) = (x.columns(), x.stride());
                drop_units(masks(group), x.values_mut(), units, stride);
            }
        });
    }

    /// The images of shuffle `group`, `[B, D]`.
    pub(super) fn x(&self, group: usize) -> Inputs<'_, T> {
        match &self.gathered[group] {
            Gathered::Pixels(pixels) => Inputs::Pixels(pixels, &self.statistics),
            Gathered::Values(x) => Inputs::Values(x),
        }
    }

    /// What a step teaches of the images of shuffle `group`, `[B]`.
    pub(super) fn targets(&self, group: usize) -> &[Target] {
        let length = self.targets.len() / self.gathered.len();
        &self.targets[group * length..][..length]
    }
}

/// Fills `to [rows, D]` with what `each` makes of `images` of the data set: of some inputs, from their pixels.
fn gather<V: Pod + Send>(
    data: &Dataset,
    images: Images<'_>,
    to: &mut Rows<V>,
    each: impl Fn(Range<usize>, &[u8], &mut [V]) + Sync,
) {
    to.resize(images.len());
    let stride = to.stride();
    let parts = to.values_mut().par_chunks_mut(IMAGES * stride).zip(images.par_chunks(IMAGES));
    parts.for_each_init(Vec::new, |moved, (to, images)| {
        // Images as they are are read where they lie.
        if !images.are_unchanged() {
            moved.resize(images.len() * data.inputs, 0);
            data.gather(images, moved);
        }
        let pixels = |place: usize| match moved.get(place * data.inputs..) {
            Some(moved) if !images.are_unchanged() => &moved[..data.inputs],
            _ => data.image(images.rows[place]),
        };
        for first in (0..data.inputs).step_by(PIXELS) {
            let part = first..data.inputs.min(first + PIXELS);
            for (place, to) in to.chunks_exact_mut(stride).enumerate() {
                each(part.clone(), &pixels(place)[part.clone()], &mut to[part.clone()]);
            }
        }
    });
}

/// Standardises pixels: `x` from their means and scales.
fn standardise_ahead<T: Real>(pixels: &[u8], mean: &[T], scale: &[T], x: &mut [T]) {
    // Only for the widest registers: the compiler makes use of them by itself.
    Arch::new().dispatch(|| {
        for (((x, &pixel), &mean), &scale) in x.iter_mut().zip(pixels).zip(mean).zip(scale) {
            *x = (<T as From<u8>>::from(pixel) - mean) * scale;
        }
    });
}
