//! The trade-off: networks of which none is beaten by another in all of two or three axes, the score and what it costs.
//!
//! Where score and costs are sums over operators, the front is solved for a grid of limits, and each point has a proven
//! bound; otherwise NSGA-II evolves it (`nsga`). `range` finds limits that nobody named, `result` writes the files. Not
//! here: the search for one set of limits.

mod hypervolume;
mod nsga;
mod range;
mod result;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::optimise::Optimiser;
use super::solve::{Problem, SolveError};
use super::{RunSpec, SearchConfig, SearchError};
use crate::net::Network;

pub use hypervolume::hypervolume;
pub use range::settle;
pub use result::{Front, FrontAxis, FrontPoint};

/// The axis that is no budget.
pub const SCORE: &str = "score";

/// A trade-off as it stands in `config.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontSpec {
    /// Points that are looked for.
    pub points: u32,
    /// Whether the winner is the point at the knee instead of the one with the best score.
    #[serde(default)]
    pub knee: bool,
    #[serde(rename = "axis")]
    pub axes: Vec<AxisSpec>,
}

/// An axis by name: the score, or a budget of the search, whose limit is the largest value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisSpec {
    /// [`SCORE`] or the kind of a budget.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// The smallest limit; found by the search if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
}

impl FrontSpec {
    /// Points unless the user says otherwise.
    pub const DEFAULT_POINTS: u32 = 40;

    /// What the axes are among the budgets of the search.
    ///
    /// # Errors
    /// When there are not two or three axes, one of them the score, each other one a budget.
    pub fn along(&self, spec: &RunSpec) -> Result<Vec<Along>, SearchError> {
        let along = |axis: &AxisSpec| {
            let is_it = |budget: &super::budget::BudgetSpec| budget.kind == axis.kind && budget.setting == axis.setting;
            match spec.budgets.iter().position(is_it) {
                _ if axis.kind == SCORE => Ok(Along::Score),
                Some(budget) => Ok(Along::Budget { budget, least: axis.least.unwrap_or_default() }),
                None => Err(SearchError::Axes(format!("there is no budget `{}`", axis.kind))),
            }
        };
        let found = self.axes.iter().map(along).collect::<Result<Vec<_>, _>>()?;
        let scores = found.iter().filter(|along| **along == Along::Score).count();
        match (found.len(), scores) {
            (2 | 3, 1) => Ok(found),
            (axes, scores) => Err(SearchError::Axes(format!("there are {axes} axes, {scores} of them the score"))),
        }
    }
}

/// What an axis is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Along {
    Score,
    Budget {
        /// Its place among the budgets.
        budget: usize,
        /// The smallest limit.
        least: f64,
    },
}

/// How far the search for a front is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrontProgress {
    /// From 0 to 1.
    pub share: f64,
    /// Of NSGA-II, with the hypervolume that its population covers.
    pub generation: Option<(u64, f64)>,
}

/// A network of a front, before everything about it is worked out.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub network: Network,
    pub score: f64,
    /// The proven bound on the score of every network that costs no more.
    pub bound: Option<f64>,
}

