//! Which tensors of a float model become integers.
//!
//! A tensor does where an operator with an integer kernel reads or computes it. Between an operator
//! and the activation that runtimes fuse into it there is nothing: the integer kernel rounds once,
//! behind the activation. Nodes around the network and its result stay float. Not here: the nodes
//! that are inserted (`insert.rs`).

use std::collections::{BTreeMap, BTreeSet};

use onnx_protobuf::{GraphProto, NodeProto};

use crate::onnx::INTERFACE_NODE_PREFIX;

/// Operators with integer kernels in onnxruntime, and that TensorRT fuses with what is around them.
const INTEGER_KERNELS: [&str; 11] =
    ["Add", "AveragePool", "Clip", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MaxPool", "Mul", "Relu", "Sigmoid"];
/// Operators that an activation behind them is fused into.
const BEFORE_ACTIVATION: [&str; 3] = ["Add", "Conv", "Gemm"];
/// What is fused; it cuts values off where the integers end anyway.
const FUSED: [&str; 2] = ["Clip", "Relu"];
/// Operators that hand values on as they are: their result has the scale of what they read.
const HANDS_ON: [&str; 2] = ["Flatten", "MaxPool"];

/// The tensors that become integers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they are computed.
    tensors: Vec<Place>,
    by_name: BTreeMap<String, usize>,
}

/// A tensor that becomes integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub tensor: String,
    /// Operation that computes it; none for the input of the model.
    pub operation: Option<String>,
    /// Place whose scale it has: its own, or that of the tensor whose values it hands on.
    pub scale_of: usize,
}

impl Plan {
    /// Reads `graph`, whose nodes each compute one tensor.
    pub fn new(graph: &GraphProto) -> Self {
        let constants: BTreeSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let mut readers: BTreeMap<&str, Vec<&NodeProto>> = BTreeMap::new();
        for node in &graph.node {
            for input in &node.input {
                readers.entry(input).or_default().push(node);
            }
        }
        let results: BTreeSet<&str> = graph.output.iter().map(|value| value.name.as_str()).collect();
        let inputs = graph.input.iter().map(|value| (value.name.as_str(), None));
        let computed = graph.node.iter().filter_map(|node| Some((node.output.first()?.as_str(), Some(node))));
        let mut plan = Self::default();
        for (tensor, node) in inputs.chain(computed) {
            let readers = readers.get(tensor).map_or(&[][..], Vec::as_slice);
            let network = readers.iter().filter(|reader| !is_interface(reader)).count();
            let read = readers.iter().any(|reader| has_integer_kernel(reader));
            let written = node.is_some_and(has_integer_kernel);
            let fused = matches!((node, readers), (Some(node), [reader])
                if BEFORE_ACTIVATION.contains(&node.op_type.as_str()) && FUSED.contains(&reader.op_type.as_str()));
            if network == 0 || !(read || written) || fused || results.contains(tensor) || constants.contains(tensor) {
                continue;
            }
            let place = plan.tensors.len();
            let hands_on = node.filter(|node| HANDS_ON.contains(&node.op_type.as_str()));
            let scale_of = hands_on.and_then(|node| plan.place(node.input.first()?)).map(|(_, place)| place.scale_of);
            plan.by_name.insert(tensor.to_owned(), place);
            plan.tensors.push(Place {
                tensor: tensor.to_owned(),
                operation: node.map(|node| node.op_type.clone()),
                scale_of: scale_of.unwrap_or(place),
            });
        }
        plan
    }

    /// In the order in which they are computed.
    pub fn places(&self) -> &[Place] {
        &self.tensors
    }

    /// Whether, and where, a tensor becomes integers.
    pub fn place(&self, tensor: &str) -> Option<(usize, &Place)> {
        let place = *self.by_name.get(tensor)?;
        Some((place, &self.tensors[place]))
    }
}

/// Whether a node prepares the image or finishes the result.
pub fn is_interface(node: &NodeProto) -> bool {
    node.name.starts_with(INTERFACE_NODE_PREFIX)
}

fn has_integer_kernel(node: &NodeProto) -> bool {
    !is_interface(node) && INTEGER_KERNELS.contains(&node.op_type.as_str())
}
