//! Batch norm and ReLU over matrices of one row for each channel.

use candle_core::{Result, Tensor, WithDType};

use super::kernel::{Kernel, Op, sum};
use crate::net::BATCH_NORM_EPSILON;

/// Batch norm in training mode: every row less its mean, over the root of its biased variance plus
/// [`BATCH_NORM_EPSILON`], times its weight, plus its bias. `map` is channels x values, `weight` and
/// `bias` have one value for each channel.
pub(super) fn batch_norm(map: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (channels, count) = map.dims2()?;
    map.apply_op3(weight, bias, Op(BatchNorm { channels, count }))
}

/// Negative values become 0; there, and at 0, the gradient is 0.
pub(super) fn relu(map: &Tensor) -> Result<Tensor> {
    let (channels, count) = map.dims2()?;
    map.apply_op1(Op(Relu { channels, count }))
}

/// Mean of a row and the reciprocal of its standard deviation.
#[inline(always)]
fn moments<T: WithDType>(row: &[T]) -> (f64, f64) {
    let count = row.len() as f64;
    let mean = sum(row, row, |x, _| x) / count;
    let variance = sum(row, row, |x, _| (x - mean) * (x - mean)) / count;
    (mean, 1.0 / (variance + BATCH_NORM_EPSILON as f64).sqrt())
}

struct BatchNorm {
    channels: usize,
    count: usize,
}

impl Kernel<3> for BatchNorm {
    const NAME: &'static str = "batch-norm";

    fn shape(&self) -> (usize, usize) {
        (self.channels, self.count)
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [map, weight, bias]: [&[T]; 3], out: &mut [T]) {
        let rows = map.chunks_exact(self.count).zip(out.chunks_exact_mut(self.count));
        for (channel, (row, out)) in rows.enumerate() {
            let (mean, scale) = moments(row);
            let (mean, scale) = (T::from_f64(mean), T::from_f64(scale * weight[channel].to_f64()));
            for (out, x) in out.iter_mut().zip(row) {
                *out = (*x - mean) * scale + bias[channel];
            }
        }
    }

    fn backward(&self, [map, weight, _]: [&Tensor; 3], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let (channels, count) = (self.channels, self.count);
        let input = map.apply_op3_no_bwd(weight, grad, &Op(BatchNormInput { channels, count }))?;
        let affine = map.apply_op2_no_bwd(grad, &Op(BatchNormAffine { channels, count }))?;
        Ok([Some(input), Some(affine.get(0)?), Some(affine.get(1)?)])
    }
}

/// Gradient of the map, from map, weight and the gradient of the result.
struct BatchNormInput {
    channels: usize,
    count: usize,
}

impl Kernel<3> for BatchNormInput {
    const NAME: &'static str = "gradient of batch-norm's input";

    fn shape(&self) -> (usize, usize) {
        (self.channels, self.count)
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [map, weight, grad]: [&[T]; 3], out: &mut [T]) {
        let count = self.count as f64;
        let rows = map.chunks_exact(self.count).zip(grad.chunks_exact(self.count));
        for (channel, ((row, grad), out)) in rows.zip(out.chunks_exact_mut(self.count)).enumerate() {
            let (mean, scale) = moments(row);
            let grad_mean = sum(grad, grad, |g, _| g) / count;
            let slope = sum(row, grad, |x, g| (x - mean) * g) * scale * scale / count;
            let [mean, grad_mean, slope] = [mean, grad_mean, slope].map(T::from_f64);
            let scale = T::from_f64(scale * weight[channel].to_f64());
            for ((out, x), g) in out.iter_mut().zip(row).zip(grad) {
                *out = scale * (*g - grad_mean - (*x - mean) * slope);
            }
        }
    }
}

/// Gradients of weight (first row) and bias (second), from map and the gradient of the result.
struct BatchNormAffine {
    channels: usize,
    count: usize,
}

impl Kernel<2> for BatchNormAffine {
    const NAME: &'static str = "gradients of batch-norm's weight and bias";

    fn shape(&self) -> (usize, usize) {
        (2, self.channels)
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [map, grad]: [&[T]; 2], out: &mut [T]) {
        let rows = map.chunks_exact(self.count).zip(grad.chunks_exact(self.count));
        for (channel, (row, grad)) in rows.enumerate() {
            let (mean, scale) = moments(row);
            out[channel] = T::from_f64(sum(row, grad, |x, g| (x - mean) * g) * scale);
            out[self.channels + channel] = T::from_f64(sum(grad, grad, |g, _| g));
        }
    }
}

struct Relu {
    channels: usize,
    count: usize,
}

impl Kernel<1> for Relu {
    const NAME: &'static str = "relu";

    fn shape(&self) -> (usize, usize) {
        (self.channels, self.count)
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [map]: [&[T]; 1], out: &mut [T]) {
        for (out, x) in out.iter_mut().zip(map) {
            *out = if *x > T::zero() { *x } else { T::zero() };
        }
    }

    fn backward(&self, _: [&Tensor; 1], result: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let gate = Gate { channels: self.channels, count: self.count };
        Ok([Some(result.apply_op2_no_bwd(grad, &Op(gate))?)])
    }
}

/// The second input where the first is positive.
struct Gate {
    channels: usize,
    count: usize,
}

impl Kernel<2> for Gate {
    const NAME: &'static str = "gradient of relu";

    fn shape(&self) -> (usize, usize) {
        (self.channels, self.count)
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [result, grad]: [&[T]; 2], out: &mut [T]) {
        for ((out, x), g) in out.iter_mut().zip(result).zip(grad) {
            *out = if *x > T::zero() { *g } else { T::zero() };
        }
    }
}
