//! Maps of another size: interpolation, padding, repetition, channels to pixels and back.

use super::super::call::{Call, axis};
use super::super::constant::{self, Values};
use super::super::error::listed;
use super::super::tensor::Tensor;
use super::Family;
use crate::net::ForeignKind;

pub(super) const READERS: Family = &[
    ("DepthToSpace", depth_to_space),
    ("Expand", expand),
    ("Pad", pad),
    ("Resize", resize),
    ("SpaceToDepth", space_to_depth),
    ("Tile", tile),
    ("Upsample", resize),
];

/// Factors of all dimensions, or of those that `axes` names.
fn resize(call: &mut Call) -> Result<(), String> {
    let is_upsample = call.node.operation == "Upsample";
    let scales_at = if is_upsample || call.opset() < 11 { 1 } else { 2 };
    let input = call.input(0)?;
    let (dims, channel_axis) = (input.dims.clone(), input.channel_axis);
    let axes: Vec<usize> = match call.node.ints("axes")? {
        Some(axes) => axes.iter().map(|place| axis(*place, dims.len())).collect::<Result<_, _>>()?,
        None => (0..dims.len()).collect(),
    };
    let scales: Option<Vec<f64>> = match call.optional(scales_at) {
        Some(scales) => scales.values.as_deref().map(Values::floats),
        None => call.node.floats("scales")?.map(|scales| scales.iter().map(|scale| (*scale).into()).collect()),
    };
    let sizes = if call.optional(3).is_some() { call.integers(3)? } else { None };
    let mut resized = dims.clone();
    let count = sizes.as_ref().map_or(scales.as_ref().map_or(0, Vec::len), Vec::len);
    if count != axes.len() {
        return Err(format!("it has {count} factors or sizes for {} dimensions, or they are computed", axes.len()));
    }
    for (place, along) in axes.into_iter().enumerate() {
        // The batch is one image whatever it was.
        if along == 0 {
            continue;
        }
        let size = match (&sizes, &scales) {
            (Some(sizes), _) => sizes[place] as f64,
            (None, Some(scales)) => (dims[along] as f64 * scales[place]).floor(),
            (None, None) => 0.0,
        };
        if !(1.0..=f64::from(u32::MAX)).contains(&size) {
            return Err(format!("it makes {size} of dimension {along}, which has {}", dims[along]));
        }
        resized[along] = size as u64;
    }
    call.foreign_output(0, ForeignKind::Resize, resized, channel_axis, 0)
}

/// Largest padding of one side.
const MAX_PAD: i64 = 4096;

fn pad(call: &mut Call) -> Result<(), String> {
    let mut pads = call.integers_or(1, "pads")?.ok_or("it has no pads")?;
    if pads.iter().any(|pad| !(-MAX_PAD..=MAX_PAD).contains(pad)) {
        return Err(format!("its pads {} are out of range (up to {MAX_PAD})", listed(&pads)));
    }
    let input = call.input(0)?;
    let rank = input.rank();
    if let Some(axes) = call.integers(3)? {
        let mut all = vec![0; 2 * rank];
        for (place, along) in axes.iter().enumerate() {
            let along = axis(*along, rank)?;
            let (before, behind) = (pads.get(place), pads.get(place + axes.len()));
            let (Some(before), Some(behind)) = (before, behind) else {
                return Err("its pads and axes differ".to_owned());
            };
            (all[along], all[along + rank]) = (*before, *behind);
        }
        pads = all;
    }
    if pads.len() != 2 * rank {
        return Err(format!("its pads are {}, but its input has {rank} dimensions", listed(&pads)));
    }
    if pads.iter().all(|pad| *pad == 0) {
        return call.alias();
    }
    let padded = |place: usize| (input.dims[place] as i64).saturating_add(pads[place] + pads[place + rank]);
    let dims: Option<Vec<u64>> = (0..rank).map(|place| u64::try_from(padded(place)).ok()).collect();
    let dims = dims.ok_or_else(|| format!("its pads {pads:?} cut more than its input of {:?} has", input.dims))?;
    let channel_axis = input.channel_axis;
    if let Some(around) = around(call, &pads)? {
        let tensor = Tensor { dims, pad: Some(around), ..input.clone() };
        tensor.shape()?;
        call.set(0, tensor);
        return Ok(());
    }
    call.foreign_output(0, ForeignKind::Rearrange, dims, channel_axis, 0)
}

