//! Wrong kernels: small edits to the shaders, each of which the checks of its kernel must catch.
//!
//! A check that has never been seen to fail is not yet a check. A mutant that survives is a finding about the checks.

mod edits;

use std::sync::LazyLock;

use serde::Serialize;

use self::edits::{EDITS, Edit};
use super::kernels::cases;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::kernels::{Kernel, Shaders};
use crate::proof::compare::Outcome;

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

/// Every mutant.
pub static MUTANTS: LazyLock<Vec<Mutant>> = LazyLock::new(|| {
    let mutants = |(kernel, edits): (_, &[Edit])| {
        edits.iter().map(move |&(name, from, to)| Mutant { name, kernel, from, to }).collect::<Vec<_>>()
    };
    EDITS.iter().copied().flat_map(mutants).collect()
});

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
        for mutant in &*MUTANTS {
            let (path, text) = mutant.file().unwrap();
            let built_in = mutant.kernel.files().iter().find(|(of, _)| *of == path).unwrap().1;
            assert_ne!(text, built_in, "{}", mutant.name);
        }
    }
}
