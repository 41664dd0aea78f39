//! Rows of one group, and the interpolation between them.
//!
//! Inverse distance to the fourth power weights the nearest rows; a plane through them, its slopes
//! drawn to nothing, is read off at the operator's place. Distances are in octaves of input
//! channels, output channels and pixels. How far single rows are trusted is for the rows to say: what
//! predicts each of them best from the others.

use super::super::{Evidence, OperatorKey};

/// Rows that correct one operator.
const NEIGHBOURS: usize = 16;
/// Squared distances below which rows count alike, to choose from: the more single rows scatter, the
/// further they are averaged.
const SOFTENINGS: [f64; 4] = [0.02, 0.2, 1.0, 4.0];
/// How much of what the rows nearby say is believed, to choose from; the rest is the group's median.
const TRUSTS: [f64; 4] = [1.0, 0.75, 0.5, 0.25];
/// Rows that choose, and rows that are predicted to choose.
const ENOUGH_TO_CHOOSE: usize = 20;
const SAMPLE: usize = 100;
/// How strongly slopes are drawn to nothing, against rows an octave away.
const FLAT: f64 = 0.02;

/// Where an operator is among others of its group: log2 of input channels, output channels, pixels.
pub type Place = [f64; 3];

pub fn place(key: &OperatorKey) -> Place {
    let pixels = f64::from(key.in_height) * f64::from(key.in_width);
    [f64::from(key.in_channels).log2(), f64::from(key.out_channels).log2(), pixels.log2()]
}

#[derive(Debug)]
pub struct Group {
    /// Sorted along the first axis once finished.
    points: Vec<Point>,
    pub evidence: Evidence,
    low: Place,
    high: Place,
    softening: f64,
    trust: f64,
    median: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub place: Place,
    /// log(row / prior).
    pub log_ratio: f64,
}

impl Group {
    pub fn new(evidence: Evidence) -> Self {
        Self {
            points: Vec::new(),
            evidence,
            low: [f64::INFINITY; 3],
            high: [f64::NEG_INFINITY; 3],
            softening: SOFTENINGS[0],
            trust: TRUSTS[0],
            median: 0.0,
        }
    }

    pub fn push(&mut self, place: Place, log_ratio: f64) {
        self.low = std::array::from_fn(|axis| self.low[axis].min(place[axis]));
        self.high = std::array::from_fn(|axis| self.high[axis].max(place[axis]));
        self.points.push(Point { place, log_ratio });
    }

    /// Sorts the rows and chooses how they are averaged: as predicts each best from the others. To be
    /// called once all are there.
    pub fn finish(&mut self) {
        let by_axis = |a: f64, b: f64| a.total_cmp(&b);
        self.points.sort_by(|a, b| {
            let [a, b] = [a.place, b.place];
            by_axis(a[0], b[0]).then(by_axis(a[1], b[1])).then(by_axis(a[2], b[2]))
        });
        if self.points.len() < ENOUGH_TO_CHOOSE {
            return;
        }
        let mut ratios: Vec<f64> = self.points.iter().map(|point| point.log_ratio).collect();
        ratios.sort_by(f64::total_cmp);
        self.median = ratios[ratios.len() / 2];
        let step = self.points.len().div_ceil(SAMPLE);
        let mut least = f64::INFINITY;
        let mut best = (self.softening, self.trust);
        for softening in SOFTENINGS {
            (self.softening, self.trust) = (softening, 1.0);
            let predicted: Vec<(f64, f64)> = self
                .points
                .iter()
                .step_by(step)
                .filter_map(|point| Some((self.interpolate_beyond(&point.place, 0.0)?.0, point.log_ratio)))
                .collect();
            for trust in TRUSTS {
                let blend = |ratio: f64| self.median + trust * (ratio - self.median);
                let error: f64 = predicted.iter().map(|(ratio, truth)| (blend(*ratio) - truth).abs()).sum();
                if error < least {
                    (least, best) = (error, (softening, trust));
                }
            }
        }
        (self.softening, self.trust) = best;
    }

    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Octaves of channels or of side that a place lies outside the box of the rows, along the axis
    /// where most.
    pub fn outside(&self, here: &Place) -> f64 {
        let along = |axis: usize| (self.low[axis] - here[axis]).max(here[axis] - self.high[axis]);
        along(0).max(along(1)).max(0.5 * along(2)).max(0.0)
    }

