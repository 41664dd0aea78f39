//! The check of a table: random networks that nothing was fitted on, predicted and measured.
//!
//! Each is measured twice, the second time after all others: how far one measurement of a network
//! is from another bounds what any prediction can reach. Not here: the fits (`latency`), a report with its
//! breakdown (`report`).

use std::time::Duration;

use serde::Serialize;
use zen_agent::Scope;

use super::bench::Bench;
use super::draw::{Drawer, Drawn, draw_networks};
use super::fitted::fit;
use super::learning::Learning;
use super::session::{Event, SessionOptions};
use super::{Ending, ProfileError, RunnerError, Subject};
use crate::latency::{CheckId, NetworkCheck, NetworkTimes, TableError, error_of};
use crate::net::{Graph, Network};
use crate::onnx::{Batch, ExportOptions, OnnxError, Weights, model_bytes};
use crate::stats::median;

/// Most networks that are checked.
pub const MAX_NETWORKS: u32 = 10_000;
/// Tells the held-out networks from all others.
const CHECK_STREAM: u64 = 0x5eed_0fc4_ec4b_a5e5;
/// Tells the networks that calibrate from all others, where no operator was measured inside one.
const CALIBRATION_STREAM: u64 = 0xca11_b4a7_e5ee_d001;
/// One of this many networks calibrates where operators were measured by themselves.
const CALIBRATION_SHARE: usize = 3;

/// How good a table turned out to be.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CheckReport {
    /// On the networks held out.
    #[serde(flatten)]
    pub error: TableError,
    /// Mean relative error with its sign, as a share: above 0 predictions are too slow.
    pub bias: f64,
    /// Networks that calibrated the composition.
    pub calibration_networks: usize,
    /// Median over the networks of the relative standard error of the measurement itself.
    pub measurement_stderr: f64,
    /// One measurement of a network against another, in the same numbers as the error: no prediction
    /// can be expected to be closer. None when nothing was measured twice.
    pub noise: Option<TableError>,
    /// The networks held out.
    pub networks: Vec<NetworkCheck>,
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

/// The networks held out for the check; the same for the same options.
pub(super) fn held_out(options: &SessionOptions) -> Result<Vec<Drawn>, ProfileError> {
    let plan = &options.plan;
    Ok(draw_networks(&plan.sources, options.networks, plan.seed ^ CHECK_STREAM)?)
}

/// Fits the model for good, then checks it.
pub(super) fn fit_and_check(
    bench: &mut Bench<'_>,
    options: &SessionOptions,
    mut learning: Learning,
) -> Result<(), ProfileError> {
    fit(bench, &learning)?;
    if !bench.runner.times_parts() {
        // No network was measured yet.
        calibrate(bench, options, options.networks / CALIBRATION_SHARE, &mut learning)?;
        fit(bench, &learning)?;
    }
    check_held_out(bench, options, learning.calibration().len())
}

/// Predicts and measures the networks held out. Without at least two of them nothing is checked.
pub(super) fn check_held_out(
    bench: &mut Bench<'_>,
    options: &SessionOptions,
    calibration_networks: usize,
) -> Result<(), ProfileError> {
    let drawn = held_out(options)?;
    let stored = bench.table.store.checks_with_ids(bench.run.id)?;
    let known = |drawn: &Drawn| {
        let is_same = |check: &NetworkCheck| {
            // The same structure may have been drawn with gates and without.
            let same = drawn.check(check.predicted_ms, check.measured_ms, check.stderr_ms);
            NetworkCheck { repeat_ms: check.repeat_ms, ..same } == *check
        };
        stored.iter().find(|(_, check)| is_same(check)).cloned()
    };
    (bench.run.on_event)(Event::Check { measurements: 2 * drawn.len() });
    let predictor = bench.table.predictor()?;
    let mut checked: Vec<(CheckId, NetworkCheck, &Drawn)> = Vec::with_capacity(drawn.len());
    for drawn in &drawn {
        if let Some((id, check)) = known(drawn) {
            checked.push((id, check, drawn));
            continue;
        }
        let Some((measured_ms, stderr_ms)) = whole(bench, drawn, options.plan.seed)? else { continue };
        if bench.run.outcome.ending == Ending::Interrupted {
            return Ok(());
        }
        let check = drawn.check(predictor.predict(&drawn.graph).ms, measured_ms, Some(stderr_ms));
        checked.push((bench.table.store.insert_check(bench.run.id, &check)?, check, drawn));
    }
    for (id, check, drawn) in &mut checked {
        if check.repeat_ms.is_none() {
            check.repeat_ms = whole(bench, drawn, options.plan.seed)?.map(|(ms, _)| ms);
        }
        if bench.run.outcome.ending == Ending::Interrupted {
            return Ok(());
        }
        check.predicted_ms = predictor.predict(&drawn.graph).ms;
        bench.table.store.update_check(*id, check.predicted_ms, check.repeat_ms)?;
    }
    let checks: Vec<NetworkCheck> = checked.into_iter().map(|(_, check, _)| check).collect();
    bench.run.outcome.check = (checks.len() >= 2).then(|| report(options, &checks, calibration_networks)).flatten();
    Ok(())
}

