//! The comparer: is what a device computed close enough to the reference?
//!
//! Every comparison is of the form "right if difference ≤ tolerance", after lengths and finiteness, so that neither a short
//! output nor a NaN can pass.

use serde::Serialize;

/// Unit roundoff of f32, `2⁻²⁴`.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// How close is close enough.
#[derive(Clone, Debug)]
pub enum Rule {
    /// The same number: what integers that fit f32 must give, on every adapter.
    Exact,
    /// `|got − expected| ≤ limit · u · gauge[i]` for every element. For a sum, the gauge is the sum of its terms' absolute
    /// values: element-wise relative error says nothing where terms cancel. (Higham, *Accuracy and Stability of Numerical
    /// Algorithms*, 2002, § 3.1.)
    Gauge {
        /// One positive scale an element.
        gauge: Vec<f64>,
        /// Allowed multiple of `u · gauge`.
        limit: f64,
    },
    /// `|got − expected| ≤ tolerance` for every element.
    Absolute(f64),
    /// `|got − expected| ≤ tolerance · max(|expected|, r)` for every element, `r` being the root mean square of all that is
    /// expected: for values of one size, some of which cancel.
    Relative(f64),
    /// `‖got − expected‖₂ ≤ tolerance · ‖expected‖₂` over all elements.
    Normwise(f64),
    /// `‖got − expected‖₂ ≤ tolerance` over all elements.
    Norm(f64),
}

impl Rule {
    /// What the rule allows, and the unit of that.
    fn tolerance(&self) -> (Unit, f64) {
        match self {
            Self::Exact => (Unit::Equal, 0.0),
            Self::Gauge { limit, .. } => (Unit::Gauge, *limit),
            Self::Absolute(tolerance) | Self::Norm(tolerance) => (Unit::Absolute, *tolerance),
            Self::Relative(tolerance) => (Unit::Relative, *tolerance),
            Self::Normwise(tolerance) => (Unit::Normwise, *tolerance),
        }
    }
}

/// What errors and tolerances of a [`Rule`] are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Differences where none is allowed.
    Equal,
    /// Multiples of `u · gauge`.
    Gauge,
    /// Differences.
    Absolute,
    /// Shares of each value, or of the root mean square where that is larger.
    Relative,
    /// Shares of the norm of all values.
    Normwise,
}

impl Unit {
    /// An error or a tolerance, without the unit's name.
    pub fn number(self, value: f64) -> String {
        match self {
            _ if value == 0.0 => "0".into(),
            Self::Gauge if value < 1e3 => format!("{value:.2}"),
            _ => format!("{value:.1e}"),
        }
    }

    /// Its name after a number; nothing is to be said where only equal numbers are right.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Gauge => "u·gauge",
            Self::Absolute => "absolute",
            Self::Relative => "relative",
            Self::Normwise => "normwise",
        }
    }

    /// A tolerance in words: `18.00 u·gauge`, `equal`.
    pub fn allowed(self, tolerance: f64) -> String {
        match self {
            Self::Equal => self.name().into(),
            _ => format!("{} {}", self.number(tolerance), self.name()),
        }
    }
}

/// Why a comparison failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Another number of elements.
    Length {
        /// Elements of the reference.
        expected: usize,
        /// Elements found.
        found: usize,
    },
    /// Nothing was compared.
    Empty,
    /// An element, of the output or of the reference, is NaN or infinite.
    NotFinite,
    /// A difference beyond the tolerance.
    Outside,
    /// Something was written behind the end of a tensor.
    Overrun,
}

/// The element that is furthest from its reference, by its share of the tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// Its place.
    pub index: usize,
    /// What the device computed.
    pub got: f64,
    /// The reference.
    pub expected: f64,
}

/// The result of one comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What the next two are measured in.
    pub unit: Unit,
    /// The worst error.
    pub error: f64,
    /// What the rule allows.
    pub tolerance: f64,
    /// The worst element; `None` where there is none.
    pub worst: Option<Worst>,
    /// Why it failed, if it did.
    pub fault: Option<Fault>,
}

