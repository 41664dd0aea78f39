//! Writing to the store: runs, measurements with their samples, checks, models.

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::super::{Evidence, LatencyError, LatencyModel, OperatorKey, Setting};
use super::checks::insert_check;
use super::{ImportedFrom, NetworkCheck, NewRun, PublishedNetwork, Row, RunId, Store, TableError, UNIT};
use crate::net::Activation;

/// SQL for "now", UTC.
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')";

impl Store {
    /// Starts a run on a setting.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn begin_run(&mut self, setting: &Setting, about: &NewRun) -> Result<RunId, LatencyError> {
        begin_run(&self.connection, setting, about, None).map_err(|source| self.failed("starting a run", source))
    }

    /// Stores an operator's time (median of one call with the whole batch), its standard error where it is
    /// known, and the raw samples, in one transaction.
    ///
    /// # Errors
    /// When a time is not a positive number or the database cannot be written.
    pub fn insert_measurement(
        &mut self,
        run: RunId,
        key: &OperatorKey,
        ms: f64,
        stderr_ms: Option<f64>,
        evidence: Evidence,
        samples_ms: &[f64],
    ) -> Result<(), LatencyError> {
        const DOING: &str = "storing a measurement";
        let bad_error = stderr_ms.filter(|stderr_ms| !(stderr_ms.is_finite() && *stderr_ms >= 0.0));
        if !(ms.is_finite() && ms > 0.0) || bad_error.is_some() {
            let error = bad_error.map_or_else(String::new, |error| format!(" with standard error {error} ms"));
            return Err(self.bad_content(DOING, format!("{ms} ms{error} for {key}")));
        }
        let row = Row { stderr_ms, ..Row::new(*key, ms, evidence) };
        let mut write = || {
            let transaction = self.connection.transaction()?;
            let measurement = RowWriter::new(&transaction)?.insert(run, &row)?;
            SampleWriter::new(&transaction)?.insert(measurement, samples_ms)?;
            transaction.commit()
        };
        write().map_err(|source| self.failed(DOING, source))
    }

    /// Stores rows as they are, all of them or none.
    ///
    /// # Errors
    /// When a time is not a positive number or the database cannot be written.
    pub fn insert_rows(&mut self, run: RunId, rows: &[Row]) -> Result<(), LatencyError> {
        const DOING: &str = "storing rows";
        if let Some(row) = rows.iter().find(|row| !(row.merged || (row.ms.is_finite() && row.ms > 0.0))) {
            return Err(self.bad_content(DOING, format!("{} ms for {}", row.ms, row.key)));
        }
        let mut write = || {
            let transaction = self.connection.transaction()?;
            let mut writer = RowWriter::new(&transaction)?;
            for row in rows {
                writer.insert(run, row)?;
            }
            drop(writer);
            transaction.commit()
        };
        write().map_err(|source| self.failed(DOING, source))
    }

    /// Stores what one running network told: the time of each of its operators, with its samples,
    /// and the network itself where it was predicted before; all of it or nothing.
    ///
    /// # Errors
    /// When a time is not a positive number or the database cannot be written.
    pub fn insert_observations(
        &mut self,
        run: RunId,
        operators: &[(OperatorKey, f64, Vec<f64>)],
        network: Option<&NetworkCheck>,
    ) -> Result<(), LatencyError> {
        const DOING: &str = "storing the operators of a network";
        if let Some((key, ms, _)) = operators.iter().find(|(_, ms, _)| !(ms.is_finite() && *ms > 0.0)) {
            return Err(self.bad_content(DOING, format!("{ms} ms for {key}")));
        }
        let mut write = || {
            let transaction = self.connection.transaction()?;
            let (mut rows, mut samples) = (RowWriter::new(&transaction)?, SampleWriter::new(&transaction)?);
            for (key, ms, samples_ms) in operators {
                let row = Row::new(*key, *ms, Evidence::Measured);
                let measurement = rows.insert(run, &row)?;
                samples.insert(measurement, samples_ms)?;
            }
            drop((rows, samples));
            if let Some(network) = network {
                insert_check(&transaction, run, network)?;
            }
            transaction.commit()
        };
        write().map_err(|source| self.failed(DOING, source))
    }

    /// Stores that the runtime ran no node of its own for an operator.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn insert_merged(&mut self, run: RunId, key: &OperatorKey) -> Result<(), LatencyError> {
        self.insert_rows(run, &[Row::merged(*key)])
    }

    /// Stores that an operator could not be timed, and why.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn insert_failure(&mut self, run: RunId, key: &OperatorKey, reason: &str) -> Result<(), LatencyError> {
        let write = || {
            let key = KeyWriter::new(&self.connection)?.id(key)?;
            self.connection.execute(
                "INSERT INTO measurement (run_id, key_id, evidence, failure) VALUES (?1, ?2, ?3, ?4)",
                params![run.0, key, evidence_rank(Evidence::Measured), reason],
            )
        };
        write().map(drop).map_err(|source| self.failed("storing a failed measurement", source))
    }

    /// Stores the model (prior and composition) that was fitted on a run's rows.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn set_model(&mut self, run: RunId, model: &LatencyModel) -> Result<(), LatencyError> {
        let mut write = || {
            let transaction = self.connection.transaction()?;
            insert_model(&transaction, run, model)?;
            transaction.commit()
        };
        write().map_err(|source| self.failed("storing a latency model", source))
    }

    /// Ends a run, with the error of its table on whole networks if that was checked.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn finish_run(&mut self, run: RunId, error: Option<&TableError>) -> Result<(), LatencyError> {
        finish_run(&self.connection, run, error).map_err(|source| self.failed("finishing a run", source))
    }
}

