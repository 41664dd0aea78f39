//! Checks on a foreign model before tract sees it.
//!
//! tract reports most defects itself, but divides by a stride of zero; what it would panic on is
//! refused here, with the node's name.

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};
use tract_onnx::prelude::Framework;

use crate::AgentError;

/// Largest model that is read.
pub const MAX_MODEL_BYTES: u64 = 1 << 30;

/// Largest kernel side, stride, dilation, padding that is believed.
const MAX_EXTENT: i64 = 1 << 16;

/// Decodes a model and checks the attributes that decide how often its loops run.
pub(crate) fn decode(bytes: &[u8]) -> Result<ModelProto, AgentError> {
    let size = bytes.len() as u64;
    if size > MAX_MODEL_BYTES {
        return Err(AgentError::TooLarge { bytes: size, limit: MAX_MODEL_BYTES });
    }
    let not_onnx = |reason: String| AgentError::NotOnnx { reason };
    let model =
        tract_onnx::onnx().proto_model_for_read(&mut &bytes[..]).map_err(|error| not_onnx(format!("{error:#}")))?;
    let graph = model.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph".to_owned()))?;
    if graph.node.is_empty() {
        return Err(not_onnx("its graph has no nodes".to_owned()));
    }
    check_graph(graph)?;
    Ok(model)
}

fn check_graph(graph: &GraphProto) -> Result<(), AgentError> {
    graph.node.iter().try_for_each(check_node)
}

fn check_node(node: &NodeProto) -> Result<(), AgentError> {
    for attribute in &node.attribute {
        let smallest = match attribute.name.as_str() {
            "strides" | "kernel_shape" | "dilations" | "group" => 1,
            "pads" => 0,
            _ => continue,
        };
        let is_list = attribute.name != "group";
        let values = if is_list { attribute.ints.as_slice() } else { std::slice::from_ref(&attribute.i) };
        if let Some(value) = values.iter().find(|value| !(smallest..=MAX_EXTENT).contains(value)) {
            return Err(AgentError::BadNode {
                node: node.name.clone(),
                operator: node.op_type.clone(),
                reason: format!("{} holds {value}, but must be from {smallest} to {MAX_EXTENT}", attribute.name),
            });
        }
    }
    Ok(())
}
