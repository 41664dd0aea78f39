//! Convolutions over all channels, as one matrix product for the whole batch.
//!
//! candle's own `conv2d` has the same gradients, but goes image by image. Here the pixels under
//! the kernel are laid out as a matrix ("im2col"), once forward and once more backward instead of being
//! kept in between.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::kernel::{Kernel, Op, run};

/// Where a kernel stands over a batch of maps; padding is `(kernel - 1) / 2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub in_channels: usize,
    pub batch_size: usize,
    /// Of the input map.
    pub height: usize,
    pub width: usize,
}

impl Window {
    pub fn padding(&self) -> usize {
        (self.kernel - 1) / 2
    }

    /// Height and width of the result.
    pub fn out(&self) -> (usize, usize) {
        (self.height.div_ceil(self.stride), self.width.div_ceil(self.stride))
    }

    /// Values of a row of the input: all images of a channel.
    pub fn in_count(&self) -> usize {
        self.batch_size * self.height * self.width
    }

    /// Values of a row of the result.
    pub fn out_count(&self) -> usize {
        let (height, width) = self.out();
        self.batch_size * height * width
    }

    /// Input channels x kernel x kernel.
    fn taps(&self) -> usize {
        self.in_channels * self.kernel * self.kernel
    }

    /// Calls with (place in the matrix of taps, place in the input, length) for each run of pixels
    /// that lies inside the map; neighbours of the run are `stride` apart in the input.
    #[inline(always)]
    fn runs(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let &Self { kernel, stride, height, width, .. } = self;
        let (padding, (out_height, out_width)) = (self.padding(), self.out());
        for channel in 0..self.in_channels {
            for ky in 0..kernel {
                for kx in 0..kernel {
                    let row = (channel * kernel + ky) * kernel + kx;
                    // First and last place of the kernel with this tap inside the map.
                    let first = padding.saturating_sub(kx).div_ceil(stride);
                    let end = ((width + padding).saturating_sub(kx)).div_ceil(stride).min(out_width);
                    if first >= end {
                        continue;
                    }
                    for image in 0..self.batch_size {
                        for y in 0..out_height {
                            let Some(in_y) = (y * stride + ky).checked_sub(padding).filter(|in_y| *in_y < height)
                            else {
                                continue;
                            };
                            let to = row * self.out_count() + (image * out_height + y) * out_width + first;
                            let from = channel * self.in_count()
                                + (image * height + in_y) * width
                                + (first * stride + kx - padding);
                            visit(to, from, end - first);
                        }
                    }
                }
            }
        }
    }
}

/// `map` (in channels x images and pixels) under `weight` (out channels x in channels and kernel).
pub(super) fn convolve(map: &Tensor, weight: &Tensor, window: Window) -> Result<Tensor> {
    if window.kernel == 1 && window.stride == 1 {
        return weight.matmul(map);
    }
    map.apply_op2(weight, Convolution(window))
}

struct Convolution(Window);

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        map: &CpuStorage,
        map_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (taps, shape) = run(&Unfold(self.0), [map], [map_layout])?;
        let (out_channels, in_taps) = weight_layout.shape().dims2()?;
        let count = self.0.out_count();
        let product =
            weight.matmul(&taps, (1, out_channels, count, in_taps), weight_layout, &Layout::contiguous(shape))?;
        Ok((product, (out_channels, count).into()))
    }

    fn bwd(
        &self,
        map: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let taps = map.detach().apply_op1_no_bwd(&Op(Unfold(self.0)))?;
        let weight_grad = grad.matmul(&taps.t()?)?;
        drop(taps);
        // The image needs no gradient.
        let map_grad = if map.track_op() {
            let taps_grad = weight.detach().t()?.matmul(&grad)?;
            Some(taps_grad.apply_op1_no_bwd(&Op(Fold(self.0)))?)
        } else {
            None
        };
        Ok((map_grad, Some(weight_grad)))
    }
}

/// From a map to the matrix of taps: in channels and kernel x images and pixels of the result.
struct Unfold(Window);

impl Kernel<1> for Unfold {
    const NAME: &'static str = "unfold";

    fn shape(&self) -> (usize, usize) {
        (self.0.taps(), self.0.out_count())
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [map]: [&[T]; 1], out: &mut [T]) {
        let stride = self.0.stride;
        self.0.runs(|to, from, length| {
            let out = &mut out[to..to + length];
            if stride == 1 {
                out.copy_from_slice(&map[from..from + length]);
            } else {
                out.iter_mut().zip(map[from..].iter().step_by(stride)).for_each(|(out, x)| *out = *x);
            }
        });
    }
}

/// The transpose of [`Unfold`]: every tap is added to the pixel it was read from.
struct Fold(Window);

impl Kernel<1> for Fold {
    const NAME: &'static str = "fold";

    fn shape(&self) -> (usize, usize) {
        (self.0.in_channels, self.0.in_count())
    }

    #[inline(always)]
    fn run<T: WithDType>(&self, [taps]: [&[T]; 1], out: &mut [T]) {
        let stride = self.0.stride;
        self.0.runs(|to, from, length| {
            let taps = &taps[to..to + length];
            if stride == 1 {
                out[from..from + length].iter_mut().zip(taps).for_each(|(out, x)| *out += *x);
            } else {
                out[from..].iter_mut().step_by(stride).zip(taps).for_each(|(out, x)| *out += *x);
            }
        });
    }
}
