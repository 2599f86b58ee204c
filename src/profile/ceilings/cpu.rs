//! Peak rates of the CPU.

use rayon::prelude::*;

use super::{COPY_SOFTWARE, Ceilings};
use crate::cpu::product::{Matrix, product};
use crate::error::Result;
use crate::profile::sample;

/// Side of the matrices: three of them in f32 are 3 MiB, and gemm's overhead is small.
const SIDE: usize = 512;

impl Ceilings {
    /// Measures those of the CPU, on all its threads, each time it is called.
    pub fn of_cpu() -> impl FnMut() -> Result<Self> {
        let threads = rayon::current_num_threads();
        let part = COPY_SOFTWARE as usize / 4 / threads;
        let from = vec![1f32; part * threads];
        let mut to = vec![0f32; part * threads];
        let matrix = vec![1f32; SIDE * SIDE];
        let mut products = vec![vec![0f32; SIDE * SIDE]; threads];
        move || {
            let copy = sample::host(|| {
                let parts = to.par_chunks_exact_mut(part).zip(from.par_chunks_exact(part));
                parts.for_each(|(to, from)| to.copy_from_slice(from));
            });
            let multiply = sample::host(|| {
                let matrix = || Matrix::new(&matrix, SIDE);
                products.par_iter_mut().for_each(|out| product(matrix(), matrix(), out));
            });
            Ok(Self {
                bytes_per_second: (2 * 4 * part * threads) as f64 / copy,
                flops_per_second: (2 * SIDE.pow(3) * threads) as f64 / multiply,
                dispatch_seconds: None,
            })
        }
    }
}
