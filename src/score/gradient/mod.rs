//! Proxies made of gradients: the vanilla network with its classifier, differentiated by candle.
//!
//! What the weights, inputs and labels are is the same for all (Zen-NAS, ICCV 2021, the comparison on
//! CIFAR-10): N(0, 1) convolution and classifier weights, biases 0, batch norms with weight 1 and bias
//! 0 in training mode, Gaussian images, labels at random; neither residual links nor gates. Not here:
//! the Zen-score, which needs no gradient.

mod dense;
mod depthwise;
mod grad_norm;
mod kernel;
mod maps;
mod network;
mod ntk;
mod synflow;
mod zico;

pub use grad_norm::{GradNorm, gradient_norm};
pub use network::{Network, Parameter, Role};
pub use ntk::{Ntk, condition_number};
pub use synflow::{SynFlow, ln_synaptic_flow};
pub use zico::{ZiCo, inverse_variation};

use candle_core::Tensor;

use super::ScoreError;

/// Images with a label each.
#[derive(Clone, Debug)]
pub struct Batch {
    /// batch x channels x height x width
    pub images: Tensor,
    pub labels: Vec<u32>,
}

/// Gradients that cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum GradientError {
    #[error("the weights lack `{name}`")]
    MissingTensor { name: String },
    #[error("`{name}` has shape {found:?}, but this network needs {expected:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("`{name}` sees one value per channel, which batch norm turns into 0: use a larger batch or resolution")]
    SingleValue { name: String },
    #[error("`{name}` has {groups} groups: only full and depthwise convolutions are differentiated")]
    Groups { name: String, groups: u32 },
    #[error("{0}")]
    Degenerate(String),
    #[error("{doing}: {source}")]
    Candle { doing: String, source: candle_core::Error },
}

impl GradientError {
    fn score(self, proxy: &'static str) -> ScoreError {
        ScoreError::Undefined { proxy, reason: self.to_string() }
    }
}

fn failed(doing: impl Into<String>) -> impl FnOnce(candle_core::Error) -> GradientError {
    let doing = doing.into();
    move |source| GradientError::Candle { doing, source }
}

#[cfg(test)]
mod tests;
