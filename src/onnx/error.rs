//! What can go wrong between weights, models and files.

use std::path::PathBuf;

use super::weights::WeightMismatch;
use crate::latency::Precision;

/// Largest ONNX file: protobuf messages end at 2 GiB.
pub const MAX_MODEL_BYTES: u64 = i32::MAX as u64;

/// A failed export, weight file or one-operator model.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    #[error("cannot read weights from {}: {source}", .path.display())]
    ReadWeights { path: PathBuf, source: std::io::Error },
    #[error("{} is not a usable {format} file: {reason}", .path.display())]
    WeightFormat { path: PathBuf, format: &'static str, reason: String },
    #[error(
        "{}: weights are read from .safetensors files{}",
        .path.display(),
        if cfg!(feature = "candle") { " and PyTorch .pth or .pt files" } else {
            "; PyTorch checkpoints need a build with the cargo feature `candle`"
        }
    )]
    UnknownWeightFormat { path: PathBuf },
    #[error("the weights do not fit the network: {0}")]
    Mismatch(WeightMismatch),
    #[error("folding the batch norm `{name}` gives values that are not finite; check its running_var and weight")]
    NotFinite { name: String },
    #[error("the graph cannot be written as ONNX: {reason}")]
    Graph { reason: String },
    #[error("models are not written in {precision} yet; use --precision fp32")]
    Precision { precision: Precision },
    #[error("batch size is {batch_size}, but must be from 1 to {limit}")]
    BatchSize { batch_size: u32, limit: u32 },
    #[error("no model for the operator `{key}`: {reason}")]
    Operator { key: String, reason: String },
    #[error(
        "the model would take {bytes} bytes, but an ONNX file holds at most {MAX_MODEL_BYTES}; \
         use a network with fewer parameters"
    )]
    TooLarge { bytes: u64 },
    #[error("cannot encode the model: {source}")]
    Encode { source: protobuf::Error },
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the written model failed its check in tract ({reason}); nothing was left at the destination")]
    Check { reason: String },
}
