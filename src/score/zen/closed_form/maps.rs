//! Form 2: one map of second moments and one of squared differences, as large as the layer's map.

use super::ClosedForm;
use super::scalars::first_decorrelation;
use crate::net::{Graph, TrunkConv};
use std::f64::consts::PI;

/// A square map.
#[derive(Clone, Debug)]
struct Map {
    side: usize,
    values: Vec<f64>,
}

impl Map {
    fn constant(side: usize, value: f64) -> Self {
        Self { side, values: vec![value; side * side] }
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { side: self.side, values: self.values.iter().map(|v| f(*v)).collect() }
    }

    fn row(&self, y: usize) -> &[f64] {
        &self.values[y * self.side..(y + 1) * self.side]
    }
}

/// Where a convolution's windows lie on its input.
struct Window {
    kernel: usize,
    stride: usize,
    padding: usize,
    side: usize,
    out_side: usize,
}

impl Window {
    fn new(conv: &TrunkConv) -> Self {
        let kernel = conv.kernel as usize;
        Self {
            kernel,
            stride: conv.stride as usize,
            padding: (kernel - 1) / 2,
            side: conv.in_side as usize,
            out_side: conv.out_side as usize,
        }
    }

    /// Output positions for which `tap` falls inside the input.
    fn outputs(&self, tap: usize) -> std::ops::Range<usize> {
        let first = self.padding.saturating_sub(tap).div_ceil(self.stride);
        let last = (self.side + self.padding).saturating_sub(tap).div_ceil(self.stride);
        first.min(self.out_side)..last.min(self.out_side)
    }

    /// Input position under `tap` at output position `o`, which [`Window::outputs`] must hold.
    fn input(&self, o: usize, tap: usize) -> usize {
        o * self.stride + tap - self.padding
    }

    /// Sum over the window at every output position, zeros outside, with a weight for each tap.
    fn weighted_sum(&self, map: &Map, weight: impl Fn(usize, usize) -> f64) -> Map {
        let mut out = Map::constant(self.out_side, 0.0);
        for a in 0..self.kernel {
            for b in 0..self.kernel {
                let w = weight(a, b);
                let columns = self.outputs(b);
                for y in self.outputs(a) {
                    let input = map.row(self.input(y, a));
                    let output = &mut out.values[y * self.out_side..][..self.out_side];
                    if self.stride == 1 && !columns.is_empty() {
                        let start = self.input(columns.start, b);
                        let input = &input[start..start + columns.len()];
                        for (o, i) in output[columns.clone()].iter_mut().zip(input) {
                            *o += w * i;
                        }
                    } else {
                        for x in columns.clone() {
                            output[x] += w * input[self.input(x, b)];
                        }
                    }
                }
            }
        }
        out
    }

    /// Unweighted window sum: rows first, then columns.
    fn sum(&self, map: &Map) -> Map {
        let mut rows = vec![0.0; self.out_side * self.side];
        for a in 0..self.kernel {
            for y in self.outputs(a) {
                let target = &mut rows[y * self.side..][..self.side];
                for (o, i) in target.iter_mut().zip(map.row(self.input(y, a))) {
                    *o += i;
                }
            }
        }
        let mut out = Map::constant(self.out_side, 0.0);
        for b in 0..self.kernel {
            for x in self.outputs(b) {
                let column = self.input(x, b);
                for y in 0..self.out_side {
                    out.values[y * self.out_side + x] += rows[y * self.side + column];
                }
            }
        }
        out
    }

    /// For each tap, the mean over output positions of the input under it, zeros outside.
    fn tap_means(&self, map: &Map) -> Vec<f64> {
        let positions = (self.out_side * self.out_side) as f64;
        let mut means = Vec::with_capacity(self.kernel * self.kernel);
        for a in 0..self.kernel {
            let mut columns = vec![0.0; self.side];
            for y in self.outputs(a) {
                for (o, i) in columns.iter_mut().zip(map.row(self.input(y, a))) {
                    *o += i;
                }
            }
            for b in 0..self.kernel {
                means.push(self.outputs(b).map(|x| columns[self.input(x, b)]).sum::<f64>() / positions);
            }
        }
        means
    }
}

