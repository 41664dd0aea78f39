//! Trainable parameters, classifier and projections included.

use super::{AdditiveBudget, BudgetFlag, BudgetKind, DependsOn, Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};
use crate::units;

pub(super) static KIND: BudgetKind = BudgetKind {
    name: "parameters",
    unit: "parameters",
    stage: Stage::Graph,
    flags: &[BudgetFlag::new("max-params", "N", "Budget of trainable parameters, e.g. 1M or 1e6", units::large_number)],
    depends_on: DependsOn::Nothing,
    has_default: false,
    quantity: |_, _| Ok(Box::new(Parameters)),
};

/// Number of trainable parameters.
#[derive(Debug)]
pub struct Parameters;

impl Quantity for Parameters {
    fn kind(&self) -> &'static BudgetKind {
        &KIND
    }

    fn format(&self, value: f64) -> String {
        if value < 1e3 {
            format!("{value:.0} parameters")
        } else if value < 1e5 {
            format!("{:.3} k parameters", value / 1e3)
        } else {
            format!("{:.3} M parameters", value / 1e6)
        }
    }

    fn measure(&self, _: &Network, graph: &Graph, _: &mut PredictScratch) -> f64 {
        graph.parameters_and_flops().0 as f64
    }
    fn additive(&self, limit: f64) -> Option<AdditiveBudget> {
        Some(AdditiveBudget::operators(limit, |operator, _| operator.parameters_and_flops().0 as f64))
    }
}
