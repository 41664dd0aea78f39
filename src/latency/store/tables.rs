//! Tables as values: which there are of a setting, and reading one of them.
//!
//! A setting may have several: the user's own of each machine that was measured (local), imported ones, a
//! built-in one. They are never mixed: a table may stand for another machine of the same name.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::built_in::{built_in_settings, built_in_stated, built_in_table};
use super::super::checked::checked_networks;
use super::super::choice::named_table;
use super::super::{Evidence, LatencyError, OperatorKey, Setting, SpotChecks, Table, choose_table};
use super::{NewRun, Purpose, Row, Run, Store};
use crate::stats::median_and_stderr;

/// Which table to read where a setting has several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TableChoice {
    /// What [`choose_table`](super::super::choose_table) decides.
    #[default]
    Best,
    /// The local one of this machine ([`NewRun::host`]), finished or not.
    Host(String),
    /// The local one of the machine that was measured last, finished or not.
    Local,
    /// The newest imported one.
    Imported,
    BuiltIn,
}

impl TableChoice {
    /// What can be asked for by name.
    pub const NAMED: [(&str, TableChoice); 3] =
        [("local", TableChoice::Local), ("built-in", TableChoice::BuiltIn), ("imported", TableChoice::Imported)];
}

/// As it is asked for; the best one has no name.
impl std::fmt::Display for TableChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = Self::NAMED.iter().find(|(_, choice)| choice == self);
        f.pad(named.map_or("best", |(name, _)| name))
    }
}

impl std::str::FromStr for TableChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::NAMED.map(|(name, _)| name).join(", ");
        let found = Self::NAMED.into_iter().find(|(name, _)| *name == text).map(|(_, choice)| choice);
        found.ok_or_else(|| format!("unknown table `{text}`, known are {}", known()))
    }
}

/// Where a table comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TableSource {
    /// Measured by the user, on this machine.
    Local { host: String },
    /// Read from the user's file of this name.
    Imported {
        file: String,
        /// Hash of the content: with the setting it tells imported tables apart.
        content: String,
    },
    /// Inside the program.
    BuiltIn { name: String },
}

/// `the local table of HOST`.
impl std::fmt::Display for TableSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local { host } if host.is_empty() => f.write_str("the local table"),
            Self::Local { host } => write!(f, "the local table of {host}"),
            Self::Imported { file, .. } => write!(f, "the table imported from {file}"),
            Self::BuiltIn { .. } => f.write_str("the built-in table"),
        }
    }
}

/// One of the tables of a setting, without its content.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingTable {
    pub source: TableSource,
    /// Newest first; none of a built-in table.
    pub runs: Vec<Run>,
    /// Whether it has operators from a run that is finished, and not for given networks alone.
    pub finished: bool,
    /// Whether it has operators or a model.
    filled: bool,
}

/// What a table states about itself, for lists and comparisons.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Stated {
    pub source: TableSource,
    /// Of its operators, or of its formula when it has none.
    pub evidence: Evidence,
    /// When it was measured or derived.
    pub date: String,
    /// Mean absolute relative error on whole networks, as a share; none where it was never checked on any.
    pub mape: Option<f64>,
    /// Whole networks behind that error.
    pub networks: Option<u32>,
}

impl Stated {
    /// Of a table that was read.
    pub fn of(table: &Table) -> Self {
        Self {
            source: table.source.clone(),
            evidence: table.evidence,
            date: table.date.clone(),
            mape: table.error.as_ref().map(|error| error.mape),
            networks: table.error.as_ref().and_then(|error| error.networks),
        }
    }
}

impl SettingTable {
    /// Whether it has operators or a model.
    pub fn is_filled(&self) -> bool {
        self.filled
    }
}

