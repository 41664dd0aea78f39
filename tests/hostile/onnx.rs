//! Weights that do not fit, destinations that cannot be written, operator
//! keys that describe nothing.

use std::path::Path;

use zen_nas::latency::{KeyKind, OperatorKey};
use zen_nas::net::{Graph, LowerOptions, Network};
use zen_nas::onnx::weights::Tensor;
use zen_nas::onnx::{self, Batch, ExportOptions, Weights};

use crate::onnx_cases::{Golden, operator_keys};

fn message<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn everything_that_does_not_fit_is_named_at_once() {
    let golden = Golden::load("k3k3");
    let mut tensors = golden.tensors.clone();
    tensors.remove("fc_linear.netblock.bias").unwrap();
    tensors.remove("module_list.0.module_list.1.netblock.running_var").unwrap();
    tensors.insert("optimizer.step".into(), Tensor { shape: vec![], values: vec![1.0] });
    tensors.get_mut("module_list.0.module_list.0.netblock.weight").unwrap().shape = vec![8, 27];
    let weights = Weights::from_tensors(tensors, "test");
    let error = message(onnx::model_bytes(&golden.graph, &weights, &ExportOptions::default()));
    assert_eq!(
        error,
        "the weights do not fit the network: \
         2 missing: module_list.0.module_list.1.netblock.running_var, fc_linear.netblock.bias; \
         1 not in the network: optimizer.step; \
         1 of another shape: module_list.0.module_list.0.netblock.weight is 8x27 instead of 8x3x3x3"
    );
}

/// Exports `tensors` over an older file and checks that nothing but that file is left.
fn fails_and_keeps_the_older_file(golden: &Golden, change: (&str, f32), expected: &str) {
    let mut tensors = golden.tensors.clone();
    tensors.get_mut(change.0).unwrap().values[0] = change.1;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("best.onnx");
    std::fs::write(&path, b"older").unwrap();
    let weights = Weights::from_tensors(tensors, "test");
    let error = message(onnx::export(&golden.graph, &weights, &ExportOptions::default(), &path));
    assert!(error.contains(expected), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"older");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_failed_export_leaves_the_older_file_alone() {
    let golden = Golden::load("k3k3");
    let norm = "module_list.0.module_list.1.netblock";
    fails_and_keeps_the_older_file(&golden, (&format!("{norm}.running_var"), -1.0), norm);
    fails_and_keeps_the_older_file(&golden, ("fc_linear.netblock.bias", f32::NAN), "fc_linear.netblock.bias holds NaN");
    fails_and_keeps_the_older_file(&golden, ("fc_linear.netblock.weight", f32::INFINITY), "weight holds inf");
    fails_and_keeps_the_older_file(&golden, ("fc_linear.netblock.weight", f32::MAX), "failed its check in tract");
}

fn small_graph() -> Graph {
    Network::parse("SuperConvK3BNRELU(3,8,1,1)").unwrap().lower(&LowerOptions::new(8, 10)).unwrap()
}

#[test]
fn destinations_that_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let export = |path: &Path| onnx::export(&small_graph(), &Weights::seeded(0), &ExportOptions::default(), path);
    for path in [directory.path().join("missing/best.onnx"), file.join("best.onnx"), directory.path().to_owned()] {
        let error = message(export(&path));
        assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(message(export(Path::new(""))).contains("cannot write"));
}

#[test]
fn sizes_that_no_file_holds() {
    let options = ExportOptions { batch: Batch::Fixed(0), ..ExportOptions::default() };
    let error = message(onnx::model_bytes(&small_graph(), &Weights::seeded(0), &options));
    assert!(error.contains("batch size is 0, but must be from 1 to"), "{error}");

    let network = Network::parse("SuperConvK3BNRELU(3,16384,2,1)SuperConvK3BNRELU(16384,16384,1,1)").unwrap();
    let graph = network.lower(&LowerOptions::new(8, 10)).unwrap();
    let error = message(onnx::model_bytes(&graph, &Weights::seeded(0), &ExportOptions::default()));
    assert!(error.contains("an ONNX file holds at most 2147483647"), "{error}");
}

#[test]
fn operator_keys_that_describe_nothing() {
    let conv = operator_keys()[0].0;
    let pool = OperatorKey { kind: KeyKind::GlobalPool, kernel: 1, stride: 1, residual_add: false, ..conv };
    for (key, expected) in [
        (OperatorKey { stride: 0, ..conv }, "at least 1"),
        (OperatorKey { groups: 0, ..conv }, "at least 1"),
        (OperatorKey { in_width: 0, ..conv }, "at least 1"),
        (
            OperatorKey { kernel: 2, stride: 2, in_height: 15, ..conv },
            "an even one needs a map that its stride divides",
        ),
        (OperatorKey { groups: 3, ..conv }, "do not divide"),
        (OperatorKey { kind: KeyKind::Depthwise, ..conv }, "depthwise needs 8 groups"),
        (OperatorKey { in_channels: u32::MAX, out_channels: u32::MAX, kernel: u32::MAX, ..conv }, "exceed"),
        (pool, "keeps its channels"),
        (OperatorKey { out_channels: 8, stride: 2, ..pool }, "belong to convolutions"),
        (OperatorKey { out_channels: 8, residual_add: true, ..pool }, "fuses into convolutions only"),
        (OperatorKey { kind: KeyKind::Dense, ..pool }, "maps of 1x1"),
    ] {
        for model in [onnx::operator_model, onnx::sandwich_model] {
            let error = message(model(&key, 1, 0).map(|bytes| bytes.len()));
            assert!(error.contains(expected), "{key}: {error}");
        }
    }
    assert!(message(onnx::operator_model(&conv, 0, 0).map(|bytes| bytes.len())).contains("batch size is 0"));
}
