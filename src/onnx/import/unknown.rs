//! Nodes whose operation nothing here knows: their sizes must stand in the file.

use super::call::{Call, Draft};
use super::network::Node;
use crate::net::ForeignKind;

/// Reads a node as [`ForeignKind::Unknown`].
///
/// # Errors
/// When it needs a map and the file does not state the size of its output.
pub(super) fn read(call: &mut Call) -> Result<(), String> {
    if let Some(reason) = training(call.node) {
        return Err(reason.to_owned());
    }
    let input_axis = call.maps().next().map(|(_, tensor)| (tensor.rank(), tensor.channel_axis));
    for place in 0..call.node.outputs.len() {
        if !call.is_read(place) {
            continue;
        }
        let dims = declared(call, place).ok_or_else(|| {
            "the operation is not known here, and the file does not state the size of its output; run shape inference \
             on the file (onnx.shape_inference), or leave the node out"
                .to_owned()
        })?;
        let axis = match input_axis {
            Some((rank, axis)) if rank == dims.len() => axis,
            _ => 1,
        };
        let parameters =
            if place == 0 { (0..call.node.inputs.len()).map(|input| call.claim(input, false)).sum() } else { 0 };
        let draft = Draft {
            kind: ForeignKind::Unknown,
            flops: 0,
            approximation: Some("unknown; timed by the size of its maps"),
        };
        call.foreign_output(place, draft, dims, axis, parameters)?;
    }
    Ok(())
}

fn training(node: &Node) -> Option<&'static str> {
    (node.domain.contains("training") || node.operation.ends_with("Grad"))
        .then_some("it is a step of training; export the network for inference")
}

/// The size that the file states for an output, for one image.
fn declared(call: &Call, place: usize) -> Option<Vec<u64>> {
    let id = call.node.outputs.get(place).copied().flatten()?;
    let shape = call.reader.network.declared.get(&id)?;
    let size = |(axis, dim): (usize, &super::messages::Dimension)| match dim.dim_value {
        _ if axis == 0 => Some(1),
        Some(size) => u64::try_from(size).ok(),
        None => None,
    };
    shape.dim.iter().enumerate().map(size).collect()
}
