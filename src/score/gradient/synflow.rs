//! Synaptic flow: how much of the output passes through the weights, without any data.
//!
//! Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow"
//! (NeurIPS 2020), in the form that Zen-NAS (ICCV 2021) compares itself with.

use candle_core::{DType, Device, Tensor};

use super::network::numbers;
use super::{GradientError, Network, Role, failed};
use crate::net::Graph;
use crate::score::{Proxy, Randomness, ScoreError, Scratch, Trial, Until};

/// Minus the logarithm of the synaptic flow.
#[derive(Debug)]
pub struct SynFlow;

impl Proxy for SynFlow {
    fn name(&self) -> &'static str {
        "synflow"
    }

    fn about(&self) -> &'static str {
        "minus the logarithm of the synaptic flow (Tanaka et al., NeurIPS 2020, with the sign of Zen-NAS, ICCV 2021)"
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 1, until: Until::Draws(2) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        let score = || ln_synaptic_flow(&Network::drawn(graph, trial.draw, DType::F64)?);
        ScoreError::finite(self.name(), -score().map_err(|error| error.score(self.name()))?)
    }
}

/// Logarithm of the synaptic flow of a network in double precision.
///
/// With every parameter replaced by its absolute value and one image of ones, R is the sum of the
/// outputs; the flow is the sum over convolutions and classifier of the mean over output channels of
/// the sum over a channel's weights w of |w dR/dw|. Batch norms are in training mode.
///
/// # Errors
/// As [`Network::logits`]; a flow that is not positive and finite.
pub fn ln_synaptic_flow(network: &Network) -> Result<f64, GradientError> {
    let network = network.absolute()?;
    let [channels, height, width] = network.image_shape();
    let ones = Tensor::ones((1, channels, height, width), DType::F64, &Device::Cpu);
    let output = network.logits(&ones.map_err(failed("making an image of ones"))?)?;
    let gradients = network.gradients(&output.sum_all().map_err(failed("adding outputs up"))?)?;
    let mut flow = 0.0;
    for (parameter, gradient) in network.parameters().iter().zip(&gradients) {
        if matches!(parameter.role, Role::Convolution | Role::Linear) {
            let (weights, gradient) = (numbers(&parameter.values)?, numbers(gradient)?);
            let sum: f64 = weights.iter().zip(&gradient).map(|(weight, gradient)| (weight * gradient).abs()).sum();
            flow += sum / parameter.values.dims()[0] as f64;
        }
    }
    if flow > 0.0 && flow.is_finite() {
        return Ok(flow.ln());
    }
    Err(GradientError::Degenerate(format!("the synaptic flow is {flow}, which has no logarithm")))
}
