//! The second section of a table's text: whole networks that were predicted and measured.
//!
//! With them a built-in or shared table can be reported on like a local one. Times have six digits.

use std::fmt::Write as _;

use super::super::{CheckedNetwork, NetworkCheck};
use super::rows::{count, flag, known_error, positive_time};
use crate::net::Network;

/// Columns of the networks; the structure is last because it holds commas. `repeat_ms` is empty
/// where a network was measured once, `stderr_ms` where it is not known.
pub(super) const COLUMNS: &str =
    "role,resolution,classes,squeeze_excite,predicted_ms,measured_ms,stderr_ms,repeat_ms,structure";

/// Role of a network that a fit has seen, and of the others.
const CALIBRATION: &str = "calibration";
const HELD_OUT: &str = "held_out";

/// Appends the section, if there are networks.
pub(super) fn write<'n>(networks: impl Iterator<Item = &'n CheckedNetwork>, text: &mut String) {
    let mut networks = networks.map(|network| &network.check).peekable();
    if networks.peek().is_none() {
        return;
    }
    text.push_str(COLUMNS);
    text.push('\n');
    for network in networks {
        let role = if network.calibration { CALIBRATION } else { HELD_OUT };
        let known = |ms: Option<f64>| ms.map_or_else(String::new, |ms| rounded(ms).to_string());
        let (stderr, repeat) = (known(network.stderr_ms), known(network.repeat_ms));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{role},{},{},{},{},{},{stderr},{repeat},{}",
            network.resolution,
            network.classes,
            u8::from(network.squeeze_excite),
            rounded(network.predicted_ms),
            rounded(network.measured_ms),
            network.structure,
        );
    }
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Result<CheckedNetwork, String> {
    let fields: Vec<&str> = line.splitn(9, ',').collect();
    let Ok([role, resolution, classes, gates, predicted, measured, stderr, repeat, structure]) =
        <[&str; 9]>::try_from(fields)
    else {
        return Err("expected 9 fields".to_owned());
    };
    let calibration = match role {
        CALIBRATION => true,
        HELD_OUT => false,
        _ => return Err(format!("role is `{role}`, but must be {CALIBRATION} or {HELD_OUT}")),
    };
    let check = NetworkCheck {
        structure: Network::parse(structure).map_err(|error| error.to_string())?.to_string(),
        resolution: count(resolution)?,
        classes: count(classes)?,
        squeeze_excite: flag("squeeze_excite", gates)?,
        calibration,
        predicted_ms: positive_time(predicted)?,
        measured_ms: positive_time(measured)?,
        stderr_ms: known_error(stderr)?,
        repeat_ms: if repeat.is_empty() { None } else { Some(positive_time(repeat)?) },
    };
    Ok(CheckedNetwork { check, came_with_table: true, given: false })
}

/// A time with six significant digits: well below what any measurement is known to.
pub(super) fn rounded(ms: f64) -> f64 {
    format!("{ms:.5e}").parse().unwrap_or(ms)
}
