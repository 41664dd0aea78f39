//! Means, sums and extremes over dimensions.

use super::super::call::{Call, axis};
use super::Family;
use super::layout::usual_axis;
use crate::net::{ForeignKind, OperatorKind};

pub(super) const READERS: Family = &[
    ("ArgMax", arg),
    ("ArgMin", arg),
    ("ReduceL1", reduce),
    ("ReduceL2", reduce),
    ("ReduceLogSumExp", reduce),
    ("ReduceMax", reduce),
    ("ReduceMean", reduce),
    ("ReduceMin", reduce),
    ("ReduceProd", reduce),
    ("ReduceSum", reduce),
    ("ReduceSumSquare", reduce),
];

fn arg(call: &mut Call) -> Result<(), String> {
    let rank = call.input(0)?.rank();
    let along = call.axis("axis", 0, rank)?;
    over(call, vec![along])
}

fn reduce(call: &mut Call) -> Result<(), String> {
    let rank = call.input(0)?.rank();
    let axes = match call.integers_or(1, "axes")? {
        Some(axes) if !axes.is_empty() => axes.iter().map(|place| axis(*place, rank)).collect::<Result<_, _>>()?,
        _ if call.node.int("noop_with_empty_axes")?.unwrap_or(0) != 0 => return call.alias(),
        _ => (0..rank).collect(),
    };
    over(call, axes)
}

fn over(call: &mut Call, axes: Vec<usize>) -> Result<(), String> {
    let keeps = call.node.int("keepdims")?.unwrap_or(1) != 0;
    let input = call.input(0)?;
    let is_gone = |place: &usize| axes.contains(place);
    let kept = |place: &usize| keeps || !axes.contains(place);
    let size = |place: usize| if is_gone(&place) { 1 } else { input.dims[place] };
    let dims: Vec<u64> = (0..input.rank()).filter(kept).map(size).collect();
    let channels = input.channel_axis;
    let channel_axis = if kept(&channels) { (0..channels).filter(kept).count() } else { usual_axis(dims.len()) };
    if input.map.is_none() {
        return call.set_known(0, dims, None);
    }
    // Everything but image and channels.
    let pixels = (1..input.rank()).filter(|place| *place != channels);
    let is_global =
        input.rank() > 2 && channels > 0 && !is_gone(&0) && !is_gone(&channels) && pixels.clone().all(|p| is_gone(&p));
    if call.node.operation == "ReduceMean" && is_global {
        return call.operator(OperatorKind::GlobalAveragePool, [0, 0], dims, channel_axis);
    }
    call.foreign_output(0, ForeignKind::Elementwise, dims, channel_axis, 0)
}
