//! Operators measured inside running networks: each network that is run tells the time of all its
//! operators where they belong, between their neighbours, with weights and maps as far away as
//! they are in use.
//!
//! Networks come in three streams that take turns: fresh random ones, predicted before they are
//! measured so that the error of the table is known at any time; the most uncertain of several random
//! ones, which teach most; and what small searches choose by the table as it is (`chosen`). Not here:
//! the table as it is meanwhile (`fitted`), the error that it states (`check`), the statistics of the predictions
//! (`learning`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::bench::Bench;
use super::check::{held_out, network_subject};
use super::chosen::choose;
use super::draw::{Drawer, Drawn};
use super::drift::Look;
use super::fitted::{FIRST_NETWORKS, Table, refit, refresh};
use super::learning::Learning;
use super::session::{Event, SessionOptions};
use super::{Ending, Parts, ProfileError, RunnerError};
use crate::latency::{NetworkCheck, NetworkTimes, OperatorKey, Predictor};
use crate::onnx::NetworkParts;
use crate::stats::median;

/// Freshly loaded instances of a network whose operators are timed.
const INSTANCES: usize = 2;
/// Random networks that the most uncertain one is chosen from.
const CONTENDERS: usize = 8;
/// Share of the time limit that whole networks may take at most.
const MAX_CHECK_SHARE: f64 = 0.4;
/// Networks in a row that fail before the session gives up.
const MAX_FAILURES: usize = 20;
/// Tells the streams of networks apart.
const UNCERTAIN_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// Why a network is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// At random: its error counts.
    Fresh,
    /// Its time is uncertain.
    Uncertain,
    /// A search chose it.
    Chosen,
}

/// The order of turns, again and again.
const TURNS: [Turn; 4] = [Turn::Fresh, Turn::Uncertain, Turn::Fresh, Turn::Chosen];

