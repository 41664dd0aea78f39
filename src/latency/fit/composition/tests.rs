//! Compositions from synthetic networks with known coefficients.

use super::*;

const TRUTH: Composition = Composition {
    call_ms: 0.0,
    seen_low_ms: 0.0,
    seen_high_ms: 0.0,
    host_ms: 0.0,
    kernel_ms: 0.0,
    conv: 3.2,
    depthwise: 1.1,
    traffic: 0.8,
    cold_weight_ms_per_giga: 0.0,
    cold_map_ms_per_giga: 0.0,
    warm_bytes: 1e6,
    warm_ms: 0.0,
    spread_floor: 0.0,
    spread_factor: 0.0,
};

fn networks(truth: &Composition) -> Vec<NetworkTimes> {
    (1..12)
        .map(|i| {
            let size = i as f64;
            let mut network = NetworkTimes {
                conv_ms: size,
                depthwise_ms: 0.3 * size * (1.0 + (i % 3) as f64),
                traffic_ms: 0.2 * (1.0 + (i % 4) as f64),
                operators: 20 + 7 * (i % 5),
                ..NetworkTimes::default()
            };
            network.measured_ms = network.predict(truth);
            network
        })
        .collect()
}

fn error(composition: &Composition, networks: &[NetworkTimes]) -> f64 {
    let errors = networks.iter().map(|network| (network.predict(composition) / network.measured_ms - 1.0).abs());
    errors.sum::<f64>() / networks.len() as f64
}

fn close(fitted: f64, expected: f64) {
    assert!((fitted / expected - 1.0).abs() < 0.03, "{fitted}, expected {expected}");
}

#[test]
fn device_decides() {
    let composition = fit_composition(&networks(&TRUTH));
    assert_eq!((composition.host_ms, composition.kernel_ms), (0.0, 0.0));
    close(composition.conv, 3.2);
    close(composition.depthwise, 1.1);
    assert!(error(&composition, &networks(&TRUTH)) < 0.002, "{composition:?}");
}

#[test]
fn caches_save_a_fixed_time() {
    let truth = Composition { warm_ms: 1.5, ..TRUTH };
    let mut warm = networks(&TRUTH);
    for network in &mut warm {
        network.warm = 1.0;
        network.measured_ms = network.predict(&truth);
    }
    let composition = fit_composition(&warm);
    close(composition.warm_ms, 1.5);
    close(composition.conv, 3.2);
    // A tiny network is not predicted to cost nothing.
    assert_eq!(truth.warmed(1.0, 1.0), 0.4);
    assert_eq!(fit_composition(&networks(&TRUTH)).warm_ms, 0.0);
}

#[test]
fn both_decide() {
    let truth = Composition { kernel_ms: 0.4, ..TRUTH };
    let networks = networks(&truth);
    let bound = networks.iter().filter(|network| host_ms(&truth, network) > device_ms(&truth, network)).count();
    assert_eq!((bound, networks.len()), (4, 11));
    let composition = fit_composition(&networks);
    close(composition.kernel_ms, 0.4);
    close(composition.conv, 3.2);
    assert!(error(&composition, &networks) < 0.01, "{composition:?}");
}

/// A host that is known leaves the device to networks that show it, however few.
#[test]
fn beside_a_known_host() {
    let truth = Composition { kernel_ms: 0.4, ..TRUTH };
    let networks = networks(&truth);
    let composition = fit_beside_host(&networks, &truth);
    assert_eq!(composition.kernel_ms, 0.4);
    close(composition.conv, 3.2);
    close(composition.depthwise, 1.1);
    // A slow measurement of a small network does not become the host's cost.
    let mut slow = networks.clone();
    slow[0].measured_ms *= 1.4;
    close(fit_beside_host(&slow, &truth).conv, 3.2);
    // The host decides all of them: the device keeps what does not show.
    let host = Composition { kernel_ms: 4.0, ..TRUTH };
    let bound: Vec<_> =
        networks.iter().map(|network| NetworkTimes { measured_ms: network.predict(&host), ..*network }).collect();
    let composition = fit_beside_host(&bound, &host);
    assert!(error(&composition, &bound) < 1e-9 && composition.conv > 0.0, "{composition:?}");
}

/// Networks whose operators are uncertain are uncertain, unless the host decides.
#[test]
fn spread_of_operators() {
    let network = NetworkTimes {
        conv_ms: 2.0,
        depthwise_ms: 1.0,
        operators: 10,
        conv_spread_ms: 0.3,
        depthwise_spread_ms: 0.4,
        ..NetworkTimes::default()
    };
    let composition = Composition { conv: 2.0, ..Composition::default() };
    assert!((network.operator_spread(&composition) - 0.6_f64.hypot(0.4) / 5.0).abs() < 1e-12);
    assert_eq!(network.operator_spread(&Composition { kernel_ms: 1.0, ..composition }), 0.0);
}

#[test]
fn host_decides() {
    let networks = networks(&Composition { kernel_ms: 4.0, ..TRUTH });
    let composition = fit_composition(&networks);
    close(composition.kernel_ms, 4.0);
    // The device is not forgotten: a network ten times larger takes as long as the table says.
    let large = NetworkTimes { conv_ms: 1e6, ..networks[0] };
    assert_eq!(large.predict(&composition), 1e6 + networks[0].depthwise_ms + networks[0].traffic_ms);
}

#[test]
fn a_slow_measurement_does_not_decide() {
    let mut networks = networks(&TRUTH);
    networks[4].measured_ms *= 1.4;
    let composition = fit_composition(&networks);
    networks.remove(4);
    assert!(error(&composition, &networks) < 0.02, "{composition:?}");
}

#[test]
fn few_networks() {
    assert_eq!(fit_composition(&[]), Composition::default());
    // One network says no more than a scale.
    let one = &networks(&TRUTH)[..1];
    assert!(error(&fit_composition(one), one) < 0.1);
    for count in 2..8 {
        let few = &networks(&TRUTH)[..count];
        assert_eq!(fit_composition(few).kernel_ms, 0.0);
        // Until networks can be left out, the classes are drawn together.
        let limit = if count < ENOUGH_TO_LEAVE_OUT { 0.2 } else { 0.02 };
        assert!(error(&fit_composition(few), few) < limit, "{count}");
    }
}

#[test]
fn cold_bytes_count() {
    let truth = Composition { conv: 1.2, traffic: 1.5, cold_weight_ms_per_giga: 50.0, ..TRUTH };
    let mut networks = networks(&truth);
    for (i, network) in networks.iter_mut().enumerate() {
        network.cold_weight_giga = 0.1 * ((i + 1) % 4) as f64;
        network.cold_map_giga = 0.01 * ((i + 1) * (i + 1) % 7) as f64;
        network.measured_ms = network.predict(&truth);
    }
    let composition = fit_composition(&networks);
    assert_eq!((composition.host_ms, composition.kernel_ms), (0.0, 0.0));
    assert!(error(&composition, &networks) < 0.02, "{composition:?}");
    assert!((composition.cold_weight_ms_per_giga - 50.0).abs() < 10.0, "{composition:?}");
}
