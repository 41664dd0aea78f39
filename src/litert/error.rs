//! What can go wrong when a `.tflite` file is written.

use std::path::PathBuf;

use crate::latency::Precision;
use crate::onnx::{CalibrationError, OnnxError, import::ImportError};

/// A LiteRT file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LitertError {
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    #[error("LiteRT files with these operations are not written: {operations}; convert the model with litert-torch")]
    Unsupported { operations: String },
    #[error("node {node} ({operation}) cannot be written as LiteRT: {reason}")]
    Node { node: String, operation: String, reason: String },
    #[error("{reason}")]
    Model { reason: String },
    #[error("the file would take {bytes} bytes, but a .tflite file ends at 2 GiB; use a network with fewer parameters")]
    TooLarge { bytes: u64 },
    #[error("LiteRT files are written in fp32, fp16 (weights) and int8, not in {precision}")]
    Precision { precision: Precision },
    #[error("a .tflite file takes and gives float32; float16 at input and output is for ONNX files")]
    HalfInterface,
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the written model failed its check ({reason}); nothing was left at the destination")]
    Check { reason: String },
    #[error("no Python called `{python}`: {reason}; int8 needs one with ai-edge-quantizer (--python)")]
    NoPython { python: String, reason: String },
    #[error(
        "{python} has no ai-edge-quantizer, which makes int8 of a .tflite file: {python} -m pip install \
         ai-edge-quantizer, or name another Python with --python"
    )]
    NoQuantizer { python: String },
    #[error("ai-edge-quantizer failed: {reason}")]
    Quantizer { reason: String },
}