/// Measures networks that the composition is fitted on.
fn calibrate(
    bench: &mut Bench<'_>,
    options: &SessionOptions,
    count: usize,
    learning: &mut Learning,
) -> Result<(), ProfileError> {
    let predictor = bench.table.predictor()?;
    (bench.run.on_event)(Event::Check { measurements: count });
    let plan = &options.plan;
    let mut drawer = Drawer::new(&plan.sources, plan.seed ^ CALIBRATION_STREAM)?;
    for drawn in (0..count).map_while(|_| drawer.draw()) {
        let Some((measured_ms, stderr_ms)) = whole(bench, &drawn, options.plan.seed)? else { continue };
        let predicted_ms = predictor.predict(&drawn.graph).ms;
        let check = NetworkCheck { calibration: true, ..drawn.check(predicted_ms, measured_ms, Some(stderr_ms)) };
        bench.table.store.insert_check(bench.run.id, &check)?;
        let times = NetworkTimes { measured_ms, ..predictor.class_times(&drawn.graph) };
        learning.push(count, predicted_ms, times);
    }
    Ok(())
}

/// A network's time and its standard error; none when it failed or the session has to stop.
pub(super) fn whole(bench: &mut Bench<'_>, drawn: &Drawn, seed: u64) -> Result<Option<(f64, f64)>, ProfileError> {
    if let Some(ending) = bench.limits.stop(Duration::ZERO) {
        bench.run.outcome.ending = ending;
        return Ok(None);
    }
    bench.look(false, false)?;
    let subject = network_subject(&drawn.network, &drawn.graph, bench.table.setting.batch_size, seed)?;
    match bench.measure(&subject, &bench.limits.network.clone()) {
        Ok(estimate) => {
            bench.run.count(&estimate);
            (bench.run.on_event)(Event::Network { structure: &subject.name, estimate: &estimate });
            Ok(Some((estimate.median_ms, estimate.stderr_ms)))
        }
        Err(RunnerError::Model(reason)) => {
            bench.run.fail(subject.name, reason);
            Ok(None)
        }
        Err(error) => Err(ProfileError::of_runner(error)),
    }
}

fn report(options: &SessionOptions, checks: &[NetworkCheck], calibration_networks: usize) -> Option<CheckReport> {
    let sources: Vec<String> = options.plan.sources.iter().map(|source| source.describe()).collect();
    let fitted = match calibration_networks {
        0 => "; nothing was fitted in this session".to_owned(),
        count => format!("; composition fitted on {count} others"),
    };
    let method = format!("{} random networks held out ({}){fitted}", checks.len(), sources.join(", "));
    let signed = checks.iter().map(|check| check.predicted_ms / check.measured_ms - 1.0);
    let stderrs: Vec<f64> = checks.iter().filter_map(|check| Some(check.stderr_ms? / check.measured_ms)).collect();
    let repeated: Vec<NetworkCheck> = checks
        .iter()
        .filter_map(|check| Some(NetworkCheck { predicted_ms: check.repeat_ms?, ..check.clone() }))
        .collect();
    Some(CheckReport {
        error: error_of(checks, &method)?,
        bias: signed.sum::<f64>() / checks.len() as f64,
        calibration_networks,
        measurement_stderr: median(&stderrs).unwrap_or(0.0),
        noise: error_of(&repeated, "the same networks measured once more"),
        networks: checks.to_vec(),
    })
}
