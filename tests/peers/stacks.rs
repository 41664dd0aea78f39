//! Runtimes of phones and edge devices convert exported models, run them and compare (`stacks_peer.py`).

use std::path::Path;
use std::process::Command;

use zen_nas::latency::Precision;
use zen_nas::onnx::{self, Batch, Calibration, ExportOptions, Quantization};

use crate::npz::float_npz;
use crate::onnx_cases::{Golden, golden_directory};

/// Python of an environment with `requirements-stacks.txt` installed.
const PYTHON: &str = "ZEN_NAS_PEER_STACKS";

/// Between them: depthwise convolutions, squeeze-and-excitation, residual sums with and without a
/// projection, strides, and bottlenecks.
const NETWORKS: [&str; 3] = ["mixed_se", "idwe2k7", "k1k5k1"];

/// Name, precision and batch of the files made of each.
const FORMS: [(&str, Precision, Batch); 4] = [
    ("fixed", Precision::Fp32, Batch::Fixed(1)),
    ("symbolic", Precision::Fp32, Batch::Symbolic),
    ("fixed", Precision::Fp16, Batch::Fixed(1)),
    ("fixed", Precision::Int8, Batch::Fixed(1)),
];

#[test]
fn mobile_stacks_convert_and_run_the_models() {
    let Some(python) = std::env::var_os(PYTHON) else {
        // Past the test harness, which swallows the output of tests that pass.
        let notice =
            format!("SKIPPED mobile stacks: set {PYTHON} to a Python with tests/peers/requirements-stacks.txt\n");
        return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    };
    let directory = tempfile::tempdir().unwrap();
    for name in NETWORKS {
        let golden = Golden::load(name);
        let images = directory.path().join(format!("{name}.npz"));
        std::fs::write(&images, float_npz(&golden.input.shape, &golden.input.values)).unwrap();
        for (form, precision, batch) in FORMS {
            let calibration = Calibration::open(&images).unwrap();
            let quantization = Quantization { calibration, ..Quantization::default() };
            let options = ExportOptions { batch, precision, quantization, ..ExportOptions::default() };
            let path = directory.path().join(format!("{precision}.{form}.{name}.onnx"));
            onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();
        }
    }

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/stacks_peer.py");
    let output = Command::new(python).arg(script).arg(directory.path()).arg(golden_directory()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let lines = |part: &str| out.lines().filter(|line| line.contains(part)).count();
    for (stack, forms) in [("OpenVINO", 4), ("MNN", 3), ("ncnn", 2), ("ncnn, halved", 1), ("MNN, int8 weights", 1)] {
        assert_eq!(lines(&format!(": {stack} ok, ")), forms * NETWORKS.len(), "{stack}\n{out}");
    }
    // They take no such files; their converters round the float32 ones.
    assert_eq!((lines(": ncnn refuses: "), lines(": MNN refuses: ")), (2 * NETWORKS.len(), NETWORKS.len()), "{out}");
    eprintln!("{out}");
}
