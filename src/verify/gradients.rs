//! The gradients: the reference's against centred differences, then the GPU's against the reference's.

use std::sync::Arc;

use rand::Rng;
use rand::seq::index::sample;
use rayon::prelude::*;

use super::Referee;
use super::images::{images, params};
use crate::config::spec::{Feed, Penalty};
use crate::data::{Dataset, Images, Mix, Standardisation};
use crate::engine::{Chunk, Engine, Job};
use crate::error::Result;
use crate::model::params::{Params, symbol};
use crate::model::reference::{self, Matrix, Network, Pass, standardise};
use crate::model::regularise::{Regularise, Target, Training, keys};
use crate::model::{Hidden, ModelSpec};
use crate::proof::Finding;
use crate::proof::compare::{Rule, compare};
use crate::util::random::{Purpose, stream};

/// Centred differences agree with a right gradient to this share of it; below the gradient's root mean square, to this
/// share of that. Worst seen 2.3e-8; the other penalty's gradient gives 5e-1 on the small network.
const DIFFERENCES: f64 = 1e-6;
/// The GPU's gradient, as a whole, is this close to the reference's. Worst seen 2.0e-7 on llvmpipe, without options
/// 1.2e-7 on it and on `SwiftShader`.
const GPU: f64 = 1e-5;
/// Strength of the penalty in these checks: its share of the gradient is of the order of the loss's.
const LAMBDA: f64 = 0.05;
/// The learning rate that makes a step's result almost nothing but its gradient, so that the weights' own rounding, u·|W|,
/// does not hide it: `gradient = (before − after) / rate`. A power of two, so that the division is exact.
const RATE: f32 = 1024.0;

/// A network, a batch, and a penalty, in f64.
struct Problem {
    params: Params,
    network: Network,
    x: Matrix,
    targets: Vec<Target>,
    training: Training,
    mixes: Vec<Mix>,
    penalty: Penalty,
    dataset: Arc<Dataset>,
    standardisation: Arc<Standardisation>,
}

const REPORT: ModelSpec = ModelSpec { inputs: 3072, hidden: Hidden::new(&[50]), classes: 10 };

impl Problem {
    fn of_the_report(penalty: Penalty) -> Self {
        Self::new(&REPORT, 20, penalty)
    }

    fn new(spec: &ModelSpec, batch: usize, penalty: Penalty) -> Self {
        let (dataset, standardisation) = images(spec.inputs, spec.classes, batch);
        let params = params(spec, 7);
        let mut pixels = vec![0; batch * spec.inputs];
        let rows: Vec<u32> = (0..batch as u32).collect();
        dataset.gather(&rows, &mut pixels);
        let x = standardise(&pixels, &standardisation.mean, &standardisation.scale);
        let targets = dataset.targets((&rows).into()).collect();
        let (network, training, mixes) = (Network::from(&params), Training::default(), Vec::new());
        Self { params, network, x, targets, training, mixes, penalty, dataset, standardisation }
    }

    /// The same with what a training does that scoring does not.
    fn regularised(mut self, regularise: Regularise) -> Self {
        let rows: Vec<u32> = (0..self.targets.len() as u32).collect();
        if regularise.mixup > 0.0 {
            // The batch with itself in the opposite order, by a share that no draw decides.
            self.mixes = rows.iter().rev().map(|&row| Mix { row, share: 77, ..Mix::default() }).collect();
        }
        let images = Images { mixes: &self.mixes, ..(&rows).into() };
        let mut pixels = vec![0; rows.len() * self.dataset.inputs];
        self.dataset.gather(images, &mut pixels);
        let training = Training { regularise, key: keys(1)(0) };
        let x = standardise(&pixels, &self.standardisation.mean, &self.standardisation.scale);
        let (x, targets) = (reference::dropped(x, training.input_dropout()), self.dataset.targets(images).collect());
        Self { x, targets, training, ..self }
    }

    fn pass(&self, network: &Network) -> Pass {
        let product = reference::forward(&self.x, &network.layers[0].W, 0..self.x.columns);
        reference::pass(&product, &self.targets, network, &self.training)
    }

