//! The ONNX checker and onnxruntime judge every form of an exported network (`onnx_forms.py`).

use std::path::Path;
use std::process::Command;

use zen_nas::onnx;

use crate::forms::forms;
use crate::onnx::PYTHON;
use crate::onnx_cases::{Golden, NETWORKS, golden_directory};

#[test]
fn checker_and_onnxruntime_accept_every_form() {
    let Some(python) = std::env::var_os(PYTHON) else {
        let notice = format!("SKIPPED onnx forms: set {PYTHON} to a Python with tests/peers/requirements.txt\n");
        return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    };
    let directory = tempfile::tempdir().unwrap();
    for name in NETWORKS {
        let golden = Golden::load(name);
        for (form, options) in forms(golden.logits.shape[1] as u32) {
            let path = directory.path().join(format!("{form}.{name}.onnx"));
            onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/onnx_forms.py");
    let output = Command::new(python).arg(script).arg(directory.path()).arg(golden_directory()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.lines().count(), NETWORKS.len() * forms(1).len(), "{out}");
    eprintln!("{out}");
}
