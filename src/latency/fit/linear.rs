//! Non-negative least squares on relative errors, and its leave-one-out predictions.

/// One network: what the coefficients multiply, and the time they should give.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub features: Vec<f64>,
    pub ms: f64,
}

/// Sweeps of the coordinate descent at most; a handful of coefficients needs far fewer.
const SWEEPS: usize = 200_000;

/// Non-negative coefficients of least squared relative error. Observations must have the same
/// number of features and positive times.
pub fn non_negative(observations: &[Observation]) -> Vec<f64> {
    let relative = |observation: &Observation| {
        (observation.features.iter().map(|feature| feature / observation.ms).collect(), 1.0)
    };
    solve(&observations.iter().map(relative).collect::<Vec<_>>())
}

/// Non-negative least squares of `row . weights = target`, by exact coordinate descent.
pub(super) fn solve(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let count = rows.first().map_or(0, |(row, _)| row.len());
    // Each feature is brought to unit length, so that the descent is well scaled.
    let mut columns: Vec<Vec<f64>> =
        (0..count).map(|feature| rows.iter().map(|(row, _)| row[feature]).collect()).collect();
    let lengths: Vec<f64> =
        columns.iter().map(|column| column.iter().map(|value| value * value).sum::<f64>().sqrt()).collect();
    for (column, length) in columns.iter_mut().zip(&lengths) {
        column.iter_mut().for_each(|value| *value /= length.max(f64::MIN_POSITIVE));
    }
    let mut weights = vec![0.0; count];
    let mut residuals: Vec<f64> = rows.iter().map(|(_, target)| *target).collect();
    for _ in 0..SWEEPS {
        let mut moved: f64 = 0.0;
        for feature in (0..count).filter(|feature| lengths[*feature] > 0.0) {
            let gradient: f64 = columns[feature].iter().zip(&residuals).map(|(value, residual)| value * residual).sum();
            let new = f64::max(weights[feature] + gradient, 0.0);
            let change = new - weights[feature];
            if change != 0.0 {
                weights[feature] = new;
                for (residual, value) in residuals.iter_mut().zip(&columns[feature]) {
                    *residual -= change * value;
                }
                moved = moved.max(change.abs());
            }
        }
        if moved < 1e-13 {
            break;
        }
    }
    weights.iter().zip(&lengths).map(|(weight, length)| if *length > 0.0 { weight / length } else { 0.0 }).collect()
}

/// The time of each observation as predicted by the fit to all others.
pub fn leave_one_out(observations: &[Observation]) -> Vec<f64> {
    (0..observations.len())
        .map(|left_out| {
            let mut others = observations.to_vec();
            let one = others.remove(left_out);
            non_negative(&others).iter().zip(&one.features).map(|(weight, feature)| weight * feature).sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(features: [f64; 2], ms: f64) -> Observation {
        Observation { features: features.to_vec(), ms }
    }

    #[test]
    fn recovers_coefficients_and_keeps_them_non_negative() {
        let exact: Vec<_> =
            [[1.0, 5.0], [2.0, 1.0], [4.0, 3.0]].map(|f| observation(f, 3.0 * f[0] + 0.5 * f[1])).to_vec();
        let weights = non_negative(&exact);
        assert!((weights[0] - 3.0).abs() < 1e-9 && (weights[1] - 0.5).abs() < 1e-9, "{weights:?}");
        for (predicted, observation) in leave_one_out(&exact).iter().zip(&exact) {
            assert!((predicted / observation.ms - 1.0).abs() < 1e-9);
        }
        let negative: Vec<_> = [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]].map(|f| observation(f, 3.0 * f[0] - 0.5)).to_vec();
        assert_eq!(non_negative(&negative)[1], 0.0);
    }
}
