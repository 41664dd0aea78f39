//! Checkpoints: a search between two batches, as text.
//!
//! Structures only: scores are computed again on reading, so a checkpoint cannot disagree with
//! the program that continues it.

use serde::{Deserialize, Serialize};

use super::evolve::Worker;
use super::spec::RUN_FORMAT;
use super::{Counts, Evolution, Member, Population, SearchConfig, SearchError};
use crate::net::Network;

/// The state of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    format: u32,
    iteration: u64,
    initial: String,
    counts: Counts,
    /// In the order that parents are drawn from.
    population: Vec<String>,
}

impl Checkpoint {
    /// The state of a running search.
    pub fn of(evolution: &Evolution<'_>) -> Self {
        Self {
            format: RUN_FORMAT,
            iteration: evolution.iteration,
            initial: evolution.initial().to_string(),
            counts: evolution.counts.clone(),
            population: evolution.population.members().iter().map(|member| member.network.to_string()).collect(),
        }
    }

    /// Children made before the checkpoint.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Continues the search.
    ///
    /// # Errors
    /// When the checkpoint does not belong to the configuration or holds malformed structures.
    pub fn resume<'c>(&self, config: &'c SearchConfig) -> Result<Evolution<'c>, SearchError> {
        config.validate()?;
        if self.format != RUN_FORMAT {
            return Err(SearchError::Format { found: self.format, known: RUN_FORMAT });
        }
        if self.population.len() > config.population_size
            || self.population.is_empty()
            || self.counts.over_budget.len() != config.budgets.len()
            || self.iteration > config.iterations
        {
            return Err(SearchError::ForeignCheckpoint);
        }
        let mut worker = Worker::new(config);
        let mut population = Population::new(config.population_size);
        for structure in &self.population {
            let network = Network::parse(structure)?;
            let score = worker.score(config, &network)?;
            population.insert(Member { network, score });
        }
        if population.members().len() != self.population.len() {
            return Err(SearchError::ForeignCheckpoint);
        }
        let initial = Network::parse(&self.initial)?;
        Ok(Evolution::at(config, initial, population, self.iteration, self.counts.clone()))
    }
}
