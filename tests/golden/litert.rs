//! LiteRT files of the golden networks: beside their ONNX form in tract (whose logits `onnx.rs` compares with PyTorch's),
//! their weights number by number, and what programs read of them.

use tract_tflite::tflite::{self, BuiltinOperator, TensorType};
use zen_nas::latency::{Fuser, Precision};
use zen_nas::litert::{self, DEFAULT_PYTHON, LitertOptions, LitertSummary};
use zen_nas::net::Graph;
use zen_nas::onnx::import::{ImportOptions, import_bytes};
use zen_nas::onnx::{Batch, ExportOptions, InputForm, Interface};

use crate::onnx_cases::{Golden, NETWORKS};

fn options(export: ExportOptions) -> LitertOptions {
    LitertOptions { export, python: DEFAULT_PYTHON.to_owned() }
}

/// Exports a golden network; its bytes.
fn exported(golden: &Golden, export: ExportOptions) -> (LitertSummary, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("network.tflite");
    let summary = litert::export(&golden.graph, &golden.weights(), &options(export), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    (summary, bytes)
}

/// Codes of the operators, in order.
fn codes(bytes: &[u8]) -> Vec<BuiltinOperator> {
    let model = tflite::root_as_model(bytes).unwrap();
    let codes = model.operator_codes().unwrap();
    let operators = model.subgraphs().unwrap().get(0).operators().unwrap();
    operators.iter().map(|operator| codes.get(operator.opcode_index() as usize).builtin_code()).collect()
}

/// Shape, type, and number of bytes of every constant.
fn constants(bytes: &[u8]) -> Vec<(Vec<i32>, TensorType, Vec<u8>)> {
    let model = tflite::root_as_model(bytes).unwrap();
    let tensors = model.subgraphs().unwrap().get(0).tensors().unwrap();
    let of = |tensor: tflite::Tensor| {
        let data = model.buffers().unwrap().get(tensor.buffer() as usize).data()?.bytes().to_vec();
        Some((tensor.shape()?.iter().collect(), tensor.type_(), data))
    };
    tensors.iter().filter_map(of).collect()
}

#[test]
fn golden_networks_give_what_their_onnx_form_gives() {
    for name in NETWORKS {
        let golden = Golden::load(name);
        let (summary, _) = exported(&golden, ExportOptions::default());
        assert_eq!(summary.verified.runtime, Some("tract"), "{name}: {:?}", summary.verified);
        assert!(summary.verified.largest_difference.unwrap() < 1e-5, "{name}");
    }
}

/// Every weight is in the file once: batch norms are folded, nothing is lost, nothing is added but padding and sizes.
#[test]
fn weights_are_there_once() {
    let golden = Golden::load("k3k3");
    let (_, bytes) = exported(&golden, ExportOptions::default());
    let floats: usize =
        constants(&bytes).iter().filter(|(_, kind, _)| *kind == TensorType::FLOAT32).map(|c| c.2.len()).sum();
    // Of convolutions and the classifier, with one bias for each filter: batch norms are in there.
    let weights = golden.tensors.values().filter(|tensor| tensor.shape.len() > 1);
    let expected: usize = weights.map(|tensor| tensor.values.len() + tensor.shape[0]).sum();
    assert_eq!(floats / 4, expected);
    // The classifier as it was trained, to the last bit.
    let weight = golden.tensors.values().find(|tensor| tensor.shape.len() == 2).unwrap();
    let raw: Vec<u8> = weight.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert!(constants(&bytes).iter().any(|(_, _, data)| *data == raw));
    // In multiples of 16 bytes, as the schema asks for.
    let model = tflite::root_as_model(&bytes).unwrap();
    for buffer in model.buffers().unwrap().iter().filter_map(|buffer| buffer.data()) {
        assert_eq!((buffer.bytes().as_ptr() as usize - bytes.as_ptr() as usize) % 16, 0);
    }
}

#[test]
fn strides_are_padded_before_and_relus_are_inside() {
    let (_, bytes) = exported(&Golden::load("mixed_se"), ExportOptions::default());
    let codes = codes(&bytes);
    let count = |code: BuiltinOperator| codes.iter().filter(|found| **found == code).count();
    assert_eq!((count(BuiltinOperator::RELU), count(BuiltinOperator::TRANSPOSE)), (0, 0), "{codes:?}");
    assert!(count(BuiltinOperator::PAD) > 0 && count(BuiltinOperator::DEPTHWISE_CONV_2D) > 0);
    for pair in codes.windows(2).filter(|pair| pair[0] == BuiltinOperator::PAD) {
        assert!([BuiltinOperator::CONV_2D, BuiltinOperator::DEPTHWISE_CONV_2D].contains(&pair[1]), "{pair:?}");
    }
    assert_eq!(codes.last(), Some(&BuiltinOperator::FULLY_CONNECTED));
}

#[test]
fn signature_batch_and_metadata() {
    let golden = Golden::load("k5k5");
    let classes = golden.options.classes;
    let labels: Vec<String> = (0..classes).map(|class| format!("class {class}")).collect();
    let interface = Interface {
        input: InputForm::Uint8Nhwc,
        normalization: Some("imagenet".parse().unwrap()),
        softmax: true,
        labels: labels.clone(),
        ..Interface::default()
    };
    let structure = Some(golden.structure.clone());
    for (batch, open, images) in [(Batch::Symbolic, true, 1), (Batch::Fixed(1), false, 1), (Batch::Fixed(3), false, 3)]
    {
        let export =
            ExportOptions { batch, interface: interface.clone(), structure: structure.clone(), ..Default::default() };
        let (summary, bytes) = exported(&golden, export);
        assert!(summary.verified.largest_difference.is_some());
        let model = tflite::root_as_model(&bytes).unwrap();
        let signature = model.signature_defs().unwrap().get(0);
        assert_eq!(signature.signature_key(), Some("serving_default"));
        let graph = model.subgraphs().unwrap().get(0);
        let named = |map: tflite::TensorMap| {
            let tensor = graph.tensors().unwrap().get(map.tensor_index() as usize);
            (map.name().unwrap().to_owned(), tensor.shape().unwrap().iter().collect::<Vec<_>>(), tensor)
        };
        let side = golden.options.resolution as i32;
        let (name, shape, image) = named(signature.inputs().unwrap().get(0));
        assert_eq!((name.as_str(), shape, image.type_()), ("image", vec![images, side, side, 3], TensorType::UINT8));
        let first = image.shape_signature().map(|sizes| sizes.get(0));
        assert_eq!(first, open.then_some(-1));
        let (name, shape, _) = named(signature.outputs().unwrap().get(0));
        assert_eq!((name.as_str(), shape), ("probabilities", vec![images, classes as i32]));
        let entry = |key: &str| {
            let entries = model.metadata().unwrap();
            let entry = entries.iter().find(|entry| entry.name() == Some(key)).unwrap_or_else(|| panic!("{key}"));
            let data = model.buffers().unwrap().get(entry.buffer() as usize).data().unwrap();
            String::from_utf8(data.bytes().to_vec()).unwrap()
        };
        assert_eq!(entry("labels"), serde_json::json!(labels).to_string());
        assert_eq!((entry("structure"), entry("input")), (golden.structure.clone(), "uint8-nhwc".to_owned()));
        assert!(entry("normalization").contains("0.485") && entry("precision") == "fp32");
    }
}

#[test]
fn half_weights_take_half_the_bytes() {
    let golden = Golden::load("idwe2k7");
    let (whole, _) = exported(&golden, ExportOptions::default());
    let (half, bytes) = exported(&golden, ExportOptions { precision: Precision::Fp16, ..ExportOptions::default() });
    assert!(half.verified.largest_difference.unwrap() < 2e-2);
    assert!(half.bytes < whole.bytes * 3 / 4, "{} and {}", half.bytes, whole.bytes);
    let (halves, floats): (Vec<_>, Vec<_>) =
        constants(&bytes).into_iter().filter(|c| c.1 != TensorType::INT32).partition(|c| c.1 == TensorType::FLOAT16);
    assert!(!halves.is_empty() && floats.iter().all(|(_, _, data)| data.len() <= 12), "weights are halves");
    assert_eq!(codes(&bytes).iter().filter(|code| **code == BuiltinOperator::DEQUANTIZE).count(), halves.len());
}

#[test]
fn equal_exports_are_equal_bytes() {
    let golden = Golden::load("k1k5k1");
    assert_eq!(exported(&golden, ExportOptions::default()).1, exported(&golden, ExportOptions::default()).1);
}

#[test]
fn the_golden_networks_are_read_back_as_they_were() {
    let half = ExportOptions { precision: Precision::Fp16, ..ExportOptions::default() };
    let fixed = ExportOptions { batch: Batch::Fixed(2), ..ExportOptions::default() };
    for name in NETWORKS {
        let golden = Golden::load(name);
        let keys = |graph: &Graph| Fuser::default().fuse(graph).iter().map(ToString::to_string).collect::<Vec<_>>();
        for (export, batch_size) in [(ExportOptions::default(), None), (half.clone(), None), (fixed.clone(), Some(2))] {
            let (_, bytes) = exported(&golden, export);
            let imported = import_bytes(name, &bytes, &ImportOptions::default()).unwrap();
            assert_eq!(keys(&imported.graph), keys(&golden.graph), "{name}");
            assert_eq!(imported.graph.cost().flops, golden.graph.cost().flops, "{name}");
            assert_eq!(imported.input, golden.graph.operators()[0].shape, "{name}");
            assert_eq!((imported.batch_size, imported.opset, imported.is_quantised), (batch_size, None, false));
        }
    }
}

#[test]
fn files_cut_or_changed_anywhere_are_refused_or_read() {
    let (_, bytes) = exported(&Golden::load(NETWORKS[0]), ExportOptions::default());
    for length in (0..bytes.len()).step_by(997) {
        import_bytes("cut", &bytes[..length], &ImportOptions::default()).unwrap_err();
    }
    // The tables stand in front of the weights' values or behind them.
    for place in (0..4096).chain(bytes.len() - 16_384..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[place] = changed[place].wrapping_add(0x55);
        let _ = import_bytes("changed", &changed, &ImportOptions::default());
    }
}

#[test]
fn an_operator_without_outputs_is_refused() {
    for code in [BuiltinOperator::RESHAPE, BuiltinOperator::RELU, BuiltinOperator::DEQUANTIZE] {
        let mut b = flatbuffers::FlatBufferBuilder::new();
        let shape = Some(b.create_vector(&[1, 8, 8, 3]));
        let image = tflite::Tensor::create(&mut b, &tflite::TensorArgs { shape, ..Default::default() });
        let (tensors, first) = (Some(b.create_vector(&[image])), Some(b.create_vector(&[0_i32])));
        let operator = tflite::Operator::create(&mut b, &tflite::OperatorArgs { inputs: first, ..Default::default() });
        let operators = Some(b.create_vector(&[operator]));
        let graph = tflite::SubGraphArgs { tensors, inputs: first, outputs: first, operators, ..Default::default() };
        let graph = tflite::SubGraph::create(&mut b, &graph);
        let builtin_code = tflite::OperatorCodeArgs { builtin_code: code, ..Default::default() };
        let code = tflite::OperatorCode::create(&mut b, &builtin_code);
        let (subgraphs, operator_codes) = (Some(b.create_vector(&[graph])), Some(b.create_vector(&[code])));
        let model = tflite::ModelArgs { version: 3, subgraphs, operator_codes, ..Default::default() };
        let model = tflite::Model::create(&mut b, &model);
        b.finish(model, Some("TFL3"));
        let error = import_bytes("model", b.finished_data(), &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.contains("it has no output"), "{error}");
    }
}
