//! The Zen-score without drawing a weight: its mean over Gaussian weights and inputs, layer by
//! layer, in the limit of wide layers.
//!
//! Two forms. Form 1 follows three scalars and costs O(layers): the search runs on it. Form 2
//! also follows where in the map activations are weakened by padding and costs O(pixels). The
//! ReLU moments are the arc-cosine kernel of order one (Cho and Saul, 2009). Both differ
//! from the exact mean by a finite-width term (`docs/results.md`), nearly the same for networks of
//! one budget.

mod maps;
mod scalars;

pub use maps::form2;
pub use scalars::{Taps, form1};

use super::Variant;
use crate::net::{Graph, LoneOperator};
use crate::score::{AdditiveScore, Proxy, ScoreError, Scratch, Trial};

/// Result of either form.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedForm {
    /// Logarithm of the expected summed difference of the final maps.
    pub ln_delta: f64,
    /// Variance that the batch norm of each layer sees, in trunk order.
    pub variances: Vec<f64>,
}

impl ClosedForm {
    /// The Zen-score.
    pub fn score(&self, variant: Variant) -> f64 {
        self.ln_delta + self.variances.iter().map(|v| variant.scored_variance(*v).ln() / 2.0).sum::<f64>()
    }
}

/// Form 1 as a proxy.
#[derive(Debug)]
pub struct Form1 {
    pub variant: Variant,
}

impl Proxy for Form1 {
    fn name(&self) -> &'static str {
        match self.variant {
            Variant::Paper => "zen-closed",
            Variant::Released => "zen-closed-released",
        }
    }

    fn about(&self) -> &'static str {
        match self.variant {
            Variant::Paper => "Zen-score as the paper defines it, closed form 1: microseconds a network",
            Variant::Released => "Zen-score as the published code computes it, closed form 1",
        }
    }

    fn precise(&self) -> Option<&'static str> {
        Some(self.variant.exact_name())
    }

    fn score(&self, graph: &Graph, _: &Trial, scratch: &mut Scratch) -> Result<f64, ScoreError> {
        ScoreError::finite(self.name(), scalars::score1(graph, self.variant, &mut scratch.taps))
    }

    fn additive(&self) -> Option<&dyn AdditiveScore> {
        Some(self)
    }
}

/// Every layer adds half the logarithm of its variance; `u` is what is carried.
impl AdditiveScore for Form1 {
    fn value(&self, operator: &LoneOperator, is_first: bool) -> f64 {
        let Some(conv) = operator.trunk_conv() else { return 0.0 };
        self.variant.scored_variance(scalars::variance(&conv, is_first)).ln() / 2.0
    }

    fn carry_start(&self) -> f64 {
        scalars::first_decorrelation()
    }

    fn carry(&self, carry: f64, operator: &LoneOperator) -> f64 {
        operator.trunk_conv().map_or(carry, |conv| scalars::next_decorrelation(carry, &conv))
    }

    fn end(&self, carry: f64) -> f64 {
        (carry / std::f64::consts::PI).ln() / 2.0
    }

    fn last(&self, operator: &LoneOperator) -> f64 {
        (operator.output.elements() as f64).ln()
    }
}

/// Form 2 as a proxy.
#[derive(Debug)]
pub struct Form2 {
    pub variant: Variant,
}

impl Proxy for Form2 {
    fn name(&self) -> &'static str {
        match self.variant {
            Variant::Paper => "zen-closed-map",
            Variant::Released => "zen-closed-map-released",
        }
    }

    fn about(&self) -> &'static str {
        match self.variant {
            Variant::Paper => {
                "Zen-score as the paper defines it, closed form 2 (follows padding): milliseconds a network"
            }
            Variant::Released => "Zen-score as the published code computes it, closed form 2",
        }
    }

    fn precise(&self) -> Option<&'static str> {
        Some(self.variant.exact_name())
    }

    fn score(&self, graph: &Graph, _: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        ScoreError::finite(self.name(), form2(graph).score(self.variant))
    }
}
