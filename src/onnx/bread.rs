//! What a sandwich is without its operator, for runtimes that only time whole models.
//!
//! Taking the operator out leaves two loose ends: a map that a convolution computes and nobody
//! reads, and one that a convolution reads and nobody computes. As output and input of a model they
//! would cost copies and changes of layout that the sandwich has not. So each end becomes a chain
//! of its own, 16 channels -> map -> 16 channels, which holds the convolution that stands before
//! such a map and the one that stands behind it, and counts half. A model with next to nothing in
//! it makes up the number of calls. Not here: what is done with the times (the profile room).

use super::OnnxError;
use super::emit::encode;
use super::operator::{BREAD_CHANNELS, INPUT, OperatorModel, in_shape, out_shape, second_shape};
use super::probe::activation_chain_model;
use crate::latency::{KeyKind, OperatorKey};
use crate::net::{Activation, Shape};

/// A model and how often its time counts.
#[derive(Clone, Debug, PartialEq)]
pub struct BreadModel {
    /// ONNX bytes.
    pub model: Vec<u8>,
    /// Weights of an operator's models add up to 1, as many calls as the sandwich takes.
    pub weight: f64,
}

/// Models whose weighted times add up to that of the operator's sandwich without the operator (or
/// of an empty model, for those that are timed alone).
///
/// # Errors
/// As [`super::operator_model`].
pub fn bread_models(key: &OperatorKey, batch_size: u32, seed: u64) -> Result<Vec<BreadModel>, OnnxError> {
    let mut ends: Vec<Shape> = Vec::new();
    if key.kind != KeyKind::Elementwise {
        let before = [Some(in_shape(key)), second_shape(key)];
        // An operator on 3 channels reads the image.
        ends.extend(before.into_iter().flatten().filter(|shape| shape.channels != 3));
        if key.kind != KeyKind::Dense {
            ends.push(out_shape(key));
        }
    }
    let mut models: Vec<(Shape, BreadModel)> = Vec::new();
    for shape in &ends {
        match models.iter_mut().find(|(known, _)| known == shape) {
            Some((_, model)) => model.weight += 0.5,
            None => models.push((*shape, BreadModel { model: chain(key, *shape, batch_size, seed)?, weight: 0.5 })),
        }
    }
    let mut models: Vec<_> = models.into_iter().map(|(_, model)| model).collect();
    if ends.len() != 2 {
        models.push(BreadModel { model: activation_chain_model(1)?, weight: 1.0 - 0.5 * ends.len() as f64 });
    }
    Ok(models)
}

/// The convolution before a map and the one behind it.
fn chain(key: &OperatorKey, shape: Shape, batch_size: u32, seed: u64) -> Result<Vec<u8>, OnnxError> {
    let mut model = OperatorModel::new(key, batch_size, seed)?;
    let map = model.bread_before("before", INPUT, shape, Activation::Relu);
    let output = model.pointwise("after", &map, shape.channels, BREAD_CHANNELS);
    model.builder.output(&output, &[BREAD_CHANNELS, shape.height, shape.width]);
    encode(&model.builder.finish([])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_call() {
        let conv = OperatorKey::conv(3, 2, 8, 24, 15);
        let weights =
            |key: &OperatorKey| bread_models(key, 1, 0).unwrap().iter().map(|model| model.weight).collect::<Vec<_>>();
        assert_eq!(weights(&conv), [0.5, 0.5]);
        assert_eq!(weights(&OperatorKey::conv(3, 1, 8, 8, 15)), [1.0]);
        assert_eq!(weights(&OperatorKey::conv(3, 2, 3, 16, 32)), [0.5, 0.5]);
        assert_eq!(weights(&OperatorKey { residual_add: true, ..conv }), [0.5, 1.0, -0.5]);
        assert_eq!(weights(&OperatorKey { kind: KeyKind::Add, ..OperatorKey::conv(1, 1, 8, 8, 7) }), [1.5, -0.5]);
        assert_eq!(weights(&OperatorKey { kind: KeyKind::Dense, ..OperatorKey::conv(1, 1, 8, 10, 1) }), [0.5, 0.5]);
        assert_eq!(weights(&OperatorKey { kind: KeyKind::Elementwise, ..OperatorKey::conv(1, 1, 8, 8, 7) }), [1.0]);
        assert!(bread_models(&OperatorKey::conv(2, 2, 8, 8, 15), 1, 0).is_err());
    }
}
