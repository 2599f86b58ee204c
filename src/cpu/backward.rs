//! `z ← dz·Wᵀ`: a later layer's gradient on its way to the layer before. On a GPU `forward.wgsl` computes it too, from
//! transposed weights.
//!
//! Here it is `update`'s product with images in place of units and units in place of images: a step from 0 at a rate of −1
//! leaves it. Threads share the images: at 1000-500 and B = 100 it takes 1.2 ms of a Zen 3's threads together; by gemm it took
//! 1.1 of one of them, while the others waited.

use rayon::prelude::*;

use super::forward::UNITS;
use super::inputs::Inputs;
use super::real::Real;
use super::rows::Rows;
use super::update::update;

/// Fills `z [B, I]` from `dz [B, H]` and `w`, which is Wᵀ `[H, I]`. `rows` are scratch.
pub(super) fn backward<T: Real>(dz: &[T], w: &Rows<T>, rows: &mut Rows<T>, z: &mut Vec<T>) {
    let (units, inputs, images) = (w.rows(), w.columns(), dz.len() / w.rows());
    let mut slopes = vec![T::ZERO; dz.len()];
    for (image, dz) in dz.chunks_exact(units).enumerate() {
        for (slope, &dz) in slopes[image..].iter_mut().step_by(images).zip(dz) {
            *slope = dz;
        }
    }
    rows.reshape(images, inputs);
    rows.values_mut().fill(T::ZERO);
    z.resize(images * inputs, T::ZERO);
    let stride = rows.stride();
    let share = images.div_ceil(rayon::current_num_threads()).next_multiple_of(UNITS);
    let parts = rows.values_mut().par_chunks_mut(share * stride).zip(z.par_chunks_mut(share * inputs));
    parts.enumerate().for_each(|(part, (rows, z))| {
        update(Inputs::Values(w), &slopes, (-T::ONE, T::ZERO), None, part * share, rows, &mut []);
        for (z, row) in z.chunks_exact_mut(inputs).zip(rows.chunks_exact(stride)) {
            z.copy_from_slice(&row[..inputs]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::product::{Matrix, product};
    use super::super::testing::integers;
    use super::*;

    fn equals_the_librarys<T: Real>() {
        let mut rows = Rows::zeros(0, 1);
        // On both sides of the tiles, of a line, and of two threads' parts; the scratch is of another shape each time.
        for (b, h, i) in [(1, 1, 1), (7, 3, 17), (100, 13, 50), (11, 101, 33), (5, 2, 200)] {
            let (dz, w) = (integers::<T>(0, b * h), integers::<T>(1, h * i));
            let mut expected = vec![T::ZERO; b * i];
            product(Matrix::new(&dz, h), Matrix::new(&w, i), &mut expected);
            // What z held must not matter.
            let mut z = vec![<T as From<f32>>::from(f32::NAN); b * i];
            backward(&dz, &Rows::new(&w, i), &mut rows, &mut z);
            assert_eq!(z, expected, "{} {b} x {h} x {i}", T::NAME);
        }
    }

    #[test]
    fn the_way_back_is_the_librarys_product() {
        equals_the_librarys::<f32>();
        equals_the_librarys::<f64>();
    }
}
