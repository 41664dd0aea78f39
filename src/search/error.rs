//! What keeps a search from running.

use super::budget::BudgetUse;
use crate::net::LowerError;

/// A search that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the initial structure cannot be searched from: {0}")]
    Lower(#[from] LowerError),
    #[error("population of {0}: must be from 1 to 1048576 (--population)")]
    Population(usize),
    #[error("{0} iterations: must be below 2^48 (--iterations)")]
    Iterations(u64),
    #[error("{flag} is {limit}: a budget must be a positive, finite number")]
    Limit { flag: String, limit: f64 },
    #[error("no network within the budgets was found; the cheapest one found is\n  {cheapest}\n{}", misses(uses))]
    BudgetsUnmet { cheapest: String, uses: Vec<BudgetUse> },
}

fn misses(uses: &[BudgetUse]) -> String {
    let missed = uses.iter().filter(|budget| !budget.is_met());
    let lines = missed.map(|budget| {
        let percent = (budget.value / budget.limit - 1.0) * 100.0;
        format!("  {}: {}, {percent:.1}% too much", budget.name, budget.text)
    });
    lines.collect::<Vec<_>>().join("\n")
}
