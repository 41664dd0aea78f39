//! The network behind a value of the dynamic program: the steps back from its end.

use super::{Choices, Evaluation, LENGTHS, Model, NEVER};
use crate::net::{Network, SuperBlock};

impl Model<'_> {
    /// The network behind the value for that number of layers.
    pub fn trace(&self, evaluation: &Evaluation, layers: usize) -> Option<Network> {
        let (m, most) = (self.widths(), self.most_layers);
        let (_, mut width, tail) = self.end(evaluation, layers)?;
        let Choices { widths, tails, .. } = &self.choices;
        let skeleton = &self.frame.skeleton;
        let mut blocks = vec![SuperBlock { in_channels: widths[width], out_channels: tails[tail], ..skeleton.tail }];
        let mut layers = layers;
        for stage in (0..self.frame.spots.len()).rev() {
            let counted = self.counts_inside(stage);
            let states = &evaluation.inside[stage];
            let at = |own: usize, layers: usize, width: usize| {
                states[((if counted { own } else { 0 }) * (most + 1) + layers) * m + width]
            };
            let groups = if counted { self.stage_cap(stage) } else { 0 };
            let value = evaluation.between[stage + 1][layers * m + width];
            let mut own = (0..=groups).find(|own| at(*own, layers, width) == value)?;
            let (first, next) = self.frame.spots[stage];
            loop {
                let value = at(own, layers, width);
                let longest = LENGTHS.min(layers).min(if counted { own } else { LENGTHS });
                let found = (1..=longest).find_map(|length| {
                    let step = |spot: usize, from: f32, input: usize| {
                        from + evaluation.blocks[spot][((length - 1) * m + input) * m + width] == value
                    };
                    let ends = !counted || own == length;
                    let start = &evaluation.between[stage];
                    let begins = (0..m).find(|i| ends && step(first, start[(layers - length) * m + i], *i));
                    let goes_on = || {
                        let own = if counted { own - length } else { 0 };
                        (0..m).find(|i| (own > 0 || !counted) && step(next, at(own, layers - length, *i), *i))
                    };
                    begins.map(|i| (length, true, i)).or_else(|| goes_on().map(|i| (length, false, i)))
                });
                let (length, begins, input) = found?;
                let spot = if begins { first } else { next };
                blocks.push(self.block(evaluation, spot, input, width, length)?);
                (layers, width) = (layers - length, input);
                if begins {
                    break;
                }
                own = own.saturating_sub(length);
            }
        }
        blocks.push(SuperBlock { out_channels: widths[width], ..skeleton.stem });
        blocks.reverse();
        Some(Network::from_chained(blocks))
    }

    /// The best block between two widths.
    fn block(
        &self,
        evaluation: &Evaluation,
        spot: usize,
        input: usize,
        output: usize,
        length: usize,
    ) -> Option<SuperBlock> {
        let Choices { widths, bottlenecks, .. } = &self.choices;
        let (m, k) = (widths.len(), bottlenecks.len());
        let place = &self.frame.all[spot];
        let stage = &self.frame.skeleton.stages[place.stage];
        if !self.allows_across(stage, widths[input], widths[output]) {
            return None;
        }
        let weights = &evaluation.weights;
        let mut best: Option<(f32, usize, usize)> = None;
        for (kind, values) in self.values.spots[spot].iter().enumerate() {
            let across = cell(&values.across, weights, input * m + output);
            for (middle, bottleneck) in bottlenecks.iter().enumerate() {
                if !self.allows_outward(stage, place.kinds[kind].kind, *bottleneck, widths[output]) {
                    continue;
                }
                let at = middle * m + output;
                let further = cell(&values.further, weights, at);
                let outward = (1..length).fold(cell(&values.outward, weights, at), |sum, _| sum + further);
                let value = cell(&values.inward, weights, input * k + middle) + outward + across;
                if value > NEVER && best.is_none_or(|(best, ..)| value > best) {
                    best = Some((value, kind, middle));
                }
            }
        }
        let (_, kind, middle) = best?;
        let kind = place.kinds[kind].kind;
        Some(SuperBlock {
            kind,
            in_channels: widths[input],
            out_channels: widths[output],
            stride: place.stride,
            bottleneck: kind.family().bottleneck.then(|| bottlenecks[middle]),
            sub_layers: length as u32,
        })
    }
}

/// One number of the sum of matrices with their weights.
fn cell(matrices: &[std::sync::Arc<Vec<f32>>], weights: &[f32], at: usize) -> f32 {
    let weighted = matrices.iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
    weighted.fold(0.0, |sum, (matrix, weight)| sum + weight * matrix[at])
}
