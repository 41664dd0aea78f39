//! Element-wise non-linearities.

use super::ModelBuilder;
use crate::net::Activation;

impl ModelBuilder {
    pub fn activation(&mut self, name: &str, activation: Activation, map: &str) {
        let operation = match activation {
            Activation::Relu => "Relu",
            Activation::Sigmoid => "Sigmoid",
        };
        self.node(operation, name, &[map], name, vec![]);
    }
}

/// Word for an activation in node names.
pub(in crate::onnx) fn word(activation: Activation) -> &'static str {
    match activation {
        Activation::Relu => "relu",
        Activation::Sigmoid => "sigmoid",
    }
}