    /// Octaves of channels and side to the nearest row.
    pub fn distance(&self, here: &Place) -> f64 {
        let squared = |point: &Point| {
            let [x, y, z] = std::array::from_fn(|axis| here[axis] - point.place[axis]);
            x * x + y * y + 0.25 * z * z
        };
        // Sorted along the first axis: what is further along it alone need not be looked at.
        let (below, above) = self.points.split_at(self.points.partition_point(|point| point.place[0] < here[0]));
        let mut nearest = f64::INFINITY;
        for side in [&mut below.iter().rev() as &mut dyn Iterator<Item = &Point>, &mut above.iter()] {
            for point in side {
                if (here[0] - point.place[0]).powi(2) >= nearest {
                    break;
                }
                nearest = nearest.min(squared(point));
            }
        }
        nearest.sqrt()
    }

    /// log(time / prior) at a place from the nearest rows, and the distance to the nearest.
    pub fn interpolate(&self, here: &Place) -> Option<(f64, f64)> {
        self.read(Nearest::of(&self.points, here, None), here)
    }

    /// As [`Group::interpolate`], from rows further away than `beyond`.
    pub fn interpolate_beyond(&self, here: &Place, beyond: f64) -> Option<(f64, f64)> {
        self.read(Nearest::of(&self.points, here, Some(beyond * beyond)), here)
    }

    fn read(&self, nearest: Nearest<'_>, here: &Place) -> Option<(f64, f64)> {
        let (ratio, distance) = nearest.plane(here, self.softening)?;
        Some((self.median + self.trust * (ratio - self.median), distance))
    }
}

