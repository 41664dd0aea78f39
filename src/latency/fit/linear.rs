//! Non-negative least squares on relative errors, and its leave-one-out predictions.

/// One network: what the coefficients multiply, and the time they should give.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub features: Vec<f64>,
    pub ms: f64,
}

/// Non-negative coefficients of least squared relative error. Observations must have the same
/// number of features and positive times.
pub fn non_negative(observations: &[Observation]) -> Vec<f64> {
    let relative = |observation: &Observation| {
        (observation.features.iter().map(|feature| feature / observation.ms).collect(), 1.0)
    };
    solve(&observations.iter().map(relative).collect::<Vec<_>>())
}

/// Non-negative least squares of `row . weights = target`, exactly: the solution is the best of the
/// unconstrained solutions on subsets of the features that happen to be non-negative. Meant for a
/// handful of features.
pub(in crate::latency) fn solve(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let count = rows.first().map_or(0, |(row, _)| row.len());
    // Each feature is brought to unit length, so that the equations are well scaled.
    let lengths: Vec<f64> =
        (0..count).map(|feature| rows.iter().map(|(row, _)| row[feature] * row[feature]).sum::<f64>().sqrt()).collect();
    let product =
        |a: usize, b: usize| rows.iter().map(|(row, _)| row[a] * row[b]).sum::<f64>() / lengths[a] / lengths[b];
    let gram: Vec<Vec<f64>> = (0..count).map(|a| (0..count).map(|b| product(a, b)).collect()).collect();
    let right: Vec<f64> = (0..count)
        .map(|feature| rows.iter().map(|(row, target)| row[feature] * target).sum::<f64>() / lengths[feature])
        .collect();
    let mut best = vec![0.0; count];
    let mut most_explained = 0.0;
    for subset in 1..1_u32 << count {
        let features: Vec<usize> =
            (0..count).filter(|feature| subset >> feature & 1 == 1 && lengths[*feature] > 0.0).collect();
        let equations =
            features.iter().map(|a| features.iter().map(|b| gram[*a][*b]).chain([right[*a]]).collect()).collect();
        let Some(solution) = eliminate(equations) else { continue };
        if solution.iter().any(|weight| *weight < 0.0) {
            continue;
        }
        // At a least-squares solution the explained square is weights . right-hand side.
        let explained: f64 = features.iter().zip(&solution).map(|(feature, weight)| right[*feature] * weight).sum();
        if explained > most_explained {
            most_explained = explained;
            best.fill(0.0);
            for (feature, weight) in features.into_iter().zip(solution) {
                best[feature] = weight / lengths[feature];
            }
        }
    }
    best
}

/// Solves linear equations, each with its right-hand side last; none where they are singular.
fn eliminate(mut equations: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let count = equations.len();
    for column in 0..count {
        let pivot =
            (column..count).max_by(|a, b| equations[*a][column].abs().total_cmp(&equations[*b][column].abs()))?;
        if equations[pivot][column].abs() < 1e-12 {
            return None;
        }
        equations.swap(column, pivot);
        let chosen = equations[column].clone();
        for (row, equation) in equations.iter_mut().enumerate() {
            if row != column {
                let factor = equation[column] / chosen[column];
                equation.iter_mut().zip(&chosen).for_each(|(value, chosen)| *value -= factor * chosen);
            }
        }
    }
    Some(equations.iter().enumerate().map(|(row, equation)| equation[count] / equation[row]).collect())
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
