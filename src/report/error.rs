//! What can go wrong in a report.

use crate::latency::LatencyError;
use crate::names::UnknownName;

/// Errors of the report room.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Latency(#[from] LatencyError),

    #[error(transparent)]
    UnknownSpace(#[from] UnknownName),

    #[error(
        "reporting on {setting}: none of its {networks} networks is of the space {space}; leave --space out, or measure \
         some with zen-profile --device ... --space {space}"
    )]
    NoneOfSpace { setting: String, space: &'static str, networks: usize },
}
