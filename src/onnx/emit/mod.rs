//! Emitters: each operator kind writes its own ONNX nodes, in its own file.
//!
//! [`ModelBuilder`] gathers nodes and weights; the files beside this one add a method for their
//! operator. Adding a kind: write `x.rs`, call it in `network.rs` and in `../operator.rs`. Not
//! here: where weights come from (`../weights`), files (`../export.rs`).
//!
//! A node's name is also the name of the tensor it computes.

mod activation;
mod add;
mod conv;
mod fold;
mod foreign;
mod gate;
mod interface;
mod linear;
mod names;
mod network;
mod number;
mod pool;
mod scale;

use onnx_protobuf::attribute_proto::AttributeType;
use onnx_protobuf::tensor_shape_proto::{Dimension, dimension};
use onnx_protobuf::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use protobuf::{EnumOrUnknown, Message, MessageField};

use super::error::{MAX_MODEL_BYTES, OnnxError};
use crate::net::Shape;

pub(super) use conv::ConvArguments;
pub use interface::INTERFACE_NODE_PREFIX;
pub(super) use names::node_names;
pub use names::{INPUT_NAME, OUTPUT_NAME, PROBABILITIES_NAME};
pub(super) use network::network_model;
pub(super) use number::NumberType;

/// Operator set and format version: what tract, onnxruntime, `onnx.checker` and older converters read.
pub const OPSET: i64 = 17;
/// See [`OPSET`].
pub const IR_VERSION: i64 = 8;

/// Largest fixed batch.
pub const MAX_BATCH_SIZE: u32 = 1 << 16;

/// The first dimension of every tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batch {
    /// Left open; the dimension is named `batch`.
    #[default]
    Symbolic,
    /// This number of images.
    Fixed(u32),
}

impl Batch {
    /// # Errors
    /// When a fixed batch is zero or above [`MAX_BATCH_SIZE`].
    pub(crate) fn check(self) -> Result<(), OnnxError> {
        match self {
            Batch::Fixed(batch_size) if batch_size == 0 || batch_size > MAX_BATCH_SIZE => {
                Err(OnnxError::BatchSize { batch_size, limit: MAX_BATCH_SIZE })
            }
            _ => Ok(()),
        }
    }
}

/// Gathers nodes and weights, and closes them into a model.
pub(super) struct ModelBuilder {
    graph: GraphProto,
    batch: Batch,
    /// Type of weights, and so of what nodes compute.
    numbers: NumberType,
    /// The first weight that the type cannot hold, with its tensor.
    outside: Option<(String, f32)>,
}

impl ModelBuilder {
    pub fn new(graph_name: &str, batch: Batch) -> Self {
        let graph = GraphProto { name: graph_name.to_owned(), ..Default::default() };
        Self { graph, batch, numbers: NumberType::Float, outside: None }
    }

    /// A model whose weights and arithmetic are of another type than float32.
    pub fn with_numbers(self, numbers: NumberType) -> Self {
        Self { numbers, ..self }
    }

    /// Declares a float32 input map of batch x `shape`.
    pub fn input(&mut self, name: &str, shape: Shape) {
        self.typed_input(name, &[shape.channels, shape.height, shape.width], NumberType::Float);
    }

    /// Declares a float32 output of batch x `dimensions`.
    pub fn output(&mut self, name: &str, dimensions: &[u32]) {
        self.typed_output(name, dimensions, NumberType::Float);
    }

    fn typed_input(&mut self, name: &str, dimensions: &[u32], numbers: NumberType) {
        let value = self.value(name, dimensions, numbers);
        self.graph.input.push(value);
    }

    fn typed_output(&mut self, name: &str, dimensions: &[u32], numbers: NumberType) {
        let value = self.value(name, dimensions, numbers);
        self.graph.output.push(value);
    }

    /// Appends a node that computes the tensor `output`.
    fn node(&mut self, operation: &str, name: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        self.graph.node.push(NodeProto {
            op_type: operation.to_owned(),
            name: name.to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attributes,
            ..Default::default()
        });
    }

    /// Stores weights as the tensor `name`, row by row in `dimensions`.
    fn weights(&mut self, name: &str, dimensions: &[u32], values: &[f32]) {
        self.typed_weights(name, dimensions, values, self.numbers);
    }

    fn typed_weights(&mut self, name: &str, dimensions: &[u32], values: &[f32], numbers: NumberType) {
        let raw_data = number::raw(values, numbers).unwrap_or_else(|value| {
            self.outside.get_or_insert_with(|| (name.to_owned(), value));
            Vec::new()
        });
        self.graph.initializer.push(TensorProto {
            name: name.to_owned(),
            dims: dimensions.iter().map(|d| *d as i64).collect(),
            data_type: numbers.onnx(),
            raw_data,
            ..Default::default()
        });
    }

    fn value(&self, name: &str, dimensions: &[u32], numbers: NumberType) -> ValueInfoProto {
        let batch = match self.batch {
            Batch::Symbolic => dimension::Value::DimParam("batch".to_owned()),
            Batch::Fixed(batch_size) => dimension::Value::DimValue(batch_size as i64),
        };
        let rest = dimensions.iter().map(|d| dimension::Value::DimValue(*d as i64));
        let dim = std::iter::once(batch)
            .chain(rest)
            .map(|value| Dimension { value: Some(value), ..Default::default() })
            .collect();
        let tensor = type_proto::Tensor {
            elem_type: numbers.onnx(),
            shape: MessageField::some(TensorShapeProto { dim, ..Default::default() }),
            ..Default::default()
        };
        let type_ = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
        ValueInfoProto { name: name.to_owned(), type_: MessageField::some(type_), ..Default::default() }
    }

    /// Closes the model.
    ///
    /// # Errors
    /// When it is larger than protobuf can hold, or its type of numbers does not hold a weight.
    pub fn finish(self, metadata: impl IntoIterator<Item = (String, String)>) -> Result<ModelProto, OnnxError> {
        if let Some((name, value)) = self.outside {
            return Err(OnnxError::OutsideHalf { name, value });
        }
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "zen-nas".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            opset_import: vec![OperatorSetIdProto { version: OPSET, ..Default::default() }],
            graph: MessageField::some(self.graph),
            metadata_props: metadata
                .into_iter()
                .map(|(key, value)| StringStringEntryProto { key, value, ..Default::default() })
                .collect(),
            ..Default::default()
        };
        let bytes = model.compute_size();
        if bytes > MAX_MODEL_BYTES {
            return Err(OnnxError::TooLarge { bytes });
        }
        Ok(model)
    }
}

/// The encoded model.
pub(super) fn encode(model: &ModelProto) -> Result<Vec<u8>, OnnxError> {
    model.write_to_bytes().map_err(|source| OnnxError::Encode { source })
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        type_: EnumOrUnknown::new(AttributeType::INT),
        i: value,
        ..Default::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        type_: EnumOrUnknown::new(AttributeType::FLOAT),
        f: value,
        ..Default::default()
    }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        type_: EnumOrUnknown::new(AttributeType::STRING),
        s: value.as_bytes().to_vec(),
        ..Default::default()
    }
}

fn ints(name: &str, values: &[u32]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        type_: EnumOrUnknown::new(AttributeType::INTS),
        ints: values.iter().map(|value| *value as i64).collect(),
        ..Default::default()
    }
}
