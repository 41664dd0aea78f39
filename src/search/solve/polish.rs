//! Small steps from good networks to better ones within the budgets.
//!
//! What is over a budget is worth less by a little more than the budget's price, so that a walk may start outside.

use rand::RngExt;
use rustc_hash::FxHashSet;

use super::walk::{Judge, Known, Walker, is_apart};
use crate::net::Network;
use crate::parallel::in_order;
use crate::search::SearchConfig;
use crate::search::evolve::{Worker, stream};
use crate::space::Skeleton;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Networks that are improved.
    pub starts: usize,
    /// Rounds of walks that begin with random changes of one of the best networks.
    pub rounds: u64,
    /// Walks of a round.
    pub together: u64,
}

impl Effort {
    /// For one set of limits.
    pub const ONE: Self = Self { starts: 16, rounds: 6, together: 8 };
    /// For one of many sets of limits, each with the networks of the others.
    pub const OF_MANY: Self = Self { starts: 4, rounds: 3, together: 4 };
}

/// Random changes before such a walk.
const KICKS: usize = 4;
/// Networks that a walk for an alternative begins at, and random changes of the best network before as many others.
const APART_STARTS: usize = 4;
const APART_KICKS: usize = 16;
const APART_STREAM: u64 = 1 << 20;
/// The best networks that such walks begin at.
const KICKED_FROM: usize = 6;
/// Keeps the random streams of walks apart from those of candidates.
const STREAM: u64 = 3 << 62;
/// How much more than its price breaking a budget costs.
const PENALTY: f64 = 1.5;
/// What breaking a budget without a price costs, in scores for the whole budget.
const UNPRICED: f64 = 8.0;

/// Networks met so far.
pub(super) struct Pool<'c> {
    config: &'c SearchConfig,
    walkers: Vec<Walker<'c>>,
    limits: Vec<f64>,
    met: Vec<Known>,
    seen: FxHashSet<Network>,
}

impl<'c> Pool<'c> {
    pub fn new(config: &'c SearchConfig, skeleton: &'c Skeleton) -> Self {
        let walker = |_| Walker { config, skeleton, worker: Worker::new(config), apart: Vec::new() };
        let walkers = (0..config.threads.max(1)).map(walker).collect();
        let limits = config.budgets.iter().map(|budget| budget.limit).collect();
        Self { config, walkers, limits, met: Vec::new(), seen: FxHashSet::default() }
    }

    /// Replaces the configuration's limits.
    pub fn set_limits(&mut self, limits: Vec<f64>) {
        self.limits = limits;
    }

    /// Keeps a network, unless it is known or off the rails.
    pub fn offer(&mut self, network: Network) {
        if self.seen.insert(network.clone())
            && let Some(known) = self.walkers[0].measure(network)
        {
            self.met.push(known);
        }
    }

    fn is_feasible(&self, known: &Known) -> bool {
        known.values.iter().zip(&self.limits).all(|(value, limit)| value <= limit)
    }

    fn feasible(&self) -> impl Iterator<Item = &Known> {
        self.met.iter().filter(|known| self.is_feasible(known))
    }

    /// The best score within the budgets.
    pub fn best(&self) -> Option<f64> {
        self.feasible().map(|known| known.score).reduce(f64::max)
    }

    /// The best network within the budgets; of equals the first in order.
    pub fn best_network(&self) -> Option<(Network, f64)> {
        self.feasible().min_by(|a, b| better_first(a, b)).map(Known::scored)
    }

    /// Every network within the budgets, best first.
    pub fn into_feasible(self) -> Vec<(Network, f64)> {
        let mut found: Vec<&Known> = self.feasible().collect();
        found.sort_by(|a, b| better_first(a, b));
        found.into_iter().map(Known::scored).collect()
    }

