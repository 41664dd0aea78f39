//! Whole networks: a composition fitted on a few of them, errors on all others, over many draws.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::super::fit::{Observation, non_negative};
use super::super::{KeyKind, NetworkTimes, OperatorKey, Predictor, fit_composition};
use super::Errors;
use super::networks::{BATCHES, MeasuredNetwork};
use super::ofa::Lowered;

/// Networks that a composition is fitted on.
pub const CALIBRATION: usize = 10;
/// Draws of them unless asked otherwise; the number of a draw is its seed.
pub const DRAWS: u32 = 20;
/// Bytes of an element, and bytes a millisecond that element-wise kernels of a V100 move.
const ELEMENT_BYTES: f64 = 4.0;
const BYTES_PER_MS: f64 = 750e6;

/// Errors of one predictor at one batch size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkErrors {
    pub batch_size: u32,
    /// What operator times come from.
    pub predictor: String,
    /// Means over the draws.
    pub errors: Errors,
    /// MAPE of the worst draw.
    pub worst_mape: f64,
}

/// Errors of each predictor and of multiply-adds alone; `batch` is an index into [`BATCHES`].
pub fn evaluate(
    networks: &[MeasuredNetwork],
    batch: usize,
    predictors: &[(String, Predictor)],
    draws: u32,
) -> Vec<NetworkErrors> {
    let lowered: Vec<Lowered> = networks.iter().map(|measured| measured.network.lower()).collect();
    let measured: Vec<f64> = networks.iter().map(|network| network.ms[batch]).collect();
    let mut found = Vec::new();
    for (name, predictor) in predictors {
        found.push((name.clone(), composed(&lowered, &measured, predictor, BATCHES[batch], draws)));
    }
    let flops: Vec<f64> = lowered.iter().map(|network| network.flops() as f64).collect();
    for (name, fixed) in [("multiply-adds alone", false), ("multiply-adds and a fixed time", true)] {
        found.push((name.to_owned(), over_draws(&measured, draws, |few| line(&flops, &measured, few, fixed))));
    }
    let errors =
        |(predictor, (errors, worst_mape))| NetworkErrors { batch_size: BATCHES[batch], predictor, errors, worst_mape };
    found.into_iter().map(errors).collect()
}

/// Errors of one predictor, as [`evaluate`] gives them.
pub fn errors_of(networks: &[MeasuredNetwork], batch: usize, predictor: &Predictor, draws: u32) -> (Errors, f64) {
    let lowered: Vec<Lowered> = networks.iter().map(|measured| measured.network.lower()).collect();
    let measured: Vec<f64> = networks.iter().map(|network| network.ms[batch]).collect();
    composed(&lowered, &measured, predictor, BATCHES[batch], draws)
}

/// Errors of a predictor with a composition fitted in each draw.
fn composed(
    lowered: &[Lowered],
    measured: &[f64],
    predictor: &Predictor,
    batch_size: u32,
    draws: u32,
) -> (Errors, f64) {
    let times = times(lowered, measured, predictor, batch_size);
    over_draws(measured, draws, |calibration| {
        let few: Vec<_> = calibration.iter().map(|index| times[*index]).collect();
        let composition = fit_composition(&few);
        times.iter().map(|times| times.predict(&composition)).collect()
    })
}

/// The baseline: a time per multiply-add, and a fixed time if wanted, neither negative.
fn line(flops: &[f64], measured: &[f64], calibration: &[usize], fixed: bool) -> Vec<f64> {
    let fixed = f64::from(u8::from(fixed));
    let few: Vec<_> = calibration
        .iter()
        .map(|index| Observation { features: vec![fixed, flops[*index]], ms: measured[*index] })
        .collect();
    let weights = non_negative(&few);
    flops.iter().map(|flops| fixed * weights[0] + weights[1] * flops).collect()
}

/// Mean errors and worst MAPE over the draws, each on the networks that did not calibrate.
fn over_draws(measured: &[f64], draws: u32, fit: impl Fn(&[usize]) -> Vec<f64>) -> (Errors, f64) {
    let (mut mean, mut worst) = (Errors::default(), 0.0_f64);
    for draw in 0..draws {
        let order = draw_order(measured.len(), u64::from(draw));
        let (calibration, rest) = order.split_at(CALIBRATION.min(order.len()));
        let predicted = fit(calibration);
        let pairs: Vec<_> = rest.iter().map(|index| (predicted[*index], measured[*index])).collect();
        let errors = Errors::of(&pairs);
        let share = 1.0 / f64::from(draws);
        mean.mape += share * errors.mape;
        mean.within5 += share * errors.within5;
        mean.within10 += share * errors.within10;
        mean.kendall_tau += share * errors.kendall_tau;
        mean.bias += share * errors.bias;
        worst = worst.max(errors.mape);
    }
    (mean, worst)
}

