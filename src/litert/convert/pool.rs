//! Pooling over windows.

use super::super::model::Options;
use super::super::schema::{BuiltinOperator, Padding};
use super::conv::{Sliding, padded};
use super::value::IMAGE_ORDER;
use super::{Converter, Family};
use crate::onnx::import::Node;

pub const RULES: Family = &[("AveragePool", average_pool), ("MaxPool", max_pool)];

fn max_pool(converter: &mut Converter, node: &Node) -> Result<(), String> {
    if node.outputs.get(1).copied().flatten().is_some_and(|indices| converter.source.uses(indices) > 0) {
        return Err("it also gives the places of the largest values".to_owned());
    }
    pool(converter, node, BuiltinOperator::MAX_POOL_2D)
}

fn average_pool(converter: &mut Converter, node: &Node) -> Result<(), String> {
    pool(converter, node, BuiltinOperator::AVERAGE_POOL_2D)
}

fn pool(converter: &mut Converter, node: &Node, code: BuiltinOperator) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let id = Converter::first_output(node)?;
    let output = converter.source.dims(id)?.get(2..).unwrap_or(&[]).to_vec();
    let mut sliding = Sliding::read(node, &input, None, &output)?;
    if sliding.dilation != [1, 1] {
        return Err("its window is dilated".to_owned());
    }
    // Windows that begin inside and end behind the map, where sizes are rounded up.
    for (axis, steps) in output.iter().enumerate().take(2) {
        let reach = (steps - 1) * sliding.stride[axis] as u64 + sliding.window[axis] as u64;
        let have = input.dims[2 + axis] + sliding.before[axis];
        sliding.behind[axis] = sliding.behind[axis].max(reach.saturating_sub(have));
    }
    let is_mean = code == BuiltinOperator::AVERAGE_POOL_2D;
    let counts_padding = is_mean && node.int("count_include_pad")?.unwrap_or(0) != 0;
    let is_padded = sliding.is_padded();
    if counts_padding && is_padded && node.int("ceil_mode")?.unwrap_or(0) != 0 {
        return Err("it counts padding and rounds its size up".to_owned());
    }
    let name = converter.source.name(id).to_owned();
    let (padding, tensor) = if sliding.is_same && !counts_padding {
        (Padding::SAME, converter.ordered(&input, &IMAGE_ORDER)?)
    } else if !is_padded {
        (Padding::VALID, converter.ordered(&input, &IMAGE_ORDER)?)
    } else if is_mean && !counts_padding {
        return Err("its padding is not LiteRT's SAME, and is not counted in its means".to_owned());
    } else {
        let least = !is_mean && !input.is_nonnegative;
        (Padding::VALID, padded(converter, &input, &name, [sliding.before, sliding.behind], least)?)
    };
    let Sliding { stride, window, .. } = sliding;
    let target = converter.output(id, IMAGE_ORDER.to_vec())?;
    converter.model.operate(code, &[tensor], target, Options::Pool { padding, stride, window });
    converter.nonnegative(id, input.is_nonnegative);
    Ok(())
}