/// Looks for a front; what is found until `stop` says so counts.
///
/// # Errors
/// When no network within the budgets was found, or the solver alone is to find it and cannot.
pub fn find(
    config: &SearchConfig,
    spec: &FrontSpec,
    optimiser: Optimiser,
    along: &[Along],
    stop: &(dyn Fn() -> bool + Sync),
    observe: &mut dyn FnMut(FrontProgress),
) -> Result<Front, SearchError> {
    config.validate()?;
    let grid = grid(config, spec, along);
    let evolved = optimiser == Optimiser::Evolution || optimiser == Optimiser::Auto && config.rules.is_published();
    let solved = match evolved {
        true => None,
        false => Some(solve(config, along, &grid, stop, observe)),
    };
    let solved = match solved {
        Some(Ok(solved)) if !solved.0.is_empty() => Ok(solved),
        Some(Err(error)) if optimiser == Optimiser::Solver => return Err(error.into()),
        Some(Ok(_)) => Err("no network was found within the largest limits".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("evolution was asked for".to_owned()),
    };
    let (found, superset, not_solved) = match solved {
        Ok((found, superset)) => (found, superset, None),
        // Where there is no network, this says what the cheapest one misses.
        Err(reason) => (nsga::evolve(config, along, stop, observe)?, None, Some(reason)),
    };
    let mut front = Front::new(config, along, found)?;
    if not_solved.is_some() {
        front.thin(spec.points as usize);
    } else {
        front.left_out = infeasible(along, &grid, &front);
    }
    front.superset = superset;
    front.not_solved = not_solved;
    Ok(front)
}

/// Limits on the cost axes, geometrically spaced, the largest first.
fn grid(config: &SearchConfig, spec: &FrontSpec, along: &[Along]) -> Vec<Vec<f64>> {
    let costs = along.len() - 1;
    let each = (f64::from(spec.points.max(2)).powf(1.0 / costs as f64).round() as u32).max(2);
    let mut grid = vec![Vec::new()];
    for axis in along {
        let Along::Budget { budget, least } = *axis else { continue };
        let most = config.budgets[budget].limit;
        let limits = (0..each).map(|i| match i {
            0 => most,
            i if i == each - 1 => least,
            i => most * (least / most).powf(f64::from(i) / f64::from(each - 1)),
        });
        let limits: Vec<f64> = limits.collect();
        let longer = |point: &Vec<f64>| {
            let point = point.clone();
            limits.iter().map(move |limit| point.iter().copied().chain([*limit]).collect()).collect::<Vec<Vec<f64>>>()
        };
        grid = grid.iter().flat_map(longer).collect();
    }
    grid
}

/// The networks, and what their bounds hold for.
fn solve(
    config: &SearchConfig,
    along: &[Along],
    grid: &[Vec<f64>],
    stop: &(dyn Fn() -> bool + Sync),
    observe: &mut dyn FnMut(FrontProgress),
) -> Result<(Vec<Found>, Option<String>), SolveError> {
    let axes: Vec<usize> = along.iter().filter_map(|axis| axis.budget()).collect();
    let solutions = Problem::new(config)?.solve_front(&axes, grid, stop, &mut |progress| {
        observe(FrontProgress { share: progress.share, generation: None });
    })?;
    let superset = solutions.first().map(|solution| solution.certificate.superset.clone());
    // The bound of a network is that of the least limits it is within: those come last.
    let mut found: Vec<Found> = Vec::new();
    for solution in solutions {
        let bound = solution.certificate.bound;
        let Some((network, score)) = solution.networks.into_iter().next() else { continue };
        match found.iter_mut().find(|known| known.network == network) {
            Some(known) => known.bound = known.bound.map(|known| known.min(bound)),
            None => found.push(Found { network, score, bound: Some(bound) }),
        }
    }
    Ok((found, superset))
}

/// Limits of the grid that no network of the front is within.
fn infeasible(along: &[Along], grid: &[Vec<f64>], front: &Front) -> Vec<Vec<f64>> {
    let costs = |point: &FrontPoint| {
        let values = point.values.iter().zip(along).filter(|(_, axis)| **axis != Along::Score);
        values.map(|(value, _)| *value).collect::<Vec<f64>>()
    };
    let is_within =
        |point: &FrontPoint, limits: &[f64]| costs(point).iter().zip(limits).all(|(cost, most)| cost <= most);
    grid.iter().filter(|limits| !front.points.iter().any(|point| is_within(point, limits))).cloned().collect()
}

impl Along {
    fn budget(self) -> Option<usize> {
        match self {
            Self::Score => None,
            Self::Budget { budget, .. } => Some(budget),
        }
    }
}
