//! Convolutions of 3 x 3 and 5 x 5 at stride 1 with fewer multiplications (Winograd, 1980; for
//! networks Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016).
//!
//! Windows of 6 x 6 inputs are transformed, multiplied value by value with transformed weights (a
//! matrix product over the channels for each of the 36 places) and transformed back to 4 x 4
//! outputs of a 3 x 3 kernel or 2 x 2 of a 5 x 5 kernel: 36 multiplications instead of 144 or 100.
//! Interpolation points 0, 1, -1, 2, -2 and infinity; the input transform is the same for both.

use pulp::{Simd, WithSimd};

use super::lanes::{Eight, Lanes, Wide, fused};
use super::pack::panels;

/// Side of a window.
pub const WINDOW: usize = 6;
/// Values of a window.
pub const PLACES: usize = WINDOW * WINDOW;

/// Floats from one place to the next, for `count` values in each: never a multiple of a page, or the
/// 36 places would compete for the same lines of a cache.
pub fn place_pitch(count: usize) -> usize {
    count.next_multiple_of(16) + 16
}

/// Outputs along a side of a window, for kernels that this works for.
pub fn outputs(kernel: usize) -> Option<usize> {
    matches!(kernel, 3 | 5).then(|| WINDOW + 1 - kernel)
}

/// Calls `$call` for vectors of channels from 0 to `$stored`, a multiple of eight.
macro_rules! over_channels {
    ($simd:expr, $S:ty, $stored:expr, |$lanes:ident, $channel:ident| $call:expr) => {{
        let mut $channel = 0;
        if Wide::<$S>::N >= 8 {
            let $lanes = Wide($simd);
            while $channel + Wide::<$S>::N <= $stored {
                $call;
                $channel += Wide::<$S>::N;
            }
        }
        while $channel + 8 <= $stored {
            if fused::<$S>() {
                let $lanes = Eight::<true>;
                $call;
            } else {
                let $lanes = Eight::<false>;
                $call;
            }
            $channel += 8;
        }
    }};
}

/// Weights of one convolution.
pub struct WeightTransform<'a> {
    pub kernel: usize,
    pub in_channels: usize,
    pub out_channels: u32,
    /// Packed (see [`super::pack`]).
    pub weights: &'a [f32],
    /// Place x packed weights of a 1 x 1 convolution.
    pub transformed: &'a mut [f32],
}

impl WithSimd for WeightTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let size = self.transformed.len() / PLACES;
        let mut start = 0;
        for width in panels(self.out_channels) {
            let rows = self.in_channels * width;
            let weights = &self.weights[start * self.kernel * self.kernel..][..rows * self.kernel * self.kernel];
            let transformed = &mut self.transformed[start..];
            over_channels!(simd, S, rows, |lanes, at| {
                if self.kernel == 3 {
                    weight::<_, 3>(lanes, weights, rows, transformed, size, at);
                } else {
                    weight::<_, 5>(lanes, weights, rows, transformed, size, at);
                }
            });
            start += rows;
        }
    }
}

#[inline(always)]
fn weight<L: Lanes, const K: usize>(
    lanes: L,
    weights: &[f32],
    rows: usize,
    transformed: &mut [f32],
    size: usize,
    at: usize,
) {
    let zero = lanes.splat(0.0);
    let mut rows_done = [[zero; WINDOW]; K];
    for y in 0..K {
        let mut row = [zero; K];
        for x in 0..K {
            row[x] = lanes.load(&weights[(y * K + x) * rows + at..]);
        }
        rows_done[y] = spread(lanes, row);
    }
    for x in 0..WINDOW {
        let mut column = [zero; K];
        for y in 0..K {
            column[y] = rows_done[y][x];
        }
        let column = spread(lanes, column);
        for y in 0..WINDOW {
            lanes.store(column[y], &mut transformed[(y * WINDOW + x) * size + at..]);
        }
    }
}

