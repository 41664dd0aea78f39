//! The fits and the built-in tables against the publication and an independent fit to it.

use zen_nas::latency::Predictor;
use zen_nas::net::{Graph, LowerOptions, Network};

use super::*;
use crate::evaluate::built_in;

fn graph(structure: &str, resolution: u32, squeeze_excite: bool) -> Graph {
    let options = LowerOptions { squeeze_excite, ..LowerOptions::new(resolution, 1000) };
    Network::parse(structure).unwrap().lower(&options).unwrap()
}

/// Leave-one-out errors: the values of the publication's data by an independent fit are 4.3%, 6.3%
/// and 2.9%; the T4's, 6.5%, depends on how operators between rows of the V100 are interpolated.
#[test]
fn leave_one_out_errors() {
    let errors: Vec<f64> = REGIMES
        .iter()
        .chain([&PIXEL2_SPLIT])
        .map(|regime| 100.0 * regime.error(networks().unwrap()).unwrap().mape)
        .collect();
    for (error, (expected, tolerance)) in errors.iter().zip([(4.34, 0.05), (6.5, 0.3), (6.27, 0.3), (2.92, 0.1)]) {
        assert!((error - expected).abs() < tolerance, "{errors:?}");
    }
}

/// The coefficients of an independent fit to the same publication.
#[test]
fn coefficients_agree_with_an_independent_fit() {
    let networks = networks().unwrap();
    let close = |fitted: &[f64], expected: &[f64], tolerance: f64| {
        for (fitted, expected) in fitted.iter().zip(expected) {
            assert!((fitted / expected - 1.0).abs() < tolerance, "{fitted} against {expected}");
        }
    };
    // Elements cost 2.363 times fp16 traffic at 750 GB/s: two bytes each.
    close(&REGIMES[0].fit(networks), &[0.02779, 1.25877, 2.36296 * 2.0 / 0.75], 0.01);
    close(&REGIMES[1].fit(networks), &[0.86077, 1.2113, 43.98964], 0.05);
    close(&REGIMES[2].fit(networks), &[89.15737, 4718.17158], 0.02);
    close(&PIXEL2_SPLIT.fit(networks), &[8.85165, 125.53101, 74.99204, 19860.56064], 0.03);
}

#[test]
fn published_networks_are_predicted_within_the_stated_errors() {
    for (regime, worst) in REGIMES.iter().zip([0.08, 0.14, 0.10]) {
        let predictor = Predictor::from_table(&built_in(&regime.setting()).unwrap()).unwrap();
        let stated = regime.error(networks().unwrap()).unwrap();
        assert_eq!(predictor.error().map(|error| error.method.clone()), Some(stated.method));
        assert!((predictor.error().unwrap().mape - stated.mape).abs() < 1e-3);
        for network in networks().unwrap().iter().filter(|network| network.name != EXCLUDED) {
            let Some(structure) = &network.structure else { continue };
            let prediction = predictor.predict(&graph(structure, network.resolution, network.squeeze_excite));
            let error = prediction.ms_per_image / regime.published_ms(network) - 1.0;
            assert!(error.abs() < worst, "{} on {}: {error:+.3}", network.name, regime.name);
            assert_eq!(prediction.evidence.measured_count, 0.0, "nothing is measured on {}", regime.name);
            let evidence = prediction.evidence;
            assert!((evidence.fitted_time + evidence.extrapolated_time - 1.0).abs() < 1e-9, "{evidence:?}");
        }
    }
}

/// The README of the tables holds the report and the list of tables as they are made now.
#[test]
fn the_readme_is_up_to_date() {
    let readme = include_str!("../../../../latency_tables/README.md");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("README.md");
    std::fs::write(&path, readme).unwrap();
    update(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), readme, "run zen-tables published --update on it");
    std::fs::write(&path, "no markers").unwrap();
    assert!(update(&path).unwrap_err().to_string().contains("begin published report"));
}
