//! A profiling session: what is asked for, what happens, and the order of its parts.
//!
//! First operators are measured, inside running networks where the runtime times its nodes
//! (`inside`), else each by itself (`operators`); then networks that nothing was fitted on tell the
//! error of the table (`check`). Everything is stored as it arrives: an interrupted session is
//! continued by the next one with the same runtime.

mod outcome;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use super::adapt::adapt;
use super::bench::{Bench, Filled, Run, SessionLimits};
use super::check::{MAX_NETWORKS, check_held_out, fit_and_check};
use super::drift::{DriftOptions, Watch};
use super::inside::inside;
use super::learning::Learning;
use super::operators::{form_id, operator_method, operators};
use super::plan::{MAX_OPERATORS, PlanOptions};
use super::{Estimate, OperatorForm, ProfileError, Runner, RunnerAbout, Target};
use crate::latency::{
    Evidence, Fingerprint, NewRun, OperatorKey, Purpose, RunId, Setting, Store, TableChoice, TableError,
};

pub use outcome::{Ending, Failure, Outcome};

/// How operators are timed inside networks, as an id that stays.
pub(super) const INSIDE: &str = "inside";
/// Largest batch size that is measured.
const MAX_BATCH_SIZE: u32 = 4096;

/// What to measure and how well.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub plan: PlanOptions,
    /// Images in one call.
    pub batch_size: u32,
    /// Whole networks held out for the check; 0 for none.
    pub networks: usize,
    /// The session ends about then, with what it has.
    pub time_limit: Option<Duration>,
    /// Measuring ends when this share of fresh networks was predicted within 10%.
    pub target_within10: Option<f64>,
    /// Take this setting's table as a beginning and measure whole networks only.
    pub adapt_from: Option<Setting>,
    /// Measure no operator: check the table there is, local or built-in.
    pub only_check: bool,
    pub operator_target: Target,
    pub network_target: Target,
    /// How the steadiness of the machine is watched; none for not at all.
    pub drift: Option<DriftOptions>,
}

impl SessionOptions {
    fn check(&self) -> Result<(), ProfileError> {
        in_range("the number of operators", self.plan.operators, 1, MAX_OPERATORS)?;
        in_range("the number of networks", self.networks, 0, MAX_NETWORKS)?;
        check_batch(self.batch_size)?;
        if self.plan.sources.is_empty() {
            let name = "the number of search spaces";
            return Err(ProfileError::OutOfRange { name, value: "0".to_owned(), from: 1, to: 100 });
        }
        Ok(())
    }
}

/// Whether models of so many images are measured.
pub(super) fn check_batch(batch_size: u32) -> Result<(), ProfileError> {
    in_range("the batch size", batch_size as usize, 1, MAX_BATCH_SIZE)
}

fn in_range(name: &'static str, value: usize, from: u32, to: u32) -> Result<(), ProfileError> {
    match (from as usize..=to as usize).contains(&value) {
        true => Ok(()),
        false => Err(ProfileError::OutOfRange { name, value: value.to_string(), from, to }),
    }
}

/// What happens, for progress.
#[derive(Debug)]
pub enum Event<'e> {
    /// A plan of single operators stands.
    Planned {
        setting: &'e Setting,
        operators: usize,
        /// Of these, measured by earlier sessions.
        stored: usize,
        /// Distinct operators in the networks that the plan was made of.
        distinct: usize,
        networks: usize,
    },
    /// The operators of given networks are going to be measured.
    Given {
        setting: &'e Setting,
        /// Distinct operators of all networks.
        operators: usize,
        /// Of these, measured before.
        stored: usize,
    },
    /// Operators are going to be measured inside networks.
    Inside {
        setting: &'e Setting,
        /// Operators that earlier sessions measured.
        stored: usize,
        /// Where networks come from, for people.
        sources: String,
        time_limit: Option<Duration>,
    },
    /// An operator was measured, or failed for a reason.
    Operator { key: &'e OperatorKey, result: Result<&'e Estimate, &'e str> },
    /// The operators of one more network were measured; what is learned so far.
    Learned { learning: &'e Learning, operators: usize, elapsed: Duration },
    /// The check begins with so many measurements.
    Check { measurements: usize },
    /// A whole network was measured for the check.
    Network { structure: &'e str, estimate: &'e Estimate },
}

/// The setting that a runner's numbers belong to. What an emulated machine measures is never filed
/// under the device that it imitates.
pub fn setting_of(about: &RunnerAbout, batch_size: u32) -> Setting {
    let device = if about.emulated { format!("{}-emulated", about.device) } else { about.device.clone() };
    Setting::new(&device, about.runtime, about.precision, batch_size).with_threads(about.threads)
}

/// Measures operators, then checks the table on whole networks. `interrupted` is asked between
/// measurements.
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
    let about = runner.about();
    let setting = setting_of(&about, options.batch_size);
    if let Some(from) = options.adapt_from.as_ref().filter(|from| from.batch_size != setting.batch_size) {
        return Err(ProfileError::AdaptBatch { from: from.id(), to: setting.id() });
    }
    if options.adapt_from.is_some() {
        // Measured operators would stay, under a model that was not fitted to them.
        let table = store.table(&setting, &TableChoice::Host(about.host.clone()))?;
        let rows = table.map(|table| table.rows).unwrap_or_default();
        let measured = rows.iter().filter(|row| row.evidence == Evidence::Measured).count();
        if measured > 0 {
            return Err(ProfileError::AdaptMeasured { setting: setting.id(), measured });
        }
    }
    let inside = runner.times_parts();
    let new_run = new_run(&about, options, inside, runner.operator_form());
    let run = match unfinished(store, &setting, &new_run)? {
        Some(run) => run,
        None => store.begin_run(&setting, &new_run)?,
    };
    let choice = if options.only_check { TableChoice::Best } else { TableChoice::Host(about.host) };
    let run = Run::begun(run, setting.clone(), on_event);
    let limits = SessionLimits::new(options.time_limit, &options.operator_target, &options.network_target, interrupted);
    let bench = Bench::new(runner, Filled { store, setting, choice }, run, Watch::new(options.drift.clone()), limits);
    bench.carry_out(|bench| steps(bench, options, inside, &new_run))
}

