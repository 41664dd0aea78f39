//! Evolution in batches: many children from one state, evaluated in parallel, inserted in order.
//!
//! Each child has its own random stream, derived from the seed and its number, and sees the
//! population as it was when its batch began; so the result does not depend on threads, and a
//! search continues from a checkpoint as if it had never stopped.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::budget::Stage;
use super::feasible;
use super::population::{Member, Population};
use super::{Counts, SearchConfig, SearchError, StopReason};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};
use crate::parallel::in_order;
use crate::score::Evaluator;

/// Children made from one state of the population.
const BATCH: u64 = 64;

/// Up to this many members, children are made from the initial structure (published rule).
const SEEDLINGS: usize = 10;

/// A search between two batches.
pub struct Evolution<'c> {
    config: &'c SearchConfig,
    initial: Network,
    pub(super) population: Population,
    pub(super) iteration: u64,
    pub(super) counts: Counts,
    workers: Vec<Worker>,
}

/// What becomes of a child.
enum Verdict {
    OffRails,
    /// Breaks the budget of this index.
    OverBudget(usize),
    /// Is in the population already.
    Duplicate,
    /// Scores no better than the worst member of a full population.
    NotBetter,
    /// Its maps became too small.
    TooSmall,
    /// The proxy has no score for it.
    Unscored,
    /// May enter.
    Candidate(Member),
}

/// Working memory of one thread.
pub(super) struct Worker {
    pub(super) graph: Graph,
    evaluator: Evaluator,
    /// One for each budget.
    pub(super) budgets: Vec<PredictScratch>,
}

impl Worker {
    pub(super) fn new(config: &SearchConfig) -> Self {
        Self {
            graph: Graph::default(),
            evaluator: Evaluator::new(config.sampling),
            budgets: config.budgets.iter().map(|_| PredictScratch::default()).collect(),
        }
    }

    /// Lowers a network and scores it.
    pub(super) fn score(&mut self, config: &SearchConfig, network: &Network) -> Result<f64, SearchError> {
        network.lower_into(&config.lower, &mut self.graph)?;
        Ok(self.evaluator.evaluate(config.proxy, &self.graph, &mut |_| ())?.score)
    }
}

