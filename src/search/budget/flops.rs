//! FLOPs, counted as multiply-adds.

use super::{AdditiveBudget, BudgetFlag, BudgetKind, DependsOn, Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};
use crate::units;

pub(super) static KIND: BudgetKind = BudgetKind {
    name: "flops",
    unit: "multiply-adds per image",
    stage: Stage::Graph,
    flags: &[BudgetFlag::new(
        "max-flops",
        "N",
        "Budget of FLOPs, counted as multiply-adds for one image, e.g. 400M",
        units::large_number,
    )],
    depends_on: DependsOn::Nothing,
    has_default: false,
    quantity: |_, _| Ok(Box::new(Flops)),
};

/// Multiply-adds for one image.
#[derive(Debug)]
pub struct Flops;

impl Quantity for Flops {
    fn kind(&self) -> &'static BudgetKind {
        &KIND
    }

    fn format(&self, value: f64) -> String {
        if value < 1e4 {
            format!("{value:.0} multiply-adds")
        } else if value < 1e7 {
            format!("{:.1} k multiply-adds", value / 1e3)
        } else {
            format!("{:.1} M multiply-adds", value / 1e6)
        }
    }

    fn measure(&self, _: &Network, graph: &Graph, _: &mut PredictScratch) -> f64 {
        graph.parameters_and_flops().1 as f64
    }
    fn additive(&self, limit: f64) -> Option<AdditiveBudget> {
        Some(AdditiveBudget::operators(limit, |operator, _| operator.parameters_and_flops().1 as f64))
    }
}
