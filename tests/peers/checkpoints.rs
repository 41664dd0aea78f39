//! Checkpoints that PyTorch wrote in other types, orders and places read as the weights they are
//! (`checkpoints.py`).

use std::path::Path;
use std::process::Command;

use zen_nas::onnx::Weights;
use zen_nas::onnx::weights::required_tensors;

use crate::onnx_cases::{Golden, golden_directory};

/// Python of an environment with PyTorch.
const PYTHON: &str = "ZEN_NAS_PEER_TORCH";

/// Forms that the script writes, each with the relative error of its numbers.
const FORMS: [(&str, f32); 7] = [
    ("double", 0.0),
    // Half a unit in the last of 11 and of 8 binary digits.
    ("half", 1.0 / 2048.0),
    ("bfloat16", 1.0 / 256.0),
    ("channels_last", 0.0),
    ("parameters", 0.0),
    ("shared", 0.0),
    ("nested", 0.0),
];

#[test]
fn checkpoints_of_every_kind_hold_the_golden_weights() {
    let Some(python) = std::env::var_os(PYTHON) else {
        let notice = format!("SKIPPED checkpoints: set {PYTHON} to a Python with PyTorch 1.13 or newer\n");
        return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    };
    let directory = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/checkpoints.py");
    let checkpoint = golden_directory().join("k3k3.pth");
    let output = Command::new(python).arg(script).arg(checkpoint).arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let golden = Golden::load("k3k3");
    for (form, relative) in FORMS {
        let weights = Weights::load(&directory.path().join(format!("{form}.pth"))).unwrap();
        weights.check(&golden.graph).unwrap_or_else(|error| panic!("{form}: {error}"));
        for spec in required_tensors(&golden.graph) {
            let (found, expected) = (weights.get(&spec).unwrap(), &golden.tensors[&spec.name].values);
            assert_eq!(found.len(), expected.len(), "{form}: {}", spec.name);
            for (a, b) in found.iter().zip(expected) {
                // Below the smallest normal float16, 2^-14, steps no longer shrink.
                let step = if form == "half" { 2f32.powi(-25) } else { 0.0 };
                assert!((a - b).abs() <= (relative * b.abs()).max(step), "{form}: {} {a} {b}", spec.name);
            }
        }
    }
    let weights = Weights::load(&directory.path().join("diverged.pth")).unwrap();
    weights.check(&golden.graph).unwrap();
    let broken = required_tensors(&golden.graph).into_iter().filter_map(|spec| weights.get(&spec).err());
    let broken: Vec<_> = broken.map(|error| error.to_string()).collect();
    assert_eq!(broken.len(), 1);
    assert!(broken[0].contains("fc_linear.netblock.bias holds NaN"), "{broken:?}");
}
