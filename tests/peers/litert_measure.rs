//! The measuring program's module for LiteRT, against the package `ai-edge-litert`.

use std::process::Command;

use crate::litert::python;

#[test]
fn litert_times_every_operator_of_a_running_network() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command
        .arg(root.join("tests/peers/litert.py"))
        .arg(folder.path())
        .arg(root.join("profilers/python/zen_measure.py"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["types"], serde_json::json!(["hello", "block", "nodes", "nodes", "failure", "end"]), "{found}");
    assert_eq!((&found["code"], &found["hello"]["runtime"]), (&5.into(), &"litert".into()));
    assert!(found["failure"].as_str().unwrap().contains("does not take the model"), "{found}");
    let nodes = found["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 6, "{found}");
    assert!(nodes[2].as_str().unwrap().starts_with("2:Convolution"), "{found}");
    for share in found["share"].as_array().unwrap() {
        assert!((0.8..1.1).contains(&share.as_f64().unwrap()), "{found}");
    }
}
