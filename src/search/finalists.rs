//! The final round: the best networks of a search that really differ are scored once more, precisely.
//!
//! It decides or stops: the best network by the search's proxy wins unless another one is told apart ahead of it. Its
//! time limit is a number of multiply-adds, so what is drawn depends on seed and networks alone. Not here: how the draws
//! are shared out (`race`), what is told apart (`compare`), which proxy is the precise one (proxies say so themselves),
//! where results are written.

mod compare;
mod race;

use serde::Serialize;

use super::apart::{REALLY_DIFFERENT, really_different};
use super::{Member, SearchConfig, SearchError};
use crate::net::{Graph, Network};
use crate::score::{self, Evaluation, Evaluator, Proxy, Randomness, Sampling, Scored, Until};
use compare::Comparison;
use race::{LEAST_DRAWS, Lane, Race};

/// Keeps the draws of the final round apart from those that candidates were chosen by: a score that was
/// the best of many by luck would keep its luck.
const FRESH: u64 = 0x5eed_f1a1;

/// Multiply-adds that count as a second: what the exact Zen-score does on one core, rounded. The published ImageNet
/// network of 0.2 ms (3.4 G multiply-adds an image) takes 123 ms for two images, clean and perturbed.
const PER_SECOND: f64 = 100e9;

/// Multiply-adds in whose time a weight is drawn at random and read: 2.3 ns.
const PER_PARAMETER: f64 = 200.0;

/// How the best networks are scored once more.
#[derive(Clone, Copy)]
pub struct FinalRound {
    pub proxy: &'static dyn Proxy,
    /// Networks in it, at most.
    pub finalists: usize,
    /// Its time limit, in seconds of a nominal core: whatever the machine, the same draws are made.
    pub nominal_seconds: f64,
    /// Seed, images of a draw, and when a mean is known well enough.
    pub sampling: Sampling,
}

/// A network of the final round.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Finalist {
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub structure: Network,
    /// By the proxy of the search.
    pub score: f64,
    /// By the precise one; none where it has no score for this network. `zen-score --seed SEED --draws
    /// DRAWS --score-batch-size BATCH_SIZE` repeats it.
    #[serde(rename = "final")]
    pub final_score: Option<Scored>,
}

/// How far the winner is ahead of the network that comes closest to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Lead {
    /// Of the winner's mean over the other; below zero where the winner keeps its place because the other one is not
    /// told apart ahead of it.
    pub difference: f64,
    /// Of the difference, by the spread of single draws over all finalists: a few draws of one network do not tell it.
    pub standard_error: f64,
    /// Whether the winner is at least [`Lead::TOLD_APART`] standard errors ahead of every other one.
    pub told_apart: bool,
    /// Finalists that are not told apart, the winner among them; they are the first of the finalists.
    pub alike: usize,
}

impl Lead {
    /// Standard errors from which a difference is not taken for noise.
    pub const TOLD_APART: f64 = 2.0;
}

/// Where a final round stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FinalProgress {
    /// Draws made.
    pub draws: u32,
    /// Draws that the race will need as far as is known; grows and shrinks.
    pub expected: u32,
    /// The winner so far.
    pub best: Evaluation,
}

impl FinalRound {
    /// The final round of a search; none where nothing is more precise than the search's proxy or it
    /// is not built in.
    pub fn of(
        config: &SearchConfig,
        finalists: usize,
        nominal_seconds: f64,
        until: Option<Until>,
        batch_size: Option<usize>,
    ) -> Option<Self> {
        let proxy = config.proxy.precise().and_then(|name| score::find(name).ok())?;
        let draws = config.proxy.randomness() != Randomness::None;
        // A fixed number of draws that the search made already.
        let nothing_new = match proxy.randomness() {
            Randomness::Drawn { until: own @ Until::Draws(_), .. } => draws && config.sampling.until == Some(own),
            _ => false,
        };
        let seed = if draws { config.seed ^ FRESH } else { config.seed };
        let compute = config.sampling.compute;
        let sampling = Sampling { seed, batch_size, until, threads: config.threads, compute };
        (finalists > 0 && !nothing_new).then_some(Self { proxy, finalists, nominal_seconds, sampling })
    }

    /// Scores the best of `ranked` that really differ, the first always among them. Returns the winner, then those that
    /// are not told apart from it, then the others, each in the order of `ranked`; none if `stop` said so.
    ///
    /// # Errors
    /// When a network cannot be lowered, which would be a defect of the search.
    pub fn run(
        &self,
        ranked: &[&Member],
        config: &SearchConfig,
        stop: &dyn Fn() -> bool,
        observe: &mut dyn FnMut(FinalProgress),
    ) -> Result<Option<Vec<Finalist>>, SearchError> {
        let mut evaluator = Evaluator::new(self.sampling);
        let allowance = self.nominal_seconds * PER_SECOND;
        let members =
            really_different(ranked.iter().copied(), |member| &member.network, self.finalists, REALLY_DIFFERENT);
        let (mut lanes, mut least) = (Vec::new(), 0.0);
        for member in members {
            let graph = member.network.lower(&config.lower)?;
            let trials = evaluator.begin(self.proxy);
            let cost = draw_cost(&graph, trials.batch_size());
            least += f64::from(LEAST_DRAWS) * cost;
            // The first is scored in any case; no other one is that cannot have a standard error in the time.
            if least > allowance && !lanes.is_empty() {
                break;
            }
            lanes.push(Lane { member, graph, trials, cost, failed: false });
        }
        let mut race = Race { proxy: self.proxy, lanes, allowance, stop, observe };
        if !race.run(&mut evaluator) {
            return Ok(None);
        }
        let finalist = |lane: &Lane| Finalist {
            structure: lane.member.network.clone(),
            score: lane.member.score,
            final_score: if lane.failed { None } else { evaluator.scored(self.proxy, &lane.trials) },
        };
        let comparison = race.comparison();
        let order = comparison.order();
        Ok(Some(order.into_iter().map(|lane| finalist(&race.lanes[lane])).collect()))
    }
}

/// Multiply-adds of one draw: every image clean and perturbed, and the weights.
fn draw_cost(graph: &Graph, batch_size: usize) -> f64 {
    let (parameters, flops) = graph.parameters_and_flops();
    2.0 * batch_size as f64 * flops as f64 + PER_PARAMETER * parameters as f64
}

/// How far the first is ahead; none without another score, and where nothing has a standard error.
pub fn lead(finalists: &[Finalist]) -> Option<Lead> {
    let evaluations = finalists.iter().map(|finalist| finalist.final_score.map(|found| found.evaluation));
    Comparison::of(evaluations.collect()).lead(0)
}

pub(super) fn as_text<S: serde::Serializer>(network: &Network, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(network)
}

#[cfg(test)]
mod tests;
