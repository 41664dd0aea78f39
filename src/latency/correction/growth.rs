//! How uncertain a corrected operator is: from the rows themselves, each predicted without itself and
//! without what lies near it.

use super::super::fit::solve;
use super::group::Group;

/// Octaves around a row within which rows are left out with it: 0 leaves out the row alone.
const LEFT_OUT: [f64; 4] = [0.0, 0.5, 1.0, 2.0];
/// Rows of a group that are predicted.
const SAMPLE: usize = 150;
/// Least uncertainty beside a row: built-in rows were chosen for agreeing with those around them.
const LEAST: f64 = 0.03;
/// Octaves within which errors count alike.
const NEAR: f64 = 0.3;
/// Mean absolute error of a normal variable over its standard deviation.
const MEAN_ABSOLUTE: f64 = 0.797_884_560_802_865;
/// What operators are taken to err before their rows say so, as (octaves, standard deviation, rows that
/// outweigh it): the roofline alone is 10 to 20% off on the tables it is fitted on.
const BEFORE: [(f64, f64, f64); 2] = [(0.0, 0.05, 4.0), (1.0, 0.3, 4.0)];

/// Standard deviation of the logarithm of an operator's time, linear in the octaves to the nearest row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    pub at_rows: f64,
    pub per_octave: f64,
}

impl Default for Growth {
    /// Nothing was measured.
    fn default() -> Self {
        Self { at_rows: BEFORE[0].1, per_octave: BEFORE[1].1 - BEFORE[0].1 }
    }
}

impl Growth {
    /// From the groups of one kind.
    pub fn of(groups: &[&Group]) -> Self {
        let mut errors: Vec<(f64, f64)> = Vec::new();
        for group in groups {
            let step = group.points().len().div_ceil(SAMPLE).max(1);
            for point in group.points().iter().step_by(step) {
                for beyond in LEFT_OUT {
                    let found = group.interpolate_beyond(&point.place, beyond);
                    errors.extend(found.map(|(ratio, distance)| (distance, (ratio - point.log_ratio).abs())));
                }
            }
        }
        // Far errors scatter as much as they are large, so they count for less.
        let equation = |distance: f64, error: f64, rows: f64| {
            let weight = rows.sqrt() / (NEAR + distance);
            (vec![weight, weight * distance], weight * error)
        };
        let mut equations: Vec<_> = errors.iter().map(|(distance, error)| equation(*distance, *error, 1.0)).collect();
        equations.extend(BEFORE.map(|(distance, spread, rows)| equation(distance, MEAN_ABSOLUTE * spread, rows)));
        let found = solve(&equations);
        Self { at_rows: (found[0] / MEAN_ABSOLUTE).max(LEAST), per_octave: found[1] / MEAN_ABSOLUTE }
    }

    pub fn at(&self, octaves: f64) -> f64 {
        self.at_rows + self.per_octave * octaves
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Evidence;
    use super::*;

    /// A ratio that goes up and down by `height` along the pixels, on a grid two octaves apart.
    fn group(height: f64) -> Group {
        let mut group = Group::new(Evidence::Measured);
        for i in 0..40 {
            let pixels = f64::from(2 * (i % 10));
            group.push([4.0 + f64::from(i / 10), 5.0, pixels], height * pixels.sin());
        }
        group.finish();
        group
    }

    #[test]
    fn rows_that_agree_are_certain_and_distance_is_not() {
        let (flat, rough) = (Growth::of(&[&group(0.0)]), Growth::of(&[&group(0.3)]));
        assert!(flat.at(0.0) <= LEAST && flat.at(2.0) < 0.07, "{flat:?}");
        assert!(rough.at(2.0) > 2.0 * rough.at(0.0) + 0.1, "{rough:?}");
        // Nothing measured: 5% where a row is, 30% an octave away.
        for growth in [Growth::default(), Growth::of(&[])] {
            assert!((growth.at(0.0) - 0.05).abs() < 1e-9 && (growth.at(1.0) - 0.3).abs() < 1e-9, "{growth:?}");
        }
    }
}
