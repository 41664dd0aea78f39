//! How the operators of a network compose, from networks measured as a whole.

use super::super::Composition;
use super::linear::solve;
use super::times::{NetworkTimes, device_ms, host_ms, total_ms};

/// How strongly class weights may be drawn together, in networks. Few networks cannot tell apart
/// classes that always come together; where they can, drawing only harms. The strength that
/// predicts left-out networks best is taken, the strongest where there are too few to leave out.
const STRENGTHS: [f64; 3] = [1e-4, 1e-2, 0.1];
/// Share of the common scale below which a class weight is not believed.
const LEAST_WEIGHT: f64 = 0.3;
const ENOUGH_TO_LEAVE_OUT: usize = 6;
/// What a memory of 10 GB/s takes for 1e9 bytes: the size that cold coefficients have.
const COLD_MS_PER_GIGA: f64 = 100.0;
/// How strongly they are drawn towards 0, in networks that such a coefficient would put out by 100%.
const COLD_PRIOR_NETWORKS: f64 = 0.01;
/// How strongly the host's fixed cost is drawn to nothing, in networks: networks of one space do
/// not differ enough in their number of operators to tell it from the cost of each.
const NO_FIXED_COST: f64 = 3.0;
/// Relative error beyond which a network counts linearly, not squared: measurements of whole
/// networks have a tail of slow ones.
const TAIL: f64 = 0.03;
/// Rounds of re-weighting that bring that about.
const ROUNDS: usize = 8;
/// Squared relative error that no composition is expected to go below (1.7%).
const NOISE: f64 = 3e-4;
/// Networks at least on either side of the maximum.
const HOST_SIDE: usize = 2;
const DEVICE_SIDE: usize = 2;
/// Rounds in which networks change sides.
const EXCHANGES: usize = 6;

