//! How wide the interval of a network must be: calibrated on whole networks that the composition has
//! not seen.
//!
//! Each network is predicted by a composition fitted on the others. Its error in logarithms, over the
//! standard deviation that is expected of it, is its score; the factor is the quantile of the
//! scores that holds 90% of further networks, with the correction for small samples of
//! split-conformal prediction (Vovk; Papadopoulos et al. 2002): the ceil(0.9 (n + 1))-th smallest
//! of n. Compositions on fewer networks err more, so that the interval is rather too wide. Not here:
//! what is expected of a network (`spread`, `correction`).

use super::super::spread::COVERAGE;
use super::super::{Composition, OperatorKey, Predictor};
use super::{NetworkTimes, fit_composition};

/// Compositions fitted at most: beyond this many networks, several are left out together.
const FOLDS: usize = 20;
/// Least floor: two measurements of one network differ by as much.
const LEAST_FLOOR: f64 = 0.005;
/// Median square of a standard normal variable.
const MEDIAN_SQUARE: f64 = 0.4549;

/// The composition of networks that were measured (fused operators, milliseconds of a call), as
/// [`fit_composition`] fits it, with its spread.
///
/// Fewer than 9 networks cannot say where 90% of them lie: the spread stays uncalibrated, and
/// predictions have no interval.
pub fn fit_spread(predictor: &Predictor, networks: &[(Vec<OperatorKey>, f64)]) -> Composition {
    let times: Vec<NetworkTimes> = networks
        .iter()
        .map(|(keys, measured_ms)| NetworkTimes { measured_ms: *measured_ms, ..predictor.class_times_of(keys) })
        .collect();
    fit_spread_of(&times)
}

/// As [`fit_spread`], from the times of the networks by class.
pub fn fit_spread_of(networks: &[NetworkTimes]) -> Composition {
    fit_spread_with(networks, |indices| {
        fit_composition(&indices.iter().map(|index| networks[*index]).collect::<Vec<_>>())
    })
}

/// As [`fit_spread_of`] with a fit of one's own, from the indices of the networks that it may see.
pub fn fit_spread_with(networks: &[NetworkTimes], fit: impl Fn(&[usize]) -> Composition) -> Composition {
    let all: Vec<usize> = (0..networks.len()).collect();
    let folds = networks.len().min(FOLDS);
    let mut pairs = Vec::with_capacity(networks.len());
    for fold in 0..folds {
        let (left_out, others): (Vec<usize>, Vec<usize>) = all.iter().partition(|index| **index % folds == fold);
        let fitted = fit(&others);
        pairs.extend(left_out.into_iter().map(|index| {
            let network = &networks[index];
            (network.operator_spread(&fitted), network.predict(&fitted), network.measured_ms)
        }));
    }
    let composition = fit(&all);
    match spread_of_pairs(&pairs) {
        Some((spread_floor, spread_factor)) => Composition { spread_floor, spread_factor, ..composition },
        None => composition,
    }
}

/// Floor and factor of the spread from networks as (standard deviation of the logarithm as far as
/// operators are uncertain, predicted, measured milliseconds), predicted by what has not seen them.
/// None for fewer than 9.
pub fn spread_of_pairs(networks: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
    let rank = (COVERAGE * (networks.len() as f64 + 1.0) - 1e-9).ceil() as usize;
    if rank == 0 || rank > networks.len() {
        return None;
    }
    let error = |(_, predicted, measured): &(f64, f64, f64)| (measured / predicted).ln().abs();
    // What operators do not explain of the usual error.
    let usual = median(networks.iter().map(|network| error(network).powi(2))) / MEDIAN_SQUARE;
    let explained = median(networks.iter().map(|network| network.0.powi(2)));
    let floor = (usual - explained).max(0.0).sqrt().max(LEAST_FLOOR);
    let mut scores: Vec<f64> = networks.iter().map(|network| error(network) / network.0.hypot(floor)).collect();
    scores.sort_by(f64::total_cmp);
    Some((floor, scores[rank - 1]))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn the_rank_of_split_conformal_prediction() {
        // Errors of 1% to 19%, nothing explained by operators.
        let networks: Vec<_> = (1..=19).map(|i| (0.0, 1.0, (0.01 * f64::from(i)).exp())).collect();
        let (floor, factor) = spread_of_pairs(&networks).unwrap();
        // The 18th of 19: ceil(0.9 x 20).
        assert!((floor * factor - 0.18).abs() < 1e-9, "{floor} {factor}");
        // With 10 the largest, with 8 none is large enough.
        let (floor, factor) = spread_of_pairs(&networks[..10]).unwrap();
        assert!((floor * factor - 0.10).abs() < 1e-9, "{floor} {factor}");
        assert_eq!((spread_of_pairs(&networks[..8]), spread_of_pairs(&[])), (None, None));
    }

    #[test]
    fn uncertain_operators_widen_the_interval() {
        // Errors as operators let expect: the median of a normal variable is 0.674 standard deviations.
        let networks: Vec<_> =
            (0..20).map(|i| 0.05 * f64::from(1 + i % 2)).map(|spread| (spread, 1.0, (0.674 * spread).exp())).collect();
        let (floor, factor) = spread_of_pairs(&networks).unwrap();
        assert!(floor < 0.01 && (factor - 0.674).abs() < 0.01, "{floor} {factor}");
        let composition = Composition { spread_floor: floor, spread_factor: factor, ..Composition::default() };
        let reach = |spread| composition.interval(1.0, spread).map_or(0.0, |interval| interval.high_ms.ln());
        assert!((reach(0.1) - 0.0674).abs() < 0.001 && reach(0.05) < 0.035, "{floor} {factor}");
    }

    /// Networks with a spread of 4% that no coefficient explains: 9 of 10 further ones are held.
    #[test]
    fn holds_networks_that_were_not_seen() {
        let mut rng = Pcg64Mcg::seed_from_u64(0);
        let mut noise = || 0.1 * (rng.random::<f64>() + rng.random::<f64>() - 1.0);
        let networks: Vec<NetworkTimes> = (0..400)
            .map(|i| {
                let size = 1.0 + (i % 7) as f64;
                let mut network = NetworkTimes {
                    conv_ms: size,
                    depthwise_ms: 0.3 + (i % 3) as f64,
                    traffic_ms: 0.2 * (1.0 + (i % 4) as f64),
                    operators: 20 + i % 5,
                    ..NetworkTimes::default()
                };
                network.measured_ms = network.predict(&Composition::default()) * noise().exp();
                network
            })
            .collect();
        let (few, rest) = networks.split_at(30);
        let composition = fit_spread_of(few);
        let held = rest
            .iter()
            .filter(|network| {
                let interval = composition.interval(network.predict(&composition), 0.0).unwrap();
                (interval.low_ms..=interval.high_ms).contains(&network.measured_ms)
            })
            .count();
        let coverage = held as f64 / rest.len() as f64;
        assert!((0.85..=0.97).contains(&coverage), "{coverage}");
    }
}
