//! The store: one SQLite file per user with every latency and where it came from.
//!
//! Nothing is overwritten: measuring again adds rows. Reading takes one table of a setting (`choice`),
//! and in it the strongest evidence, then the newest. A file that cannot be used is left as it is. Not here: predictions (`predict`), the text form of tables (`table`).

mod checks;
mod choice;
mod drift;
mod migrations;
mod read;
mod shipped;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use self::migrations::{APPLICATION_ID, MIGRATIONS};
use super::{Evidence, LatencyError, OperatorKey, Setting};

pub use choice::{SettingTable, TableChoice, TableSource};
pub use drift::{DriftReading, Mark};
pub use shipped::SHIPPED;
pub(super) use write::{activation_from_name, activation_name};

/// Environment variable that names the database instead of the default place.
pub const DATABASE_VARIABLE: &str = "ZEN_NAS_DB";

/// Unit of every stored time.
pub const UNIT: &str = "ms per inference call";

/// An open database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Which of a setting's tables is read.
    choice: TableChoice,
}

/// A run in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(i64);

/// A checked network in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(i64);

/// What is known when measuring starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    /// Who measured, or what the numbers were fitted on.
    pub origin: String,
    pub licence: String,
    pub runtime_version: String,
    /// Processor or machine.
    pub host: String,
    /// How operators were timed or derived.
    pub method: String,
    pub notes: String,
}

/// A run as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub setting: Setting,
    /// UTC, ISO 8601.
    pub started_at: String,
    /// None while it goes on or when it was interrupted.
    pub finished_at: Option<String>,
    /// Name of the shipped table, if the run was read from one.
    pub shipped: Option<String>,
    pub about: NewRun,
    pub error: Option<TableError>,
}

/// How far predictions from a table were from whole networks.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct TableError {
    /// Mean absolute relative error, as a share (0.05 is 5%).
    pub mape: f64,
    /// Share of networks within 5%.
    pub within5: Option<f64>,
    /// Share of networks within 10%.
    pub within10: Option<f64>,
    pub kendall_tau: Option<f64>,
    pub networks: Option<u32>,
    /// How the error was obtained, for people.
    pub method: String,
}

/// One row of a table: an operator and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: OperatorKey,
    /// Median time of one call with the whole batch, in milliseconds.
    pub ms: f64,
    /// Standard error of the median, 0 where it is not known.
    pub stderr_ms: f64,
    pub evidence: Evidence,
}

/// Time of a row that says: the runtime ran no node of its own for the operator, what it takes is in the rows
/// of its neighbours. No node is as short as a nanosecond.
pub const MERGED_MS: f64 = 1e-6;

impl Row {
    /// Whether the operator had no node of its own, so that its time says nothing about others.
    pub fn is_merged(&self) -> bool {
        self.ms <= MERGED_MS
    }
}

/// A whole network, predicted and measured on the run's setting.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct NetworkCheck {
    pub structure: String,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    /// Whether a fit has seen it; otherwise it is held out.
    pub calibration: bool,
    /// By the table as it was when the network was measured.
    pub predicted_ms: f64,
    pub measured_ms: f64,
    /// Standard error of `measured_ms`, 0 where it is not known.
    pub stderr_ms: f64,
    /// The same network measured once more, later: how far one measurement is from another.
    pub repeat_ms: Option<f64>,
}

/// What there is for one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingSummary {
    pub setting: Setting,
    /// Runs, newest first.
    pub runs: Vec<Run>,
    /// Distinct operators with a time by the strongest evidence, in the order of [`Evidence::ALL`].
    pub operators: [usize; 3],
    /// Operators whose every attempt failed.
    pub failed: usize,
}

impl Store {
    /// Opens the user's database (`ZEN_NAS_DB`, or `latency.sqlite` in the directory for user
    /// data) and loads the shipped tables it lacks.
    ///
    /// # Errors
    /// When there is no such directory or the file cannot be used; see [`Store::open`].
    pub fn open_default() -> Result<Self, LatencyError> {
        Self::open(&Self::default_path()?)
    }