/// Share of a mean square that ReLU keeps as difference: `1 - (sin t + (pi - t) cos t) / pi` with
/// `t = acos(1 - w)`, by its series where that cancels.
fn kept_difference(w: f64) -> f64 {
    let t = (1.0 - w).clamp(-1.0, 1.0).acos();
    if t < 0.05 {
        // The angle of a small w from its own series, since 1 - w has lost digits.
        let t2 = w * (2.0 + w * (1.0 / 3.0 + w * (4.0 / 45.0 + w / 35.0)));
        let t = t2.sqrt();
        t2 * (0.5 - t / (3.0 * PI) - t2 / 24.0 + t2 * t / (30.0 * PI))
    } else {
        1.0 - (t.sin() + (PI - t) * t.cos()) / PI
    }
}

/// Form 2 with its parts. Cost grows with the pixels of the maps times the area of the kernels.
pub fn form2(graph: &Graph) -> ClosedForm {
    let mut variances = Vec::new();
    // Second moment of the normalised pre-activation, and the mean squared difference, by position.
    let mut moments = Map::constant(1, 1.0);
    let mut differences = Map::constant(1, 0.0);
    let mut elements = 0.0;
    for (i, conv) in graph.trunk_convs().enumerate() {
        let window = Window::new(&conv);
        let fan_in = (conv.in_channels / conv.groups) as f64;
        if i == 0 {
            let y = window.sum(&Map::constant(window.side, 1.0)).map(|v| fan_in * v);
            let variance = y.mean();
            variances.push(variance);
            moments = y.map(|v| v / variance);
            differences = moments.map(|v| 2.0 * first_decorrelation() * v);
        } else {
            let means = moments.map(|s| (s / (2.0 * PI)).sqrt());
            let tap_means = window.tap_means(&means);
            let sum_of_squares: f64 = tap_means.iter().map(|t| t * t).sum();
            let second = window.sum(&moments.map(|s| s / 2.0));
            let variance = second.mean() - sum_of_squares;
            let cross = window.weighted_sum(&means, |a, b| tap_means[a * window.kernel + b]);
            let kept = Map {
                side: moments.side,
                values: (moments.values.iter().zip(&differences.values))
                    .map(|(s, q)| if *s > 0.0 { s * kept_difference(q / (2.0 * s)) } else { 0.0 })
                    .collect(),
            };
            differences = window.sum(&kept).map(|v| v / variance);
            moments = Map {
                side: window.out_side,
                values: (second.values.iter().zip(&cross.values))
                    .map(|(b, c)| (b - 2.0 * c + sum_of_squares) / variance)
                    .collect(),
            };
            variances.push(fan_in * variance);
        }
        elements = conv.out_channels as f64 * (window.out_side * window.out_side) as f64;
    }
    let mean_root = differences.map(|q| q.max(0.0).sqrt()).mean();
    ClosedForm { ln_delta: elements.ln() + (mean_root * (2.0 / PI).sqrt() / 2.0).ln(), variances }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_sums_agree_with_each_other() {
        for (side, kernel, stride) in [(7usize, 3usize, 2usize), (5, 7, 1), (8, 5, 2), (1, 3, 1)] {
            let out_side = side.div_ceil(stride);
            let window = Window { kernel, stride, padding: (kernel - 1) / 2, side, out_side };
            let map = Map { side, values: (0..side * side).map(|i| ((i * 37) % 11) as f64).collect() };
            let (fast, plain) = (window.sum(&map), window.weighted_sum(&map, |_, _| 1.0));
            for (a, b) in fast.values.iter().zip(&plain.values) {
                assert!((a - b).abs() < 1e-12);
            }
            let means: f64 = window.tap_means(&map).iter().sum();
            assert!((means - plain.mean()).abs() < 1e-12);
        }
    }

    #[test]
    fn kept_difference_series_meets_the_expression() {
        let exact = |w: f64| {
            let t = (1.0 - w).acos();
            1.0 - (t.sin() + (PI - t) * t.cos()) / PI
        };
        // On either side of an angle of 0.05; the dropped term is worth 2e-8 there.
        for w in [1.2e-3, 1.3e-3] {
            assert!((kept_difference(w) / exact(w) - 1.0).abs() < 1e-7, "{w}");
        }
        assert!((kept_difference(1.0) - (1.0 - 1.0 / PI)).abs() < 1e-15);
    }
}
