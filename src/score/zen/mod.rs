//! The Zen-score (Zen-NAS, ICCV 2021, section 3): how strongly a network without residual links
//! reacts to a small change of its input, corrected for what batch norm divides away.
//!
//! `closed_form` works the average over random weights out; `exact_candle` evaluates given or drawn
//! weights, slowly and in double precision.

pub mod closed_form;
pub mod exact;
#[cfg(feature = "candle")]
pub mod exact_candle;

/// Size of the input perturbation (paper, section 3).
pub const GAMMA: f64 = 0.01;

/// Which variance a batch norm contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The paper's definition: the variance of the batch.
    Paper,
    /// The published code: running variance after two forward passes of a fresh model,
    /// `0.81 + 0.19 v` (momentum 0.1, initial value 1).
    Released,
}

impl Variant {
    /// Name of the proxy that evaluates this variant exactly.
    pub(crate) fn exact_name(self) -> &'static str {
        match self {
            Self::Paper => "zen",
            Self::Released => "zen-released",
        }
    }

    /// The variance that enters the score for a layer whose batch variance is `variance`.
    pub fn scored_variance(self, variance: f64) -> f64 {
        match self {
            Self::Paper => variance,
            Self::Released => 0.81 + 0.19 * variance,
        }
    }
}
