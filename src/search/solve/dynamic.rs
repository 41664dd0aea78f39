//! The best network for given prices: a dynamic program over stages, widths and layers.
//!
//! A price is what a unit of a budget costs in units of the score. For fixed prices the value of a network is a sum over
//! its blocks, each between two widths, so that the best network is a longest path: states are (stage, width, layers),
//! steps are blocks of 1 to [`MOST_SUB_LAYERS`] layers with the best kind and bottleneck for their widths.

mod trace;

use super::dual::Level;
use super::frame::Frame;
use super::maxplus::max_plus;
use super::values::{AllValues, Choices};
use crate::net::block::BlockKind;
use crate::parallel::in_order;
use crate::space::{MOST_SUB_LAYERS, Rails, Stage};

/// Layers of one block.
const LENGTHS: usize = MOST_SUB_LAYERS as usize;
const NEVER: f32 = f32::NEG_INFINITY;

/// The frame with everything that is added up over these choices.
pub(super) struct Model<'m> {
    pub level: Level,
    pub frame: &'m Frame,
    pub rails: &'m Rails,
    pub choices: Choices,
    pub values: AllValues,
    /// Most layers of all stages together.
    pub most_layers: usize,
    /// The most that the score's end is worth, by layers of all stages.
    pub ends: Vec<Option<f64>>,
    pub threads: usize,
}

/// The best value for every number of layers, with what leads to it.
pub(super) struct Evaluation {
    /// By layers of all stages; none where there is no network.
    pub best: Vec<Option<f64>>,
    weights: Vec<f32>,
    /// By spot: the best block of each length, `[length][input][output]`.
    blocks: Vec<Vec<f32>>,
    /// Before the first stage and behind each: `[layers][width]`.
    between: Vec<Vec<f32>>,
    /// Inside each stage: `[layers of the stage][layers][width]`.
    inside: Vec<Vec<f32>>,
    tail: Vec<f32>,
}