/// `factor * value + sum`.
#[inline(always)]
fn plus<L: Lanes>(lanes: L, factor: f32, value: L::V, sum: L::V) -> L::V {
    lanes.mul_add(lanes.splat(factor), value, sum)
}

/// `factor * value`.
#[inline(always)]
fn times<L: Lanes>(lanes: L, factor: f32, value: L::V) -> L::V {
    lanes.mul(lanes.splat(factor), value)
}

/// The weights' transform of one row: values of the polynomial at the points, scaled.
#[inline(always)]
fn spread<L: Lanes, const K: usize>(lanes: L, taps: [L::V; K]) -> [L::V; WINDOW] {
    let (mut even1, mut odd1) = (lanes.add(taps[0], taps[2]), taps[1]);
    let (mut even2, mut odd2) = (plus(lanes, 4.0, taps[2], taps[0]), times(lanes, 2.0, taps[1]));
    if K == 5 {
        (even1, odd1) = (lanes.add(even1, taps[K - 1]), lanes.add(odd1, taps[K - 2]));
        (even2, odd2) = (plus(lanes, 16.0, taps[K - 1], even2), plus(lanes, 8.0, taps[K - 2], odd2));
    }
    [
        times(lanes, 0.25, taps[0]),
        times(lanes, -1.0 / 6.0, lanes.add(even1, odd1)),
        times(lanes, -1.0 / 6.0, lanes.sub(even1, odd1)),
        times(lanes, 1.0 / 24.0, lanes.add(even2, odd2)),
        times(lanes, 1.0 / 24.0, lanes.sub(even2, odd2)),
        taps[K - 1],
    ]
}

/// Windows of the scratch.
pub struct InputTransform<'a> {
    /// Normalised inputs with their padding: pixel x channels.
    pub scratch: &'a [f32],
    pub channels: usize,
    /// Floats between rows of the scratch.
    pub pitch: usize,
    /// Where each window starts in the scratch.
    pub windows: &'a [usize],
    /// Place x window x channels.
    pub transformed: &'a mut [f32],
}

impl WithSimd for InputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let size = self.transformed.len() / PLACES;
        for (window, start) in self.windows.iter().enumerate() {
            let scratch = &self.scratch[*start..];
            let transformed = &mut self.transformed[window * self.channels..];
            over_channels!(simd, S, self.channels, |lanes, channel| {
                input(lanes, scratch, self.pitch, self.channels, transformed, size, channel);
            });
        }
    }
}

#[inline(always)]
fn input<L: Lanes>(
    lanes: L,
    scratch: &[f32],
    pitch: usize,
    channels: usize,
    transformed: &mut [f32],
    size: usize,
    channel: usize,
) {
    let zero = lanes.splat(0.0);
    let mut rows = [[zero; WINDOW]; WINDOW];
    for y in 0..WINDOW {
        let mut row = [zero; WINDOW];
        for x in 0..WINDOW {
            row[x] = lanes.load(&scratch[y * pitch + x * channels + channel..]);
        }
        rows[y] = analyse(lanes, row);
    }
    for x in 0..WINDOW {
        let mut column = [zero; WINDOW];
        for y in 0..WINDOW {
            column[y] = rows[y][x];
        }
        let column = analyse(lanes, column);
        for y in 0..WINDOW {
            lanes.store(column[y], &mut transformed[(y * WINDOW + x) * size + channel..]);
        }
    }
}

/// The inputs' transform of one row.
#[inline(always)]
fn analyse<L: Lanes>(lanes: L, d: [L::V; WINDOW]) -> [L::V; WINDOW] {
    let (near, far) = (lanes.sub(d[3], d[1]), lanes.sub(d[4], d[2]));
    [
        plus(lanes, 4.0, d[0], plus(lanes, -5.0, d[2], d[4])),
        plus(lanes, -4.0, lanes.add(d[1], d[2]), lanes.add(d[3], d[4])),
        plus(lanes, 4.0, lanes.sub(d[1], d[2]), lanes.sub(d[4], d[3])),
        plus(lanes, 2.0, near, far),
        plus(lanes, -2.0, near, far),
        plus(lanes, 4.0, d[1], plus(lanes, -5.0, d[3], d[5])),
    ]
}

