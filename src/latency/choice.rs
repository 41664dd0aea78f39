//! Which of a setting's tables predicts, and why: one decision for every program.
//!
//! Tables differ in whose machine they are of, in the shapes that they cover, and in what their error rests on. A
//! table of one's own replaces a built-in one only where it covers what is asked and was checked; otherwise the table
//! whose error is better supported is used. Whatever is not used is named with its error. Not here: reading tables
//! (`store`), trying one on this machine (`profile::spot_check`), what is printed (`report`).

mod candidate;

use std::collections::BTreeSet;

use serde::Serialize;

use self::candidate::{Chosen, Here};
use super::store::SettingTable;
use super::{
    Evidence, Fuser, LatencyError, OperatorKey, Setting, SpotCheck, Store, Table, TableChoice, TableError, TableSource,
};
use crate::net::Graph;

/// Held-out networks from which on an error counts: the mean of ten relative errors is known to about a quarter of itself.
pub const ENOUGH_NETWORKS: u32 = 10;
/// Share of the predicted time that must lie inside a table: the rest can then move the whole by a tenth of its own error.
pub const ENOUGH_COVERED: f64 = 0.9;

/// What is done with checks of other machines' tables on this one.
#[derive(Clone, Copy, Debug)]
pub enum SpotChecks<'c> {
    /// Tables are taken as they are.
    Ignore,
    /// Those of the database count.
    Stored,
    /// This one counts for its table, and those of the database for others.
    With(&'c SpotCheck),
}

/// Whose machine a table is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableMachine {
    /// The device is not this machine.
    Device,
    /// Measured here, or on a processor of the same kind.
    ThisMachine,
    /// Of a processor of the same name that is another one, or that is not known to be the same.
    AnotherMachine,
}

/// Why a table is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// There is no other.
    OnlyTable,
    /// The user said so.
    AskedFor,
    /// Every operator of the network was measured here.
    MeasuredForTheNetwork,
    /// It is the user's own, covers what is asked and was checked on enough networks.
    CoversAndChecked,
    /// No table of the user's own does; this one's error is the best supported.
    BetterSupported,
}

impl Reason {
    /// For people, behind the name of the table.
    pub fn words(self) -> &'static str {
        match self {
            Reason::OnlyTable => "the only one",
            Reason::AskedFor => "asked for with --table",
            Reason::MeasuredForTheNetwork => "every operator of this network was measured",
            Reason::CoversAndChecked => "it covers the network and was checked on enough whole networks",
            Reason::BetterSupported => "the best supported of them",
        }
    }
}

/// A table that could be used.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Candidate {
    pub source: TableSource,
    /// As it states it on this machine; none where it was never checked on whole networks.
    pub error: Option<TableError>,
    /// Held-out networks that the error is of.
    pub checked_networks: u32,
    /// Share of the asked networks' predicted time inside the table's rows; none where nothing was asked, or where
    /// there is no choice.
    pub covered: Option<f64>,
    pub machine: TableMachine,
    /// What trying it on this machine showed.
    pub spot_check: Option<SpotCheck>,
    /// Why its numbers are to be doubted; empty where there is no such reason.
    pub warning: String,
    /// What it lacks to be used without question, a phrase each.
    pub lacks: Vec<String>,
}

/// The table that is used, why, and those that are not.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Decision {
    #[serde(flatten)]
    pub used: Candidate,
    pub reason: Reason,
    pub others: Vec<Candidate>,
    /// Why the table was not tried on this machine, where it should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_tried: Option<String>,
}

/// A table with the decision for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenTable {
    /// Scaled, where the check on this machine said so.
    pub table: Table,
    pub decision: Decision,
}

impl ChosenTable {
    /// Whether the table is another machine's, to be used on this one, and was not tried here yet.
    pub fn is_to_be_tried(&self) -> bool {
        let used = &self.decision.used;
        let is_local = matches!(used.source, TableSource::Local { .. });
        used.machine != TableMachine::Device && !is_local && used.spot_check.is_none()
    }
}

/// The table that networks are predicted from; none where there is nothing of what was chosen. Without networks, what
/// tables cover does not count.
///
/// # Errors
/// When the database cannot be read, or what it holds does not make sense.
pub fn choose_table(
    store: &Store,
    setting: &Setting,
    choice: &TableChoice,
    networks: &[&Graph],
    checks: SpotChecks<'_>,
) -> Result<Option<ChosenTable>, LatencyError> {
    let listed = store.tables(setting)?;
    let usable: Vec<usize> = match eligible(&listed) {
        // What was asked for may be unfinished.
        usable if *choice == TableChoice::Best => usable,
        mut usable => {
            usable.extend(named_table(&listed, choice).filter(|index| !usable.contains(index)));
            usable
        }
    };
    let here = Here::of(setting);
    let mut candidates = Vec::with_capacity(usable.len());
    for index in &usable {
        let table = store.read_table(setting, &listed, *index)?;
        // How much is covered decides only where there is a choice.
        let asked = if usable.len() > 1 { networks } else { &[] };
        candidates.push((*index, Chosen::of(store, table, asked, &here, checks)?));
    }
    let own = match (choice, networks) {
        (TableChoice::Best, [network]) => measured_for(store, setting, &listed, network)?,
        _ => None,
    };
    let (reason, index) = if *choice != TableChoice::Best {
        match named_table(&listed, choice) {
            Some(index) => (Reason::AskedFor, index),
            None => return Ok(None),
        }
    } else if let Some(index) = own {
        let reason =
            if usable.iter().any(|other| *other != index) { Reason::MeasuredForTheNetwork } else { Reason::OnlyTable };
        (reason, index)
    } else {
        match decide(&candidates) {
            Some(found) => found,
            None => return Ok(None),
        }
    };
    if !candidates.iter().any(|(other, _)| *other == index) {
        let table = store.read_table(setting, &listed, index)?;
        candidates.push((index, Chosen::of(store, table, networks, &here, checks)?));
    }
    let (used, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|(other, _)| *other == index);
    let Some((_, Chosen { table, candidate })) = used.into_iter().next() else { return Ok(None) };
    let others = others.into_iter().map(|(_, other)| other.candidate).collect();
    let decision = Decision { used: candidate, reason, others, not_tried: None };
    Ok(Some(ChosenTable { table, decision }))
}

