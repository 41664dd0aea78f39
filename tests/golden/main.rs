//! Results compared with values computed elsewhere.

mod closed_form;
#[cfg(feature = "candle")]
mod engine;
#[cfg(feature = "candle")]
mod exact;
#[path = "../support/forms.rs"]
mod forms;
#[cfg(feature = "candle")]
mod given;
mod import;
mod int8;
mod latency;
mod litert;
mod networks;
#[path = "../support/npz.rs"]
mod npz;
mod onnx;
#[path = "../support/onnx_cases.rs"]
mod onnx_cases;
mod onnx_forms;
#[cfg(feature = "candle")]
mod proxies;
mod search;
