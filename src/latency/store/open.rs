//! Opening the store: for writing, or for reading alone, which changes nothing and needs no file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};

use super::super::LatencyError;
use super::migrations::{APPLICATION_ID, MIGRATIONS};
use super::{DATABASE_VARIABLE, Store};

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(10);

impl Store {
    /// Where the user's database is: `ZEN_NAS_DB`, or `latency.sqlite` in the directory for user data.
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

    /// Opens or creates a database for writing and brings its schema up to date; a copy of the file is kept
    /// beside it before the schema changes.
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
        let connection = Connection::open(path).map_err(|error| unusable(path, &error))?;
        let mut store = Self { connection, path: path.to_owned(), built_in: true };
        let version = store.version()?;
        if (1..known_version()).contains(&version) {
            store.back_up(version)?;
        }
        store.migrate(version)?;
        Ok(store)
    }

    /// Opens a database for reading. A file that is not there is an empty one; one with an earlier schema is
    /// brought up to date in memory; nothing is written anywhere.
    ///
    /// # Errors
    /// As [`Store::open`], but for what only writing needs.
    pub fn read(path: &Path) -> Result<Self, LatencyError> {
        if !path.exists() {
            return Ok(Self { path: path.to_owned(), ..Self::in_memory()? });
        }
        let mut store = Self { connection: open_read_only(path)?, path: path.to_owned(), built_in: true };
        let version = store.version()?;
        if version == known_version() {
            return Ok(store);
        }
        let mut copy = Connection::open_in_memory().map_err(|source| store.failed("copying it", source))?;
        let backup = rusqlite::backup::Backup::new(&store.connection, &mut copy);
        backup
            .and_then(|backup| backup.run_to_completion(i32::MAX, Duration::ZERO, None))
            .map_err(|source| store.failed("copying it", source))?;
        store.connection = copy;
        store.migrate(version)?;
        Ok(store)
    }

    /// An empty database in memory, with the built-in tables beside it.
    ///
    /// # Errors
    /// When SQLite cannot create it.
    pub fn in_memory() -> Result<Self, LatencyError> {
        Ok(Self { built_in: true, ..Self::in_memory_empty()? })
    }

    /// An empty database in memory without any table.
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
        let mut store = Self { connection, path, built_in: false };
        store.migrate(0)?;
        Ok(store)
    }

    /// Version of the file's schema; 0 of a new file.
    fn version(&self) -> Result<i64, LatencyError> {
        let connection = &self.connection;
        let unreadable = |error: rusqlite::Error| LatencyError::UnusableDatabase {
            path: self.path.clone(),
            reason: format!("cannot be read as a database ({error})"),
        };
        connection.busy_timeout(BUSY).map_err(unreadable)?;
        let number = |pragma: &str| {
            connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0)).map_err(unreadable)
        };
        let (version, application) = (number("user_version")?, number("application_id")?);
        let any_table = connection
            .query_row("SELECT name FROM sqlite_master LIMIT 1", [], |row| row.get::<_, String>(0))
            .optional()
            .map_err(unreadable)?;
        if application != APPLICATION_ID && (any_table.is_some() || application != 0 || version != 0) {
            let reason = "is the database of another program".to_owned();
            return Err(LatencyError::UnusableDatabase { path: self.path.clone(), reason });
        }
        let known = known_version();
        if version > known {
            return Err(LatencyError::NewerDatabase { path: self.path.clone(), found: version, known });
        }
        Ok(version)
    }

    /// Copies the file before its schema changes, unless it was copied before.
    fn back_up(&self, version: i64) -> Result<(), LatencyError> {
        let copy = self.path.with_extension(format!("schema{version}.sqlite"));
        if copy.exists() {
            return Ok(());
        }
        let new = self.path.with_extension(format!("schema{version}.part"));
        let failed = |source| self.failed("copying it before its schema changes", source);
        let _ = std::fs::remove_file(&new);
        self.connection.execute("VACUUM INTO ?1", [new.to_string_lossy()]).map_err(failed)?;
        std::fs::rename(&new, &copy).map_err(|source| LatencyError::Io {
            doing: "copying the database before its schema changes to",
            path: copy,
            source,
        })
    }

    /// Brings the schema up to date.
    fn migrate(&mut self, version: i64) -> Result<(), LatencyError> {
        self.connection
            .execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;")
            .map_err(|source| self.failed("switching foreign keys on", source))?;
        if version == known_version() {
            return Ok(());
        }
        self.connection
            .execute_batch("PRAGMA journal_mode = WAL;")
            .map_err(|source| self.failed("choosing the journal", source))?;
        let path = self.path.clone();
        let failed = |source| LatencyError::Database { path: path.clone(), doing: "updating the schema", source };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Another process may have been faster.
        let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        for (number, step) in MIGRATIONS.iter().enumerate().skip(version.max(0) as usize) {
            step.run(&transaction).map_err(failed)?;
            transaction.pragma_update(None, "user_version", number as i64 + 1).map_err(failed)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.commit().map_err(failed)
    }
}

/// Version that this program writes.
fn known_version() -> i64 {
    MIGRATIONS.len() as i64
}

fn unusable(path: &Path, error: &rusqlite::Error) -> LatencyError {
    let reason = format!("cannot be opened as a database ({error})");
    LatencyError::UnusableDatabase { path: path.to_owned(), reason }
}

/// Opens a file without ever writing; where its folder cannot be written either, as a file that does not change.
fn open_read_only(path: &Path) -> Result<Connection, LatencyError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let readable = |connection: &Connection| {
        let count: rusqlite::Result<i64> =
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0));
        count.is_ok()
    };
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(path, &error))?;
    if readable(&connection) {
        return Ok(connection);
    }
    // A journal beside a file in a folder that cannot be written needs files that cannot be made.
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let escaped: String = whole
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            c => c.to_string(),
        })
        .collect();
    let unchanging = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags);
    // If that does not help, the first one says what is wrong.
    Ok(unchanging.ok().filter(readable).unwrap_or(connection))
}
