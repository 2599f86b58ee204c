//! The network's definition: the formulas of the crate's page, in its letters and order, as plain loops in f64. The referee
//! judges both engines by it, so it is written to be read, not to be fast.

#![expect(non_snake_case, reason = "B, D, H and C are the letters of the crate's page")]

use std::ops::{Index, IndexMut, Range};

use super::params::Params;

/// Numbers in rows: `matrix[row][column]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Row after row.
    pub values: Vec<f64>,
    /// Numbers of a row.
    pub columns: usize,
}

impl Matrix {
    /// `[rows, columns]`, each number by its place.
    pub fn of(rows: usize, columns: usize, number: impl Fn(usize, usize) -> f64) -> Self {
        Self { values: (0..rows * columns).map(|i| number(i / columns, i % columns)).collect(), columns }
    }

    /// These columns alone.
    #[must_use]
    pub fn some_columns(&self, columns: &[usize]) -> Self {
        Self::of(self.rows(), columns.len(), |row, column| self[row][columns[column]])
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }
}

impl Index<usize> for Matrix {
    type Output = [f64];

    fn index(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..][..self.columns]
    }
}

impl IndexMut<usize> for Matrix {
    fn index_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.columns..][..self.columns]
    }
}

/// Weights and biases, or the gradient of the cost with respect to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// `[D, H]`.
    pub W1: Matrix,
    /// `[H]`.
    pub b1: Vec<f64>,
    /// `[H, C]`.
    pub W2: Matrix,
    /// `[C]`.
    pub b2: Vec<f64>,
}

impl Network {
    /// `W1`, `b1`, `W2`, `b2`, each as one row of numbers.
    pub fn tensors(&self) -> [&[f64]; 4] {
        [&self.W1.values, &self.b1, &self.W2.values, &self.b2]
    }

    /// The part with these hidden units alone: `W1 [D, units]`, `b1 [units]`, `W2 [units, C]`, `b2 [C]`.
    #[must_use]
    pub fn units(&self, units: &[usize]) -> Self {
        let Self { W1, b1, W2, b2 } = self;
        Self {
            W1: W1.some_columns(units),
            b1: units.iter().map(|&h| b1[h]).collect(),
            W2: Matrix::of(units.len(), W2.columns, |h, c| W2[units[h]][c]),
            b2: b2.clone(),
        }
    }

    /// The same, to be changed.
    pub fn tensors_mut(&mut self) -> [&mut [f64]; 4] {
        [&mut self.W1.values, &mut self.b1, &mut self.W2.values, &mut self.b2]
    }
}

impl From<&Params> for Network {
    fn from(params: &Params) -> Self {
        let [W1, b1, W2, b2] = params.values.each_ref().map(|tensor| tensor.iter().map(|w| f64::from(*w)).collect());
        let (H, C) = (params.spec.hidden, params.spec.classes);
        Self { W1: Matrix { values: W1, columns: H }, b1, W2: Matrix { values: W2, columns: C }, b2 }
    }
}

/// What a batch leaves behind the first layer's product.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// What enters the `ReLU`s, `[B, H]`.
    pub z: Matrix,
    /// What leaves them, `[B, H]`.
    pub hidden: Matrix,
    /// `[B, C]`.
    pub logit: Matrix,
    /// `softmax(logit) [B, C]`.
    pub p: Matrix,
    /// Each image's, `[B]`.
    pub loss: Vec<f64>,
    /// Whether the label's is the first of the largest logits, `[B]`.
    pub right: Vec<bool>,
    /// `[B, C]`.
    pub dlogit: Matrix,
    /// `[B, H]`.
    pub dhidden: Matrix,
}

fn sum(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    (0..n).map(term).sum()
}

fn each(n: usize, number: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..n).map(number).collect()
}

/// `sums[i] += factor · terms[i]`.
fn add(sums: &mut [f64], factor: f64, terms: &[f64]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += factor * term;
    }
}

/// `x [B, D]` of images `pixels [B, D]`, standardised by `mean [D]` and `scale [D]`.
pub fn standardise(pixels: &[u8], mean: &[f32], scale: &[f32]) -> Matrix {
    let D = mean.len();
    Matrix::of(pixels.len() / D, D, |b, d| (f64::from(pixels[b * D + d]) - f64::from(mean[d])) * f64::from(scale[d]))
}

