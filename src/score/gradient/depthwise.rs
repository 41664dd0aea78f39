//! Convolutions of one channel each.
//!
//! Maps are copied into a border of zeros; then each tap of the kernel is one pass over the whole
//! padded map, shifted. A stride takes every so manyth pixel of the result with stride 1, and its
//! gradient puts zeros between.

use candle_core::{Result, Tensor, WithDType};

use super::dense::Window;
use super::kernel::{Kernel, Op, add_scaled, sum};

/// `map` (channels x images and pixels) under `weight` (channels x kernel).
pub(super) fn convolve(map: &Tensor, weight: &Tensor, window: Window) -> Result<Tensor> {
    map.apply_op2(weight, Op(Depthwise(window)))
}

/// A map inside its border, with room for the taps that reach over the end.
struct Padded<T> {
    values: Vec<T>,
    row: usize,
    border: usize,
}

impl<T: WithDType> Padded<T> {
    fn new(window: &Window) -> Self {
        let (border, row) = (window.padding(), window.width + 2 * window.padding());
        Self { values: vec![T::zero(); row * (window.height + 2 * border) + 2 * border], row, border }
    }

    /// Puts a plane inside the border, `stride` pixels apart.
    #[inline(always)]
    fn put(&mut self, plane: &[T], width: usize, stride: usize) {
        for (y, pixels) in plane.chunks_exact(width).enumerate() {
            let start = (y * stride + self.border) * self.row + self.border;
            let inside = self.values[start..].iter_mut().step_by(stride);
            inside.zip(pixels).for_each(|(inside, x)| *inside = *x);
        }
    }

    /// What lies under a tap, from the first place of the kernel on.
    #[inline(always)]
    fn under(&self, ky: usize, kx: usize, length: usize) -> &[T] {
        &self.values[ky * self.row + kx..][..length]
    }
}

/// Places of the kernel at stride 1, rows of the padded width: those in the border are not used.
fn places(window: &Window) -> usize {
    window.height * (window.width + 2 * window.padding())
}

/// Adds the taps up at stride 1.
#[inline(always)]
fn add_taps<T: WithDType>(sums: &mut [T], padded: &Padded<T>, kernel: usize, weight: impl Fn(usize) -> T) {
    sums.fill(T::zero());
    for tap in 0..kernel * kernel {
        add_scaled(sums, weight(tap), padded.under(tap / kernel, tap % kernel, sums.len()));
    }
}

struct Depthwise(Window);

impl Kernel<2> for Depthwise {
    const NAME: &'static str = "depthwise convolution";

    fn shape(&self) -> (usize, usize) {
        (self.0.in_channels, self.0.out_count())
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [map, weight]: [&[T]; 2], out: &mut [T]) {
        let window = &self.0;
        let (kernel, stride, (out_height, out_width)) = (window.kernel, window.stride, window.out());
        let mut padded = Padded::new(window);
        let mut sums = vec![T::zero(); places(window)];
        let planes = map.chunks_exact(window.height * window.width).zip(out.chunks_exact_mut(out_height * out_width));
        for (number, (plane, out)) in planes.enumerate() {
            let weight = &weight[number / window.batch_size * kernel * kernel..][..kernel * kernel];
            padded.put(plane, window.width, 1);
            add_taps(&mut sums, &padded, kernel, |tap| weight[tap]);
            for (y, out) in out.chunks_exact_mut(out_width).enumerate() {
                let row = sums[y * stride * padded.row..].iter().step_by(stride);
                out.iter_mut().zip(row).for_each(|(out, x)| *out = *x);
            }
        }
    }

    fn backward(&self, [map, weight]: [&Tensor; 2], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let map_grad = weight.apply_op2_no_bwd(grad, &Op(DepthwiseInput(self.0)))?;
        let weight_grad = map.apply_op2_no_bwd(grad, &Op(DepthwiseWeight(self.0)))?;
        Ok([Some(map_grad), Some(weight_grad)])
    }
}

/// Gradient of the map: the gradient of the result under the kernel turned by half a turn.
struct DepthwiseInput(Window);

impl Kernel<2> for DepthwiseInput {
    const NAME: &'static str = "gradient of a depthwise convolution's input";

    fn shape(&self) -> (usize, usize) {
        (self.0.in_channels, self.0.in_count())
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [weight, grad]: [&[T]; 2], out: &mut [T]) {
        let window = &self.0;
        let (kernel, (out_height, out_width)) = (window.kernel, window.out());
        let mut padded = Padded::new(window);
        let mut sums = vec![T::zero(); places(window)];
        let planes = grad.chunks_exact(out_height * out_width).zip(out.chunks_exact_mut(window.height * window.width));
        for (number, (plane, out)) in planes.enumerate() {
            let weight = &weight[number / window.batch_size * kernel * kernel..][..kernel * kernel];
            padded.put(plane, out_width, window.stride);
            add_taps(&mut sums, &padded, kernel, |tap| weight[kernel * kernel - 1 - tap]);
            for (out, row) in out.chunks_exact_mut(window.width).zip(sums.chunks_exact(padded.row)) {
                out.copy_from_slice(&row[..window.width]);
            }
        }
    }
}

/// Gradient of the weight: for each tap, the map under it times the gradient of the result.
struct DepthwiseWeight(Window);

impl Kernel<2> for DepthwiseWeight {
    const NAME: &'static str = "gradient of a depthwise convolution's weight";

    fn shape(&self) -> (usize, usize) {
        (self.0.in_channels, self.0.kernel * self.0.kernel)
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [map, grad]: [&[T]; 2], out: &mut [T]) {
        let window = &self.0;
        let (kernel, (out_height, out_width)) = (window.kernel, window.out());
        let (mut padded, mut padded_grad) = (Padded::new(window), Padded::new(window));
        let planes = map.chunks_exact(window.height * window.width).zip(grad.chunks_exact(out_height * out_width));
        for (number, (plane, grad)) in planes.enumerate() {
            let out = &mut out[number / window.batch_size * kernel * kernel..][..kernel * kernel];
            padded.put(plane, window.width, 1);
            padded_grad.put(grad, out_width, window.stride);
            // From the first pixel on, so that a place has the gradient of its own pixel.
            let grad = padded_grad.under(window.padding(), window.padding(), places(window));
            for (tap, out) in out.iter_mut().enumerate() {
                let under = padded.under(tap / kernel, tap % kernel, grad.len());
                *out += T::from_f64(sum(under, grad, |x, g| x * g));
            }
        }
    }
}
