//! A profiling session: what is asked for, what happens, and the order of its parts.
//!
//! First operators are measured, inside running networks where the runtime times its nodes
//! (`inside`), else each by itself (`operators`); then networks that nothing was fitted on tell the
//! error of the table (`check`). Everything is stored as it arrives: an interrupted session is
//! continued by the next one with the same runtime.

mod outcome;
#[cfg(test)]
pub(super) mod tests;

use std::time::{Duration, Instant};

use super::check::MAX_NETWORKS;
use super::drift::{DriftOptions, Watch};
use super::learning::Learning;
use super::operators::{form_id, operator_method};
use super::plan::{MAX_OPERATORS, PlanOptions};
use super::{Estimate, OperatorForm, ProfileError, Runner, RunnerAbout, Settled, Target};
use crate::latency::{
    Evidence, Fingerprint, NewRun, OperatorKey, Predictor, Purpose, RunId, Setting, Store, Table, TableChoice,
    TableError,
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
    let mut steps = |session: &mut Session<'_>| session.steps(inside, &new_run);
    run_steps(store, runner, options, run, setting, interrupted, on_event, &mut steps)
}

/// Takes the steps of a session in a run that has begun, and finishes the run unless they were
/// interrupted. The steps return the error of the table where they found one.
#[allow(clippy::too_many_arguments)] // the parts of a session
pub(super) fn run_steps(
    store: &mut Store,
    runner: &mut dyn Runner,
    options: &SessionOptions,
    run: RunId,
    setting: Setting,
    interrupted: &dyn Fn() -> bool,
    on_event: &mut dyn FnMut(Event<'_>),
    steps: &mut dyn FnMut(&mut Session<'_>) -> Result<Option<TableError>, ProfileError>,
) -> Result<Outcome, ProfileError> {
    let outcome = Outcome::begun(setting.clone(), run);
    let start = Instant::now();
    let watch = Watch::default();
    let choice = if options.only_check { TableChoice::Best } else { TableChoice::Host(runner.about().host) };
    let mut session =
        Session { store, runner, options, interrupted, on_event, setting, choice, run, start, outcome, watch };
    let error = match steps(&mut session) {
        Err(ProfileError::Interrupted) => {
            session.outcome.ending = Ending::Interrupted;
            None
        }
        other => other?,
    };
    let Session { store, runner, mut outcome, watch, .. } = session;
    outcome.drift = watch.report();
    outcome.members = runner.members();
    if outcome.ending != Ending::Interrupted {
        outcome.left_out = error.clone();
        let checked = outcome.check.as_ref().map(|check| &check.error);
        store.finish_run(run, checked.or(error.as_ref()))?;
    }
    Ok(outcome)
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

/// A session under way.
pub(super) struct Session<'s> {
    pub store: &'s mut Store,
    pub runner: &'s mut dyn Runner,
    pub options: &'s SessionOptions,
    pub interrupted: &'s dyn Fn() -> bool,
    pub on_event: &'s mut dyn FnMut(Event<'_>),
    pub setting: Setting,
    /// The table that is filled or checked.
    pub choice: TableChoice,
    pub run: RunId,
    pub start: Instant,
    pub outcome: Outcome,
    pub watch: Watch,
}

impl Session<'_> {
    /// All of it, in order; returns the error of an adapted table on the networks left out.
    fn steps(&mut self, inside: bool, new_run: &NewRun) -> Result<Option<TableError>, ProfileError> {
        self.look(true, true)?;
        let mut error = None;
        match &self.options.adapt_from {
            _ if self.options.only_check => self.check_held_out(0)?,
            Some(from) => {
                let (calibration, left_out) = self.adapt(from)?;
                error = left_out;
                if self.outcome.ending != Ending::Interrupted {
                    self.check_held_out(calibration)?;
                }
            }
            None => {
                let learning = if inside { self.inside()? } else { self.operators(new_run)? };
                // A table without any row cannot be checked.
                if self.outcome.ending != Ending::Interrupted && self.outcome.measured + self.outcome.stored > 0 {
                    self.fit_and_check(learning)?;
                }
            }
        }
        if self.outcome.ending != Ending::Interrupted {
            self.look(true, false)?;
        }
        Ok(error)
    }

    /// The table as it is now; none before anything was stored.
    pub fn table(&self) -> Result<Option<Table>, ProfileError> {
        Ok(self.store.table(&self.setting, &self.choice)?)
    }

    /// Operators with a time in the table.
    pub fn operators_stored(&self) -> Result<usize, ProfileError> {
        Ok(self.table()?.map_or(0, |table| table.rows.len()))
    }

    /// Predicts from the table as it is now.
    pub fn predictor(&self) -> Result<Predictor, ProfileError> {
        Ok(Predictor::from_table(&self.store.require_table(&self.setting, &self.choice)?)?)
    }

    /// Why to stop now, if all but `reserve` of the time limit is over or the user interrupted.
    pub fn stop(&self, reserve: Duration) -> Option<Ending> {
        if (self.interrupted)() {
            return Some(Ending::Interrupted);
        }
        let limit = self.options.time_limit?.saturating_sub(reserve);
        (self.start.elapsed() >= limit).then_some(Ending::TimeLimit)
    }

    /// Counts a time as known well enough or not.
    pub fn count(&mut self, estimate: &Estimate) {
        let counter = match estimate.settled {
            Settled::Stable => &mut self.outcome.settled,
            Settled::BlockLimit | Settled::TimeLimit => &mut self.outcome.unsettled,
        };
        *counter += 1;
    }

    pub fn fail(&mut self, subject: String, reason: String) {
        self.outcome.failed.push(Failure { subject, reason });
    }
}
