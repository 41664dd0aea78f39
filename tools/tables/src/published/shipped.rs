//! The shipped tables as a Markdown list, read off their headers.

use std::fmt::Write as _;

use zen_nas::latency::{LatencyError, Table, built_in_settings};

use crate::evaluate::built_in;

/// One line for each shipped table: evidence, rows, networks behind it, stated error, origin and licence.
///
/// # Errors
/// When an embedded table does not read.
pub fn shipped_list() -> Result<String, LatencyError> {
    let mut text =
        String::from("| file | evidence | rows | networks | error | from | licence |\n|---|---|--:|--:|--:|---|---|\n");
    for setting in built_in_settings()? {
        let Table { evidence, rows, error, about, .. } = built_in(&setting)?;
        let name = setting.id().replace('/', "_");
        let rows = if rows.is_empty() { "formula".to_owned() } else { rows.len().to_string() };
        let networks = error.as_ref().and_then(|error| error.networks).unwrap_or(0);
        let error = error.map_or("never checked".to_owned(), |error| format!("{:.1}%", 100.0 * error.mape));
        let from = ["fitted on latencies published by ", "fitted on latencies published with "]
            .iter()
            .find_map(|begin| about.origin.strip_prefix(begin))
            .unwrap_or(&about.origin);
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "| `{name}` | {evidence} | {rows} | {networks} | {error} | {from} | {} |", about.licence);
    }
    Ok(text)
}
