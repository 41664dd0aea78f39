//! Latency tables for people and as JSON: what there is, where it comes from, how good it is.

use serde::Serialize;

use super::print::{table, table_lines};
use crate::latency::{
    Device, Evidence, Imported, LatencyError, Purpose, Setting, SpotChecks, Store, Table, TableChoice, TableSource,
    UNIT, require_choice, runtime_name, same_device_name,
};
use crate::report::Quality;

/// The table of one setting.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct TableSummary {
    pub setting: Setting,
    /// Of every time in the table.
    pub unit: &'static str,
    /// Strongest evidence in the table.
    pub evidence: Evidence,
    /// Operators with a time.
    pub measured: usize,
    pub fitted: usize,
    pub interpolated: usize,
    /// Operators whose every attempt failed.
    pub failed: usize,
    /// How good it is: its error on whole networks, and how far measurements are from each other.
    #[serde(flatten)]
    pub quality: Quality,
    /// Runs on the setting, newest first; a built-in table is told as one.
    pub runs: Vec<RunSummary>,
}

/// Where numbers come from.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RunSummary {
    pub date: String,
    /// The table that the run belongs to.
    pub table: TableSource,
    /// Whether predictions are made from that table.
    pub counts: bool,
    pub purpose: Option<Purpose>,
    pub finished: bool,
    pub origin: String,
    pub licence: String,
    pub runtime_version: String,
    pub host: String,
    pub method: String,
    pub notes: String,
}

/// Every table of a database, by setting.
///
/// # Errors
/// When the database cannot be read.
pub fn all_tables(store: &Store) -> Result<Vec<TableSummary>, LatencyError> {
    store.settings()?.iter().map(|setting| summarise(store, setting)).collect()
}

/// The tables of a device, or the one of a setting's id.
///
/// # Errors
/// When the database cannot be read, the device is unknown, or has no table.
pub fn tables_of(store: &Store, what: &str) -> Result<Vec<TableSummary>, LatencyError> {
    let all = store.settings()?;
    let device_of = |name: &str| -> Result<String, LatencyError> {
        match all.iter().find(|setting| same_device_name(&setting.device, name)) {
            Some(setting) => Ok(setting.device.clone()),
            None => Ok(Device::find(name)?.table_name()),
        }
    };
    let name = match what.contains('/') {
        true => {
            let setting: Setting = what.parse()?;
            let device = device_of(&setting.device).unwrap_or(setting.device);
            Setting { device, runtime: runtime_name(&setting.runtime), ..setting }.id()
        }
        false => device_of(what)?,
    };
    let found: Vec<_> = all.iter().filter(|setting| setting.device == name || setting.id() == name).collect();
    if found.is_empty() {
        let device = name.split('/').next().unwrap_or(&name);
        let known: Vec<_> = all.iter().filter(|setting| setting.device == device).map(Setting::id).collect();
        let available = match known.is_empty() {
            true => format!("`zen-profile devices` lists what there is, `zen-profile --device {what}` measures one"),
            false => format!("there are {}", known.join(", ")),
        };
        return Err(LatencyError::NoTable { kind: String::new(), setting: name, available });
    }
    found.into_iter().map(|setting| summarise(store, setting)).collect()
}

fn summarise(store: &Store, setting: &Setting) -> Result<TableSummary, LatencyError> {
    let chosen = require_choice(store, setting, &TableChoice::Best, &[], SpotChecks::Stored)?;
    let table = &chosen.table;
    let count = |evidence| table.rows.iter().filter(|row| row.evidence == evidence).count();
    let [measured, fitted, interpolated] = Evidence::ALL.map(count);
    // A table without operators is a fitted formula.
    let evidence = match (measured, fitted, interpolated) {
        (1.., _, _) => Evidence::Measured,
        (0, 0, 1..) => Evidence::Interpolated,
        _ => Evidence::Fitted,
    };
    let mut runs = Vec::new();
    for other in store.tables(setting)? {
        let counts = other.source == table.source;
        if let TableSource::BuiltIn { .. } = other.source {
            let built_in = store.require_table(setting, &TableChoice::BuiltIn)?;
            runs.push(RunSummary::of_built_in(&built_in, counts));
        }
        runs.extend(other.runs.into_iter().map(|run| RunSummary {
            date: run.started_at,
            table: other.source.clone(),
            counts,
            purpose: Some(run.about.purpose),
            finished: run.finished_at.is_some(),
            origin: run.about.origin,
            licence: run.about.licence,
            runtime_version: run.about.runtime_version,
            host: run.about.host,
            method: run.about.method,
            notes: run.about.notes,
        }));
    }
    Ok(TableSummary {
        setting: setting.clone(),
        unit: UNIT,
        evidence,
        measured,
        fitted,
        interpolated,
        failed: store.failures(setting)?.len(),
        quality: Quality::of(&chosen),
        runs,
    })
}

