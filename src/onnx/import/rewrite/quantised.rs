//! Int8 models as the float networks they came from: time is looked up for a precision, so the
//! graph has no quantise nodes of its own.

use super::super::constant::Constant;
use super::super::messages::data_type;
use super::super::network::{Network, Node};

/// Integer operators: the float operator each stands for and where that one's inputs are.
const INTEGER_OPERATORS: [(&str, &str, &[usize]); 12] = [
    ("ConvInteger", "Conv", &[0, 1]),
    ("MatMulInteger", "MatMul", &[0, 1]),
    ("QGemm", "Gemm", &[0, 3, 6]),
    ("QLinearAdd", "Add", &[0, 3]),
    ("QLinearAveragePool", "AveragePool", &[0]),
    ("QLinearConv", "Conv", &[0, 3, 8]),
    ("QLinearGlobalAveragePool", "GlobalAveragePool", &[0]),
    ("QLinearLeakyRelu", "LeakyRelu", &[0]),
    ("QLinearMatMul", "MatMul", &[0, 3]),
    ("QLinearMul", "Mul", &[0, 3]),
    ("QLinearSigmoid", "Sigmoid", &[0]),
    ("QLinearSoftmax", "Softmax", &[0]),
];

/// Operators that onnxruntime adds and that mean what ONNX's of this name, or a later one, mean.
const CONTRIBUTED: [(&str, &str); 5] =
    [("FastGelu", "Gelu"), ("FusedConv", "Conv"), ("Gelu", "Gelu"), ("QuickGelu", "Swish"), ("Silu", "Swish")];

/// Takes quantisation out of `network`; whether there was any.
pub(super) fn strip(network: &mut Network) -> bool {
    let mut is_quantised = false;
    let mut alias: Vec<usize> = (0..network.values()).collect();
    for place in 0..network.nodes.len() {
        let node = &mut network.nodes[place];
        if !["", "com.microsoft"].contains(&node.domain.as_str()) {
            continue;
        }
        is_quantised |= integer_operator(node);
        contributed(node);
        let hands_on = ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"];
        if !hands_on.contains(&node.operation.as_str()) {
            continue;
        }
        let (Some(input), Some(output)) = (node.input(0), node.output()) else { continue };
        let scales: Vec<usize> = node.outputs[1..].iter().copied().flatten().collect();
        is_quantised = true;
        alias[output] = alias[input];
        if let Some(Some(constant)) = network.constants.get_mut(alias[input]) {
            constant.data_type = data_type::FLOAT;
        }
        // Scale and zero point that are measured as the network runs.
        for scale in scales {
            network.constants[scale] = Some(Constant {
                dims: vec![],
                values: None,
                data_type: data_type::UINT8,
                is_external: false,
                in_node: true,
                tensor: None,
            });
        }
    }
    network.redirect(&alias);
    is_quantised
}

/// Turns an integer operator into the float one; whether it was one.
fn integer_operator(node: &mut Node) -> bool {
    if node.operation == "QLinearConcat" {
        // Scale and zero point, then map, scale and zero point of each input.
        let inputs = node.inputs.iter().skip(2).step_by(3).copied().collect();
        node.become_("Concat", inputs);
        return true;
    }
    let Some((_, operation, places)) = INTEGER_OPERATORS.iter().find(|(name, ..)| *name == node.operation) else {
        return false;
    };
    let mut inputs: Vec<_> = places.iter().map(|place| node.input(*place)).collect();
    while inputs.last() == Some(&None) {
        inputs.pop();
    }
    node.become_(operation, inputs);
    true
}

fn contributed(node: &mut Node) {
    if node.domain.is_empty() {
        return;
    }
    let Some((_, operation)) = CONTRIBUTED.iter().find(|(name, _)| *name == node.operation) else { return };
    let inputs = std::mem::take(&mut node.inputs);
    node.become_(operation, inputs);
}
