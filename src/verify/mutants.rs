//! Wrong kernels: small edits to the shaders, each of which the checks of its kernel must catch.
//!
//! A check that has never been seen to fail is not yet a check. A mutant that survives is a finding about the checks.

use serde::Serialize;

use super::compare::Outcome;
use super::kernels::cases;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::{Kernel, Shaders};

/// A wrong edit: `from`, which stands once in the shader, becomes `to`.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What is wrong, for people.
    pub name: &'static str,
    /// The shader.
    pub kernel: Kernel,
    from: &'static str,
    to: &'static str,
}

const fn mutant(kernel: Kernel, name: &'static str, from: &'static str, to: &'static str) -> Mutant {
    Mutant { name, kernel, from, to }
}

/// Every mutant.
pub const MUTANTS: &[Mutant] = &[
    mutant(Kernel::Forward, "mean not subtracted", "- standardisation[quad])", "- 0.0 * standardisation[quad])"),
    mutant(Kernel::Forward, "means for scales", "* standardisation[quads + quad]", "* standardisation[quad]"),
    mutant(Kernel::Forward, "bytes in the wrong order", "vec4<u32>(0u, 8u, 16u, 24u)", "vec4<u32>(24u, 16u, 8u, 0u)"),
    mutant(Kernel::Forward, "last block of inputs missing", "block < min(D,", "block + BLOCK < min(D,"),
    mutant(
        Kernel::Forward,
        "first row of the chunk for every step",
        "step.row + batch * step.rows",
        "batch * step.rows",
    ),
    mutant(Kernel::Forward, "every model on the first batch", "step.row + batch * step.rows", "step.row"),
    mutant(
        Kernel::Forward,
        "transposed tile",
        "vec4<f32>(r0.y, r1.y, r2.y, r3.y)",
        "vec4<f32>(r1.x, r1.y, r2.y, r3.y)",
    ),
    mutant(Kernel::Forward, "weights of the next input", "w1[(d * N + n) / 4u]", "w1[((d + 1u) * N + n) / 4u]"),
    mutant(
        Kernel::Forward,
        "padding of the last input block not zeroed",
        "if (d < D && n < end_column)",
        "if (n < end_column)",
    ),
    mutant(
        Kernel::Forward,
        "stale tile: no barrier before it is read",
        "        workgroupBarrier();\n        for (var d = 0u",
        "        for (var d = 0u",
    ),
    mutant(
        Kernel::Forward,
        "tile overwritten while it is read",
        "            sums[3] += a.w * c;\n        }\n        workgroupBarrier();",
        "            sums[3] += a.w * c;\n        }",
    ),
    mutant(Kernel::Forward, "two rows swapped", "sums[1] += a.y * c", "sums[1] += a.z * c"),
    mutant(
        Kernel::Forward,
        "inputs cut to f16",
        "let a = x[d * 16u + thread / 16u];",
        "let a = quantizeToF16(x[d * 16u + thread / 16u]);",
    ),
    mutant(Kernel::Forward, "rows past the batch written", "if (row + i < step.rows)", "if (row + i <= step.rows)"),
    mutant(Kernel::Forward, "columns past the models written", "if (column < end_column)", "if (column <= end_column)"),
    mutant(Kernel::Head, "last slice missing", "s < SLICES; s++", "s + 1u < SLICES; s++"),
    mutant(Kernel::Head, "first bias dropped", "z += small[b1 + h];", "z += 0.0 * small[b1 + h];"),
    mutant(Kernel::Head, "ReLU left out", "select(z, 0.0, z <= 0.0)", "z"),
    mutant(Kernel::Head, "ReLU inverted", "select(z, 0.0, z <= 0.0)", "select(z, 0.0, z >= 0.0)"),
    mutant(Kernel::Head, "ReLU mask inverted", "!(active_units[h] <= 0.0)", "active_units[h] <= 0.0"),
    mutant(Kernel::Head, "ReLU mask left out", "h < H && !(active_units[h] <= 0.0)", "h < H"),
    mutant(
        Kernel::Head,
        "W2 transposed",
        "active_units[h] * small[w2 + h * C + c]",
        "active_units[h] * small[w2 + c * H + h]",
    ),
    mutant(
        Kernel::Head,
        "W2 transposed on the way back",
        "gradients[c] * small[w2 + h * C + c]",
        "gradients[c] * small[w2 + c * H + h]",
    ),
    mutant(Kernel::Head, "second bias dropped", "var logit = small[b2 + c];", "var logit = 0.0;"),
    mutant(
        Kernel::Head,
        "last lane missing",
        "i < LANES; i++) {\n                logit",
        "i + 1u < LANES; i++) {\n                logit",
    ),
    mutant(
        Kernel::Head,
        "hidden units read before they are written",
        "    workgroupBarrier();

    // Eight lanes",
        "
    // Eight lanes",
    ),
    mutant(Kernel::Head, "softmax not shifted", "let largest = logits[best];", "let largest = 0.0;"),
    mutant(
        Kernel::Head,
        "last class missing from the softmax",
        "c < C; c++) {\n        total",
        "c + 1u < C; c++) {\n        total",
    ),
    mutant(
        Kernel::Head,
        "label off by one",
        "let label = labels[step.row + select(0u, m, SHUFFLES > 1u) * step.rows + b];",
        "let label = (labels[step.row + select(0u, m, SHUFFLES > 1u) * step.rows + b] + 1u) % C;",
    ),
    mutant(
        Kernel::Head,
        "labels of the first batch for every model",
        "select(0u, m, SHUFFLES > 1u) * step.rows",
        "0u * step.rows",
    ),
    mutant(Kernel::Head, "sum instead of mean", "/ f32(step.rows);", "/ 1.0;"),
    mutant(Kernel::Head, "last of equal logits", "if (logits[c] > logits[best])", "if (logits[c] < logits[best])"),
    mutant(Kernel::Head, "scores one image further", "scores[b * M + m] = ", "scores[(b + 1u) * M + m] = "),
    mutant(
        Kernel::Head,
        "probabilities cut to f16",
        "let p = exp(logits[c] - largest) / total;",
        "let p = quantizeToF16(exp(logits[c] - largest) / total);",
    ),
    mutant(Kernel::UpdateHidden, "ascent instead of descent", "w1[i] -= rate * (sum0", "w1[i] += rate * (sum0"),
    mutant(Kernel::UpdateHidden, "no penalty", "w1[i] -= rate * (sum1 + decay[m] * w1[i])", "w1[i] -= rate * sum1"),
    mutant(Kernel::UpdateHidden, "penalty doubled", "(sum0 + decay[m] * w1[i])", "(sum0 + 2.0 * decay[m] * w1[i])"),
    mutant(Kernel::UpdateHidden, "first model's penalty for all", "let m = column / HP;", "let m = 0u;"),
    mutant(Kernel::UpdateHidden, "first step's learning rate", "rates[step.rate * M + m]", "rates[m]"),
    mutant(
        Kernel::UpdateHidden,
        "last image missing",
        "if (b < step.rows && quad < quads)",
        "if (b + 1u < step.rows && quad < quads)",
    ),
    mutant(Kernel::UpdateHidden, "inputs of the pair swapped", "thread / 16u % 2u == 1u", "thread / 16u % 2u == 0u"),
    mutant(
        Kernel::UpdateHidden,
        "stale tile: no barrier before it is read",
        "        workgroupBarrier();\n        for (var k",
        "        for (var k",
    ),
    mutant(Kernel::UpdateHidden, "an input past the last one written", "if (d + 1u < D)", "if (d + 1u <= D)"),
    mutant(
        Kernel::UpdateHidden,
        "gradients cut to f16",
        "let c = g[k * 16u + thread % 16u];",
        "let c = quantizeToF16(g[k * 16u + thread % 16u]);",
    ),
    mutant(
        Kernel::UpdateOutput,
        "W2's gradient transposed",
        "(b * M + m) * HP + value / C] * dlogits[(b * M + m) * C + value % C]",
        "(b * M + m) * HP + value % H] * dlogits[(b * M + m) * C + value / H]",
    ),
    mutant(Kernel::UpdateOutput, "last lane missing", "i < LANES; i++", "i + 1u < LANES; i++"),
    mutant(
        Kernel::UpdateOutput,
        "biases penalised too",
        "if (value < b2) {\n                total",
        "if (value < loss) {\n                total",
    ),
    mutant(
        Kernel::UpdateOutput,
        "b1 not updated",
        "} else if (value < loss) {\n            sum += dhidden",
        "} else if (value < b1) {\n            sum += dhidden",
    ),
    mutant(Kernel::UpdateOutput, "loss of the first step overwritten", "losses[step.loss * M + m]", "losses[m]"),
    mutant(Kernel::UpdateOutput, "loss not averaged", "total / f32(step.rows);", "total;"),
    mutant(Kernel::UpdateOutput, "models overlap", "let i = m * loss + value;", "let i = m * (loss - 1u) + value;"),
    mutant(Kernel::Tally, "first group only", "let b = group.x * IMAGES + thread;", "let b = thread;"),
    mutant(Kernel::Tally, "images past the batch counted", "if (b < step.rows)", "if (b <= step.rows)"),
    mutant(
        Kernel::Tally,
        "halves added without a barrier",
        "        }\n        workgroupBarrier();\n    }\n    if",
        "        }\n    }\n    if",
    ),
    mutant(Kernel::Tally, "first batch's tallies overwritten", "(step.loss + group.x) * M", "group.x * M"),
    mutant(Kernel::Squares, "not squared", "sum += value * value;", "sum += value;"),
    mutant(Kernel::Squares, "padding counted", "i / WIDTH * STRIDE", "i / (WIDTH + 1u) * STRIDE"),
    mutant(
        Kernel::Squares,
        "last part cut short",
        "let end = min(WIDTH * HEIGHT,",
        "let end = min(WIDTH * HEIGHT - 1u,",
    ),
];

