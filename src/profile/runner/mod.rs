//! Runners: how a model is timed.
//!
//! A runner owns the [`Transport`] to its machine, which may be this one. Adding one: write `x.rs`, list it in
//! [`RUNNERS`]. Not here: how often something is timed and what the samples mean (`estimate`).

mod agent;
mod difference;
#[cfg(test)]
pub(crate) mod mock;
mod onnxruntime;
mod options;
mod python;
#[cfg(test)]
mod scripted;
mod target;
mod tensorrt;
mod tract;

use std::sync::atomic::{AtomicBool, Ordering};

use zen_agent::{Limits, Machine, Processor, Scope};

use super::farm::MemberReport;
use super::transport::{Transport, TransportError};
use crate::latency::Precision;
use crate::names::UnknownName;

pub use difference::Difference;
pub use options::RunnerOptions;

/// Something to time.
#[derive(Clone, Debug)]
pub struct Subject {
    /// For messages: an operator or a structure.
    pub name: String,
    /// ONNX bytes.
    pub model: Vec<u8>,
    pub scope: Scope,
    /// What the model is without the nodes of the scope, for runtimes that time no nodes; empty
    /// where nobody will ask.
    pub without: Vec<Without>,
}

/// A model whose time, by this weight, is a part of what a subject takes beside its own nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Without {
    /// ONNX bytes.
    pub model: Vec<u8>,
    pub weight: f64,
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
    /// Kind of the processor that does the work; none of a GPU, and where it is not known.
    pub processor: Option<Processor>,
    pub precision: Precision,
    /// What times are read from, e.g. `processor time of the thread`.
    pub clock: String,
    /// What else decides how fast it is, in words: governor, clocks, temperature; empty where
    /// nothing is known.
    pub conditions: String,
    /// Whether the machine imitates another processor; its times are nobody's.
    pub emulated: bool,
}

impl RunnerAbout {
    /// About a runtime in this process, on one thread of this machine's processor.
    fn of_thread(machine: &Machine, device: &str, runtime: &'static str, version: &str, clock: String) -> Self {
        Self {
            runtime,
            runtime_version: version.to_owned(),
            device: device.to_owned(),
            host: machine.words(),
            threads: 1,
            processor: machine.processor.clone(),
            precision: Precision::Fp32,
            clock,
            conditions: String::new(),
            emulated: false,
        }
    }
}

/// How a runtime tells the time of an operator that is not inside a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorForm {
    /// By its own nodes in the model around it.
    Nodes,
    /// As a network of its own, whole calls.
    Alone,
    /// By the difference between models with and without it.
    Difference,
}

/// A way to time models on one device.
pub trait Runner {
    fn about(&self) -> RunnerAbout;

    /// What operators are given to [`Runner::block`] as.
    fn operator_form(&self) -> OperatorForm {
        OperatorForm::Nodes
    }

    /// Times a freshly loaded instance: milliseconds of one call, at least one sample.
    ///
    /// # Errors
    /// [`RunnerError::Model`] when this subject cannot be timed, the others when nothing can be
    /// timed any more.
    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError>;

    /// Times whole calls of several models, in this order, each freshly loaded; one list of samples each.
    /// A runner that is dear to start does all of them in one go.
    ///
    /// # Errors
    /// As [`Runner::block`], for the first that fails.
    fn blocks(&mut self, models: &[&[u8]], name: &str, limits: &Limits) -> Result<Vec<Vec<f64>>, RunnerError> {
        let subject = |model: &[u8]| Subject {
            name: name.to_owned(),
            model: model.to_vec(),
            scope: Scope::Whole,
            without: Vec::new(),
        };
        models.iter().map(|model| self.block(&subject(model), limits)).collect()
    }

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

    /// Waits until the machine is fit to be measured, where that is known, and returns why it was
    /// not when this was called: empty where it was.
    ///
    /// # Errors
    /// As [`Runner::block`], and when it does not become fit.
    fn await_fit(&mut self) -> Result<Vec<String>, RunnerError> {
        Ok(Vec::new())
    }

    /// The way to the machine; none for a runtime in this process.
    fn transport(&mut self) -> Option<&mut dyn Transport> {
        None
    }

    /// How the members of a farm did; empty for a single machine.
    fn members(&self) -> Vec<MemberReport> {
        Vec::new()
    }
}

/// Samples of the parts of a running model, in milliseconds of one call; the n-th samples of all
/// lists belong together. Taking the median is the caller's.
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
    /// This subject cannot be timed.
    #[error("{0}")]
    Model(String),
    /// Nothing can be timed any more.
    #[error("{0}")]
    Lost(String),
    /// The connection broke: connecting again may help.
    #[error("{0}")]
    Disconnected(String),
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
}

impl RunnerError {
    /// What a machine that cannot be worked with means for its runner.
    pub(crate) fn of(error: &TransportError) -> Self {
        match error {
            TransportError::ConnectionLost { .. } => Self::Disconnected(error.to_string()),
            TransportError::Interrupted { .. } => Self::Interrupted,
            _ => Self::Lost(error.to_string()),
        }
    }

    /// Why a model cannot be timed here, unless the user stopped it.
    fn of_model(reason: String, stop: Option<&AtomicBool>) -> Self {
        match stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Self::Interrupted,
            _ => Self::Model(reason),
        }
    }
}

/// Starts a runner on a machine, which may be this one.
pub type OpenRunner = fn(Box<dyn Transport>, &RunnerOptions) -> Result<Box<dyn Runner>, RunnerError>;

/// A runner that can be chosen.
pub struct RunnerEntry {
    /// Runtime in settings.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Starts it on the machine, or says why it cannot be used there and what to do about that.
    pub open: OpenRunner,
}

impl RunnerEntry {
    /// The runner of a runtime.
    ///
    /// # Errors
    /// For an unknown name, with the known ones.
    pub fn find(name: &str) -> Result<&'static Self, UnknownName> {
        let entry = RUNNERS.iter().find(|entry| entry.name == name);
        entry.ok_or_else(|| UnknownName::new("runtime", name, RUNNERS.iter().map(|entry| entry.name)))
    }
}

/// Every runner.
pub static RUNNERS: &[RunnerEntry] = &[tract::ENTRY, onnxruntime::ENTRY, tensorrt::ENTRY];
