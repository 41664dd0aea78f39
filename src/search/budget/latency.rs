//! Predicted latency on one setting.

use std::sync::Arc;

use super::{AdditiveBudget, Quantity, Stage, Sum};
use crate::latency::{PredictScratch, Predictor, Setting, UNIT};
use crate::net::{Graph, Network};

/// Milliseconds of one inference call, whole batch, on the predictor's setting.
pub struct Latency {
    predictor: Arc<Predictor>,
}

impl Latency {
    pub fn new(predictor: Arc<Predictor>) -> Self {
        Self { predictor }
    }
}

impl Quantity for Latency {
    fn name(&self) -> &str {
        "latency_ms"
    }

    fn flag(&self) -> &str {
        "--latency-ms"
    }

    fn stage(&self) -> Stage {
        Stage::Table
    }

    fn format(&self, value: f64) -> String {
        format!("{value:.4} ms")
    }

    fn unit(&self) -> &'static str {
        UNIT
    }

    fn setting(&self) -> Option<&Setting> {
        Some(self.predictor.setting())
    }

    fn measure(&self, _: &Network, graph: &Graph, scratch: &mut PredictScratch) -> f64 {
        self.predictor.predict_ms(graph, scratch)
    }
    fn additive(&self, limit: f64) -> Option<AdditiveBudget> {
        let predictor = self.predictor.clone();
        let limit = predictor.largest_sum_ms(limit);
        Some(AdditiveBudget { sum: Sum::Fused(Box::new(move |key| predictor.weighted_ms(key))), limit })
    }
}
