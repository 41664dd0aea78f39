//! The region of a search that limits latency alone: depth and width of the published network that is as fast.
//!
//! The score rises with depth and width without end, so a latency budget alone buys networks that nobody trains. Not
//! here: rails, which limit shapes whatever the budget.

use super::budget::Latency;
use super::{SearchConfig, SearchError};
use crate::latency::PredictScratch;
use crate::space::PublishedNetwork;

/// Limits that follow from the latency budgets.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The published network they are taken from.
    pub like: String,
    /// Milliseconds of a call that it takes on the setting that was asked first.
    pub like_ms: f64,
    pub layers: u32,
    pub widest: u32,
    pub widest_tail: u32,
}

impl Region {
    /// Of the fastest published network of the space that does not meet the latency budgets, or the slowest of all; none
    /// where there is no latency budget or no such network is known for images of that size.
    ///
    /// # Errors
    /// When a published network cannot be lowered.
    pub fn of(config: &SearchConfig) -> Result<Option<Self>, SearchError> {
        let latencies: Vec<(&Latency, f64)> =
            config.budgets.iter().filter_map(|budget| Some((budget.quantity.as_latency()?, budget.limit))).collect();
        if latencies.is_empty() {
            return Ok(None);
        }
        let mut found: Option<(bool, f64, &PublishedNetwork)> = None;
        for published in config.space.published_at(config.lower.resolution) {
            let graph = published.network.lower(&config.lower)?;
            let ms =
                |(latency, _): &(&Latency, f64)| latency.predictor().predict_ms(&graph, &mut PredictScratch::default());
            let all_ms: Vec<f64> = latencies.iter().map(ms).collect();
            let is_over = all_ms.iter().zip(&latencies).any(|(ms, (_, limit))| ms > limit);
            let own_ms = all_ms[0];
            let better = match found {
                None => true,
                Some((true, before_ms, _)) => is_over && own_ms < before_ms,
                Some((false, before_ms, _)) => is_over || own_ms > before_ms,
            };
            if better {
                found = Some((is_over, own_ms, published));
            }
        }
        Ok(found.map(|(_, like_ms, published)| {
            let blocks = published.network.blocks();
            let widths = blocks.iter().filter(|block| block.kind.family().residual).map(|block| block.out_channels);
            Self {
                like: published.name.clone(),
                like_ms,
                layers: published.network.layers(),
                widest: widths.max().unwrap_or(0),
                widest_tail: blocks.last().map_or(0, |tail| tail.out_channels),
            }
        }))
    }
}
