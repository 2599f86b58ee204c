//! Sizes that the kernels' texts fix.

/// Inputs of a slice, whose products are summed one after another.
pub const SLICE: u64 = 32;
/// Slices of a group. Slices, groups and their order depend on `D` alone, never on `M`, `H` or `B`.
pub const GROUP: u64 = 16;
/// Images of a workgroup of `tally`.
pub const TALLY: u64 = 64;
/// Elements of a workgroup of `squares`.
pub const PART: u64 = 4096;
/// Words of a workgroup of `gather`.
pub(super) const WORDS: u64 = 256;
/// Columns of a workgroup of `activate` and `activate_backward`, four an invocation.
pub(super) const ACTIVATED: u64 = 256;
/// Columns of a workgroup of `update`.
pub(super) const COLUMNS: u64 = 64;
/// Small values of a workgroup of `update`.
pub(super) const VALUES: u64 = 32;
/// Workgroups in the first dimension of `update`'s grid.
pub(super) const UPDATE_ROW: u64 = 32_768;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::Kernel;

    #[test]
    fn sizes_are_those_of_the_shaders() {
        let constant = |kernel: Kernel, name| kernel.interface().unwrap().constant(name);
        assert_eq!(constant(Kernel::Forward, "SLICE"), Some(SLICE));
        assert_eq!(constant(Kernel::Update, "SLICE"), Some(SLICE));
        assert_eq!(constant(Kernel::Tally, "IMAGES"), Some(TALLY));
        assert_eq!(constant(Kernel::Squares, "PART"), Some(PART));
    }
}