/// Products back to pixels, with sums of what is written.
pub struct OutputTransform<'a> {
    /// Place x window x stored channels.
    pub products: &'a [f32],
    pub kernel: usize,
    pub windows: usize,
    /// Windows along the columns and along the rows of one image.
    pub across: usize,
    pub down: usize,
    /// Pixels of an output row, and rows of each image in this tile.
    pub out_side: usize,
    pub rows: usize,
    /// Images of the first group.
    pub split: usize,
    pub stored: usize,
    /// Image x row x pixel x stored channels.
    pub out: &'a mut [f32],
    /// Sums over the pixels: group x {values, squares} x stored channels.
    pub sums: &'a mut [f32],
}

impl WithSimd for OutputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let stored = self.stored;
        for window in 0..self.windows {
            over_channels!(simd, S, stored, |lanes, channel| {
                if self.kernel == 3 {
                    self.window::<_, 4>(lanes, window, channel);
                } else {
                    self.window::<_, 2>(lanes, window, channel);
                }
            });
        }
    }
}

impl OutputTransform<'_> {
    #[inline(always)]
    fn window<L: Lanes, const M: usize>(&mut self, lanes: L, window: usize, channel: usize) {
        let size = self.products.len() / PLACES;
        let products = &self.products[window * self.stored + channel..];
        let zero = lanes.splat(0.0);
        let mut rows = [[zero; M]; WINDOW];
        for y in 0..WINDOW {
            let mut row = [zero; WINDOW];
            for x in 0..WINDOW {
                row[x] = lanes.load(&products[(y * WINDOW + x) * size..]);
            }
            rows[y] = collect(lanes, row);
        }
        let per_image = self.across * self.down;
        let (image, place) = (window / per_image, window % per_image);
        let (top, left) = (place / self.across * M, place % self.across * M);
        let group = (image >= self.split) as usize * 2 * self.stored + channel;
        let mut sum = lanes.load(&self.sums[group..]);
        let mut squares = lanes.load(&self.sums[group + self.stored..]);
        // Indices, so that the compiler keeps the rows in registers.
        #[allow(clippy::needless_range_loop)]
        for x in 0..M.min(self.out_side - left) {
            let mut column = [zero; WINDOW];
            for y in 0..WINDOW {
                column[y] = rows[y][x];
            }
            let column: [L::V; M] = collect(lanes, column);
            for (y, value) in column.into_iter().enumerate().take(M.min(self.rows - top)) {
                let pixel = (image * self.rows + top + y) * self.out_side + left + x;
                lanes.store(value, &mut self.out[pixel * self.stored + channel..]);
                sum = lanes.add(sum, value);
                squares = lanes.mul_add(value, value, squares);
            }
        }
        lanes.store(sum, &mut self.sums[group..]);
        lanes.store(squares, &mut self.sums[group + self.stored..]);
    }
}

/// The outputs' transform of one row.
#[inline(always)]
fn collect<L: Lanes, const M: usize>(lanes: L, m: [L::V; WINDOW]) -> [L::V; M] {
    let (sum1, difference1) = (lanes.add(m[1], m[2]), lanes.sub(m[1], m[2]));
    let (sum2, difference2) = (lanes.add(m[3], m[4]), lanes.sub(m[3], m[4]));
    let mut y = [lanes.add(m[0], lanes.add(sum1, sum2)); M];
    y[1] = plus(lanes, 2.0, difference2, difference1);
    if M == 4 {
        y[2] = plus(lanes, 4.0, sum2, sum1);
        y[M - 1] = plus(lanes, 8.0, difference2, difference1);
    }
    y[M - 1] = lanes.add(y[M - 1], m[5]);
    y
}
