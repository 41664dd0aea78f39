//! Bad input of every kind: refused with a message that helps, never a panic.

mod calibration;
mod import;
#[path = "../support/npz.rs"]
mod npz;
mod onnx;
#[path = "../support/onnx_cases.rs"]
mod onnx_cases;
mod weights;
