//! The same values under other sizes, or in another order.

use super::super::call::{Call, axis};
use super::super::constant::{Values, strides};
use super::super::error::listed;
use super::super::tensor::Tensor;
use super::Family;
use crate::net::ForeignKind;

pub(super) const READERS: Family = &[
    ("Cast", cast),
    ("CastLike", |call| call.alias()),
    ("Dropout", |call| call.alias()),
    ("Flatten", flatten),
    ("Identity", |call| call.alias()),
    ("Reshape", reshape),
    ("Squeeze", squeeze),
    ("Transpose", transpose),
    ("Unsqueeze", unsqueeze),
];

/// The dimension that most likely holds the channels, where nothing else is known.
pub(super) fn usual_axis(rank: usize) -> usize {
    match rank {
        0 | 1 => 0,
        // Sequences of vectors.
        3 => 2,
        _ => 1,
    }
}

/// Sets the output to the first input under other sizes.
fn view(call: &mut Call, dims: Vec<u64>, channel_axis: usize) -> Result<(), String> {
    let input = call.input(0)?;
    if input.map.is_none() {
        let values = input.values.as_deref().cloned();
        return call.set_known(0, dims, values);
    }
    if input.dims == dims {
        return call.alias();
    }
    call.foreign_output(0, ForeignKind::View, dims, channel_axis, 0)
}

fn cast(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let to = call.node.int("to")?.unwrap_or(1);
    let is_float = [1, 10, 11, 16].contains(&to);
    let Some(values) = input.values.as_deref().filter(|_| input.map.is_none()) else { return call.alias() };
    let values = match values {
        Values::Floats(values) if !is_float => Values::Integers(values.iter().map(|value| *value as i64).collect()),
        Values::Integers(_) if is_float => Values::Floats(values.floats()),
        values => values.clone(),
    };
    let dims = input.dims.clone();
    call.set_known(0, dims, Some(values))
}

fn flatten(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let place = call.node.int("axis")?.unwrap_or(1);
    let place = if place == input.rank() as i64 { input.rank() } else { axis(place, input.rank())? };
    let product = |dims: &[u64]| dims.iter().product::<u64>();
    let dims = vec![product(&input.dims[..place]), product(&input.dims[place..])];
    view(call, dims, 1)
}

fn reshape(call: &mut Call) -> Result<(), String> {
    let target = call.integers_or(1, "shape")?.ok_or("it has no target shape")?;
    let allows_zero = call.node.int("allowzero")?.unwrap_or(0) != 0;
    let batch = call.reader.file_batch;
    let input = call.input(0)?;
    let mut dims = resolve(input, &target, allows_zero);
    // Sizes written for the whole batch of the file.
    if let (Err(_), Some(batch), Some(first)) = (&dims, batch, target.first())
        && *first == batch as i64
    {
        let target: Vec<i64> = std::iter::once(1).chain(target[1..].iter().copied()).collect();
        dims = resolve(input, &target, allows_zero);
    }
    let dims = dims?;
    let axis = reshaped_axis(input, &dims);
    view(call, dims, axis)
}

/// The sizes that `target` asks for.
fn resolve(input: &Tensor, target: &[i64], allows_zero: bool) -> Result<Vec<u64>, String> {
    let elements = input.elements();
    let wrong = || format!("it asks for sizes {}, but its input has {:?}", listed(target), input.dims);
    let mut dims = Vec::with_capacity(target.len());
    let mut open = None;
    for (place, size) in target.iter().enumerate() {
        dims.push(match *size {
            0 if !allows_zero => *input.dims.get(place).ok_or_else(wrong)?,
            -1 if open.is_none() => {
                open = Some(place);
                1
            }
            size => u64::try_from(size).map_err(|_| wrong())?,
        });
    }
    let product = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim)).ok_or_else(wrong)?;
    match open {
        Some(place) if product > 0 && elements.is_multiple_of(product) => dims[place] = elements / product,
        None if product == elements => {}
        _ => return Err(wrong()),
    }
    Ok(dims)
}

/// Where the channels are after a change of sizes.
fn reshaped_axis(input: &Tensor, dims: &[u64]) -> usize {
    let (rank, last) = (dims.len(), dims.len().saturating_sub(1));
    let is_last = input.rank() > 2 && input.channel_axis + 1 == input.rank();
    if is_last && rank > 2 && dims.get(last) == Some(&input.channels()) {
        return last;
    }
    if input.channel_axis == 1 && rank > 1 && dims[1] == input.channels() {
        return 1;
    }
    usual_axis(rank)
}

/// The dimensions that a node names, in order.
fn axes(call: &Call, rank: usize) -> Result<Option<Vec<usize>>, String> {
    let Some(axes) = call.integers_or(1, "axes")? else { return Ok(None) };
    let mut axes: Vec<usize> = axes.iter().map(|place| axis(*place, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

fn squeeze(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let ones = || (0..input.rank()).filter(|place| input.dims[*place] == 1).collect();
    let axes = axes(call, input.rank())?.unwrap_or_else(ones);
    if let Some(place) = axes.iter().find(|place| input.dims.get(**place) != Some(&1)) {
        return Err(format!("it drops dimension {place} of {:?}, which is not 1", input.dims));
    }
    let kept = |place: &usize| !axes.contains(place);
    let dims: Vec<u64> = (0..input.rank()).filter(kept).map(|place| input.dims[place]).collect();
    let before = (0..input.channel_axis).filter(kept).count();
    let axis = if axes.contains(&input.channel_axis) { usual_axis(dims.len()) } else { before };
    view(call, dims, axis)
}

fn unsqueeze(call: &mut Call) -> Result<(), String> {
    let given = call.integers_or(1, "axes")?.ok_or("it names no dimensions")?;
    let input = call.input(0)?;
    let rank = input.rank() + given.len();
    if rank > super::super::constant::MAX_RANK {
        return Err(format!("its output would have {rank} dimensions"));
    }
    let mut axes: Vec<usize> = given.iter().map(|place| axis(*place, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    if axes.len() != given.len() {
        return Err(format!("it names a dimension twice in {}", listed(&given)));
    }
    let mut dims = input.dims.clone();
    let mut channel_axis = input.channel_axis;
    for place in axes {
        dims.insert(place, 1);
        channel_axis += usize::from(place <= channel_axis);
    }
    view(call, dims, channel_axis)
}

fn transpose(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let rank = input.rank();
    let order: Vec<usize> = match call.node.ints("perm")? {
        Some(order) => order.iter().map(|place| axis(*place, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(format!("its perm {} is no order of {rank} dimensions", listed(&order)));
    }
    let dims: Vec<u64> = order.iter().map(|place| input.dims[*place]).collect();
    let channel_axis = order.iter().position(|place| *place == input.channel_axis).unwrap_or(0);
    let long: Vec<usize> = order.iter().copied().filter(|place| input.dims[*place] > 1).collect();
    if input.map.is_none() {
        let distances = strides(&input.dims);
        let distances: Vec<i64> = order.iter().map(|place| distances[*place]).collect();
        let values = input.values.as_deref().and_then(|values| values.strided(0, &dims, &distances));
        return call.set_known(0, dims, values);
    }
    if order.is_sorted() {
        return call.alias();
    }
    // Only dimensions of one move: the values stay.
    let kind = if long.is_sorted() { ForeignKind::View } else { ForeignKind::Rearrange };
    call.foreign_output(0, kind, dims, channel_axis, 0)
}
