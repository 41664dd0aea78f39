//! Jobs and records: what goes to the agent and what comes back, one JSON object a line.
//!
//! Documented in `docs/reference/zen-agent.md`. A change that an older reader would misread needs
//! a new [`PROTOCOL`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Block, Limits, Machine, Scope};

/// Version of jobs and records.
pub const PROTOCOL: u32 = 1;

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
    /// Blocks to take, each of a freshly loaded instance.
    #[serde(default = "one")]
    pub blocks: u32,
}

fn one() -> u32 {
    1
}

/// One line of the agent's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// First line.
    Hello {
        protocol: u32,
        agent_version: String,
        runtime: String,
        runtime_version: String,
        machine: Machine,
        /// The clock behind `cpu_ms`: `thread-cpu`, or `wall` where there is no other.
        clock: String,
    },
    /// Samples of one instance of a model.
    Block {
        model: String,
        /// Number of the block, from 0.
        block: u32,
        #[serde(flatten)]
        samples: Block,
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
