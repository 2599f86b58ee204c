//! The network's definition: the formulas of the crate's page, in its letters and order, as plain loops in f64. The referee
//! judges both engines by it, so it is written to be read, not to be fast.

#![expect(non_snake_case, reason = "B, D, H and C are the letters of the crate's page")]

use std::ops::{Index, IndexMut, Range};

use super::ModelSpec;
use super::optimizer::{BETAS, EPS, Optimizer};
use super::params::Params;
use super::regularise::{Dropout, Target, Training};

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
        self.values.len().checked_div(self.columns).unwrap_or(0)
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

/// A layer: `a·W + b`; or the gradient of the cost with respect to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// `[fan-in, units]`.
    pub W: Matrix,
    /// `[units]`.
    pub b: Vec<f64>,
}

/// Layers from the inputs to the logits, a `ReLU` between two; or the gradient with respect to all.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Layer `l` of the crate's page stands at `l − 1`.
    pub layers: Vec<Layer>,
}

impl Network {
    /// `W1`, `b1`, `W2`, …, each as one row of numbers.
    pub fn tensors(&self) -> Vec<&[f64]> {
        self.layers.iter().flat_map(|layer| [&layer.W.values[..], &layer.b]).collect()
    }

    /// The same, to be changed.
    pub fn tensors_mut(&mut self) -> Vec<&mut [f64]> {
        self.layers.iter_mut().flat_map(|layer| [&mut layer.W.values[..], &mut layer.b]).collect()
    }

    /// Of a network with one hidden layer, the part with these units alone: `W1 [D, units]`, `b1 [units]`, `W2 [units, C]`,
    /// `b2 [C]`.
    #[must_use]
    pub fn units(&self, units: &[usize]) -> Self {
        let [first, second] = &self.layers[..] else { return self.clone() };
        let b1 = units.iter().map(|&h| first.b[h]).collect();
        let W2 = Matrix::of(units.len(), second.b.len(), |h, c| second.W[units[h]][c]);
        Self { layers: vec![Layer { W: first.W.some_columns(units), b: b1 }, Layer { W: W2, b: second.b.clone() }] }
    }

    /// The optimizer's moments, each kind as a network.
    pub fn moments(params: &Params) -> Vec<Self> {
        params.moments().map(|values| Self::of(&params.spec, values)).collect()
    }

    fn of(spec: &ModelSpec, values: &[Vec<f32>]) -> Self {
        let wide = |tensor: &[f32]| tensor.iter().map(|w| f64::from(*w)).collect();
        let layers = values.chunks_exact(2).zip(spec.layers());
        let layers = layers
            .map(|(layer, [_, columns])| Layer { W: Matrix { values: wide(&layer[0]), columns }, b: wide(&layer[1]) });
        Self { layers: layers.collect() }
    }
}

impl From<&Params> for Network {
    fn from(params: &Params) -> Self {
        Self::of(&params.spec, &params.values)
    }
}

/// What a batch leaves in a network, behind its first layer's product.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// What leaves each layer, `[B, units]`: of the hidden ones it enters the `ReLU`s, of the last it is the logits.
    pub z: Vec<Matrix>,
    /// What leaves each hidden layer's `ReLU`s and dropout, and enters the next layer, `[B, units]`.
    pub hidden: Vec<Matrix>,
    /// By what dropout multiplied each of them; empty without.
    pub factors: Vec<Matrix>,
    /// `softmax(logit) [B, C]`.
    pub p: Matrix,
    /// Each image's, `[B]`.
    pub loss: Vec<f64>,
    /// Whether the label's is the first of the largest logits, `[B]`.
    pub right: Vec<bool>,
    /// The cost's gradient with respect to each `z`.
    pub dz: Vec<Matrix>,
}

impl Pass {
    /// `[B, C]`.
    pub fn logit(&self) -> &Matrix {
        &self.z[self.z.len() - 1]
    }

    /// By what dropout multiplied a unit of hidden layer `l`, counted from 0, for image `b`.
    pub fn factor(&self, l: usize, b: usize, h: usize) -> f64 {
        self.factors.get(l).map_or(1.0, |factors| factors[b][h])
    }