/// Zeros around height and width, if only convolutions read them: those add them as they go.
fn around(call: &Call, pads: &[i64]) -> Result<Option<[u64; 4]>, String> {
    let is_constant = call.node.text("mode")?.is_none_or(|mode| mode.is_empty() || &mode[..] == b"constant");
    let is_zero = match call.node.input(2) {
        Some(_) => call.optional(2).is_some_and(|value| value.values.as_deref().is_some_and(|v| v.floats() == [0.0])),
        None => call.node.float("value")?.unwrap_or(0.0) == 0.0,
    };
    let input = call.input(0)?;
    let &[0, 0, top, left, 0, 0, bottom, right] = pads else { return Ok(None) };
    let side = |pad: i64| u64::try_from(pad).ok();
    let (Some(top), Some(left), Some(bottom), Some(right)) = (side(top), side(left), side(bottom), side(right)) else {
        return Ok(None);
    };
    let folds = is_constant && is_zero && input.map.is_some() && input.pad.is_none() && input.channel_axis == 1;
    Ok((folds && call.feeds_convolutions()).then_some([top, left, bottom, right]))
}

fn expand(call: &mut Call) -> Result<(), String> {
    let target = call.integers(1)?.ok_or("it has no target shape")?;
    let (mut target, _) = constant::checked_dims(&target)?;
    let input = call.input(0)?;
    if input.rank() > 0 && target.len() >= input.rank() && call.reader.file_batch == target.first().copied() {
        target[0] = 1;
    }
    let mut dims = input.dims.clone();
    let channel_axis = input.channel_axis + target.len().saturating_sub(dims.len());
    while dims.len() < target.len() {
        dims.insert(0, 1);
    }
    for (dim, wanted) in dims.iter_mut().rev().zip(target.iter().rev()) {
        if *dim != *wanted && *dim != 1 && *wanted != 1 {
            return Err(format!("it asks for sizes {target:?}, but its input has {:?}", input.dims));
        }
        *dim = if *dim == 1 { *wanted } else { *dim };
    }
    if input.map.is_none() {
        let count = constant::checked_sizes(&dims)?;
        let repeated = |values: &Values| match values {
            Values::Integers(values) if values.len() == 1 => Some(Values::Integers(vec![values[0]; count as usize])),
            Values::Integers(all) if all.len() as u64 == count => Some(values.clone()),
            _ => None,
        };
        let fits = count <= constant::MAX_VALUES as u64;
        let values = input.values.as_deref().filter(|_| fits).and_then(repeated);
        return call.set_known(0, dims, values);
    }
    if dims == input.dims {
        return call.alias();
    }
    call.foreign_output(0, ForeignKind::Rearrange, dims, channel_axis, 0)
}

fn tile(call: &mut Call) -> Result<(), String> {
    let repeats = call.integers(1)?.ok_or("it has no repeats")?;
    let input = call.input(0)?;
    let (repeats, _) = constant::checked_dims(&repeats)?;
    if repeats.len() != input.rank() {
        return Err(format!("it repeats {repeats:?} times, but its input has {} dimensions", input.rank()));
    }
    let dims: Vec<u64> = input.dims.iter().zip(&repeats).map(|(dim, times)| dim.saturating_mul(*times)).collect();
    let channel_axis = input.channel_axis;
    if dims == input.dims {
        return call.alias();
    }
    call.foreign(ForeignKind::Rearrange, dims, channel_axis)
}

fn block(call: &Call) -> Result<u64, String> {
    let block = call.node.int("blocksize")?.and_then(|block| u64::try_from(block).ok());
    block
        .filter(|block| (1..=1024).contains(block))
        .ok_or_else(|| "its blocksize is out of range (1 to 1024)".to_owned())
}

fn depth_to_space(call: &mut Call) -> Result<(), String> {
    let block = block(call)?;
    let input = call.input(0)?;
    let &[batch, channels, height, width] = &input.dims[..] else { return Err("it needs an image".to_owned()) };
    if channels % (block * block) != 0 {
        return Err(format!("{block} x {block} pixels do not divide {channels} channels"));
    }
    let dims = vec![batch, channels / (block * block), height * block, width * block];
    call.foreign_output(0, ForeignKind::Rearrange, dims, 1, 0)
}

fn space_to_depth(call: &mut Call) -> Result<(), String> {
    let block = block(call)?;
    let input = call.input(0)?;
    let &[batch, channels, height, width] = &input.dims[..] else { return Err("it needs an image".to_owned()) };
    if height % block != 0 || width % block != 0 {
        return Err(format!("{block} x {block} pixels do not divide a map of {height} x {width}"));
    }
    let dims = vec![batch, channels * block * block, height / block, width / block];
    call.foreign_output(0, ForeignKind::Rearrange, dims, 1, 0)
}