/// Writes raw samples with one prepared statement.
struct SampleWriter<'c>(Statement<'c>);

impl<'c> SampleWriter<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare("INSERT INTO sample (measurement_id, number, ms) VALUES (?1, ?2, ?3)").map(Self)
    }

    fn insert(&mut self, measurement: i64, samples_ms: &[f64]) -> rusqlite::Result<()> {
        for (number, ms) in samples_ms.iter().enumerate() {
            self.0.execute(params![measurement, number as i64, ms])?;
        }
        Ok(())
    }
}

pub(super) fn begin_run(
    connection: &Connection,
    setting: &Setting,
    about: &NewRun,
    imported: Option<(&str, &ImportedFrom)>,
) -> rusqlite::Result<RunId> {
    let id = setting.id();
    connection.execute("INSERT INTO setting (text) VALUES (?1) ON CONFLICT DO NOTHING", [&id])?;
    let setting: i64 = connection.query_row("SELECT id FROM setting WHERE text = ?1", [&id], |row| row.get(0))?;
    connection.execute(
        &format!(
            "INSERT INTO run (setting_id, started_at, imported_file, imported_content, purpose, fingerprint, origin,
                 licence, runtime_version, host, method, unit, notes, processor, warning)
             VALUES (?1, coalesce(?2, {NOW}), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        ),
        params![
            setting,
            imported.map(|(started_at, _)| started_at),
            imported.map(|(_, from)| &from.file),
            imported.map(|(_, from)| &from.content),
            about.purpose.name(),
            about.fingerprint.to_string(),
            about.origin,
            about.licence,
            about.runtime_version,
            about.host,
            about.method,
            UNIT,
            about.notes,
            about.processor.as_ref().map(ToString::to_string),
            Some(&about.warning).filter(|warning| !warning.is_empty())
        ],
    )?;
    Ok(RunId(connection.last_insert_rowid()))
}

