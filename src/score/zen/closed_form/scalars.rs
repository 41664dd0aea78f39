//! Form 1: three scalars a layer.

use rustc_hash::FxHashMap;

use super::ClosedForm;
use crate::net::{Graph, TrunkConv};
use crate::score::zen::{GAMMA, Variant};
use std::f64::consts::PI;

/// Sums over the taps of a kernel of the share of positions where the tap is inside the map:
/// `(sum q)^2` and `(sum q^2)^2`, remembered by (side, kernel, stride).
#[derive(Debug, Default)]
pub struct Taps {
    sums: FxHashMap<(u32, u32, u32), (f64, f64)>,
}

impl Taps {
    fn get(&mut self, side: u32, kernel: u32, stride: u32) -> (f64, f64) {
        *self.sums.entry((side, kernel, stride)).or_insert_with(|| tap_sums(side, kernel, stride))
    }
}

fn tap_sums(side: u32, kernel: u32, stride: u32) -> (f64, f64) {
    let (side, kernel, stride) = (side as i64, kernel as i64, stride as i64);
    let padding = (kernel - 1) / 2;
    let out_side = (side + 2 * padding - kernel) / stride + 1;
    let (mut sum, mut squares) = (0.0, 0.0);
    for tap in 0..kernel {
        // Outputs whose input lies inside the map: 0 <= output * stride + tap - padding < side.
        let first = ((padding - tap).max(0) + stride - 1) / stride;
        let last = (side - 1 + padding - tap).div_euclid(stride).min(out_side - 1);
        let share = (last - first + 1).max(0) as f64 / out_side as f64;
        sum += share;
        squares += share * share;
    }
    (sum * sum, squares * squares)
}

/// One minus the correlation of clean and perturbed input of the first layer.
pub(super) fn first_decorrelation() -> f64 {
    1.0 - 1.0 / (1.0 + GAMMA * GAMMA).sqrt()
}

/// Half the mean squared difference that ReLU leaves of two unit Gaussians with correlation
/// `1 - u`: `1/2 - (sin t + (pi - t) cos t) / (2 pi)` with `t = acos(1 - u)`.
fn relu_difference(u: f64) -> f64 {
    if u < 1.25e-3 {
        // Near zero the expression cancels; t^2 = 2u + u^2/3 + 8u^3/90 there, and the series of the
        // difference is t^2/4 - t^3/(6 pi) - t^4/48 + t^5/(60 pi).
        let t2 = u * (2.0 + u * (1.0 / 3.0 + u * (4.0 / 45.0)));
        let t = t2.sqrt();
        return t2 * (0.25 - t / (6.0 * PI) - t2 / 48.0 + t2 * t / (60.0 * PI));
    }
    let sine = (u * (2.0 - u)).sqrt();
    let angle = (1.0 - u).acos();
    0.5 - (sine + (PI - angle) * (1.0 - u)) / (2.0 * PI)
}

/// What the batch norm behind one convolution sees.
pub(super) fn variance(conv: &TrunkConv, is_first: bool) -> f64 {
    let (s1, s2) = tap_sums(conv.in_side, conv.kernel, conv.stride);
    let per_channel = if is_first { s1 } else { s1 / 2.0 - s2 / (2.0 * PI) };
    f64::from(conv.in_channels / conv.groups) * per_channel
}

/// One minus the correlation behind a convolution that is not the first.
pub(super) fn next_decorrelation(u: f64, conv: &TrunkConv) -> f64 {
    let (s1, s2) = tap_sums(conv.in_side, conv.kernel, conv.stride);
    s1 * relu_difference(u) / (s1 / 2.0 - s2 / (2.0 * PI))
}

/// Walks the trunk; calls `variance` for every layer and returns ln(delta).
#[inline]
fn walk(graph: &Graph, taps: &mut Taps, mut variance: impl FnMut(f64)) -> f64 {
    let mut u = first_decorrelation();
    let mut elements = 0.0;
    for (i, conv) in graph.trunk_convs().enumerate() {
        let (s1, s2) = taps.get(conv.in_side, conv.kernel, conv.stride);
        let fan_in = (conv.in_channels / conv.groups) as f64;
        if i == 0 {
            variance(fan_in * s1);
        } else {
            let per_channel = s1 / 2.0 - s2 / (2.0 * PI);
            variance(fan_in * per_channel);
            u = s1 * relu_difference(u) / per_channel;
        }
        elements = conv.out_channels as f64 * conv.out_side as f64 * conv.out_side as f64;
    }
    elements.ln() + (u / PI).ln() / 2.0
}

/// Form 1 with its parts.
pub fn form1(graph: &Graph, taps: &mut Taps) -> ClosedForm {
    let mut variances = Vec::new();
    let ln_delta = walk(graph, taps, |v| variances.push(v));
    ClosedForm { ln_delta, variances }
}

/// The score of form 1 alone: one logarithm for a run of layers instead of one each.
pub(super) fn score1(graph: &Graph, variant: Variant, taps: &mut Taps) -> f64 {
    /// Far enough from overflow for one more factor.
    const LARGE: f64 = 1e200;
    let mut product = 1.0;
    let mut ln_sum = 0.0;
    let ln_delta = walk(graph, taps, |v| {
        product *= variant.scored_variance(v);
        if product > LARGE {
            ln_sum += product.ln();
            product = 1.0;
        }
    });
    ln_delta + (ln_sum + product.ln()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_meets_the_expression() {
        let exact = |u: f64| {
            let angle = (1.0 - u).acos();
            0.5 - (angle.sin() + (PI - angle) * angle.cos()) / (2.0 * PI)
        };
        for u in [1.24e-3, 1.26e-3] {
            assert!((relu_difference(u) / exact(u) - 1.0).abs() < 1e-7, "{u}");
        }
        assert!((relu_difference(1.0) - (0.5 - 1.0 / (2.0 * PI))).abs() < 1e-15);
    }

    #[test]
    fn taps_of_small_maps() {
        for (side, kernel, stride) in [(224, 7, 2), (7, 5, 1), (1, 7, 1), (2, 7, 2), (5, 3, 2), (33, 1, 2)] {
            let (out_side, padding) = ((side - 1) / stride + 1, (kernel - 1) / 2);
            let inside =
                |tap: i64| (0..out_side).filter(|o| (0..side).contains(&(o * stride + tap - padding))).count() as f64;
            let sum: f64 = (0..kernel).map(|tap| inside(tap) / out_side as f64).sum();
            let found = tap_sums(side as u32, kernel as u32, stride as u32).0;
            assert!((found - sum * sum).abs() < 1e-12, "{side} {kernel} {stride}: {found}");
        }
        // Side 1, kernel 3: only the middle tap is inside.
        assert_eq!(tap_sums(1, 3, 1), (1.0, 1.0));
        // Side 4, kernel 3, stride 1: shares 3/4, 1, 3/4.
        let (s1, s2) = tap_sums(4, 3, 1);
        assert!((s1 - 6.25).abs() < 1e-12 && (s2 - (2.0 * 0.5625f64 + 1.0).powi(2)).abs() < 1e-12);
    }
}
