//! The record of a search's result, `best.json`: the same bytes for the same search.

use serde::Serialize;

use super::budget::BudgetUse;
use super::{Counts, Evolution, RunSpec, SearchConfig, SearchError, StopReason};
use crate::latency::{Prediction, Predictor};
use crate::net::{Cost, Graph};

/// The best network of a search with everything known about it.
#[derive(Clone, Debug, Serialize)]
pub struct Winner {
    pub format: u32,
    pub version: &'static str,
    pub structure: String,
    pub proxy: &'static str,
    pub score: f64,
    pub layers: u32,
    #[serde(flatten)]
    pub cost: Cost,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    pub budgets: Vec<BudgetUse>,
    /// On the setting of the search, if it names one.
    pub latency: Option<Prediction>,
    pub search: SearchSummary,
}

/// How the search went, without times.
#[derive(Clone, Debug, Serialize)]
pub struct SearchSummary {
    pub stop_reason: StopReason,
    pub space: &'static str,
    pub seed: u64,
    pub iterations: u64,
    pub population: usize,
    pub initial: String,
    pub counts: Counts,
}

impl Winner {
    /// Collects the result, with the graph of the winner.
    ///
    /// # Errors
    /// When the winner cannot be lowered, which would be a defect of the search.
    pub fn of(
        evolution: &Evolution<'_>,
        config: &SearchConfig,
        spec: &RunSpec,
        predictor: Option<&Predictor>,
        stop_reason: StopReason,
    ) -> Result<(Self, Graph), SearchError> {
        let best = evolution.population().best().ok_or(SearchError::ForeignCheckpoint)?;
        let graph = best.network.lower(&config.lower)?;
        let winner = Self {
            format: spec.format,
            version: env!("CARGO_PKG_VERSION"),
            structure: best.network.to_string(),
            proxy: config.proxy.name(),
            score: best.score,
            layers: best.network.layers(),
            cost: graph.cost(),
            resolution: spec.resolution,
            classes: spec.classes,
            squeeze_excite: spec.squeeze_excite,
            budgets: config.budget_uses(&best.network)?,
            latency: predictor.map(|predictor| predictor.predict(&graph)),
            search: SearchSummary {
                stop_reason,
                space: config.space.name,
                seed: config.seed,
                iterations: evolution.iteration(),
                population: evolution.population().members().len(),
                initial: evolution.initial().to_string(),
                counts: evolution.counts().clone(),
            },
        };
        Ok((winner, graph))
    }
}
