//! Vectors of the instruction set the processor has, behind one small interface, and eight floats
//! for what is left over. Safe code: `pulp` detects and selects.

use pulp::Simd;

/// A fixed number of floats that are computed on together.
pub trait Lanes: Copy {
    type V: Copy;
    /// Floats in a vector.
    const N: usize;

    fn splat(self, value: f32) -> Self::V;
    /// The first [`Lanes::N`] values.
    fn load(self, values: &[f32]) -> Self::V;
    /// Into the first [`Lanes::N`] places.
    fn store(self, vector: Self::V, out: &mut [f32]);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the processor fuses.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
}

/// The widest vectors of the instruction set.
#[derive(Clone, Copy)]
pub struct Wide<S>(pub S);

impl<S: Simd> Lanes for Wide<S> {
    type V = S::f32s;
    const N: usize = S::F32_LANES;

    #[inline(always)]
    fn splat(self, value: f32) -> S::f32s {
        self.0.splat_f32s(value)
    }

    #[inline(always)]
    fn load(self, values: &[f32]) -> S::f32s {
        S::as_simd_f32s(&values[..Self::N]).0[0]
    }

    #[inline(always)]
    fn store(self, vector: S::f32s, out: &mut [f32]) {
        S::as_mut_simd_f32s(&mut out[..Self::N]).0[0] = vector;
    }

    #[inline(always)]
    fn add(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.add_f32s(a, b)
    }

    #[inline(always)]
    fn sub(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.sub_f32s(a, b)
    }

    #[inline(always)]
    fn mul(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.mul_f32s(a, b)
    }

    #[inline(always)]
    fn max(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.max_f32s(a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        if fused::<S>() { self.0.mul_add_f32s(a, b, c) } else { self.0.add_f32s(self.0.mul_f32s(a, b), c) }
    }
}

/// Whether the instruction set multiplies and adds in one; where it does not, asking for it calls a
/// library function for each number.
pub const fn fused<S: Simd>() -> bool {
    S::F32_LANES >= 8 || cfg!(target_arch = "aarch64") && S::F32_LANES > 1
}

/// Eight floats in an array, which the compiler turns into vectors.
#[derive(Clone, Copy)]
pub struct Eight<const FUSED: bool>;

impl<const FUSED: bool> Lanes for Eight<FUSED> {
    type V = [f32; 8];
    const N: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    fn load(self, values: &[f32]) -> [f32; 8] {
        let mut vector = [0.0; 8];
        vector.copy_from_slice(&values[..8]);
        vector
    }

    #[inline(always)]
    fn store(self, vector: [f32; 8], out: &mut [f32]) {
        out[..8].copy_from_slice(&vector);
    }

    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if FUSED { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] })
    }
}
