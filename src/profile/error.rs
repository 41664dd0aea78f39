//! What can end a profiling session.

use super::RunnerError;
use super::transport::TransportError;
use crate::latency::LatencyError;
use crate::names::UnknownName;
use crate::net::LowerError;
use crate::onnx::OnnxError;

/// A session that cannot start or go on; a single operator that fails is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("{name} is {value}, but must be from {from} to {to}")]
    OutOfRange { name: &'static str, value: String, from: u32, to: u32 },
    #[error("the space's initial network: {0}")]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Latency(#[from] LatencyError),
    #[error("building the model of a whole network: {0}")]
    Onnx(#[from] OnnxError),
    #[error(
        "the table {from} cannot be adapted to {to}: their batch sizes differ, and batch sizes are not extrapolated; name \
         a table of the same batch with --adapt-from, or another --batch-size"
    )]
    AdaptBatch { from: String, to: String },
    #[error(
        "{setting} has {measured} operators that were measured here, which are better than another table's; to try the \
         other all the same, name another database with --db"
    )]
    AdaptMeasured { setting: String, measured: usize },
    #[error(
        "only {measured} whole networks could be measured, {needed} are needed to adapt a table; give it more --minutes"
    )]
    AdaptNetworks { measured: usize, needed: usize },
    #[error("measuring the network {structure}: {reason}")]
    Network { structure: String, reason: String },
    #[error("{device} is not reachable: {problem}; connecting it takes {connect}{meanwhile}")]
    NotReachable { device: String, problem: String, connect: String, meanwhile: String },
    #[error("{device} is reached by kind = \"{kind}\", so {option} says nothing about it; see zen-profile devices")]
    WrongWay { device: String, option: &'static str, kind: &'static str },
    #[error("{option} `{address}` is no address: it has blanks, or begins with `-`")]
    BadAddress { option: &'static str, address: String },
    #[error("{a} and {b} cannot fill one table together, they differ in their {what}; measure them one by one")]
    Farm { a: String, b: String, what: String },
    #[error("{target} is not fit to be measured: {reasons}")]
    Unfit { target: String, reasons: String },
    #[error(transparent)]
    UnknownRuntime(#[from] UnknownName),
    #[error("the table of {setting} cannot be tried on this machine: {reason}")]
    NotTried { setting: String, reason: String },
    #[error("{runtime} cannot be used: {reason}")]
    NoRuntime { runtime: String, reason: String },
    #[error("the device is lost: {0}; what was measured is stored, run the same command again to go on")]
    Lost(String),
    #[error("interrupted; what was measured is stored, run the same command again to go on")]
    Interrupted,
}

impl ProfileError {
    /// What a runner's error that is about no single subject means for the session.
    pub(super) fn of_runner(error: RunnerError) -> Self {
        match error {
            RunnerError::Interrupted => Self::Interrupted,
            RunnerError::Model(reason) | RunnerError::Lost(reason) | RunnerError::Disconnected(reason) => {
                Self::Lost(reason)
            }
        }
    }

    /// The same of the way to a machine.
    pub(super) fn of_transport(error: &TransportError) -> Self {
        Self::of_runner(RunnerError::of(error))
    }
}
