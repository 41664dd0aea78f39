//! The record of a search's result, `best.json`: the same bytes for the same search.

use std::sync::Arc;

use serde::Serialize;

use super::apart::{REALLY_DIFFERENT, distance, really_different};
use super::budget::BudgetUse;
use super::run::Outcome;
use super::solve::Certificate;
use super::{Counts, Evolution, Finalist, Lead, RunSpec, SearchConfig, SearchError, StopReason, finalists};
use crate::latency::{Prediction, Predictor};
use crate::net::{Cost, Graph};
use crate::score::Scored;
use crate::space::OffRails;

/// The best network of a search with everything known about it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
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
    /// The winner and other networks that really differ from it and from each other, best first.
    pub alternatives: Vec<Alternative>,
    pub search: SearchSummary,
    /// The networks of the final round: the winner, those not told apart from it, the others.
    pub finalists: Vec<Finalist>,
}

/// What is proven about every network within the budgets.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Optimum {
    #[serde(flatten)]
    pub certificate: Certificate,
    /// How far the winner may be below the best network, in percent of its score.
    pub gap_percent: f64,
}

/// A network that somebody may train beside the winner.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Alternative {
    pub structure: String,
    /// By the proxy of the search.
    pub score: f64,
    pub layers: u32,
    #[serde(flatten)]
    pub cost: Cost,
    /// On every setting of the search.
    pub latencies: Vec<Prediction>,
    /// Share of layers in which it differs from the winner.
    pub distance: f64,
}

/// What rails did to the result.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct RailsRecord {
    /// Whether they held.
    pub on: bool,
    /// Where the winner leaves the rails of its space.
    pub off: Vec<OffRails>,
    /// What each costs that costs something.
    pub price: Vec<RailPrice>,
}

/// By how much the bound would rise without a rail.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RailPrice {
    /// Key of the rail; `all` for all of them together.
    pub rail: String,
    /// Of the bound, looked at with few channels.
    pub percent: f64,
}

/// How the search went, without times.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
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
        let ranked = evolution.population().ranked();
        let others = ranked.into_iter().filter(|member| member.network != *network);
        let others = others.map(|member| (&member.network, member.score));
        let all = std::iter::once((network, score)).chain(others);
        let top = spec.top.max(1) as usize;
        let alternatives = really_different(all, |(network, _)| network, top, REALLY_DIFFERENT);
        let alternatives = alternatives.into_iter().map(|(other, score)| {
            let graph = other.lower(&config.lower)?;
            Ok(Alternative {
                structure: other.to_string(),
                score,
                layers: other.layers(),
                cost: graph.cost(),
                latencies: predictors.iter().map(|predictor| predictor.predict(&graph)).collect(),
                distance: distance(network, other),
            })
        });
        let alternatives = alternatives.collect::<Result<Vec<_>, SearchError>>()?;
        let winner = Self {
            alternatives,
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
