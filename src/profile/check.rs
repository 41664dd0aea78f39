//! The check of a table: whole random networks, predicted and measured on the same device.
//!
//! A part of the networks calibrates how operators compose; the error is that of the others, which
//! no fit has seen. Not here: the fits themselves (`latency`), the numbers of the error report.

use serde::Serialize;

use super::bench::median;
use super::{Estimate, Subject};
use crate::latency::{
    Composition, LatencyError, LatencyModel, NetworkCheck, NetworkTimes, Predictor, RunId, Setting, Store, TableError,
    error_of, fit_composition, fit_prior,
};
use crate::net::{Graph, LowerOptions, Network};
use crate::onnx::{Batch, ExportOptions, OnnxError, Weights, model_bytes};
use zen_agent::Scope;

/// Most networks that are checked.
pub const MAX_NETWORKS: u32 = 10_000;

/// One of this many networks calibrates.
const CALIBRATION_SHARE: usize = 3;

/// A whole network with its measured time.
#[derive(Clone, Debug)]
pub(super) struct MeasuredNetwork {
    pub network: Network,
    pub graph: Graph,
    pub estimate: Estimate,
}

/// How good a table turned out to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// On the networks held out.
    #[serde(flatten)]
    pub error: TableError,
    /// Mean relative error with its sign, as a share: above 0 predictions are too slow.
    pub bias: f64,
    /// Networks that calibrated the composition.
    pub calibration_networks: usize,
    /// Median over the networks of the relative standard error of the measurement itself: no
    /// prediction can be expected to be closer.
    pub measurement_stderr: f64,
    /// Structure, predicted and measured milliseconds of the networks held out.
    pub networks: Vec<(String, f64, f64)>,
}

/// The subject of a whole network.
pub(super) fn network_subject(
    network: &Network,
    graph: &Graph,
    batch_size: u32,
    seed: u64,
) -> Result<Subject, OnnxError> {
    let options = ExportOptions { batch: Batch::Fixed(batch_size), ..ExportOptions::default() };
    let model = model_bytes(graph, &Weights::seeded(seed), &options)?;
    Ok(Subject { name: network.to_string(), model, scope: Scope::Whole, without: Vec::new() })
}

/// Networks of `count` that calibrate.
pub(super) fn calibration_networks(count: usize) -> usize {
    if count < 2 { 0 } else { (count / CALIBRATION_SHARE).max(1) }
}

/// Fits prior and composition of a run's setting, and stores them with the errors of the networks
/// held out. None when there are fewer than two networks: nothing would be held out.
pub(super) fn check(
    store: &mut Store,
    run: RunId,
    setting: &Setting,
    lower: &LowerOptions,
    space: &str,
    networks: &[MeasuredNetwork],
) -> Result<Option<CheckReport>, LatencyError> {
    let mut model = LatencyModel::additive(fit_prior(&store.rows(setting)?, setting)?);
    store.set_model(run, &model)?;
    let calibration = calibration_networks(networks.len());
    let (fitted_on, held_out) = networks.split_at(calibration);
    if held_out.is_empty() || calibration == 0 {
        return Ok(None);
    }
    model.composition = composition(&Predictor::new(store, setting)?, fitted_on);
    store.set_model(run, &model)?;
    let predictor = Predictor::new(store, setting)?;
    let mut checks = Vec::with_capacity(held_out.len());
    for MeasuredNetwork { network, graph, estimate } in held_out {
        let check = NetworkCheck {
            structure: network.to_string(),
            resolution: lower.resolution,
            classes: lower.classes,
            squeeze_excite: lower.squeeze_excite,
            calibration: false,
            predicted_ms: predictor.predict(graph).ms,
            measured_ms: estimate.median_ms,
            stderr_ms: estimate.stderr_ms,
            repeat_ms: None,
        };
        store.insert_check(run, &check)?;
        checks.push(check);
    }
    let method = format!(
        "{} random {space} networks at {side}x{side} held out; composition fitted on {calibration} others",
        held_out.len(),
        side = lower.resolution
    );
    Ok(error_of(&checks, &method).map(|error| report(error, &checks, networks, calibration)))
}

fn composition(predictor: &Predictor, networks: &[MeasuredNetwork]) -> Composition {
    let times = |measured: &MeasuredNetwork| NetworkTimes {
        measured_ms: measured.estimate.median_ms,
        ..predictor.class_times(&measured.graph)
    };
    fit_composition(&networks.iter().map(times).collect::<Vec<_>>())
}

fn report(
    error: TableError,
    checks: &[NetworkCheck],
    networks: &[MeasuredNetwork],
    calibration_networks: usize,
) -> CheckReport {
    let signed = checks.iter().map(|check| check.predicted_ms / check.measured_ms - 1.0);
    let noise: Vec<f64> =
        networks.iter().map(|measured| measured.estimate.stderr_ms / measured.estimate.median_ms).collect();
    CheckReport {
        error,
        bias: signed.sum::<f64>() / checks.len() as f64,
        calibration_networks,
        measurement_stderr: median(&noise).unwrap_or(0.0),
        networks: checks.iter().map(|check| (check.structure.clone(), check.predicted_ms, check.measured_ms)).collect(),
    }
}
