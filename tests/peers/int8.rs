//! The ONNX checker and onnxruntime judge int8 models (`int8.py`): their logits, and that integer
//! kernels compute them.

use std::path::Path;
use std::process::Command;

use zen_nas::latency::Precision;
use zen_nas::onnx::{
    self, Calibration, CalibrationMethod, ExportOptions, InputForm, Interface, Quantization, QuantizedFor,
};

use crate::forms::normalization;
use crate::npz::float_npz;
use crate::onnx::PYTHON;
use crate::onnx_cases::{Golden, NETWORKS, golden_directory, run_in_tract};

#[test]
fn onnxruntime_computes_int8_models_in_integers() {
    let Some(python) = std::env::var_os(PYTHON) else {
        let notice = format!("SKIPPED int8: set {PYTHON} to a Python with tests/peers/requirements.txt\n");
        return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    };
    let directory = tempfile::tempdir().unwrap();
    let mut models = 0;
    for name in NETWORKS {
        let golden = Golden::load(name);
        let tensors = directory.path().join(format!("{name}.npz"));
        std::fs::write(&tensors, float_npz(&golden.input.shape, &golden.input.values)).unwrap();
        for quantized_for in QuantizedFor::ALL {
            for method in CalibrationMethod::ALL {
                let calibration = Calibration::open(&tensors).unwrap();
                let quantization = Quantization { quantized_for, method, calibration };
                let options = ExportOptions { precision: Precision::Int8, quantization, ..ExportOptions::default() };
                let path = directory.path().join(format!("{quantized_for}.{method}.{name}.onnx"));
                onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();
                // What tract makes of it, for the other side to compare with.
                let logits = run_in_tract(&path, &golden.input);
                let raw: Vec<u8> = logits.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(path.with_extension("tract"), raw).unwrap();
                models += 1;
            }
        }
    }
    for name in NETWORKS {
        let golden = Golden::load(name);
        let interface = Interface {
            input: InputForm::Uint8Nhwc,
            normalization: Some(normalization()),
            softmax: true,
            ..Interface::default()
        };
        let path = directory.path().join(format!("bytes.min-max.{name}.onnx"));
        for (precision, path) in [(Precision::Fp32, path.with_extension("float")), (Precision::Int8, path)] {
            let options = ExportOptions { precision, interface: interface.clone(), ..ExportOptions::default() };
            onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();
        }
        models += 1;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/int8.py");
    let output = Command::new(python).arg(script).arg(directory.path()).arg(golden_directory()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.lines().count(), models, "{out}");
    eprintln!("{out}");
}