    /// The cost, and which hidden units are active for which image.
    fn cost(&self, network: &Network) -> (f64, Vec<bool>) {
        let Pass { hidden, loss, .. } = self.pass(network);
        let mean = loss.iter().sum::<f64>() / loss.len() as f64;
        let active = hidden.iter().flat_map(|hidden| &hidden.values).map(|hidden| *hidden > 0.0).collect();
        (mean + self.penalty.cost(LAMBDA) * reference::squares(network), active)
    }

    fn analytic(&self) -> Network {
        // As f32, which is what the engines are told.
        let decay = f64::from(self.penalty.gradient(LAMBDA) as f32);
        reference::gradient(&self.x, &self.pass(&self.network), &self.network, decay)
    }

    /// `(cost(+h) − cost(−h)) / 2h` along `direction`; `None` where a ReLU switches in between.
    fn difference(&self, direction: &dyn Fn(&mut Network, f64), h: f64) -> Option<f64> {
        let at = |h: f64| {
            let mut network = self.network.clone();
            direction(&mut network, h);
            self.cost(&network)
        };
        let ((above, active_above), (below, active_below)) = (at(h), at(-h));
        (active_above == active_below).then_some((above - below) / (2.0 * h))
    }
}

fn at(network: &mut Network, mut index: usize) -> &mut f64 {
    for tensor in network.tensors_mut() {
        if index < tensor.len() {
            return &mut tensor[index];
        }
        index -= tensor.len();
    }
    panic!("a network has no such value")
}

/// Shares of values that agree to 5 and to 6 decimals, as `numpy.testing.assert_almost_equal` counts them, which the report
/// used.
fn agreement(got: &[f64], expected: &[f64]) -> [f64; 2] {
    [5, 6].map(|decimals: i32| {
        let limit = 1.5 * 10f64.powi(-decimals);
        let agree = got.iter().zip(expected).filter(|(got, expected)| (*got - *expected).abs() < limit).count();
        agree as f64 / expected.len() as f64
    })
}

/// Those shares in words.
fn decimals(got: &[f64], expected: &[f64]) -> String {
    let [five, six] = agreement(got, expected).map(|share| share * 100.0);
    format!("{five:.2} % agree to 5 decimals, {six:.2} % to 6")
}

/// The report's section 2: shares, 0 to 1, of the gradient's entries that agree with centred differences to 5 and to 6
/// decimals; 400 entries of its network, penalty `half`, in f64.
pub fn decimals_that_agree() -> [f64; 2] {
    let problem = Problem::of_the_report(Penalty::Half);
    let (got, expected, _) = compared(&problem, &some_of_the_reports(&problem));
    agreement(&got, &expected)
}

fn name(penalty: Penalty) -> String {
    format!("{penalty:?}").to_lowercase()
}

const PENALTIES: [Penalty; 2] = [Penalty::Half, Penalty::Full];

