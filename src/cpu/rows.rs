//! Matrices whose rows begin cache lines.
//!
//! A register of AVX-512 holds a line, and a load that straddles two lines costs two: on one thread of a Zen 5 the products
//! of a step took 288 µs with rows that begin anywhere, 256 µs with these. Rows are an odd number of lines apart, so that
//! those of a tile do not meet in one set of the cache: 3,072 values of f32 are 192 lines, and with each row right behind
//! the one before the update took 150 µs in place of 128.

use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A matrix, of numbers or of bytes, row after row. Between the end of a row and the next there are zeros.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    lines: Vec<Line>,
    columns: usize,
    values: PhantomData<T>,
}

impl<T: Pod> Rows<T> {
    const LINE: usize = size_of::<Line>() / size_of::<T>();

    /// `[rows, columns]`, all 0.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let mut zeros = Self { lines: Vec::new(), columns, values: PhantomData };
        zeros.resize(rows);
        zeros
    }

    /// `[rows, columns]` of values without anything between the rows.
    pub fn new(values: &[T], columns: usize) -> Self {
        let rows = whole_rows(values, columns);
        let mut matrix = Self::zeros(rows, columns);
        let stride = matrix.stride();
        for (row, values) in matrix.values_mut().chunks_mut(stride).zip(values.chunks_exact(columns)) {
            row[..columns].copy_from_slice(values);
        }
        matrix
    }

    /// `[columns, rows]` of values in rows of `columns`, without anything between the rows.
    pub fn transposed(values: &[T], columns: usize) -> Self {
        let rows = whole_rows(values, columns);
        let mut matrix = Self::zeros(columns, rows);
        let stride = matrix.stride();
        for (column, row) in matrix.values_mut().chunks_mut(stride).enumerate() {
            for (value, &from) in row.iter_mut().zip(values[column..].iter().step_by(columns)) {
                *value = from;
            }
        }
        matrix
    }

    /// What [`Self::transposed`] was given.
    pub fn untransposed(&self) -> Vec<T> {
        let rows = self.values().chunks(self.stride());
        let mut values = vec![T::zeroed(); self.rows() * self.columns];
        for (row, from) in rows.enumerate() {
            for (value, &from) in values[row..].iter_mut().step_by(self.rows()).zip(from) {
                *value = from;
            }
        }
        values
    }

    /// Of another shape. What the values are then is left open.
    pub fn reshape(&mut self, rows: usize, columns: usize) {
        self.columns = columns;
        self.resize(rows);
    }

    /// As many rows as asked for. Those that come are 0.
    pub fn resize(&mut self, rows: usize) {
        self.lines.resize(rows * self.stride() / Self::LINE, Line::zeroed());
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.lines.len() * Self::LINE / self.stride()
    }

    /// Values of a row, and of the zeros that fill its last line.
    pub fn width(&self) -> usize {
        self.columns.next_multiple_of(Self::LINE)
    }

    /// Values from the beginning of a row to that of the next.
    pub fn stride(&self) -> usize {
        ((self.width() / Self::LINE) | 1) * Self::LINE
    }

    /// Row after row, each [`Self::stride`] long.
    pub fn values(&self) -> &[T] {
        cast_slice(&self.lines)
    }

    /// The same, mutable. Padding must stay 0, but may be NaN after a unit has diverged.
    pub fn values_mut(&mut self) -> &mut [T] {
        cast_slice_mut(&mut self.lines)
    }
}

/// How many rows of `columns` the values are; they must end with a whole one.
pub(super) fn whole_rows<T>(values: &[T], columns: usize) -> usize {
    assert!(columns > 0 && values.len().is_multiple_of(columns), "{} values in rows of {columns}", values.len());
    values.len() / columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_begin_lines_an_odd_number_apart_and_zeros_lie_between() {
        for (columns, width, stride) in [(1, 16, 16), (16, 16, 16), (17, 32, 48), (32, 32, 48), (3072, 3072, 3088)] {
            let values: Vec<f32> = (0..3 * columns).map(|value| value as f32 + 1.0).collect();
            let rows = Rows::new(&values, columns);
            assert_eq!((rows.rows(), rows.width(), rows.stride()), (3, width, stride), "{columns} columns");
            for (row, values) in rows.values().chunks(stride).zip(values.chunks(columns)) {
                assert_eq!(row.as_ptr() as usize % 64, 0);
                assert_eq!(row[..columns], *values);
                assert!(row[columns..].iter().all(|&value| value == 0.0));
            }
        }
    }

    #[test]
    fn a_matrix_turned_and_turned_back_is_the_same() {
        let values: Vec<f64> = (0..21).map(f64::from).collect();
        let turned = Rows::transposed(&values, 3);
        assert_eq!(turned.rows(), 3);
        assert_eq!(turned.values()[..7], [0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0]);
        assert_eq!(turned.untransposed(), values);
    }

    #[test]
    #[should_panic(expected = "7 values in rows of 3")]
    fn half_a_row_is_refused() {
        Rows::new(&[0.0; 7], 3);
    }
}