impl Model<'_> {
    fn widths(&self) -> usize {
        self.choices.widths.len()
    }

    /// Most layers of one stage; all where that is no limit.
    fn stage_cap(&self, stage: usize) -> usize {
        let own = self.frame.skeleton.stages[stage].most_layers as usize;
        own.min(self.rails.most_stage_layers(self.most_layers as u32) as usize).min(self.most_layers)
    }

    /// Whether layers inside a stage are counted apart: only where the other stages' least number leaves more than the cap.
    fn counts_inside(&self, stage: usize) -> bool {
        self.stage_cap(stage) + self.frame.skeleton.stages.len() - 1 < self.most_layers
    }

    /// The best networks where the score has weight 1 and budget `i` costs `prices[i]` a unit.
    pub fn evaluate(&self, prices: &[f64]) -> Evaluation {
        let weights: Vec<f32> = std::iter::once(1.0).chain(prices.iter().map(|price| -*price as f32)).collect();
        let blocks = self.all_blocks(&weights);
        let (m, most) = (self.widths(), self.most_layers);
        let mut first = vec![NEVER; (most + 1) * m];
        for (i, width) in self.choices.widths.iter().enumerate() {
            if self.frame.skeleton.stem_channels.contains(*width) {
                let value = |(measure, weight): (usize, &f32)| f64::from(*weight) * self.values.stem[measure][i];
                first[i] = weights.iter().enumerate().map(value).sum::<f64>() as f32;
            }
        }
        let mut between = vec![first];
        let mut inside = Vec::new();
        for stage in 0..self.frame.spots.len() {
            let (states, after) = self.stage(stage, &blocks, &between[stage]);
            inside.push(states);
            between.push(after);
        }
        let tail = combined(&self.values.tail, &weights);
        let mut evaluation = Evaluation { best: Vec::new(), weights, blocks, between, inside, tail };
        evaluation.best = (0..=most).map(|layers| self.end(&evaluation, layers).map(|(value, ..)| value)).collect();
        evaluation
    }

    /// The best block of each length for every pair of widths, at every spot.
    fn all_blocks(&self, weights: &[f32]) -> Vec<Vec<f32>> {
        let spots: Vec<usize> = (0..self.frame.all.len()).collect();
        in_order(&mut vec![(); self.threads.max(1)], &spots, |(), spot| self.blocks(*spot, weights))
    }

    fn blocks(&self, spot: usize, weights: &[f32]) -> Vec<f32> {
        let (m, k) = (self.widths(), self.choices.bottlenecks.len());
        let mut best = vec![NEVER; LENGTHS * m * m];
        for kind in 0..self.frame.all[spot].kinds.len() {
            let KindParts { inward, across, mut outward, further } = self.parts(spot, kind, weights);
            for length in 0..LENGTHS {
                if length > 0 {
                    outward.iter_mut().zip(&further).for_each(|(a, b)| *a += b);
                }
                max_plus(&inward, &outward, &across, k, m, &mut best[length * m * m..(length + 1) * m * m]);
            }
        }
        best
    }

    /// The parts of one kind of block with their weights; what is not allowed is never best.
    fn parts(&self, spot: usize, kind: usize, weights: &[f32]) -> KindParts {
        let values = &self.values.spots[spot][kind];
        let stage = &self.frame.skeleton.stages[self.frame.all[spot].stage];
        let Choices { widths, bottlenecks, .. } = &self.choices;
        let mut across = combined(&values.across, weights);
        let mut outward = combined(&values.outward, weights);
        let further = combined(&values.further, weights);
        let m = widths.len();
        for (i, input) in widths.iter().enumerate() {
            for (o, output) in widths.iter().enumerate() {
                if !self.allows_across(stage, *input, *output) {
                    across[i * m + o] = NEVER;
                }
            }
        }
        let kind = self.frame.all[spot].kinds[kind].kind;
        for (b, bottleneck) in bottlenecks.iter().enumerate() {
            for (o, output) in widths.iter().enumerate() {
                if !self.allows_outward(stage, kind, *bottleneck, *output) {
                    outward[b * m + o] = NEVER;
                }
            }
        }
        KindParts { inward: combined(&values.inward, weights), across, outward, further }
    }

    fn allows_across(&self, stage: &Stage, input: u32, output: u32) -> bool {
        stage.channels.contains(output) && self.rails.allows_step(input, output)
    }

    fn allows_outward(&self, stage: &Stage, kind: BlockKind, bottleneck: u32, output: u32) -> bool {
        let allowed = || stage.bottleneck.contains(bottleneck) && self.rails.allows_bottleneck(output, bottleneck);
        !kind.family().bottleneck || allowed()
    }

    /// States inside a stage and behind it.
    fn stage(&self, stage: usize, blocks: &[Vec<f32>], before: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (m, most) = (self.widths(), self.most_layers);
        let later = self.frame.spots.len() - 1 - stage;
        let (cap, counted) = (self.stage_cap(stage), self.counts_inside(stage));
        let groups = if counted { cap + 1 } else { 1 };
        let mut states = vec![NEVER; groups * (most + 1) * m];
        let (first, next) = self.frame.spots[stage];
        let row = |layers: usize| layers * m..(layers + 1) * m;
        let at = |own: usize, layers: usize| {
            let group = if counted { own } else { 0 };
            (group * (most + 1) + layers) * m..(group * (most + 1) + layers + 1) * m
        };
        // Each later stage needs a layer.
        let room = |own: usize, layers: usize| LENGTHS.min(most.saturating_sub(later + layers)).min(cap - own.min(cap));
        for layers in stage..=most {
            for length in 1..=room(0, layers) {
                let target = &mut states[at(length, layers + length)];
                step(&before[row(layers)], &blocks[first][(length - 1) * m * m..length * m * m], target);
            }
        }
        for own in 1..=if counted { cap } else { 1 } {
            for layers in stage + 1..=most {
                let from = states[at(own, layers)].to_vec();
                let limit = if counted { room(own, layers) } else { room(0, layers) };
                for length in 1..=limit {
                    let target = &mut states[at(own + length, layers + length)];
                    step(&from, &blocks[next][(length - 1) * m * m..length * m * m], target);
                }
            }
        }
        let mut after = vec![NEVER; (most + 1) * m];
        for group in states.chunks(after.len()) {
            after.iter_mut().zip(group).for_each(|(a, b)| *a = a.max(*b));
        }
        (states, after)
    }

    /// The best end of a network with so many layers in its stages: value, width and tail.
    fn end(&self, evaluation: &Evaluation, layers: usize) -> Option<(f64, usize, usize)> {
        let (m, tails) = (self.widths(), self.choices.tails.len());
        let end = (*self.ends.get(layers)?)?;
        let last = evaluation.between.last()?;
        let mut best: Option<(f32, usize, usize)> = None;
        for (width, value) in last[layers * m..(layers + 1) * m].iter().enumerate().filter(|(_, value)| **value > NEVER)
        {
            for (tail, more) in evaluation.tail[width * tails..(width + 1) * tails].iter().enumerate() {
                if best.is_none_or(|(best, ..)| value + more > best) {
                    best = Some((value + more, width, tail));
                }
            }
        }
        best.map(|(value, width, tail)| (f64::from(value) + end, width, tail))
    }
}

struct KindParts {
    inward: Vec<f32>,
    across: Vec<f32>,
    outward: Vec<f32>,
    further: Vec<f32>,
}

/// Sum of matrices with their weights.
fn combined(matrices: &[std::sync::Arc<Vec<f32>>], weights: &[f32]) -> Vec<f32> {
    let mut sum = vec![0.0; matrices.first().map_or(0, |matrix| matrix.len())];
    for (matrix, weight) in matrices.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
        sum.iter_mut().zip(matrix.iter()).for_each(|(a, b)| *a += weight * b);
    }
    sum
}

/// `target[o] = max(target[o], from[i] + blocks[i][o])`
fn step(from: &[f32], blocks: &[f32], target: &mut [f32]) {
    for (value, row) in from.iter().zip(blocks.chunks_exact(target.len())).filter(|(value, _)| **value > NEVER) {
        for (best, block) in target.iter_mut().zip(row) {
            let sum = value + block;
            *best = if sum > *best { sum } else { *best };
        }
    }
}
