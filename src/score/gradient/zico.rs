//! ZiCo: large gradients that vary little from batch to batch.
//!
//! Li et al., "ZiCo: zero-shot NAS via inverse coefficient of variation on gradients" (ICLR 2023).

use candle_core::DType;

use super::network::numbers;
use super::{Batch, GradientError, Network, Role};
use crate::net::Graph;
use crate::score::{Proxy, Randomness, ScoreError, Scratch, Trial, Until};

/// Sum over layers of the logarithm of the summed inverse coefficients of variation.
#[derive(Debug)]
pub struct ZiCo;

/// Batches of a trial. The paper takes 2; then the deviation of a gradient is the difference of two
/// numbers, its inverse has no mean, and the sum hangs on the few weights where the two agree by
/// chance. From 4 on even its variance exists.
pub const BATCHES: usize = 4;

impl Proxy for ZiCo {
    fn name(&self) -> &'static str {
        "zico"
    }

    fn about(&self) -> &'static str {
        "mean over deviation of the gradients of 4 batches, logarithms summed over layers (ZiCo, ICLR 2023)"
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 4, until: Until::Draws(2) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        let score = || {
            let network = Network::drawn(graph, trial.draw, DType::F32)?;
            inverse_variation(&network, &network.draw_batches(trial.draw, BATCHES, trial.batch_size)?)
        };
        ScoreError::finite(self.name(), score().map_err(|error| error.score(self.name()))?)
    }
}

/// Sum over convolutions and classifier of the logarithm of the sum over the layer's weights of
/// E|g| / sqrt(Var|g|), g the gradient of the mean cross-entropy of a batch, mean and (biased)
/// variance over the batches. Weights whose variance is 0 are left out, and a layer without others.
///
/// # Errors
/// As [`Network::cross_entropy`]; when no layer has a weight with a variance.
pub fn inverse_variation(network: &Network, batches: &[Batch]) -> Result<f64, GradientError> {
    let gradients = batches.iter().map(|batch| {
        let gradients = network.gradients(&network.cross_entropy(batch)?)?;
        let weights = network.parameters().iter().zip(gradients);
        let weights = weights.filter(|(parameter, _)| matches!(parameter.role, Role::Convolution | Role::Linear));
        Ok(weights.map(|(_, gradient)| gradient).collect())
    });
    let gradients: Vec<Vec<_>> = gradients.collect::<Result<_, GradientError>>()?;
    let count = batches.len() as f64;
    let (mut score, mut layers) = (0.0, 0);
    for layer in 0..gradients.first().map_or(0, Vec::len) {
        let of_batches: Vec<_> = gradients.iter().map(|batch| numbers(&batch[layer])).collect::<Result<_, _>>()?;
        let mut sum = 0.0;
        for weight in 0..of_batches[0].len() {
            let magnitudes = of_batches.iter().map(|batch| batch[weight].abs());
            let mean = magnitudes.clone().sum::<f64>() / count;
            let variance = magnitudes.map(|g| (g - mean) * (g - mean)).sum::<f64>() / count;
            if variance > 0.0 {
                sum += mean / variance.sqrt();
            }
        }
        if sum > 0.0 {
            score += sum.ln();
            layers += 1;
        }
    }
    if layers > 0 {
        return Ok(score);
    }
    Err(GradientError::Degenerate("no gradient varies over the batches".to_owned()))
}
