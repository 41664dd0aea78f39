//! Whole networks: a composition fitted on a few of them, errors on all others, over many draws.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rustc_hash::FxHashMap;
use serde::Serialize;
use zen_nas::latency::{
    ClassSpread, Composition, Interval, KeyKind, NetworkTimes, Observation, OperatorKey, Predictor, fit_beside_host,
    fit_composition, fit_host, fit_spread_of, fit_spread_with, non_negative,
};

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
    /// Share of the networks inside their interval, which is to hold 90%, and half the mean width of
    /// intervals relative to the prediction; none for predictors without.
    pub interval: Option<Coverage>,
}

/// What intervals hold, and how wide they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    pub share: f64,
    pub half_width: f64,
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
    // A host launches the same kernels whatever the batch, and at batch 1 nothing else decides.
    let at_batch_1: Vec<NetworkTimes> = lowered
        .iter()
        .zip(networks)
        .map(|(lowered, network)| NetworkTimes {
            operators: lowered.kernels,
            measured_ms: network.ms[0],
            ..NetworkTimes::default()
        })
        .collect();
    for (name, predictor) in predictors {
        let times = times(&lowered, &measured, predictor, BATCHES[batch]);
        let chosen = |times: &[NetworkTimes], indices: &[usize]| -> Vec<NetworkTimes> {
            indices.iter().map(|index| times[*index]).collect()
        };
        let predict = |composition: Composition| {
            let predicted: Vec<f64> = times.iter().map(|times| times.predict(&composition)).collect();
            let interval =
                |(times, ms): (&NetworkTimes, &f64)| composition.interval(*ms, times.operator_spread(&composition));
            let intervals = times.iter().zip(&predicted).map(interval).collect();
            (predicted, intervals)
        };
        let alone = |calibration: &[usize]| predict(fit_spread_of(&chosen(&times, calibration)));
        found.push((name.clone(), over_draws(&measured, draws, alone)));
        if batch > 0 {
            let beside = |calibration: &[usize]| {
                let (few, first) = (chosen(&times, calibration), chosen(&at_batch_1, calibration));
                predict(fit_spread_with(&few, |indices| {
                    fit_beside_host(&chosen(&few, indices), &fit_host(&chosen(&first, indices)))
                }))
            };
            found.push((format!("{name}, host from batch 1"), over_draws(&measured, draws, beside)));
        }
    }
    let flops: Vec<f64> = lowered.iter().map(|network| network.flops() as f64).collect();
    for (name, fixed) in [("multiply-adds alone", false), ("multiply-adds and a fixed time", true)] {
        let fit = |few: &[usize]| (line(&flops, &measured, few, fixed), Vec::new());
        found.push((name.to_owned(), over_draws(&measured, draws, fit)));
    }
    let errors = |(predictor, (errors, worst_mape, interval))| NetworkErrors {
        batch_size: BATCHES[batch],
        predictor,
        errors,
        worst_mape,
        interval,
    };
    found.into_iter().map(errors).collect()
}

