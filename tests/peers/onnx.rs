//! The ONNX checker and onnxruntime judge exported models (`onnx_peer.py`).

use std::path::Path;
use std::process::Command;

use zen_nas::onnx::{self, Batch, ExportOptions};

use crate::onnx_cases::{Golden, NETWORKS, golden_directory, operator_keys};

/// Python of an environment with `requirements.txt` installed.
pub const PYTHON: &str = "ZEN_NAS_PEER_PYTHON";

#[test]
fn checker_and_onnxruntime_accept_the_models() {
    let Some(python) = std::env::var_os(PYTHON) else {
        // Past the test harness, which swallows the output of tests that pass.
        let notice = format!("SKIPPED onnx peers: set {PYTHON} to a Python with tests/peers/requirements.txt\n");
        return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    };
    let directory = tempfile::tempdir().unwrap();
    for name in NETWORKS {
        let golden = Golden::load(name);
        for (file, batch) in
            [(format!("golden_{name}.onnx"), Batch::Symbolic), (format!("fixed_{name}_2.onnx"), Batch::Fixed(2))]
        {
            let options = ExportOptions { batch, ..ExportOptions::default() };
            onnx::export(&golden.graph, &golden.weights(), &options, &directory.path().join(file)).unwrap();
        }
    }
    for (i, (key, _)) in operator_keys().iter().enumerate() {
        let write = |form: &str, bytes: Vec<u8>| {
            std::fs::write(directory.path().join(format!("{form}_{i}_{}.onnx", key.kind)), bytes).unwrap();
        };
        write("operator", onnx::operator_model(key, 2, 0).unwrap());
        write("sandwich", onnx::sandwich_model(key, 2, 0).unwrap());
    }

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/onnx_peer.py");
    let output = Command::new(python).arg(script).arg(directory.path()).arg(golden_directory()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.lines().count(), 2 * NETWORKS.len() + 2 * operator_keys().len(), "{out}");
    eprintln!("{out}");
}
