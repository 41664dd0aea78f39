//! The record of a search's result, `best.json`: the same bytes for the same search.

use std::sync::Arc;

use serde::Serialize;

use super::budget::BudgetUse;
use super::run::Outcome;
use super::solve::Certificate;
use super::{Counts, Evolution, Finalist, Lead, RunSpec, SearchConfig, SearchError, StopReason, finalists};
use crate::latency::{Prediction, Predictor};
use crate::net::{Cost, Graph};
use crate::score::Scored;
use crate::space::OffRails;

/// The best network of a search with everything known about it.
#[derive(Clone, Debug, Serialize)]
pub struct Winner {
    pub format: u32,
    pub version: &'static str,
    pub structure: String,
    /// What the search ranked by.
    pub proxy: &'static str,
    /// By that.
    pub score: f64,
    /// Its precise score; none without a final round.
    #[serde(rename = "final")]
    pub final_score: Option<Scored>,
    /// How far it is ahead of the other finalists.
    pub lead: Option<Lead>,
    /// How far it is from the best network there is, where that is proven.
    pub optimum: Option<Optimum>,
    pub layers: u32,
    #[serde(flatten)]
    pub cost: Cost,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    pub budgets: Vec<BudgetUse>,
    /// The first of `latencies`, for readers of earlier versions.
    pub latency: Option<Prediction>,
    /// On every setting of the search.
    pub latencies: Vec<Prediction>,
    pub rails: RailsRecord,
    pub search: SearchSummary,
    /// The networks of the final round: the winner, those not told apart from it, the others.
    pub finalists: Vec<Finalist>,
}

/// What is proven about every network within the budgets.
#[derive(Clone, Debug, Serialize)]
pub struct Optimum {
    #[serde(flatten)]
    pub certificate: Certificate,
    /// How far the winner may be below the best network, in percent of its score.
    pub gap_percent: f64,
}

/// What rails did to the result.
#[derive(Clone, Debug, Serialize)]
pub struct RailsRecord {
    /// Whether they held.
    pub on: bool,
    /// Where the winner leaves the rails of its space.
    pub off: Vec<OffRails>,
    /// What each costs that costs something.
    pub price: Vec<RailPrice>,
}

/// By how much the bound would rise without a rail.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RailPrice {
    /// Key of the rail; `all` for all of them together.
    pub rail: String,
    /// Of the bound, looked at with few channels.
    pub percent: f64,
}

/// How the search went, without times.
#[derive(Clone, Debug, Serialize)]
pub struct SearchSummary {
    pub stop_reason: StopReason,
    pub space: String,
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
        predictors: &[Arc<Predictor>],
        (certificate, rails_price): (Option<Certificate>, Vec<RailPrice>),
        outcome: Outcome,
    ) -> Result<(Self, Graph), SearchError> {
        let best = evolution.population().best().ok_or(SearchError::ForeignCheckpoint)?;
        let Outcome { reason: stop_reason, finalists, .. } = outcome;
        let (network, score, final_score) = match finalists.first() {
            Some(first) => (&first.structure, first.score, first.final_score),
            None => (&best.network, best.score, None),
        };
        let graph = network.lower(&config.lower)?;
        let latencies: Vec<Prediction> = predictors.iter().map(|predictor| predictor.predict(&graph)).collect();
        let winner = Self {
            format: spec.format,
            version: env!("CARGO_PKG_VERSION"),
            structure: network.to_string(),
            proxy: config.proxy.name(),
            score,
            final_score,
            lead: finalists::lead(&finalists),
            optimum: certificate.map(|certificate| {
                let gap_percent = (certificate.bound - score) / score.abs() * 100.0;
                Optimum { certificate, gap_percent }
            }),
            rails: RailsRecord {
                on: !config.rules.is_published(),
                off: config.space.rails.violations(network, &graph),
                price: rails_price,
            },
            layers: network.layers(),
            cost: graph.cost(),
            resolution: spec.resolution,
            classes: spec.classes,
            squeeze_excite: spec.squeeze_excite,
            budgets: config.budget_uses(network)?,
            latency: latencies.first().cloned(),
            latencies,
            search: SearchSummary {
                stop_reason,
                space: config.space.name.clone(),
                seed: config.seed,
                iterations: evolution.iteration(),
                population: evolution.population().members().len(),
                initial: evolution.initial().to_string(),
                counts: evolution.counts().clone(),
            },
            finalists,
        };
        Ok((winner, graph))
    }
}
