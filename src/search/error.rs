//! What keeps a search from running.

use std::path::{Path, PathBuf};

use super::budget::BudgetUse;
use crate::latency::LatencyError;
use crate::names::UnknownName;
use crate::net::{LowerError, StructureError};
use crate::score::ScoreError;

/// A search that cannot start, go on or be recorded.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the initial structure cannot be searched from: {0}")]
    Lower(#[from] LowerError),
    #[error("the initial structure has no score: {0}")]
    Score(#[from] ScoreError),
    #[error("population of {0}: must be from 1 to 1048576 (--population)")]
    Population(usize),
    #[error("{0} iterations: must be below 2^48 (--iterations)")]
    Iterations(u64),
    #[error("{flag} is {limit}: a budget must be a positive, finite number")]
    Limit { flag: String, limit: f64 },
    #[error("no network within the budgets was found; the cheapest one found is\n  {cheapest}\n{}", misses(uses))]
    BudgetsUnmet { cheapest: String, uses: Vec<BudgetUse> },
    #[error(transparent)]
    Name(#[from] UnknownName),
    #[error(transparent)]
    Structure(#[from] StructureError),
    #[error(transparent)]
    Latency(#[from] LatencyError),
    #[error("a latency budget needs a device: add --device")]
    NoSetting,
    #[error("run directory of format {found}, this version reads format {known}: use the version that wrote it")]
    Format { found: u32, known: u32 },
    #[error("the checkpoint does not belong to the configuration beside it: start the search anew")]
    ForeignCheckpoint,
    #[error("run directory {}: {source}", path.display())]
    RunDirectory { path: PathBuf, source: std::io::Error },
    #[error("run directory {} is not empty: choose another --out, or continue it with --resume", path.display())]
    RunDirectoryInUse { path: PathBuf },
    #[error("another search is writing to the run directory {}: wait for it or choose another --out", path.display())]
    RunDirectoryBusy { path: PathBuf },
    #[error("{} is no run directory: there is no config.toml; name a directory that zen-search wrote", path.display())]
    NoRun { path: PathBuf },
    #[error("the search in {0} has no result yet: continue it with `zen-search --resume {0}`", path.display())]
    NoResult { path: PathBuf },
    #[error("there is no network of rank {rank} in {}: it holds {found} networks, the winner included", file.display())]
    NoRank { file: PathBuf, rank: u32, found: u32 },
    #[error("{} cannot be read: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("{} cannot be written: {reason}", path.display())]
    Encode { path: PathBuf, reason: String },
}

impl SearchError {
    pub(super) fn malformed(path: &Path, reason: impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn encode(path: PathBuf, reason: impl ToString) -> Self {
        Self::Encode { path, reason: reason.to_string() }
    }
}

fn misses(uses: &[BudgetUse]) -> String {
    let missed = uses.iter().filter(|budget| !budget.is_met());
    let lines = missed.map(|budget| {
        let percent = (budget.value / budget.limit - 1.0) * 100.0;
        format!("  {}: {}, {percent:.1}% too much", budget.name, budget.text)
    });
    lines.collect::<Vec<_>>().join("\n")
}