/// All of it, in order; returns the error of an adapted table on the networks left out.
fn steps(
    bench: &mut Bench<'_>,
    options: &SessionOptions,
    is_inside: bool,
    new_run: &NewRun,
) -> Result<Option<TableError>, ProfileError> {
    bench.look(true, true)?;
    let mut error = None;
    match &options.adapt_from {
        _ if options.only_check => check_held_out(bench, options, 0)?,
        Some(from) => {
            let (calibration, left_out) = adapt(bench, options, from)?;
            error = left_out;
            if !bench.run.is_interrupted() {
                check_held_out(bench, options, calibration)?;
            }
        }
        None => {
            let learning = if is_inside { inside(bench, options)? } else { operators(bench, options, new_run)? };
            // A table without any row cannot be checked.
            if !bench.run.is_interrupted() && bench.run.outcome.measured + bench.run.outcome.stored > 0 {
                fit_and_check(bench, options, learning)?;
            }
        }
    }
    if !bench.run.is_interrupted() {
        bench.look(true, false)?;
    }
    Ok(error)
}

/// The newest run that measured the setting in the same way, if it was interrupted.
pub(super) fn unfinished(store: &Store, setting: &Setting, new_run: &NewRun) -> Result<Option<RunId>, ProfileError> {
    let runs = store.runs(setting)?.into_iter();
    let newest = runs.filter(|run| run.imported.is_none()).find(|run| run.about.continues(new_run));
    Ok(newest.filter(|run| run.finished_at.is_none()).map(|run| run.id))
}

fn new_run(about: &RunnerAbout, options: &SessionOptions, inside: bool, form: OperatorForm) -> NewRun {
    let PlanOptions { sources: plan_sources, seed, .. } = &options.plan;
    let sources: Vec<String> = plan_sources.iter().map(|source| source.describe()).collect();
    let (purpose, form, what) = if options.only_check {
        (Purpose::Check, "check", "fresh whole networks")
    } else if options.adapt_from.is_some() {
        let what = "whole networks only; operators scaled from another setting's table";
        (Purpose::Adapted, "adapted", what)
    } else if inside {
        let what = "operators inside random whole networks, each by its own nodes; median over networks of medians \
                    over freshly loaded instances";
        (Purpose::SearchSpaces, INSIDE, what)
    } else {
        (Purpose::SearchSpaces, form_id(form), operator_method(form))
    };
    let ids: Vec<String> = plan_sources.iter().map(|source| source.id()).collect();
    let from = options.adapt_from.as_ref().map_or_else(String::new, |from| format!(" from:{from}"));
    NewRun {
        purpose,
        fingerprint: Fingerprint::new(form, &format!("networks:{}{from} seed:{seed}", ids.join(","))),
        origin: "measured with zen-profile".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        runtime_version: about.runtime_version.clone(),
        host: about.host.clone(),
        processor: about.processor.clone(),
        method: format!("{what}; {}", about.clock),
        notes: match &options.adapt_from {
            Some(from) => format!("adapted from {from} on networks of {}, seed {seed}", sources.join(", ")),
            None => format!("networks of {}, seed {seed}", sources.join(", ")),
        },
        warning: String::new(),
    }
}
