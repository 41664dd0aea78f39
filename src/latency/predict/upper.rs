//! What the measured latency of a network stays below with a given probability, fast.
//!
//! Not here: the formula of the quantile (`spread`), for which networks it was calibrated (`support`).

use super::{Estimate, OperatorKey, PredictScratch, Predictor};
use crate::net::Graph;

impl Predictor {
    /// Whether an interval was calibrated for the table.
    pub fn has_interval(&self) -> bool {
        self.model.composition.spread_factor > 0.0
    }

    /// Whether the interval of every network has the same relative width: operators do not differ in how well they are
    /// known.
    pub fn has_constant_spread(&self) -> bool {
        self.rows.is_empty() || self.model.fitted.is_some()
    }

    /// The least factor from a prediction to its upper bound, that of networks whose operators are known best. None
    /// where no interval was calibrated.
    pub fn least_upper_factor(&self, confidence: f64) -> Option<f64> {
        self.model.composition.upper_factor(0.0, confidence)
    }

    /// The factor from the prediction for a network to what its measured latency stays below with the probability
    /// `confidence`, see [`Composition::upper_factor`](crate::latency::Composition::upper_factor).
    pub fn upper_factor(&self, graph: &Graph, confidence: f64, scratch: &mut PredictScratch) -> Option<f64> {
        let composition = &self.model.composition;
        if self.has_constant_spread() {
            return composition.upper_factor(0.0, confidence);
        }
        scratch.serve(self.identity);
        let PredictScratch { fuser, known, .. } = scratch;
        let of = |key: &OperatorKey| {
            *known.entry(*key).or_insert_with(|| {
                let Estimate { ms, uncertainty, .. } = self.estimate(key);
                (ms, uncertainty)
            })
        };
        let times = self.class_times_with(fuser.fuse(graph), of);
        composition.upper_factor(times.operator_spread(composition), confidence)
    }
}
