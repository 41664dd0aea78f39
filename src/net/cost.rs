//! Parameters, FLOPs and activation memory of a graph.
//!
//! FLOPs are multiply-adds of convolutions, matrix products and the classifier, nothing else: no batch norm, no
//! activation, no bias. Published figures often count more; the golden tests say how much.

use super::activation::Activation;
use super::graph::{Branch, Graph, Operator, OperatorKind, Shape, TrunkConv};

/// What a network costs on any device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Cost {
    /// Trainable parameters: convolution weights, projection biases, batch-norm scales and shifts,
    /// classifier weights and bias.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub flops: u64,
    /// Largest sum of float32 maps alive at once for one image, see [`Graph::peak_activation_bytes`].
    pub peak_activation_bytes: u64,
}

/// An operator with its shapes, without its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoneOperator {
    pub kind: OperatorKind,
    pub branch: Branch,
    /// Of one image, as is `output`.
    pub input: Shape,
    pub output: Shape,
}

impl LoneOperator {
    /// Trainable parameters and multiply-adds for one image; 0 for a third-party operator, whose figures its graph has.
    pub fn parameters_and_flops(&self) -> (u64, u64) {
        let [in_channels, out_channels] = [self.input, self.output].map(|shape| u64::from(shape.channels));
        match self.kind {
            OperatorKind::Conv { kernel, groups, bias, .. } => {
                let weights = out_channels * (in_channels / u64::from(groups)) * u64::from(kernel).pow(2);
                (weights + if bias { out_channels } else { 0 }, weights.saturating_mul(self.output.pixels()))
            }
            OperatorKind::BatchNorm => (2 * out_channels, 0),
            OperatorKind::Linear => (out_channels * (in_channels + 1), out_channels * in_channels),
            OperatorKind::Activation(Activation::PRelu) => (out_channels, 0),
            _ => (0, 0),
        }
    }

    /// As a convolution of the trunk, if it is one.
    pub fn trunk_conv(&self) -> Option<TrunkConv> {
        let OperatorKind::Conv { kernel, stride, groups, .. } = self.kind else { return None };
        (self.branch == Branch::Trunk).then_some(TrunkConv {
            kernel,
            stride,
            groups,
            in_channels: self.input.channels,
            out_channels: self.output.channels,
            in_side: self.input.height,
            out_side: self.output.height,
        })
    }
}

impl Graph {
    /// All costs in one call.
    pub fn cost(&self) -> Cost {
        let (parameters, flops) = self.parameters_and_flops();
        Cost { parameters, flops, peak_activation_bytes: self.peak_activation_bytes() }
    }

    /// Trainable parameters and multiply-adds, without the walk over live maps.
    pub fn parameters_and_flops(&self) -> (u64, u64) {
        let mut parameters = 0;
        let mut flops = 0_u64;
        for operator in self.operators() {
            let (own_parameters, own_flops) = match operator.kind {
                OperatorKind::Foreign(id) => {
                    let foreign = self.foreign(id);
                    (foreign.parameters, foreign.flops)
                }
                _ => self.lone(operator).parameters_and_flops(),
            };
            parameters += own_parameters;
            // The largest networks that parse exceed 64 bits in sum.
            flops = flops.saturating_add(own_flops);
        }
        (parameters, flops)
    }

    /// An operator with its shapes, without its network.
    pub fn lone(&self, operator: &Operator) -> LoneOperator {
        let Operator { kind, branch, shape: output, .. } = *operator;
        LoneOperator { kind, branch, input: self.input_shape(operator), output }
    }

    /// Peak memory of the maps for one image in float32 bytes, in execution order: while an
    /// operator runs, its inputs, its output and every map that is still to be read are alive;
    /// batch norm, activations, gates and additions work in place.
    pub fn peak_activation_bytes(&self) -> u64 {
        let mut remaining = self.use_counts();
        let mut alive = 0;
        let mut peak = 0;
        for operator in self.operators() {
            let bytes = 4 * operator.shape.elements();
            let in_place = self.may_be_in_place(operator) && remaining[operator.inputs[0].index()] == 1;
            alive += bytes;
            peak = peak.max(if in_place { alive - bytes } else { alive });
            for input in self.inputs(operator) {
                let uses = &mut remaining[input.index()];
                *uses -= 1;
                if *uses == 0 {
                    alive -= 4 * self.get(*input).shape.elements();
                }
            }
        }
        peak
    }

    /// Whether an operator may write over its first input.
    fn may_be_in_place(&self, operator: &Operator) -> bool {
        match operator.kind {
            OperatorKind::Input
            | OperatorKind::Conv { .. }
            | OperatorKind::GlobalAveragePool
            | OperatorKind::Linear => false,
            OperatorKind::BatchNorm | OperatorKind::Activation(_) | OperatorKind::Add | OperatorKind::Gate => true,
            OperatorKind::Foreign(id) => self.foreign(id).kind.is_in_place(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::net::{LowerOptions, MAX_CLASSES, MAX_RESOLUTION, Network};

    #[test]
    fn the_largest_networks_do_not_overflow() {
        for structure in [
            "SuperResK7K7(65536,65536,1,65536,1024)",
            "SuperResK1K7K1(65536,65536,1,65536,1024)",
            "SuperResIDWE6K7(65536,65536,1,65536,1024)",
        ] {
            let network = Network::parse(structure).unwrap();
            for residual in [true, false] {
                let options =
                    LowerOptions { squeeze_excite: true, residual, ..LowerOptions::new(MAX_RESOLUTION, MAX_CLASSES) };
                let cost = network.lower(&options).unwrap().cost();
                assert!(cost.flops > 1 << 60 && cost.parameters > 1 << 30 && cost.peak_activation_bytes > 1 << 40);
            }
        }
    }

    #[test]
    fn peak_counts_the_shortcut() {
        // 3x8x8 image -> stem 8x8x8 -> unit whose projection 16x8x8 waits while the chain runs.
        let network = Network::parse("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)").unwrap();
        let graph = network.lower(&LowerOptions::new(8, 10)).unwrap();
        // Second convolution of the unit: shortcut 16, input 8, output 16 channels of 64 pixels.
        assert_eq!(graph.peak_activation_bytes(), 4 * 64 * (16 + 8 + 16));
        let vanilla = LowerOptions { residual: false, ..LowerOptions::new(8, 10) };
        let graph = network.lower(&vanilla).unwrap();
        assert_eq!(graph.peak_activation_bytes(), 4 * 64 * (8 + 16));
    }
}
