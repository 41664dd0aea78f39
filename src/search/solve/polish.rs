//! Small steps from good networks to better ones within the budgets.
//!
//! A step changes one number of one block, or two of them; sums of single changes say which pairs are worth measuring.
//! What is over a budget is worth less by a little more than the budget's price, so that a walk may start outside.

use rand::{Rng, RngExt};
use rustc_hash::FxHashSet;

use super::super::apart::{REALLY_DIFFERENT, distance};
use super::super::evolve::{Worker, stream};
use super::super::{SearchConfig, feasible};
use crate::net::block::BlockKind;
use crate::net::{Network, SuperBlock};
use crate::space::{MOST_SUB_LAYERS, Skeleton};

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
/// Pairs of changes that are measured in one step.
const PAIRS: usize = 80;
/// Steps of one walk.
const STEPS: usize = 200;
/// Keeps the random streams of walks apart from those of candidates.
const STREAM: u64 = 3 << 62;
/// How much more than its price breaking a budget costs.
const PENALTY: f64 = 1.5;
/// What breaking a budget without a price costs, in scores for the whole budget.
const UNPRICED: f64 = 8.0;

/// A network with everything that is limited.
#[derive(Clone)]
struct Known {
    network: Network,
    score: f64,
    /// What each budget limits.
    values: Vec<f64>,
}

/// What networks are judged by.
struct Judge {
    limits: Vec<f64>,
    weights: Vec<f64>,
}

impl Judge {
    fn worth(&self, known: &Known) -> f64 {
        self.worth_of(known.score, known.values.iter().copied())
    }

