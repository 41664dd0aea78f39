//! How the operators of a network compose, from networks measured as a whole.

use super::super::Composition;
use super::linear::{Observation, non_negative, solve};

/// A measured network with the unweighted times of its operators by class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetworkTimes {
    pub conv_ms: f64,
    pub depthwise_ms: f64,
    pub traffic_ms: f64,
    /// 1e9 bytes of weights, and of maps, that are cold in a network, on a processor.
    pub cold_weight_giga: f64,
    pub cold_map_giga: f64,
    pub operators: usize,
    /// The whole network.
    pub measured_ms: f64,
}

/// How strongly class weights are drawn together, in networks: a few networks cannot tell apart
/// classes that always come together.
const PRIOR_NETWORKS: f64 = 0.1;
/// What a memory of 10 GB/s takes for 1e9 bytes: the size that cold coefficients have.
const COLD_MS_PER_GIGA: f64 = 100.0;
/// How strongly they are drawn towards 0, in networks that such a coefficient would put out by 100%.
const COLD_PRIOR_NETWORKS: f64 = 0.01;
/// How much better the host term must make the error to be believed.
const HOST_GAIN: f64 = 0.9;

/// Fits weights per class, and the host's cost if that explains networks clearly better.
pub fn fit_composition(networks: &[NetworkTimes]) -> Composition {
    if networks.is_empty() {
        return Composition::default();
    }
    let device_only = fit_device(networks);
    let mut best = device_only.clone();
    let mut best_error = HOST_GAIN * error(&device_only, networks);
    // Start from both explanations of all networks, then let each network choose.
    let mut host = fit_host(networks);
    let mut device = device_only;
    for _ in 0..20 {
        let combined = Composition { host_ms: host[0], kernel_ms: host[1], ..device.clone() };
        let combined_error = error(&combined, networks);
        if combined_error < best_error {
            (best, best_error) = (combined.clone(), combined_error);
        }
        let (bound, free): (Vec<_>, Vec<_>) = networks.iter().copied().partition(|network| {
            let off = |ms: f64| (ms / network.measured_ms).ln().abs();
            off(host[0] + host[1] * network.operators as f64) < off(device_ms(&device, network))
        });
        if bound.is_empty() || free.is_empty() {
            break;
        }
        (host, device) = (fit_host(&bound), fit_device(&free));
    }
    best
}

impl NetworkTimes {
    /// What a composition predicts.
    pub fn predict(&self, composition: &Composition) -> f64 {
        device_ms(composition, self).max(composition.host_ms + composition.kernel_ms * self.operators as f64)
    }
}

fn device_ms(composition: &Composition, network: &NetworkTimes) -> f64 {
    composition.conv * network.conv_ms
        + composition.depthwise * network.depthwise_ms
        + composition.traffic * network.traffic_ms
        + composition.cold_weight_ms_per_giga * network.cold_weight_giga
        + composition.cold_map_ms_per_giga * network.cold_map_giga
}

fn error(composition: &Composition, networks: &[NetworkTimes]) -> f64 {
    let sum: f64 =
        networks.iter().map(|network| (network.predict(composition) / network.measured_ms - 1.0).abs()).sum();
    sum / networks.len() as f64
}

fn fit_device(networks: &[NetworkTimes]) -> Composition {
    let relative = |features: Vec<f64>, network: &NetworkTimes| {
        (features.into_iter().map(|feature| feature / network.measured_ms).collect::<Vec<_>>(), 1.0)
    };
    let cold = |network: &NetworkTimes| [network.cold_weight_giga, network.cold_map_giga];
    // One scale for all classes first, beside what is cold: the weights are drawn towards it.
    let mut rows: Vec<_> = networks
        .iter()
        .map(|network| {
            let total = network.conv_ms + network.depthwise_ms + network.traffic_ms;
            relative([vec![total], cold(network).to_vec()].concat(), network)
        })
        .collect();
    rows.extend(plausible_cold(1));
    let scale = solve(&rows)[0];
    if scale <= 0.0 {
        return Composition::default();
    }
    let classes = |network: &NetworkTimes| [network.conv_ms, network.depthwise_ms, network.traffic_ms];
    let mut rows: Vec<_> = networks
        .iter()
        .map(|network| relative([classes(network).to_vec(), cold(network).to_vec()].concat(), network))
        .collect();
    let strength = PRIOR_NETWORKS.sqrt();
    for class in 0..3 {
        let mut row = vec![0.0; 5];
        row[class] = strength / scale;
        rows.push((row, strength));
    }
    rows.extend(plausible_cold(3));
    let weights = solve(&rows);
    Composition {
        conv: weights[0],
        depthwise: weights[1],
        traffic: weights[2],
        cold_weight_ms_per_giga: weights[3],
        cold_map_ms_per_giga: weights[4],
        ..Composition::default()
    }
}

/// Observations that draw the two cold coefficients, behind `before` others, to what memory can be:
/// where calibration networks have few cold bytes, the fit would explain noise with them.
fn plausible_cold(before: usize) -> [(Vec<f64>, f64); 2] {
    [0, 1].map(|i| {
        let mut row = vec![0.0; before + 2];
        row[before + i] = (COLD_PRIOR_NETWORKS / COLD_MS_PER_GIGA.powi(2)).sqrt();
        (row, 0.0)
    })
}

/// Fixed cost and cost per operator of networks that the host decides.
fn fit_host(networks: &[NetworkTimes]) -> [f64; 2] {
    let observation =
        |network: &NetworkTimes| Observation { features: vec![1.0, network.operators as f64], ms: network.measured_ms };
    let weights = non_negative(&networks.iter().map(observation).collect::<Vec<_>>());
    [weights[0], weights[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(host: f64, cold: f64) -> Vec<NetworkTimes> {
        let truth = Composition {
            conv: 1.2,
            depthwise: 1.1,
            traffic: 1.5,
            cold_weight_ms_per_giga: 50.0,
            kernel_ms: host,
            ..Composition::default()
        };
        (1..12)
            .map(|i| {
                let size = i as f64;
                let mut network = NetworkTimes {
                    conv_ms: size,
                    depthwise_ms: 0.3 * size * (1.0 + (i % 3) as f64),
                    traffic_ms: 0.2 * (1.0 + (i % 4) as f64),
                    cold_weight_giga: cold * (i % 4) as f64,
                    cold_map_giga: 0.1 * cold * (i * i % 7) as f64,
                    operators: 20 + 7 * (i % 5),
                    measured_ms: 0.0,
                };
                network.measured_ms = network.predict(&truth);
                network
            })
            .collect()
    }

    #[test]
    fn recovers_weights() {
        let networks = networks(0.0, 0.1);
        let composition = fit_composition(&networks);
        assert_eq!((composition.host_ms, composition.kernel_ms), (0.0, 0.0));
        assert!(error(&composition, &networks) < 0.02, "{composition:?}");
        assert!((composition.cold_weight_ms_per_giga - 50.0).abs() < 10.0, "{composition:?}");
    }

    #[test]
    fn finds_the_host_where_it_decides() {
        let networks = networks(0.4, 0.0);
        let composition = fit_composition(&networks);
        assert!((composition.kernel_ms - 0.4).abs() < 0.05, "{composition:?}");
        assert!(error(&composition, &networks) < 0.05, "{composition:?}");
        assert_eq!(fit_composition(&[]), Composition::default());
    }
}
