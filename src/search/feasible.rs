//! Finding a first network within all budgets.
//!
//! The published search only ever mutates one block of its initial structure until something fits,
//! so a budget far below that structure is never met. Here the network that misses its budgets
//! least is mutated until it meets them.

use super::budget::{Budget, BudgetUse};
use super::evolve::{Worker, stream};
use super::{SearchConfig, SearchError};
use crate::latency::PredictScratch;
use crate::net::Network;
use crate::space::{Rails, Rules};

/// Mutations tried before a budget counts as impossible.
const ATTEMPTS: u64 = 20_000;

/// Keeps the random streams of this walk apart from those of the children.
const STREAM: u64 = 1 << 63;

/// The initial structure if it meets all budgets and rails, otherwise a network near it that does.
pub(super) fn find(config: &SearchConfig, worker: &mut Worker) -> Result<Network, SearchError> {
    let rules = &config.rules;
    let (nearest, excess) = nearest(config, rules, worker)?;
    if excess <= 1.0 {
        return Ok(nearest);
    }
    nearest.lower_into(&config.lower, &mut worker.graph)?;
    let off_rails = rules.rails().violations(&nearest, &worker.graph);
    let uses = uses(config, &nearest, worker);
    let without_rails = match Rules::within(&config.space, &Rails::default()) {
        Ok(free) if !rules.is_published() && free != *rules => Some(uses_under(config, &free, worker)?),
        _ => None,
    };
    Err(SearchError::BudgetsUnmet { cheapest: nearest.to_string(), uses, off_rails, without_rails })
}

/// The budgets of the network that misses them least under other rules.
fn uses_under(config: &SearchConfig, rules: &Rules, worker: &mut Worker) -> Result<Vec<BudgetUse>, SearchError> {
    let (nearest, _) = nearest(config, rules, worker)?;
    nearest.lower_into(&config.lower, &mut worker.graph)?;
    Ok(uses(config, &nearest, worker))
}

/// The first network of a walk that meets all budgets and rails, otherwise the one that misses them least; with its largest
/// ratio to one of them.
fn nearest(config: &SearchConfig, rules: &Rules, worker: &mut Worker) -> Result<(Network, f64), SearchError> {
    let mut best = rules.fit(&config.initial);
    best.lower_into(&config.lower, &mut worker.graph)?;
    let mut excess = largest_excess(config, &best, worker).max(rules.rails().excess(&best, &worker.graph));
    for attempt in 0..ATTEMPTS {
        if excess <= 1.0 {
            break;
        }
        let mut rng = stream(config.seed, STREAM + attempt);
        let network = config.space.child(&best, rules, 2, config.draw, &mut rng);
        if network.lower_into(&config.lower, &mut worker.graph).is_err() {
            continue;
        }
        let candidate_excess =
            largest_excess(config, &network, worker).max(rules.rails().excess(&network, &worker.graph));
        if candidate_excess < excess {
            excess = candidate_excess;
            best = network;
        }
    }
    Ok((best, excess))
}

/// Every budget on a network that is lowered in `worker.graph`.
pub(super) fn uses(config: &SearchConfig, network: &Network, worker: &mut Worker) -> Vec<BudgetUse> {
    let Worker { graph, budgets, .. } = worker;
    (config.budgets.iter().zip(budgets))
        .map(|(budget, scratch)| budget.quantity.budget_use(network, graph, budget.limit, scratch))
        .collect()
}

/// What every budget limits, on a network that is lowered in `worker.graph`.
pub(super) fn values(config: &SearchConfig, network: &Network, worker: &mut Worker) -> Vec<f64> {
    let Worker { graph, budgets, .. } = worker;
    let value = |(budget, scratch): (&Budget, &mut PredictScratch)| budget.quantity.measure(network, graph, scratch);
    config.budgets.iter().zip(budgets).map(value).collect()
}

/// The largest ratio of value to limit of a network that is lowered in `worker.graph`.
fn largest_excess(config: &SearchConfig, network: &Network, worker: &mut Worker) -> f64 {
    let values = values(config, network, worker);
    values.iter().zip(&config.budgets).map(|(value, budget)| value / budget.limit).fold(0.0, f64::max)
}
