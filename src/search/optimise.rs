//! How a search begins: solved where it can be, otherwise with a first network to evolve from.
//!
//! A solved search is over with its solution; evolution goes on from the solution where it is asked for, and alone where
//! the score or the space cannot be solved. Not here: solving, evolving.

use serde::{Deserialize, Serialize};

use super::solve::{Certificate, Problem, SolveError, SolveProgress};
use super::{Checkpoint, Evolution, SearchConfig, SearchError};

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
}

impl Plan {
    /// # Errors
    /// When the solver alone was asked for and cannot solve it.
    pub fn of(optimiser: Optimiser, config: &SearchConfig) -> Result<Self, SearchError> {
        let published = config.rules.is_published();
        if published && optimiser != Optimiser::Solver {
            return Ok(Self { solves: false, evolves: true, not_solved: None });
        }
        match Problem::new(config) {
            Ok(_) => Ok(Self { solves: true, evolves: optimiser == Optimiser::Evolution, not_solved: None }),
            Err(error) if optimiser == Optimiser::Solver => Err(error.into()),
            Err(error) => Ok(Self { solves: false, evolves: true, not_solved: Some(error) }),
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
        checkpoint: Option<&Checkpoint>,
        stop: &(dyn Fn() -> bool + Sync),
        observe: &mut dyn FnMut(SolveProgress),
    ) -> Result<(Evolution<'c>, Option<Certificate>), SearchError> {
        let solution = match self.solves {
            true => match Problem::new(config)?.solve(stop, observe) {
                Ok(solution) => Some(solution),
                // The way down from the initial structure says what is missing.
                Err(SolveError::Empty) => None,
                Err(error) => return Err(error.into()),
            },
            false => None,
        };
        let (certificate, networks) =
            solution.map_or((None, Vec::new()), |solution| (Some(solution.certificate), solution.networks));
        let evolution = match checkpoint {
            Some(checkpoint) => checkpoint.resume(config)?,
            None if networks.is_empty() => Evolution::start(config)?,
            None => Evolution::seeded(config, networks)?,
        };
        Ok((evolution, certificate))
    }
}
