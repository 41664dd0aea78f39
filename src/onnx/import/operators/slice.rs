//! Parts of values, and parts put together.

use super::super::call::{Call, axis};
use super::super::constant::{Values, strides};
use super::super::error::listed;
use super::super::tensor::Tensor;
use super::Family;
use super::layout::usual_axis;
use crate::net::ForeignKind;

pub(super) const READERS: Family = &[("Concat", concat), ("Gather", gather), ("Slice", slice), ("Split", split)];

fn concat(call: &mut Call) -> Result<(), String> {
    let tensors: Vec<&Tensor> = (0..call.node.inputs.len()).map(|place| call.input(place)).collect::<Result<_, _>>()?;
    let first = *tensors.first().ok_or("it has no input")?;
    let along = call.axis("axis", 1, first.rank())?;
    let mut dims = first.dims.clone();
    for tensor in &tensors[1..] {
        let fits = tensor.rank() == dims.len()
            && (0..dims.len()).all(|place| place == along || tensor.dims[place] == dims[place]);
        if !fits {
            let all: Vec<_> = tensors.iter().map(|tensor| &tensor.dims).collect();
            return Err(format!("its inputs have sizes {}, which do not fit along dimension {along}", listed(&all)));
        }
        dims[along] = dims[along].saturating_add(tensor.dims[along]);
    }
    if tensors.iter().all(|tensor| tensor.map.is_none()) {
        let values = joined(&tensors);
        return call.set_known(0, dims, values);
    }
    if tensors.len() == 1 {
        return call.alias();
    }
    let channel_axis = tensors.iter().find(|tensor| tensor.map.is_some()).map_or(1, |tensor| tensor.channel_axis);
    call.foreign(ForeignKind::Concat, dims, channel_axis)
}

/// Numbers in one dimension behind each other.
fn joined(tensors: &[&Tensor]) -> Option<Values> {
    if tensors.iter().any(|tensor| tensor.rank() != 1) {
        return None;
    }
    let values: Vec<&Values> = tensors.iter().map(|tensor| tensor.values.as_deref()).collect::<Option<_>>()?;
    let whole: Option<Vec<&[i64]>> = values.iter().map(|values| values.integers()).collect();
    Some(match whole {
        Some(whole) => Values::Integers(whole.concat()),
        None => Values::Floats(values.iter().flat_map(|values| values.floats()).collect()),
    })
}

fn gather(call: &mut Call) -> Result<(), String> {
    let (data, indices) = (call.input(0)?, call.input(1)?);
    let along = call.axis("axis", 0, data.rank())?;
    let mut dims = data.dims[..along.min(data.rank())].to_vec();
    dims.extend(&indices.dims);
    dims.extend(data.dims.get(along + 1..).unwrap_or(&[]));
    if data.map.is_none() && indices.map.is_none() {
        let values = picked(data, indices);
        return call.set_known(0, dims, values);
    }
    let channel_axis = match data.channel_axis.cmp(&along) {
        std::cmp::Ordering::Less => data.channel_axis,
        std::cmp::Ordering::Equal if indices.rank() == 1 => along,
        std::cmp::Ordering::Equal => usual_axis(dims.len()),
        std::cmp::Ordering::Greater => (data.channel_axis + indices.rank()).saturating_sub(1),
    };
    call.foreign(ForeignKind::Rearrange, dims, channel_axis)
}

/// Numbers of one dimension at places.
fn picked(data: &Tensor, indices: &Tensor) -> Option<Values> {
    if data.rank() != 1 {
        return None;
    }
    let (values, places) = (data.values.as_deref()?, indices.known_integers()?);
    let places: Vec<usize> = places.iter().map(|place| axis(*place, values.len()).ok()).collect::<Option<_>>()?;
    values.at(places.into_iter())
}

/// From where to where, in which steps, along one dimension.
struct Range {
    start: i64,
    step: i64,
    count: u64,
}

impl Range {
    fn new(start: i64, end: i64, step: i64, size: u64) -> Result<Self, String> {
        let size = size as i64;
        if step == 0 || step == i64::MIN {
            return Err(format!("it goes in steps of {step}"));
        }
        let absolute = |place: i64| if place < 0 { place.saturating_add(size) } else { place };
        let (least, most) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let start = absolute(start).clamp(least.max(0), most.max(0));
        let end = if step < 0 && end < -size { -1 } else { absolute(end).clamp(least, most) };
        let span = if step > 0 { end - start } else { start - end };
        Ok(Self { start, step, count: (span.max(0) as u64).div_ceil(step.unsigned_abs()) })
    }
}

fn slice(call: &mut Call) -> Result<(), String> {
    let starts = call.integers_or(1, "starts")?.ok_or("it has no starts")?;
    let ends = call.integers_or(2, "ends")?.ok_or("it has no ends")?;
    let axes = call.integers_or(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.integers(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if starts.len() != ends.len() || starts.len() != axes.len() || starts.len() != steps.len() {
        return Err("its starts, ends, axes and steps differ in number".to_owned());
    }
    let input = call.input(0)?;
    let mut dims = input.dims.clone();
    let mut offset = 0_i64;
    let mut distances = strides(&input.dims);
    for place in 0..starts.len() {
        let along = axis(axes[place], input.rank())?;
        let size = *input.dims.get(along).ok_or("it cuts a single number")?;
        let range = Range::new(starts[place], ends[place], steps[place], size)?;
        dims[along] = range.count;
        offset = offset.saturating_add(range.start.saturating_mul(distances[along]));
        distances[along] = distances[along].saturating_mul(range.step);
    }
    if input.map.is_none() {
        let values = input.values.as_deref().and_then(|values| values.strided(offset, &dims, &distances));
        return call.set_known(0, dims, values);
    }
    if dims == input.dims && steps.iter().all(|step| *step == 1) {
        return call.alias();
    }
    let channel_axis = input.channel_axis;
    call.foreign_output(0, ForeignKind::Rearrange, dims, channel_axis, 0)
}

fn split(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let along = call.axis("axis", 0, input.rank())?;
    let (dims, channel_axis) = (input.dims.clone(), input.channel_axis);
    let size = *dims.get(along).ok_or("it cuts a single number")?;
    let count = call.node.outputs.len() as u64;
    let parts: Vec<u64> = match call.integers_or(1, "split")? {
        Some(parts) => parts.iter().map(|part| u64::try_from(*part).unwrap_or(u64::MAX)).collect(),
        None if count > 0 => {
            let part = size.div_ceil(count);
            (0..count).map(|place| part.min(size.saturating_sub(place * part))).collect()
        }
        None => Vec::new(),
    };
    let total = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
    if parts.len() as u64 != count || total != Some(size) {
        return Err(format!("it cuts {size} into {count} parts of {}", listed(&parts)));
    }
    if count == 1 {
        return call.alias();
    }
    for (place, part) in parts.into_iter().enumerate() {
        if call.is_read(place) {
            let mut dims = dims.clone();
            dims[along] = part;
            call.foreign_output(place, ForeignKind::Rearrange, dims, channel_axis, 0)?;
        }
    }
    Ok(())
}
