//! Scores that are sums over operators, but for an end that one scalar carries through the layers.
//!
//! What solves a search instead of evolving it needs: the same score as [`Proxy::score`](super::Proxy::score), operator by
//! operator. Not here: solving.

use crate::net::LoneOperator;

/// score = constant + sum of [`AdditiveScore::value`] + [`AdditiveScore::end`] of the scalar behind the last operator.
pub trait AdditiveScore: Send + Sync {
    /// What an operator adds; `is_first` for those of the first convolution's layer.
    fn value(&self, operator: &LoneOperator, is_first: bool) -> f64;

    /// The scalar before the second layer.
    fn carry_start(&self) -> f64 {
        0.0
    }

    /// The scalar behind an operator; rises with `carry`, so that the largest before gives the largest behind.
    fn carry(&self, carry: f64, _operator: &LoneOperator) -> f64 {
        carry
    }

    /// What the scalar is worth at the end of a network; rises with it.
    fn end(&self, _carry: f64) -> f64 {
        0.0
    }

    /// What the last convolution of the trunk adds beside its value.
    fn last(&self, _operator: &LoneOperator) -> f64 {
        0.0
    }
}
