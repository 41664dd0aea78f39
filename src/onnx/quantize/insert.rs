//! Writes the integers into a model: int8 weights, and pairs of `QuantizeLinear` and
//! `DequantizeLinear` (QDQ) around the tensors of a [`Plan`].
//!
//! A tensor `t` becomes `t_quantized` and then `t_dequantized`, which its readers take; the float
//! form of a weight keeps the weight's name. Not here: what scales are (`number.rs`).

use std::collections::BTreeMap;

use onnx_protobuf::tensor_proto::DataType;
use onnx_protobuf::{GraphProto, NodeProto, TensorProto};

use super::QuantizedFor;
use super::number::{ActivationScale, quantize_bias, quantize_weights};
use super::plan::{Plan, is_interface};
use crate::onnx::emit::int;

/// Operators whose second input is a weight with the output channels in front, the third a bias.
const WITH_WEIGHTS: [&str; 2] = ["Conv", "Gemm"];

/// The name of the float form of a tensor's integers.
pub fn dequantized(tensor: &str) -> String {
    format!("{tensor}_dequantized")
}

fn quantized(tensor: &str) -> String {
    format!("{tensor}_quantized")
}

/// Turns `graph`, from which `plan` was made, into its integer form; `scales` has one for each place
/// of the plan.
///
/// # Errors
/// Names a weight that is not stored as raw float32.
pub fn insert(
    graph: &mut GraphProto,
    plan: &Plan,
    scales: &[ActivationScale],
    form: QuantizedFor,
) -> Result<(), String> {
    let constants = std::mem::take(&mut graph.initializer);
    let mut insertion = Insertion {
        plan,
        scales,
        form,
        floats: constants.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect(),
        constants: Vec::new(),
        nodes: Vec::new(),
    };
    for input in &graph.input {
        insertion.pair(&input.name);
    }
    for node in std::mem::take(&mut graph.node) {
        insertion.node(node)?;
    }
    let Insertion { floats, constants, nodes, .. } = insertion;
    graph.node = nodes;
    graph.initializer = constants;
    graph.initializer.extend(floats.into_values());
    Ok(())
}

struct Insertion<'p> {
    plan: &'p Plan,
    scales: &'p [ActivationScale],
    form: QuantizedFor,
    /// Constants that stay as they are, by name.
    floats: BTreeMap<String, TensorProto>,
    /// Integers and scales.
    constants: Vec<TensorProto>,
    nodes: Vec<NodeProto>,
}

impl Insertion<'_> {
    fn node(&mut self, mut node: NodeProto) -> Result<(), String> {
        // Nodes around the network read the image as it is.
        if !is_interface(&node) {
            if WITH_WEIGHTS.contains(&node.op_type.as_str())
                && let Some((place, _)) = self.plan.place(&node.input[0])
            {
                self.weights(&node, self.scales[place].scale)?;
            }
            for input in &mut node.input {
                if self.plan.place(input).is_some() {
                    *input = dequantized(input);
                }
            }
        }
        let output = node.output[0].clone();
        self.nodes.push(node);
        self.pair(&output);
        Ok(())
    }

    /// Integers for the weight of `node`, and for its bias where the form has them.
    fn weights(&mut self, node: &NodeProto, input_scale: f32) -> Result<(), String> {
        let [_, weight_name, rest @ ..] = &node.input[..] else { return Ok(()) };
        let Some(weight) = self.floats.remove(weight_name) else { return Ok(()) };
        let integer_bias = self.form == QuantizedFor::Onnxruntime;
        let bias = rest.first().filter(|_| integer_bias).and_then(|name| self.floats.remove(name));
        let bias_values = bias.as_ref().map(floats).transpose()?;
        let channels = weight.dims.first().map_or(0, |channels| *channels as usize);
        let integers =
            quantize_weights(&floats(&weight)?, channels, bias_values.as_deref().map(|bias| (bias, input_scale)));
        let raw = integers.values.iter().map(|value| *value as u8).collect();
        self.constant_pair(weight, DataType::INT8, raw, &integers.scales, Some(vec![0; channels]));
        if let (Some(bias), Some(values)) = (bias, bias_values) {
            let (scales, values) = quantize_bias(&values, input_scale, &integers.scales);
            let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            // int32 has no zero point of its own.
            self.constant_pair(bias, DataType::INT32, raw, &scales, None);
        }
        Ok(())
    }

    /// Stores integers of a constant and the node that makes them the float tensor again.
    fn constant_pair(
        &mut self,
        float: TensorProto,
        type_: DataType,
        raw: Vec<u8>,
        scales: &[f32],
        zero_points: Option<Vec<u8>>,
    ) {
        let TensorProto { name, dims, .. } = float;
        let channels = vec![scales.len() as i64];
        let raw_scales = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        let mut inputs = vec![
            self.constant(quantized(&name), dims, type_, raw),
            self.constant(format!("{name}_scale"), channels.clone(), DataType::FLOAT, raw_scales),
        ];
        if let Some(zero_points) = zero_points {
            inputs.push(self.constant(format!("{name}_zero_point"), channels, type_, zero_points));
        }
        let attribute = vec![int("axis", 0)];
        self.nodes.push(NodeProto { attribute, ..node("DequantizeLinear", inputs, name) });
    }

    /// The two nodes behind an activation of the plan.
    fn pair(&mut self, tensor: &str) {
        let Some((place, _)) = self.plan.place(tensor) else { return };
        let ActivationScale { scale, zero_point } = self.scales[place];
        let type_ = match self.form {
            QuantizedFor::Onnxruntime => DataType::UINT8,
            QuantizedFor::Tensorrt => DataType::INT8,
        };
        let scale = scale.to_le_bytes().to_vec();
        let scale = self.constant(format!("{tensor}_scale"), vec![], DataType::FLOAT, scale);
        let zero_point = self.constant(format!("{tensor}_zero_point"), vec![], type_, vec![zero_point as u8]);
        let integers = quantized(tensor);
        let inputs = vec![tensor.to_owned(), scale.clone(), zero_point.clone()];
        self.nodes.push(node("QuantizeLinear", inputs, integers.clone()));
        self.nodes.push(node("DequantizeLinear", vec![integers, scale, zero_point], dequantized(tensor)));
    }

    fn constant(&mut self, name: String, dims: Vec<i64>, type_: DataType, raw_data: Vec<u8>) -> String {
        self.constants.push(TensorProto {
            name: name.clone(),
            dims,
            data_type: type_ as i32,
            raw_data,
            ..Default::default()
        });
        name
    }
}

/// A node named as the tensor it computes.
fn node(operation: &str, input: Vec<String>, output: String) -> NodeProto {
    NodeProto { op_type: operation.to_owned(), name: output.clone(), input, output: vec![output], ..Default::default() }
}

fn floats(tensor: &TensorProto) -> Result<Vec<f32>, String> {
    let count = tensor.dims.iter().try_fold(1usize, |count, side| count.checked_mul(usize::try_from(*side).ok()?));
    if tensor.data_type != DataType::FLOAT as i32 || count.map(|count| 4 * count) != Some(tensor.raw_data.len()) {
        return Err(format!("the weight {} is not stored as float32", tensor.name));
    }
    let numbers =
        tensor.raw_data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    Ok(numbers.collect())
}
