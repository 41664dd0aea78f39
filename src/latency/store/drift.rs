//! How steady a machine was while it was measured: readings of one reference network, and taking
//! back what was stored while the machine moved.

use rusqlite::params;

use super::super::LatencyError;
use super::{RunId, Store};

/// The reference network, measured once.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct DriftReading {
    /// UTC, ISO 8601.
    pub at: String,
    /// Milliseconds of one call.
    pub reference_ms: f64,
    /// Whether it was far from the readings before it.
    pub jump: bool,
    /// What else decides how fast the machine is, in the runner's words.
    pub conditions: String,
}

/// A moment in a run: what was stored before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    measurement: i64,
    check: i64,
}

impl Store {
    /// Stores a reading of the reference network, in milliseconds.
    ///
    /// # Errors
    /// When the time is not a positive number or the database cannot be written.
    pub fn insert_drift(&mut self, run: RunId, ms: f64, jump: bool, conditions: &str) -> Result<(), LatencyError> {
        const DOING: &str = "storing a reading of the reference network";
        if !(ms.is_finite() && ms > 0.0) {
            return Err(self.bad_content(DOING, format!("{ms} ms")));
        }
        let sql = "INSERT INTO drift (run_id, at, reference_ms, jump, conditions)
                   VALUES (?1, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?2, ?3, ?4)";
        let written = self.connection.execute(sql, params![run.0, ms, jump, conditions]);
        written.map(drop).map_err(|source| self.failed(DOING, source))
    }

    /// Readings of a run, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn drift(&self, run: RunId) -> Result<Vec<DriftReading>, LatencyError> {
        let read = || -> rusqlite::Result<Vec<DriftReading>> {
            let sql = "SELECT at, reference_ms, jump, conditions FROM drift WHERE run_id = ?1 ORDER BY id";
            let mut statement = self.connection.prepare(sql)?;
            let reading = |row: &rusqlite::Row<'_>| {
                let (at, reference_ms, jump, conditions) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(DriftReading { at, reference_ms, jump, conditions })
            };
            statement.query_map([run.0], reading)?.collect()
        };
        read().map_err(|source| self.failed("reading how steady the machine was", source))
    }

    /// This moment of a run.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn mark(&self, run: RunId) -> Result<Mark, LatencyError> {
        let last = |table: &str| {
            let sql = format!("SELECT coalesce(max(id), 0) FROM {table} WHERE run_id = ?1");
            self.connection.query_row(&sql, [run.0], |row| row.get(0))
        };
        let read = || -> rusqlite::Result<Mark> {
            Ok(Mark { measurement: last("measurement")?, check: last("network_check")? })
        };
        read().map_err(|source| self.failed("reading where a run stands", source))
    }

    /// Takes back what a run stored since a moment; returns how many operators' times that were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn take_back(&mut self, run: RunId, since: Mark) -> Result<usize, LatencyError> {
        let mut write = || {
            let transaction = self.connection.transaction()?;
            let delete = |table: &str, after: i64| {
                transaction.execute(&format!("DELETE FROM {table} WHERE run_id = ?1 AND id > ?2"), [run.0, after])
            };
            let taken = delete("measurement", since.measurement)?;
            delete("network_check", since.check)?;
            transaction.commit()?;
            Ok(taken)
        };
        write().map_err(|source| self.failed("taking back what was measured in a jump", source))
    }
}
