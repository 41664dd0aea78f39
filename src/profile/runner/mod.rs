//! Runners: how a model is timed.
//!
//! Adding one: write `x.rs`, list it in [`RUNNERS`]. Not here: how often something is timed and
//! what the samples mean (`bench`).

#[cfg(test)]
pub(crate) mod mock;
mod tract;

use zen_agent::{Limits, Scope};

/// Something to time.
#[derive(Clone, Debug)]
pub struct Subject {
    /// For messages: an operator or a structure.
    pub name: String,
    /// ONNX bytes.
    pub model: Vec<u8>,
    pub scope: Scope,
}

/// What a runner's samples belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerAbout {
    /// As in settings.
    pub runtime: &'static str,
    pub runtime_version: String,
    /// Name of the device in settings.
    pub device: String,
    /// Processor or machine, in its own words.
    pub host: String,
    pub threads: u32,
    /// What times are read from, e.g. `processor time of the thread`.
    pub clock: String,
}

/// A way to time models on one device.
pub trait Runner {
    fn about(&self) -> RunnerAbout;

    /// Times a freshly loaded instance: milliseconds of one call, at least one sample.
    ///
    /// # Errors
    /// [`RunnerError::Model`] when this subject cannot be timed, [`RunnerError::Lost`] when
    /// nothing can be timed any more.
    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError>;

    /// Whether [`Runner::parts`] works: operators are then timed inside networks.
    fn times_parts(&self) -> bool {
        false
    }

    /// Times parts of one freshly loaded, running model. `owners` says which of `count` parts a
    /// node of the runtime belongs to, by its name; none for nodes of no part.
    ///
    /// # Errors
    /// As [`Runner::block`]; [`RunnerError::Model`] also where the runtime does not time nodes.
    fn parts(
        &mut self,
        subject: &Subject,
        owners: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<Parts, RunnerError> {
        let _ = (subject, owners, count, limits);
        Err(RunnerError::Model("this runtime does not time single nodes".to_owned()))
    }
}

/// Samples of the parts of a running model, in milliseconds of one call. The n-th samples of all
/// lists are of the same calls; taking the median is the caller's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// One list of samples per part.
    pub parts_ms: Vec<Vec<f64>>,
    /// Nodes that belong to no part.
    pub unowned_ms: Vec<f64>,
    /// Whole calls.
    pub whole_ms: Vec<f64>,
}

/// A failed block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    #[error("{0}")]
    Model(String),
    #[error("{0}")]
    Lost(String),
}

/// A runner that can be chosen.
pub struct RunnerEntry {
    /// Runtime in settings.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    pub open: fn() -> Box<dyn Runner>,
}

/// Every runner.
pub static RUNNERS: &[RunnerEntry] = &[tract::ENTRY];
