//! Correction of the prior by the rows nearby, and how uncertain it leaves an operator.
//!
//! log(row / prior) is interpolated between the nearest rows of the same kind, kernel, stride, fused
//! sum and grouping. A fused sum separates rows because runtimes
//! choose other implementations for it: TensorRT's times of a small 5x5 convolution with and
//! without one differ fivefold. So do groups: onnxruntime takes up to three times as long for a grouped
//! convolution as one without groups of as many multiply-adds would let expect. Not here: the interpolation itself (`group`), how the error grows with
//! the distance to the rows (`growth`).

mod group;
mod growth;

use rustc_hash::FxHashMap;

use self::group::Group;
use self::growth::Growth;
use super::store::Row;
use super::{Evidence, KeyKind, OperatorKey};

/// Octaves of channels or side outside the covered shapes that still count as covered.
const TOLERANCE: f64 = 0.5;
/// Octaves of channels and side from the nearest row within which an operator is between rows, inside the box of
/// all of them too: a box around few rows is mostly empty.
const FAR: f64 = 1.0;
/// Rows below which a group has no inside: only what is within [`CLOSE`] octaves of one is covered.
const FEW_ROWS: usize = 4;
const CLOSE: f64 = 0.5;
/// Octaves that rows with a fused sum count as away from operators without, and the other way round.
const OTHER_GROUP: f64 = 1.0;
/// Octaves that convolutions with groups count as away from rows of those without.
const UNGROUPED: f64 = 2.0;

/// What rows must share to correct each other: kind, kernel, stride, fused sum, whether a convolution has
/// groups.
pub type GroupKey = (KeyKind, u32, u32, bool, bool);

/// Rows by what they share.
#[derive(Debug, Default)]
pub(super) struct Correction {
    groups: FxHashMap<GroupKey, Group>,
    growth: FxHashMap<KeyKind, Growth>,
}

/// What the rows nearby say.
pub(super) struct Found {
    /// To multiply the prior with.
    pub factor: f64,
    /// Of the rows used: an operator between measured rows is interpolated.
    pub evidence: Evidence,
    pub extrapolated: bool,
    /// The rows are those of convolutions without groups, the operator has groups.
    pub is_ungrouped: bool,
    /// Standard deviation of the logarithm of the corrected time.
    pub uncertainty: f64,
}

impl Correction {
    /// Sorts rows into groups; in each, rows of the strongest evidence count alone.
    pub fn new(rows: &[Row], prior_ms: impl Fn(&OperatorKey) -> f64) -> Self {
        let mut groups: FxHashMap<_, Group> = FxHashMap::default();
        for row in rows {
            let prior = prior_ms(&row.key);
            if !(prior.is_finite() && prior > 0.0) || row.merged {
                continue;
            }
            let group = groups.entry(group_of(&row.key)).or_insert_with(|| Group::new(row.evidence));
            if row.evidence < group.evidence {
                continue;
            }
            if row.evidence > group.evidence {
                *group = Group::new(row.evidence);
            }
            group.push(group::place(&row.key), (row.ms / prior).ln());
        }
        groups.values_mut().for_each(Group::finish);
        let growth = KeyKind::all()
            .map(|kind| {
                // In a fixed order, so that sums are the same each time.
                let mut of_kind: Vec<_> = groups.iter().filter(|(group, _)| group.0 == kind).collect();
                of_kind.sort_by_key(|(group, _)| **group);
                (kind, Growth::of(&of_kind.into_iter().map(|(_, group)| group).collect::<Vec<_>>()))
            })
            .collect();
        Self { groups, growth }
    }

