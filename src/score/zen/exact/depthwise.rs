//! Depthwise convolution of one tile: rows of pixels, a vector of channels at a time.

use pulp::{Simd, WithSimd};

use super::lanes::{Eight, Lanes, Wide, fused};

/// Pixels of a row that are computed together.
const PIXELS: usize = 4;

/// One tile: whole rows of output pixels.
pub struct Depthwise<'a> {
    /// Normalised inputs with their padding: pixel x stored channels, and [`slack`] floats more.
    pub scratch: &'a [f32],
    /// Where the window of the first pixel of each row starts in the scratch.
    pub rows: &'a [usize],
    /// Rows of the first group.
    pub split: usize,
    /// Floats between rows of the scratch.
    pub pitch: usize,
    pub kernel: usize,
    pub stride: usize,
    /// (row, column) x stored channels.
    pub weights: &'a [f32],
    /// Pixels of an output row.
    pub out_side: usize,
    /// Results: pixel x stored channels.
    pub out: &'a mut [f32],
    /// Sums over the pixels: group x {values, squares} x stored channels.
    pub sums: &'a mut [f32],
}

/// Floats behind the scratch that are read (and dropped) for the last pixels of the last row.
pub fn slack(kernel: usize, stride: usize, stored: usize) -> usize {
    (stride * PIXELS + kernel) * stored
}

impl WithSimd for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match (self.kernel, self.stride) {
            (1, _) => self.sized::<S, 1, 1>(simd),
            (3, 1) => self.sized::<S, 3, 1>(simd),
            (3, 2) => self.sized::<S, 3, 2>(simd),
            (5, 1) => self.sized::<S, 5, 1>(simd),
            (5, 2) => self.sized::<S, 5, 2>(simd),
            (7, 1) => self.sized::<S, 7, 1>(simd),
            (7, 2) => self.sized::<S, 7, 2>(simd),
            _ => self.any(),
        }
    }
}

impl Depthwise<'_> {
    fn stored(&self) -> usize {
        self.weights.len() / (self.kernel * self.kernel)
    }

    #[inline(always)]
    fn sized<S: Simd, const K: usize, const T: usize>(&mut self, simd: S) {
        let stored = self.stored();
        for row in 0..self.rows.len() {
            let mut channel = 0;
            if Wide::<S>::N >= 8 {
                while channel + Wide::<S>::N <= stored {
                    self.row::<_, K, T>(Wide(simd), row, channel);
                    channel += Wide::<S>::N;
                }
            }
            while channel < stored {
                if fused::<S>() {
                    self.row::<_, K, T>(Eight::<true>, row, channel);
                } else {
                    self.row::<_, K, T>(Eight::<false>, row, channel);
                }
                channel += 8;
            }
        }
    }

    /// One row of output pixels for one vector of channels; kernel `K`, stride `T`.
    #[inline(always)]
    fn row<L: Lanes, const K: usize, const T: usize>(&mut self, lanes: L, row: usize, channel: usize) {
        let stored = self.stored();
        let group = (row >= self.split) as usize;
        let mut sum = lanes.splat(0.0);
        let mut squares = lanes.splat(0.0);
        let mut x = 0;
        while x < self.out_side {
            let count = (self.out_side - x).min(PIXELS);
            let start = self.rows[row] + x * T * stored + channel;
            let mut accumulators = [lanes.splat(0.0); PIXELS];
            for ky in 0..K {
                let weights: [L::V; K] =
                    std::array::from_fn(|kx| lanes.load(&self.weights[(ky * K + kx) * stored + channel..]));
                let inputs = &self.scratch[start + ky * self.pitch..];
                for column in 0..T * (PIXELS - 1) + K {
                    let value = lanes.load(&inputs[column * stored..]);
                    for (m, accumulator) in accumulators.iter_mut().enumerate() {
                        if column >= T * m && column - T * m < K {
                            *accumulator = lanes.mul_add(value, weights[column - T * m], *accumulator);
                        }
                    }
                }
            }
            let out = &mut self.out[(row * self.out_side + x) * stored + channel..];
            for (m, value) in accumulators.into_iter().enumerate().take(count) {
                lanes.store(value, &mut out[m * stored..]);
                sum = lanes.add(sum, value);
                squares = lanes.mul_add(value, value, squares);
            }
            x += count;
        }
        for (kind, total) in [sum, squares].into_iter().enumerate() {
            let place = &mut self.sums[(group * 2 + kind) * stored + channel..];
            let old = lanes.load(place);
            lanes.store(lanes.add(old, total), place);
        }
    }

    /// Kernels and strides that the search spaces do not have.
    fn any(&mut self) {
        let stored = self.stored();
        for row in 0..self.rows.len() {
            let group = (row >= self.split) as usize;
            for x in 0..self.out_side {
                for channel in 0..stored {
                    let mut value = 0.0;
                    for tap in 0..self.kernel * self.kernel {
                        let (ky, kx) = (tap / self.kernel, tap % self.kernel);
                        let place = self.rows[row] + ky * self.pitch + (x * self.stride + kx) * stored + channel;
                        value += self.scratch[place] * self.weights[tap * stored + channel];
                    }
                    self.out[(row * self.out_side + x) * stored + channel] = value;
                    self.sums[group * 2 * stored + channel] += value;
                    self.sums[(group * 2 + 1) * stored + channel] += value * value;
                }
            }
        }
    }
}
