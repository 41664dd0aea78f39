//! Networks that other people's code builds, exports and counts (`zoo.py`, `zoo_converters.py`), read
//! from their files: the graph has as many parameters and multiply-adds as their counters say.

use std::path::Path;
use std::process::Command;

use zen_nas::net::{Graph, Operator, OperatorKind};
use zen_nas::onnx::import::import;

use crate::onnx::PYTHON as ONNX_PYTHON;

/// Python of an environment with PyTorch, torchvision and `requirements-zoo.txt`.
const PYTHON: &str = "ZEN_NAS_PEER_ZOO";

/// Of torchvision and timm: opsets 13 to 17, batch norms in the file and folded, batch fixed and
/// symbolic, constants folded and not.
const NETWORKS: [&str; 15] = [
    "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "resnet50",
    "regnet_y_400mf",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x0_5_batch",
    "convnext_atto",
    "ghostnet_100",
    "mnasnet1_0",
    "vgg11_slim",
    "squeezenet1_1",
    "rexnet_100",
    "repvgg_a0",
    "mixnet_s",
];

/// Largest difference from a counter, as a share of what it says.
const TOLERANCE: f64 = 0.005;

#[test]
fn networks_of_other_people_cost_what_their_counters_say() {
    let Some(python) = std::env::var_os(PYTHON) else {
        return skipped(&format!("SKIPPED zoo: set {PYTHON} to a Python with PyTorch and requirements-zoo.txt\n"));
    };
    let directory = tempfile::tempdir().unwrap();
    let arguments = [&[directory.path().to_str().unwrap()], &NETWORKS[..]].concat();
    run(Command::new(python), "zoo.py", &arguments);
    let records = records(&directory.path().join("zoo.json"));
    assert_eq!(names(&records), NETWORKS);
    for record in &records {
        let found = check(directory.path(), record, "parameters_in_file");
        close(record, "multiply_adds_fvcore", found);
        close(record, "multiply_adds_thop", found);
    }

    crate::litert::judge_zoo(directory.path(), &NETWORKS);

    let Some(python) = std::env::var_os(ONNX_PYTHON) else {
        return skipped(&format!("SKIPPED zoo of converters: set {ONNX_PYTHON}\n"));
    };
    run(Command::new(python), "zoo_converters.py", &[directory.path().to_str().unwrap()]);
    let records = self::records(&directory.path().join("converters.json"));
    assert_eq!(names(&records), ["keras_like", "mobilenet_v2_qdq"]);
    for record in &records {
        let found = check(directory.path(), record, "parameters");
        close(record, "multiply_adds", found);
    }
}

/// Past the test harness, which swallows the output of tests that pass.
fn skipped(notice: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
}

fn run(mut command: Command, script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script);
    // Threads that wait for one another beside other tests take longer than one.
    let output = command.arg(script).args(arguments).env("OMP_NUM_THREADS", "1").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    eprintln!("{out}");
}

fn records(path: &Path) -> Vec<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn names(records: &[serde_json::Value]) -> Vec<&str> {
    records.iter().map(|record| record["name"].as_str().unwrap()).collect()
}

/// Reads the file of a record and compares all but the multiply-adds, which it gives.
fn check(directory: &Path, record: &serde_json::Value, parameters: &str) -> u64 {
    let name = record["name"].as_str().unwrap();
    let imported = import(&directory.join(record["file"].as_str().unwrap())).unwrap();
    let cost = imported.graph.cost();
    close(record, parameters, cost.parameters);
    let padded = imported.graph.operators().iter().filter(|operator| is_pad(&imported.graph, operator)).count();
    assert_eq!(padded, 0, "{name}: the convolutions pad");
    assert_eq!(imported.is_quantised, name.ends_with("_qdq"), "{name}");
    if let Some(opset) = record["opset"].as_i64() {
        assert_eq!(imported.opset, Some(opset), "{name}");
        assert!(imported.producer.starts_with("pytorch"), "{name}: {}", imported.producer);
    }
    cost.flops
}

fn is_pad(graph: &Graph, operator: &Operator) -> bool {
    matches!(operator.kind, OperatorKind::Foreign(id) if graph.foreign(id).operation == "Pad")
}

fn close(record: &serde_json::Value, field: &str, found: u64) {
    let expected = record[field].as_f64().unwrap();
    let error = found as f64 / expected - 1.0;
    let name = &record["name"];
    eprintln!("{name}: {found}, {field} {expected} ({:+.3}%)", 100.0 * error);
    assert!(error.abs() <= TOLERANCE, "{name}: {found} instead of {field} {expected}");
}
