//! Which of a setting's tables is read: the user's own of one machine, an imported one or the
//! shipped one. They are never mixed: a table may stand for another machine of the same name.

use serde::Serialize;

use super::super::{GIVEN_OPERATORS_METHOD, IMPORTED, LatencyError, Setting};
use super::{RunId, Store};

/// Which table to read where a setting has several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TableChoice {
    /// The user's own of the machine that was measured last, once a measurement of it has run to
    /// its end; before that the newest imported one, then the shipped one.
    #[default]
    Best,
    /// The shipped one, or where none is the newest imported one.
    Shipped,
    /// The user's own of this machine, finished or not.
    Own {
        /// As in [`NewRun::host`](super::NewRun).
        host: String,
    },
}

/// Where a table comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TableSource {
    /// Measured by the user, on this machine.
    Own {
        host: String,
    },
    /// Read from the user's file of this name.
    Imported {
        name: String,
    },
    Shipped {
        name: String,
    },
}

/// `your own table, measured on HOST`.
impl std::fmt::Display for TableSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own { host } if host.is_empty() => f.write_str("your own table"),
            Self::Own { host } => write!(f, "your own table, measured on {host}"),
            Self::Imported { name } => write!(f, "the imported table {name}"),
            Self::Shipped { name } => write!(f, "the shipped table {name}"),
        }
    }
}

/// One of the tables of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingTable {
    pub source: TableSource,
    /// Newest first.
    pub runs: Vec<RunId>,
    /// Whether predictions are made from it.
    pub counts: bool,
    /// Whether it has operators from a run that is finished, and not for given networks alone.
    pub finished: bool,
    /// Whether it has operators or a model.
    filled: bool,
}

/// Id, name of the file, machine, whether it is finished, has operators, has a model.
type StoredRun = (i64, Option<String>, String, bool, bool, bool);

impl Store {
    /// From now on reads these tables; returns what was read before.
    pub fn choose_tables(&mut self, choice: TableChoice) -> TableChoice {
        std::mem::replace(&mut self.choice, choice)
    }

    /// The tables that are read now.
    pub fn chosen_tables(&self) -> &TableChoice {
        &self.choice
    }

    /// The tables of a setting, the one with the newest run first; at most one counts.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tables(&self, setting: &Setting) -> Result<Vec<SettingTable>, LatencyError> {
        let read = || -> rusqlite::Result<Vec<StoredRun>> {
            let mut statement = self.connection.prepare(
                "SELECT r.id, r.shipped, r.host,
                     r.finished_at IS NOT NULL AND substr(r.method, 1, length(?2)) <> ?2,
                     EXISTS (SELECT 1 FROM measurement m
                         WHERE m.run_id = r.id AND m.evidence >= 1 AND m.median_ms IS NOT NULL),
                     EXISTS (SELECT 1 FROM coefficient c WHERE c.run_id = r.id)
                 FROM run r JOIN setting s ON s.id = r.setting_id WHERE s.text = ?1 ORDER BY r.id DESC",
            )?;
            let fields = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            };
            statement.query_map([setting.id().as_str(), GIVEN_OPERATORS_METHOD], fields)?.collect()
        };
        let mut tables: Vec<SettingTable> = Vec::new();
        for (id, name, host, finished, timed, model) in
            read().map_err(|source| self.failed("reading which tables there are", source))?
        {
            let source = match name {
                None => TableSource::Own { host },
                Some(name) if name.starts_with(IMPORTED) => TableSource::Imported { name },
                Some(name) => TableSource::Shipped { name },
            };
            let found = tables.iter().position(|table| table.source == source).unwrap_or_else(|| {
                tables.push(SettingTable { source, runs: Vec::new(), counts: false, finished: false, filled: false });
                tables.len() - 1
            });
            let table = &mut tables[found];
            table.runs.push(RunId(id));
            table.finished |= finished && timed;
            table.filled |= timed || model;
        }
        if let Some(chosen) = self.chosen(&tables) {
            tables[chosen].counts = true;
        }
        Ok(tables)
    }

    /// Which of a setting's tables predictions are made from.
    fn chosen(&self, tables: &[SettingTable]) -> Option<usize> {
        let find = |wanted: &dyn Fn(&SettingTable) -> bool| tables.iter().position(wanted);
        let own = |table: &SettingTable| matches!(table.source, TableSource::Own { .. });
        let imported = || find(&|table| matches!(table.source, TableSource::Imported { .. }));
        let shipped = || find(&|table| matches!(table.source, TableSource::Shipped { .. }));
        match &self.choice {
            TableChoice::Own { host } => find(&|table| table.source == TableSource::Own { host: host.clone() }),
            TableChoice::Shipped => shipped().or_else(imported),
            TableChoice::Best => find(&|table| own(table) && table.finished)
                .or_else(imported)
                .or_else(shipped)
                .or_else(|| find(&|table| own(table) && table.filled))
                .or_else(|| find(&own)),
        }
    }

    /// The runs whose rows, model and error predictions are made from.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counting_runs(&self, setting: &Setting) -> Result<Vec<RunId>, LatencyError> {
        let counting = self.tables(setting)?.into_iter().find(|table| table.counts);
        Ok(counting.map(|table| table.runs).unwrap_or_default())
    }

    /// Whether the user's own networks say something about the table that counts: always, unless it
    /// was asked for as another's.
    pub(crate) fn own_may_count(&self) -> bool {
        self.choice != TableChoice::Shipped
    }

    /// The same as a list for SQL.
    pub(super) fn counting_list(&self, setting: &Setting) -> Result<String, LatencyError> {
        let ids: Vec<String> = self.counting_runs(setting)?.iter().map(|run| run.0.to_string()).collect();
        Ok(format!("({})", ids.join(", ")))
    }
}
