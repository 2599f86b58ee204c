//! Images on their way into the network.

use rayon::prelude::*;

use super::forward::standardise;
use super::real::Real;
use crate::data::{Dataset, Standardisation};

/// Images that a thread gathers and standardises at a time: 8 are 24 KB of pixels and 96 KB of f32, some 3 µs.
const IMAGES: usize = 8;

/// A step's standardised images. Refilled step after step without allocation.
pub(super) struct Batch<T> {
    inputs: usize,
    /// Images of each shuffle.
    length: usize,
    pixels: Vec<u8>,
    x: Vec<T>,
    labels: Vec<u8>,
}

impl<T: Real> Batch<T> {
    /// No images of `inputs` pixels yet.
    pub(super) fn new(inputs: usize) -> Self {
        Self { inputs, length: 0, pixels: Vec::new(), x: Vec::new(), labels: Vec::new() }
    }

    /// Takes in the data set's `rows [G][length]`.
    pub(super) fn fill(&mut self, data: &Dataset, statistics: &Standardisation, rows: &[u32], length: usize) {
        self.length = length;
        self.labels.clear();
        self.labels.extend(rows.iter().map(|&row| data.labels[row as usize]));
        self.pixels.resize(rows.len() * self.inputs, 0);
        self.x.resize(rows.len() * self.inputs, T::ZERO);
        let pixels = self.pixels.par_chunks_mut(IMAGES * self.inputs);
        let x = self.x.par_chunks_mut(IMAGES * self.inputs);
        rows.par_chunks(IMAGES).zip(pixels).zip(x).for_each(|((rows, pixels), x)| {
            data.gather(rows, pixels);
            standardise(pixels, &statistics.mean, &statistics.scale, x);
        });
    }

    /// The images of shuffle `group`, `[B, D]`.
    pub(super) fn x(&self, group: usize) -> &[T] {
        &self.x[group * self.length * self.inputs..][..self.length * self.inputs]
    }

    /// The labels of shuffle `group`, `[B]`.
    pub(super) fn labels(&self, group: usize) -> &[u8] {
        &self.labels[group * self.length..][..self.length]
    }
}