    /// Whether what enters some `ReLU` is this close to 0, as a share of the root mean square of all that enters its layer's.
    pub fn at_a_kink(&self, near: f64) -> bool {
        self.z.iter().take(self.hidden.len()).any(|Matrix { values, .. }| {
            let rms = (values.iter().map(|z| z * z).sum::<f64>() / values.len() as f64).sqrt();
            values.iter().any(|z| z.abs() <= near * rms)
        })
    }
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

/// Inputs `x [B, D]` with those left out that a step with this `dropout` leaves out.
pub fn dropped(mut x: Matrix, dropout: Option<Dropout>) -> Matrix {
    let Some(dropout) = dropout else { return x };
    for b in 0..x.rows() {
        x[b].iter_mut().enumerate().for_each(|(d, x)| *x *= f64::from(dropout.factor(b, d)));
    }
    x
}

/// `[B, units]`.
fn factors(dropout: &Dropout, B: usize, units: usize) -> Matrix {
    Matrix::of(B, units, |b, unit| dropout.factor(b, unit).into())
}

/// From `xW1 [B, units]`, the first layer's product over all inputs, to the loss and its gradients. Of the first layer
/// only the bias counts.
pub fn pass(xW1: &Matrix, targets: &[Target], network: &Network, training: &Training) -> Pass {
    scored(forwards(xW1, network, training), targets, network, training)
}

/// The logits `[B, C]` of images that are scored, from the first layer's product.
pub fn logits(xW1: &Matrix, network: &Network) -> Matrix {
    forwards(xW1, network, &Training::default()).z.pop().unwrap_or_default()
}

/// The same with these `logit [B, C]`: then `network` may be some units of the one that they are of.
pub fn pass_of_logits(xW1: &Matrix, logit: Matrix, targets: &[Target], network: &Network, training: &Training) -> Pass {
    let mut pass = forwards(xW1, network, training);
    pass.z.pop();
    pass.z.push(logit);
    scored(pass, targets, network, training)
}

/// `z`, `hidden` and `factors`.
fn forwards(xW1: &Matrix, network: &Network, training: &Training) -> Pass {
    let mut pass = Pass::default();
    let mut product = xW1.clone();
    for (l, layer) in network.layers.iter().enumerate() {
        if let Some(hidden) = pass.hidden.last() {
            product = forward(hidden, &layer.W, 0..hidden.columns);
        }
        let z = Matrix::of(product.rows(), layer.b.len(), |b, h| product[b][h] + layer.b[h]);
        if l + 1 < network.layers.len() {
            pass.factors.extend(training.dropout(l).map(|dropout| factors(&dropout, z.rows(), z.columns)));
            pass.hidden.push(Matrix::of(z.rows(), z.columns, |b, h| pass.factor(l, b, h) * f64::max(0.0, z[b][h])));
        }
        pass.z.push(z);
    }
    pass
}

/// The rest, from `z` and `hidden`.
fn scored(pass: Pass, targets: &[Target], network: &Network, training: &Training) -> Pass {
    let Scores { p, t, loss, right } = scores(pass.logit(), targets, training.regularise.label_smoothing);
    let dlogit = Matrix::of(p.rows(), p.columns, |b, c| (p[b][c] - t[b][c]) / p.rows() as f64);
    let dz = backwards(dlogit, &pass, network);
    Pass { p, loss, right, dz, ..pass }
}

/// What the logits of some images say.
pub struct Scores {
    /// `softmax(logit) [B, C]`.
    pub p: Matrix,
    /// The targets `[B, C]`.
    pub t: Matrix,
    /// Each image's, `[B]`.
    pub loss: Vec<f64>,
    /// Whether the label's is the first of the largest logits, `[B]`.
    pub right: Vec<bool>,
}

/// `logit [B, C]` beside `targets [B]`, `smoothing` of which goes to all classes alike.
pub fn scores(logit: &Matrix, targets: &[Target], smoothing: f32) -> Scores {
    let (B, C) = (targets.len(), logit.columns);
    let t = Matrix::of(B, C, |b, c| targets[b].probability(c, C, smoothing));
    let m = each(B, |b| (0..C).map(|c| logit[b][c]).fold(f64::NEG_INFINITY, f64::max));
    let total = each(B, |b| sum(C, |c| f64::exp(logit[b][c] - m[b])));
    let p = Matrix::of(B, C, |b, c| f64::exp(logit[b][c] - m[b]) / total[b]);
    let loss = each(B, |b| sum(C, |c| t[b][c] * (f64::ln(total[b]) - (logit[b][c] - m[b]))));
    let right = (0..B).map(|b| (0..C).find(|&c| logit[b][c] == m[b]) == Some(targets[b].label.into())).collect();
    Scores { p, t, loss, right }
}

/// The gradients with respect to every layer's `z`, from that with respect to the logits and the rest of a `pass`.
pub fn backwards(dlogit: Matrix, pass: &Pass, network: &Network) -> Vec<Matrix> {
    let mut dz = vec![dlogit];
    for (l, hidden) in pass.hidden.iter().enumerate().rev() {
        let (after, layer) = (&dz[dz.len() - 1], &network.layers[l + 1]);
        let through = |b: usize, h: usize| pass.factor(l, b, h) * sum(after.columns, |n| after[b][n] * layer.W[h][n]);
        dz.push(Matrix::of(after.rows(), hidden.columns, |b, h| if hidden[b][h] > 0.0 { through(b, h) } else { 0.0 }));
    }
    dz.reverse();
    dz
}

/// The gradient of the cost, from a batch's `x [B, D]` and what [`pass`] made of it.
pub fn gradient(x: &Matrix, pass: &Pass, network: &Network, decay: f64) -> Network {
    let inputs = std::iter::once(x).chain(&pass.hidden);
    let layers = network.layers.iter().zip(&pass.dz).zip(inputs).map(|((layer, dz), a)| {
        let mut adz = Matrix::of(a.columns, dz.columns, |_, _| 0.0);
        for b in 0..a.rows() {
            (0..a.columns).for_each(|d| add(&mut adz[d], a[b][d], &dz[b]));
        }
        Layer {
            W: Matrix::of(a.columns, dz.columns, |d, h| adz[d][h] + decay * layer.W[d][h]),
            b: each(dz.columns, |h| sum(dz.rows(), |b| dz[b][h])),
        }
    });
    Network { layers: layers.collect() }
}

/// A step of `optimizer` on every tensor, the one after `steps`; `moments` are its moments, each kind as a network.
pub fn optimize(
    optimizer: Optimizer,
    network: &mut Network,
    gradient: &Network,
    moments: &mut [Network],
    rate: f64,
    steps: u64,
) {
    match (optimizer, moments) {
        (Optimizer::Sgd { momentum, nesterov }, [velocity]) => {
            let momentum = f64::from(momentum);
            let mut direction = gradient.clone();
            each_of([velocity, &mut direction], |[v, g]| {
                *v = momentum * *v + *g;
                *g = if nesterov { *g + momentum * *v } else { *v };
            });
            step(network, &direction, rate);
        }
        (Optimizer::Adamw { weight_decay }, [m, v]) => {
            let [correction1, correction2] = optimizer.corrections(steps);
            let mut g = gradient.clone();
            let [beta1, beta2] = BETAS;
            each_of([m, &mut g], |[m, g]| *m = beta1 * *m + (1.0 - beta1) * *g);
            each_of([v, &mut g], |[v, g]| *v = beta2 * *v + (1.0 - beta2) * *g * *g);
            for layer in &mut network.layers {
                layer.W.values.iter_mut().for_each(|w| *w -= rate * f64::from(weight_decay) * *w);
            }
            let mut direction = m.clone();
            each_of([&mut direction, v], |[d, v]| *d *= correction1 / (v.sqrt() * correction2 + EPS));
            step(network, &direction, rate);
        }
        (_, _) => step(network, gradient, rate),
    }
}

/// Each place of two networks.
fn each_of([one, other]: [&mut Network; 2], change: impl Fn([&mut f64; 2])) {
    for (one, other) in one.tensors_mut().into_iter().zip(other.tensors_mut()) {
        one.iter_mut().zip(other).for_each(|(one, other)| change([one, other]));
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

/// `ΣW²`, of all layers.
pub fn squares(network: &Network) -> f64 {
    network.layers.iter().flat_map(|layer| &layer.W.values).map(|w| w * w).sum()
}
