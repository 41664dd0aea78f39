//! The bench of a session: a runner, the table that it fills, the run that it does, a watch on the machine, and
//! limits.
//!
//! What a session does is functions on it: operators inside networks (`inside`) or one by one (`operators`), a table
//! from another one (`adapt`), the check (`check`), given networks (`given`). Not here: the statistics of one time
//! (`estimate`), the watch itself (`drift`).

use std::time::{Duration, Instant};

use super::drift::Watch;
use super::session::{Ending, Event, Failure, Outcome};
use super::{Estimate, ProfileError, Runner, RunnerError, Settled, Subject, Target, measure};
use crate::latency::{Evidence, OperatorKey, Predictor, RunId, Setting, Store, Table, TableChoice, TableError};

pub(super) struct Bench<'s> {
    pub runner: &'s mut dyn Runner,
    pub table: Filled<'s>,
    pub run: Run<'s>,
    pub watch: Watch,
    pub limits: SessionLimits<'s>,
}

/// The table that is filled or checked.
pub(super) struct Filled<'s> {
    pub store: &'s mut Store,
    pub setting: Setting,
    pub choice: TableChoice,
}

/// What is done, and who hears of it.
pub(super) struct Run<'s> {
    pub id: RunId,
    pub outcome: Outcome,
    pub on_event: &'s mut dyn FnMut(Event<'_>),
}

/// How long it may take, and how well times are to be known.
pub(super) struct SessionLimits<'s> {
    pub start: Instant,
    pub time: Option<Duration>,
    pub operator: Target,
    pub network: Target,
    pub interrupted: &'s dyn Fn() -> bool,
}

impl<'s> Bench<'s> {
    pub fn new(
        runner: &'s mut dyn Runner,
        table: Filled<'s>,
        run: Run<'s>,
        watch: Watch,
        limits: SessionLimits<'s>,
    ) -> Self {
        Self { runner, table, run, watch, limits }
    }

    /// Takes the steps of a session, and finishes its run unless they were interrupted. The steps return the error
    /// of the table where they found one.
    pub fn carry_out(
        mut self,
        steps: impl FnOnce(&mut Self) -> Result<Option<TableError>, ProfileError>,
    ) -> Result<Outcome, ProfileError> {
        let error = match steps(&mut self) {
            Err(ProfileError::Interrupted) => {
                self.run.outcome.ending = Ending::Interrupted;
                None
            }
            other => other?,
        };
        let Self { runner, table, run, watch, .. } = self;
        let mut outcome = run.outcome;
        outcome.drift = watch.report();
        outcome.members = runner.members();
        if outcome.ending != Ending::Interrupted {
            outcome.left_out = error.clone();
            let checked = outcome.check.as_ref().map(|check| &check.error);
            table.store.finish_run(run.id, checked.or(error.as_ref()))?;
        }
        Ok(outcome)
    }

    /// Times a subject until its median is known well enough or a limit is reached.
    ///
    /// # Errors
    /// As the runner's.
    pub fn measure(&mut self, subject: &Subject, target: &Target) -> Result<Estimate, RunnerError> {
        measure(self.runner, subject, target)
    }

    /// Stores the time of an operator, and tells it.
    pub fn store(&mut self, key: &OperatorKey, estimate: &Estimate) -> Result<(), ProfileError> {
        let Estimate { median_ms, stderr_ms, samples_ms, .. } = estimate;
        let (evidence, stderr_ms) = (Evidence::Measured, Some(*stderr_ms));
        self.table.store.insert_measurement(self.run.id, key, *median_ms, stderr_ms, evidence, samples_ms)?;
        (self.run.on_event)(Event::Operator { key, result: Ok(estimate) });
        Ok(())
    }
}

impl Filled<'_> {
    /// The table as it is now; none before anything was stored.
    pub fn read(&self) -> Result<Option<Table>, ProfileError> {
        Ok(self.store.table(&self.setting, &self.choice)?)
    }

    /// Operators with a time in the table.
    pub fn operators(&self) -> Result<usize, ProfileError> {
        Ok(self.read()?.map_or(0, |table| table.rows.len()))
    }

    /// Predicts from the table as it is now.
    pub fn predictor(&self) -> Result<Predictor, ProfileError> {
        Ok(Predictor::from_table(&self.store.require_table(&self.setting, &self.choice)?)?)
    }
}

impl<'s> Run<'s> {
    /// A run that stands in the database, with nothing measured yet.
    pub fn begun(id: RunId, setting: Setting, on_event: &'s mut dyn FnMut(Event<'_>)) -> Self {
        Self { id, outcome: Outcome::begun(setting, id), on_event }
    }

    pub fn is_interrupted(&self) -> bool {
        self.outcome.ending == Ending::Interrupted
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

impl<'s> SessionLimits<'s> {
    /// The time limit counts from now.
    pub fn new(time: Option<Duration>, operator: &Target, network: &Target, interrupted: &'s dyn Fn() -> bool) -> Self {
        Self { start: Instant::now(), time, operator: operator.clone(), network: network.clone(), interrupted }
    }

    /// Why to stop now, if all but `reserve` of the time limit is over or the user interrupted.
    pub fn stop(&self, reserve: Duration) -> Option<Ending> {
        if (self.interrupted)() {
            return Some(Ending::Interrupted);
        }
        let limit = self.time?.saturating_sub(reserve);
        (self.start.elapsed() >= limit).then_some(Ending::TimeLimit)
    }
}
