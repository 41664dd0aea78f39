//! One operator of a layer, as the graph has it or as a runtime executes it.

use crate::latency::OperatorKey;
use crate::net::LoneOperator;

/// What sums are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    /// As the graph has it.
    Operator(LoneOperator),
    /// As a runtime executes it.
    Fused(OperatorKey),
}
