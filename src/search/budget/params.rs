//! Trainable parameters, classifier and projections included.

use super::{AdditiveBudget, Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};

/// Number of trainable parameters.
#[derive(Debug)]
pub struct Parameters;

impl Quantity for Parameters {
    fn name(&self) -> &str {
        "parameters"
    }

    fn flag(&self) -> &str {
        "--max-params"
    }

    fn stage(&self) -> Stage {
        Stage::Graph
    }

    fn format(&self, value: f64) -> String {
        format!("{:.3} M parameters", value / 1e6)
    }

    fn unit(&self) -> &'static str {
        "parameters"
    }

    fn measure(&self, _: &Network, graph: &Graph, _: &mut PredictScratch) -> f64 {
        graph.parameters_and_flops().0 as f64
    }
    fn additive(&self, limit: f64) -> Option<AdditiveBudget> {
        Some(AdditiveBudget::operators(limit, |operator, _| operator.parameters_and_flops().0 as f64))
    }
}