/// Measures the operators of networks until there are enough, fresh ones are predicted well
/// enough, or the time is up.
pub(super) fn inside(bench: &mut Bench<'_>, options: &SessionOptions) -> Result<Learning, ProfileError> {
    let stored = bench.table.read()?.map(|table| table.rows).unwrap_or_default();
    let mut operators: BTreeSet<OperatorKey> = stored.iter().map(|row| row.key).collect();
    bench.run.outcome.stored = operators.len();
    let sources = &options.plan.sources;
    let names: Vec<String> = sources.iter().map(|source| source.describe()).collect();
    (bench.run.on_event)(Event::Inside {
        setting: &bench.table.setting,
        stored: operators.len(),
        sources: names.join(", "),
        time_limit: bench.limits.time,
    });
    let mut networks = known_networks(bench)?;
    // A session that goes on draws other networks than the one before.
    let seed = options.plan.seed.wrapping_add(networks as u64);
    let mut fresh = Drawer::new(sources, seed)?;
    let mut others = Drawer::new(sources, seed ^ UNCERTAIN_STREAM)?;
    let held_out: BTreeSet<String> = held_out(options)?.iter().map(|drawn| drawn.network.to_string()).collect();
    let mut learning = Learning::default();
    let mut table = Table::default();
    if networks >= FIRST_NETWORKS || !stored.is_empty() {
        refit(bench, &mut table, &learning, networks)?;
    }
    let (mut turns, mut failures) = (0, 0);
    let mut network_time = Duration::ZERO;
    // As it was when the machine was last known to be steady.
    let mut steady = (learning.clone(), operators.clone(), networks);
    while operators.len() < options.plan.operators {
        let reserve = reserve(bench, options, network_time);
        if let Some(ending) = bench.limits.stop(reserve) {
            bench.run.outcome.ending = ending;
            break;
        }
        if options.target_within10.is_some_and(|target| learning.meets(target)) {
            bench.run.outcome.ending = Ending::TargetMet;
            break;
        }
        let mut turn = TURNS[turns % TURNS.len()];
        turns += 1;
        let drawn = match (&table.predictor, turn) {
            (Some(predictor), Turn::Uncertain) => most_uncertain(&mut others, predictor),
            (Some(predictor), Turn::Chosen) => {
                let source = &sources[turns / TURNS.len() % sources.len()];
                choose(source, predictor, seed.wrapping_add(turns as u64))
            }
            _ => None,
        };
        let drawn = drawn.or_else(|| {
            turn = Turn::Fresh;
            fresh.draw()
        });
        let Some(drawn) = drawn else { break };
        if held_out.contains(&drawn.network.to_string()) {
            continue;
        }
        let started = Instant::now();
        match network_inside(bench, options.plan.seed, &drawn, &table, turn, networks, &mut learning) {
            Ok(keys) => operators.extend(keys),
            Err(ProfileError::Network { structure, reason }) => {
                failures += 1;
                bench.run.fail(structure, reason);
                if failures >= MAX_FAILURES {
                    break;
                }
                continue;
            }
            Err(error) => {
                // Its operators may be finished where the whole network is not.
                bench.run.outcome.measured = bench.table.operators()? - bench.run.outcome.stored;
                return Err(error);
            }
        }
        if turn == Turn::Fresh {
            network_time = network_time.max(started.elapsed());
        }
        failures = 0;
        networks += 1;
        bench.run.outcome.inside_networks += 1;
        match bench.look(false, true)? {
            Look::NotDue => {}
            Look::Steady => steady = (learning.clone(), operators.clone(), networks),
            Look::TakenBack => {
                bench.run.outcome.inside_networks -= networks - steady.2;
                (learning, operators, networks) = steady.clone();
                // Made from what is no more.
                table = Table::default();
            }
        }
        bench.run.outcome.measured = operators.len() - bench.run.outcome.stored;
        let elapsed = bench.limits.start.elapsed();
        (bench.run.on_event)(Event::Learned { learning: &learning, operators: operators.len(), elapsed });
        if networks >= FIRST_NETWORKS {
            refresh(bench, &mut table, &learning, networks)?;
        }
    }
    bench.run.outcome.more_time = learning.more_time();
    bench.run.outcome.chosen_bias = learning.chosen_bias();
    Ok(learning)
}

/// Time to leave for the check.
fn reserve(bench: &Bench<'_>, options: &SessionOptions, network_time: Duration) -> Duration {
    let limit = bench.limits.time.unwrap_or_default();
    // Each network is measured twice, about as long as a fresh one with its operators.
    network_time.mul_f64(2.0 * options.networks as f64).min(limit.mul_f64(MAX_CHECK_SHARE))
}

/// Networks that this run measured before it was interrupted.
fn known_networks(bench: &Bench<'_>) -> Result<usize, ProfileError> {
    Ok(bench.table.store.checks(bench.run.id)?.iter().filter(|check| check.calibration).count())
}