impl Outcome {
    /// Whether everything was within the tolerance.
    pub fn passed(&self) -> bool {
        self.fault.is_none()
    }

    /// The worst error as a share of the tolerance: 1 is the limit.
    pub fn share(&self) -> f64 {
        match self.fault {
            None | Some(Fault::Outside) if self.error == 0.0 => 0.0,
            None | Some(Fault::Outside) => self.error / self.tolerance,
            Some(_) => f64::INFINITY,
        }
    }

    /// What was found, in a few words.
    pub fn describe(&self) -> String {
        let at = self.worst.map_or(String::new(), |Worst { index, got, expected }| {
            // Nine digits: all that an f32 has.
            format!("; worst element {index}: {got:.8e}, expected {expected:.8e}")
        });
        let (error, allowed) = (self.unit.number(self.error), self.unit.allowed(self.tolerance));
        match self.fault {
            None => format!("error {error}, allowed {allowed}{at}"),
            Some(Fault::Outside) if self.unit == Unit::Equal => format!("must be equal{at}"),
            Some(Fault::Outside) => format!("error {error}, but allowed is {allowed}{at}"),
            Some(Fault::Length { expected, found }) => format!("{found} elements, expected {expected}"),
            Some(Fault::Empty) => "nothing to compare".into(),
            Some(Fault::NotFinite) => format!("not a finite number{at}"),
            Some(Fault::Overrun) => format!("written behind the tensor's end{at}"),
        }
    }
}

