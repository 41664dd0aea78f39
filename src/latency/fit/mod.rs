//! Fitting: coefficients of a roofline from rows, and of sums from whole networks.
//!
//! Everything here is deterministic. Not here: evaluating the formulas (`prior`), where the numbers
//! come from (`derive`, the profile room).

mod composition;
mod linear;
mod roofline;

pub use composition::{NetworkTimes, fit_composition};
pub use linear::{Observation, leave_one_out, non_negative};
pub use roofline::fit_roofline;