/// Each option alone, and all together, by their names after a penalty's.
fn options() -> [(&'static str, Regularise); 5] {
    let none = Regularise::default();
    let all = Regularise { label_smoothing: 0.1, mixup: 1.0, dropout: 0.3, input_dropout: 0.2 };
    [
        (", smoothing", Regularise { label_smoothing: all.label_smoothing, ..none }),
        (", mixup", Regularise { mixup: all.mixup, ..none }),
        (", dropout", Regularise { dropout: all.dropout, ..none }),
        (", inputs", Regularise { input_dropout: all.input_dropout, ..none }),
        (", all", all),
    ]
}

/// Every parameter of small networks of no hidden layers to four, also with each option of a training, the masks held fixed.
pub(super) fn small() -> Vec<Finding> {
    const DEPTHS: [&[usize]; 5] = [&[11], &[], &[9, 7], &[8, 9, 6], &[7, 8, 6, 9]];
    let finding = |(hidden, penalty, (option, regularise))| {
        let spec = ModelSpec { inputs: 23, hidden: Hidden::new(hidden), classes: 5 };
        let problem = Problem::new(&spec, 7, penalty).regularised(regularise);
        let every: Vec<usize> = (0..spec.parameters()).collect();
        let mut finding = entries(&problem, &every, &format!("{spec} {}{option}", name(penalty)));
        // Of so many networks only what was skipped is worth a line.
        finding.note.take_if(|note| note.contains("; 0 of "));
        finding
    };
    let none = ("", Regularise::default());
    let plain = DEPTHS.into_iter().flat_map(|hidden| PENALTIES.map(|penalty| (hidden, penalty, none)));
    let options = DEPTHS.into_iter().flat_map(|hidden| options().map(|option| (hidden, Penalty::Half, option)));
    plain.chain(options).map(finding).collect()
}

/// Three of four from W1, the rest from the end, where the small tensors are.
fn some_of_the_reports(problem: &Problem) -> Vec<usize> {
    let all = problem.params.spec.parameters();
    let mut some: Vec<usize> = sample(&mut stream(1, Purpose::Check, 3), all, 300).into_vec();
    some.extend(all - 100..all);
    some
}

/// Some parameters of the report's network.
pub(super) fn report() -> [Finding; 2] {
    PENALTIES.map(|penalty| {
        let problem = Problem::of_the_report(penalty);
        let mut finding = entries(&problem, &some_of_the_reports(&problem), &name(penalty));
        finding.note = finding.note.map(|note| format!("{note} (the report, section 2: 100 %, 98.40 %)"));
        finding
    })
}

/// The analytic gradient's entries `which`, and the differences that they should equal, but for entries at a kink, of
/// which there is the number.
fn compared(problem: &Problem, which: &[usize]) -> (Vec<f64>, Vec<f64>, usize) {
    let (gradient, values) = (problem.analytic().tensors().concat(), problem.network.tensors().concat());
    // The reference is slow, and a difference needs it twice.
    let differences = which.par_iter().filter_map(|&index| {
        let h = 1e-5 * values[index].abs().max(1.0);
        let difference = problem.difference(&|network, h| *at(network, index) += h, h)?;
        Some((gradient[index], difference))
    });
    let (got, expected): (Vec<_>, Vec<_>) = differences.unzip();
    let kinks = which.len() - got.len();
    (got, expected, kinks)
}

fn entries(problem: &Problem, which: &[usize], place: &str) -> Finding {
    let (got, expected, kinks) = compared(problem, which);
    let note = format!("{place}: {}; {kinks} of {} at a kink, skipped", decimals(&got, &expected), which.len());
    Finding::new("f64 against differences", compare(&got, &expected, &Rule::Relative(DIFFERENCES))).at(place).note(note)
}

/// Random directions through all parameters of the report's network at once.
pub(super) fn directions() -> Vec<Finding> {
    let mut findings = Vec::new();
    for penalty in PENALTIES {
        let problem = Problem::of_the_report(penalty);
        let gradient = problem.analytic().tensors().concat();
        let (mut got, mut expected, mut kinks) = (Vec::new(), Vec::new(), 0);
        for direction in 0..24 {
            let mut draw = stream(direction, Purpose::Check, 4);
            let signs: Vec<f64> =
                gradient.iter().map(|_| if draw.next_u32().is_multiple_of(2) { 1.0 } else { -1.0 }).collect();
            // 154,160 parameters move at once: a step of 1e-7 each is one of 4e-5 in all.
            let moved = problem.difference(
                &|network, h| signs.iter().enumerate().for_each(|(index, sign)| *at(network, index) += sign * h),
                1e-7,
            );
            match moved {
                Some(difference) => {
                    got.push(gradient.iter().zip(&signs).map(|(slope, sign)| slope * sign).sum());
                    expected.push(difference);
                }
                None => kinks += 1,
            }
        }
        let outcome = compare(&got, &expected, &Rule::Relative(DIRECTIONS));
        let penalty = name(penalty);
        let note = format!("{penalty}: {kinks} of 24 at a kink, skipped");
        findings.push(Finding::new("f64 along directions", outcome).at(penalty).note(note));
    }
    findings
}

/// Along a direction the difference of two costs near 3 is divided by 2e-7: rounding leaves 1e-9 of a slope near 1.
/// Worst seen 4.4e-8.
const DIRECTIONS: f64 = 1e-6;

/// The GPU's gradient of every tensor, from one step at a rate of 1,024.
pub(super) fn gpu(referee: &Referee) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let small = |hidden| ModelSpec { inputs: 131, hidden: Hidden::new(hidden), classes: 13 };
    let (none, all) = (("", Regularise::default()), options()[4]);
    for (spec, batch) in [(REPORT, 100), (small(&[67]), 29), (small(&[67, 33, 130]), 29), (small(&[]), 29)] {
        for (penalty, (option, regularise)) in [(PENALTIES[0], none), (PENALTIES[1], none), (PENALTIES[0], all)] {
            let place = format!("{spec} {}{option}", name(penalty));
            let problem = Problem::new(&spec, batch, penalty).regularised(regularise);
            let decay = penalty.gradient(LAMBDA) as f32;
            let job = Job { decay: vec![decay], batch_size: batch, regularise, ..Job::new(spec.clone()) };
            let mut engine =
                referee.gpu_engine(&job, &problem.dataset, &problem.standardisation, (Feed::Stream, None))?;
            engine.load(std::slice::from_ref(&problem.params))?;
            let rows: Vec<u32> = (0..batch as u32).collect();
            let images = Images { mixes: &problem.mixes, ..(&rows).into() };
            let keys = [problem.training.key];
            engine.train(&Chunk { images, lengths: &[batch as u32], rates: &[RATE], keys: &keys })?;
            let after = engine.params()?.remove(0);
            let gradient = problem.analytic();
            let (mut all_got, mut all_expected) = (Vec::new(), Vec::new());
            for (tensor, expected) in gradient.tensors().into_iter().enumerate() {
                let (before, after) = (&problem.params.values[tensor], &after.values[tensor]);
                let got: Vec<f64> =
                    before.iter().zip(after).map(|(b, a)| (f64::from(*b) - f64::from(*a)) / f64::from(RATE)).collect();
                let outcome = compare(&got, expected, &Rule::Normwise(GPU));
                findings.push(Finding::new("GPU against f64", outcome).at(format!("{place}, {}", symbol(tensor))));
                all_got.extend(got);
                all_expected.extend_from_slice(expected);
            }
            if let Some(last) = findings.last_mut() {
                last.note = Some(format!("{place}: {}", decimals(&all_got, &all_expected)));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(penalty: Penalty) -> Problem {
        Problem::new(&ModelSpec { inputs: 5, hidden: Hidden::new(&[3]), classes: 2 }, 4, penalty)
    }

    #[test]
    fn a_parameter_whose_relu_switches_is_skipped_and_counted() {
        let mut problem = problem(Penalty::Half);
        problem.network.layers[0].W.values.fill(0.0);
        // Nothing else enters the first unit, so that 1e-5 less takes it over its kink.
        problem.network.layers[0].b[0] = 1e-6;
        let b1 = problem.network.layers[0].W.values.len();
        let finding = entries(&problem, &[b1, b1 + 1], "");
        assert!(finding.outcome.passed(), "{}", finding.outcome.describe());
        assert!(finding.note.unwrap().contains("1 of 2 at a kink"));
        assert!(!entries(&problem, &[b1], "").outcome.passed(), "nothing was left to compare");
    }

    #[test]
    fn the_other_penaltys_gradient_does_not_pass() {
        let (half, full) = (problem(Penalty::Half), problem(Penalty::Full));
        let gradient = half.analytic().tensors().concat();
        let every = 0..half.network.layers[0].W.values.len();
        let differences = |problem: &Problem| {
            every.clone().map(|i| problem.difference(&|n, h| *at(n, i) += h, 1e-5).unwrap()).collect()
        };
        let (right, wrong): (Vec<f64>, Vec<f64>) = (differences(&half), differences(&full));
        assert!(compare(&gradient[every.clone()], &right, &Rule::Relative(DIFFERENCES)).passed());
        assert!(!compare(&gradient[every.clone()], &wrong, &Rule::Relative(DIFFERENCES)).passed());
    }
}
