//! Size of the weights in the precision that the network is deployed in.

use super::{AdditiveBudget, BudgetFlag, BudgetKind, DependsOn, Quantity, Stage};
use crate::latency::{Precision, PredictScratch};
use crate::net::{Graph, Network};
use crate::units;

pub(super) static KIND: BudgetKind = BudgetKind {
    name: "weight_bytes",
    unit: "bytes of weights",
    stage: Stage::Graph,
    flags: &[BudgetFlag::new(
        "max-size",
        "BYTES",
        "Budget of the size of the weights, e.g. 6MB or 6MiB, in the precision of --precision or else of the first \
         latency table [default precision: fp32]",
        units::bytes,
    )],
    depends_on: DependsOn::Precision,
    has_default: true,
    quantity: |spec, _| Ok(Box::new(WeightBytes { precision: spec.precision()?.unwrap_or_default() })),
};

/// Trainable parameters times the bytes of a value.
#[derive(Debug)]
pub struct WeightBytes {
    pub precision: Precision,
}

impl Quantity for WeightBytes {
    fn kind(&self) -> &'static BudgetKind {
        &KIND
    }

    fn format(&self, value: f64) -> String {
        format!("{} of {} weights", units::human_bytes(value), self.precision)
    }

    fn measure(&self, _: &Network, graph: &Graph, _: &mut PredictScratch) -> f64 {
        graph.parameters_and_flops().0 as f64 * self.precision.bytes()
    }

    fn additive(&self, limit: f64) -> Option<AdditiveBudget> {
        let bytes = self.precision.bytes();
        Some(AdditiveBudget::operators(limit, move |operator, _| operator.parameters_and_flops().0 as f64 * bytes))
    }
}
