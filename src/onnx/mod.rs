//! ONNX: graphs and operators as models, weights into them, files that were checked.
//!
//! [`export`] writes a network, [`operator_model`] and [`sandwich_model`] make the models that
//! profiling times. Written models are IR 8, opset 17; those for profiling float32. Not here: searching, timing.

mod bread;
mod emit;
mod error;
mod export;
pub mod import;
mod interface;
mod labels;
mod operator;
mod parts;
mod probe;
mod quantize;
mod verify;
pub mod weights;

pub use bread::{BreadModel, bread_models};
pub use emit::{
    Batch, INPUT_NAME, INTERFACE_NODE_PREFIX, IR_VERSION, MAX_BATCH_SIZE, OPSET, OUTPUT_NAME, PROBABILITIES_NAME,
};
pub use error::{MAX_MODEL_BYTES, OnnxError};
pub use export::{ExportOptions, ExportSummary, export, export_with_progress, model_bytes};
pub(crate) use export::{metadata, model_input};
pub use interface::{InputForm, Interface, NORMALIZATIONS, Normalization, NormalizeAs};
pub use labels::read_labels;
pub use operator::{BREAD_NODE_PREFIX, OPERATOR_NODE_PREFIX, operator_model, sandwich_model};
pub use parts::NetworkParts;
pub use probe::activation_chain_model;
pub use quantize::{
    ActivationScale, Calibration, CalibrationError, CalibrationMethod, LayerReport, PERCENTILE, Quantization,
    QuantizationReport, QuantizedFor, Range,
};
pub(crate) use quantize::{Image, ModelInput};
pub use verify::{Verification, verify};
pub use weights::Weights;
pub(crate) use weights::normal;
