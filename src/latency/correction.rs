//! Correction of the prior by the rows nearby.
//!
//! log(row / prior), weighted by inverse squared distance over the nearest rows of the same kind,
//! kernel, stride and fused sum in (log2 in_channels, log2 out_channels, log2 side). A fused sum
//! separates rows because runtimes choose other implementations for it: TensorRT's times of a
//! small 5x5 convolution with and without one differ fivefold.

use rustc_hash::FxHashMap;

use super::store::Row;
use super::{Evidence, KeyKind, OperatorKey};

/// Rows that correct one operator.
const NEIGHBOURS: usize = 6;
/// Squared distance (in octaves) below which rows count alike.
const SOFTENING: f64 = 0.01;
/// Octaves outside the covered shapes that still count as covered.
const TOLERANCE: f64 = 0.5;

/// What rows must share to correct each other: kind, kernel, stride, fused sum.
pub(super) type GroupKey = (KeyKind, u32, u32, bool);

/// Rows by what they share.
#[derive(Debug, Default)]
pub(super) struct Correction {
    groups: FxHashMap<GroupKey, Group>,
}

#[derive(Debug)]
struct Group {
    points: Vec<Point>,
    evidence: Evidence,
    low: [f64; 3],
    high: [f64; 3],
}

#[derive(Clone, Copy, Debug)]
struct Point {
    place: [f64; 3],
    log_ratio: f64,
}

/// What the rows nearby say.
pub(super) struct Found {
    /// To multiply the prior with.
    pub factor: f64,
    /// Of the rows used: an operator between measured rows is interpolated.
    pub evidence: Evidence,
    pub extrapolated: bool,
}

impl Correction {
    /// Sorts rows into groups; in each, rows of the strongest evidence count alone.
    pub fn new(rows: &[Row], prior_ms: impl Fn(&OperatorKey) -> f64) -> Self {
        let mut groups: FxHashMap<_, Group> = FxHashMap::default();
        for row in rows {
            let prior = prior_ms(&row.key);
            if !(prior.is_finite() && prior > 0.0) {
                continue;
            }
            let group = groups.entry(group_of(&row.key)).or_insert_with(|| Group {
                points: Vec::new(),
                evidence: row.evidence,
                low: [f64::INFINITY; 3],
                high: [f64::NEG_INFINITY; 3],
            });
            if row.evidence < group.evidence {
                continue;
            }
            if row.evidence > group.evidence {
                *group = Group {
                    points: Vec::new(),
                    evidence: row.evidence,
                    low: [f64::INFINITY; 3],
                    high: [f64::NEG_INFINITY; 3],
                };
            }
            let place = place(&row.key);
            group.low = std::array::from_fn(|axis| group.low[axis].min(place[axis]));
            group.high = std::array::from_fn(|axis| group.high[axis].max(place[axis]));
            group.points.push(Point { place, log_ratio: (row.ms / prior).ln() });
        }
        Self { groups }
    }

    /// What to multiply the prior of an operator with; none where no row is of its kind.
    pub fn factor(&self, key: &OperatorKey) -> Option<Found> {
        let (kind, kernel, stride, residual_add) = group_of(key);
        let group = self
            .groups
            .get(&(kind, kernel, stride, residual_add))
            .or_else(|| self.groups.get(&(kind, kernel, stride, !residual_add)))?;
        let here = place(key);
        // The nearest so far, nearest first.
        let mut nearest = [(f64::INFINITY, 0.0); NEIGHBOURS];
        for point in &group.points {
            let distance: f64 = here.iter().zip(point.place).map(|(a, b)| (a - b) * (a - b)).sum();
            if distance < nearest[NEIGHBOURS - 1].0 {
                let mut slot = NEIGHBOURS - 1;
                while slot > 0 && nearest[slot - 1].0 > distance {
                    nearest[slot] = nearest[slot - 1];
                    slot -= 1;
                }
                nearest[slot] = (distance, point.log_ratio);
            }
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for (distance, log_ratio) in nearest.into_iter().filter(|(distance, _)| distance.is_finite()) {
            let weight = 1.0 / (distance + SOFTENING);
            sum += weight * log_ratio;
            weights += weight;
        }
        let extrapolated =
            (0..3).any(|axis| here[axis] < group.low[axis] - TOLERANCE || here[axis] > group.high[axis] + TOLERANCE);
        let evidence = if group.evidence == Evidence::Fitted { Evidence::Fitted } else { Evidence::Interpolated };
        Some(Found { factor: (sum / weights).exp(), evidence, extrapolated })
    }
}

pub(super) fn group_of(key: &OperatorKey) -> GroupKey {
    (key.kind, key.kernel, key.stride, key.residual_add)
}

pub(super) fn place(key: &OperatorKey) -> [f64; 3] {
    let side = 0.5 * ((key.in_height as f64).log2() + (key.in_width as f64).log2());
    [(key.in_channels as f64).log2(), (key.out_channels as f64).log2(), side]
}