impl RunSummary {
    fn of_built_in(table: &Table, counts: bool) -> Self {
        let about = &table.about;
        Self {
            date: table.date.clone(),
            table: table.source.clone(),
            counts,
            purpose: None,
            finished: true,
            origin: about.origin.clone(),
            licence: about.licence.clone(),
            runtime_version: about.runtime_version.clone(),
            host: about.host.clone(),
            method: about.method.clone(),
            notes: about.notes.clone(),
        }
    }
}

/// An import in one line: setting, rows, and what the file does not say.
pub fn describe_import(imported: &Imported) -> String {
    let Imported { setting, evidence, rows, repeated, missing, notes, changed, warning, used, unused } = imported;
    let rows = if *rows == 0 { "a formula".to_owned() } else { format!("{rows} operators") };
    let known = if *changed { "" } else { ", known already: nothing changed" };
    let lacks =
        if missing.is_empty() { String::new() } else { format!("; the file does not say: {}", missing.join(", ")) };
    let mut text = format!("{setting}: {rows}, {evidence}, {UNIT}{known}{lacks}");
    notes.iter().for_each(|note| text.push_str(&format!("\n{note}")));
    if *repeated > 0 {
        text.push_str(&format!("\n{repeated} operators are there more than once: the median of their times counts"));
    }
    if !unused.is_empty() {
        let unused: Vec<String> = unused.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "\nused for this setting: {used}, unless a network asks for another; {} stays in the database",
            unused.join(", ")
        ));
    }
    if !warning.is_empty() {
        text.push_str(&format!("\nWARNING: {warning}; this is said wherever the table is used"));
    }
    text
}

impl TableSummary {
    /// One line: setting, evidence, operators, error.
    pub fn line(&self) -> String {
        let error = self.quality.brief();
        let operators = self.measured + self.fitted + self.interpolated;
        let what = if operators == 0 { "formula".to_owned() } else { format!("{operators} operators") };
        let mut source = match &self.quality.table {
            TableSource::Imported { .. } => "imported".to_owned(),
            TableSource::BuiltIn { .. } => "built-in".to_owned(),
            TableSource::Local { host } if !host.is_empty() => format!("local, on {host}"),
            TableSource::Local { .. } => "local".to_owned(),
        };
        match self.quality.decision.others.len() {
            0 => {}
            others => source.push_str(&format!(" ({others} more, not used)")),
        }
        if !self.quality.decision.used.warning.is_empty() {
            source.push_str(", WARNING: imported with --force");
        }
        format!("{:40} {:12} {what:16} {error:68} {source}", self.setting.id(), self.evidence)
    }

    /// Everything, a line each.
    pub fn text(&self) -> String {
        let mut lines = vec![
            ("setting", self.setting.id()),
            ("unit", self.unit.to_owned()),
            ("evidence", self.evidence.to_string()),
            (
                "operators",
                format!(
                    "{} measured, {} fitted, {} interpolated, {} failed",
                    self.measured, self.fitted, self.interpolated, self.failed
                ),
            ),
        ];
        lines.extend(table_lines(&self.quality));
        lines.push(("table error", self.quality.to_string()));
        for run in &self.runs {
            let state = match (&run.table, run.finished) {
                (TableSource::Imported { file, .. }, _) => format!("imported from {file}"),
                (TableSource::BuiltIn { name }, _) => format!("built-in, {name}"),
                (TableSource::Local { .. }, true) => "local".to_owned(),
                (TableSource::Local { .. }, false) => "local, interrupted".to_owned(),
            };
            let state = if run.counts { state } else { format!("{state}, not used for predictions") };
            lines.push(("run", format!("{}, {state}: {}", run.date, run.origin)));
            for (label, value) in [
                ("  licence", &run.licence),
                ("  runtime", &run.runtime_version),
                ("  host", &run.host),
                ("  method", &run.method),
                ("  notes", &run.notes),
            ] {
                if !value.is_empty() {
                    lines.push((label, value.clone()));
                }
            }
        }
        table(&lines)
    }
}
