//! What the engine computes: the chain of convolutions that the score sees, as numbers.

use super::EngineError;
use crate::net::{Activation, BATCH_NORM_EPSILON, Branch, Graph, OperatorKind, TrunkConv};

/// One step of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Convolution without bias, batch norm, ReLU.
    Conv(TrunkConv),
    /// Largest of a window of 3 x 3 pixels at stride 2 with padding 1, as behind a ResNet's stem.
    MaxPool { channels: u32, in_side: u32, out_side: u32 },
    /// Squeeze-and-excitation: every channel times a gate computed from the means of all.
    Gate { channels: u32, reduced: u32 },
}

/// A network without branches.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub steps: Vec<Step>,
    /// Epsilon of every batch norm.
    pub epsilon: f32,
}

impl Chain {
    /// The vanilla network: neither residual links nor gates.
    ///
    /// # Errors
    /// When the trunk has convolutions with groups other than depthwise.
    pub fn of(graph: &Graph) -> Result<Self, EngineError> {
        let steps: Vec<_> = graph.trunk_convs().map(Step::Conv).collect();
        Self::checked(steps, BATCH_NORM_EPSILON)
    }

    /// As [`Chain::of`], with the gates of squeeze-and-excitation.
    ///
    /// # Errors
    /// As [`Chain::of`].
    pub fn with_gates(graph: &Graph) -> Result<Self, EngineError> {
        let mut steps = Vec::new();
        let mut convs = graph.trunk_convs();
        for operator in graph.operators() {
            match (operator.branch, operator.kind) {
                (Branch::Trunk, OperatorKind::Conv { .. }) => steps.extend(convs.next().map(Step::Conv)),
                (Branch::SqueezeExcite, OperatorKind::Activation(Activation::Relu)) => {
                    steps.push(Step::Gate { channels: 0, reduced: operator.shape.channels });
                }
                (Branch::SqueezeExcite, OperatorKind::Gate) => {
                    if let Some(Step::Gate { channels, .. }) = steps.last_mut() {
                        *channels = operator.shape.channels;
                    }
                }
                _ => {}
            }
        }
        Self::checked(steps, BATCH_NORM_EPSILON)
    }

    /// A chain of given steps, such as a plain ResNet.
    ///
    /// # Errors
    /// As [`Chain::of`]; without any convolution, too.
    pub fn checked(steps: Vec<Step>, epsilon: f32) -> Result<Self, EngineError> {
        if !matches!(steps.first(), Some(Step::Conv(_))) {
            return Err(EngineError::NoConvolution);
        }
        for step in &steps {
            if let Step::Conv(conv) = step
                && conv.groups != 1
                && !is_depthwise(conv)
            {
                return Err(EngineError::Groups { groups: conv.groups, channels: conv.in_channels });
            }
        }
        Ok(Self { steps, epsilon })
    }

    /// Channels and side of the input.
    pub fn input(&self) -> (usize, usize) {
        match self.steps[0] {
            Step::Conv(conv) => (conv.in_channels as usize, conv.in_side as usize),
            Step::MaxPool { channels, in_side, .. } => (channels as usize, in_side as usize),
            Step::Gate { channels, .. } => (channels as usize, 1),
        }
    }
}

/// Whether each channel has a filter of its own.
pub fn is_depthwise(conv: &TrunkConv) -> bool {
    conv.groups == conv.in_channels && conv.groups == conv.out_channels && conv.groups > 1
}