/// Generator of the random stream of one child: SplitMix64 (Steele et al., 2014) spreads seed and
/// number over the state.
pub(super) fn stream(seed: u64, number: u64) -> Pcg64Mcg {
    fn mix(x: u64) -> u64 {
        let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
    Pcg64Mcg::seed_from_u64(mix(mix(seed).wrapping_add(number)))
}

impl<'c> Evolution<'c> {
    /// Starts a search; looks for a network within all budgets first if the initial one is not.
    ///
    /// # Errors
    /// When the configuration is out of range, the initial structure cannot be lowered, or nothing
    /// within the budgets is found.
    pub fn start(config: &'c SearchConfig) -> Result<Self, SearchError> {
        config.validate()?;
        let mut worker = Worker::new(config);
        let initial = feasible::find(config, &mut worker)?;
        let mut population = Population::new(config.population_size);
        let score = worker.score(config, &initial)?;
        population.insert(Member { network: initial.clone(), score });
        Ok(Self::at(config, initial, population, 0, Counts::new(config)))
    }

    /// Starts a search from networks within the budgets with their scores, the best first.
    ///
    /// # Errors
    /// When the configuration is out of range.
    pub fn seeded(config: &'c SearchConfig, networks: Vec<(Network, f64)>) -> Result<Self, SearchError> {
        config.validate()?;
        let mut population = Population::new(config.population_size);
        let initial = networks.first().map_or_else(|| config.initial.clone(), |(network, _)| network.clone());
        for (network, score) in networks.into_iter().take(config.population_size) {
            population.insert(Member { network, score });
        }
        Ok(Self::at(config, initial, population, 0, Counts::new(config)))
    }

    pub(super) fn at(
        config: &'c SearchConfig,
        initial: Network,
        population: Population,
        iteration: u64,
        counts: Counts,
    ) -> Self {
        let workers = (0..config.threads.max(1)).map(|_| Worker::new(config)).collect();
        Self { config, initial, population, iteration, counts, workers }
    }

    /// The structure that the first children are made from; within the budgets.
    pub fn initial(&self) -> &Network {
        &self.initial
    }

    /// The population as it is now.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Children made so far.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// What became of them.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Runs until the iterations are used up or `stop` says so; `observe` is called after every
    /// batch.
    pub fn run(&mut self, stop: &dyn Fn() -> bool, observe: &mut dyn FnMut(&Self)) -> StopReason {
        while self.iteration < self.config.iterations {
            if stop() {
                return StopReason::Interrupted;
            }
            self.step();
            observe(self);
        }
        StopReason::Finished
    }

    /// One batch.
    fn step(&mut self) {
        let count = BATCH.min(self.config.iterations - self.iteration);
        let numbers: Vec<u64> = (self.iteration..self.iteration + count).collect();
        let verdicts = self.evaluate(&numbers);
        for verdict in verdicts {
            match verdict {
                Verdict::OverBudget(budget) => self.counts.over_budget[budget] += 1,
                Verdict::OffRails => self.counts.off_rails += 1,
                Verdict::Duplicate => self.counts.duplicates += 1,
                Verdict::NotBetter => self.counts.not_better += 1,
                Verdict::TooSmall => self.counts.too_small += 1,
                Verdict::Unscored => self.counts.unscored += 1,
                Verdict::Candidate(member) => {
                    // The population may have changed since the batch began.
                    if self.population.contains(&member.network) {
                        self.counts.duplicates += 1;
                    } else if self.population.insert(member) {
                        self.counts.accepted += 1;
                    } else {
                        self.counts.not_better += 1;
                    }
                }
            }
        }
        self.iteration += count;
    }

    fn evaluate(&mut self, numbers: &[u64]) -> Vec<Verdict> {
        let (config, initial, population) = (self.config, &self.initial, &self.population);
        in_order(&mut self.workers, numbers, |worker, number| child(config, initial, population, *number, worker))
    }
}

/// Makes and judges child `number`.
fn child(
    config: &SearchConfig,
    initial: &Network,
    population: &Population,
    number: u64,
    worker: &mut Worker,
) -> Verdict {
    let mut rng = stream(config.seed, number);
    let members = population.members();
    let (space, rules) = (&config.space, &config.rules);
    let network = if members.len() <= SEEDLINGS {
        space.child(initial, rules, 1, config.draw, &mut rng)
    } else {
        let parent = &members[rng.random_range(0..members.len())].network;
        space.child(parent, rules, 2, config.draw, &mut rng)
    };
    if let Some(budget) = over_budget(config, Stage::Network, &network, worker) {
        return Verdict::OverBudget(budget);
    }
    if population.contains(&network) {
        return Verdict::Duplicate;
    }
    if network.lower_into(&config.lower, &mut worker.graph).is_err() {
        return Verdict::TooSmall;
    }
    if let Some(budget) = over_budget(config, Stage::Graph, &network, worker) {
        return Verdict::OverBudget(budget);
    }
    if !rules.hold(&network, &worker.graph) {
        return Verdict::OffRails;
    }
    let Ok(evaluation) = worker.evaluator.evaluate(config.proxy, &worker.graph, &mut |_| ()) else {
        return Verdict::Unscored;
    };
    let score = evaluation.score;
    if population.threshold().is_some_and(|threshold| score <= threshold) {
        return Verdict::NotBetter;
    }
    if let Some(budget) = over_budget(config, Stage::Table, &network, worker) {
        return Verdict::OverBudget(budget);
    }
    Verdict::Candidate(Member { network, score })
}

/// The first budget of that stage that the network breaks.
fn over_budget(config: &SearchConfig, stage: Stage, network: &Network, worker: &mut Worker) -> Option<usize> {
    let Worker { graph, budgets, .. } = worker;
    config.budgets.iter().zip(budgets).position(|(budget, scratch)| {
        let quantity = &*budget.quantity;
        quantity.kind().stage == stage && quantity.is_over(network, graph, budget.limit, scratch)
    })
}
