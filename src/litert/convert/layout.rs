//! The same numbers under other sizes or in another order, parts of them, and parts put together.

use super::super::model::Options;
use super::super::schema::{BuiltinOperator, TensorType};
use super::value::{plain_order, reshaped_order};
use super::{Converter, Family, Value};
use crate::onnx::Batch;
use crate::onnx::import::{Node, ValueId};

pub const RULES: Family = &[
    ("Cast", cast),
    ("Concat", concat),
    ("Dropout", alias),
    ("Flatten", view),
    ("Identity", alias),
    ("Reshape", view),
    ("Slice", slice),
    ("Split", split),
    ("Squeeze", view),
    ("Transpose", transpose),
    ("Unsqueeze", view),
];

/// ONNX's numbers for floats of 32, 16 and 64 bits, and bfloat16.
const FLOATS: [i64; 4] = [1, 10, 11, 16];

/// Dimensions as they are named, counted from the end if negative.
pub fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let axis = |axis: &i64| {
        let axis = if *axis < 0 { axis + rank as i64 } else { *axis };
        usize::try_from(axis).ok().filter(|axis| *axis < rank).ok_or_else(|| format!("dimension {axis} of {rank}"))
    };
    given.iter().map(axis).collect()
}

/// For an operation without a rule; such are refused before.
pub fn unknown(_: &mut Converter, _: &Node) -> Result<(), String> {
    Err("it is not supported".to_owned())
}

/// The output is the first input.
pub fn alias(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    converter.values.insert(Converter::first_output(node)?, input);
    Ok(())
}

/// Bytes to floats; floats of any size are float32 in the file.
fn cast(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let to = node.int("to")?.unwrap_or(1);
    if !FLOATS.contains(&to) {
        return Err("it makes other numbers than floats".to_owned());
    }
    if converter.model.tensor(input.tensor).is_some_and(|tensor| tensor.kind == TensorType::FLOAT32) {
        return alias(converter, node);
    }
    // The image's bytes stand for themselves, so that this is a cast, and one that XNNPACK computes.
    let id = Converter::first_output(node)?;
    let output = converter.output(id, input.order)?;
    converter.model.operate(BuiltinOperator::DEQUANTIZE, &[input.tensor], output, Options::None);
    converter.nonnegative(id, true);
    Ok(())
}

/// Other sizes: nothing moves in memory where that can be.
fn view(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let id = Converter::first_output(node)?;
    let dims = converter.source.dims(id)?.to_vec();
    if dims.is_empty() {
        return Err("its output is a single number".to_owned());
    }
    let (tensor, order) = match reshaped_order(&input.dims, &input.order, &dims) {
        Some(order) => (input.tensor, order),
        None => (converter.ordered(&input, &plain_order(input.dims.len()))?, plain_order(dims.len())),
    };
    let output = converter.output(id, order)?;
    converter.reshape_into(tensor, output)?;
    converter.nonnegative(id, input.is_nonnegative);
    Ok(())
}

/// Dimensions get other names; nothing moves.
fn transpose(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let rank = input.dims.len();
    let permutation = match node.ints("perm")? {
        Some(given) => axes(given, rank)?,
        None => (0..rank).rev().collect(),
    };
    let renamed = |axis: &usize| permutation.iter().position(|from| from == axis);
    let order = input.order.iter().map(renamed).collect::<Option<Vec<_>>>().ok_or("its perm is no order")?;
    let dims = permutation.iter().map(|axis| input.dims[*axis]).collect();
    converter.values.insert(Converter::first_output(node)?, Value { dims, order, ..input });
    Ok(())
}

fn concat(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let id = Converter::first_output(node)?;
    let rank = converter.source.dims(id)?.len();
    let along = axes(&[node.int("axis")?.ok_or("it has no axis")?], rank)?[0];
    let ids: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    let maps: Vec<Value> = ids.iter().filter_map(|id| converter.values.get(id).cloned()).collect();
    if maps.len() != ids.len() || maps.is_empty() {
        return Err("it puts constants behind maps".to_owned());
    }
    let order = maps[0].order.clone();
    let axis = maps[0].place(along).ok_or("its axis is out of range")? as i32;
    let inputs = maps.iter().map(|map| converter.ordered(map, &order)).collect::<Result<Vec<_>, _>>()?;
    let output = converter.output(id, order)?;
    converter.model.operate(BuiltinOperator::CONCATENATION, &inputs, output, Options::Concatenation { axis });
    converter.nonnegative(id, maps.iter().all(|map| map.is_nonnegative));
    Ok(())
}

