//! Activations.

use super::super::call::Call;
use super::Family;
use crate::net::{Activation, ForeignKind, OperatorKind};

pub(super) const READERS: Family = &[
    ("Clip", clip),
    ("Elu", |call| call.activation(Activation::Elu)),
    ("FastGelu", |call| call.activation(Activation::Gelu)),
    ("Gelu", |call| call.activation(Activation::Gelu)),
    ("HardSigmoid", |call| call.activation(Activation::HardSigmoid)),
    ("HardSwish", |call| call.activation(Activation::HardSwish)),
    ("LeakyRelu", |call| call.activation(Activation::LeakyRelu)),
    ("PRelu", prelu),
    ("QuickGelu", |call| call.activation(Activation::Swish)),
    ("Relu", |call| call.activation(Activation::Relu)),
    ("Sigmoid", |call| call.activation(Activation::Sigmoid)),
    ("Swish", |call| call.activation(Activation::Swish)),
    ("Tanh", |call| call.activation(Activation::Tanh)),
];

/// Bounds 0 and 6 are ReLU6; 0 and none are ReLU.
fn clip(call: &mut Call) -> Result<(), String> {
    let bound = |place: usize, attribute: &str| -> Result<Option<f64>, String> {
        match call.node.input(place) {
            Some(_) => Ok(call.optional(place).and_then(|tensor| Some(*tensor.values.as_ref()?.floats().first()?))),
            None => call.node.float(attribute),
        }
    };
    let (least, most) = (bound(1, "min")?, bound(2, "max")?);
    let input = call.input(0)?;
    let (dims, axis) = (input.dims.clone(), input.channel_axis);
    if input.map.is_none() {
        let clipped = |value: f64| value.max(least.unwrap_or(f64::NEG_INFINITY)).min(most.unwrap_or(f64::INFINITY));
        let values = input.values.as_deref().map(|values| values.map(clipped));
        return call.set_known(0, dims, values);
    }
    match (least, most) {
        (Some(0.0), Some(6.0)) => call.activation(Activation::Relu6),
        (Some(0.0), None) => call.activation(Activation::Relu),
        (Some(0.0), Some(most)) if most >= f64::from(f32::MAX) => call.activation(Activation::Relu),
        _ => call.foreign(ForeignKind::Elementwise, dims, axis),
    }
}

/// A slope for each channel, or another number of them: PyTorch's default is one for all.
fn prelu(call: &mut Call) -> Result<(), String> {
    call.check_weights(1..2)?;
    let input = call.input(0)?;
    let (dims, axis, channels) = (input.dims.clone(), input.channel_axis, input.channels());
    let is_fixed = call.input(0)?.map.is_some() && call.input(1)?.map.is_none();
    let owned = call.claim(1, true);
    if is_fixed && owned == channels && call.input(0)?.shape()?.channels as u64 == channels {
        return call.operator(OperatorKind::Activation(Activation::PRelu), [0, 0], dims, axis);
    }
    let kind = if is_fixed { ForeignKind::Activation(Activation::PRelu) } else { ForeignKind::Elementwise };
    call.foreign_output(0, kind, dims, axis, owned)
}
