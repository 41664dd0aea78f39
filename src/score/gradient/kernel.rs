//! Loops over plain numbers as candle operations with gradients of their own.
//!
//! Tensors here are matrices: a row for each channel, then image by image, pixel by pixel. That
//! makes a convolution one matrix product for the whole batch and batch norm a matter of rows.
//! Loops are compiled for the instruction set at hand. Not here: what the loops compute.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Error, Layout, Result, Shape, Tensor, WithDType};
use pulp::{Arch, Simd, WithSimd};

/// Computes one matrix from `N` others, in single or double precision.
pub(super) trait Kernel<const N: usize>: Send + Sync + 'static {
    const NAME: &'static str;

    /// Rows and columns of the result.
    fn shape(&self) -> (usize, usize);

    /// Fills the result, which is zero at first. To be inlined, so that it is compiled for the
    /// instruction set.
    fn run<T: WithDType>(&self, inputs: [&[T]; N], out: &mut [T]);

    /// Gradients of the inputs, given that of the result; `None` for those that need none.
    fn backward(&self, _: [&Tensor; N], _result: &Tensor, _grad: &Tensor) -> Result<[Option<Tensor>; N]> {
        Err(Error::BackwardNotSupported { op: Self::NAME })
    }
}

struct Run<'a, const N: usize, K, T> {
    kernel: &'a K,
    inputs: [&'a [T]; N],
    out: &'a mut [T],
}

impl<const N: usize, K: Kernel<N>, T: WithDType> WithSimd for Run<'_, N, K, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.kernel.run(self.inputs, self.out);
    }
}

fn run_typed<const N: usize, K: Kernel<N>, T: WithDType>(
    kernel: &K,
    storages: [&CpuStorage; N],
    layouts: [&Layout; N],
) -> Result<Vec<T>> {
    let mut inputs: [&[T]; N] = [&[]; N];
    for ((input, storage), layout) in inputs.iter_mut().zip(storages).zip(layouts) {
        let (start, end) = layout.contiguous_offsets().ok_or(Error::RequiresContiguous { op: K::NAME })?;
        *input = &storage.as_slice::<T>()?[start..end];
    }
    let (rows, columns) = kernel.shape();
    let mut out = vec![T::zero(); rows * columns];
    Arch::new().dispatch(Run { kernel, inputs, out: &mut out });
    Ok(out)
}

/// Runs a kernel in the precision of its inputs.
pub(super) fn run<const N: usize, K: Kernel<N>>(
    kernel: &K,
    storages: [&CpuStorage; N],
    layouts: [&Layout; N],
) -> Result<(CpuStorage, Shape)> {
    let result = match storages[0] {
        CpuStorage::F32(_) => CpuStorage::F32(run_typed(kernel, storages, layouts)?),
        CpuStorage::F64(_) => CpuStorage::F64(run_typed(kernel, storages, layouts)?),
        other => return Err(Error::UnsupportedDTypeForOp(candle_core::backend::BackendStorage::dtype(other), K::NAME)),
    };
    Ok((result, kernel.shape().into()))
}

/// A kernel as an operation of candle's.
pub(super) struct Op<K>(pub K);

impl<K: Kernel<1>> CustomOp1 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [storage], [layout])
    }

    fn bwd(&self, arg: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [grad] = self.0.backward([&arg.detach()], &result.detach(), &grad.contiguous()?)?;
        Ok(grad)
    }
}

impl<K: Kernel<2>> CustomOp2 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [s1, s2], [l1, l2])
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, result: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grads = self.0.backward([&a.detach(), &b.detach()], &result.detach(), &grad.contiguous()?)?;
        Ok(grads.into())
    }
}

impl<K: Kernel<3>> CustomOp3 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [s1, s2, s3], [l1, l2, l3])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let args = [&a.detach(), &b.detach(), &c.detach()];
        let grads = self.0.backward(args, &result.detach(), &grad.contiguous()?)?;
        Ok(grads.into())
    }
}

/// Values added up side by side.
const LANES: usize = 8;

/// Sum of `term` over the places of two slices of equal length, in double precision.
#[inline(always)]
pub(super) fn sum<T: WithDType>(a: &[T], b: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(a.to_f64(), b.to_f64());
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| term(a.to_f64(), b.to_f64())).sum();
    sums.iter().sum::<f64>() + rest
}

/// Adds `factor` times a slice to another one.
#[inline(always)]
pub(super) fn add_scaled<T: WithDType>(out: &mut [T], factor: T, values: &[T]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += factor * *value;
    }
}