    fn worth_of(&self, score: f64, values: impl Iterator<Item = f64>) -> f64 {
        let over = values.zip(&self.limits).map(|(value, limit)| (value / limit - 1.0).max(0.0));
        score - over.zip(&self.weights).map(|(over, weight)| weight * over).sum::<f64>()
    }
}

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

    /// The best score within the budgets.
    pub fn best(&self) -> Option<f64> {
        self.met.iter().filter(|known| self.is_feasible(known)).map(|known| known.score).reduce(f64::max)
    }

    /// The best network within the budgets; of equals the first in order.
    pub fn best_network(&self) -> Option<(Network, f64)> {
        let best = self.met.iter().filter(|known| self.is_feasible(known)).min_by(|a, b| better_first(a, b));
        best.map(|known| (known.network.clone(), known.score))
    }

    /// Every network within the budgets, best first.
    pub fn into_feasible(self) -> Vec<(Network, f64)> {
        let mut found: Vec<&Known> = self.met.iter().filter(|known| self.is_feasible(known)).collect();
        found.sort_by(|a, b| better_first(a, b));
        found.into_iter().map(|known| (known.network.clone(), known.score)).collect()
    }

    /// Walks from the most promising networks, then from changed ones; `prices` are those of the budgets. Ends once a
    /// score of `enough` is reached.
    pub fn polish(&mut self, prices: &[f64], effort: Effort, enough: f64, stop: &(dyn Fn() -> bool + Sync)) {
        if self.best().is_some_and(|best| best >= enough) {
            return;
        }
        let judge = self.judge(prices, self.best().unwrap_or(enough));
        let starts = self.most_promising(&judge, effort.starts);
        self.walk_all(starts, &judge, stop);
        for round in 0..effort.rounds {
            if stop() || self.best().is_some_and(|best| best >= enough) {
                return;
            }
            let from = self.most_promising(&judge, KICKED_FROM);
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
            let mut starts: Vec<Known> = self.most_promising(&judge, usize::MAX);
            starts.retain(is_apart);
            starts.truncate(APART_STARTS);
            self.walkers.iter_mut().for_each(|walker| walker.apart = apart.clone());
            for i in 0..APART_STARTS as u64 {
                let mut rng = stream(self.config.seed, STREAM + APART_STREAM + 64 * chosen.len() as u64 + i);
                let start = Known { network: apart[0].clone(), score: 0.0, values: Vec::new() };
                starts.extend(self.walkers[0].kicked(&start, APART_KICKS, &mut rng));
            }
            self.walk_all(starts, &judge, stop);
            self.walkers.iter_mut().for_each(|walker| walker.apart.clear());
            let found = self.met.iter().filter(|known| self.is_feasible(known) && is_apart(known));
            match found.min_by(|a, b| better_first(a, b)) {
                Some(known) => chosen.push((known.network.clone(), known.score)),
                None => break,
            }
        }
        chosen
    }

    fn judge(&self, prices: &[f64], near: f64) -> Judge {
        // Budgets without a price, such as layers, must hold all the same.
        let high = near.abs().max(1.0) * UNPRICED;
        let weight = |price: &f64| if *price > 0.0 { price * PENALTY } else { high };
        Judge { limits: self.limits.clone(), weights: prices.iter().map(weight).collect() }
    }

    fn most_promising(&self, judge: &Judge, count: usize) -> Vec<Known> {
        let mut starts: Vec<(f64, &Known)> = self.met.iter().map(|known| (judge.worth(known), known)).collect();
        starts.sort_by(|a, b| b.0.total_cmp(&a.0));
        starts.into_iter().take(count).map(|(_, known)| known.clone()).collect()
    }

    /// Walks from each start; what is found does not depend on the number of threads.
    fn walk_all(&mut self, starts: Vec<Known>, judge: &Judge, stop: &(dyn Fn() -> bool + Sync)) {
        let share = starts.len().div_ceil(self.walkers.len()).max(1);
        let found: Vec<Vec<Known>> = std::thread::scope(|scope| {
            let parts = self.walkers.iter_mut().zip(starts.chunks(share));
            let handles: Vec<_> = parts
                .map(|(walker, starts)| {
                    scope.spawn(move || {
                        starts.iter().flat_map(|start| walker.walk(start.clone(), judge, stop)).collect::<Vec<_>>()
                    })
                })
                .collect();
            let joined = handles.into_iter().map(|handle| handle.join());
            joined.map(|found| found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
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

/// Improves networks, with a memory of its own.
struct Walker<'c> {
    config: &'c SearchConfig,
    skeleton: &'c Skeleton,
    worker: Worker,
    /// Networks that it keeps away from.
    apart: Vec<Network>,
}

fn is_apart(network: &Network, others: &[Network]) -> bool {
    others.iter().all(|other| distance(network, other) >= REALLY_DIFFERENT)
}

impl Walker<'_> {
    /// A network with random changes.
    fn kicked(&mut self, start: &Known, kicks: usize, rng: &mut impl Rng) -> Option<Known> {
        let mut network = start.network.clone();
        for _ in 0..kicks {
            let changes = self.changes(network.blocks());
            let change = changes.get(rng.random_range(0..changes.len().max(1)))?;
            network = change.apply(network.blocks())?;
        }
        self.measure(network)
    }

    /// The networks on the way up.
    fn walk(&mut self, start: Known, judge: &Judge, stop: &(dyn Fn() -> bool + Sync)) -> Vec<Known> {
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
        let changes = self.changes(current.network.blocks());
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
    fn measure(&mut self, network: Network) -> Option<Known> {
        let score = self.worker.score(self.config, &network).ok()?;
        if !self.config.rules.hold(&network, &self.worker.graph) || !is_apart(&network, &self.apart) {
            return None;
        }
        let values = feasible::values(self.config, &network, &mut self.worker);
        Some(Known { network, score, values })
    }

    /// Every single change of a network.
    fn changes(&self, blocks: &[SuperBlock]) -> Vec<Change> {
        const STEPS: [i64; 12] = [-12, -8, -4, -3, -2, -1, 1, 2, 3, 4, 8, 12];
        let skeleton = self.skeleton;
        let mut changes = Vec::new();
        let mut stage = 0;
        for (i, block) in blocks.iter().enumerate() {
            let residual = block.kind.family().residual;
            if residual && i > 1 && block.stride > 1 {
                stage += 1;
            }
            let frame = &skeleton.stages[stage.min(skeleton.stages.len() - 1)];
            let channels = match (i, residual) {
                (_, true) => &frame.channels,
                (0, _) => &skeleton.stem_channels,
                _ => &skeleton.tail_channels,
            };
            for step in STEPS {
                let moved = |from: u32, multiple: u32| u32::try_from(i64::from(from) + step * i64::from(multiple)).ok();
                let output = moved(block.out_channels, channels.multiple).filter(|to| channels.contains(*to));
                changes.extend(output.map(|to| Change::Output(i, to)));
                let middle = block.bottleneck.and_then(|from| moved(from, frame.bottleneck.multiple));
                let middle = middle.filter(|to| residual && step.abs() <= 4 && frame.bottleneck.contains(*to));
                changes.extend(middle.map(|to| Change::Middle(i, to)));
            }
            if !residual {
                continue;
            }
            changes.extend(frame.kinds.iter().filter(|kind| **kind != block.kind).map(|kind| Change::Kind(i, *kind)));
            if block.sub_layers < MOST_SUB_LAYERS {
                changes.push(Change::Layers(i, block.sub_layers + 1));
            }
            if block.sub_layers > 1 {
                changes.push(Change::Layers(i, block.sub_layers - 1));
                changes.extend((1..block.sub_layers).map(|first| Change::Split(i, first)));
            }
            if i > 1 && block.stride == 1 && blocks[i - 1].kind.family().residual {
                changes.push(Change::Remove(i));
            }
        }
        changes
    }
}

/// One change of one block.
#[derive(Clone, Copy, Debug)]
enum Change {
    Output(usize, u32),
    Middle(usize, u32),
    Kind(usize, BlockKind),
    Layers(usize, u32),
    Split(usize, u32),
    Remove(usize),
}

impl Change {
    fn is_structural(self) -> bool {
        matches!(self, Self::Split(..) | Self::Remove(_))
    }

    fn place(self) -> (u8, usize) {
        match self {
            Self::Output(i, _) => (0, i),
            Self::Middle(i, _) => (1, i),
            Self::Kind(i, _) => (2, i),
            Self::Layers(i, _) => (3, i),
            Self::Split(i, _) => (4, i),
            Self::Remove(i) => (5, i),
        }
    }

    /// Whether both change the same number.
    fn same_place(self, other: &Self) -> bool {
        self.place() == other.place()
    }

    fn apply(self, blocks: &[SuperBlock]) -> Option<Network> {
        let mut blocks = blocks.to_vec();
        match self {
            Self::Output(i, to) => {
                blocks[i].out_channels = to;
                if let Some(next) = blocks.get_mut(i + 1) {
                    next.in_channels = to;
                }
            }
            Self::Middle(i, to) => blocks[i].bottleneck = Some(to),
            Self::Kind(i, kind) => {
                if kind.family().bottleneck != blocks[i].kind.family().bottleneck {
                    return None;
                }
                blocks[i].kind = kind;
            }
            Self::Layers(i, to) => blocks[i].sub_layers = to,
            Self::Split(i, first) => {
                let block = blocks[i];
                let rest = block.sub_layers.checked_sub(first).filter(|rest| *rest > 0)?;
                blocks[i].sub_layers = first;
                blocks.insert(
                    i + 1,
                    SuperBlock { in_channels: block.out_channels, stride: 1, sub_layers: rest, ..block },
                );
            }
            Self::Remove(i) => {
                let input = blocks[i].in_channels;
                blocks.remove(i);
                blocks[i].in_channels = input;
            }
        }
        Some(Network::from_chained(blocks))
    }
}
