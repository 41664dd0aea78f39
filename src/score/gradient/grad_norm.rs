//! The norm of the gradient: how far one step of training would move the weights.
//!
//! Compared in Zen-NAS (ICCV 2021) and in Abdelfattah et al., "Zero-cost proxies for lightweight NAS"
//! (ICLR 2021).

use candle_core::DType;

use super::network::numbers;
use super::{Batch, GradientError, Network};
use crate::net::Graph;
use crate::score::{Proxy, Randomness, ScoreError, Scratch, Trial, Until};

/// L2 norm over all parameters of the gradient of the cross-entropy against random labels.
#[derive(Debug)]
pub struct GradNorm;

impl Proxy for GradNorm {
    fn name(&self) -> &'static str {
        "grad-norm"
    }

    fn about(&self) -> &'static str {
        "norm of the gradient of the cross-entropy against random labels (as compared in Zen-NAS, ICCV 2021)"
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 8, until: Until::Draws(2) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        let score = || {
            let network = Network::drawn(graph, trial.draw, DType::F32)?;
            let batches = network.draw_batches(trial.draw, 1, trial.batch_size)?;
            gradient_norm(&network, &batches[0])
        };
        ScoreError::finite(self.name(), score().map_err(|error| error.score(self.name()))?)
    }
}

/// Root of the sum of squares of the gradient of the mean cross-entropy, over all parameters:
/// weights and biases of convolutions, batch norms and classifier.
///
/// # Errors
/// As [`Network::cross_entropy`].
pub fn gradient_norm(network: &Network, batch: &Batch) -> Result<f64, GradientError> {
    let mut sum = 0.0;
    for gradient in network.gradients(&network.cross_entropy(batch)?)? {
        sum += numbers(&gradient)?.iter().map(|g| g * g).sum::<f64>();
    }
    Ok(sum.sqrt())
}
