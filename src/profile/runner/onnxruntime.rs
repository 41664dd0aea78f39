//! onnxruntime, through the Python of the machine.

#[cfg(test)]
mod tests;

use super::RunnerEntry;
use super::python::{self, PythonRuntime};
use crate::latency::Precision;
use crate::onnx::activation_chain_model;

pub(super) const ENTRY: RunnerEntry = RunnerEntry {
    name: RUNTIME.name,
    about: "onnxruntime (providers cpu, cuda, tensorrt) through a Python that has it: pip install onnxruntime numpy",
    open: |transport, options| python::open(transport, options, &RUNTIME),
};

pub(super) static RUNTIME: PythonRuntime = PythonRuntime {
    name: "onnxruntime",
    packages: "onnxruntime numpy",
    module: ("zen_onnxruntime.py", include_str!("../../../profilers/python/zen_onnxruntime.py")),
    providers: &[("cpu", "onnxruntime"), ("cuda", "onnxruntime-cuda"), ("tensorrt", "onnxruntime-tensorrt")],
    check,
    chain: |nodes| activation_chain_model(nodes).map_err(|error| error.to_string()),
};

fn check(precision: Precision, provider: &str) -> Result<(), String> {
    if precision == Precision::Fp32 || (precision, provider) == (Precision::Fp16, "tensorrt") {
        return Ok(());
    }
    Err(format!(
        "onnxruntime times models as they are, in fp32, not in {precision} with the provider {provider}: fp16 takes the \
         provider tensorrt, int8 the runtime tensorrt"
    ))
}
