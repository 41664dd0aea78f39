//! How the operators of a network compose, from networks measured as a whole.

use super::super::Composition;
use super::linear::{Observation, non_negative, solve};

/// A measured network with the unweighted times of its operators by class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetworkTimes {
    pub conv_ms: f64,
    pub depthwise_ms: f64,
    pub traffic_ms: f64,
    pub operators: usize,
    /// The whole network.
    pub measured_ms: f64,
}

/// How strongly class weights are drawn together, in networks: a few networks cannot tell apart
/// classes that always come together.
const PRIOR_NETWORKS: f64 = 0.1;
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
    // One scale for all classes first: the weights are drawn towards it.
    let total = |network: &NetworkTimes| network.conv_ms + network.depthwise_ms + network.traffic_ms;
    let scale = solve(&networks.iter().map(|network| relative(vec![total(network)], network)).collect::<Vec<_>>())[0];
    if scale <= 0.0 {
        return Composition::default();
    }
    let mut rows: Vec<_> = networks
        .iter()
        .map(|network| relative(vec![network.conv_ms, network.depthwise_ms, network.traffic_ms], network))
        .collect();
    let strength = PRIOR_NETWORKS.sqrt();
    for class in 0..3 {
        let mut row = vec![0.0; 3];
        row[class] = strength / scale;
        rows.push((row, strength));
    }
    let weights = solve(&rows);
    Composition { conv: weights[0], depthwise: weights[1], traffic: weights[2], ..Composition::default() }
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

    fn networks(host: f64) -> Vec<NetworkTimes> {
        let truth = Composition { conv: 1.2, depthwise: 1.1, traffic: 1.5, kernel_ms: host, ..Composition::default() };
        (1..12)
            .map(|i| {
                let size = i as f64;
                let mut network = NetworkTimes {
                    conv_ms: size,
                    depthwise_ms: 0.3 * size * (1.0 + (i % 3) as f64),
                    traffic_ms: 0.2 * (1.0 + (i % 4) as f64),
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
        let networks = networks(0.0);
        let composition = fit_composition(&networks);
        assert_eq!((composition.host_ms, composition.kernel_ms), (0.0, 0.0));
        assert!(error(&composition, &networks) < 0.02, "{composition:?}");
    }

    #[test]
    fn finds_the_host_where_it_decides() {
        let networks = networks(0.4);
        let composition = fit_composition(&networks);
        assert!((composition.kernel_ms - 0.4).abs() < 0.05, "{composition:?}");
        assert!(error(&composition, &networks) < 0.05, "{composition:?}");
        assert_eq!(fit_composition(&[]), Composition::default());
    }
}
