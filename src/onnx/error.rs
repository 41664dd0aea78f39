//! What can go wrong between weights, models and files.

use std::path::PathBuf;

use super::quantize::CalibrationError;
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
    #[error("{} was trained for {what}", .path.display())]
    TrainedForOther { path: PathBuf, what: String },
    #[error("the weights do not fit the network: {0}")]
    Mismatch(WeightMismatch),
    #[error("the weight {name} holds {value}; a checkpoint of a training that diverged cannot be exported")]
    WeightNotFinite { name: String, value: f32 },
    #[error("folding the batch norm `{name}` gives values that are not finite; check its running_var and weight")]
    NotFinite { name: String },
    #[error("the graph cannot be written as ONNX: {reason}")]
    Graph { reason: String },
    #[error(
        "float16 ends at 65504, but {name} reaches {value} (its batch norm folded in, where it has one); \
         export in fp32"
    )]
    OutsideHalf { name: String, value: f32 },
    #[error("the normalisation does not fit: {reason}")]
    Normalization { reason: String },
    #[error("float16 at input and output is for models in fp16, not in {precision}")]
    HalfInterface { precision: Precision },
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    #[error("the network cannot be quantised: {reason}")]
    Quantize { reason: String },
    #[error("cannot read labels from {}: {source}", .path.display())]
    ReadLabels { path: PathBuf, source: std::io::Error },
    #[error("there are {labels} labels for {classes} classes; write one a line, in the order of the output")]
    Labels { labels: usize, classes: u32 },
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