/// Compares `got` with `expected` by `rule`.
pub fn compare(got: &[f64], expected: &[f64], rule: &Rule) -> Outcome {
    let (unit, tolerance) = rule.tolerance();
    let failed = |fault, worst| Outcome { unit, error: f64::INFINITY, tolerance, worst, fault: Some(fault) };
    let at = |index: usize| Worst { index, got: got[index], expected: expected[index] };
    if got.len() != expected.len() {
        return failed(Fault::Length { expected: expected.len(), found: got.len() }, None);
    }
    if got.is_empty() {
        return failed(Fault::Empty, None);
    }
    if let Some(index) = (0..got.len()).find(|&i| !got[i].is_finite() || !expected[i].is_finite()) {
        return failed(Fault::NotFinite, Some(at(index)));
    }

    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let size = norm(&mut expected.iter().copied());
    let rms = size / (expected.len() as f64).sqrt();
    let error = |index: usize| {
        let difference = (got[index] - expected[index]).abs();
        match rule {
            // Nothing may differ where the gauge is zero: all terms are zero.
            Rule::Gauge { gauge, .. } if difference > 0.0 => difference / (U * gauge[index]),
            Rule::Relative(_) if difference > 0.0 => difference / expected[index].abs().max(rms),
            _ => difference,
        }
    };
    if let Rule::Gauge { gauge, .. } = rule
        && gauge.len() != got.len()
    {
        return failed(Fault::Length { expected: got.len(), found: gauge.len() }, None);
    }
    let worst = (0..got.len()).max_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(0);
    let error = match rule {
        Rule::Normwise(_) | Rule::Norm(_) => {
            let difference = norm(&mut got.iter().zip(expected).map(|(got, expected)| got - expected));
            if difference == 0.0 || matches!(rule, Rule::Norm(_)) { difference } else { difference / size }
        }
        _ => error(worst),
    };
    // Not `error > tolerance`: that would let a NaN pass.
    let fault = if error <= tolerance { None } else { Some(Fault::Outside) };
    Outcome { unit, error, tolerance, worst: Some(at(worst)), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: [f64; 6] = [1.0, -2.0, 3.0, 0.0, 5.0, -6.0];

    fn rules() -> [Rule; 6] {
        let gauge = Rule::Gauge { gauge: vec![1.0; 6], limit: 4.0 };
        [Rule::Exact, gauge, Rule::Absolute(1e-6), Rule::Relative(1e-6), Rule::Normwise(1e-6), Rule::Norm(1e-6)]
    }

    #[test]
    fn equal_values_pass_every_rule() {
        for rule in rules() {
            let outcome = compare(&EXPECTED, &EXPECTED, &rule);
            assert!(outcome.passed(), "{rule:?}");
            assert_eq!(outcome.share(), 0.0);
        }
    }

    #[test]
    fn nothing_not_finite_passes_on_either_side() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut wrong = EXPECTED;
            wrong[3] = bad;
            for rule in rules() {
                for outcome in [
                    compare(&wrong, &EXPECTED, &rule),
                    compare(&EXPECTED, &wrong, &rule),
                    compare(&wrong, &wrong, &rule),
                ] {
                    assert_eq!(outcome.fault, Some(Fault::NotFinite));
                    assert_eq!(outcome.worst.unwrap().index, 3);
                    assert_eq!(outcome.share(), f64::INFINITY);
                }
            }
        }
    }

    #[test]
    fn a_short_a_long_and_an_empty_output_fail() {
        for rule in rules() {
            assert_eq!(compare(&EXPECTED[..5], &EXPECTED, &rule).fault, Some(Fault::Length { expected: 6, found: 5 }));
            assert_eq!(compare(&EXPECTED, &EXPECTED[..5], &rule).fault, Some(Fault::Length { expected: 5, found: 6 }));
            assert_eq!(compare(&[], &[], &rule).fault, Some(Fault::Empty));
        }
        let short = Rule::Gauge { gauge: vec![1.0; 5], limit: 4.0 };
        assert!(!compare(&EXPECTED, &EXPECTED, &short).passed());
    }

    #[test]
    fn one_wrong_element_zeros_and_swapped_rows_fail() {
        let mut one = EXPECTED;
        one[4] = 5.0001;
        let swapped = [0.0, 5.0, -6.0, 1.0, -2.0, 3.0];
        for rule in rules() {
            for wrong in [one, [0.0; 6], swapped] {
                let outcome = compare(&wrong, &EXPECTED, &rule);
                assert_eq!(outcome.fault, Some(Fault::Outside), "{rule:?} {wrong:?}");
                assert!(outcome.share() > 1.0);
            }
            assert_eq!(compare(&one, &EXPECTED, &rule).worst.unwrap(), Worst { index: 4, got: 5.0001, expected: 5.0 });
        }
    }

    #[test]
    fn a_difference_where_the_gauge_is_zero_fails() {
        let rule = Rule::Gauge { gauge: vec![0.0], limit: 100.0 };
        assert!(compare(&[0.0], &[0.0], &rule).passed());
        assert_eq!(compare(&[1e-30], &[0.0], &rule).fault, Some(Fault::Outside));
    }

    #[test]
    fn a_relative_error_is_one_of_the_value_or_of_the_root_mean_square() {
        // r = √((9 + 16 + 0) / 3) = 2.89: above the zero, below the others.
        let outcome = compare(&[3.0, 4.0, 0.29], &[3.0, 4.0, 0.0], &Rule::Relative(0.11));
        assert!(outcome.passed() && outcome.error > 0.1, "{outcome:?}");
        let outcome = compare(&[3.0, 4.4, 0.0], &[3.0, 4.0, 0.0], &Rule::Relative(0.11));
        assert!((outcome.error - 0.1).abs() < 1e-12, "{outcome:?}");
        assert!(!compare(&[1.0, 0.0], &[0.0, 0.0], &Rule::Relative(1e9)).passed(), "nothing is expected at all");
    }

    #[test]
    fn the_limit_itself_passes_and_the_next_number_fails() {
        let tolerance = 0.25;
        assert!(compare(&[1.25], &[1.0], &Rule::Absolute(tolerance)).passed());
        assert!(!compare(&[1.25f64.next_up()], &[1.0], &Rule::Absolute(tolerance)).passed());
    }
}
