//! Trying a table of another machine on this one before it is used, the first time.

use std::cell::RefCell;

use clap::Args;

use super::options::{DatabaseArgs, OutputArgs, open_store};
use super::print::columns;
use super::{Progress, interrupt_flag, interrupted};
use crate::latency::{
    ChosenTable, LatencyError, Precision, Setting, SpotCheck, SpotChecks, Store, Table, TableChoice, Verdict,
    require_choice,
};
use crate::net::Graph;
use crate::profile::{ProfileError, SPOT_NETWORKS, TriedTable, open_here, spot_check};

/// Whether tables are tried.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct CheckArgs {
    /// Use a built-in or imported table of this machine's processor as it is: neither try it here the first time, which
    /// takes some seconds, nor use what was found when it was tried
    #[arg(long)]
    pub no_check: bool,
}

/// How a table is chosen, and tried where it must be.
pub struct Trial<'a> {
    pub database: &'a DatabaseArgs,
    pub output: &'a OutputArgs,
    pub no_check: bool,
    /// Whether this program may spend seconds on it; otherwise only earlier results count.
    pub measures: bool,
    /// Results that no database has: it could not be written.
    found: RefCell<Option<SpotCheck>>,
}

impl<'a> Trial<'a> {
    pub fn new(database: &'a DatabaseArgs, output: &'a OutputArgs, check: CheckArgs) -> Self {
        database.note_if_missing(output);
        Self { database, output, no_check: check.no_check, measures: true, found: RefCell::new(None) }
    }

    /// One that only uses earlier results.
    pub fn of_earlier(database: &'a DatabaseArgs, output: &'a OutputArgs) -> Self {
        Self { measures: false, ..Self::new(database, output, CheckArgs::default()) }
    }

    /// The table that networks are predicted from; one of another machine is tried here first.
    ///
    /// # Errors
    /// When the database cannot be read, there is no such table, or it was refused on this machine.
    pub fn choose(
        &self,
        store: &Store,
        setting: &Setting,
        choice: &TableChoice,
        networks: &[&Graph],
    ) -> Result<ChosenTable, ProfileError> {
        let found = self.found.borrow().clone();
        let checks = match (&found, self.no_check) {
            (_, true) => SpotChecks::Ignore,
            (Some(check), false) => SpotChecks::With(check),
            (None, false) => SpotChecks::Stored,
        };
        let mut chosen = require_choice(store, setting, choice, networks, checks)?;
        if chosen.is_to_be_tried() {
            chosen.decision.not_tried = match (self.no_check, self.measures) {
                (true, _) => Some("--no-check".to_owned()),
                (false, false) => None,
                (false, true) => match self.try_out(store, &chosen.table) {
                    Ok(check) => {
                        chosen = require_choice(store, setting, choice, networks, SpotChecks::With(&check))?;
                        *self.found.borrow_mut() = Some(check);
                        None
                    }
                    Err(ProfileError::Interrupted) => return Err(ProfileError::Interrupted),
                    Err(error) => Some(error.to_string()),
                },
            };
        }
        match &chosen.decision.used.spot_check {
            Some(check) if check.verdict == Verdict::Refused => Err(LatencyError::Refused {
                table: chosen.table.source.to_string(),
                setting: setting.id(),
                reason: check.to_string(),
                runtime: setting.runtime.clone(),
            }
            .into()),
            _ => Ok(chosen),
        }
    }

    /// Measures a few networks of the table here and keeps what that shows.
    fn try_out(&self, store: &Store, table: &Table) -> Result<SpotCheck, ProfileError> {
        self.output.note(format!(
            "note: {} of {} is used on this machine for the first time: trying up to {SPOT_NETWORKS} of its networks, some seconds \
             (--no-check skips that)",
            table.source, table.setting
        ));
        let found = try_table(store, table, None, self.output)?;
        self.output.note(format!("note: {} of {}: {}", table.source, table.setting, found.check));
        keep(self.database, &found.check, self.output);
        Ok(found.check)
    }
}

/// Measures a few networks of a table on this machine; `python` is the interpreter that has the runtime, if it is named.
///
/// # Errors
/// When the table's runtime cannot be used here in its precision, or too few networks could be measured.
pub fn try_table(
    store: &Store,
    table: &Table,
    python: Option<String>,
    output: &OutputArgs,
) -> Result<TriedTable, ProfileError> {
    let Setting { runtime, precision, threads, .. } = &table.setting;
    if (*precision, *threads) != (Precision::Fp32, 1) {
        let reason = format!("only fp32 on one thread is measured here, not {precision} on {threads}");
        return Err(ProfileError::NotTried { setting: table.setting.id(), reason });
    }
    let mut runner = open_here(runtime, python, Some(interrupt_flag()))?;
    let mut progress = Progress::new("trying the table on this machine", SPOT_NETWORKS as u64, output.quiet);
    spot_check(runner.as_mut(), table, store.now()?, &interrupted, &mut |done, network| {
        progress.set(done as u64, || format!("{:.3} ms", network.measured_ms));
    })
}

/// Stores a result; says where that is not possible.
pub fn keep(database: &DatabaseArgs, check: &SpotCheck, output: &OutputArgs) -> bool {
    let stored = open_store(database).and_then(|mut store| store.insert_spot_check(check));
    if let Err(error) = &stored {
        output.note(format!("note: this is not kept, the next program tries the table again: {error}"));
    }
    stored.is_ok()
}

/// What was measured and what it says, for people.
pub fn describe_trial(table: &Table, found: &TriedTable) -> String {
    let mut lines = vec![
        ["measured here", "known to", "by the table", "measured/table", "there", "ms per call, network"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for network in &found.tried {
        lines.push(vec![
            format!("{:.3}", network.measured_ms),
            format!("+-{:.1}%", network.stderr_ms / network.measured_ms * 100.0),
            format!("{:.3}", network.predicted_ms),
            format!("{:.3}", network.measured_ms / network.predicted_ms),
            format!("{:.3}", network.there_ms),
            format!(
                "{} at {}{}",
                network.structure,
                network.resolution,
                if network.squeeze_excite { ", squeeze-and-excitation" } else { "" }
            ),
        ]);
    }
    let what = format!("{} of {}: {}", table.source, table.setting, found.check);
    let then = match found.check.verdict {
        Verdict::Confirmed => "it is used as it is, with its own error".to_owned(),
        Verdict::Scaled => format!(
            "it is used with every time multiplied by {:.3}, as fitted; error {:.1}%: each of these networks predicted \
             with the factor of the others, and no less than the table's own",
            found.check.factor,
            found.check.mape.max(table.error.as_ref().map_or(0.0, |error| error.mape)) * 100.0
        ),
        Verdict::Refused => {
            "it is not used here; measure this machine: zen-profile --device cpu, about 8 minutes".to_owned()
        }
    };
    format!("{}\n\n{what}\n{then}", columns(&lines))
}
