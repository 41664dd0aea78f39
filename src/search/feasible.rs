//! Finding a first network within all budgets.
//!
//! The published search only ever mutates one block of its initial structure until something fits,
//! so a budget far below that structure is never met. Here the network that misses its budgets
//! least is mutated until it meets them.

use super::budget::{Budget, BudgetUse};
use super::evolve::{Worker, stream};
use super::{SearchConfig, SearchError};
use crate::latency::{PredictScratch, Setting};
use crate::net::Network;

/// Mutations tried before a budget counts as impossible.
const ATTEMPTS: u64 = 20_000;

/// Keeps the random streams of this walk apart from those of the children.
const STREAM: u64 = 1 << 63;

/// The initial structure if it meets all budgets, otherwise a network near it that does.
pub(super) fn find(config: &SearchConfig, worker: &mut Worker) -> Result<Network, SearchError> {
    let mut best = config.initial.clone();
    best.lower_into(&config.lower, &mut worker.graph)?;
    let mut uses = measure(config, &best, worker);
    let mut excess = largest_excess(&uses);
    for attempt in 0..ATTEMPTS {
        if excess <= 1.0 {
            return Ok(best);
        }
        let mut rng = stream(config.seed, STREAM + attempt);
        let network = config.space.mutate(&best, 2, config.draw, &mut rng);
        if network.lower_into(&config.lower, &mut worker.graph).is_err() {
            continue;
        }
        let candidate = measure(config, &network, worker);
        let candidate_excess = largest_excess(&candidate);
        if candidate_excess < excess {
            excess = candidate_excess;
            uses = candidate;
            best = network;
        }
    }
    Err(SearchError::BudgetsUnmet { cheapest: best.to_string(), uses })
}

/// Every budget on a network that is lowered in `worker.graph`.
pub(super) fn measure(config: &SearchConfig, network: &Network, worker: &mut Worker) -> Vec<BudgetUse> {
    let Worker { graph, budgets, .. } = worker;
    (config.budgets.iter().zip(budgets))
        .map(|(budget, scratch)| {
            let quantity = &*budget.quantity;
            let value = quantity.measure(network, graph, scratch);
            let setting = quantity.setting().map(Setting::id);
            let mut text = format!("{} of at most {}", quantity.format(value), quantity.format(budget.limit));
            if let Some(setting) = &setting {
                text.push_str(&format!(" per call, predicted for {setting}"));
            }
            let (name, unit) = (quantity.name().to_owned(), quantity.unit().to_owned());
            BudgetUse { name, value, limit: budget.limit, unit, setting, text }
        })
        .collect()
}

/// Value over limit of every budget on a network that is lowered in `worker.graph`.
pub(super) fn shares(config: &SearchConfig, network: &Network, worker: &mut Worker) -> Vec<f64> {
    let Worker { graph, budgets, .. } = worker;
    let share = |(budget, scratch): (&Budget, &mut PredictScratch)| {
        budget.quantity.measure(network, graph, scratch) / budget.limit
    };
    config.budgets.iter().zip(budgets).map(share).collect()
}

/// The largest ratio of value to limit.
fn largest_excess(uses: &[BudgetUse]) -> f64 {
    uses.iter().map(|budget| budget.value / budget.limit).fold(0.0, f64::max)
}
