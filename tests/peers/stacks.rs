//! Runtimes of phones and edge devices convert exported models, run them and compare (`stacks_peer.py`).

use std::path::Path;
use std::process::Command;

use zen_nas::onnx::{self, Batch, ExportOptions};

use crate::onnx_cases::{Golden, golden_directory};

/// Python of an environment with `requirements-stacks.txt` installed.
const PYTHON: &str = "ZEN_NAS_PEER_STACKS";

/// Between them: depthwise convolutions, squeeze-and-excitation, residual sums with and without a
/// projection, strides, and bottlenecks.
const NETWORKS: [&str; 3] = ["mixed_se", "idwe2k7", "k1k5k1"];

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
        for (form, batch) in [("fixed", Batch::Fixed(1)), ("symbolic", Batch::Symbolic)] {
            let options = ExportOptions { batch, ..ExportOptions::default() };
            let path = directory.path().join(format!("fp32.{form}.{name}.onnx"));
            onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();
        }
    }

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/stacks_peer.py");
    let output = Command::new(python).arg(script).arg(directory.path()).arg(golden_directory()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    for stack in ["OpenVINO", "MNN", "ncnn"] {
        let ran = out.lines().filter(|line| line.contains(&format!(": {stack} ok, "))).count();
        assert_eq!(ran, 2 * NETWORKS.len(), "{stack}\n{out}");
    }
    eprintln!("{out}");
}
