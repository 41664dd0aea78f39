//! Which networks a table's error holds for: those like the networks that it was found on.
//!
//! Not here: which operators lie outside a table's rows (`correction`).

use super::super::Composition;
use super::super::prediction::OperatorPrediction;
use super::Predictor;
use crate::net::Graph;

/// Share of time without support above which the table's error says nothing about a network, and the same where whole
/// networks are all its evidence.
const MOSTLY: f64 = 0.5;
const MUCH: f64 = 0.25;

/// By how much a network that fits have seen reduces the pixels of its image: 8 on either side, at least.
const LEAST_REDUCTION: u64 = 64;

/// How many times faster or slower than every network of a fit another one may be.
const BEYOND: f64 = 2.0;

impl Predictor {
    /// Whether a network is unlike all that a fit on whole networks has seen: far faster or slower than each of them, or
    /// one that keeps its maps large, as networks from image to image and single layers do. The fit's error says nothing
    /// there.
    pub(super) fn is_unlike_what_was_fitted(&self, graph: &Graph, ms: f64) -> bool {
        let Composition { seen_low_ms, seen_high_ms, .. } = self.model.composition;
        if seen_high_ms == 0.0 {
            return false;
        }
        let mut pixels = graph.operators().iter().map(|operator| operator.shape.pixels());
        let of_input = pixels.next().unwrap_or(1);
        let keeps_maps_large = pixels.min().is_none_or(|smallest| smallest * LEAST_REDUCTION > of_input);
        keeps_maps_large || !(seen_low_ms / BEYOND..=seen_high_ms * BEYOND).contains(&ms)
    }

    /// Share of the time that the networks of the table's error do not speak of: outside its shapes, or of kinds that
    /// none of them has. None where that is too little for the error not to hold.
    pub(super) fn unsupported(&self, operators: &[OperatorPrediction]) -> Option<f64> {
        let all: f64 = operators.iter().map(|operator| operator.ms).sum();
        let unsupported = operators.iter().filter(|operator| operator.extrapolated || operator.without_evidence);
        let share = unsupported.map(|operator| operator.ms).sum::<f64>() / all.max(f64::MIN_POSITIVE);
        let most = if self.model.composition.seen_high_ms > 0.0 { MUCH } else { MOSTLY };
        (share > most).then_some(share)
    }

    /// The table's error with its method; none for a network that is mostly unlike those of the check.
    pub(super) fn stated_error(&self, unsupported: Option<f64>) -> (Option<f64>, String) {
        match (&self.error, unsupported) {
            (None, _) => (None, "never checked on whole networks".to_owned()),
            (Some(error), Some(share)) => {
                let outside = share * 100.0;
                let inside = error.mape * 100.0;
                let method = &error.method;
                let Composition { seen_low_ms, seen_high_ms, .. } = self.model.composition;
                let what = match seen_high_ms > 0.0 {
                    true => format!(
                        "what its networks support (kinds of operators, maps that shrink, {seen_low_ms:.3} to \
                         {seen_high_ms:.3} ms)"
                    ),
                    false => "the table".to_owned(),
                };
                (None, format!("{outside:.0}% of the time lies outside {what}; inside it {inside:.1}% ({method})"))
            }
            (Some(error), None) => (Some(error.mape), error.method.clone()),
        }
    }
}
