//! Wrong kernels: small edits to the shaders, each of which the checks of its kernel must catch.
//!
//! A check that has never been seen to fail is not yet a check. A mutant that survives is a finding about the checks.

use serde::Serialize;

use super::compare::Outcome;
use super::kernels::cases;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::kernels::{Kernel, Shaders};

/// A wrong edit: `from`, which stands once in the kernel's files, becomes `to`.
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
    mutant(Kernel::Forward, "mean not subtracted", "- standard[0])", "- 0.0 * standard[0])"),
    mutant(
        Kernel::Forward,
        "means for scales",
        "standard[1] = standardisation[quads + quad]",
        "standard[1] = standardisation[quad]",
    ),
    mutant(Kernel::Forward, "bytes in the wrong order", "vec4<u32>(0u, 8u, 16u, 24u)", "vec4<u32>(24u, 16u, 8u, 0u)"),
    mutant(
        Kernel::Forward,
        "last slice of a group missing",
        "slice < min((D + SLICE - 1u) / SLICE,",
        "slice + 1u < min((D + SLICE - 1u) / SLICE,",
    ),
    mutant(
        Kernel::Forward,
        "first row of the chunk for every step",
        "step.row + batch * step.rows",
        "batch * step.rows",
    ),
    mutant(Kernel::Forward, "every model on the first batch", "step.row + batch * step.rows", "step.row"),
    mutant(Kernel::Forward, "transposed tile", "return transpose(x);", "return x;"),
    mutant(
        Kernel::Forward,
        "weights of the next input",
        "w1[(d * N + column) / 4u]",
        "w1[((d + 1u) * N + column) / 4u]",
    ),
    mutant(
        Kernel::Forward,
        "padding of the last input block not zeroed",
        "if (d < D && column < end_column)",
        "if (column < end_column)",
    ),
    mutant(
        Kernel::Forward,
        "stale tile: no barrier before it is read",
        "        workgroupBarrier();\n        // Of 100 rows",
        "        // Of 100 rows",
    ),
    mutant(
        Kernel::Forward,
        "tile overwritten while it is read",
        "sums[i] += slice_sums[i];\n            }\n        }\n        workgroupBarrier();",
        "sums[i] += slice_sums[i];\n            }\n        }",
    ),
    mutant(Kernel::Forward, "last rows of a batch not summed", "if (row < step.rows) {", "if (row + 8u < step.rows) {"),
    mutant(Kernel::Forward, "two rows swapped", "slice_sums[1] += a.y * c", "slice_sums[1] += a.z * c"),
    mutant(Kernel::Forward, "upper rows for the lower ones", "slice_sums[6] += b.z * c", "slice_sums[6] += a.z * c"),
    mutant(Kernel::Forward, "slices before the last lost", "sums[i] += slice_sums[i];", "sums[i] = slice_sums[i];"),
    mutant(
        Kernel::Forward,
        "inputs cut to f16",
        "let a = x[d * 2u * THREAD_ROWS + my_rows];",
        "let a = quantizeToF16(x[d * 2u * THREAD_ROWS + my_rows]);",
    ),
    mutant(Kernel::Forward, "rows past the batch written", "if (row + i < step.rows)", "if (row + i <= step.rows)"),
    mutant(
        Kernel::Forward,
        "columns past the models written",
        "    if (column < end_column) {\n        for",
        "    if (column <= end_column) {\n        for",
    ),
    mutant(Kernel::Head, "last partial of a group missing", "j < GROUP; j++", "j + 1u < GROUP; j++"),
    mutant(Kernel::Head, "first bias dropped", "z += small[b1 + unit];", "z += 0.0;"),
    mutant(Kernel::Head, "ReLU left out", "select(z, 0.0, z <= 0.0)", "z"),
    mutant(Kernel::Head, "ReLU inverted", "z <= 0.0", "z >= 0.0"),
    mutant(Kernel::Head, "ReLU mask inverted", "!(unit <= 0.0)", "unit <= 0.0"),
    mutant(Kernel::Head, "ReLU mask left out", "h < H && !(unit <= 0.0)", "h < H"),
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
    mutant(Kernel::Head, "last group missing", "g < GROUPS; g++", "g + 1u < GROUPS; g++"),
    mutant(
        Kernel::Head,
        "groups summed before they are written",
        "group_sums[i] = sum;\n        }\n        workgroupBarrier();",
        "group_sums[i] = sum;\n        }",
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
        "        workgroupBarrier();\n    }\n\n    // Eight lanes",
        "    }\n\n    // Eight lanes",
    ),
    mutant(Kernel::Head, "softmax not shifted", "exp(logits[c] - largest);\n    }", "exp(logits[c]);\n    }"),
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
    mutant(Kernel::Head, "last of equal logits", "if (logits[c] > largest)", "if (logits[c] >= largest)"),
    mutant(Kernel::Head, "logits of the next class", "C + c] = logits[c];", "C + c] = logits[(c + 1u) % C];"),
    mutant(
        Kernel::Head,
        "every model's logits in the first's place",
        "dlogits[(b * M + m) * C + c]",
        "dlogits[b * M * C + c]",
    ),
    mutant(Kernel::Head, "scores one image further", "scores[b * M + m] = ", "scores[(b + 1u) * M + m] = "),
    mutant(
        Kernel::Head,
        "probabilities cut to f16",
        "let p = exp(logits[c] - largest) / total;",
        "let p = quantizeToF16(exp(logits[c] - largest) / total);",
    ),
    mutant(Kernel::Update, "ascent instead of descent", "w[i] -= rate.x", "w[i] += rate.x"),
    mutant(Kernel::Update, "no penalty", "(sum + rate.y * w[i])", "sum"),
    mutant(Kernel::Update, "penalty doubled", "(sum + rate.y * w[i])", "(sum + 2.0 * rate.y * w[i])"),
    mutant(Kernel::Update, "first model's rate for all", "min(column, end_column - 1u) / HP]", "0u]"),
    mutant(Kernel::Update, "first step's learning rate", "rates[step.rate * M + min(", "rates[min("),
    mutant(
        Kernel::Update,
        "last image missing",
        "inputs(x[s], block + image < step.rows,",
        "inputs(x[s], block + image + 1u < step.rows,",
    ),
    mutant(
        Kernel::Update,
        "last eight images of a batch not summed",
        "eight < min(32u, step.rows - block); eight",
        "eight + 8u < min(32u, step.rows - block); eight",
    ),
    mutant(
        Kernel::Update,
        "last rows of the next batch not multiplied",
        "if (row < step.next_rows) {",
        "if (row + 4u < step.next_rows) {",
    ),
    mutant(Kernel::Update, "every model on the first batch", "step.row + batch * step.rows", "step.row"),
    mutant(
        Kernel::Update,
        "next images of the first batch for every model",
        "step.next_row + batch * step.next_rows",
        "step.next_row",
    ),
    mutant(
        Kernel::Update,
        "this step's images for the next product",
        "next_words(next_row, thread",
        "next_words(batch_row, thread",
    ),
    mutant(Kernel::Update, "mean not subtracted", "- standard[0])", "- 0.0 * standard[0])"),
    mutant(Kernel::Update, "next tile transposed", "return transpose(x);", "return x;"),
    mutant(
        Kernel::Update,
        "next tile overwritten while it is read",
        "sums[i];\n            }\n        }\n        workgroupBarrier();",
        "sums[i];\n            }\n        }",
    ),
    mutant(Kernel::Update, "odd images left out", "+ tile[256u * i", "+ 0.0 * tile[256u * i"),
    mutant(
        Kernel::Update,
        "partner's inputs swapped",
        "select(sums[mine], sums[mine + 2u], even)",
        "select(sums[mine + 2u], sums[mine], even)",
    ),
    mutant(
        Kernel::Update,
        "stale tile: no barrier before it is read",
        "tile[768u + thread] = g[1];\n        workgroupBarrier();",
        "tile[768u + thread] = g[1];",
    ),
    mutant(
        Kernel::Update,
        "tile overwritten while it is read",
        "* c;\n                }\n            }\n        }\n        workgroupBarrier();",
        "* c;\n                }\n            }\n        }",
    ),
    mutant(
        Kernel::Update,
        "sums taken before the partner has left them",
        "even);\n    }\n    workgroupBarrier();",
        "even);\n    }",
    ),
    mutant(
        Kernel::Update,
        "an input past the last one written",
        "if (d < D && column < end_column) {\n            w1[(d",
        "if (d <= D && column < end_column) {\n            w1[(d",
    ),
    mutant(
        Kernel::Update,
        "gradients cut to f16",
        "let c = tile[512u + k * 16u + across];",
        "let c = quantizeToF16(tile[512u + k * 16u + across]);",
    ),
    mutant(Kernel::Update, "first slice's inputs for both", "tile[256u * s + k * 8u", "tile[k * 8u"),
    mutant(
        Kernel::Update,
        "first slice's weights for both",
        "let d = first_d + i / 2u * SLICE + i % 2u;\n        if (d < D && column < end_column) {\n            w[i]",
        "let d = first_d + i % 2u;\n        if (d < D && column < end_column) {\n            w[i]",
    ),
    mutant(
        Kernel::Update,
        "weights written over sums that the partner still reads",
        "        workgroupBarrier();\n        for (var i = 0u; i < 2u; i++) {\n            tile",
        "        for (var i = 0u; i < 2u; i++) {\n            tile",
    ),
    mutant(
        Kernel::Update,
        "next product with the old weights",
        "tile[(4u * quad + 2u * parity + i) * 16u + across] = w[i];",
        "tile[(4u * quad + 2u * parity + i) * 16u + across] = w[i] + rate.x;",
    ),
    mutant(
        Kernel::Update,
        "next product's rows past the batch written",
        "if (row + i < step.next_rows &&",
        "if (row + i <= step.next_rows &&",
    ),
    mutant(
        Kernel::Update,
        "next product's slices by this step's length",
        "partials[((slice * step.next_rows",
        "partials[((slice * step.rows",
    ),
    mutant(
        Kernel::Update,
        "next tile read before it is written",
        "        workgroupBarrier();\n        words = next_words",
        "        words = next_words",
    ),
    mutant(
        Kernel::Update,
        "W2's gradient transposed",
        "HP + value / C] * dlogits[(b * M + m) * (C + 1u) + value % C]",
        "HP + value % H] * dlogits[(b * M + m) * (C + 1u) + value / H]",
    ),
    mutant(
        Kernel::Update,
        "last lane missing",
        "i < 8u; i++) {\n            total",
        "i < 7u; i++) {\n            total",
    ),
    mutant(
        Kernel::Update,
        "biases penalised too",
        "} else if (value < b2) {\n            small[i]",
        "} else if (value < loss) {\n            small[i]",
    ),
    mutant(
        Kernel::Update,
        "b1 not updated",
        "} else if (value >= b1 && value < loss) {",
        "} else if (value >= b1 && value < b1) {",
    ),
    mutant(Kernel::Update, "loss of another column", "min(value - b2, C)", "min(value - b2, C - 1u)"),
    mutant(
        Kernel::Update,
        "small values of the first model for all",
        "small_values(index / parts,",
        "small_values(0u,",
    ),
    mutant(
        Kernel::Update,
        "inputs past the last not zeroed",
        "if (quad < quads) {\n        standard[0]",
        "if (quad <= quads) {\n        standard[0]",
    ),
    mutant(Kernel::Update, "loss of the first step overwritten", "losses[step.loss * M + m]", "losses[m]"),
    mutant(Kernel::Update, "loss not averaged", "total / f32(step.rows);", "total;"),
    mutant(Kernel::Update, "models overlap", "let i = m * loss + value;", "let i = m * (loss - 1u) + value;"),
    mutant(Kernel::Gather, "every buffer the first", "rows[group.x] - FIRST;", "rows[group.x];"),
    mutant(Kernel::Gather, "an image past the buffer's last", "image < COUNT", "image <= COUNT"),
    mutant(Kernel::Gather, "the next row", "pixels[group.x * WORDS + word]", "pixels[(group.x + 1u) * WORDS + word]"),
    mutant(Kernel::Gather, "last word missing", "word < WORDS &&", "word + 1u < WORDS &&"),
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
    /// Whether a barrier is missing. Such a mutant is wrong only where invocations run out of step, and can survive on an
    /// adapter that happens to run them in a harmless order.
    pub fn races(&self) -> bool {
        let barriers = |text: &str| text.matches("workgroupBarrier").count();
        barriers(self.to) < barriers(self.from)
    }

    /// The wrong file: its path as in [`Kernel::files`], and its text.
    pub fn file(&self) -> Result<(&'static str, String)> {
        let files = self.kernel.files();
        let found: usize = files.iter().map(|(_, text)| text.matches(self.from).count()).sum();
        match files.iter().find(|(_, text)| text.contains(self.from)) {
            Some((path, text)) if found == 1 => Ok((path, text.replacen(self.from, self.to, 1))),
            _ => Err(Error::Internal(format!(
                "mutant `{}`: {:?} stands {found} times in kernel {}, expected once",
                self.name,
                self.from,
                self.kernel.name()
            ))),
        }
    }

    /// Runs the kernel's cases on the wrong shader until one fails; `None` if it survives them all.
    pub fn hunt(&self, gpu: &Gpu) -> Result<Option<Caught>> {
        let (path, text) = self.file()?;
        let shaders = Shaders::default().replacing(path, text);
        for case in cases(false).into_iter().filter(|case| case.of.kernel() == self.kernel) {
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
            let (path, text) = mutant.file().unwrap();
            let built_in = mutant.kernel.files().iter().find(|(of, _)| *of == path).unwrap().1;
            assert_ne!(text, built_in, "{}", mutant.name);
        }
    }
}