pub(super) fn finish_run(connection: &Connection, run: RunId, error: Option<&TableError>) -> rusqlite::Result<()> {
    let updated = connection.execute(
        &format!(
            "UPDATE run SET finished_at = {NOW}, error_mape = ?2, error_within5 = ?3, error_within10 = ?4,
             error_kendall_tau = ?5, error_networks = ?6, error_method = ?7, error_median = ?8, error_bias = ?9,
             error_within20 = ?10 WHERE id = ?1"
        ),
        params![
            run.0,
            error.map(|error| error.mape),
            error.and_then(|error| error.within5),
            error.and_then(|error| error.within10),
            error.and_then(|error| error.kendall_tau),
            error.and_then(|error| error.networks),
            error.map(|error| error.method.as_str()),
            error.and_then(|error| error.median),
            error.and_then(|error| error.bias),
            error.and_then(|error| error.within20)
        ],
    )?;
    if updated == 1 { Ok(()) } else { Err(rusqlite::Error::QueryReturnedNoRows) }
}

pub(super) fn insert_model(connection: &Connection, run: RunId, model: &LatencyModel) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM coefficient WHERE run_id = ?1", [run.0])?;
    let mut statement = connection.prepare("INSERT INTO coefficient (run_id, name, value) VALUES (?1, ?2, ?3)")?;
    for (name, value) in model.to_coefficients() {
        statement.execute(params![run.0, name, value])?;
    }
    Ok(())
}

pub(super) fn insert_published(
    connection: &Connection,
    run: RunId,
    network: &PublishedNetwork,
) -> rusqlite::Result<usize> {
    let PublishedNetwork { network, input, source, predicted_ms, published_ms } = network;
    connection.execute(
        "INSERT INTO published_network (run_id, network, input, source, predicted_ms, published_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![run.0, network, input, source, predicted_ms, published_ms],
    )
}

/// Inserts rows with statements that are prepared once.
pub(super) struct RowWriter<'c> {
    keys: KeyWriter<'c>,
    measurement: Statement<'c>,
}

impl<'c> RowWriter<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            keys: KeyWriter::new(connection)?,
            measurement: connection.prepare(
                "INSERT INTO measurement (run_id, key_id, evidence, median_ms, stderr_ms, merged)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
        })
    }

    /// Inserts a row and returns the measurement's id.
    pub(super) fn insert(&mut self, run: RunId, row: &Row) -> rusqlite::Result<i64> {
        let key = self.keys.id(&row.key)?;
        self.measurement.insert(params![run.0, key, evidence_rank(row.evidence), row.ms, row.stderr_ms, row.merged])
    }
}

/// Number in the database; greater is stronger.
pub(super) fn evidence_rank(evidence: Evidence) -> i64 {
    evidence as i64
}

/// Name of an activation in tables; empty for none.
pub(in crate::latency) fn activation_name(activation: Option<Activation>) -> &'static str {
    activation.map_or("", Activation::name)
}

/// Inverse of [`activation_name`].
pub(in crate::latency) fn activation_from_name(name: &str) -> Result<Option<Activation>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    Activation::from_name(name).map(Some).ok_or_else(|| {
        let known: Vec<_> = Activation::all().map(Activation::name).collect();
        format!("unknown activation `{name}`, known are {}", known.join(", "))
    })
}

/// Finds or inserts operator keys.
struct KeyWriter<'c> {
    find: Statement<'c>,
    insert: Statement<'c>,
}

impl<'c> KeyWriter<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            find: connection.prepare(
                "SELECT id FROM operator_key WHERE kind = ?1 AND kernel = ?2 AND stride = ?3 AND groups = ?4
                 AND in_channels = ?5 AND out_channels = ?6 AND in_height = ?7 AND in_width = ?8
                 AND activation = ?9 AND residual_add = ?10",
            )?,
            insert: connection.prepare(
                "INSERT INTO operator_key (kind, kernel, stride, groups, in_channels, out_channels, in_height,
                 in_width, activation, residual_add) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
        })
    }

    fn id(&mut self, key: &OperatorKey) -> rusqlite::Result<i64> {
        let values = params![
            key.kind.name(),
            key.kernel,
            key.stride,
            key.groups,
            key.in_channels,
            key.out_channels,
            key.in_height,
            key.in_width,
            activation_name(key.activation),
            key.residual_add
        ];
        match self.find.query_row(values, |row| row.get(0)).optional()? {
            Some(id) => Ok(id),
            None => self.insert.insert(values),
        }
    }
}
