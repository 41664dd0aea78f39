//! Other programs judge what this one writes. Each theme is skipped, loudly, where its peer is
//! not installed; `.ci/run` installs them all.

#[cfg(unix)]
mod adb;
#[cfg(feature = "ssh")]
mod agent;
mod contract;
mod local;
mod onnx;
#[path = "../support/onnx_cases.rs"]
mod onnx_cases;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
mod onnxruntime_remote;
#[cfg(unix)]
mod phone;
#[cfg(feature = "candle")]
mod pytorch;
mod remote;
#[cfg(feature = "ssh")]
mod ssh;
#[cfg(feature = "ssh")]
mod sshd;
mod stacks;
mod tensorrt;
