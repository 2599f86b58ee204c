//! Matrix products by a library: the one place that calls the `gemm` crate, for what is small in a step. A product is always
//! computed by the thread that asks for it, so an element's bits depend on its product's shape alone.
//!
//! The two large products are `forward`'s and `update`'s own, because no library has theirs: `W1ᵀ`
//! and `X` both along their inputs, nothing to be packed, rows of 50 that fill no vectors of 16, and the weights' step taken
//! while their gradient is still in registers. Measured on 2026-11-25, one thread of a Zen 5 (AVX-512), medians of 300, f32, in
//! µs (GFLOP/s):
//!
//! | B = 100, D = 3,072, H = 50                 | gemm 0.19        | ours             |
//! |--------------------------------------------|------------------|------------------|
//! | `X·W1`, W1 `[D, H]`, sums of 256 inputs    | 167 (184)        |                  |
//! | `(X·W1)ᵀ` from W1ᵀ `[H, D]`                |                  | 136 (226)        |
//! | `Xᵀ·dhidden`, as `[D, H]`                  | 188 (164)        |                  |
//! | `dhiddenᵀ·X`, as `[H, D]`                  | 155 (198)        |                  |
//! | `dhiddenᵀ·X` and the step                  |                  | 119 (258)        |
//! | square, n = 1,024                          | 9,300 (231)      |                  |
//!
//! On both threads, a step by gemm, as this engine had it before, and one by ours: 2.2 and 1.7 ms at H = 500, B = 100; 8.1 and 7.3 ms at 200 and
//! 1,000; 34.7 and 35.7 ms at 1,000 and 1,000, where gemm's packing pays.
//!
//! matrixmultiply 0.3.11 was slower than gemm at the first of these (57 against 84 GFLOP/s on a Zen 4).

use super::real::Real;
use super::rows::whole_rows;

/// A matrix in a slice: element (i, j) is `values[i · row_stride + j · column_stride]`, inside the slice for every
/// i < rows, j < columns.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    values: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// All of `values`, row-major, as rows of `columns`.
    ///
    /// # Panics
    ///
    /// When `values` does not end with a whole row.
    pub fn new(values: &'a [T], columns: usize) -> Self {
        Self { values, rows: whole_rows(values, columns), columns, row_stride: columns, column_stride: 1 }
    }

    /// Rows and columns swapped; nothing is moved.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `C ← A·B`, with C row-major `[A's rows, B's columns]`.
///
/// # Panics
///
/// When the shapes do not fit each other.
#[expect(
    unsafe_code,
    reason = "gemm takes raw pointers; a Matrix keeps its elements inside its slice, C's length is checked"
)]
pub fn product<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T]) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!(k, b.rows, "A's columns are B's rows");
    assert_eq!(c.len(), m * n, "C has A's rows and B's columns");
    // SAFETY: all elements of A and B that (m, k, n) and the strides reach lie in their slices, as Matrix promises; C has
    // m·n elements in rows of n, cannot overlap the others (it is borrowed mutably), and is written, not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n.cast_signed(),
            false,
            a.values.as_ptr(),
            a.column_stride.cast_signed(),
            a.row_stride.cast_signed(),
            b.values.as_ptr(),
            b.column_stride.cast_signed(),
            b.row_stride.cast_signed(),
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::integers;
    use super::*;

    /// Shapes (m, k, n): pairwise different, never square, on both sides of the kernels' tiles (6, 8, 16, 64), of gemm's
    /// short cuts (one row, one column, k ≤ 2, m·n ≤ 256) and of its blocking of k (512); and the head's of the report.
    const SHAPES: [(usize, usize, usize); 13] = [
        (1, 7, 5),
        (9, 4, 1),
        (3, 1, 2),
        (17, 2, 31),
        (13, 257, 19),
        (65, 29, 63),
        (100, 50, 10),
        (100, 10, 50),
        (50, 100, 10),
        (100, 256, 50),
        (251, 101, 53),
        (5, 1031, 67),
        (70, 1100, 83),
    ];

    fn equals_the_triple_loop<T: Real>() {
        for (m, k, n) in SHAPES {
            let (a, b) = (integers::<T>(0, m * k), integers::<T>(1, k * n));
            let mut naive = vec![T::ZERO; m * n];
            for i in 0..m {
                for j in 0..n {
                    for l in 0..k {
                        naive[i * n + j] += a[i * k + l] * b[l * n + j];
                    }
                }
            }
            let mut at = vec![T::ZERO; m * k];
            for i in 0..m {
                for l in 0..k {
                    at[l * m + i] = a[i * k + l];
                }
            }
            // What C held must not matter.
            let mut c = vec![<T as From<f32>>::from(f32::NAN); m * n];
            product(Matrix::new(&a, k), Matrix::new(&b, n), &mut c);
            assert_eq!(c, naive, "{} {m} x {k} x {n}", T::NAME);
            c.fill(<T as From<f32>>::from(f32::NAN));
            product(Matrix::new(&at, m).transposed(), Matrix::new(&b, n), &mut c);
            assert_eq!(c, naive, "{} {m} x {k} x {n}, A transposed", T::NAME);
        }
    }

    #[test]
    fn a_product_equals_the_triple_loop_on_integers() {
        equals_the_triple_loop::<f32>();
        equals_the_triple_loop::<f64>();
    }

    #[test]
    #[should_panic(expected = "A's columns are B's rows")]
    fn inner_dimensions_that_differ_are_refused() {
        product(Matrix::new(&[0.0; 6], 3), Matrix::new(&[0.0; 8], 4), &mut [0.0; 8]);
    }
}