/// Fits weights per class and the host's cost, each only if the networks need it.
///
/// Three forms compete: the device alone, the host alone, and the maximum of both. They are judged
/// by the information criterion of Schwarz (the logarithm of the error, and that of the number of
/// networks for each coefficient), so that a form with more coefficients has to be clearly better.
/// Very few networks cannot tell: the device alone is taken.
pub fn fit_composition(networks: &[NetworkTimes]) -> Composition {
    if networks.is_empty() {
        return Composition::default();
    }
    let strength = strength(networks);
    let device = fit_device(networks, strength);
    if networks.len() < ENOUGH_TO_LEAVE_OUT {
        return device;
    }
    let any = |value: fn(&NetworkTimes) -> f64| networks.iter().any(|network| value(network) > 0.0);
    let cold = if any(|network| network.cold_weight_giga + network.cold_map_giga) { 2.0 } else { 0.0 };
    let beside = cold + if any(|network| network.warm) { 1.0 } else { 0.0 };
    // The host's fixed cost is drawn to nothing, so that it counts for little.
    let forms = [
        (Some(device), 3.0 + beside),
        (Some(fit_host_alone(networks)), 1.0),
        (fit_both(networks, strength), 5.0 + beside),
    ];
    let count = networks.len() as f64;
    let score = |composition: &Composition, coefficients: f64| {
        count * (total_loss(composition, networks) / count + NOISE).ln() + coefficients * count.ln()
    };
    forms
        .into_iter()
        .filter_map(|(composition, coefficients)| {
            composition.map(|composition| (score(&composition, coefficients), composition))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(Composition::default, |(_, composition)| composition)
}

/// As [`fit_composition`] where the host's cost is known, e.g. from the same networks at batch 1: a host
/// launches the same kernels whatever the batch. Only what the device decides is fitted.
pub fn fit_beside_host(networks: &[NetworkTimes], host: &Composition) -> Composition {
    let host = Composition { host_ms: host.host_ms, kernel_ms: host.kernel_ms, ..Composition::default() };
    let mut order: Vec<NetworkTimes> = networks.to_vec();
    let over_host = |network: &NetworkTimes| network.measured_ms / host_ms(&host, network);
    order.sort_by(|a, b| over_host(a).total_cmp(&over_host(b)));
    let mut best = unseen_device(&order, host.clone());
    let mut least = total_loss(&best, networks);
    for split in 0..=networks.len().saturating_sub(DEVICE_SIDE) {
        let mut free = order[split..].to_vec();
        for _ in 0..EXCHANGES {
            let device = fit_device(&free, strength(&free));
            let both = Composition { host_ms: host.host_ms, kernel_ms: host.kernel_ms, ..device };
            let new_free: Vec<_> =
                order.iter().copied().filter(|network| device_ms(&both, network) >= host_ms(&both, network)).collect();
            if new_free.len() < DEVICE_SIDE {
                break;
            }
            let sum = total_loss(&both, networks);
            if sum < least {
                least = sum;
                best = both;
            }
            if new_free == free {
                break;
            }
            free = new_free;
        }
    }
    best
}

/// The host alone. The device keeps the table's own times, or as much of them as does not show, so
/// that a network far larger than these is not predicted to cost nothing.
fn fit_host_alone(networks: &[NetworkTimes]) -> Composition {
    unseen_device(networks, fit_host(networks))
}

/// A host's cost with a device that does not show on the networks.
fn unseen_device(networks: &[NetworkTimes], host: Composition) -> Composition {
    let unseen = networks.iter().map(|network| host_ms(&host, network) / total_ms(network)).fold(1.0, f64::min);
    Composition { conv: unseen, depthwise: unseen, traffic: unseen, ..host }
}

/// The maximum of host and device: from every split of the networks in the order of device time per
/// operator, each network then chooses its side. None where there are too few networks.
fn fit_both(networks: &[NetworkTimes], strength: f64) -> Option<Composition> {
    let device = fit_device(networks, strength);
    let mut order: Vec<NetworkTimes> = networks.to_vec();
    let per_operator = |network: &NetworkTimes| device_ms(&device, network) / network.operators.max(1) as f64;
    order.sort_by(|a, b| per_operator(a).total_cmp(&per_operator(b)));
    let mut best = None;
    let mut least = f64::INFINITY;
    for split in HOST_SIDE..=networks.len().saturating_sub(DEVICE_SIDE) {
        let (mut bound, mut free) = (order[..split].to_vec(), order[split..].to_vec());
        for _ in 0..EXCHANGES {
            let host = fit_host(&bound);
            let both = Composition { host_ms: host.host_ms, kernel_ms: host.kernel_ms, ..fit_device(&free, strength) };
            let (new_bound, new_free): (Vec<_>, Vec<_>) =
                order.iter().copied().partition(|network| host_ms(&both, network) > device_ms(&both, network));
            if new_bound.len() < HOST_SIDE || new_free.len() < DEVICE_SIDE {
                break;
            }
            let sum = total_loss(&both, networks);
            if sum < least {
                least = sum;
                best = Some(both);
            }
            if new_bound == bound {
                break;
            }
            (bound, free) = (new_bound, new_free);
        }
    }
    best
}

/// Squared relative error, linear in the tail.
fn loss(predicted: f64, measured: f64) -> f64 {
    let error = (predicted / measured - 1.0).abs();
    if error < TAIL { error * error } else { TAIL * (2.0 * error - TAIL) }
}

fn total_loss(composition: &Composition, networks: &[NetworkTimes]) -> f64 {
    networks.iter().map(|network| loss(network.predict(composition), network.measured_ms)).sum()
}

/// The strength of drawing class weights together that predicts left-out networks best.
fn strength(networks: &[NetworkTimes]) -> f64 {
    let [.., strongest] = STRENGTHS;
    if networks.len() < ENOUGH_TO_LEAVE_OUT {
        return strongest;
    }
    let left_out = |strength: f64| -> f64 {
        (0..networks.len())
            .map(|index| {
                let mut others = networks.to_vec();
                let one = others.remove(index);
                loss(device_ms(&fit_device(&others, strength), &one), one.measured_ms)
            })
            .sum()
    };
    let losses = STRENGTHS.map(|strength| (left_out(strength), strength));
    losses.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(strongest, |(_, strength)| strength)
}

/// Non-negative coefficients of least [`loss`], by re-weighted least squares; `drawn` are further
/// equations that keep their weight.
fn robust(features: &[Vec<f64>], networks: &[NetworkTimes], drawn: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let mut weights = vec![1.0; networks.len()];
    let mut solution = Vec::new();
    for _ in 0..ROUNDS {
        let mut rows: Vec<(Vec<f64>, f64)> = features
            .iter()
            .zip(networks.iter().zip(&weights))
            .map(|(features, (network, weight))| {
                (features.iter().map(|feature| weight * feature / network.measured_ms).collect(), *weight)
            })
            .collect();
        rows.extend_from_slice(drawn);
        solution = solve(&rows);
        let mut changed = false;
        for ((weight, network), features) in weights.iter_mut().zip(networks).zip(features) {
            let predicted: f64 = features.iter().zip(&solution).map(|(feature, weight)| feature * weight).sum();
            let error = (predicted / network.measured_ms - 1.0).abs();
            let new = if error < TAIL { 1.0 } else { (TAIL / error).sqrt() };
            changed |= (new - *weight).abs() > 1e-6;
            *weight = new;
        }
        if !changed {
            break;
        }
    }
    solution
}

fn fit_device(networks: &[NetworkTimes], strength: f64) -> Composition {
    let beside = |network: &NetworkTimes| [network.cold_weight_giga, network.cold_map_giga, -network.warm];
    // One scale for all classes first, beside what is cold or warm: the weights are drawn towards it.
    let features: Vec<_> =
        networks.iter().map(|network| [vec![total_ms(network)], beside(network).to_vec()].concat()).collect();
    let scale = robust(&features, networks, &plausible_beside(1, networks))[0];
    if scale <= 0.0 {
        return Composition::default();
    }
    let classes = |network: &NetworkTimes| vec![network.conv_ms, network.depthwise_ms, network.traffic_ms];
    let features: Vec<_> =
        networks.iter().map(|network| [classes(network), beside(network).to_vec()].concat()).collect();
    let solve_with = |strength: f64| {
        let root = strength.sqrt();
        let mut drawn = plausible_beside(3, networks).to_vec();
        drawn.extend((0..3).map(|class| {
            let mut row = vec![0.0; 6];
            row[class] = root / scale;
            (row, root)
        }));
        robust(&features, networks, &drawn)
    };
    let mut weights = solve_with(strength);
    for stronger in STRENGTHS.into_iter().filter(|stronger| *stronger > strength) {
        // A search would fill its networks with operators that cost next to nothing.
        if weights[..3].iter().all(|weight| *weight >= LEAST_WEIGHT * scale) {
            break;
        }
        weights = solve_with(stronger);
    }
    Composition {
        conv: weights[0],
        depthwise: weights[1],
        traffic: weights[2],
        cold_weight_ms_per_giga: weights[3],
        cold_map_ms_per_giga: weights[4],
        warm_ms: weights[5],
        ..Composition::default()
    }
}

/// Observations that draw the cold coefficients, behind `before` others, to what memory can be, and
/// what caches save to nothing: where calibration networks differ little in it, the fit would explain noise
/// with them.
fn plausible_beside(before: usize, networks: &[NetworkTimes]) -> [(Vec<f64>, f64); 3] {
    let mean_ms = networks.iter().map(|network| network.measured_ms).sum::<f64>() / networks.len().max(1) as f64;
    let sizes = [COLD_MS_PER_GIGA, COLD_MS_PER_GIGA, mean_ms];
    [0, 1, 2].map(|i| {
        let mut row = vec![0.0; before + 3];
        row[before + i] = (COLD_PRIOR_NETWORKS / sizes[i].powi(2)).sqrt();
        (row, 0.0)
    })
}

/// Fixed cost and cost per operator of networks that the host decides.
pub fn fit_host(networks: &[NetworkTimes]) -> Composition {
    let mean = networks.iter().map(|network| network.measured_ms).sum::<f64>() / networks.len().max(1) as f64;
    let features: Vec<_> = networks.iter().map(|network| vec![1.0, network.operators as f64]).collect();
    let weights = robust(&features, networks, &[(vec![NO_FIXED_COST.sqrt() / mean, 0.0], 0.0)]);
    Composition { host_ms: weights[0], kernel_ms: weights[1], ..Composition::default() }
}

#[cfg(test)]
mod tests;
