//! A profiling session: the loop from a plan to a checked table.
//!
//! Each operator is stored as it arrives. What earlier sessions measured with the same runtime
//! and method is not measured again, so an interrupted session goes on where it stopped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Serialize;
use zen_agent::Scope;

use super::check::{CheckReport, MAX_NETWORKS, MeasuredNetwork, check, network_subject};
use super::plan::{MAX_OPERATORS, PlanOptions, draw_networks, plan};
use super::{Estimate, ProfileError, Runner, RunnerAbout, RunnerError, Subject, Target, measure};
use crate::latency::{Evidence, KeyKind, NewRun, OperatorKey, Precision, RunId, Setting, Store};
use crate::onnx::{OPERATOR_NODE_PREFIX, OnnxError, operator_model, sandwich_model};

/// Share of a time limit that operators may take; the rest is for whole networks.
const OPERATOR_TIME_SHARE: f64 = 0.7;
/// Largest batch size that is measured.
const MAX_BATCH_SIZE: u32 = 4096;
/// Tells the check's networks from those the plan was made of.
const CHECK_STREAM: u64 = 0x5eed_0fc4_ec4b_a5e5;

/// What to measure and how well.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub plan: PlanOptions,
    /// Images in one call.
    pub batch_size: u32,
    /// Whole networks to measure for the check; 0 for none.
    pub networks: usize,
    /// The session ends about then, with what it has.
    pub time_limit: Option<Duration>,
    pub operator_target: Target,
    pub network_target: Target,
}

impl SessionOptions {
    fn check(&self) -> Result<(), ProfileError> {
        for (name, value, from, to) in [
            ("the number of operators", self.plan.operators, 1, MAX_OPERATORS),
            ("the number of networks", self.networks, 0, MAX_NETWORKS),
            ("the batch size", self.batch_size as usize, 1, MAX_BATCH_SIZE),
        ] {
            if !(from as usize..=to as usize).contains(&value) {
                return Err(ProfileError::OutOfRange { name, value: value.to_string(), from, to });
            }
        }
        Ok(())
    }
}

/// What happens, for progress.
#[derive(Debug)]
pub enum Event<'e> {
    /// The plan stands.
    Planned {
        setting: &'e Setting,
        operators: usize,
        /// Of these, measured by earlier sessions.
        stored: usize,
        /// Distinct operators in the networks that the plan was made of.
        distinct: usize,
        networks: usize,
    },
    /// An operator was measured, or failed for a reason.
    Operator { key: &'e OperatorKey, result: Result<&'e Estimate, &'e str> },
    /// A whole network was measured.
    Network { structure: &'e str, estimate: &'e Estimate },
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The plan is done.
    Complete,
    /// The time limit came first.
    TimeLimit,
    /// The user interrupted.
    Interrupted,
}

/// Something that could not be timed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// An operator or a structure.
    pub subject: String,
    pub reason: String,
}

/// What a session did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub setting: Setting,
    #[serde(skip)]
    pub run: RunId,
    pub ending: Ending,
    /// Operators measured by this session.
    pub measured: usize,
    /// Operators of the plan that earlier sessions had measured.
    pub stored: usize,
    /// Operators of the plan without a time yet, except the failed ones.
    pub remaining: usize,
    pub failed: Vec<Failure>,
    /// None when no networks were wanted or there was no time for at least two.
    pub check: Option<CheckReport>,
}

/// The setting that a runner's numbers belong to.
pub fn local_setting(about: &RunnerAbout, batch_size: u32) -> Setting {
    Setting::new(&about.device, about.runtime, Precision::Fp32, batch_size).with_threads(about.threads)
}

