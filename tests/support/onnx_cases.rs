//! What several test binaries export: the golden networks, and one operator key of every kind.

#![allow(dead_code)] // each binary uses a part

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zen_nas::latency::{KeyKind, OperatorKey};
use zen_nas::net::{Activation, Graph, LowerOptions, Network};
use zen_nas::onnx::Weights;
use zen_nas::onnx::weights::Tensor;

pub const NETWORKS: [&str; 6] = ["idwe2k7", "idwe6k3", "k1k5k1", "k3k3", "k5k5", "mixed_se"];

/// The folder of golden files.
pub fn golden_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden")
}

/// A golden network in inference mode: weights, input and the logits PyTorch gave.
pub struct Golden {
    pub structure: String,
    pub options: LowerOptions,
    pub graph: Graph,
    pub tensors: BTreeMap<String, Tensor>,
    pub input: Tensor,
    pub logits: Tensor,
    pub parameters: u64,
}

impl Golden {
    pub fn load(name: &str) -> Self {
        let directory = golden_directory();
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
        let mut tensors: BTreeMap<String, Tensor> = safetensors::SafeTensors::deserialize(&bytes)
            .unwrap()
            .iter()
            .map(|(name, view)| {
                let values = view.data().chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
                (name.to_owned(), Tensor { shape: view.shape().to_vec(), values })
            })
            .collect();
        let input = tensors.remove("input").unwrap();
        let logits = tensors.remove("expect.logits").unwrap();
        tensors.remove("expect.pre_gap").unwrap();
        let parameters = json["eval"]["n_params"].as_u64().unwrap();
        Self { structure, options, graph, tensors, input, logits, parameters }
    }

    pub fn weights(&self) -> Weights {
        Weights::from_tensors(self.tensors.clone(), "golden")
    }
}

/// What the model in `path` puts out for `input`.
pub fn run_in_tract(path: &Path, input: &Tensor) -> Vec<f32> {
    use tract_onnx::prelude::*;

    let input = Tensor::from_shape(&input.shape, &input.values).unwrap();
    let fact = InferenceFact::dt_shape(f32::datum_type(), input.shape());
    let model = tract_onnx::onnx().model_for_path(path).unwrap().with_input_fact(0, fact).unwrap();
    let outputs = model.into_optimized().unwrap().into_runnable().unwrap().run(tvec!(input.into_tvalue())).unwrap();
    outputs[0].to_plain_array_view::<f32>().unwrap().iter().copied().collect()
}

/// One key of every kind, with everything that fuses, and the ONNX operations it consists of.
pub fn operator_keys() -> Vec<(OperatorKey, Vec<&'static str>)> {
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
    let stem = OperatorKey { in_channels: 3, residual_add: false, ..conv };
    let pointwise = OperatorKey { kernel: 1, stride: 1, activation: Some(Activation::Sigmoid), ..conv };
    let depthwise = OperatorKey { kind: KeyKind::Depthwise, groups: 8, out_channels: 8, residual_add: false, ..conv };
    let plain = OperatorKey { kernel: 1, stride: 1, groups: 1, activation: None, ..depthwise };
    let dense = OperatorKey { kind: KeyKind::Dense, out_channels: 10, in_height: 1, in_width: 1, ..plain };
    let add = OperatorKey { kind: KeyKind::Add, activation: Some(Activation::Relu), ..plain };
    let norm = OperatorKey { kind: KeyKind::Elementwise, ..plain };
    let pool = OperatorKey { kind: KeyKind::MaxPool, kernel: 3, stride: 2, ..plain };
    let even = OperatorKey { in_height: 16, in_width: 16, ..plain };
    let matmul = OperatorKey { kind: KeyKind::MatMul, out_channels: 20, in_height: 5, in_width: 4, ..plain };
    let activation = |activation| OperatorKey { kind: KeyKind::Elementwise, activation: Some(activation), ..plain };
    let norm_steps = vec!["ReduceMean", "Sub", "Mul", "ReduceMean", "Add", "Sqrt", "Div", "Mul", "Add"];
    vec![
        (conv, vec!["Conv", "Add", "Relu"]),
        (stem, vec!["Conv", "Relu"]),
        (pointwise, vec!["Conv", "Add", "Sigmoid"]),
        (depthwise, vec!["Conv", "Relu"]),
        (dense, vec!["Flatten", "Gemm"]),
        (OperatorKey { kind: KeyKind::GlobalPool, ..plain }, vec!["GlobalAveragePool"]),
        (OperatorKey { kind: KeyKind::Gate, ..plain }, vec!["Mul"]),
        (add, vec!["Add", "Relu"]),
        (norm, vec!["BatchNormalization"]),
        (activation(Activation::Sigmoid), vec!["Sigmoid"]),
        (activation(Activation::Relu6), vec!["Clip"]),
        (activation(Activation::HardSwish), vec!["HardSwish"]),
        (activation(Activation::HardSigmoid), vec!["HardSigmoid"]),
        (activation(Activation::Swish), vec!["Sigmoid", "Mul"]),
        (activation(Activation::Gelu), vec!["Div", "Erf", "Add", "Mul", "Mul"]),
        (activation(Activation::Tanh), vec!["Tanh"]),
        (activation(Activation::LeakyRelu), vec!["LeakyRelu"]),
        (activation(Activation::PRelu), vec!["PRelu"]),
        (activation(Activation::Elu), vec!["Elu"]),
        (OperatorKey { kind: KeyKind::Conv, kernel: 4, stride: 4, ..even }, vec!["Conv"]),
        (OperatorKey { kind: KeyKind::Conv, kernel: 2, stride: 1, ..even }, vec!["Conv"]),
        (pool, vec!["MaxPool"]),
        (
            OperatorKey { kind: KeyKind::AveragePool, kernel: 2, in_height: 16, in_width: 16, ..pool },
            vec!["AveragePool"],
        ),
        (OperatorKey { kind: KeyKind::Concat, ..plain }, vec!["Concat"]),
        (OperatorKey { kind: KeyKind::Multiply, ..plain }, vec!["Mul"]),
        (OperatorKey { kind: KeyKind::Resize, ..plain }, vec!["Resize"]),
        (OperatorKey { kind: KeyKind::Resize, ..even }, vec!["Resize"]),
        (OperatorKey { kind: KeyKind::Rearrange, ..plain }, vec!["Transpose"]),
        (OperatorKey { kind: KeyKind::Norm, ..plain }, norm_steps),
        (OperatorKey { kind: KeyKind::Softmax, ..plain }, vec!["Softmax"]),
        (matmul, vec!["MatMul"]),
    ]
}
