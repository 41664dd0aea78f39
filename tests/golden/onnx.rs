//! Exported networks with golden weights give the golden logits in tract; one-operator models run
//! and keep their nodes apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tract_onnx::prelude::*;
use zen_nas::latency::{KeyKind, OperatorKey};
use zen_nas::net::{Activation, Graph, LowerOptions, Network};
use zen_nas::onnx::weights::{Tensor as Weight, Weights};
use zen_nas::onnx::{self, Batch, ExportOptions, OPERATOR_NODE_PREFIX};

const NETWORKS: [&str; 6] = ["idwe2k7", "idwe6k3", "k1k5k1", "k3k3", "k5k5", "mixed_se"];

/// A golden network in inference mode: weights, input and the logits PyTorch gave.
struct Golden {
    structure: String,
    graph: Graph,
    weights: Weights,
    input: Weight,
    logits: Weight,
    parameters: u64,
}

fn golden(name: &str) -> Golden {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden");
    let text = std::fs::read_to_string(directory.join(format!("{name}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |key: &str| json[key].as_u64().unwrap() as u32;
    let structure = json["struct"].as_str().unwrap().to_owned();
    let options = LowerOptions {
        squeeze_excite: json["use_se"].as_bool().unwrap(),
        ..LowerOptions::new(number("resolution"), number("num_classes"))
    };
    let graph = Network::parse(&structure).unwrap().lower(&options).unwrap();

    let bytes = std::fs::read(directory.join(format!("{name}.eval.safetensors"))).unwrap();
    let mut tensors: BTreeMap<String, Weight> = safetensors::SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, view)| {
            let values = view.data().chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
            (name.to_owned(), Weight { shape: view.shape().to_vec(), values })
        })
        .collect();
    let input = tensors.remove("input").unwrap();
    let logits = tensors.remove("expect.logits").unwrap();
    tensors.remove("expect.pre_gap").unwrap();
    let parameters = json["eval"]["n_params"].as_u64().unwrap();
    Golden { structure, graph, weights: Weights::from_tensors(tensors, "golden"), input, logits, parameters }
}

fn run(path: &Path, input: &Weight) -> Vec<f32> {
    let input = Tensor::from_shape(&input.shape, &input.values).unwrap();
    let fact = InferenceFact::dt_shape(f32::datum_type(), input.shape());
    let model = tract_onnx::onnx().model_for_path(path).unwrap().with_input_fact(0, fact).unwrap();
    let outputs = model.into_optimized().unwrap().into_runnable().unwrap().run(tvec!(input.into_tvalue())).unwrap();
    outputs[0].to_plain_array_view::<f32>().unwrap().iter().copied().collect()
}

#[test]
fn logits_of_the_golden_networks() {
    let directory = tempfile::tempdir().unwrap();
    for name in NETWORKS {
        let golden = golden(name);
        let path: PathBuf = directory.path().join(format!("{name}.onnx"));
        let options = ExportOptions { structure: Some(golden.structure.clone()), ..ExportOptions::default() };
        let summary = onnx::export(&golden.graph, &golden.weights, &options, &path).unwrap();
        assert_eq!(summary.bytes, std::fs::metadata(&path).unwrap().len());
        assert_eq!(summary.parameters, golden.parameters);
        assert_eq!(summary.verified.batch_size, 1, "the symbolic batch is run with one image");

        let logits = run(&path, &golden.input);
        assert_eq!(logits.len(), golden.logits.values.len());
        let difference = logits.iter().zip(&golden.logits.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4, "{name}: largest difference of a logit {difference}");
        eprintln!("{name}: largest difference of a logit {difference:.1e}");
    }
}

#[test]
fn equal_exports_are_equal_bytes_and_carry_their_metadata() {
    let golden = golden("mixed_se");
    let options = ExportOptions {
        batch: Batch::Fixed(2),
        structure: Some(golden.structure.clone()),
        metadata: vec![("predicted_latency_ms".into(), "1.25".into()), ("setting".into(), "t4 int8".into())],
    };
    let model = |seed| onnx::model_bytes(&golden.graph, &Weights::seeded(seed), &options).unwrap();
    assert_eq!(model(3), model(3));
    assert_ne!(model(3), model(4));

    let parsed: onnx_protobuf::ModelProto = onnx_protobuf::Message::parse_from_bytes(&model(3)).unwrap();
    let metadata: Vec<_> = parsed.metadata_props.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    let expected = [
        ("classes", "10"),
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

/// One key of every kind, with everything that fuses.
fn keys() -> Vec<(OperatorKey, Vec<&'static str>)> {
    let conv = OperatorKey {
        kind: KeyKind::Conv,
        kernel: 3,
        stride: 2,
        groups: 1,
        in_channels: 8,
        out_channels: 24,
        in_height: 15,
        in_width: 15,
        activation: Some(Activation::Relu),
        residual_add: true,
    };
    let depthwise = OperatorKey { kind: KeyKind::Depthwise, groups: 8, out_channels: 8, residual_add: false, ..conv };
    let plain = OperatorKey { kernel: 1, stride: 1, groups: 1, activation: None, ..depthwise };
    let dense = OperatorKey { kind: KeyKind::Dense, out_channels: 10, in_height: 1, in_width: 1, ..plain };
    vec![
        (conv, vec!["Conv", "Add", "Relu"]),
        (OperatorKey { in_channels: 3, residual_add: false, ..conv }, vec!["Conv", "Relu"]),
        (
            OperatorKey { kernel: 1, stride: 1, activation: Some(Activation::Sigmoid), ..conv },
            vec!["Conv", "Add", "Sigmoid"],
        ),
        (depthwise, vec!["Conv", "Relu"]),
        (dense, vec!["Flatten", "Gemm"]),
        (OperatorKey { kind: KeyKind::GlobalPool, ..plain }, vec!["GlobalAveragePool"]),
        (OperatorKey { kind: KeyKind::Gate, ..plain }, vec!["Mul"]),
        (OperatorKey { kind: KeyKind::Add, activation: Some(Activation::Relu), ..plain }, vec!["Add", "Relu"]),
        (OperatorKey { kind: KeyKind::Elementwise, ..plain }, vec!["BatchNormalization"]),
        (OperatorKey { kind: KeyKind::Elementwise, activation: Some(Activation::Sigmoid), ..plain }, vec!["Sigmoid"]),
    ]
}

#[test]
fn one_operator_models_run_in_tract() {
    for (key, own) in keys() {
        for batch_size in [1, 2] {
            let alone = onnx::operator_model(&key, batch_size, 1).unwrap();
            let sandwich = onnx::sandwich_model(&key, batch_size, 1).unwrap();
            for bytes in [&alone, &sandwich] {
                let proto: onnx_protobuf::ModelProto = onnx_protobuf::Message::parse_from_bytes(bytes).unwrap();
                let nodes = proto.graph.node.iter().filter(|node| node.name.starts_with(OPERATOR_NODE_PREFIX));
                assert_eq!(nodes.map(|node| node.op_type.as_str()).collect::<Vec<_>>(), own, "{key}");
            }
            let out = (batch_size as u64 * key.out_elements()) as usize;
            assert_eq!(output_elements(&alone), out, "{key}");
            let behind = if key.kind == KeyKind::Dense { out } else { out / key.out_channels as usize * 16 };
            assert_eq!(output_elements(&sandwich), behind, "{key}");
        }
    }
}

/// Elements of the output with inputs of one, all finite.
fn output_elements(mut bytes: &[u8]) -> usize {
    let model = tract_onnx::onnx().model_for_read(&mut bytes).unwrap().into_optimized().unwrap();
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
