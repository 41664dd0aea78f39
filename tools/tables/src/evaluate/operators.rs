//! Held-out operators: rows of a large table that no predictor has seen.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rustc_hash::FxHashSet;
use serde::Serialize;
use zen_nas::latency::{LatencyError, OperatorKey, Predictor, Row, Setting};

use super::grid::Grid;
use super::{Errors, predictor_of};

/// Rows that are predicted, and the seed they are chosen by.
const HELD_OUT: usize = 1500;
const SEED: u64 = 0;

/// Errors of one way to predict, on one setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatorErrors {
    pub setting: String,
    pub predictor: String,
    /// Operators predicted.
    pub held_out: usize,
    pub errors: Errors,
}

/// Predicts random rows that are not shipped: from the shipped rows, from all rows but them, and
/// linearly on the grid from the same.
pub fn evaluate(
    setting: &Setting,
    rows: &[Row],
    (shipped_rows, shipped): &(Vec<Row>, Predictor),
) -> Result<Vec<OperatorErrors>, LatencyError> {
    let seen: FxHashSet<OperatorKey> = shipped_rows.iter().map(|row| row.key).collect();
    let (mut fresh, mut rest): (Vec<Row>, Vec<Row>) = rows.iter().cloned().partition(|row| !seen.contains(&row.key));
    let held_out = HELD_OUT.min(fresh.len());
    let mut rng = Pcg64Mcg::seed_from_u64(SEED);
    for place in 0..held_out {
        let other = rng.random_range(place..fresh.len());
        fresh.swap(place, other);
    }
    rest.extend(fresh.split_off(held_out));
    let all_but = predictor_of(setting, &rest)?;
    let grid = Grid::new(&rest);
    let errors_of = |predictor: String, ms: &dyn Fn(&OperatorKey) -> Option<f64>| {
        let pairs: Vec<_> = fresh.iter().filter_map(|row| Some((ms(&row.key)?, row.ms))).collect();
        OperatorErrors { setting: setting.id(), predictor, held_out: pairs.len(), errors: Errors::of(&pairs) }
    };
    Ok(vec![
        errors_of(format!("the {} shipped rows", shipped_rows.len()), &|key| Some(shipped.operator_ms(key))),
        errors_of(format!("all {} other rows", rest.len()), &|key| Some(all_but.operator_ms(key))),
        errors_of("linear, all other rows".to_owned(), &|key| grid.ms(key)),
    ])
}

#[cfg(test)]
mod tests {
    use zen_nas::latency::{Evidence, LatencyModel, Precision, Prior, Roofline};

    use super::*;

    /// On a grid whose times are linear in the channels and sides, the linear interpolation is exact
    /// but at the rim, and nothing shipped is predicted.
    #[test]
    fn grid_of_linear_times() {
        let setting = Setting::new("v100", "tensorrt", Precision::Fp32, 64);
        let mut rows = Vec::new();
        for channels in (1..=12).map(|i| 8 * i) {
            for side in (1..=12).map(|i| 4 * i) {
                let key = OperatorKey::conv(1, 1, channels, channels, side);
                let ms = 0.1 + 0.001 * f64::from(channels) + 0.002 * f64::from(side);
                rows.push(Row::new(key, ms, Evidence::Measured));
            }
        }
        let shipped_rows: Vec<Row> = rows.iter().step_by(2).cloned().collect();
        let model = LatencyModel::additive(Prior::Roofline(Roofline::default()));
        let shipped = Predictor::from_parts(&setting, &shipped_rows, model, None);
        let found = evaluate(&setting, &rows, &(shipped_rows, shipped)).unwrap();
        assert_eq!(found.iter().map(|errors| errors.held_out).collect::<Vec<_>>(), [72, 72, 72]);
        let [of_shipped, of_others, linear] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(of_others.predictor, "all 72 other rows");
        assert!(of_shipped.errors.mape > 0.0 && of_others.errors.mape > 0.0, "what is predicted was not seen");
        assert!(linear.errors.within5 > 0.9 && linear.errors.mape < 0.02, "{linear:?}");
    }
}
