//! Normalisation and softmax.

use super::super::call::Call;
use super::Family;
use crate::net::{ForeignKind, OperatorKind};

pub(super) const READERS: Family = &[
    ("BatchNormalization", batch_norm),
    ("GroupNormalization", norm),
    ("InstanceNormalization", norm),
    ("LRN", norm),
    ("LayerNormalization", norm),
    ("LogSoftmax", softmax),
    ("LpNormalization", norm),
    ("MeanVarianceNormalization", norm),
    ("RMSNormalization", norm),
    ("Softmax", softmax),
];

/// Scale and shift are parameters; mean and variance are measured and not trained.
fn batch_norm(call: &mut Call) -> Result<(), String> {
    if call.node.int("training_mode")?.unwrap_or(0) != 0 {
        return Err("it is in training mode; export the model for inference (model.eval())".to_owned());
    }
    call.check_weights(1..5)?;
    let input = call.input(0)?;
    let (dims, axis) = (input.dims.clone(), input.channel_axis);
    let channels = dims.get(1).copied().unwrap_or(1);
    if input.map.is_none() {
        return call.set_known(0, dims, None);
    }
    let scale = call.input(1)?.elements();
    // A scale and shift of another layout was recognised by its number of channels alone.
    let is_scale_and_shift = call.node.inputs.len() == 3;
    let channels = if is_scale_and_shift { call.input(0)?.channels() } else { channels };
    if !is_scale_and_shift {
        call.channels_first(0)?;
        if scale != channels {
            return Err(format!("its scale has {scale} values, but its input {channels} channels"));
        }
    }
    let axis = if is_scale_and_shift { axis } else { 1 };
    let owned = call.claim(1, true) + call.claim(2, true);
    if owned == 2 * channels && u64::from(call.input(0)?.shape()?.channels) == channels {
        return call.operator(OperatorKind::BatchNorm, [0, 0], dims, axis);
    }
    call.foreign_output(0, ForeignKind::Elementwise, dims, axis, owned)
}

fn norm(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let (dims, axis) = (input.dims.clone(), input.channel_axis);
    if input.map.is_none() {
        return call.set_known(0, dims, None);
    }
    let owned = call.claim(1, true) + call.claim(2, true);
    call.foreign_output(0, ForeignKind::Norm, dims, axis, owned)
}

fn softmax(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let (dims, axis) = (input.dims.clone(), input.channel_axis);
    call.foreign(ForeignKind::Softmax, dims, axis)
}
