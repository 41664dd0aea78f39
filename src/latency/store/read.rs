//! Reading from the store: settings, rows by strength of evidence, models, errors, checks.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension;

use super::super::{Evidence, LatencyError, LatencyModel, OperatorKey, Setting};
use super::write::{activation_from_name, evidence_rank};
use super::{NewRun, Row, Run, RunId, SettingSummary, Store, TableError};
use crate::stats::median_and_stderr;

/// Key, median and standard error in milliseconds, number of the evidence, run, as they are stored.
type Stored = (Result<OperatorKey, String>, f64, f64, i64, i64);

impl Store {
    /// One row per operator that has a time on a setting, sorted by key: the strongest evidence,
    /// the newest run, in which several measurements count by their median; all from the table that
    /// counts, see [`TableChoice`](super::TableChoice).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rows(&self, setting: &Setting) -> Result<Vec<Row>, LatencyError> {
        // Weakest first, so that later ones replace earlier ones.
        let mut rows: BTreeMap<OperatorKey, (i64, Vec<Row>)> = BTreeMap::new();
        let condition = format!("median_ms IS NOT NULL AND m.run_id IN {}", self.counting_list(setting)?);
        for (row, run) in self.measurements(setting, &condition)? {
            let (newest, same) = rows.entry(row.key).or_default();
            if *newest != run || same.last().is_some_and(|last| last.evidence != row.evidence) {
                *newest = run;
                same.clear();
            }
            same.push(row);
        }
        Ok(rows.into_values().filter_map(|(_, same)| combined(same)).collect())
    }

    /// Every time an operator ever had on a setting, weakest and oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn history(&self, setting: &Setting, key: &OperatorKey) -> Result<Vec<Row>, LatencyError> {
        let rows = self.measurements(setting, "median_ms IS NOT NULL")?;
        Ok(rows.into_iter().map(|(row, _)| row).filter(|row| row.key == *key).collect())
    }

    /// Operators whose every attempt failed, with the newest reason.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn failures(&self, setting: &Setting) -> Result<Vec<(OperatorKey, String)>, LatencyError> {
        const DOING: &str = "reading failed measurements";
        let timed: std::collections::BTreeSet<_> = self.rows(setting)?.into_iter().map(|row| row.key).collect();
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

    fn measurements(&self, setting: &Setting, condition: &str) -> Result<Vec<(Row, i64)>, LatencyError> {
        const DOING: &str = "reading measurements";
        let read = || -> rusqlite::Result<Vec<Stored>> {
            let columns = "k.*, m.median_ms, m.stderr_ms, m.evidence, m.run_id";
            let mut statement = self.connection.prepare(&select(columns, condition))?;
            statement
                .query_map([setting.id()], |row| {
                    let stderr_ms: Option<f64> = row.get("stderr_ms")?;
                    let ms = row.get("median_ms")?;
                    Ok((read_key(row)?, ms, stderr_ms.unwrap_or(0.0), row.get("evidence")?, row.get("run_id")?))
                })?
                .collect()
        };
        let rows = read().map_err(|source| self.failed(DOING, source))?;
        rows.into_iter()
            .map(|(key, ms, stderr_ms, evidence, run)| {
                let key = key.map_err(|reason| self.bad_content(DOING, reason))?;
                let evidence = match evidence {
                    0 => Evidence::Interpolated,
                    1 => Evidence::Fitted,
                    2 => Evidence::Measured,
                    _ => return Err(self.bad_content(DOING, format!("evidence {evidence}"))),
                };
                Ok((Row { key, ms, stderr_ms, evidence }, run))
            })
            .collect()
    }

    /// The model to predict a setting with: of the newest run that counts and has one.
    ///
    /// # Errors
    /// When the database cannot be read or the model in it is not complete.
    pub fn model(&self, setting: &Setting) -> Result<Option<LatencyModel>, LatencyError> {
        const DOING: &str = "reading the latency model";
        let counting = self.counting_list(setting)?;
        let read = || -> rusqlite::Result<BTreeMap<String, f64>> {
            let mut statement = self.connection.prepare(&format!(
                "SELECT name, value FROM coefficient WHERE run_id = (
                     SELECT r.id FROM run r JOIN setting s ON s.id = r.setting_id
                     WHERE s.text = ?1 AND EXISTS (SELECT 1 FROM coefficient c WHERE c.run_id = r.id) AND r.id IN {counting}
                     ORDER BY r.id DESC LIMIT 1)"
            ))?;
            statement.query_map([setting.id()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let coefficients = read().map_err(|source| self.failed(DOING, source))?;
        if coefficients.is_empty() {
            return Ok(None);
        }
        LatencyModel::from_coefficients(&coefficients).map(Some).map_err(|reason| self.bad_content(DOING, reason))
    }

    /// How good the setting's table is: of the newest run that counts and was checked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn table_error(&self, setting: &Setting) -> Result<Option<TableError>, LatencyError> {
        let counting = self.counting_runs(setting)?;
        let runs = self.runs(setting)?;
        Ok(runs.into_iter().filter(|run| counting.contains(&run.id)).find_map(|run| run.error))
    }

    /// Runs on a setting, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn runs(&self, setting: &Setting) -> Result<Vec<Run>, LatencyError> {
        let read = || -> rusqlite::Result<Vec<Run>> {
            let mut statement = self.connection.prepare(
                "SELECT r.* FROM run r JOIN setting s ON s.id = r.setting_id WHERE s.text = ?1 ORDER BY r.id DESC",
            )?;
            statement
                .query_map([setting.id()], |row| {
                    let mape: Option<f64> = row.get("error_mape")?;
                    let error = match mape {
                        None => None,
                        Some(mape) => Some(TableError {
                            mape,
                            within5: row.get("error_within5")?,
                            within10: row.get("error_within10")?,
                            kendall_tau: row.get("error_kendall_tau")?,
                            networks: row.get("error_networks")?,
                            method: row.get::<_, Option<String>>("error_method")?.unwrap_or_default(),
                        }),
                    };
                    Ok(Run {
                        id: RunId(row.get("id")?),
                        setting: setting.clone(),
                        started_at: row.get("started_at")?,
                        finished_at: row.get("finished_at")?,
                        shipped: row.get("shipped")?,
                        about: NewRun {
                            origin: row.get("origin")?,
                            licence: row.get("licence")?,
                            runtime_version: row.get("runtime_version")?,
                            host: row.get("host")?,
                            method: row.get("method")?,
                            notes: row.get("notes")?,
                        },
                        error,
                    })
                })?
                .collect()
        };
        read().map_err(|source| self.failed("reading runs", source))
    }

    /// Every setting that has a run, sorted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn settings(&self) -> Result<Vec<Setting>, LatencyError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self
                .connection
                .prepare("SELECT text FROM setting s WHERE EXISTS (SELECT 1 FROM run r WHERE r.setting_id = s.id)")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let ids = read().map_err(|source| self.failed("reading settings", source))?;
        let mut settings = ids.iter().map(|id| id.parse()).collect::<Result<Vec<Setting>, _>>()?;
        settings.sort();
        Ok(settings)
    }

    /// What there is for a setting.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn summary(&self, setting: &Setting) -> Result<SettingSummary, LatencyError> {
        let rows = self.rows(setting)?;
        let operators = Evidence::ALL.map(|evidence| rows.iter().filter(|row| row.evidence == evidence).count());
        let failed = self.failures(setting)?.len();
        Ok(SettingSummary { setting: setting.clone(), runs: self.runs(setting)?, operators, failed })
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

    /// Content hash under which a shipped table is loaded.
    pub(super) fn shipped_hash(&self, name: &str) -> Result<Option<String>, LatencyError> {
        self.connection
            .query_row("SELECT hash FROM shipped WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|source| self.failed("reading which shipped tables are loaded", source))
    }
}

/// Several measurements of one operator as one row.
fn combined(rows: Vec<Row>) -> Option<Row> {
    let times: Vec<f64> = rows.iter().map(|row| row.ms).collect();
    let (ms, stderr_ms) = median_and_stderr(&times)?;
    let last = rows.last()?;
    Some(Row { ms, stderr_ms: if rows.len() == 1 { last.stderr_ms } else { stderr_ms }, ..last.clone() })
}

/// Measurements of one setting (parameter 1), weakest evidence first, shipped before own, then in
/// order of time.
fn select(columns: &str, condition: &str) -> String {
    format!(
        "SELECT {columns} FROM measurement m
         JOIN run r ON r.id = m.run_id
         JOIN setting s ON s.id = r.setting_id
         JOIN operator_key k ON k.id = m.key_id
         WHERE s.text = ?1 AND {condition}
         ORDER BY m.evidence, r.shipped IS NULL, m.id"
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
