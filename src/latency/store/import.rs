//! Imported tables in the store: brought in once each, and removed.

use rusqlite::TransactionBehavior;
use serde::Serialize;

use super::super::{LatencyError, Setting, Table};
use super::{ImportedFrom, Purpose, RunId, Store, write};
use crate::hash::fnv1a;

/// An imported table, as a user names it.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ImportedTable {
    pub setting: Setting,
    #[serde(flatten)]
    pub from: ImportedFrom,
    /// Operators with a time.
    pub operators: usize,
    /// As the file states it.
    pub date: String,
}

impl ImportedTable {
    /// Whether a user means it: by setting, file name or hash.
    pub fn is_called(&self, what: &str) -> bool {
        self.setting.id() == what || self.from.file == what || self.from.content == what
    }
}

/// `my-gpu/tensorrt/fp16/b1 from mine.csv (hash 0123456789abcdef, 12 operators, 2026-01-01)`.
impl std::fmt::Display for ImportedTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { setting, from, operators, date } = self;
        let day = date.split('T').next().unwrap_or(date);
        write!(f, "{setting} from {} (hash {}, {operators} operators, date {day})", from.file, from.content)
    }
}

impl Store {
    /// Stores a table from the text of a file of this name, unless the same setting has the very same content
    /// already; says whether it was stored.
    ///
    /// # Errors
    /// When the text does not read or the database cannot be written.
    pub fn import_table(&mut self, file: &str, text: &str) -> Result<bool, LatencyError> {
        self.import(file, text, &Table::parse(file, text)?)
    }

    /// The same for a table that was read from that text.
    pub(in crate::latency) fn import(&mut self, file: &str, text: &str, table: &Table) -> Result<bool, LatencyError> {
        let from = ImportedFrom { file: file.to_owned(), content: format!("{:016x}", fnv1a(text.bytes())) };
        let known = self.runs(&table.setting)?;
        if known.iter().any(|run| run.imported.as_ref().is_some_and(|known| known.content == from.content)) {
            return Ok(false);
        }
        let mut import = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut about = table.about.clone();
            about.purpose = Purpose::Imported;
            let run = write::begin_run(&transaction, &table.setting, &about, Some((&table.date, &from)))?;
            let mut rows = write::RowWriter::new(&transaction)?;
            for row in &table.rows {
                rows.insert(run, row)?;
            }
            drop(rows);
            for network in &table.networks {
                super::checks::insert_check(&transaction, run, &network.check)?;
            }
            for network in &table.published {
                write::insert_published(&transaction, run, network)?;
            }
            if let Some(model) = &table.model {
                write::insert_model(&transaction, run, model)?;
            }
            write::finish_run(&transaction, run, table.error.as_ref())?;
            transaction.commit()
        };
        import().map_err(|source| self.failed("storing an imported table", source))?;
        Ok(true)
    }

    /// Every imported table, by setting, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn imported_tables(&self) -> Result<Vec<ImportedTable>, LatencyError> {
        let mut tables = Vec::new();
        let mut settings = self.stored_settings()?;
        settings.sort();
        for setting in settings {
            for run in self.runs(&setting)? {
                let Some(from) = run.imported else { continue };
                let operators = self.operators_of(run.id)?;
                tables.push(ImportedTable { setting: setting.clone(), from, operators, date: run.started_at });
            }
        }
        Ok(tables)
    }

    /// Removes an imported table: all of its rows and networks, nothing else.
    ///
    /// # Errors
    /// When there is no such table or the database cannot be written.
    pub fn remove_imported(&mut self, setting: &Setting, from: &ImportedFrom) -> Result<(), LatencyError> {
        let runs = self.runs(setting)?;
        let ids: Vec<RunId> =
            runs.into_iter().filter(|run| run.imported.as_ref() == Some(from)).map(|run| run.id).collect();
        let mut remove = || {
            let transaction = self.connection.transaction()?;
            for run in &ids {
                transaction.execute("DELETE FROM run WHERE id = ?1", [run.0])?;
            }
            transaction.commit()
        };
        remove().map_err(|source| self.failed("removing an imported table", source))
    }
}