/// `x·W1 [B, H]`, over some of the inputs.
pub fn forward(x: &Matrix, W1: &Matrix, inputs: Range<usize>) -> Matrix {
    let mut xW1 = Matrix::of(x.rows(), W1.columns, |_, _| 0.0);
    for b in 0..x.rows() {
        inputs.clone().for_each(|d| add(&mut xW1[b], x[b][d], &W1[d]));
    }
    xW1
}

/// From `xW1 [B, H]`, the product over all inputs, to the loss and its gradients.
pub fn head(xW1: &Matrix, labels: &[u8], network: &Network) -> Head {
    let Network { b1, W2, b2, .. } = network;
    let (B, H, C) = (labels.len(), b1.len(), b2.len());
    let hidden = Matrix::of(B, H, |b, h| f64::max(0.0, xW1[b][h] + b1[h]));
    let logit = Matrix::of(B, C, |b, c| sum(H, |h| hidden[b][h] * W2[h][c]) + b2[c]);
    head_of_logits(xW1, logit, labels, network)
}

/// The same with these `logit [B, C]`: then `network` may be some units of the one that they are of.
pub fn head_of_logits(xW1: &Matrix, logit: Matrix, labels: &[u8], network: &Network) -> Head {
    let Network { b1, W2, .. } = network;
    let (B, H, C) = (labels.len(), b1.len(), logit.columns);
    let y = |b: usize| usize::from(labels[b]);

    let z = Matrix::of(B, H, |b, h| xW1[b][h] + b1[h]);
    let hidden = Matrix::of(B, H, |b, h| f64::max(0.0, z[b][h]));
    let m = each(B, |b| (0..C).map(|c| logit[b][c]).fold(f64::NEG_INFINITY, f64::max));
    let total = each(B, |b| sum(C, |c| f64::exp(logit[b][c] - m[b])));
    let p = Matrix::of(B, C, |b, c| f64::exp(logit[b][c] - m[b]) / total[b]);
    let loss = each(B, |b| f64::ln(total[b]) - (logit[b][y(b)] - m[b]));
    let right = (0..B).map(|b| (0..C).find(|&c| logit[b][c] == m[b]) == Some(y(b))).collect();

    let dlogit = Matrix::of(B, C, |b, c| (p[b][c] - if c == y(b) { 1.0 } else { 0.0 }) / B as f64);
    let dhidden = Matrix::of(B, H, |b, h| if hidden[b][h] > 0.0 { sum(C, |c| dlogit[b][c] * W2[h][c]) } else { 0.0 });
    Head { z, hidden, logit, p, loss, right, dlogit, dhidden }
}

/// The gradient of the cost, from a batch's `x [B, D]` and what [`head`] made of it.
pub fn gradient(x: &Matrix, head: &Head, network: &Network, decay: f64) -> Network {
    let Head { hidden, dlogit, dhidden, .. } = head;
    let Network { W1, W2, .. } = network;
    let (B, D, H, C) = (x.rows(), x.columns, W1.columns, W2.columns);
    let mut xdhidden = Matrix::of(D, H, |_, _| 0.0);
    for b in 0..B {
        (0..D).for_each(|d| add(&mut xdhidden[d], x[b][d], &dhidden[b]));
    }
    Network {
        W1: Matrix::of(D, H, |d, h| xdhidden[d][h] + decay * W1[d][h]),
        W2: Matrix::of(H, C, |h, c| sum(B, |b| hidden[b][h] * dlogit[b][c]) + decay * W2[h][c]),
        b2: each(C, |c| sum(B, |b| dlogit[b][c])),
        b1: each(H, |h| sum(B, |b| dhidden[b][h])),
    }
}

/// A step of gradient descent on every tensor.
pub fn step(network: &mut Network, gradient: &Network, rate: f64) {
    for (tensor, slopes) in network.tensors_mut().into_iter().zip(gradient.tensors()) {
        for (w, slope) in tensor.iter_mut().zip(slopes) {
            *w -= rate * slope;
        }
    }
}

/// `ΣW²`, of both layers.
pub fn squares(network: &Network) -> f64 {
    [&network.W1, &network.W2].into_iter().flat_map(|W| &W.values).map(|w| w * w).sum()
}
