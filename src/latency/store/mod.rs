//! The store: one SQLite file per user with every latency measured or imported, and where it came from.
//!
//! Nothing is overwritten: measuring again adds rows. What is read is a [`Table`](super::Table), a value (`tables`). A file
//! that cannot be used is left as it is; before its schema changes it is copied. Built-in tables are not in the
//! file. Not here: predictions (`predict`), the text form of tables (`table`), the built-in ones (`built_in`).

mod checks;
mod drift;
mod import;
mod legacy;
mod migrations;
mod open;
mod read;
mod row;
mod run;
mod spot_checks;
mod tables;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::LatencyError;

pub use drift::{DriftReading, Mark};
pub use import::ImportedTable;
pub use row::{CheckId, NetworkCheck, PublishedNetwork, Row, TableError};
pub use run::{Fingerprint, ImportedFrom, NewRun, Purpose, Run, RunId};
pub use tables::{SettingTable, Stated, TableChoice, TableSource};
pub(super) use write::{activation_from_name, activation_name};

/// Environment variable that names the database instead of the default place.
pub const DATABASE_VARIABLE: &str = "ZEN_NAS_DB";

/// Unit of every stored time.
pub const UNIT: &str = "ms per inference call";

/// An open database, with the built-in tables beside it.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Whether the built-in tables are offered beside the file's.
    built_in: bool,
}

impl Store {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, doing: &'static str, source: rusqlite::Error) -> LatencyError {
        LatencyError::Database { path: self.path.clone(), doing, source }
    }

    fn bad_content(&self, doing: &'static str, reason: impl ToString) -> LatencyError {
        LatencyError::Content { path: self.path.clone(), doing, reason: reason.to_string() }
    }
}