/// Measures one network's operators, and a fresh one as a whole, and stores them.
fn network_inside(
    bench: &mut Bench<'_>,
    seed: u64,
    drawn: &Drawn,
    table: &Table,
    turn: Turn,
    networks: usize,
    learning: &mut Learning,
) -> Result<Vec<OperatorKey>, ProfileError> {
    let subject = network_subject(&drawn.network, &drawn.graph, bench.table.setting.batch_size, seed)?;
    let failed = |error: RunnerError| match error {
        RunnerError::Model(reason) => ProfileError::Network { structure: drawn.network.to_string(), reason },
        error => ProfileError::of_runner(error),
    };
    let parts = NetworkParts::new(&drawn.graph);
    let limits = &bench.limits.operator.limits.clone();
    let mut instances = Vec::with_capacity(INSTANCES);
    for _ in 0..INSTANCES {
        let owner = |node: &str| parts.owner(node);
        let mut once = || bench.runner.parts(&subject, &owner, parts.keys().len(), limits);
        // A busy machine may have spoiled every sample: once more.
        let instance = once().or_else(|error| match error {
            RunnerError::Model(_) => once(),
            error => Err(error),
        });
        instances.push(instance.map_err(failed)?);
    }
    let observed = observations(&parts, &instances);
    let keys = observed.iter().map(|(key, ..)| *key).collect();
    let mut check = None;
    if let Some(predictor) = &table.predictor {
        let predicted_ms = predictor.predict(&drawn.graph).ms;
        let (measured_ms, stderr_ms) = match turn {
            Turn::Fresh => {
                let target = bench.limits.network.quick();
                let estimate = match bench.measure(&subject, &target) {
                    Ok(estimate) => estimate,
                    Err(error) => {
                        // The operators are finished, whatever became of the whole.
                        bench.table.store.insert_observations(bench.run.id, &observed, None)?;
                        return Err(failed(error));
                    }
                };
                bench.run.count(&estimate);
                let times = NetworkTimes {
                    measured_ms: estimate.median_ms,
                    // What is cold in a network is in the times of operators inside networks already, as
                    // far as it is in networks of all sizes: small ones stay in the caches.
                    cold_weight_giga: 0.0,
                    cold_map_giga: 0.0,
                    warm: 1.0,
                    ..predictor.class_times(&drawn.graph)
                };
                learning.push(networks, predicted_ms, times);
                (estimate.median_ms, Some(estimate.stderr_ms))
            }
            Turn::Uncertain | Turn::Chosen => {
                // Good enough to see what searches choose.
                let measured_ms = whole_ms(&instances).map_err(failed)?;
                if turn == Turn::Chosen {
                    learning.push_chosen(predicted_ms, measured_ms);
                }
                (measured_ms, None)
            }
        };
        // The table is made of it, so it is never to be held out.
        check = Some(NetworkCheck { calibration: true, ..drawn.check(predicted_ms, measured_ms, stderr_ms) });
    }
    bench.table.store.insert_observations(bench.run.id, &observed, check.as_ref())?;
    Ok(keys)
}

/// A network's time by the calls in which its operators were timed.
fn whole_ms(instances: &[Parts]) -> Result<f64, RunnerError> {
    let medians: Vec<f64> = instances.iter().filter_map(|instance| median(&instance.whole_ms)).collect();
    let whole_ms = median(&medians).filter(|ms| ms.is_finite() && *ms > 0.0);
    whole_ms.ok_or_else(|| RunnerError::Model("the runner gave no time of the whole network".to_owned()))
}

/// Each operator's time in a network: the median over instances of each one's median, and these.
/// Operators that occur several times are told apart only by their place, so their median counts.
pub(super) fn observations(parts: &NetworkParts, instances: &[Parts]) -> Vec<(OperatorKey, f64, Vec<f64>)> {
    let mut times: BTreeMap<OperatorKey, Vec<f64>> = BTreeMap::new();
    for instance in instances {
        for (key, samples) in parts.keys().iter().zip(&instance.parts_ms) {
            // A runtime may have merged an operator into another: it then has no time of its own.
            times.entry(*key).or_default().extend(median(samples).filter(|ms| ms.is_finite() && *ms > 0.0));
        }
    }
    times.into_iter().filter_map(|(key, times)| Some((key, median(&times)?, times))).collect()
}

/// The network of several whose time is least certain.
fn most_uncertain(drawer: &mut Drawer, predictor: &Predictor) -> Option<Drawn> {
    let uncertainty = |drawn: &Drawn| {
        let prediction = predictor.predict(&drawn.graph);
        let uncertain_ms: f64 = prediction.operators.iter().map(|operator| operator.ms * operator.uncertainty).sum();
        uncertain_ms / prediction.ms
    };
    let drawn = (0..CONTENDERS).map_while(|_| drawer.draw()).map(|drawn| (uncertainty(&drawn), drawn));
    drawn.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, drawn)| drawn)
}
