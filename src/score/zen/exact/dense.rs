//! Dense convolution of one tile: pixels whose inputs lie in the scratch, times the packed weights.
//!
//! A convolution over channels-last maps is a sum of `kernel` runs of neighbouring floats for each
//! pixel, so a block of pixels times a panel of output channels is a small matrix product without
//! copying windows out. Sums of results and of their squares are kept while they are written.

use pulp::{Simd, WithSimd};

use super::lanes::{Eight, Lanes, Wide, fused};
use super::pack::panels;

/// One tile.
pub struct Dense<'a> {
    /// Normalised inputs with their padding.
    pub scratch: &'a [f32],
    /// Where the window of each pixel starts in the scratch.
    pub offsets: &'a [usize],
    /// Pixels of the first group; the others belong to the second.
    pub split: usize,
    /// Starts of the runs, from the start of the window.
    pub runs: &'a [usize],
    /// Floats of a run: kernel x input channels.
    pub run: usize,
    pub weights: &'a [f32],
    pub out_channels: u32,
    /// Results: pixel x stored channels.
    pub out: &'a mut [f32],
    /// Sums over the pixels: group x {values, squares} x stored channels; empty where nobody asks.
    pub sums: &'a mut [f32],
}

impl WithSimd for Dense<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (mut weights, mut first) = (self.weights, 0);
        for width in panels(self.out_channels) {
            let (panel, rest) = weights.split_at(self.runs.len() * self.run * width);
            weights = rest;
            match (width, self.sums.is_empty()) {
                (32, false) => self.panel::<S, 32, true>(simd, panel, first),
                (16, false) => self.panel::<S, 16, true>(simd, panel, first),
                (_, false) => self.panel::<S, 8, true>(simd, panel, first),
                (32, true) => self.panel::<S, 32, false>(simd, panel, first),
                (16, true) => self.panel::<S, 16, false>(simd, panel, first),
                (_, true) => self.panel::<S, 8, false>(simd, panel, first),
            }
            first += width;
        }
    }
}

impl Dense<'_> {
    /// One panel of `W` channels, in as many columns of registers as the instruction set has.
    #[inline(always)]
    fn panel<S: Simd, const W: usize, const SUMS: bool>(&mut self, simd: S, panel: &[f32], first: usize) {
        let lanes = Wide::<S>::N;
        for column in (0..W).step_by(if lanes >= 8 { (2 * lanes).min(W) } else { 8 }) {
            // Blocks are as tall as accumulators and a column of weights fit the registers.
            match (lanes, W - column) {
                (16, 32..) => self.columns::<_, W, 8, 2, SUMS>(Wide(simd), panel, first, column),
                (16, 16) => self.columns::<_, W, 16, 1, SUMS>(Wide(simd), panel, first, column),
                (8, 16..) => self.columns::<_, W, 6, 2, SUMS>(Wide(simd), panel, first, column),
                (8, 8) => self.columns::<_, W, 8, 1, SUMS>(Wide(simd), panel, first, column),
                _ if fused::<S>() => self.columns::<_, W, 8, 1, SUMS>(Eight::<true>, panel, first, column),
                _ => self.columns::<_, W, 4, 1, SUMS>(Eight::<false>, panel, first, column),
            }
        }
    }

    /// `V` vectors of a panel over all pixels, in blocks of `M`.
    #[inline(always)]
    fn columns<L: Lanes, const W: usize, const M: usize, const V: usize, const SUMS: bool>(
        &mut self,
        lanes: L,
        panel: &[f32],
        first: usize,
        column: usize,
    ) {
        let stored = self.out.len() / self.offsets.len();
        let first = first + column;
        for (group, pixels) in [0..self.split, self.split..self.offsets.len()].into_iter().enumerate() {
            if pixels.is_empty() {
                continue;
            }
            let mut sum = [lanes.splat(0.0); V];
            let mut squares = [lanes.splat(0.0); V];
            let mut pixel = pixels.start;
            while pixel < pixels.end {
                let count = (pixels.end - pixel).min(M);
                // A block that is not full repeats its last pixel and drops the result.
                let mut offsets = [0; M];
                for (m, offset) in offsets.iter_mut().enumerate() {
                    *offset = self.offsets[pixel + m.min(count - 1)];
                }
                let block = self.block::<L, W, M, V>(lanes, panel, column, &offsets);
                for (m, row) in block.iter().enumerate().take(count) {
                    let out = &mut self.out[(pixel + m) * stored + first..][..V * L::N];
                    for v in 0..V {
                        lanes.store(row[v], &mut out[v * L::N..]);
                        if SUMS {
                            sum[v] = lanes.add(sum[v], row[v]);
                            squares[v] = lanes.mul_add(row[v], row[v], squares[v]);
                        }
                    }
                }
                pixel += count;
            }
            if !SUMS {
                continue;
            }
            for (kind, total) in [sum, squares].into_iter().enumerate() {
                let place = (group * 2 + kind) * stored + first;
                for (v, value) in total.into_iter().enumerate() {
                    let place = &mut self.sums[place + v * L::N..];
                    let old = lanes.load(place);
                    lanes.store(lanes.add(old, value), place);
                }
            }
        }
    }

    /// `M` pixels times `V` vectors of output channels.
    #[inline(always)]
    fn block<L: Lanes, const W: usize, const M: usize, const V: usize>(
        &self,
        lanes: L,
        panel: &[f32],
        column: usize,
        offsets: &[usize; M],
    ) -> [[L::V; V]; M] {
        let zero = lanes.splat(0.0);
        let mut accumulators = [[zero; V]; M];
        let (weights, _) = panel.as_chunks::<W>();
        for (start, weights) in self.runs.iter().zip(weights.chunks_exact(self.run)) {
            let mut rows: [&[f32]; M] = [&[]; M];
            for m in 0..M {
                rows[m] = &self.scratch[offsets[m] + start..][..self.run];
            }
            for (k, weights) in weights.iter().enumerate() {
                let mut vectors = [zero; V];
                for v in 0..V {
                    vectors[v] = lanes.load(&weights[column + v * L::N..]);
                }
                for m in 0..M {
                    let value = lanes.splat(rows[m][k]);
                    for v in 0..V {
                        accumulators[m][v] = lanes.mul_add(value, vectors[v], accumulators[m][v]);
                    }
                }
            }
        }
        accumulators
    }
}
