//! Times ONNX models with tract on the machine it runs on.
//!
//! The part of zen-nas that goes to the target: `zen-profile` calls this library for the machine it
//! runs on, and the `zen-agent` binary answers a job file with JSON lines where the target is
//! another machine (`docs/reference/zen-agent.md`). Not here: which models are worth timing, and
//! what their samples mean.

mod clock;
mod cores;
mod emulation;
mod error;
mod job;
mod machine;
mod model;
mod nodes;
mod processor;
mod protocol;
mod sampling;
mod validate;

pub use clock::{CLOCK, CLOCK_WORDS, ClockCheck, ClockWatch, Elapsed, Stamp};
pub use cores::{parse_mask, stay_on};
pub use error::AgentError;
pub use job::{ExitCode, MAX_JOB_BYTES, run_job};
pub use machine::Machine;
pub use model::{Block, Limits, Model, PartsBlock, Scope};
pub use nodes::{MAX_NODES, NodeSamples, NodesBlock};
pub use processor::Processor;
pub use protocol::{Greeting, Job, JobModel, MAX_BLOCKS, PROTOCOL, Record};
pub use sampling::{calls_per_sample, input_values, time_calls};
pub use validate::MAX_MODEL_BYTES;

/// Name of the runtime in settings and records.
pub const RUNTIME: &str = "tract";
/// Version of the runtime; a test compares it with the lock file.
pub const RUNTIME_VERSION: &str = "0.23.9";
/// Version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    #[test]
    fn runtime_version_is_the_locked_one() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        let (_, rest) = lock.split_once("name = \"tract-onnx\"\nversion = \"").unwrap();
        assert_eq!(rest.split('"').next(), Some(super::RUNTIME_VERSION));
    }
}
