//! Reading what is stored: settings, runs, measurements, models, samples. Not here: tables (`tables`).

use std::collections::BTreeMap;

use super::super::{Evidence, LatencyError, LatencyModel, OperatorKey, Setting};
use super::write::{activation_from_name, evidence_rank};
use super::{Fingerprint, ImportedFrom, NewRun, PublishedNetwork, Row, Run, RunId, Store, TableError};

/// A row as it is stored, with the number of its evidence and its run.
type Stored = (Result<OperatorKey, String>, f64, Option<f64>, bool, i64, i64);

impl Store {
    /// Every time an operator ever had on a setting, weakest and oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn history(&self, setting: &Setting, key: &OperatorKey) -> Result<Vec<Row>, LatencyError> {
        let rows = self.measurements_of(&self.runs(setting)?)?;
        Ok(rows.into_iter().map(|(row, _)| row).filter(|row| row.key == *key).collect())
    }

    /// Operators of a setting that have no time in any of its runs, each with the newest reason.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn failures(&self, setting: &Setting) -> Result<Vec<(OperatorKey, String)>, LatencyError> {
        const DOING: &str = "reading failed measurements";
        let measurements = self.measurements_of(&self.runs(setting)?)?;
        let timed: std::collections::BTreeSet<_> = measurements.into_iter().map(|(row, _)| row.key).collect();
        let mut failures = BTreeMap::new();
        let read = || -> rusqlite::Result<Vec<(Result<OperatorKey, String>, String)>> {
            let mut statement = self.connection.prepare(&select("k.*, m.failure", "failure IS NOT NULL"))?;
            statement.query_map([setting.id()], |row| Ok((read_key(row)?, row.get("failure")?)))?.collect()
        };
        for (key, reason) in read().map_err(|source| self.failed(DOING, source))? {
            let key = key.map_err(|reason| self.bad_content(DOING, reason))?;
            if !timed.contains(&key) {
                failures.insert(key, reason);
            }
        }
        Ok(failures.into_iter().collect())
    }

    /// Operators that a run measured.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn measured_keys(&self, run: RunId) -> Result<Vec<OperatorKey>, LatencyError> {
        const DOING: &str = "reading the operators of a run";
        let read = || -> rusqlite::Result<Vec<Result<OperatorKey, String>>> {
            let mut statement = self.connection.prepare(
                "SELECT k.* FROM measurement m JOIN operator_key k ON k.id = m.key_id
                 WHERE m.run_id = ?1 AND m.median_ms IS NOT NULL AND m.evidence = ?2 ORDER BY m.id",
            )?;
            statement.query_map([run.0, evidence_rank(Evidence::Measured)], read_key)?.collect()
        };
        let keys = read().map_err(|source| self.failed(DOING, source))?;
        keys.into_iter().map(|key| key.map_err(|reason| self.bad_content(DOING, reason))).collect()
    }

    /// Times of some runs of one setting with their runs, weakest evidence first, imported before local, then in
    /// order of time.
    pub(super) fn measurements_of(&self, runs: &[Run]) -> Result<Vec<(Row, i64)>, LatencyError> {
        const DOING: &str = "reading measurements";
        let Some(Run { setting, .. }) = runs.first() else { return Ok(Vec::new()) };
        let ids: Vec<String> = runs.iter().map(|run| run.id.0.to_string()).collect();
        let condition = format!("median_ms IS NOT NULL AND m.run_id IN ({})", ids.join(", "));
        let read = || -> rusqlite::Result<Vec<Stored>> {
            let columns = "k.*, m.median_ms, m.stderr_ms, m.merged, m.evidence, m.run_id";
            let mut statement = self.connection.prepare(&select(columns, &condition))?;
            statement
                .query_map([setting.id()], |row| {
                    let (ms, stderr_ms, merged) = (row.get("median_ms")?, row.get("stderr_ms")?, row.get("merged")?);
                    Ok((read_key(row)?, ms, stderr_ms, merged, row.get("evidence")?, row.get("run_id")?))
                })?
                .collect()
        };
        let rows = read().map_err(|source| self.failed(DOING, source))?;
        rows.into_iter()
            .map(|(key, ms, stderr_ms, merged, evidence, run)| {
                let key = key.map_err(|reason| self.bad_content(DOING, reason))?;
                let evidence = match evidence {
                    0 => Evidence::Interpolated,
                    1 => Evidence::Fitted,
                    2 => Evidence::Measured,
                    _ => return Err(self.bad_content(DOING, format!("evidence {evidence}"))),
                };
                Ok((Row { key, ms, stderr_ms, evidence, merged }, run))
            })
            .collect()
    }

    /// Whether a run has operators with a time, and whether it has a model.
    pub(super) fn content_of(&self, run: RunId) -> Result<(bool, bool), LatencyError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM measurement WHERE run_id = ?1 AND evidence >= 1 AND median_ms IS NOT NULL),
                          EXISTS (SELECT 1 FROM coefficient WHERE run_id = ?1)";
        let read = self.connection.query_row(sql, [run.0], |row| Ok((row.get(0)?, row.get(1)?)));
        read.map_err(|source| self.failed("reading what a run holds", source))
    }

    /// Number of a run's measurements with a time.
    pub(super) fn operators_of(&self, run: RunId) -> Result<usize, LatencyError> {
        let sql = "SELECT count(*) FROM measurement WHERE run_id = ?1 AND median_ms IS NOT NULL";
        let count: rusqlite::Result<i64> = self.connection.query_row(sql, [run.0], |row| row.get(0));
        count.map(|count| count as usize).map_err(|source| self.failed("counting a run's operators", source))
    }

    /// The latency model that was fitted on a run.
    pub(super) fn model_of(&self, run: RunId) -> Result<Option<LatencyModel>, LatencyError> {
        const DOING: &str = "reading the latency model";
        let read = || -> rusqlite::Result<BTreeMap<String, f64>> {
            let mut statement = self.connection.prepare("SELECT name, value FROM coefficient WHERE run_id = ?1")?;
            statement.query_map([run.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let coefficients = read().map_err(|source| self.failed(DOING, source))?;
        if coefficients.is_empty() {
            return Ok(None);
        }
        LatencyModel::from_coefficients(&coefficients).map(Some).map_err(|reason| self.bad_content(DOING, reason))
    }

    /// Whole networks that others timed, of an imported table.
    pub(super) fn published_networks(&self, run: RunId) -> Result<Vec<PublishedNetwork>, LatencyError> {
        let read = || -> rusqlite::Result<Vec<PublishedNetwork>> {
            let sql = "SELECT network, input, source, predicted_ms, published_ms FROM published_network
                       WHERE run_id = ?1 ORDER BY id";
            let mut statement = self.connection.prepare(sql)?;
            let network = |row: &rusqlite::Row<'_>| {
                let (network, input, source) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(PublishedNetwork { network, input, source, predicted_ms: row.get(3)?, published_ms: row.get(4)? })
            };
            statement.query_map([run.0], network)?.collect()
        };
        read().map_err(|source| self.failed("reading published networks", source))
    }

    /// Runs on a setting, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn runs(&self, setting: &Setting) -> Result<Vec<Run>, LatencyError> {
        const DOING: &str = "reading runs";
        let read = || -> rusqlite::Result<Vec<Result<Run, String>>> {
            let mut statement = self.connection.prepare(
                "SELECT r.* FROM run r JOIN setting s ON s.id = r.setting_id WHERE s.text = ?1 ORDER BY r.id DESC",
            )?;
            statement.query_map([setting.id()], |row| read_run(row, setting))?.collect()
        };
        let runs = read().map_err(|source| self.failed(DOING, source))?;
        runs.into_iter().map(|run| run.map_err(|reason| self.bad_content(DOING, reason))).collect()
    }

    /// Every setting that has a run.
    pub(super) fn stored_settings(&self) -> Result<Vec<Setting>, LatencyError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self
                .connection
                .prepare("SELECT text FROM setting s WHERE EXISTS (SELECT 1 FROM run r WHERE r.setting_id = s.id)")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let ids = read().map_err(|source| self.failed("reading settings", source))?;
        ids.iter().map(|id| id.parse()).collect()
    }

    /// Raw samples of an operator's newest measurement on a setting, in milliseconds.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn samples(&self, setting: &Setting, key: &OperatorKey) -> Result<Vec<f64>, LatencyError> {
        const DOING: &str = "reading samples";
        let measurement = || -> rusqlite::Result<Option<i64>> {
            let mut newest = None;
            let mut statement =
                self.connection.prepare(&select("k.*, m.id AS measurement", "median_ms IS NOT NULL"))?;
            let mut rows = statement.query([setting.id()])?;
            while let Some(row) = rows.next()? {
                if read_key(row)?.as_ref() == Ok(key) {
                    newest = Some(row.get("measurement")?);
                }
            }
            Ok(newest)
        };
        let read = || -> rusqlite::Result<Vec<f64>> {
            let Some(measurement) = measurement()? else { return Ok(Vec::new()) };
            let mut statement =
                self.connection.prepare("SELECT ms FROM sample WHERE measurement_id = ?1 ORDER BY number")?;
            statement.query_map([measurement], |row| row.get(0))?.collect()
        };
        read().map_err(|source| self.failed(DOING, source))
    }
}

