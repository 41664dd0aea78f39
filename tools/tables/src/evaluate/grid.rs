//! Linear interpolation on the grid of a structured operator table, as its publisher predicts.
//!
//! The publisher triangulates (out_channels, side) for each ratio of in_channels to out_channels
//! and interpolates linearly in the triangles, in plain numbers, not logarithms. Where one point of
//! a grid is missing, the triangulation puts an edge through its place: between its neighbours in
//! channels or between those in side, whichever pair has the smaller product of distances
//! (Delaunay's rule for a rhombus). That is what is worked out here, without a triangulation.

use rustc_hash::FxHashMap;
use zen_nas::latency::{KeyKind, OperatorKey, Row};

/// What the points of one plane share: kind, kernel, stride, fused sum, and the ratio of channels
/// as the table spaces it (images of 3 channels are a plane of their own).
type Plane = (KeyKind, u32, u32, bool, Ratio);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ratio {
    Image,
    /// In channels over out channels, reduced.
    Of(u32, u32),
}

/// Rows by plane.
#[derive(Debug, Default)]
pub struct Grid {
    planes: FxHashMap<Plane, Vec<Point>>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    out_channels: f64,
    side: f64,
    ms: f64,
}

impl Grid {
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut grid = Self::default();
        for row in rows {
            grid.planes.entry(plane(&row.key)).or_default().push(Point { ms: row.ms, ..point(&row.key) });
        }
        grid
    }

    /// Milliseconds of an operator on the lines of the grid. Where neither line has points on both
    /// sides, the nearest point, channels and sides scaled to the plane's ranges; none without any.
    pub fn ms(&self, key: &OperatorKey) -> Option<f64> {
        let points = self.planes.get(&plane(key))?;
        let here = point(key);
        let along_channels = between(
            points.iter().filter(|point| point.side == here.side).map(|point| (point.out_channels, point.ms)),
            here.out_channels,
        );
        let along_side = between(
            points.iter().filter(|point| point.out_channels == here.out_channels).map(|point| (point.side, point.ms)),
            here.side,
        );
        let chosen = match (along_channels, along_side) {
            (Some(channels), Some(side)) => Some(if channels.product <= side.product { channels } else { side }),
            (one, other) => one.or(other),
        };
        chosen.map(|segment| segment.ms).or_else(|| nearest(points, here))
    }
}

/// A line between the two neighbours of a place.
struct Segment {
    /// Product of the distances to them.
    product: f64,
    ms: f64,
}

/// Linear between the nearest points below and above; none where one is missing.
fn between(points: impl Iterator<Item = (f64, f64)>, here: f64) -> Option<Segment> {
    let mut below: Option<(f64, f64)> = None;
    let mut above: Option<(f64, f64)> = None;
    for (place, ms) in points {
        if place <= here && below.is_none_or(|(nearest, _)| place > nearest) {
            below = Some((place, ms));
        }
        if place >= here && above.is_none_or(|(nearest, _)| place < nearest) {
            above = Some((place, ms));
        }
    }
    let ((low, low_ms), (high, high_ms)) = (below?, above?);
    let share = if high > low { (here - low) / (high - low) } else { 0.0 };
    Some(Segment { product: (here - low) * (high - here), ms: low_ms + share * (high_ms - low_ms) })
}

fn nearest(points: &[Point], here: Point) -> Option<f64> {
    let range = |of: fn(&Point) -> f64| {
        let (low, high) = points
            .iter()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        (high - low).max(1.0)
    };
    let (channels, sides) = (range(|point| point.out_channels), range(|point| point.side));
    let distance =
        |point: &Point| ((point.out_channels - here.out_channels) / channels).hypot((point.side - here.side) / sides);
    points.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|point| point.ms)
}

fn point(key: &OperatorKey) -> Point {
    Point { out_channels: f64::from(key.out_channels), side: f64::from(key.in_height), ms: 0.0 }
}

fn plane(key: &OperatorKey) -> Plane {
    let divisor = greatest_common_divisor(key.in_channels, key.out_channels).max(1);
    let ratio = match key.in_channels {
        3 => Ratio::Image,
        _ => Ratio::Of(key.in_channels / divisor, key.out_channels / divisor),
    };
    (key.kind, key.kernel, key.stride, key.residual_add, ratio)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use zen_nas::latency::Evidence;

    use super::*;

    fn key(in_channels: u32, out_channels: u32, side: u32) -> OperatorKey {
        OperatorKey::conv(3, 1, in_channels, out_channels, side)
    }

    fn rows(ms: impl Fn(f64, f64) -> f64) -> Vec<Row> {
        let mut rows = Vec::new();
        for channels in [8, 16, 32, 64] {
            for side in [5, 10, 20, 40] {
                let key = key(2 * channels, channels, side);
                let ms = ms(f64::from(channels), f64::from(side));
                rows.push(Row::new(key, ms, Evidence::Measured));
            }
        }
        rows
    }

    #[test]
    fn missing_point_comes_from_the_shorter_edge() {
        let all = rows(|channels, side| channels * 100.0 + side * side);
        let without = |channels: u32, side: u32| {
            let gone = key(2 * channels, channels, side);
            Grid::new(all.iter().filter(|row| row.key != gone)).ms(&gone).unwrap()
        };
        // Channels 8 and 32 around 16: 8 * 16 = 128; sides 5 and 20 around 10: 5 * 10 = 50. Along the
        // side: 1600 + (2/3 * 25 + 1/3 * 400).
        assert!((without(16, 10) - 1750.0).abs() < 1e-9);
        // Sides 10 and 40 around 20: 200; channels are shorter, and linear in the times.
        assert!((without(16, 20) - 2000.0).abs() < 1e-9);
        // At the edge only the side is left: 800 + (2/3 * 25 + 1/3 * 400).
        assert!((without(8, 10) - 950.0).abs() < 1e-9);
        // A corner has no line: the nearest point, by ranges of 56 and 35, is (8, 10).
        assert!((without(8, 5) - 900.0).abs() < 1e-9);
    }

    #[test]
    fn planes_do_not_mix() {
        let grid = Grid::new(&rows(|channels, _| channels));
        assert_eq!(grid.ms(&key(32, 16, 10)), Some(16.0));
        assert_eq!(grid.ms(&key(16, 16, 10)), None, "another ratio of channels");
        assert_eq!(grid.ms(&OperatorKey { stride: 2, ..key(32, 16, 10) }), None);
        assert_eq!(plane(&key(3, 16, 10)), plane(&key(3, 64, 10)), "images share a plane");
    }
}
