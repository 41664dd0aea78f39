//! Exported networks with golden weights give the golden logits in tract; one-operator models run
//! and keep their nodes apart.

use tract_onnx::prelude::*;
use zen_nas::latency::KeyKind;
use zen_nas::onnx::{self, Batch, ExportOptions, OPERATOR_NODE_PREFIX, Weights};

#[cfg(feature = "candle")]
use crate::onnx_cases::golden_directory;
use crate::onnx_cases::{Golden, NETWORKS, operator_keys, run_in_tract};

/// Exports with a symbolic batch and compares the logits with PyTorch's.
fn compare(name: &str, golden: &Golden, weights: &Weights) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("{name}.onnx"));
    let summary = onnx::export(&golden.graph, weights, &ExportOptions::default(), &path).unwrap();
    assert_eq!(summary.bytes, std::fs::metadata(&path).unwrap().len());
    assert_eq!(summary.parameters, golden.parameters);
    assert_eq!(summary.verified.batch_size, 1, "an open batch is checked with one image");

    let logits = run_in_tract(&path, &golden.input);
    assert_eq!(logits.len(), golden.logits.values.len());
    let difference = logits.iter().zip(&golden.logits.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    eprintln!("{name}: largest difference of a logit {difference:.1e}");
    assert!(difference < 1e-4, "{name}: largest difference of a logit {difference}");
}

#[test]
fn logits_of_the_golden_networks() {
    for name in NETWORKS {
        let golden = Golden::load(name);
        compare(name, &golden, &golden.weights());
    }
}

#[cfg(feature = "candle")]
#[test]
fn a_pytorch_checkpoint_gives_the_golden_logits() {
    let weights = Weights::load(&golden_directory().join("k3k3.pth")).unwrap();
    compare("k3k3", &Golden::load("k3k3"), &weights);
}

#[test]
fn a_safetensors_file_gives_the_golden_logits() {
    let golden = Golden::load("k5k5");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights.safetensors");
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = golden
        .tensors
        .iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (format!("module.{name}"), tensor.shape.clone(), bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    safetensors::serialize_to_file(views, None, &path).unwrap();
    compare("k5k5", &golden, &Weights::load(&path).unwrap());
}

#[test]
fn equal_exports_are_equal_bytes_and_carry_their_metadata() {
    let golden = Golden::load("mixed_se");
    let options = ExportOptions {
        batch: Batch::Fixed(2),
        structure: Some(golden.structure.clone()),
        metadata: vec![("predicted_latency_ms".into(), "1.25".into()), ("setting".into(), "t4 int8".into())],
        ..ExportOptions::default()
    };
    let model = |seed| onnx::model_bytes(&golden.graph, &Weights::seeded(seed), &options).unwrap();
    assert_eq!(model(3), model(3));
    assert_ne!(model(3), model(4));

    let parsed: onnx_protobuf::ModelProto = onnx_protobuf::Message::parse_from_bytes(&model(3)).unwrap();
    let metadata: Vec<_> = parsed.metadata_props.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    let expected = [
        ("classes", "10"),
        ("precision", "fp32"),
        ("predicted_latency_ms", "1.25"),
        ("resolution", "32"),
        ("setting", "t4 int8"),
        ("structure", golden.structure.as_str()),
        ("weights", "untrained, He-normal, seed 3"),
        ("weights_seed", "3"),
        ("zen_nas_version", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(metadata, expected);
    assert!(parsed.graph.node.iter().all(|node| node.op_type != "BatchNormalization"));
    assert!(parsed.graph.node.iter().all(|node| node.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')));
}

#[test]
fn one_operator_models_run_in_tract() {
    for (key, own) in operator_keys() {
        for batch_size in [1, 2] {
            let alone = onnx::operator_model(&key, batch_size, 1).unwrap();
            let sandwich = onnx::sandwich_model(&key, batch_size, 1).unwrap();
            for bytes in [&alone, &sandwich] {
                let proto: onnx_protobuf::ModelProto = onnx_protobuf::Message::parse_from_bytes(bytes).unwrap();
                let nodes = proto.graph.node.iter().filter(|node| node.name.starts_with(OPERATOR_NODE_PREFIX));
                assert_eq!(nodes.map(|node| node.op_type.as_str()).collect::<Vec<_>>(), own, "{key}");
            }
            let out = (batch_size as u64 * key.out_elements()) as usize;
            assert_eq!(output_elements(&alone, true), out, "{key}");
            // What the convolution behind reads as channels.
            let channels = match key.kind {
                KeyKind::Rearrange => key.in_height,
                KeyKind::MatMul => key.in_width,
                _ => key.out_channels,
            };
            let behind = if key.kind == KeyKind::Dense { out } else { out / channels as usize * 16 };
            // Lone activations, changes of layout and concatenations may vanish into the convolutions around them.
            let stays = !matches!(key.kind, KeyKind::Elementwise | KeyKind::Rearrange | KeyKind::Concat);
            assert_eq!(output_elements(&sandwich, stays), behind, "{key}");
        }
    }
}

/// Elements of the output for inputs of one, all finite; where `own` asks for it, the optimised model
/// still has nodes of the operator's own.
fn output_elements(mut bytes: &[u8], own: bool) -> usize {
    let model = tract_onnx::onnx().model_for_read(&mut bytes).unwrap().into_optimized().unwrap();
    assert!(!own || model.nodes.iter().any(|node| node.name.starts_with(OPERATOR_NODE_PREFIX)));
    let inputs = model.input_outlets().unwrap().iter().map(|outlet| {
        let shape = model.outlet_fact(*outlet).unwrap().shape.as_concrete().unwrap().to_vec();
        Tensor::from_shape(&shape, &vec![1f32; shape.iter().product()]).unwrap().into_tvalue()
    });
    let inputs: TVec<TValue> = inputs.collect();
    let outputs = model.into_runnable().unwrap().run(inputs).unwrap();
    let output = outputs[0].to_plain_array_view::<f32>().unwrap();
    assert!(output.iter().all(|value| value.is_finite()));
    output.len()
}