    /// What to multiply the prior of an operator with; none where no row is of its kind.
    pub fn find(&self, key: &OperatorKey) -> Option<Found> {
        let (kind, kernel, stride, residual_add, has_groups) = group_of(key);
        let with = |residual_add, has_groups| self.groups.get(&(kind, kernel, stride, residual_add, has_groups));
        let of_its_grouping = with(residual_add, has_groups)
            .map(|group| (group, 0.0, false))
            .or_else(|| Some((with(!residual_add, has_groups)?, OTHER_GROUP, false)));
        let without_groups = || {
            let group = with(residual_add, false).or_else(|| with(!residual_add, false));
            group.filter(|_| has_groups).map(|group| (group, UNGROUPED, true))
        };
        let (group, away, is_ungrouped) = of_its_grouping.or_else(without_groups)?;
        let here = group::place(key);
        let (log_ratio, distance) = group.interpolate(&here)?;
        let evidence = if group.evidence == Evidence::Fitted { Evidence::Fitted } else { Evidence::Interpolated };
        Some(Found {
            factor: log_ratio.exp(),
            evidence,
            extrapolated: is_ungrouped || !covers(group, &here),
            is_ungrouped,
            uncertainty: self.growth_of(kind).at(distance + away),
        })
    }

    /// How uncertain operators of a kind are at a distance from its rows.
    pub fn growth_of(&self, kind: KeyKind) -> Growth {
        self.growth.get(&kind).copied().unwrap_or_default()
    }
}

/// Whether a place lies among the rows of a group.
fn covers(group: &Group, here: &group::Place) -> bool {
    let reach = if group.points().len() < FEW_ROWS { CLOSE } else { FAR };
    group.outside(here) <= TOLERANCE && group.distance(here) <= reach
}

/// The group whose rows correct an operator.
pub fn group_of(key: &OperatorKey) -> GroupKey {
    (key.kind, key.kernel, key.stride, key.residual_add, key.has_groups())
}

/// Place of an operator among the rows of its group: log2 of input channels, output channels and side.
pub fn place_of(key: &OperatorKey) -> [f64; 3] {
    let side = 0.5 * ((key.in_height as f64).log2() + (key.in_width as f64).log2());
    [(key.in_channels as f64).log2(), (key.out_channels as f64).log2(), side]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_cover_what_is_close_to_them_and_many_what_lies_between() {
        let row = |key| Row::new(key, 1.0, Evidence::Measured);
        let conv = |channels, side| OperatorKey::conv(3, 1, channels, channels, side);
        let outside = |rows: &[Row], key: OperatorKey| Correction::new(rows, |_| 1.0).find(&key).unwrap().extrapolated;
        let three = [row(conv(16, 112)), row(conv(64, 56)), row(conv(256, 14))];
        // Inside the box of the three, two octaves from each.
        assert!(outside(&three, conv(32, 28)) && outside(&three, conv(128, 28)));
        assert!(!outside(&three, conv(64, 48)) && !outside(&three, conv(72, 56)) && outside(&three, conv(128, 56)));
        let mut many = three.to_vec();
        many.extend([8, 32, 128, 512].map(|channels| row(conv(channels, 28))));
        assert!(!outside(&many, conv(48, 28)) && !outside(&many, conv(128, 56)));
        assert!(outside(&many, conv(64, 7)), "far from all, inside the box along every axis but one");
        assert!(outside(&many, conv(512, 112)), "in an empty corner of the box");
        assert!(outside(&many, conv(1024, 28)));
    }

    #[test]
    fn grouped_convolutions_have_rows_of_their_own() {
        let plain = OperatorKey::conv(3, 1, 64, 64, 28);
        let grouped = OperatorKey { groups: 8, ..plain };
        let row = |key, ms| Row::new(key, ms, Evidence::Measured);
        let find = |rows: &[Row], key: &OperatorKey| {
            let found = Correction::new(rows, |_| 1.0).find(key);
            found.map(|found| ((1000.0 * found.factor).round(), found.is_ungrouped, found.extrapolated))
        };
        let both = [row(plain, 2.0), row(grouped, 5.0)];
        assert_eq!(find(&both, &plain), Some((2000.0, false, false)));
        assert_eq!(find(&both, &grouped), Some((5000.0, false, false)));
        // Better than nothing, but said.
        assert_eq!(find(&both[..1], &grouped), Some((2000.0, true, true)));
        assert_eq!(find(&both[1..], &plain), None);
    }
}
