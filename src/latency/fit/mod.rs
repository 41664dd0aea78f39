//! Fitting: coefficients of priors from rows, and of sums from whole networks.
//!
//! Everything here is deterministic. Not here: evaluating the formulas (`prior`), where the numbers
//! come from (the profile room, `tools/tables`).

mod composition;
mod linear;
mod pattern;
mod processor;
mod roofline;
mod spread;
mod times;

pub use composition::{fit_beside_host, fit_composition, fit_host};
pub(super) use linear::solve;
pub use linear::{Observation, leave_one_out, non_negative};
pub use roofline::fit_roofline;
pub use spread::{fit_spread, fit_spread_of, fit_spread_with, spread_of_pairs};
pub use times::NetworkTimes;

use super::store::Row;
use super::{LatencyError, Prior, Setting};

/// Fits the prior that suits a setting to its rows: a processor where threads mean something, a
/// roofline elsewhere.
///
/// # Errors
/// When there is no convolution among the rows.
pub fn fit_prior(rows: &[Row], setting: &Setting) -> Result<Prior, LatencyError> {
    let kept: Vec<Row>;
    let rows = if rows.iter().any(|row| row.merged) {
        kept = rows.iter().filter(|row| !row.merged).cloned().collect();
        &kept
    } else {
        rows
    };
    if setting.threads > 0 {
        Ok(Prior::Processor(processor::fit_processor(rows, setting)?))
    } else {
        Ok(Prior::Roofline(fit_roofline(rows, setting)?))
    }
}
