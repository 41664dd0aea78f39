//! The condition of the neural tangent kernel: whether images can be learnt at like speed.
//!
//! The trainability part of TE-NAS (Chen et al., "Neural architecture search on ImageNet in four GPU
//! hours", ICLR 2021).

use candle_core::DType;

use super::network::numbers;
use super::{GradientError, Network, Role, failed};
use crate::net::Graph;
use crate::score::eigenvalues::eigenvalues;
use crate::score::{Proxy, Randomness, ScoreError, Scratch, Trial, Until};
use candle_core::Tensor;

/// Minus the condition number of the batch's NTK.
#[derive(Debug)]
pub struct Ntk;

impl Proxy for Ntk {
    fn name(&self) -> &'static str {
        "ntk"
    }

    fn about(&self) -> &'static str {
        "minus the condition number of the batch's neural tangent kernel (TE-NAS, ICLR 2021)"
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 8, until: Until::Draws(2) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        let score = || {
            let network = Network::drawn(graph, trial.draw, DType::F32)?;
            let batches = network.draw_batches(trial.draw, 1, trial.batch_size)?;
            condition_number(&network, &batches[0].images)
        };
        ScoreError::finite(self.name(), -score().map_err(|error| error.score(self.name()))?)
    }
}

/// Largest over smallest eigenvalue of the Gram matrix of the images' gradients.
///
/// The gradient of an image is that of the sum of its outputs, all images passing as one batch, with
/// respect to the weights of convolutions, batch norms and classifier; biases are left out, as the
/// published code does.
///
/// # Errors
/// As [`Network::logits`]; a smallest eigenvalue that is 0 within the precision.
pub fn condition_number(network: &Network, images: &Tensor) -> Result<f64, GradientError> {
    let logits = network.logits(images)?;
    let sums = logits.sum(0).map_err(failed("adding outputs up"))?;
    let batch_size = sums.elem_count();
    // One image after the other: its gradient, layer by layer.
    let mut rows: Vec<Vec<Tensor>> = Vec::with_capacity(batch_size);
    for image in 0..batch_size {
        let gradients = network.gradients(&sums.get(image).map_err(failed("choosing an image"))?)?;
        let weights = network.parameters().iter().zip(gradients).filter(|(parameter, _)| parameter.role != Role::Bias);
        rows.push(weights.map(|(_, gradient)| gradient).collect());
    }
    let mut gram = vec![0.0; batch_size * batch_size];
    for layer in 0..rows[0].len() {
        let gradients = rows.iter().map(|row| numbers(&row[layer])).collect::<Result<Vec<_>, _>>()?;
        for (i, a) in gradients.iter().enumerate() {
            for (j, b) in gradients[..=i].iter().enumerate() {
                gram[i * batch_size + j] += a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            }
        }
    }
    for i in 0..batch_size {
        for j in 0..i {
            gram[j * batch_size + i] = gram[i * batch_size + j];
        }
    }
    let found = eigenvalues(&mut gram, batch_size);
    let (Some(smallest), Some(largest)) = (found.first(), found.last()) else {
        return Err(GradientError::Degenerate("a batch without images has no kernel".to_owned()));
    };
    // What single precision leaves of a gradient.
    let precision = largest * f32::EPSILON as f64;
    if *smallest > precision {
        return Ok(largest / smallest);
    }
    let reason = format!("the kernel is singular: eigenvalues from {smallest:e} to {largest:e}");
    Err(GradientError::Degenerate(reason))
}
