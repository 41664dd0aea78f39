//! Results compared with values computed elsewhere.

mod closed_form;
#[cfg(feature = "candle")]
mod engine;
#[cfg(feature = "candle")]
mod exact;
#[cfg(feature = "candle")]
mod given;
mod latency;
mod networks;
mod onnx;
#[path = "../support/onnx_cases.rs"]
mod onnx_cases;
#[cfg(feature = "candle")]
mod proxies;
mod search;
