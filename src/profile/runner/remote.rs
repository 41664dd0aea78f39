//! Runners on other machines: what they are opened with, and which there are.
//!
//! A remote runner owns its [`Transport`](crate::profile::transport::Transport). Adding one: write
//! `x.rs`, list it in [`REMOTE_RUNNERS`]. Not here: how the machine is reached.

use std::path::PathBuf;

use super::{Runner, RunnerError, agent, onnxruntime_remote, tensorrt};
use crate::latency::Precision;
use crate::names::UnknownName;
use crate::profile::transport::Transport;

/// What a remote runner is told about its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteOptions {
    /// Name of the device in settings.
    pub device: String,
    pub precision: Precision,
    /// Threads of one inference; 0 where the runtime decides.
    pub threads: u32,
    /// Processors to stay on, as `taskset` takes them (a hexadecimal mask); all where absent.
    pub cores: Option<String>,
    /// Execution provider of onnxruntime: `cpu`, `cuda`, `tensorrt`.
    pub provider: Option<String>,
    /// What is known of the target's state, in words; recorded with what is measured.
    pub conditions: String,
    /// The zen-agent executable built for the target.
    pub agent: Option<PathBuf>,
    /// Python interpreter on the target.
    pub python: String,
    /// TensorRT's command-line program on the target.
    pub trtexec: String,
}

impl RemoteOptions {
    /// Everything at its default.
    pub fn new(device: &str, precision: Precision) -> Self {
        Self {
            device: device.to_owned(),
            precision,
            threads: 1,
            cores: None,
            provider: None,
            conditions: String::new(),
            agent: None,
            python: "python3".to_owned(),
            trtexec: "trtexec".to_owned(),
        }
    }
}

/// Starts a runner on a machine.
pub type OpenRemote = fn(Box<dyn Transport>, &RemoteOptions) -> Result<Box<dyn Runner>, RunnerError>;

/// A runner for other machines that can be chosen.
pub struct RemoteEntry {
    /// Runtime in settings.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Starts it on the machine, or says why it cannot be used there and what to do about that.
    pub open: OpenRemote,
}

impl RemoteEntry {
    /// The remote runner of a runtime.
    ///
    /// # Errors
    /// For an unknown name, with the known ones.
    pub fn find(name: &str) -> Result<&'static Self, UnknownName> {
        let entry = REMOTE_RUNNERS.iter().find(|entry| entry.name == name);
        let known = REMOTE_RUNNERS.iter().map(|entry| entry.name);
        entry.ok_or_else(|| UnknownName::new("runtime for another machine", name, known))
    }
}

/// Every remote runner.
pub static REMOTE_RUNNERS: &[RemoteEntry] = &[agent::ENTRY, onnxruntime_remote::ENTRY, tensorrt::ENTRY];
