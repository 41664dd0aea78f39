//! What can go wrong in a report.

use std::path::PathBuf;

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

    #[error("{} has no best.json: it is no run directory, or its search has not ended (zen-search --resume)", directory.display())]
    NoResult { directory: PathBuf },

    #[error("reading {}: {source}", path.display())]
    RunFile { path: PathBuf, source: std::io::Error },

    #[error("{} cannot be read: {reason}; restore the file, or run the search again", path.display())]
    MalformedRunFile { path: PathBuf, reason: String },
}
