//! Means, sums and extremes along dimensions.

use super::super::model::Options;
use super::super::schema::BuiltinOperator;
use super::{Converter, Family};
use crate::onnx::import::Node;

pub const RULES: Family = &[
    ("GlobalAveragePool", |converter, node| global(converter, node, BuiltinOperator::MEAN)),
    ("GlobalMaxPool", |converter, node| global(converter, node, BuiltinOperator::REDUCE_MAX)),
    ("ReduceMax", |converter, node| along(converter, node, BuiltinOperator::REDUCE_MAX)),
    ("ReduceMean", |converter, node| along(converter, node, BuiltinOperator::MEAN)),
    ("ReduceMin", |converter, node| along(converter, node, BuiltinOperator::REDUCE_MIN)),
    ("ReduceSum", |converter, node| along(converter, node, BuiltinOperator::SUM)),
];

fn global(converter: &mut Converter, node: &Node, code: BuiltinOperator) -> Result<(), String> {
    let rank = converter.input(node, 0)?.dims.len();
    reduce(converter, node, code, &(2..rank).collect::<Vec<_>>(), true)
}

fn along(converter: &mut Converter, node: &Node, code: BuiltinOperator) -> Result<(), String> {
    let rank = converter.input(node, 0)?.dims.len();
    let given = match node.input(1) {
        Some(id) => Some(converter.source.integers(id).ok_or("its axes are not known")?),
        None => node.ints("axes")?.map(<[i64]>::to_vec),
    };
    let axes = super::layout::axes(&given.unwrap_or_else(|| (0..rank as i64).collect()), rank)?;
    reduce(converter, node, code, &axes, node.int("keepdims")?.unwrap_or(1) != 0)
}

fn reduce(
    converter: &mut Converter,
    node: &Node,
    code: BuiltinOperator,
    axes: &[usize],
    keep_dimensions: bool,
) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let mut places: Vec<i32> = axes.iter().filter_map(|axis| input.place(*axis)).map(|place| place as i32).collect();
    places.sort_unstable();
    let left = |axis: &usize| keep_dimensions || !axes.contains(axis);
    // Dimensions that are left move up.
    let renamed = |axis: usize| if keep_dimensions { axis } else { (0..axis).filter(left).count() };
    let order = input.order.iter().copied().filter(left).map(renamed).collect();
    let id = Converter::first_output(node)?;
    let output = converter.output(id, order)?;
    let places = converter.model.integers(format!("{}_places", converter.name_of(output)), &[places.len()], &places);
    converter.model.operate(code, &[input.tensor, places], output, Options::Reduce { keep_dimensions });
    converter.nonnegative(id, input.is_nonnegative);
    Ok(())
}
