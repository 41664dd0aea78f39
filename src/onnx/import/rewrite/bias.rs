//! Biases that are added behind, and scale with shift that make a batch norm.

use super::super::constant::Constant;
use super::super::network::{Network, ValueId};
use super::Index;

/// Conv + Add of one value for each channel.
pub(super) fn conv_bias(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    let (conv, bias) = biased(network, index, place, "Conv")?;
    let channels = network.constant(network.nodes[conv].input(1)?)?.dims.first().copied()?;
    let dims = &network.constant(bias)?.dims;
    let is_for_channels = matches!(dims[..], [count, 1, 1] | [1, count, 1, 1] if count == channels);
    let conv = &network.nodes[conv];
    if !is_for_channels || conv.input(2).is_some() {
        return None;
    }
    let (inputs, attributes) = (vec![conv.input(0), conv.input(1), Some(bias)], conv.attributes.clone());
    network.nodes[place].become_("Conv", inputs);
    network.nodes[place].attributes = attributes;
    Some(())
}

/// MatMul + Add of one value for each column.
pub(super) fn matmul_bias(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    let (product, bias) = biased(network, index, place, "MatMul")?;
    let columns = network.constant(network.nodes[product].input(1)?)?.dims.last().copied()?;
    let dims = &network.constant(bias)?.dims;
    let product = &network.nodes[product];
    let is_for_columns = dims.iter().product::<u64>() == columns && dims.last() == Some(&columns);
    if !is_for_columns || product.input(2).is_some() {
        return None;
    }
    let inputs = vec![product.input(0), product.input(1), Some(bias)];
    network.nodes[place].become_("MatMul", inputs);
    Some(())
}

/// The node of `operation` that `place` adds a constant to, and the constant.
fn biased(network: &Network, index: &Index, place: usize, operation: &str) -> Option<(usize, ValueId)> {
    if !network.nodes[place].is("Add") {
        return None;
    }
    let (value, bias) = network.with_constant(place)?;
    Some((index.inner(network, Some(value), operation)?, bias))
}

/// Mul by a weight and Add of one of the same sizes.
pub(super) fn scale_and_shift(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    let (product, shift) = biased(network, index, place, "Mul")?;
    let (x, scale) = network.with_constant(product)?;
    let is_weight = |constant: &Constant| !constant.in_node && constant.dims.iter().any(|dim| *dim > 1);
    let (first, second) = (network.constant(scale)?, network.constant(shift)?);
    if first.dims != second.dims || !is_weight(first) || !is_weight(second) {
        return None;
    }
    network.nodes[place].become_("BatchNormalization", vec![Some(x), Some(scale), Some(shift)]);
    Some(())
}