/// As [`choose_table`] where there must be one.
///
/// # Errors
/// As [`choose_table`]; without a table names those of the device.
pub fn require_choice(
    store: &Store,
    setting: &Setting,
    choice: &TableChoice,
    networks: &[&Graph],
    checks: SpotChecks<'_>,
) -> Result<ChosenTable, LatencyError> {
    match choose_table(store, setting, choice, networks, checks)? {
        Some(chosen) => Ok(chosen),
        None => Err(store.no_table(setting, choice)?),
    }
}

/// Tables to choose among: finished ones; without any, whatever there is.
fn eligible(listed: &[SettingTable]) -> Vec<usize> {
    let all = |wanted: &dyn Fn(&SettingTable) -> bool| -> Vec<usize> {
        listed.iter().enumerate().filter(|(_, table)| wanted(table)).map(|(index, _)| index).collect()
    };
    let is_local = |table: &SettingTable| matches!(table.source, TableSource::Local { .. });
    let ready = all(&|table| !is_local(table) || table.finished);
    let filled = || all(&|table| table.is_filled());
    let first = |found: Vec<usize>| found.into_iter().take(1).collect::<Vec<_>>();
    match (ready.is_empty(), filled().is_empty()) {
        (false, _) => ready,
        (true, false) => first(filled()),
        (true, true) => first(all(&|_| true)),
    }
}

/// Which of a setting's tables a user names.
pub(super) fn named_table(listed: &[SettingTable], choice: &TableChoice) -> Option<usize> {
    let find = |wanted: &dyn Fn(&SettingTable) -> bool| listed.iter().position(wanted);
    let is_local = |table: &SettingTable| matches!(table.source, TableSource::Local { .. });
    match choice {
        TableChoice::Best => None,
        TableChoice::Host(host) => find(&|table| table.source == TableSource::Local { host: host.clone() }),
        TableChoice::Local => find(&|table| is_local(table) && table.is_filled()).or_else(|| find(&is_local)),
        TableChoice::Imported => find(&|table| matches!(table.source, TableSource::Imported { .. })),
        TableChoice::BuiltIn => find(&|table| matches!(table.source, TableSource::BuiltIn { .. })),
    }
}

/// A local table in which every operator of a network was measured, or tried, the newest first.
fn measured_for(
    store: &Store,
    setting: &Setting,
    listed: &[SettingTable],
    network: &Graph,
) -> Result<Option<usize>, LatencyError> {
    let is_local = |table: &SettingTable| matches!(table.source, TableSource::Local { .. });
    if !listed.iter().any(is_local) {
        return Ok(None);
    }
    let needed: BTreeSet<OperatorKey> = Fuser::default().fuse(network).iter().copied().collect();
    let failed: BTreeSet<OperatorKey> = store.failures(setting)?.into_iter().map(|(key, _)| key).collect();
    for (index, _) in listed.iter().enumerate().filter(|(_, table)| is_local(table)) {
        let table = store.read_table(setting, listed, index)?;
        let measured = table.rows.iter().filter(|row| row.evidence == Evidence::Measured).map(|row| row.key);
        let measured: BTreeSet<OperatorKey> = measured.collect();
        let known = |key: &OperatorKey| measured.contains(key) || failed.contains(key);
        if !measured.is_empty() && needed.iter().all(known) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// The place in the list of the table that is used where nobody says which, and why.
fn decide(candidates: &[(usize, Chosen)]) -> Option<(Reason, usize)> {
    if let [(only, _)] = candidates {
        return Some((Reason::OnlyTable, *only));
    }
    let is_local = |candidate: &Candidate| matches!(candidate.source, TableSource::Local { .. });
    let qualifies = |candidate: &Candidate| {
        let unquestioned = candidate.warning.is_empty() && candidate.is_trusted() && !candidate.is_refused();
        !candidate.is_built_in() && unquestioned && candidate.covers() && candidate.is_checked()
    };
    let first = |local: bool| {
        candidates.iter().find(|(_, Chosen { candidate, .. })| is_local(candidate) == local && qualifies(candidate))
    };
    if let Some((index, _)) = first(true).or_else(|| first(false)) {
        return Some((Reason::CoversAndChecked, *index));
    }
    let mut best: Option<&(usize, Chosen)> = None;
    for found in candidates {
        // The first of equals: the newest.
        let is_better = best.is_none_or(|(_, best)| {
            let (new, old) = (found.1.candidate.support(), best.candidate.support());
            new.partial_cmp(&old) == Some(std::cmp::Ordering::Greater)
        });
        if is_better {
            best = Some(found);
        }
    }
    best.map(|(index, _)| (Reason::BetterSupported, *index))
}

#[cfg(test)]
mod tests;
