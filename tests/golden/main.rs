//! Results compared with values computed elsewhere.

mod onnx;
#[path = "../support/onnx_cases.rs"]
mod onnx_cases;