/// Which case caught a mutant, and by what.
#[derive(Clone, Debug, Serialize)]
pub struct Caught {
    /// The case's name.
    pub case: String,
    /// What was wrong in it.
    pub what: &'static str,
    /// How wrong.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Mutant {
    /// The wrong source.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the shader has changed so that the edit no longer applies exactly once.
    pub fn source(&self) -> Result<String> {
        let source = self.kernel.source();
        let found = source.matches(self.from).count();
        if found != 1 {
            return Err(Error::Internal(format!(
                "mutant `{}`: {:?} stands {found} times in {}.wgsl, expected once",
                self.name,
                self.from,
                self.kernel.name()
            )));
        }
        Ok(source.replacen(self.from, self.to, 1))
    }

    /// Runs the kernel's cases on the wrong shader until one fails; `None` if it survives them all.
    ///
    /// # Errors
    ///
    /// Those of [`Self::source`], and what a driver can do.
    pub fn hunt(&self, gpu: &Gpu) -> Result<Option<Caught>> {
        let shaders = Shaders::default().replacing(self.kernel, self.source()?);
        for case in cases(false).into_iter().filter(|case| case.kernel == self.kernel) {
            let launched = case.launch(&gpu.limits)?.run(gpu, &shaders)?;
            if let Some((what, outcome)) = launched.outcomes.iter().find(|(_, outcome)| !outcome.passed()) {
                return Ok(Some(Caught { case: case.to_string(), what, outcome: outcome.clone() }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_mutants_and_every_edit_applies_once() {
        for kernel in Kernel::ALL {
            assert!(MUTANTS.iter().any(|mutant| mutant.kernel == kernel), "{}", kernel.name());
        }
        for mutant in MUTANTS {
            assert_ne!(mutant.source().unwrap(), mutant.kernel.source(), "{}", mutant.name);
        }
    }
}
