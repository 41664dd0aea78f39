//! Jobs and records: what goes to the agent and what comes back, one JSON object a line.
//!
//! Documented in `docs/reference/zen-agent.md`. A change that an older reader would misread needs
//! a new [`PROTOCOL`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Block, ClockCheck, Limits, Machine, NodesBlock, Scope};

/// Version of jobs and records.
pub const PROTOCOL: u32 = 2;

/// Most blocks of one model.
pub const MAX_BLOCKS: u32 = 1000;

/// What to time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// The agent ends by itself after this time.
    pub time_limit_s: f64,
    #[serde(default)]
    pub limits: Limits,
    /// Processors to stay on: a hexadecimal mask, as `taskset` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    pub models: Vec<JobModel>,
}

/// One model of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobModel {
    /// Repeated in the model's records.
    pub name: String,
    /// ONNX file; a relative path starts at the job file's directory.
    pub path: PathBuf,
    #[serde(default)]
    pub scope: Scope,
    /// Whether every node is timed by itself while the model runs; the scope must be whole.
    #[serde(default)]
    pub parts: bool,
    /// Blocks to take, each of a freshly loaded instance.
    #[serde(default = "one")]
    pub blocks: u32,
}

fn one() -> u32 {
    1
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Greeting {
    /// [`PROTOCOL`] of the agent.
    pub protocol: u32,
    pub agent_version: String,
    pub runtime: String,
    pub runtime_version: String,
    pub machine: Machine,
    /// The clock behind `cpu_ms`: `thread-cpu`, or `wall` where there is no other.
    pub clock: String,
    pub clock_check: ClockCheck,
    /// Whether another processor than it seems runs this: such times are no device's.
    pub emulated: bool,
    /// The mask of processors that the agent stays on, if it was told to.
    pub cores: Option<String>,
}

/// One line of the agent's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // one greeting an answer
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// First line.
    Hello(Greeting),
    /// Samples of one instance of a model.
    Block {
        model: String,
        /// Number of the block, from 0.
        block: u32,
        #[serde(flatten)]
        samples: Block,
        /// How far the machine's clocks disagreed during the block ([`crate::ClockWatch`]).
        clock_jump_ms: f64,
    },
    /// Samples of every node of one instance of a model that was asked for in parts.
    Parts {
        model: String,
        /// Number of the block, from 0.
        block: u32,
        #[serde(flatten)]
        samples: NodesBlock,
        /// As of a block.
        clock_jump_ms: f64,
    },
    /// A model that cannot be timed; the job goes on with the next.
    Failure { model: String, reason: String },
    /// Last line; without it the answer is cut off.
    End {
        /// Models with all their blocks.
        measured: u32,
        failed: u32,
        /// Whether the time limit ended the job; the rest is then neither measured nor failed.
        time_limit_reached: bool,
    },
}
