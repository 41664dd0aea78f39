//! Operators of a given network, timed by its own nodes while it runs.
//!
//! Not here: what of it is wanted (the module above), which node belongs to which operator (`onnx::parts`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::super::bench::Bench;
use super::super::drift::Look;
use super::super::inside::observations;
use super::super::session::{Ending, Event};
use super::super::{Estimate, Parts, ProfileError, RunnerError, Settled, Subject, Target};
use super::GivenNetwork;
use crate::latency::OperatorKey;
use crate::onnx::NetworkParts;
use crate::stats::{median, median_and_stderr};

/// Share of a network's time in nodes without an operator, up to which an operator without a node has none
/// of the time.
const MOST_UNOWNED: f64 = 0.05;

/// Times of operators, and the share of the time in nodes that belong to none.
type Observed = (Vec<(OperatorKey, Estimate)>, f64);

/// Measures those of the operators `left` that the network has and whose nodes the runtime names, and takes
/// them off; says whether to go on.
pub(super) fn inside_given(
    bench: &mut Bench<'_>,
    network: &GivenNetwork,
    left: &mut BTreeSet<OperatorKey>,
    seed: u64,
) -> Result<bool, ProfileError> {
    let parts = network.parts();
    if !parts.keys().iter().any(|key| left.contains(key)) {
        return Ok(true);
    }
    let subject = network.subject(bench.table.setting.batch_size, seed)?;
    loop {
        let Some((observed, unowned_share)) = observe_given(bench, &subject, &parts, left)? else {
            return Ok(bench.run.outcome.ending == Ending::Complete);
        };
        let merged = if unowned_share <= MOST_UNOWNED { merged(&parts, &observed, left) } else { Vec::new() };
        let mut measured = Vec::new();
        for (key, estimate) in observed {
            bench.store(&key, &estimate)?;
            measured.push((key, estimate));
        }
        for (key, estimate) in merged {
            bench.table.store.insert_merged(bench.run.id, &key)?;
            (bench.run.on_event)(Event::Operator { key: &key, result: Ok(&estimate) });
            measured.push((key, estimate));
        }
        if bench.look(true, true)? == Look::TakenBack {
            continue;
        }
        for (key, estimate) in measured {
            bench.run.count(&estimate);
            bench.run.outcome.measured += 1;
            bench.run.outcome.remaining -= 1;
            left.remove(&key);
        }
        return Ok(true);
    }
}

/// Times the operators `wanted` inside the network, on fresh instances until they are known well enough.
/// With them the share of the time in nodes that belong to no operator. None where the runtime cannot, and
/// where the session has to stop, which the outcome then says.
fn observe_given(
    bench: &mut Bench<'_>,
    subject: &Subject,
    parts: &NetworkParts,
    wanted: &BTreeSet<OperatorKey>,
) -> Result<Option<Observed>, ProfileError> {
    let Target { min_blocks, max_blocks, time_limit, limits, .. } = &bench.limits.network.clone();
    let start = Instant::now();
    let mut instances = Vec::new();
    loop {
        if let Some(ending) = bench.limits.stop(Duration::ZERO) {
            bench.run.outcome.ending = ending;
            return Ok(None);
        }
        // Moving maps between layouts is nobody's operator, and hides none: it has a part of its own.
        let layout = parts.keys().len();
        let owner = |node: &str| parts.owner(node).or_else(|| is_layout(node).then_some(layout));
        match bench.runner.parts(subject, &owner, layout + 1, limits) {
            Ok(instance) => instances.push(instance),
            // It may run its operators by themselves; if not, that says why.
            Err(RunnerError::Model(_)) => return Ok(None),
            Err(error) => return Err(ProfileError::of_runner(error)),
        }
        let estimates = estimates(parts, &instances, wanted, &bench.limits.operator);
        let stable = estimates.iter().all(|(_, estimate)| estimate.settled == Settled::Stable);
        let enough = instances.len() >= *min_blocks && stable;
        if enough || instances.len() >= *max_blocks || start.elapsed() >= *time_limit {
            return Ok(Some((estimates, unowned_share(&instances))));
        }
    }
}

/// Times of those `wanted` among the parts of instances, the median over instances of each one's median.
fn estimates(
    parts: &NetworkParts,
    instances: &[Parts],
    wanted: &BTreeSet<OperatorKey>,
    target: &Target,
) -> Vec<(OperatorKey, Estimate)> {
    let observed = observations(parts, instances).into_iter().filter(|(key, ..)| wanted.contains(key));
    let estimate = |(key, median_ms, samples_ms): (OperatorKey, f64, Vec<f64>)| {
        let stderr_ms = median_and_stderr(&samples_ms).map_or(0.0, |(_, stderr_ms)| stderr_ms);
        let is_stable = stderr_ms <= target.relative_stderr * median_ms;
        let settled = if is_stable { Settled::Stable } else { Settled::BlockLimit };
        (key, Estimate { median_ms, stderr_ms, samples_ms, blocks: instances.len(), settled })
    };
    observed.map(estimate).collect()
}

/// Whether a runtime put a node between others to change the layout of a map: onnxruntime names those after
/// their operation.
fn is_layout(node: &str) -> bool {
    ["ReorderInput", "ReorderOutput"].iter().any(|name| node.starts_with(name))
}

/// Those `wanted` operators of the network that the runtime ran no node for, though nearly all nodes belong to
/// operators: it computes them within their neighbours, and they take no time of their own.
fn merged(
    parts: &NetworkParts,
    observed: &[(OperatorKey, Estimate)],
    wanted: &BTreeSet<OperatorKey>,
) -> Vec<(OperatorKey, Estimate)> {
    let seen: BTreeSet<OperatorKey> = observed.iter().map(|(key, _)| *key).collect();
    let keys: BTreeSet<OperatorKey> =
        parts.keys().iter().filter(|key| wanted.contains(key) && !seen.contains(key)).copied().collect();
    let estimate =
        Estimate { median_ms: 0.0, stderr_ms: 0.0, samples_ms: Vec::new(), blocks: 0, settled: Settled::Stable };
    keys.into_iter().map(|key| (key, estimate.clone())).collect()
}

/// Share of the time of all nodes that those without an operator take, the median over instances.
fn unowned_share(instances: &[Parts]) -> f64 {
    let share = |instance: &Parts| {
        let unowned_ms = median(&instance.unowned_ms)?;
        let owned_ms: f64 = instance.parts_ms.iter().filter_map(|samples| median(samples)).sum();
        Some(unowned_ms / (unowned_ms + owned_ms).max(f64::MIN_POSITIVE))
    };
    // Without a sample nothing is known to belong anywhere.
    median(&instances.iter().filter_map(share).collect::<Vec<_>>()).unwrap_or(1.0)
}