impl Store {
    /// Every setting that has a run or a built-in table, sorted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn settings(&self) -> Result<Vec<Setting>, LatencyError> {
        let mut settings: BTreeSet<Setting> = self.stored_settings()?.into_iter().collect();
        if self.built_in {
            settings.extend(built_in_settings()?);
        }
        Ok(settings.into_iter().collect())
    }

    /// The tables of a setting, the one with the newest run first, the built-in one last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tables(&self, setting: &Setting) -> Result<Vec<SettingTable>, LatencyError> {
        let mut tables: Vec<SettingTable> = Vec::new();
        for run in self.runs(setting)? {
            let source = match &run.imported {
                None => TableSource::Local { host: run.about.host.clone() },
                Some(from) => TableSource::Imported { file: from.file.clone(), content: from.content.clone() },
            };
            let (timed, model) = self.content_of(run.id)?;
            let found = tables.iter().position(|table| table.source == source).unwrap_or_else(|| {
                tables.push(SettingTable { source, runs: Vec::new(), finished: false, filled: false });
                tables.len() - 1
            });
            let table = &mut tables[found];
            table.finished |= run.finished_at.is_some() && timed && run.about.purpose.fills_a_table();
            table.filled |= timed || model;
            table.runs.push(run);
        }
        if self.built_in && built_in_settings()?.contains(setting) {
            let name = setting.id().replace('/', "_");
            let source = TableSource::BuiltIn { name };
            tables.push(SettingTable { source, runs: Vec::new(), finished: true, filled: true });
        }
        Ok(tables)
    }

    /// The table of a setting as it is, whatever was tried on this machine; none where there is nothing of what was
    /// chosen. Where networks are to be predicted, [`choose_table`](super::super::choose_table) knows more.
    ///
    /// # Errors
    /// When the database cannot be read, or what it holds does not make sense.
    pub fn table(&self, setting: &Setting, choice: &TableChoice) -> Result<Option<Table>, LatencyError> {
        if *choice == TableChoice::Best {
            let chosen = choose_table(self, setting, choice, &[], SpotChecks::Ignore)?;
            return Ok(chosen.map(|chosen| chosen.table));
        }
        let tables = self.tables(setting)?;
        named_table(&tables, choice).map(|index| self.read_table(setting, &tables, index)).transpose()
    }

    /// What the table of a setting states about itself; none where there is nothing of what was chosen. Of a built-in
    /// table no more than its first lines are read.
    ///
    /// # Errors
    /// As [`Store::table`].
    pub fn stated(&self, setting: &Setting, choice: &TableChoice) -> Result<Option<Stated>, LatencyError> {
        let tables = self.tables(setting)?;
        if let [SettingTable { source: TableSource::BuiltIn { .. }, .. }] = &tables[..]
            && matches!(choice, TableChoice::Best | TableChoice::BuiltIn)
        {
            return built_in_stated(setting);
        }
        Ok(self.table(setting, choice)?.map(|table| Stated::of(&table)))
    }

    /// The same as [`Store::table`] where there must be one.
    ///
    /// # Errors
    /// As [`Store::table`]; without a table names those of the device, since another batch size is never
    /// extrapolated to.
    pub fn require_table(&self, setting: &Setting, choice: &TableChoice) -> Result<Table, LatencyError> {
        match self.table(setting, choice)? {
            Some(table) => Ok(table),
            None => Err(self.no_table(setting, choice)?),
        }
    }

    /// The table at a place in the list of a setting's tables.
    pub(in crate::latency) fn read_table(
        &self,
        setting: &Setting,
        tables: &[SettingTable],
        index: usize,
    ) -> Result<Table, LatencyError> {
        let SettingTable { source, runs, .. } = &tables[index];
        let networks = checked_networks(self, tables, index)?;
        if let TableSource::BuiltIn { .. } = source {
            let none = || self.no_table(setting, &TableChoice::BuiltIn);
            let mut table = match built_in_table(setting)? {
                Some(table) => table,
                None => return Err(none()?),
            };
            table.networks.extend(networks);
            return Ok(table);
        }
        let rows = self.rows_of(runs)?;
        // What measured whole networks alone fills no table; without any other run it is better than nothing.
        let told_by = runs.iter().find(|run| !matches!(run.about.purpose, Purpose::Check | Purpose::Verification));
        let (date, about) = match told_by.or(runs.first()) {
            Some(run) => (run.started_at.clone(), run.about.clone()),
            None => (String::new(), NewRun::default()),
        };
        let mut model = None;
        let mut published = Vec::new();
        for run in runs {
            if model.is_none() {
                model = self.model_of(run.id)?;
            }
            published.extend(self.published_networks(run.id)?);
        }
        Ok(Table {
            setting: setting.clone(),
            source: source.clone(),
            date,
            about,
            evidence: rows.iter().map(|row| row.evidence).max().unwrap_or(Evidence::Fitted),
            error: runs.iter().find_map(|run| run.error.clone()),
            model,
            rows,
            networks,
            published,
        })
    }

    pub(in crate::latency) fn no_table(
        &self,
        setting: &Setting,
        choice: &TableChoice,
    ) -> Result<LatencyError, LatencyError> {
        let all = self.settings()?;
        let same: Vec<_> = all.iter().filter(|known| known.device == setting.device).map(Setting::id).collect();
        let available = if all.contains(setting) && *choice != TableChoice::Best {
            let sources: Vec<String> = self.tables(setting)?.iter().map(|table| table.source.to_string()).collect();
            format!("there is {}", sources.join(" and "))
        } else if same.is_empty() {
            "the device has none; `zen-profile devices` lists those that do, `zen-profile --device NAME` measures one"
                .to_owned()
        } else {
            format!("the device has {}; other batch sizes are not extrapolated", same.join(", "))
        };
        let kind = match choice {
            TableChoice::Best => "",
            TableChoice::Host(_) | TableChoice::Local => "local ",
            TableChoice::Imported => "imported ",
            TableChoice::BuiltIn => "built-in ",
        }
        .to_owned();
        Ok(LatencyError::NoTable { kind, setting: setting.id(), available })
    }

    /// One row per operator that has a time in any of the runs, sorted by key: the strongest evidence, the newest
    /// run, in which several measurements count by their median.
    fn rows_of(&self, runs: &[Run]) -> Result<Vec<Row>, LatencyError> {
        // Weakest first, so that later ones replace earlier ones.
        let mut rows: BTreeMap<OperatorKey, (i64, Vec<Row>)> = BTreeMap::new();
        for (row, run) in self.measurements_of(runs)? {
            let (newest, same) = rows.entry(row.key).or_default();
            if *newest != run || same.last().is_some_and(|last| last.evidence != row.evidence) {
                *newest = run;
                same.clear();
            }
            same.push(row);
        }
        Ok(rows.into_values().filter_map(|(_, same)| combined(same)).collect())
    }
}

/// Several measurements of one operator as one row.
fn combined(rows: Vec<Row>) -> Option<Row> {
    let times: Vec<f64> = rows.iter().map(|row| row.ms).collect();
    let (ms, stderr_ms) = median_and_stderr(&times)?;
    let last = rows.last()?;
    let stderr_ms = if rows.len() == 1 { last.stderr_ms } else { Some(stderr_ms) };
    Some(Row { ms, stderr_ms, ..last.clone() })
}
