//! What keeps a search from running.

use std::path::{Path, PathBuf};

use super::budget::BudgetUse;
use super::solve::SolveError;
use crate::latency::LatencyError;
use crate::names::UnknownName;
use crate::net::{LowerError, StructureError};
use crate::onnx::OnnxError;
use crate::score::ScoreError;
use crate::space::{OffRails, SpaceError};

/// A search that cannot start, go on or be recorded.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the search cannot be solved: {0}; --optimiser evolution searches it")]
    Solve(#[from] SolveError),
    #[error("the initial structure cannot be searched from: {0}")]
    Lower(#[from] LowerError),
    #[error("the initial structure has no score: {0}")]
    Score(#[from] ScoreError),
    #[error("population of {0}: must be from 1 to 1048576 (--population)")]
    Population(usize),
    #[error("{0} iterations: must be below 2^48 (--iterations)")]
    Iterations(u64),
    #[error("--{flag} is {limit}: a budget must be a positive, finite number")]
    Limit { flag: &'static str, limit: f64 },
    /// `without_rails` are the budgets of the cheapest network found off the rails; none where no rails hold.
    #[error(
        "no network within the budgets was found; the cheapest one found is\n  {cheapest}\n{}",
        misses(uses, off_rails, without_rails.as_deref())
    )]
    BudgetsUnmet {
        cheapest: String,
        uses: Vec<BudgetUse>,
        off_rails: Vec<OffRails>,
        without_rails: Option<Vec<BudgetUse>>,
    },
    #[error(transparent)]
    Name(#[from] UnknownName),
    #[error(transparent)]
    Space(#[from] SpaceError),
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error(transparent)]
    Structure(#[from] StructureError),
    #[error(transparent)]
    Latency(#[from] LatencyError),
    #[error("a latency budget needs a device: write it as in 5@t4, or add --device t4")]
    NoSetting,
    #[error("the table of {setting} was not opened: a budget names a setting that the search does not have")]
    NoPredictor { setting: String },
    #[error("--{flag} is given twice for {setting}: {first} and {second}; leave one out")]
    TwoLimits { flag: &'static str, setting: String, first: f64, second: f64 },
    #[error("a trade-off has two or three axes, exactly one of them `score`: {0} (--pareto)")]
    Axes(String),
    #[error("the range of {name} is empty: {least} to {most}; give the limits as in 0.5..10")]
    Range { name: String, least: f64, most: f64 },
    #[error("confidence {0}: must be from 0.5 to 0.99 (--confidence), or `none` to compare predictions")]
    Confidence(f64),
    #[error("{0} minutes: must be a positive, finite number (--minutes)")]
    Minutes(f64),
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

/// How much more than its limit something is.
fn excess(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 2.0 => format!("{:.1}% too much", (ratio - 1.0) * 100.0),
        ratio if ratio < 10.0 => format!("{ratio:.1} times the limit"),
        ratio => format!("{ratio:.0} times the limit"),
    }
}

fn misses(uses: &[BudgetUse], off_rails: &[OffRails], without_rails: Option<&[BudgetUse]>) -> String {
    let missed = |uses: &[BudgetUse]| {
        let missed = uses.iter().filter(|budget| !budget.is_met());
        let line = |budget: &BudgetUse| format!("{}: {}, {}", budget.name, budget.text, excess(budget.ratio()));
        missed.map(line).collect::<Vec<_>>()
    };
    let mut lines: Vec<_> = missed(uses).into_iter().chain(off_rails.iter().map(OffRails::to_string)).collect();
    lines.iter_mut().for_each(|line| line.insert_str(0, "  "));
    if let Some(without_rails) = without_rails.map(missed) {
        // A small network may have to be narrower than the published ones.
        lines.push(match &without_rails[..] {
            [] => "without the rails of the space there are such networks; loosen them (such as --min-width and \
                   --min-bottleneck; `zen-search spaces` lists all) or search without them: --published-rules"
                .to_owned(),
            missed => {
                format!("nor is there one without the rails of the space; the cheapest found has {}", missed.join("; "))
            }
        });
    }
    lines.join("\n")
}
