//! A table from a user's file into the store. Not here: its form (`rows`, `header`), what cannot be true (`plausible`).

use std::io::Read as _;
use std::path::Path;

use serde::Serialize;

use super::super::store::{Store, TableChoice, TableSource};
use super::super::{Evidence, LatencyError, Setting, SpotChecks, require_choice};
use super::plausible::{doubts, repeated};
use super::{MAX_BYTES, Table};

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    pub setting: Setting,
    pub evidence: Evidence,
    /// Operators in the file.
    pub rows: usize,
    /// Of these, given more than once; each counts by the median of its times.
    pub repeated: usize,
    /// Header lines that the file lacks, with what was taken instead.
    pub missing: Vec<String>,
    /// Whether anything changed: the same content for the same setting is read once.
    pub changed: bool,
    /// Why its numbers are to be doubted; empty unless it was imported in spite of that.
    pub warning: String,
    /// The table that the setting is predicted from now, unless a network asks for another.
    pub used: TableSource,
    /// Tables of the setting that are not used and stay.
    pub unused: Vec<TableSource>,
}

/// Reads a table from a file into the store; the same content for the same setting is read once. With `force`, lines
/// that cannot be true are taken, too, and the table is marked.
///
/// # Errors
/// When the file cannot be read (names it), is no table, or holds what cannot be true (names the line).
pub fn import_table_file(store: &mut Store, path: &Path, force: bool) -> Result<Imported, LatencyError> {
    let failed = |source| LatencyError::Io { doing: "reading the table", path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let (mut table, missing, lines) = Table::parse_noting(&name, &text)?;
    let doubts = doubts(&table.setting, &table.rows, &lines);
    if let Some(first) = doubts.first() {
        let others = match doubts.len() - 1 {
            0 => String::new(),
            1 => "; 1 more line cannot be true".to_owned(),
            others => format!("; {others} more lines cannot be true"),
        };
        if !force {
            let (line, reason) = (first.line, first.reason.clone());
            return Err(LatencyError::Implausible { name: name.into_owned(), line, reason, others });
        }
        let warning = format!("imported with --force although line {}: {}{others}", first.line, first.reason);
        table.about.warning =
            [table.about.warning, warning].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join("; ");
    }
    let changed = store.import(&name, &text, &table)?;
    let used = require_choice(store, &table.setting, &TableChoice::Best, &[], SpotChecks::Stored)?.decision;
    Ok(Imported {
        setting: table.setting,
        evidence: table.evidence,
        rows: table.rows.len(),
        repeated: repeated(&table.rows),
        missing,
        changed,
        warning: table.about.warning,
        used: used.used.source,
        unused: used.others.into_iter().map(|other| other.source).collect(),
    })
}
