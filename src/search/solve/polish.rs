//! Small steps from good networks to better ones within the budgets.
//!
//! A step changes one number of one block, or two of them; sums of single changes say which pairs are worth measuring.
//! What is over a budget is worth less by a little more than the budget's price, so that a walk may start outside.

use rustc_hash::FxHashSet;

use super::super::evolve::Worker;
use super::super::{SearchConfig, feasible};
use crate::net::block::BlockKind;
use crate::net::{Network, SuperBlock};
use crate::space::{MOST_SUB_LAYERS, Rails, Skeleton};

/// Networks that are improved.
const STARTS: usize = 4;
/// Pairs of changes that are measured in one step.
const PAIRS: usize = 120;
/// Steps of one walk.
const STEPS: usize = 200;
/// How much more than its price breaking a budget costs.
const PENALTY: f64 = 1.5;

/// A network with everything that is limited.
#[derive(Clone)]
struct Known {
    network: Network,
    score: f64,
    /// Value over limit of each budget.
    uses: Vec<f64>,
}

impl Known {
    fn is_feasible(&self) -> bool {
        self.uses.iter().all(|used| *used <= 1.0)
    }

    fn worth(&self, weights: &[f64]) -> f64 {
        worth(self.score, &self.uses, weights)
    }
}

fn worth(score: f64, uses: &[f64], weights: &[f64]) -> f64 {
    score - uses.iter().zip(weights).map(|(used, weight)| weight * (used - 1.0).max(0.0)).sum::<f64>()
}

/// Networks met so far.
pub(super) struct Pool<'c> {
    config: &'c SearchConfig,
    rails: &'c Rails,
    skeleton: Option<Skeleton>,
    worker: Worker,
    met: Vec<Known>,
    seen: FxHashSet<Network>,
}

impl<'c> Pool<'c> {
    pub fn new(config: &'c SearchConfig, rails: &'c Rails) -> Self {
        let skeleton = config.space.skeleton(&config.initial).ok();
        let (worker, seen) = (Worker::new(config), FxHashSet::default());
        Self { config, rails, skeleton, worker, met: Vec::new(), seen }
    }

    /// Keeps a network, unless it is known or off the rails.
    pub fn offer(&mut self, network: Network) {
        if self.seen.insert(network.clone())
            && let Some(known) = self.measure(network)
        {
            self.met.push(known);
        }
    }

    /// The best score within the budgets.
    pub fn best(&self) -> Option<f64> {
        self.met.iter().filter(|known| known.is_feasible()).map(|known| known.score).reduce(f64::max)
    }

    /// Every network within the budgets, best first.
    pub fn into_feasible(self) -> Vec<(Network, f64)> {
        let feasible = self.met.into_iter().filter(Known::is_feasible);
        let mut found: Vec<(Network, f64)> = feasible.map(|known| (known.network, known.score)).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.blocks().cmp(b.0.blocks())));
        found
    }

    /// Walks from the most promising networks; `prices` are those of the budgets.
    pub fn polish(&mut self, prices: &[f64], stop: &dyn Fn() -> bool) {
        // Budgets without a price must hold all the same.
        let least = self.best().unwrap_or(1.0).abs().max(1.0) * 0.1;
        let weights: Vec<f64> = prices.iter().map(|price| (price * PENALTY).max(least)).collect();
        let mut starts = self.met.clone();
        starts.sort_by(|a, b| b.worth(&weights).total_cmp(&a.worth(&weights)));
        for start in starts.into_iter().take(STARTS) {
            self.walk(start, &weights, stop);
        }
    }

    fn walk(&mut self, start: Known, weights: &[f64], stop: &dyn Fn() -> bool) {
        let mut current = start;
        for _ in 0..STEPS {
            if stop() {
                return;
            }
            let Some(next) = self.step(&current, weights) else { return };
            if next.is_feasible() && self.seen.insert(next.network.clone()) {
                self.met.push(next.clone());
            }
            current = next;
        }
    }

    /// The best neighbour that is better.
    fn step(&mut self, current: &Known, weights: &[f64]) -> Option<Known> {
        let changes = self.changes(current.network.blocks());
        let singles: Vec<(Change, Known)> = changes
            .into_iter()
            .filter_map(|change| {
                let network = change.apply(current.network.blocks())?;
                Some((change, self.measure(network)?))
            })
            .collect();
        let now = current.worth(weights);
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (i, (first, a)) in singles.iter().enumerate() {
            for (j, (second, b)) in singles.iter().enumerate().skip(i + 1) {
                if first.is_structural() && second.is_structural() || first.same_place(second) {
                    continue;
                }
                let uses: f64 = (a.uses.iter().zip(&b.uses).zip(&current.uses).zip(weights))
                    .map(|(((a, b), now), weight)| weight * (a + b - now - 1.0).max(0.0))
                    .sum();
                let estimate = a.score + b.score - current.score - uses;
                if estimate > now + 1e-7 {
                    pairs.push((estimate, i, j));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut best: Option<Known> = None;
        let mut take = |known: Known| {
            let worth = known.worth(weights);
            if worth > now + 1e-9 && best.as_ref().is_none_or(|best| worth > best.worth(weights)) {
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
        if !self.rails.violations(&network, &self.worker.graph).is_empty() {
            return None;
        }
        let uses = feasible::shares(self.config, &network, &mut self.worker);
        Some(Known { network, score, uses })
    }

    /// Every single change of a network.
    fn changes(&self, blocks: &[SuperBlock]) -> Vec<Change> {
        const STEPS: [i64; 12] = [-12, -8, -4, -3, -2, -1, 1, 2, 3, 4, 8, 12];
        let Some(skeleton) = &self.skeleton else { return Vec::new() };
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