/// Measures the operators of a plan that are not stored yet, then checks the table on whole
/// networks. `interrupted` is asked between operators.
///
/// # Errors
/// When options are out of range, the database cannot be used, or the device is lost. What was
/// measured until then is stored.
pub fn profile(
    store: &mut Store,
    runner: &mut dyn Runner,
    options: &SessionOptions,
    interrupted: &dyn Fn() -> bool,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, ProfileError> {
    options.check()?;
    store.read_only_own_runs(true);
    let outcome = measure_and_check(store, runner, options, interrupted, on_event);
    store.read_only_own_runs(false);
    outcome
}

fn measure_and_check(
    store: &mut Store,
    runner: &mut dyn Runner,
    options: &SessionOptions,
    interrupted: &dyn Fn() -> bool,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, ProfileError> {
    let about = runner.about();
    let setting = local_setting(&about, options.batch_size);
    let plan = plan(&options.plan)?;
    let known = known_keys(store, &setting, &about)?;
    let missing: Vec<_> = plan.keys.iter().filter(|key| !known.contains(*key)).copied().collect();
    let stored = plan.keys.len() - missing.len();
    on_event(Event::Planned {
        setting: &setting,
        operators: plan.keys.len(),
        stored,
        distinct: plan.distinct,
        networks: options.networks,
    });
    let run = store.begin_run(&setting, &new_run(&about, options))?;
    let mut session = Session { store, runner, options, interrupted, on_event, setting, run, start: Instant::now() };
    let mut outcome = Outcome {
        setting: session.setting.clone(),
        run,
        ending: Ending::Complete,
        measured: 0,
        stored,
        remaining: missing.len(),
        failed: Vec::new(),
        check: None,
    };
    session.operators(&missing, &mut outcome)?;
    // A table without any row cannot be checked.
    if outcome.ending != Ending::Interrupted && outcome.measured + stored > 0 {
        session.networks(&mut outcome)?;
    }
    if outcome.ending != Ending::Interrupted {
        session.store.finish_run(run, outcome.check.as_ref().map(|check| &check.error))?;
    }
    Ok(outcome)
}

/// Operators that the user's earlier runs measured by the same runtime and method.
fn known_keys(store: &Store, setting: &Setting, about: &RunnerAbout) -> Result<BTreeSet<OperatorKey>, ProfileError> {
    let mut known = BTreeSet::new();
    for run in store.runs(setting)? {
        let same = run.about.runtime_version == about.runtime_version && run.about.method == about.method;
        if run.shipped.is_none() && same {
            known.extend(store.measured_keys(run.id)?);
        }
    }
    Ok(known)
}

fn new_run(about: &RunnerAbout, options: &SessionOptions) -> NewRun {
    let PlanOptions { space, lower, operators, seed } = &options.plan;
    NewRun {
        origin: "measured with zen-profile".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        runtime_version: about.runtime_version.clone(),
        host: about.host.clone(),
        method: about.method.clone(),
        notes: format!(
            "operators of {} networks at {}x{}, plan of {operators}, seed {seed}{}",
            space.name,
            lower.resolution,
            lower.resolution,
            if lower.squeeze_excite { ", squeeze-and-excitation" } else { "" }
        ),
    }
}

/// What an operator is timed as: between 1x1 convolutions, where it runs as in a network; a lone
/// activation or batch norm would vanish into them and is timed alone.
fn operator_subject(key: &OperatorKey, batch_size: u32, seed: u64) -> Result<Subject, OnnxError> {
    let model = if key.kind == KeyKind::Elementwise { operator_model } else { sandwich_model };
    let scope = Scope::Nodes(OPERATOR_NODE_PREFIX.to_owned());
    Ok(Subject { name: key.to_string(), model: model(key, batch_size, seed)?, scope, without: Vec::new() })
}

struct Session<'s> {
    store: &'s mut Store,
    runner: &'s mut dyn Runner,
    options: &'s SessionOptions,
    interrupted: &'s dyn Fn() -> bool,
    on_event: &'s mut dyn FnMut(Event<'_>),
    setting: Setting,
    run: RunId,
    start: Instant,
}

impl Session<'_> {
    /// Why to stop now, if `share` of the time limit is over or the user interrupted.
    fn stop(&self, share: f64) -> Option<Ending> {
        if (self.interrupted)() {
            return Some(Ending::Interrupted);
        }
        let limit = self.options.time_limit?.mul_f64(share);
        (self.start.elapsed() >= limit).then_some(Ending::TimeLimit)
    }

    fn operators(&mut self, keys: &[OperatorKey], outcome: &mut Outcome) -> Result<(), ProfileError> {
        let seed = self.options.plan.seed;
        for key in keys {
            if let Some(ending) = self.stop(OPERATOR_TIME_SHARE) {
                outcome.ending = ending;
                return Ok(());
            }
            let subject = operator_subject(key, self.setting.batch_size, seed);
            let result = match subject {
                Ok(subject) => measure(self.runner, &subject, &self.options.operator_target),
                Err(error) => Err(RunnerError::Model(error.to_string())),
            };
            outcome.remaining -= 1;
            match result {
                Ok(estimate) => {
                    let Estimate { median_ms, stderr_ms, samples_ms, .. } = &estimate;
                    let evidence = Evidence::Measured;
                    self.store.insert_measurement(self.run, key, *median_ms, *stderr_ms, evidence, samples_ms)?;
                    outcome.measured += 1;
                    (self.on_event)(Event::Operator { key, result: Ok(&estimate) });
                }
                Err(RunnerError::Model(reason)) => {
                    self.store.insert_failure(self.run, key, &reason)?;
                    (self.on_event)(Event::Operator { key, result: Err(&reason) });
                    outcome.failed.push(Failure { subject: key.to_string(), reason });
                }
                Err(RunnerError::Lost(reason)) => return Err(ProfileError::Lost(reason)),
            }
        }
        Ok(())
    }

    fn networks(&mut self, outcome: &mut Outcome) -> Result<(), ProfileError> {
        let PlanOptions { space, lower, seed, .. } = self.options.plan;
        let drawn = draw_networks(space, &lower, self.options.networks, seed ^ CHECK_STREAM)?;
        let mut measured = Vec::with_capacity(drawn.len());
        for (network, graph) in drawn {
            if let Some(ending) = self.stop(1.0) {
                outcome.ending = ending;
                break;
            }
            let subject = network_subject(&network, &graph, self.setting.batch_size, seed)?;
            match measure(self.runner, &subject, &self.options.network_target) {
                Ok(estimate) => {
                    (self.on_event)(Event::Network { structure: &subject.name, estimate: &estimate });
                    measured.push(MeasuredNetwork { network, graph, estimate });
                }
                Err(RunnerError::Model(reason)) => outcome.failed.push(Failure { subject: subject.name, reason }),
                Err(RunnerError::Lost(reason)) => return Err(ProfileError::Lost(reason)),
            }
        }
        if outcome.ending != Ending::Interrupted {
            outcome.check = check(self.store, self.run, &self.setting, &lower, space.name, &measured)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
