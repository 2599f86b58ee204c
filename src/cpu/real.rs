//! The two precisions: `f32` to train in, `f64` to judge long trainings; one value at a time, and as many as a register of the
//! processor holds.

use std::fmt::Debug;
use std::ops::{AddAssign, SubAssign};
use std::slice::from_mut;

use bytemuck::{Pod, cast_slice_mut};
use num_traits::{AsPrimitive, ConstOne, ConstZero, Float};
use pulp::Simd;

/// `f32` or `f64`.
pub trait Real:
    Pod
    + Debug
    + Default
    + Float
    + ConstZero
    + ConstOne
    + AddAssign
    + SubAssign
    + AsPrimitive<f32>
    + From<u8>
    + From<f32>
    + Into<f64>
    + Send
    + Sync
{
    /// The type's name, for people.
    const NAME: &'static str;

    /// A register's values.
    type Lanes<S: Simd>: Pod + Debug;

    /// All values, register by register; what is over at the end is left out.
    fn lanes<S: Simd>(values: &[Self]) -> &[Self::Lanes<S>];

    /// The same, to be changed.
    fn lanes_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Lanes<S>];

    /// The value in every lane.
    fn splat<S: Simd>(self, simd: S) -> Self::Lanes<S>;

    /// `a·b + c`, rounded once where the processor can.
    fn fma<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>, c: Self::Lanes<S>) -> Self::Lanes<S>;

    /// `(pixel − mean) · scale` in each lane.
    fn standardise<S: Simd>(simd: S, pixels: &[u8], mean: Self::Lanes<S>, scale: Self::Lanes<S>) -> Self::Lanes<S>;

    /// The sum of all lanes.
    fn sum<S: Simd>(simd: S, lanes: Self::Lanes<S>) -> Self;
}

macro_rules! real {
    ($type:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $mul_add:ident, $sub:ident, $mul:ident,
        $sum:ident) => {
        impl Real for $type {
            const NAME: &'static str = stringify!($type);

            type Lanes<S: Simd> = S::$lanes;

            #[inline(always)]
            fn lanes<S: Simd>(values: &[Self]) -> &[S::$lanes] {
                S::$as_simd(values).0
            }

            #[inline(always)]
            fn lanes_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$lanes] {
                S::$as_mut_simd(values).0
            }

            #[inline(always)]
            fn splat<S: Simd>(self, simd: S) -> S::$lanes {
                simd.$splat(self)
            }

            #[inline(always)]
            fn fma<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes, c: S::$lanes) -> S::$lanes {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn standardise<S: Simd>(simd: S, pixels: &[u8], mean: S::$lanes, scale: S::$lanes) -> S::$lanes {
                let mut inputs = mean;
                for (input, &pixel) in cast_slice_mut::<_, $type>(from_mut(&mut inputs)).iter_mut().zip(pixels) {
                    *input = pixel.into();
                }
                simd.$mul(simd.$sub(inputs, mean), scale)
            }

            #[inline(always)]
            fn sum<S: Simd>(simd: S, lanes: S::$lanes) -> Self {
                simd.$sum(lanes)
            }
        }
    };
}

real!(f32, f32s, as_simd_f32s, as_mut_simd_f32s, splat_f32s, mul_add_e_f32s, sub_f32s, mul_f32s, reduce_sum_f32s);
real!(f64, f64s, as_simd_f64s, as_mut_simd_f64s, splat_f64s, mul_add_e_f64s, sub_f64s, mul_f64s, reduce_sum_f64s);
