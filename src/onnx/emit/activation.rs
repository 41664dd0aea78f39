//! Element-wise non-linearities.

use super::{ModelBuilder, float};
use crate::net::Activation;

impl ModelBuilder {
    /// One node, or several where the operator set has none; all their names begin with `name`.
    pub fn activation(&mut self, name: &str, activation: Activation, map: &str) {
        let operation = match activation {
            Activation::Relu => "Relu",
            Activation::Sigmoid => "Sigmoid",
            Activation::HardSwish => "HardSwish",
            Activation::Tanh => "Tanh",
            Activation::Elu => "Elu",
            Activation::LeakyRelu => "LeakyRelu",
            Activation::HardSigmoid => {
                // PyTorch's slope; the operator's own default is 0.2.
                return self.node("HardSigmoid", name, &[map], name, vec![float("alpha", 1.0 / 6.0)]);
            }
            Activation::Relu6 => {
                let [low, high] = ["low", "high"].map(|end| format!("{name}_{end}"));
                self.weights(&low, &[], &[0.0]);
                self.weights(&high, &[], &[6.0]);
                return self.node("Clip", name, &[map, &low, &high], name, vec![]);
            }
            Activation::PRelu => {
                let slope = format!("{name}_slope");
                self.weights(&slope, &[1], &[0.25]);
                return self.node("PRelu", name, &[map, &slope], name, vec![]);
            }
            Activation::Swish => {
                let sigmoid = format!("{name}_sigmoid");
                self.node("Sigmoid", &sigmoid, &[map], &sigmoid, vec![]);
                return self.node("Mul", name, &[map, &sigmoid], name, vec![]);
            }
            Activation::Gelu => return self.gelu(name, map),
        };
        self.node(operation, name, &[map], name, vec![]);
    }

    /// `x / 2 * (1 + erf(x / sqrt 2))`, as PyTorch exports it.
    fn gelu(&mut self, name: &str, map: &str) {
        let part = |word: &str| format!("{name}_{word}");
        let [root, one, half] = ["root", "one", "half"].map(part);
        self.weights(&root, &[], &[std::f32::consts::SQRT_2]);
        self.weights(&one, &[], &[1.0]);
        self.weights(&half, &[], &[0.5]);
        let [scaled, erf, sum, product] = ["scaled", "erf", "sum", "product"].map(part);
        self.node("Div", &scaled, &[map, &root], &scaled, vec![]);
        self.node("Erf", &erf, &[&scaled], &erf, vec![]);
        self.node("Add", &sum, &[&erf, &one], &sum, vec![]);
        self.node("Mul", &product, &[map, &sum], &product, vec![]);
        self.node("Mul", name, &[&product, &half], name, vec![]);
    }
}