    /// Where [`Store::open_default`] looks.
    ///
    /// # Errors
    /// When the system names no directory for user data.
    pub fn default_path() -> Result<PathBuf, LatencyError> {
        if let Some(path) = std::env::var_os(DATABASE_VARIABLE).filter(|path| !path.is_empty()) {
            return Ok(path.into());
        }
        let directories = directories::ProjectDirs::from("", "", "zen-nas").ok_or(LatencyError::NoDataDirectory)?;
        Ok(directories.data_dir().join("latency.sqlite"))
    }

    /// Opens or creates a database, brings its schema up to date and loads the shipped tables it
    /// lacks.
    ///
    /// # Errors
    /// When the file is not a database, belongs to another program, was written by a newer version
    /// or cannot be read or written. The file is then left as it is.
    pub fn open(path: &Path) -> Result<Self, LatencyError> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(|source| LatencyError::Io {
                doing: "creating the directory of the database",
                path: directory.to_owned(),
                source,
            })?;
        }
        let unusable = |error: rusqlite::Error| LatencyError::UnusableDatabase {
            path: path.to_owned(),
            reason: format!("cannot be opened as a database ({error})"),
        };
        let connection = Connection::open(path).map_err(unusable)?;
        let mut store = Self { connection, path: path.to_owned(), choice: TableChoice::Best };
        store.migrate()?;
        store.import_shipped()?;
        Ok(store)
    }

    /// A database in memory with the shipped tables.
    ///
    /// # Errors
    /// When SQLite cannot create it.
    pub fn in_memory() -> Result<Self, LatencyError> {
        let mut store = Self::in_memory_empty()?;
        store.import_shipped()?;
        Ok(store)
    }

    /// A database in memory without any table.
    ///
    /// # Errors
    /// When SQLite cannot create it.
    pub fn in_memory_empty() -> Result<Self, LatencyError> {
        let path = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|source| LatencyError::Database {
            path: path.clone(),
            doing: "creating it",
            source,
        })?;
        let mut store = Self { connection, path, choice: TableChoice::Best };
        store.migrate()?;
        Ok(store)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the file is ours and brings its schema up to date.
    fn migrate(&mut self) -> Result<(), LatencyError> {
        let unusable = |reason: String| LatencyError::UnusableDatabase { path: self.path.clone(), reason };
        let connection = &self.connection;
        connection.busy_timeout(Duration::from_secs(10)).map_err(|error| unusable(error.to_string()))?;
        let number = |pragma: &str| {
            connection
                .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
                .map_err(|error| unusable(format!("cannot be read as a database ({error})")))
        };
        let (version, application) = (number("user_version")?, number("application_id")?);
        let foreign = connection
            .query_row("SELECT name FROM sqlite_master LIMIT 1", [], |row| row.get::<_, String>(0))
            .optional()
            .map_err(|error| unusable(format!("cannot be read as a database ({error})")))?;
        if application != APPLICATION_ID && (foreign.is_some() || application != 0 || version != 0) {
            return Err(unusable("is the database of another program".to_owned()));
        }
        let known = MIGRATIONS.len() as i64;
        if version > known {
            return Err(LatencyError::NewerDatabase { path: self.path.clone(), found: version, known });
        }
        self.connection
            .execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;")
            .map_err(|source| self.failed("switching foreign keys on", source))?;
        if version == known {
            return Ok(());
        }
        self.connection
            .execute_batch("PRAGMA journal_mode = WAL;")
            .map_err(|source| self.failed("choosing the journal", source))?;
        let path = self.path.clone();
        let failed = |source| LatencyError::Database { path: path.clone(), doing: "updating the schema", source };
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        // Another process may have been faster.
        let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        for (number, step) in MIGRATIONS.iter().enumerate().skip(version.max(0) as usize) {
            transaction.execute_batch(step).map_err(failed)?;
            transaction.pragma_update(None, "user_version", number as i64 + 1).map_err(failed)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    fn failed(&self, doing: &'static str, source: rusqlite::Error) -> LatencyError {
        LatencyError::Database { path: self.path.clone(), doing, source }
    }

    fn bad_content(&self, doing: &'static str, reason: impl ToString) -> LatencyError {
        LatencyError::Content { path: self.path.clone(), doing, reason: reason.to_string() }
    }
}