/// Rows near a place, nearest first, with their squared distances.
struct Nearest<'a> {
    points: [(f64, Option<&'a Point>); NEIGHBOURS],
}

impl<'a> Nearest<'a> {
    /// Those of points sorted along the first axis, further away than the root of `beyond`.
    fn of(points: &'a [Point], here: &Place, beyond: Option<f64>) -> Self {
        let mut nearest = Self { points: [(f64::INFINITY, None); NEIGHBOURS] };
        let (below, above) = points.split_at(points.partition_point(|point| point.place[0] < here[0]));
        nearest.take(below.iter().rev(), here, beyond);
        nearest.take(above.iter(), here, beyond);
        nearest
    }

    /// Points that go away from the place along the first axis, until that alone is too far.
    fn take(&mut self, points: impl Iterator<Item = &'a Point>, here: &Place, beyond: Option<f64>) {
        for point in points {
            let [x, y, z] = std::array::from_fn(|axis| here[axis] - point.place[axis]);
            let furthest = self.points[NEIGHBOURS - 1].0;
            if x * x >= furthest {
                return;
            }
            let distance = x * x + y * y + z * z;
            if distance < furthest && beyond.is_none_or(|beyond| distance > beyond) {
                self.insert(distance, point);
            }
        }
    }

    fn insert(&mut self, distance: f64, point: &'a Point) {
        let mut slot = NEIGHBOURS - 1;
        while slot > 0 && self.points[slot - 1].0 > distance {
            self.points[slot] = self.points[slot - 1];
            slot -= 1;
        }
        self.points[slot] = (distance, Some(point));
    }

    /// The plane's value at the place, and the distance to the nearest row; none without rows.
    fn plane(&self, here: &Place, softening: f64) -> Option<(f64, f64)> {
        // Normal equations for value and slopes, the right-hand side last.
        let mut equations = [[0.0; 5]; 4];
        let mut weights = 0.0;
        for (distance, point) in &self.points {
            let Some(Point { place, log_ratio }) = point else { break };
            let weight = (distance + softening).powi(-2);
            let row = [1.0, place[0] - here[0], place[1] - here[1], place[2] - here[2], *log_ratio];
            for (equation, factor) in equations.iter_mut().zip(row) {
                for (sum, value) in equation.iter_mut().zip(row) {
                    *sum += weight * factor * value;
                }
            }
            weights += weight;
        }
        self.points[0].1?;
        for (axis, equation) in equations.iter_mut().enumerate().skip(1) {
            equation[axis] += FLAT * weights;
        }
        // The slopes are eliminated, last first; what is left is the value. They are drawn, so that no
        // pivot is 0.
        for last in (1..4).rev() {
            let pivot = equations[last];
            for equation in &mut equations[..last] {
                let factor = equation[last] / pivot[last];
                for (value, of_pivot) in equation.iter_mut().zip(pivot) {
                    *value -= factor * of_pivot;
                }
            }
        }
        Some((equations[0][4] / equations[0][0], self.points[0].0.sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(value: impl Fn(f64, f64, f64) -> f64) -> Group {
        let mut group = Group::new(Evidence::Measured);
        for x in 0..4 {
            for y in 0..4 {
                for z in 0..6 {
                    let place = [x, y, z].map(f64::from);
                    group.push(place, value(place[0], place[1], place[2]));
                }
            }
        }
        group.finish();
        group
    }

    #[test]
    fn the_nearest_are_those_of_a_full_search() {
        let group = group(|x, y, z| x + 10.0 * y + 100.0 * z);
        let here = [1.3, 0.2, 3.6];
        let mut distances: Vec<f64> = group
            .points
            .iter()
            .map(|point| (0..3).map(|axis| (here[axis] - point.place[axis]).powi(2)).sum())
            .collect();
        distances.sort_by(f64::total_cmp);
        let found = Nearest::of(&group.points, &here, None).points.map(|(distance, _)| distance);
        for (found, expected) in found.iter().zip(&distances) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        let beyond = Nearest::of(&group.points, &here, Some(1.0)).points[0].0;
        let expected = distances.iter().copied().find(|distance| *distance > 1.0).unwrap();
        assert!((beyond - expected).abs() < 1e-12, "{beyond} {expected}");
    }

    #[test]
    fn a_slope_is_followed_between_rows_and_a_constant_anywhere() {
        let sloping = group(|x, _, z| 0.2 * x - 0.1 * z);
        let (value, distance) = sloping.interpolate(&[1.5, 2.0, 2.5]).unwrap();
        assert!((value - 0.05).abs() < 0.005, "{value}");
        assert!((distance - 0.5_f64.sqrt()).abs() < 1e-12);
        let (value, distance) = group(|_, _, _| 0.7).interpolate(&[9.0, 2.0, -4.0]).unwrap();
        assert!((value - 0.7).abs() < 1e-9 && (distance - 52.0_f64.sqrt()).abs() < 1e-9);
        // A row decides at its own place.
        let (value, distance) = sloping.interpolate(&[1.0, 1.0, 1.0]).unwrap();
        assert!((value - 0.1).abs() < 1e-3 && distance == 0.0, "{value}");
    }

    #[test]
    fn outside_the_box_in_octaves_of_channels_or_side() {
        let group = group(|_, _, _| 0.0);
        assert_eq!(group.outside(&[1.0, 2.0, 3.0]), 0.0);
        assert_eq!(group.outside(&[4.0, 2.0, 7.0]), 1.0);
        assert_eq!(group.outside(&[1.0, 2.0, 8.0]), 1.5);
    }

    /// Rows that scatter about their median and nothing else are averaged.
    #[test]
    fn scatter_is_not_followed() {
        let scatter = |x: f64, y: f64, z: f64| 0.5 + 0.2 * (97.0 * x + 41.0 * y + 13.0 * z).sin();
        let noisy = group(scatter);
        assert!(noisy.trust < 1.0 || noisy.softening > SOFTENINGS[0], "{} {}", noisy.trust, noisy.softening);
        let (value, _) = noisy.interpolate_beyond(&[1.0, 1.0, 1.0], 0.0).unwrap();
        assert!((value - 0.5).abs() < 0.12, "{value}");
        let smooth = group(|x, _, z| (0.7 * x).sin() - 0.1 * z);
        assert_eq!((smooth.trust, smooth.softening), (1.0, SOFTENINGS[0]));
    }

    #[test]
    fn few_rows() {
        let mut group = Group::new(Evidence::Measured);
        assert_eq!(group.interpolate(&[0.0; 3]), None);
        group.push([1.0; 3], 0.4);
        group.finish();
        let (value, _) = group.interpolate(&[0.0; 3]).unwrap();
        assert!((value - 0.4).abs() < 1e-12);
        assert_eq!(group.interpolate_beyond(&[1.0; 3], 0.0), None);
    }
}
