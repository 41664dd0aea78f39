//! Whole networks in the store: predicted, measured, measured once more.

use rusqlite::{Connection, params};

use super::super::LatencyError;
use super::{CheckId, NetworkCheck, RunId, Store};
use crate::net::LowerOptions;

impl NetworkCheck {
    /// A network that was lowered with `lower`, predicted and measured once, held out.
    pub fn new(
        structure: String,
        lower: &LowerOptions,
        predicted_ms: f64,
        measured_ms: f64,
        stderr_ms: Option<f64>,
    ) -> Self {
        Self {
            structure,
            resolution: lower.resolution,
            classes: lower.classes,
            squeeze_excite: lower.squeeze_excite,
            calibration: false,
            predicted_ms,
            measured_ms,
            stderr_ms,
            repeat_ms: None,
        }
    }

    /// How the network was lowered.
    pub fn lower_options(&self) -> LowerOptions {
        LowerOptions { squeeze_excite: self.squeeze_excite, ..LowerOptions::new(self.resolution, self.classes) }
    }
}

impl Store {
    /// Stores a whole network that was predicted and measured.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn insert_check(&mut self, run: RunId, check: &NetworkCheck) -> Result<CheckId, LatencyError> {
        insert_check(&self.connection, run, check).map_err(|source| self.failed("storing a network check", source))
    }

    /// Renews what was predicted for a network, and stores what it took when it was measured once
    /// more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn update_check(&mut self, id: CheckId, predicted_ms: f64, repeat_ms: Option<f64>) -> Result<(), LatencyError> {
        self.connection
            .execute(
                "UPDATE network_check SET predicted_ms = ?2, repeat_ms = coalesce(?3, repeat_ms) WHERE id = ?1",
                params![id.0, predicted_ms, repeat_ms],
            )
            .map(drop)
            .map_err(|source| self.failed("updating a network check", source))
    }

    /// Whole networks of a run, predicted and measured, in the order they were stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn checks(&self, run: RunId) -> Result<Vec<NetworkCheck>, LatencyError> {
        Ok(self.checks_with_ids(run)?.into_iter().map(|(_, check)| check).collect())
    }

    /// As [`Store::checks`], each with what [`Store::update_check`] wants.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn checks_with_ids(&self, run: RunId) -> Result<Vec<(CheckId, NetworkCheck)>, LatencyError> {
        let read = || -> rusqlite::Result<Vec<(CheckId, NetworkCheck)>> {
            let mut statement = self.connection.prepare("SELECT * FROM network_check WHERE run_id = ?1 ORDER BY id")?;
            statement
                .query_map([run.0], |row| {
                    let check = NetworkCheck {
                        structure: row.get("structure")?,
                        resolution: row.get("resolution")?,
                        classes: row.get("classes")?,
                        squeeze_excite: row.get("squeeze_excite")?,
                        calibration: row.get("calibration")?,
                        predicted_ms: row.get("predicted_ms")?,
                        measured_ms: row.get("measured_ms")?,
                        stderr_ms: row.get("stderr_ms")?,
                        repeat_ms: row.get("repeat_ms")?,
                    };
                    Ok((CheckId(row.get("id")?), check))
                })?
                .collect()
        };
        read().map_err(|source| self.failed("reading network checks", source))
    }
}

pub(super) fn insert_check(connection: &Connection, run: RunId, check: &NetworkCheck) -> rusqlite::Result<CheckId> {
    connection.execute(
        "INSERT INTO network_check (run_id, structure, resolution, classes, squeeze_excite, calibration,
             predicted_ms, measured_ms, stderr_ms, repeat_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            run.0,
            check.structure,
            check.resolution,
            check.classes,
            check.squeeze_excite,
            check.calibration,
            check.predicted_ms,
            check.measured_ms,
            check.stderr_ms,
            check.repeat_ms
        ],
    )?;
    Ok(CheckId(connection.last_insert_rowid()))
}
