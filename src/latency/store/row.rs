//! What the store holds: rows, checked networks, published networks, errors of tables.

use super::super::{Evidence, OperatorKey};

/// One row of a table: an operator and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: OperatorKey,
    /// Median time of one call with the whole batch, in milliseconds; 0 where `merged`.
    pub ms: f64,
    /// Standard error of the median in milliseconds, where it is known.
    pub stderr_ms: Option<f64>,
    pub evidence: Evidence,
    /// The runtime ran no node of its own for the operator: what it takes is in the rows of its neighbours,
    /// and its time says nothing about other operators.
    pub merged: bool,
}

impl Row {
    /// A time without its standard error.
    pub fn new(key: OperatorKey, ms: f64, evidence: Evidence) -> Self {
        Self { key, ms, stderr_ms: None, evidence, merged: false }
    }

    /// An operator that was measured and had no node of its own.
    pub fn merged(key: OperatorKey) -> Self {
        Self { key, ms: 0.0, stderr_ms: None, evidence: Evidence::Measured, merged: true }
    }
}

/// A checked network in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(pub(super) i64);

/// A whole network, predicted and measured on the run's setting.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct NetworkCheck {
    pub structure: String,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    /// Whether a fit has seen it; otherwise it is held out.
    pub calibration: bool,
    /// By the table as it was when the network was measured.
    pub predicted_ms: f64,
    pub measured_ms: f64,
    /// Standard error of `measured_ms`, where it is known.
    pub stderr_ms: Option<f64>,
    /// The same network measured once more, later: how far one measurement is from another.
    pub repeat_ms: Option<f64>,
}

/// A whole network whose latency others published, beside what a fit to the other networks predicts for it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct PublishedNetwork {
    /// Its name in the publication.
    pub network: String,
    /// Side of the image, or HEIGHTxWIDTH.
    pub input: String,
    /// Who published it.
    pub source: String,
    /// Milliseconds of one call, predicted by a fit that has not seen the network.
    pub predicted_ms: f64,
    /// Milliseconds of one call, as published.
    pub published_ms: f64,
}

/// How far predictions from a table were from whole networks.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct TableError {
    /// Mean absolute relative error, as a share (0.05 is 5%).
    pub mape: f64,
    /// Median absolute relative error.
    pub median: Option<f64>,
    /// Mean relative error with its sign: above 0 predictions are too slow.
    pub bias: Option<f64>,
    /// Share of networks within 5%.
    pub within5: Option<f64>,
    /// Share of networks within 10%.
    pub within10: Option<f64>,
    /// Share of networks within 20%.
    pub within20: Option<f64>,
    pub kendall_tau: Option<f64>,
    pub networks: Option<u32>,
    /// How the error was obtained, for people: from which networks, and whether a fit had seen them.
    pub method: String,
}
