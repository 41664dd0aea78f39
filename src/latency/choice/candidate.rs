//! Tables that could be used: whose machine each is of, what it covers, what its error rests on.
//!
//! Not here: which of them is used (`choice`).

use zen_agent::Machine;

use super::{Candidate, ENOUGH_COVERED, ENOUGH_NETWORKS, SpotChecks, TableMachine};
use crate::latency::{LatencyError, Predictor, Setting, SpotCheck, Store, Table, TableSource, Verdict};
use crate::net::Graph;

/// This machine, where a setting is of a processor of its name.
pub(super) struct Here(pub Option<Machine>);

impl Here {
    pub fn of(setting: &Setting) -> Self {
        // Reading what processor this is takes time that other devices need not spend.
        if !setting.device.starts_with("cpu-") {
            return Self(None);
        }
        let machine = Machine::here();
        Self((machine.device_name() == setting.device).then_some(machine))
    }

    pub fn machine_of(&self, table: &Table) -> TableMachine {
        let Some(Machine { processor, .. }) = &self.0 else { return TableMachine::Device };
        let is_local = matches!(table.source, TableSource::Local { .. });
        let same = match (&table.about.processor, processor) {
            (Some(of_table), Some(here)) => of_table.is_same_kind(here) || (is_local && of_table == here),
            // Earlier versions did not ask what processor it was.
            _ => is_local,
        };
        if same { TableMachine::ThisMachine } else { TableMachine::AnotherMachine }
    }

    /// The check that counts for a table.
    fn check(&self, store: &Store, table: &Table, checks: SpotChecks<'_>) -> Result<Option<SpotCheck>, LatencyError> {
        let is_local = matches!(table.source, TableSource::Local { .. });
        let Some(machine) = self.0.as_ref().filter(|_| !is_local) else { return Ok(None) };
        let (setting, content) = (table.setting.id(), table.content());
        match checks {
            SpotChecks::Ignore => return Ok(None),
            SpotChecks::With(check) if check.setting == setting && check.content == content => {
                return Ok(Some(check.clone()));
            }
            _ => {}
        }
        let processor = machine.processor.as_ref().map_or_else(String::new, ToString::to_string);
        store.spot_check(&setting, &content, &processor, &machine.words())
    }
}

/// A table that could be used, read.
pub(super) struct Chosen {
    pub table: Table,
    pub candidate: Candidate,
}

impl Chosen {
    pub fn of(
        store: &Store,
        table: Table,
        networks: &[&Graph],
        here: &Here,
        checks: SpotChecks<'_>,
    ) -> Result<Self, LatencyError> {
        let machine = here.machine_of(&table);
        let spot_check = here.check(store, &table, checks)?;
        let table = spot_check.as_ref().map_or_else(|| Ok(table.clone()), |check| check.applied(&table))?;
        let held_out = || table.networks.iter().filter(|network| !network.check.calibration && !network.given).count();
        let checked_networks =
            table.error.as_ref().map_or(0, |error| error.networks.unwrap_or_else(|| held_out() as u32));
        let covered = match networks {
            [] => None,
            // A table that cannot predict covers nothing.
            networks => Some(Predictor::from_table(&table).map_or(0.0, |predictor| covered(&predictor, networks))),
        };
        let mut candidate = Candidate {
            source: table.source.clone(),
            error: table.error.clone(),
            checked_networks,
            covered,
            machine,
            spot_check,
            warning: table.about.warning.clone(),
            lacks: Vec::new(),
        };
        candidate.lacks = candidate.missing();
        Ok(Self { table, candidate })
    }
}

/// Share of networks' predicted time inside a table, mean over the networks.
fn covered(predictor: &Predictor, networks: &[&Graph]) -> f64 {
    let inside = |network: &&Graph| 1.0 - predictor.predict(network).extrapolated_share;
    networks.iter().map(inside).sum::<f64>() / networks.len().max(1) as f64
}

impl Candidate {
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.spot_check.as_ref().map(|check| check.verdict)
    }

    pub(super) fn is_refused(&self) -> bool {
        self.verdict() == Some(Verdict::Refused)
    }

    /// Whether its error can be that of this device: of its own machine, or tried here.
    pub(super) fn is_trusted(&self) -> bool {
        let is_tried = self.verdict().is_some_and(|verdict| verdict != Verdict::Refused);
        self.machine != TableMachine::AnotherMachine || is_tried
    }

    pub(super) fn covers(&self) -> bool {
        self.covered.is_none_or(|covered| covered >= ENOUGH_COVERED)
    }

    pub(super) fn is_checked(&self) -> bool {
        self.checked_networks >= ENOUGH_NETWORKS
    }

    pub(super) fn is_built_in(&self) -> bool {
        matches!(self.source, TableSource::BuiltIn { .. })
    }

    /// What it lacks to be used without question.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if let Some(covered) = self.covered.filter(|_| !self.covers()) {
            let (covered, enough) = (covered * 100.0, ENOUGH_COVERED * 100.0);
            missing.push(format!("covers {covered:.0}% of the predicted time ({enough:.0}% are needed)"));
        }
        if !self.is_checked() {
            let networks = self.checked_networks;
            missing.push(format!("was checked on {networks} held-out networks ({ENOUGH_NETWORKS} are needed)"));
        }
        if self.is_refused() {
            missing.push("was refused by the check on this machine".to_owned());
        } else if !self.is_trusted() {
            missing.push("is another machine's".to_owned());
        }
        if !self.warning.is_empty() {
            missing.push(format!("is marked: {}", self.warning));
        }
        missing
    }

    /// How well its error is supported, the more the greater; the last is the error itself, to be small.
    pub(super) fn support(&self) -> (bool, bool, bool, bool, bool, u32, bool, f64) {
        let has_error = self.error.is_some() && self.is_trusted();
        let local = matches!(self.source, TableSource::Local { .. }) && self.machine != TableMachine::AnotherMachine;
        let error = self.error.as_ref().map_or(f64::INFINITY, |error| error.mape);
        let supported = self.is_trusted() && self.is_checked() && self.covers();
        // In tenths: a little more says nothing.
        let tenths = self.covered.map_or(0, |covered| (10.0 * covered) as u32);
        (!self.is_refused(), self.warning.is_empty(), supported, self.covers(), has_error, tenths, local, -error)
    }
}
