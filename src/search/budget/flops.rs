//! FLOPs, counted as multiply-adds.

use super::{AdditiveBudget, Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};

/// Multiply-adds for one image.
#[derive(Debug)]
pub struct Flops;

impl Quantity for Flops {
    fn name(&self) -> &str {
        "flops"
    }

    fn flag(&self) -> &str {
        "--max-flops"
    }

    fn stage(&self) -> Stage {
        Stage::Graph
    }

    fn format(&self, value: f64) -> String {
        format!("{:.1} M multiply-adds", value / 1e6)
    }

    fn unit(&self) -> &'static str {
        "multiply-adds per image"
    }

    fn measure(&self, _: &Network, graph: &Graph, _: &mut PredictScratch) -> f64 {
        graph.parameters_and_flops().1 as f64
    }
    fn additive(&self, limit: f64) -> Option<AdditiveBudget> {
        Some(AdditiveBudget::operators(limit, |operator, _| operator.parameters_and_flops().1 as f64))
    }
}
