//! How a search begins: solved where it can be, otherwise with a first network to evolve from.
//!
//! A solved search is over with its solution; evolution goes on from the solution where it is asked for, and alone where
//! the score or the space cannot be solved. Not here: solving, evolving.

use serde::{Deserialize, Serialize};

use super::solve::{Certificate, Problem, Solution, SolveError, SolveProgress};
use super::{Checkpoint, Evolution, RailPrice, SearchConfig, SearchError};

/// What looks for networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// The solver; evolution where the search cannot be solved, and by the published rules.
    #[default]
    Auto,
    /// The solver alone: a search that cannot be solved is refused.
    Solver,
    /// Evolution, from the solver's networks unless the published rules hold.
    Evolution,
}

impl Optimiser {
    /// Every choice with its name on the command line.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Auto, "auto"), (Self::Solver, "solver"), (Self::Evolution, "evolution")];
}

impl std::str::FromStr for Optimiser {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        let names = Self::ALL.map(|(_, name)| name).join(", ");
        found.map(|(choice, _)| choice).ok_or_else(|| format!("is one of {names}"))
    }
}

/// How one search goes.
#[derive(Debug)]
pub struct Plan {
    solves: bool,
    /// Whether candidates are evolved.
    pub evolves: bool,
    /// Why it is not solved, where that was tried.
    pub not_solved: Option<SolveError>,
    /// Budgets that its bound takes no account of.
    pub not_in_bound: Vec<&'static str>,
}

/// What a search goes on from.
pub struct Beginning<'c> {
    pub evolution: Evolution<'c>,
    pub certificate: Option<Certificate>,
    pub rail_prices: Vec<RailPrice>,
}

impl Plan {
    /// # Errors
    /// When the solver alone was asked for and cannot solve it.
    pub fn of(optimiser: Optimiser, config: &SearchConfig) -> Result<Self, SearchError> {
        let published = config.rules.is_published();
        if published && optimiser != Optimiser::Solver {
            return Ok(Self { solves: false, evolves: true, not_solved: None, not_in_bound: Vec::new() });
        }
        match Problem::new(config) {
            Ok(problem) => {
                let (evolves, not_in_bound) = (optimiser == Optimiser::Evolution, problem.not_in_bound());
                Ok(Self { solves: true, evolves, not_solved: None, not_in_bound })
            }
            Err(error) if optimiser == Optimiser::Solver => Err(error.into()),
            Err(error) => Ok(Self { solves: false, evolves: true, not_solved: Some(error), not_in_bound: Vec::new() }),
        }
    }

    /// Solves where that is planned, and makes the state that the search goes on from; `checkpoint` is that of a search
    /// that was interrupted while it evolved.
    ///
    /// # Errors
    /// When nothing within the budgets is found, or the checkpoint belongs to another search.
    pub fn begin<'c>(
        &self,
        config: &'c SearchConfig,
        top: usize,
        checkpoint: Option<&Checkpoint>,
        stop: &(dyn Fn() -> bool + Sync),
        observe: &mut dyn FnMut(SolveProgress),
    ) -> Result<Beginning<'c>, SearchError> {
        let (mut certificate, mut networks, mut rail_prices) = (None, Vec::new(), Vec::new());
        if self.solves {
            let problem = Problem::new(config)?.with_alternatives(top);
            match problem.solve(stop, observe) {
                Ok(Solution { certificate: proven, networks: found, alternatives }) => {
                    certificate = Some(proven);
                    // Alternatives stay, however many networks near the best one were met.
                    networks = alternatives;
                    networks.extend(found.into_iter().take(config.population_size.saturating_sub(networks.len())));
                    rail_prices = problem.rail_prices(stop)?;
                }
                // The way down from the initial structure says what is missing.
                Err(SolveError::Empty) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let evolution = match checkpoint {
            Some(checkpoint) => checkpoint.resume(config)?,
            None if networks.is_empty() => Evolution::start(config)?,
            None => Evolution::seeded(config, networks)?,
        };
        Ok(Beginning { evolution, certificate, rail_prices })
    }
}
