//! Scores, costs and predicted latency of given networks, side by side.
//!
//! `work` evaluates, with progress and a way to stop; `foreign` does what can be done for networks that
//! were read from a file; `csv` writes. Not here: reading networks and
//! printing for people (`cli`), what a score is (`score`), how figures agree (`score::compare`).

mod csv;
mod foreign;
mod work;

use serde::{Serialize, Serializer};

use crate::latency::Prediction;
use crate::net::{Cost, Graph, LowerError, LowerOptions, Network, StructureError};
use crate::score::compare::{Compared, Group};
use crate::score::{ScoreError, Scored};

pub use self::csv::{comparison_to_csv, networks_to_csv};
pub use foreign::ForeignNetwork;
pub use work::{Board, Step, Work};

/// A network to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// `FILE:LINE`; empty when it was given on the command line.
    pub origin: String,
    pub name: Option<String>,
    /// The structure as it was written.
    pub text: String,
    /// How it is lowered for costs, latency and scores.
    pub options: LowerOptions,
    /// What its accuracy was measured on, where that needs saying.
    pub dataset: Option<String>,
    /// In any unit that is larger for better networks.
    pub accuracy: Option<f64>,
}

impl Subject {
    /// What it lowers to.
    ///
    /// # Errors
    /// For a malformed structure, and one that does not fit its image.
    pub fn graph(&self) -> Result<Graph, Missing> {
        Ok(Network::parse(&self.text)?.lower(&self.options)?)
    }

    /// The origin as the beginning of a message.
    pub fn prefix(&self) -> String {
        if self.origin.is_empty() { String::new() } else { format!("{}: ", self.origin) }
    }
}

/// Everything that is known of one network. Its JSON is without latencies, which go with the tables that they are
/// predicted from.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ScoredNetwork {
    pub name: Option<String>,
    pub structure: String,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    pub dataset: Option<String>,
    pub accuracy: Option<f64>,
    pub layers: u32,
    #[serde(flatten)]
    pub cost: Cost,
    /// By proxy, in the order they were asked for; none where the score does not exist.
    #[serde(serialize_with = "as_map")]
    #[schemars(with = "std::collections::BTreeMap<String, Option<Scored>>")]
    pub scores: Vec<(&'static str, Option<Scored>)>,
    #[serde(skip)]
    pub latency: Option<Prediction>,
    /// On several devices, in the order they were asked for, where that was asked for.
    #[serde(skip)]
    pub latencies: Vec<Prediction>,
}

impl ScoredNetwork {
    /// The score by one proxy.
    pub fn score(&self, proxy: &str) -> Option<f64> {
        let found = self.scores.iter().find(|(name, _)| *name == proxy)?;
        Some(found.1?.evaluation.score)
    }
}

fn as_map<S: Serializer>(scores: &[(&'static str, Option<Scored>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().map(|(name, scored)| (name, scored)))
}

/// Why a network, or one score of it, is missing.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    #[error(transparent)]
    Structure(#[from] StructureError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error("no score by {0}")]
    Score(#[from] ScoreError),
}

/// Names of the figures to compare: accuracy where any network has one, the proxies that were asked
/// for, and always the baselines.
pub fn compared_names(networks: &[ScoredNetwork], proxies: &[&'static str]) -> Vec<&'static str> {
    let accuracy = networks.iter().any(|network| network.accuracy.is_some()).then_some(ACCURACY);
    let baselines = BASELINES.into_iter().filter(|name| !proxies.contains(name));
    accuracy.into_iter().chain(baselines).chain(proxies.iter().copied()).collect()
}

/// Name of the accuracy among compared figures.
pub const ACCURACY: &str = "accuracy";

/// What every comparison shows: a score that ranks no better adds nothing.
const BASELINES: [&str; 2] = ["params", "flops"];

/// The figures of networks for [`crate::score::compare::compare`]; costs stand in for the baselines.
pub fn compared(networks: &[ScoredNetwork], names: &[&str]) -> Vec<Compared> {
    let figure = |network: &ScoredNetwork, name: &str| match name {
        ACCURACY => network.accuracy,
        "params" => Some(network.cost.parameters as f64),
        "flops" => Some(network.cost.flops as f64),
        proxy => network.score(proxy),
    };
    let of = |network: &ScoredNetwork| Compared {
        group: Group { dataset: network.dataset.clone(), resolution: network.resolution, classes: network.classes },
        figures: names.iter().map(|name| figure(network, name)).collect(),
    };
    networks.iter().map(of).collect()
}
