//! Products of matrices and fully connected layers.

use super::super::model::Options;
use super::super::schema::BuiltinOperator;
use super::value::{plain_order, stored};
use super::{Converter, Family, Value};
use crate::onnx::import::{Node, ValueId};

pub const RULES: Family = &[("Gemm", gemm), ("MatMul", matmul)];

fn gemm(converter: &mut Converter, node: &Node) -> Result<(), String> {
    if node.int("transA")?.unwrap_or(0) != 0 {
        return Err("it transposes its first input".to_owned());
    }
    let input = converter.input(node, 0)?;
    let (mut weights, dims) = converter.weights_of(node, 1)?.ok_or("it has no weights")?;
    let alpha = node.float("alpha")?.unwrap_or(1.0) as f32;
    let beta = node.float("beta")?.unwrap_or(1.0) as f32;
    weights.iter_mut().for_each(|weight| *weight *= alpha);
    let is_transposed = node.int("transB")?.unwrap_or(0) != 0;
    let bias = converter.weights_of(node, 2)?;
    let bias = bias.map(|(values, _)| values.into_iter().map(|value| beta * value).collect());
    connected(converter, Converter::first_output(node)?, &input, (weights, &dims, is_transposed), bias)
}

fn matmul(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let mut id = Converter::first_output(node)?;
    let second = node.input(1).ok_or("it has one input only")?;
    if let Some(other) = converter.values.get(&second).cloned() {
        let (rank, columns) = (input.dims.len(), other.dims.len());
        if rank != columns || rank < 2 {
            return Err(format!("it multiplies sizes {:?} by {:?}", input.dims, other.dims));
        }
        let [first, second] = [&input, &other].map(|value| converter.ordered(value, &plain_order(rank)));
        let output = converter.output(id, plain_order(rank))?;
        let options = Options::BatchMatMul { transpose_second: false };
        converter.model.operate(BuiltinOperator::BATCH_MATMUL, &[first?, second?], output, options);
        return Ok(());
    }
    let (weights, dims) = converter.weights_of(node, 1)?.ok_or("it has one input only")?;
    if dims.len() != 2 {
        return Err(format!("its weights have sizes {dims:?}, but matrices are written"));
    }
    let mut bias = None;
    // A sum behind it that is one number for each column.
    if let Some((place, sum)) = converter.reader(id, "Add") {
        let other = usize::from(sum.input(0) == Some(id));
        if let Ok(Some((values, sizes))) = converter.weights_of(sum, other)
            && values.len() as u64 == dims[1]
            && sizes.last() == Some(&dims[1])
        {
            bias = Some(values);
            converter.absorbed[place] = true;
            id = Converter::first_output(sum)?;
        }
    }
    connected(converter, id, &input, (weights, &dims, false), bias)
}

/// `input` times `weights`, rows by columns unless they are transposed, plus `bias`.
fn connected(
    converter: &mut Converter,
    id: ValueId,
    input: &Value,
    (weights, dims, is_transposed): (Vec<f32>, &[u64], bool),
    bias: Option<Vec<f32>>,
) -> Result<(), String> {
    let rank = input.dims.len();
    let &[first, second] = dims else { return Err(format!("its weights have sizes {dims:?}")) };
    let (columns, inner) = if is_transposed { (first, second) } else { (second, first) };
    if rank < 2 || input.dims[rank - 1] != inner {
        return Err(format!("it multiplies sizes {:?} by {dims:?}", input.dims));
    }
    let weights = if is_transposed { weights } else { stored(&weights, dims, &[1, 0]) };
    let bias = match bias {
        Some(values) if values.len() == 1 => vec![values[0]; columns as usize],
        Some(values) if values.len() as u64 == columns => values,
        Some(values) => return Err(format!("it has {} biases for {columns} columns", values.len())),
        None => vec![0.0; columns as usize],
    };
    let mut order: Vec<usize> = input.order.iter().copied().filter(|axis| *axis != rank - 1).collect();
    order.push(rank - 1);
    let tensor = converter.ordered(input, &order)?;
    let name = converter.source.name(id).to_owned();
    let weights = converter.weights(format!("{name}_weight"), &[columns as usize, inner as usize], &weights);
    let bias = converter.weights(format!("{name}_bias"), &[columns as usize], &bias);
    let keep_dimensions = rank > 2;
    let version = if keep_dimensions { 5 } else { 1 };
    converter.operator(BuiltinOperator::FULLY_CONNECTED, version, &[tensor, weights, bias], id, order, |activation| {
        Options::FullyConnected { activation, keep_dimensions }
    })
}
