//! Budgets that are limits on sums over operators: what a solver can work with.

use crate::latency::OperatorKey;
use crate::net::LoneOperator;

/// Where in a network an operator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The first convolution.
    Stem,
    /// A residual block.
    Stage,
    /// The last convolution, pooling and classifier.
    Tail,
}

/// What one operator of the graph adds.
pub type OfOperator = Box<dyn Fn(&LoneOperator, Place) -> f64 + Send + Sync>;
/// What one operator that a runtime executes adds.
pub type OfKey = Box<dyn Fn(&OperatorKey) -> f64 + Send + Sync>;

/// A sum over the operators of a network.
pub enum Sum {
    Operators(OfOperator),
    Fused(OfKey),
}

/// Every network within a budget has a sum of at most `limit`; networks outside may have one, too.
pub struct AdditiveBudget {
    pub sum: Sum,
    pub limit: f64,
}

impl AdditiveBudget {
    pub fn operators(limit: f64, of: impl Fn(&LoneOperator, Place) -> f64 + Send + Sync + 'static) -> Self {
        Self { sum: Sum::Operators(Box::new(of)), limit }
    }
}