fn read_run(row: &rusqlite::Row<'_>, setting: &Setting) -> rusqlite::Result<Result<Run, String>> {
    let mape: Option<f64> = row.get("error_mape")?;
    let error = match mape {
        None => None,
        Some(mape) => Some(TableError {
            mape,
            median: row.get("error_median")?,
            bias: row.get("error_bias")?,
            within5: row.get("error_within5")?,
            within10: row.get("error_within10")?,
            within20: row.get("error_within20")?,
            kendall_tau: row.get("error_kendall_tau")?,
            networks: row.get("error_networks")?,
            method: row.get::<_, Option<String>>("error_method")?.unwrap_or_default(),
        }),
    };
    let (file, content): (Option<String>, Option<String>) = (row.get("imported_file")?, row.get("imported_content")?);
    let purpose = match row.get::<_, String>("purpose")?.parse() {
        Ok(purpose) => purpose,
        Err(reason) => return Ok(Err(reason)),
    };
    let processor = match row.get::<_, Option<String>>("processor")?.map(|text| text.parse()).transpose() {
        Ok(processor) => processor,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(Ok(Run {
        id: RunId(row.get("id")?),
        setting: setting.clone(),
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        imported: file.map(|file| ImportedFrom { file, content: content.unwrap_or_default() }),
        about: NewRun {
            purpose,
            fingerprint: Fingerprint::stored(row.get("fingerprint")?),
            origin: row.get("origin")?,
            licence: row.get("licence")?,
            runtime_version: row.get("runtime_version")?,
            host: row.get("host")?,
            processor,
            warning: row.get::<_, Option<String>>("warning")?.unwrap_or_default(),
            method: row.get("method")?,
            notes: row.get("notes")?,
        },
        error,
    }))
}

/// Measurements of one setting (parameter 1), weakest evidence first, imported before local, then in
/// order of time.
fn select(columns: &str, condition: &str) -> String {
    format!(
        "SELECT {columns} FROM measurement m
         JOIN run r ON r.id = m.run_id
         JOIN setting s ON s.id = r.setting_id
         JOIN operator_key k ON k.id = m.key_id
         WHERE s.text = ?1 AND {condition}
         ORDER BY m.evidence, r.imported_file IS NULL, m.id"
    )
}

fn read_key(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<OperatorKey, String>> {
    let kind: String = row.get("kind")?;
    let activation: String = row.get("activation")?;
    let (kind, activation) = match (kind.parse(), activation_from_name(&activation)) {
        (Ok(kind), Ok(activation)) => (kind, activation),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
    };
    Ok(Ok(OperatorKey {
        kind,
        kernel: row.get("kernel")?,
        stride: row.get("stride")?,
        groups: row.get("groups")?,
        in_channels: row.get("in_channels")?,
        out_channels: row.get("out_channels")?,
        in_height: row.get("in_height")?,
        in_width: row.get("in_width")?,
        activation,
        residual_add: row.get("residual_add")?,
    }))
}
