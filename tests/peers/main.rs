//! Other programs judge what this one writes. Each theme is skipped, loudly, where its peer is
//! not installed; `.ci/run` installs them all.

#[cfg(unix)]
mod adb;
#[cfg(feature = "ssh")]
mod agent;
#[cfg(feature = "candle")]
mod checkpoints;
mod contract;
#[cfg(all(unix, feature = "ssh"))]
mod faults;
#[path = "../support/forms.rs"]
mod forms;
mod int8;
#[cfg(all(unix, feature = "ssh"))]
mod interruptions;
mod litert;
mod litert_measure;
mod local;
#[path = "../support/npz.rs"]
mod npz;
mod onnx;
#[path = "../support/onnx_cases.rs"]
mod onnx_cases;
mod onnx_forms;
mod onnxruntime;
mod onnxruntime_remote;
#[cfg(unix)]
mod phone;
#[cfg(all(unix, feature = "ssh"))]
mod programs;
#[cfg(feature = "candle")]
mod pytorch;
mod remote;
mod report;
#[cfg(feature = "ssh")]
mod ssh;
#[cfg(feature = "ssh")]
mod sshd;
mod stacks;
mod tensorrt;
mod zoo;
