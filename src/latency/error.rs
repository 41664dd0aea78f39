//! What can go wrong between a graph and its latency.

use std::path::PathBuf;

/// Errors of the latency room.
#[derive(Debug, thiserror::Error)]
pub enum LatencyError {
    #[error("unknown device `{name}`{hint} `zen-profile devices` lists all", hint = hint(.suggestions))]
    UnknownDevice {
        name: String,
        /// Names that may have been meant, the closest first.
        suggestions: Vec<String>,
    },

    #[error("`{names}` names several devices, and this command takes one (`zen-score` compares several)")]
    SeveralDevices { names: String },

    #[error("device file {file}: {reason}")]
    DeviceFile { file: String, reason: String },

    #[error(
        "setting `{text}`: {reason}; the form is device/runtime/precision/bBATCH[/tTHREADS], as in v100/tensorrt/fp16/b64"
    )]
    BadSetting { text: String, reason: String },

    #[error("no {kind}latency table for {setting}; {available}")]
    NoTable {
        /// `local `, `built-in ` or `imported ` where such a one was asked for.
        kind: String,
        setting: String,
        available: String,
    },

    #[error(
        "{table} of {setting} does not hold on this machine ({reason}); measure this machine: zen-profile --device cpu \
         --runtime {runtime}, about 8 minutes, or use the table all the same with --no-check"
    )]
    Refused { table: String, setting: String, reason: String, runtime: String },

    #[error("no imported table has the setting, the file name or the hash `{what}`; {known}")]
    NoImported { what: String, known: String },

    #[error(
        "several imported tables are called `{what}`; name one by its hash, or remove all of them with --all:\n  {found}"
    )]
    SeveralImported { what: String, found: String },

    #[error("database {path}: {reason}; move the file away or choose another with --db PATH (nothing was changed)")]
    UnusableDatabase { path: PathBuf, reason: String },

    #[error(
        "database {path} was written by a newer version (schema {found}, this version knows {known}); \
         update the program, move the file away, or choose another with --db PATH (nothing was changed)"
    )]
    NewerDatabase { path: PathBuf, found: i64, known: i64 },

    #[error("no directory for user data is known on this system; choose a database with --db PATH")]
    NoDataDirectory,

    #[error("database {path}, {doing}: {source}")]
    Database { path: PathBuf, doing: &'static str, source: rusqlite::Error },

    #[error("database {path}, {doing}: {reason}")]
    Content { path: PathBuf, doing: &'static str, reason: String },

    #[error("table {name}, line {line}: {reason}")]
    Table { name: String, line: usize, reason: String },

    #[error(
        "table {name}, line {line}: {reason}{others}; correct the file, or import it as it is with --force, which marks the \
         table"
    )]
    Implausible {
        name: String,
        line: usize,
        reason: String,
        /// How many more lines; empty for none.
        others: String,
    },

    #[error("{doing} {path}: {source}")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },

    #[error("{path}: {reason}")]
    RawData { path: PathBuf, reason: String },

    #[error("fitting {what}: {reason}")]
    Fit { what: String, reason: String },

    #[error("published network {name}: {reason}")]
    Published { name: String, reason: String },
}

fn hint(suggestions: &[String]) -> String {
    let quoted: Vec<String> = suggestions.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => ";".to_owned(),
        Some((only, [])) => format!(", did you mean {only}?"),
        Some((last, others)) => format!(", did you mean {} or {last}?", others.join(", ")),
    }
}
