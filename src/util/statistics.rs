//! Means and standard deviations of repeated runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation, with `n − 1`; 0 for one value.
    pub deviation: f64,
}

impl Spread {
    /// Those of `values`; `None` if there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { mean, deviation: (squares / (n - 1.0).max(1.0)).sqrt() })
    }
}

/// As in the report: `0.5701 ± 0.0015`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ± {:.4}", self.mean, self.deviation)
    }
}

/// Timings of the same work.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Sample {
    /// Seconds, in ascending order.
    seconds: Vec<f64>,
}

impl Sample {
    /// A sample of timings.
    ///
    /// # Panics
    ///
    /// Without any.
    pub fn new(mut seconds: Vec<f64>) -> Self {
        assert!(!seconds.is_empty(), "something was timed");
        seconds.sort_by(f64::total_cmp);
        Self { seconds }
    }

    /// The middle one; of an even number, the larger of the middle two.
    pub fn median(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }

    /// Largest minus smallest, as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.seconds[self.seconds.len() - 1] - self.seconds[0]) / self.median()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        // Mean 4; squares 9 + 1 + 0 + 16 = 26 over 3.
        let spread = Spread::of(&[1.0, 3.0, 4.0, 8.0]).unwrap();
        approx::assert_relative_eq!(spread.mean, 4.0);
        approx::assert_relative_eq!(spread.deviation, (26.0_f64 / 3.0).sqrt());
        assert_eq!(Spread::of(&[0.5]), Some(Spread { mean: 0.5, deviation: 0.0 }));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn it_is_printed_as_in_the_report() {
        assert_eq!(Spread { mean: 0.57012, deviation: 0.00149 }.to_string(), "0.5701 ± 0.0015");
    }
}
