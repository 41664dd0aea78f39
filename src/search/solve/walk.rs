//! A walk uphill: from a network to its best neighbour, as long as that is better.
//!
//! A step makes one change or two; sums of single changes say which pairs are worth measuring.

use rand::{Rng, RngExt};

use super::change::{Change, changes};
use crate::net::Network;
use crate::search::apart::{REALLY_DIFFERENT, distance};
use crate::search::evolve::Worker;
use crate::search::{SearchConfig, feasible};
use crate::space::Skeleton;

/// Pairs of changes that are measured in one step.
const PAIRS: usize = 80;
/// Steps of one walk.
const STEPS: usize = 200;

/// A network with everything that is limited.
#[derive(Clone)]
pub(super) struct Known {
    pub network: Network,
    pub score: f64,
    /// What each budget limits.
    pub values: Vec<f64>,
}

impl Known {
    pub fn scored(&self) -> (Network, f64) {
        (self.network.clone(), self.score)
    }
}

/// What networks are judged by.
pub(super) struct Judge {
    pub limits: Vec<f64>,
    pub weights: Vec<f64>,
}

impl Judge {
    pub fn worth(&self, known: &Known) -> f64 {
        self.worth_of(known.score, known.values.iter().copied())
    }

    pub fn worth_of(&self, score: f64, values: impl Iterator<Item = f64>) -> f64 {
        let over = values.zip(&self.limits).map(|(value, limit)| (value / limit - 1.0).max(0.0));
        score - over.zip(&self.weights).map(|(over, weight)| weight * over).sum::<f64>()
    }
}

/// Improves networks, with a memory of its own.
pub(super) struct Walker<'c> {
    pub config: &'c SearchConfig,
    pub skeleton: &'c Skeleton,
    pub worker: Worker,
    /// Networks that it keeps away from.
    pub apart: Vec<Network>,
}

pub(super) fn is_apart(network: &Network, others: &[Network]) -> bool {
    others.iter().all(|other| distance(network, other) >= REALLY_DIFFERENT)
}

impl Walker<'_> {
    /// A network with random changes.
    pub fn kicked(&mut self, start: &Known, kicks: usize, rng: &mut impl Rng) -> Option<Known> {
        let mut network = start.network.clone();
        for _ in 0..kicks {
            let changes = changes(self.skeleton, network.blocks());
            let change = changes.get(rng.random_range(0..changes.len().max(1)))?;
            network = change.apply(network.blocks())?;
        }
        self.measure(network)
    }

    /// The networks on the way up.
    pub fn walk(&mut self, start: Known, judge: &Judge, stop: &(dyn Fn() -> bool + Sync)) -> Vec<Known> {
        let mut found = Vec::new();
        let mut current = start;
        for _ in 0..STEPS {
            if stop() {
                break;
            }
            let Some(next) = self.step(&current, judge) else { break };
            found.push(next.clone());
            current = next;
        }
        found
    }

    /// The best neighbour that is better.
    fn step(&mut self, current: &Known, judge: &Judge) -> Option<Known> {
        let changes = changes(self.skeleton, current.network.blocks());
        let singles: Vec<(Change, Known)> = changes
            .into_iter()
            .filter_map(|change| {
                let network = change.apply(current.network.blocks())?;
                Some((change, self.measure(network)?))
            })
            .collect();
        let now = judge.worth(current);
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (i, (first, a)) in singles.iter().enumerate() {
            for (j, (second, b)) in singles.iter().enumerate().skip(i + 1) {
                if first.is_structural() && second.is_structural() || first.same_place(second) {
                    continue;
                }
                let values = a.values.iter().zip(&b.values).zip(&current.values).map(|((a, b), now)| a + b - now);
                let estimate = judge.worth_of(a.score + b.score - current.score, values);
                if estimate > now + 1e-7 {
                    pairs.push((estimate, i, j));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut best: Option<Known> = None;
        let mut take = |known: Known| {
            let worth = judge.worth(&known);
            if worth > now + 1e-9 && best.as_ref().is_none_or(|best| worth > judge.worth(best)) {
                best = Some(known);
            }
        };
        for (_, i, j) in pairs.into_iter().take(PAIRS) {
            // Inserting and removing blocks comes last: other changes name blocks by number.
            let (first, second) = if singles[i].0.is_structural() { (j, i) } else { (i, j) };
            let changed = singles[first].0.apply(current.network.blocks());
            let changed = changed.and_then(|network| singles[second].0.apply(network.blocks()));
            if let Some(known) = changed.and_then(|network| self.measure(network)) {
                take(known);
            }
        }
        singles.into_iter().for_each(|(_, known)| take(known));
        best
    }

    /// None where it cannot be built or leaves the rails.
    pub fn measure(&mut self, network: Network) -> Option<Known> {
        let score = self.worker.score(self.config, &network).ok()?;
        if !self.config.rules.hold(&network, &self.worker.graph) || !is_apart(&network, &self.apart) {
            return None;
        }
        let values = feasible::values(self.config, &network, &mut self.worker);
        Some(Known { network, score, values })
    }
}