    /// Walks from the most promising networks, then from changed ones; `prices` are those of the budgets. Ends once a
    /// score of `enough` is reached.
    pub fn polish(&mut self, prices: &[f64], effort: Effort, enough: f64, stop: &(dyn Fn() -> bool + Sync)) {
        if self.best().is_some_and(|best| best >= enough) {
            return;
        }
        let judge = self.judge(prices, self.best().unwrap_or(enough));
        let starts = self.most_promising(&judge, effort.starts, |_| true);
        self.walk_all(starts, &judge, stop);
        for round in 0..effort.rounds {
            if stop() || self.best().is_some_and(|best| best >= enough) {
                return;
            }
            let from = self.most_promising(&judge, KICKED_FROM, |_| true);
            // Nothing met is on the rails.
            if from.is_empty() {
                return;
            }
            let starts = (0..effort.together).filter_map(|i| {
                let mut rng = stream(self.config.seed, STREAM + round * effort.together + i);
                let start = &from[rng.random_range(0..from.len())];
                self.walkers[0].kicked(start, KICKS, &mut rng)
            });
            let starts = starts.collect::<Vec<_>>();
            self.walk_all(starts, &judge, stop);
        }
    }

    /// The best network, and others that really differ from it and from each other, each the best that was found: walks
    /// that stay apart from those before.
    pub fn alternatives(
        &mut self,
        count: usize,
        prices: &[f64],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Vec<(Network, f64)> {
        let Some(best) = self.best_network() else { return Vec::new() };
        let judge = self.judge(prices, best.1);
        let mut chosen = vec![best];
        while chosen.len() < count && !stop() {
            let apart: Vec<Network> = chosen.iter().map(|(network, _)| network.clone()).collect();
            let is_apart = |known: &Known| is_apart(&known.network, &apart);
            let mut starts = self.most_promising(&judge, APART_STARTS, is_apart);
            self.walkers.iter_mut().for_each(|walker| walker.apart = apart.clone());
            for i in 0..APART_STARTS as u64 {
                let mut rng = stream(self.config.seed, STREAM + APART_STREAM + 64 * chosen.len() as u64 + i);
                let start = Known { network: apart[0].clone(), score: 0.0, values: Vec::new() };
                starts.extend(self.walkers[0].kicked(&start, APART_KICKS, &mut rng));
            }
            self.walk_all(starts, &judge, stop);
            self.walkers.iter_mut().for_each(|walker| walker.apart.clear());
            let found = self.feasible().filter(|known| is_apart(known)).min_by(|a, b| better_first(a, b));
            let Some(known) = found else { break };
            chosen.push(known.scored());
        }
        chosen
    }

    fn judge(&self, prices: &[f64], near: f64) -> Judge {
        // Budgets without a price, such as layers, must hold all the same.
        let high = near.abs().max(1.0) * UNPRICED;
        let weight = |price: &f64| if *price > 0.0 { price * PENALTY } else { high };
        Judge { limits: self.limits.clone(), weights: prices.iter().map(weight).collect() }
    }

    fn most_promising(&self, judge: &Judge, count: usize, fits: impl Fn(&Known) -> bool) -> Vec<Known> {
        let fitting = self.met.iter().filter(|known| fits(known));
        let mut starts: Vec<(f64, &Known)> = fitting.map(|known| (judge.worth(known), known)).collect();
        starts.sort_by(|a, b| b.0.total_cmp(&a.0));
        starts.into_iter().take(count).map(|(_, known)| known.clone()).collect()
    }

    /// Walks from each start; what is found does not depend on the number of threads.
    fn walk_all(&mut self, starts: Vec<Known>, judge: &Judge, stop: &(dyn Fn() -> bool + Sync)) {
        let found = in_order(&mut self.walkers, &starts, |walker, start| walker.walk(start.clone(), judge, stop));
        for known in found.into_iter().flatten() {
            if self.seen.insert(known.network.clone()) {
                self.met.push(known);
            }
        }
    }
}

fn better_first(a: &Known, b: &Known) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then_with(|| a.network.blocks().cmp(b.network.blocks()))
}
