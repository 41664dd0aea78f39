//! Other programs judge what this one writes. Each theme is skipped, loudly, where its peer is
//! not installed; `.ci/run` installs them all.

#[cfg(unix)]
mod adb;
mod contract;
mod local;
mod onnx;
#[path = "../support/onnx_cases.rs"]
mod onnx_cases;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
#[cfg(unix)]
mod phone;
#[cfg(feature = "ssh")]
mod ssh;
#[cfg(feature = "ssh")]
mod sshd;
