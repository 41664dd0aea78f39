//! What can go wrong between a file and its samples.

use std::path::PathBuf;

/// A model that cannot be timed, or a job that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("the model has {bytes} bytes, the limit is {limit}")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("not an ONNX model: {reason}")]
    NotOnnx { reason: String },
    #[error("node `{node}` ({operator}): {reason}")]
    BadNode { node: String, operator: String, reason: String },
    #[error("{what} has the shape [{shape}]; timing needs every dimension fixed and positive")]
    Shape { what: String, shape: String },
    #[error("tract, {doing}: {reason}")]
    Tract { doing: &'static str, reason: String },
    #[error("tract panicked while {doing}: {reason}")]
    Panic { doing: &'static str, reason: String },
    #[error("no node of the optimised model has a name that starts with `{prefix}`")]
    NoNodes { prefix: String },
    #[error("staying on the processors {mask}: {reason}")]
    Cores { mask: String, reason: String },
    #[error("the model runs {nodes} nodes, single ones are timed of at most {limit}")]
    TooManyNodes { nodes: usize, limit: usize },
    #[error("limits: {reason}")]
    Limits { reason: String },
    #[error("reading {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("job {path}: {reason}")]
    Job { path: PathBuf, reason: String },
}
