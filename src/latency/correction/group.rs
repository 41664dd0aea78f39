//! Rows of one group, and the interpolation between them.
//!
//! Inverse squared distance weights the nearest rows; a plane through them, its slopes drawn to nothing,
//! is read off at the operator's place.

use super::super::Evidence;

/// Rows that correct one operator.
const NEIGHBOURS: usize = 6;
/// Squared distance (in octaves) below which rows count alike.
const SOFTENING: f64 = 0.01;

#[derive(Debug)]
pub struct Group {
    /// Sorted along the first axis once finished.
    points: Vec<Point>,
    pub evidence: Evidence,
    low: [f64; 3],
    high: [f64; 3],
}

#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub place: [f64; 3],
    /// log(row / prior).
    pub log_ratio: f64,
}

/// Rows near a place, nearest first, with their squared distances.
struct Nearest {
    points: [(f64, Point); NEIGHBOURS],
    count: usize,
}

impl Group {
    pub fn new(evidence: Evidence) -> Self {
        Self { points: Vec::new(), evidence, low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3] }
    }

    pub fn push(&mut self, place: [f64; 3], log_ratio: f64) {
        self.low = std::array::from_fn(|axis| self.low[axis].min(place[axis]));
        self.high = std::array::from_fn(|axis| self.high[axis].max(place[axis]));
        self.points.push(Point { place, log_ratio });
    }

    /// Sorts the rows; to be called once all are there.
    pub fn finish(&mut self) {
        let order =
            |a: &Point, b: &Point| a.place.iter().partial_cmp(b.place.iter()).unwrap_or(std::cmp::Ordering::Equal);
        self.points.sort_by(order);
    }

    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Octaves that a place lies outside the box of the rows, along the axis where most.
    pub fn outside(&self, here: &[f64; 3]) -> f64 {
        (0..3).map(|axis| (self.low[axis] - here[axis]).max(here[axis] - self.high[axis])).fold(0.0, f64::max)
    }

    /// log(time / prior) at a place, and the distance in octaves to the nearest row.
    pub fn interpolate(&self, here: &[f64; 3]) -> Option<(f64, f64)> {
        self.interpolate_beyond(here, -1.0)
    }

    /// As [`Group::interpolate`] from rows that are further away than `beyond`.
    pub fn interpolate_beyond(&self, here: &[f64; 3], beyond: f64) -> Option<(f64, f64)> {
        let least = if beyond < 0.0 { -1.0 } else { beyond * beyond };
        let nearest = self.nearest(here, least);
        let (distance, _) = nearest.points[..nearest.count].first()?;
        Some((nearest.plane(here), distance.sqrt()))
    }

    fn nearest(&self, here: &[f64; 3], least: f64) -> Nearest {
        let none = Point { place: [0.0; 3], log_ratio: 0.0 };
        let mut found = Nearest { points: [(f64::INFINITY, none); NEIGHBOURS], count: 0 };
        let middle = self.points.partition_point(|point| point.place[0] < here[0]);
        // Outward along the first axis, until that alone is further than what was found.
        let (below, above) = self.points.split_at(middle);
        for side in [&mut below.iter().rev() as &mut dyn Iterator<Item = &Point>, &mut above.iter()] {
            for point in side {
                let along = here[0] - point.place[0];
                if along * along >= found.points[NEIGHBOURS - 1].0 {
                    break;
                }
                let distance: f64 = here.iter().zip(point.place).map(|(a, b)| (a - b) * (a - b)).sum();
                if distance > least {
                    found.insert(distance, *point);
                }
            }
        }
        found
    }
}

impl Nearest {
    fn insert(&mut self, distance: f64, point: Point) {
        if distance >= self.points[NEIGHBOURS - 1].0 {
            return;
        }
        let mut slot = NEIGHBOURS - 1;
        while slot > 0 && self.points[slot - 1].0 > distance {
            self.points[slot] = self.points[slot - 1];
            slot -= 1;
        }
        self.points[slot] = (distance, point);
        self.count = (self.count + 1).min(NEIGHBOURS);
    }

    fn plane(&self, _here: &[f64; 3]) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (distance, point) in &self.points[..self.count] {
            let weight = 1.0 / (distance + SOFTENING);
            sum += weight * point.log_ratio;
            weights += weight;
        }
        sum / weights
    }
}
