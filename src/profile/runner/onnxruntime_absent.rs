//! What stands for onnxruntime in a build without it.

use super::RunnerEntry;

pub(super) const ENTRY: RunnerEntry = RunnerEntry {
    name: "onnxruntime",
    about: "not in this build: it needs the feature onnxruntime",
    open: |_| Err("this build has no onnxruntime: build with --features onnxruntime".to_owned()),
};