fn slice(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let rank = converter.input(node, 0)?.dims.len();
    let given = |place: usize, attribute: &str| match node.input(place) {
        Some(id) => converter.source.integers(id).map(Some).ok_or_else(|| "its places are not known".to_owned()),
        None => Ok(node.ints(attribute)?.map(<[i64]>::to_vec)),
    };
    let starts = given(1, "starts")?.ok_or("it has no starts")?;
    let along = given(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = given(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    let (along, mut begin, mut step) = (axes(&along, rank)?, vec![0; rank], vec![1; rank]);
    let dims = converter.input(node, 0)?.dims;
    for (place, axis) in along.iter().enumerate() {
        let size = dims[*axis] as i64;
        let (Some(start), Some(stride)) = (starts.get(place), steps.get(place)) else {
            return Err("its starts, axes and steps differ in number".to_owned());
        };
        if *stride < 1 {
            return Err(format!("it goes in steps of {stride}"));
        }
        begin[*axis] = (if *start < 0 { start + size } else { *start }).clamp(0, size) as i32;
        step[*axis] = *stride as i32;
    }
    cut(converter, node, Converter::first_output(node)?, &begin, &step)
}

fn split(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let rank = converter.input(node, 0)?.dims.len();
    let along = axes(&[node.int("axis")?.unwrap_or(0)], rank)?[0];
    let mut begin = vec![0; rank];
    for output in node.outputs.iter().flatten() {
        let size = converter.source.dims(*output)?[along] as i32;
        if converter.source.uses(*output) > 0 {
            cut(converter, node, *output, &begin, &vec![1; rank])?;
        }
        begin[along] += size;
    }
    Ok(())
}

/// The part of the first input that is `id`, from `begin` in steps of `step` (ONNX's dimensions).
fn cut(converter: &mut Converter, node: &Node, id: ValueId, begin: &[i32], step: &[i32]) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let rank = input.dims.len();
    let sizes: Vec<i32> = converter.source.dims(id)?.iter().map(|dim| *dim as i32).collect();
    let has_one_image = converter.options.batch == Batch::Fixed(1);
    if !has_one_image && (begin[0], step[0], sizes[0]) != (0, 1, 1) {
        return Err("it cuts the batch, so that only --batch 1 can be written".to_owned());
    }
    let output = converter.output(id, input.order.clone())?;
    let name = converter.name_of(output);
    let in_memory = |values: &[i32]| -> Vec<i32> { input.order.iter().map(|axis| values[*axis]).collect() };
    let from = converter.model.integers(format!("{name}_begin"), &[rank], &in_memory(begin));
    if step.iter().all(|step| *step == 1) {
        let mut sizes = in_memory(&sizes);
        if !has_one_image {
            sizes[0] = -1;
        }
        let sizes = converter.model.integers(format!("{name}_size"), &[rank], &sizes);
        converter.model.operate(BuiltinOperator::SLICE, &[input.tensor, from, sizes], output, Options::None);
    } else {
        if !has_one_image {
            return Err("it takes every second value or fewer, so that only --batch 1 can be written".to_owned());
        }
        let end: Vec<i32> = (0..rank).map(|axis| begin[axis] + (sizes[axis] - 1) * step[axis] + 1).collect();
        let end = converter.model.integers(format!("{name}_end"), &[rank], &in_memory(&end));
        let step = converter.model.integers(format!("{name}_step"), &[rank], &in_memory(step));
        converter.model.operate(
            BuiltinOperator::STRIDED_SLICE,
            &[input.tensor, from, end, step],
            output,
            Options::None,
        );
    }
    converter.nonnegative(id, input.is_nonnegative);
    Ok(())
}