/// Every index once, the first [`CALIBRATION`] at random.
fn draw_order(count: usize, seed: u64) -> Vec<usize> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for place in 0..CALIBRATION.min(count) {
        order.swap(place, rng.random_range(place..count));
    }
    order
}

/// Unweighted times of the networks by class.
fn times(lowered: &[Lowered], measured: &[f64], predictor: &Predictor, batch_size: u32) -> Vec<NetworkTimes> {
    let mut known: FxHashMap<OperatorKey, f64> = FxHashMap::default();
    let of = |(network, measured_ms): (&Lowered, &f64)| {
        let bytes = ELEMENT_BYTES * f64::from(batch_size) * network.elements as f64;
        let mut times = NetworkTimes {
            traffic_ms: bytes / BYTES_PER_MS,
            operators: network.kernels,
            measured_ms: *measured_ms,
            ..NetworkTimes::default()
        };
        for key in &network.keys {
            let ms = *known.entry(*key).or_insert_with(|| predictor.operator_ms(key).0);
            match key.kind {
                KeyKind::Depthwise => times.depthwise_ms += ms,
                _ => times.conv_ms += ms,
            }
        }
        times
    };
    lowered.iter().zip(measured).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::{LatencyModel, Linear, Precision, Prior, Setting};
    use super::super::ofa::{BLOCKS, OfaNetwork, STAGES};
    use super::*;

    /// Networks of the space, measured as a known composition of a known table.
    fn synthetic(predictor: &Predictor) -> Vec<MeasuredNetwork> {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let mut networks: Vec<MeasuredNetwork> = (0..60)
            .map(|_| {
                let network = OfaNetwork {
                    resolution: 128 + 4 * rng.random_range(0..25),
                    depth: [0; STAGES].map(|_| rng.random_range(2..=4)),
                    expand: [0; BLOCKS].map(|_| [3, 4, 6][rng.random_range(0..3)]),
                    kernel: [0; BLOCKS].map(|_| [3, 5, 7][rng.random_range(0..3)]),
                };
                MeasuredNetwork { network, ms: [1.0; BATCHES.len()] }
            })
            .collect();
        let lowered: Vec<_> = networks.iter().map(|network| network.network.lower()).collect();
        let times = times(&lowered, &vec![1.0; lowered.len()], predictor, 64);
        for (network, times) in networks.iter_mut().zip(times) {
            network.ms[2] = 3.0 * times.conv_ms + times.depthwise_ms + 0.9 * times.traffic_ms;
        }
        networks
    }

    fn predictor() -> Predictor {
        let linear = Linear {
            pointwise_ms_per_gmac: 10.0,
            spatial_ms_per_gmac: 8.0,
            depthwise_ms_per_gmac: 90.0,
            ..Linear::default()
        };
        let setting = Setting::new("v100", "tensorrt", Precision::Fp32, 64);
        Predictor::from_parts(&setting, &[], LatencyModel::additive(Prior::Linear(linear)), None)
    }

    #[test]
    fn ten_networks_recover_a_known_composition() {
        let networks = synthetic(&predictor());
        let found = evaluate(&networks, 2, &[("table".to_owned(), predictor())], 5);
        assert_eq!(found.iter().map(|errors| errors.batch_size).collect::<Vec<_>>(), [64; 3]);
        let Errors { mape, within5, within10, kendall_tau, bias } = found[0].errors;
        assert!(mape < 0.002 && bias.abs() < 0.002 && kendall_tau > 0.99, "{found:?}");
        assert!((within5 - 1.0).abs() < 1e-9 && (within10 - 1.0).abs() < 1e-9);
        // Operators of one kind do not take equally long per multiply-add here.
        assert!(found[1].errors.mape > 5.0 * mape, "{found:?}");
    }

    #[test]
    fn calibration_networks_are_drawn_by_seed() {
        let calibration = |seed| draw_order(100, seed)[..CALIBRATION].to_vec();
        assert_eq!(calibration(3), calibration(3));
        assert_ne!(calibration(3), calibration(4));
        let mut all = draw_order(100, 3);
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
