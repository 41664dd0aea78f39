//! The shipped tables as a Markdown list, read off their headers.

use std::fmt::Write as _;

use zen_nas::latency::{LatencyError, Table, TableError, built_in_settings};

use crate::evaluate::built_in;

/// One line for each shipped table: evidence, rows, stated error, origin and licence.
///
/// # Errors
/// When an embedded table does not read.
pub fn shipped_list() -> Result<String, LatencyError> {
    let mut text = String::from("| file | evidence | rows | error | from | licence |\n|---|---|--:|--:|---|---|\n");
    for setting in built_in_settings()? {
        let Table { evidence, rows, error, about, .. } = built_in(&setting)?;
        let name = setting.id().replace('/', "_");
        let rows = if rows.is_empty() { "formula".to_owned() } else { rows.len().to_string() };
        let error = error.as_ref().map_or("unknown".to_owned(), stated);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{name}` | {evidence} | {rows} | {error} | {} | {} |", about.origin, about.licence);
    }
    Ok(text)
}

/// The mean error, and on how many networks it was found.
fn stated(error: &TableError) -> String {
    let networks = match error.networks {
        None => String::new(),
        Some(1) => " (1 network)".to_owned(),
        Some(networks) => format!(" ({networks} networks)"),
    };
    format!("{:.1}%{networks}", 100.0 * error.mape)
}
