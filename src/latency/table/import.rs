//! A table from a user's file into the store. Not here: its form (`rows`, `header`), what cannot be true (`plausible`).

use std::io::Read as _;
use std::path::Path;

use serde::Serialize;

use super::super::resolve::{Named, named};
use super::super::store::{TableChoice, TableSource};
use super::super::{Evidence, LatencyError, ReachKind, Setting, SpotChecks, Store, require_choice, runtime_name};
use super::plausible::{doubts, repeated};
use super::{MAX_BYTES, Table};

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Imported {
    pub setting: Setting,
    pub evidence: Evidence,
    /// Operators in the file.
    pub rows: usize,
    /// Of these, given more than once; each counts by the median of its times.
    pub repeated: usize,
    /// Header lines that the file lacks, with what was taken instead.
    pub missing: Vec<String>,
    /// What its names were taken for, a sentence each.
    pub notes: Vec<String>,
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
    let mut notes = Vec::new();
    let setting = canonical(store, &table.setting, &mut notes)?;
    table.setting = setting;
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
        notes,
        changed,
        warning: table.about.warning,
        used: used.used.source,
        unused: used.others.into_iter().map(|other| other.source).collect(),
    })
}

/// The setting in the names that settings have, so that a table is found under them: `s24/litert/...` is
/// `galaxy-s24/tflite/...`. A device that has neither a file nor a table is a new one.
fn canonical(store: &Store, given: &Setting, notes: &mut Vec<String>) -> Result<Setting, LatencyError> {
    let mut setting = Setting { runtime: runtime_name(&given.runtime), ..given.clone() };
    match named(&store.settings()?, &given.device) {
        // This machine is no name for a table from elsewhere.
        Ok(Named { device: Some(device), .. }) if device.reach.kind == ReachKind::Local => {}
        Ok(Named { name, .. }) => setting.device = name,
        Err(LatencyError::UnknownDevice { suggestions, .. }) => {
            let meant = match suggestions.as_slice() {
                [] => String::new(),
                [first, ..] => format!("; if it is {first}, write that into the file's line `# setting:`"),
            };
            notes.push(format!("note: {} is a new device here{meant}", given.device));
        }
        Err(error) => return Err(error),
    }
    if setting != *given {
        notes.push(format!("note: {given} is {setting} here"));
    }
    Ok(setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_settings_are_those_that_tables_are_found_under() {
        let store = Store::in_memory().unwrap();
        for (given, expected, note) in [
            ("galaxy-s24/tflite-npu/fp16/b1", "galaxy-s24/tflite-npu/fp16/b1", None),
            ("S24/LiteRT-npu/fp16/b1", "galaxy-s24/tflite-npu/fp16/b1", Some("is galaxy-s24/tflite-npu/fp16/b1 here")),
            ("T4/TRT/int8/b1", "t4/tensorrt/int8/b1", Some("is t4/tensorrt/int8/b1 here")),
            ("cpu-AMD-epyc/ort/fp32/b1/t1", "cpu-amd-epyc/onnxruntime/fp32/b1/t1", Some("here")),
            ("galaxy-s21/tflite/fp16/b1", "galaxy-s21/tflite/fp16/b1", Some("a new device here; if it is galaxy-s2")),
            ("my-own-board/tflite/fp16/b1", "my-own-board/tflite/fp16/b1", Some("my-own-board is a new device here")),
        ] {
            let mut notes = Vec::new();
            assert_eq!(canonical(&store, &given.parse().unwrap(), &mut notes).unwrap().id(), expected);
            assert_eq!(notes.len(), usize::from(note.is_some()), "{notes:?}");
            assert!(note.is_none_or(|note| notes[0].contains(note)), "{notes:?}");
        }
    }
}
