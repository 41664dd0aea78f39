//! Fitting the positive coefficients of a prior to rows, by pattern search on their logarithms.

use super::super::store::Row;
use super::super::{Prior, Setting};

/// A coefficient of a model.
pub(super) type Field<T> = fn(&mut T) -> &mut f64;

/// First step and last step of the search, as logarithms.
const STEPS: (f64, f64) = (0.5, 0.004);
/// Rounds of the search at most.
const ROUNDS: usize = 400;

/// At most so many of the rows, evenly spread: more do not change a prior, which the rows correct
/// anyway.
pub(super) fn thinned(rows: &[Row], limit: usize) -> Vec<&Row> {
    rows.iter().step_by(rows.len().div_ceil(limit).max(1)).collect()
}

/// Mean |log(row / prior)|, smoothed near 0.
pub(super) fn mean_log_error(prior: &Prior, rows: &[&Row], setting: &Setting) -> f64 {
    let errors = rows.iter().map(|row| {
        let log = (row.ms / prior.ms(&row.key, setting.precision, setting.batch_size)).ln();
        (log * log + 1e-4).sqrt()
    });
    errors.sum::<f64>() / rows.len() as f64
}

/// Hooke and Jeeves' pattern search: explore each coefficient, then go on in the direction that
/// helped; halve the step where nothing does.
pub(super) fn minimise<T: Clone>(start: &T, fields: &[Field<T>], loss: impl Fn(&T) -> f64) -> T {
    let with = |logs: &[f64]| {
        let mut model = start.clone();
        for (field, log) in fields.iter().zip(logs) {
            *field(&mut model) = log.exp();
        }
        model
    };
    let at = |logs: &[f64]| loss(&with(logs));
    let explore = |mut logs: Vec<f64>, mut best: f64, step: f64| {
        for axis in 0..logs.len() {
            for change in [step, -step] {
                logs[axis] += change;
                let loss = at(&logs);
                if loss < best {
                    best = loss;
                    break;
                }
                logs[axis] -= change;
            }
        }
        (logs, best)
    };
    let mut base: Vec<f64> = fields.iter().map(|field| field(&mut start.clone()).ln()).collect();
    let mut best = at(&base);
    let mut step = STEPS.0;
    for _ in 0..ROUNDS {
        let (found, loss) = explore(base.clone(), best, step);
        if loss < best {
            let ahead: Vec<f64> = found.iter().zip(&base).map(|(new, old)| 2.0 * new - old).collect();
            (base, best) = (found, loss);
            let ahead_loss = at(&ahead);
            let (found, loss) = explore(ahead, ahead_loss, step);
            if loss < best {
                (base, best) = (found, loss);
            }
        } else if step > STEPS.1 {
            step *= 0.5;
        } else {
            break;
        }
    }
    with(&base)
}