/// Mean errors of one predictor, as [`evaluate`] gives them, without intervals.
pub fn errors_of(networks: &[MeasuredNetwork], batch: usize, predictor: &Predictor, draws: u32) -> Errors {
    let lowered: Vec<Lowered> = networks.iter().map(|measured| measured.network.lower()).collect();
    let measured: Vec<f64> = networks.iter().map(|network| network.ms[batch]).collect();
    let times = times(&lowered, &measured, predictor, BATCHES[batch]);
    let fit = |calibration: &[usize]| {
        let few: Vec<_> = calibration.iter().map(|index| times[*index]).collect();
        let composition = fit_composition(&few);
        (times.iter().map(|times| times.predict(&composition)).collect(), Vec::new())
    };
    over_draws(&measured, draws, fit).0
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

/// Predictions of all networks, and their intervals where there are any.
type Fitted = (Vec<f64>, Vec<Option<Interval>>);

/// Mean errors, worst MAPE and mean coverage over the draws, each on the networks that did not calibrate.
fn over_draws(measured: &[f64], draws: u32, fit: impl Fn(&[usize]) -> Fitted) -> (Errors, f64, Option<Coverage>) {
    let (mut mean, mut worst) = (Errors::default(), 0.0_f64);
    let mut coverage: Option<Coverage> = None;
    for draw in 0..draws {
        let order = draw_order(measured.len(), u64::from(draw));
        let (calibration, rest) = order.split_at(CALIBRATION.min(order.len()));
        let (predicted, intervals) = fit(calibration);
        let pairs: Vec<_> = rest.iter().map(|index| (predicted[*index], measured[*index])).collect();
        let errors = Errors::of(&pairs);
        let share = 1.0 / f64::from(draws);
        mean.mape += share * errors.mape;
        mean.within5 += share * errors.within5;
        mean.within10 += share * errors.within10;
        mean.kendall_tau += share * errors.kendall_tau;
        mean.bias += share * errors.bias;
        worst = worst.max(errors.mape);
        let each = share / rest.len() as f64;
        for index in rest {
            let Some(Some(interval)) = intervals.get(*index) else { continue };
            let found = coverage.get_or_insert_default();
            let inside = (interval.low_ms..=interval.high_ms).contains(&measured[*index]);
            found.share += if inside { each } else { 0.0 };
            found.half_width += each * 0.5 * (interval.high_ms - interval.low_ms) / predicted[*index];
        }
    }
    (mean, worst, coverage)
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
    let mut known: FxHashMap<OperatorKey, (f64, f64)> = FxHashMap::default();
    let of = |(network, measured_ms): (&Lowered, &f64)| {
        let bytes = ELEMENT_BYTES * f64::from(batch_size) * network.elements as f64;
        let mut times = NetworkTimes {
            traffic_ms: bytes / BYTES_PER_MS,
            operators: network.kernels,
            measured_ms: *measured_ms,
            ..NetworkTimes::default()
        };
        let [mut conv, mut depthwise] = [ClassSpread::default(); 2];
        for key in &network.keys {
            let look_up = || (predictor.operator_ms(key), predictor.operator_uncertainty(key));
            let (ms, uncertainty) = *known.entry(*key).or_insert_with(look_up);
            let (class, spread) = match key.kind {
                KeyKind::Depthwise => (&mut times.depthwise_ms, &mut depthwise),
                _ => (&mut times.conv_ms, &mut conv),
            };
            *class += ms;
            spread.add(ms, uncertainty);
        }
        times.conv_spread_ms = conv.ms();
        times.depthwise_spread_ms = depthwise.ms();
        times
    };
    lowered.iter().zip(measured).map(of).collect()
}

#[cfg(test)]
mod tests {
    use zen_nas::latency::{Formula, LatencyModel, Precision, Prior, Setting};

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
        let coefficients =
            [("pointwise_ms_per_gmac", 10.0), ("spatial_ms_per_gmac", 8.0), ("depthwise_ms_per_gmac", 90.0)];
        let formula = Formula::new(coefficients).unwrap();
        let setting = Setting::new("v100", "tensorrt", Precision::Fp32, 64);
        Predictor::from_parts(&setting, &[], LatencyModel::additive(Prior::Formula(formula)), None)
    }

    #[test]
    fn ten_networks_recover_a_known_composition() {
        let networks = synthetic(&predictor());
        let found = evaluate(&networks, 2, &[("table".to_owned(), predictor())], 5);
        assert_eq!(found.iter().map(|errors| errors.batch_size).collect::<Vec<_>>(), [64; 4]);
        let Errors { mape, within5, within10, kendall_tau, bias } = found[0].errors;
        assert!(mape < 0.002 && bias.abs() < 0.002 && kendall_tau > 0.99, "{found:?}");
        assert!((within5 - 1.0).abs() < 1e-9 && (within10 - 1.0).abs() < 1e-9);
        // Operators of one kind do not take equally long per multiply-add here.
        assert!(found[2].errors.mape > 5.0 * mape, "{found:?}");
        let Some(Coverage { share, half_width }) = found[0].interval else { panic!("{found:?}") };
        assert!(share > 0.9 && half_width < 0.02, "{share} {half_width}");
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
