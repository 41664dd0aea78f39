//! Fine steps: one to three small changes of a network, each of one argument.
//!
//! The factors of the published mutation are coarse: near a budget most of its children are over it. Steps of a few
//! channels or one layer reach what lies between. The bounds hold afterwards.

use rand::{Rng, RngExt};

use super::bounds::change_kind;
use super::skeleton::{begins_stage, stage_of};
use super::split::{split_block, split_long_blocks};
use super::{Bounds, Draw, Space};
use crate::net::{MAX_LAYERS, Network, SuperBlock};

/// Changes of one child.
const MOST_CHANGES: u32 = 3;
/// Channels change by up to this many multiples: 32 where multiples are of 8.
const MOST_MULTIPLES: u32 = 4;

impl Space {
    /// A child with one to three small changes.
    pub(super) fn step(&self, parent: &Network, bounds: &Bounds, draw: Draw, rng: &mut impl Rng) -> Network {
        let mut blocks = Vec::with_capacity(parent.blocks().len() + 2);
        blocks.extend_from_slice(parent.blocks());
        for _ in 0..rng.random_range(1..=MOST_CHANGES) {
            self.change(&mut blocks, bounds, draw, rng);
        }
        split_long_blocks(&mut blocks);
        bounds.fit(&mut blocks);
        Network::from_chained(blocks)
    }

    fn change(&self, blocks: &mut Vec<SuperBlock>, bounds: &Bounds, draw: Draw, rng: &mut impl Rng) {
        let i = rng.random_range(0..blocks.len());
        if !blocks[i].kind.family().residual {
            let channels = if i == 0 { Some(bounds.stem) } else { bounds.tail };
            // A tail that stays as it is has no choice.
            if let Some(channels) = channels {
                blocks[i].out_channels = near(blocks[i].out_channels, channels.multiple, rng);
            }
            return;
        }
        let stage = bounds.stage(stage_of(blocks, i));
        match rng.random_range(0..8) {
            0 | 1 => blocks[i].out_channels = near(blocks[i].out_channels, stage.channels.multiple, rng),
            2 | 3 => {
                let bottleneck = blocks[i].bottleneck;
                blocks[i].bottleneck = bottleneck.map(|channels| near(channels, stage.bottleneck.multiple, rng));
            }
            4 => {
                if let Some(kind) = self.draw_type(&stage.kinds, draw, rng) {
                    change_kind(&mut blocks[i], kind);
                }
            }
            5 => match rng.random_bool(0.5) {
                true => add_layer(&mut blocks[i]),
                false => _ = take_layer(blocks, i),
            },
            6 => move_layer(blocks, i, rng),
            _ => match rng.random_bool(0.5) {
                true => split(blocks, i, rng),
                false => copy_neighbour(blocks, i, rng),
            },
        }
    }
}

/// A number some multiples up or down.
fn near(channels: u32, multiple: u32, rng: &mut impl Rng) -> u32 {
    let by = multiple.max(1) * rng.random_range(1..=MOST_MULTIPLES);
    if rng.random_bool(0.5) { channels.saturating_add(by) } else { channels.saturating_sub(by) }
}

fn add_layer(block: &mut SuperBlock) {
    block.sub_layers = (block.sub_layers + 1).min(MAX_LAYERS);
}

/// Takes a layer from a block, or the block where it has only one and does not begin a stage. Whether it could.
fn take_layer(blocks: &mut Vec<SuperBlock>, i: usize) -> bool {
    if blocks[i].sub_layers > 1 {
        blocks[i].sub_layers -= 1;
        return true;
    }
    let may_go = !begins_stage(blocks, i);
    if may_go {
        blocks.remove(i);
    }
    may_go
}

fn move_layer(blocks: &mut Vec<SuperBlock>, from: usize, rng: &mut impl Rng) {
    let mut to = rng.random_range(0..blocks.len());
    if to == from || !blocks[to].kind.family().residual {
        return;
    }
    let before = blocks.len();
    if take_layer(blocks, from) {
        // A block that is gone moves those behind it forward.
        to -= usize::from(blocks.len() < before && to > from);
        add_layer(&mut blocks[to]);
    }
}

/// Makes two blocks of one that has several layers.
fn split(blocks: &mut Vec<SuperBlock>, i: usize, rng: &mut impl Rng) {
    let layers = blocks[i].sub_layers;
    if layers > 1 {
        split_block(blocks, i, rng.random_range(1..layers));
    }
}

/// Gives a block the type of a neighbour, and perhaps its bottleneck and width.
fn copy_neighbour(blocks: &mut [SuperBlock], i: usize, rng: &mut impl Rng) {
    let j = if rng.random_bool(0.5) { i.saturating_sub(1) } else { (i + 1).min(blocks.len() - 1) };
    let [with_bottleneck, with_width] = [rng.random_bool(0.5), rng.random_bool(0.5)];
    let neighbour = blocks[j];
    if j == i || !neighbour.kind.family().residual {
        return;
    }
    change_kind(&mut blocks[i], neighbour.kind);
    if with_bottleneck && neighbour.bottleneck.is_some() {
        blocks[i].bottleneck = neighbour.bottleneck;
    }
    if with_width {
        blocks[i].out_channels = neighbour.out_channels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;
    use std::collections::BTreeSet;

    fn strides(network: &Network) -> Vec<u32> {
        network.blocks().iter().map(|block| block.stride).filter(|stride| *stride > 1).collect()
    }

    #[test]
    fn steps_are_small_and_keep_the_bounds() {
        for name in ["xxbl", "idw"] {
            let space = Space::find(name).unwrap();
            let bounds = space.bounds.within(&space.rails).unwrap();
            let rng = &mut Pcg64Mcg::seed_from_u64(5);
            let mut blocks = space.initial(224).blocks().to_vec();
            bounds.fit(&mut blocks);
            let initial = Network::from_chained(blocks);
            let mut network = initial.clone();
            for _ in 0..5000 {
                let child = space.step(&network, &bounds, Draw::Uniform, rng);
                assert!(child.layers().abs_diff(network.layers()) <= MOST_CHANGES, "{network} to {child}");
                assert_eq!(Network::parse(&child.to_string()).as_ref(), Ok(&child));
                assert_eq!(strides(&child), strides(&initial));
                let mut fitted = child.blocks().to_vec();
                bounds.fit(&mut fitted);
                assert_eq!(fitted, child.blocks());
                assert!(child.blocks().iter().all(|block| !block.kind.family().residual || block.sub_layers < 6));
                network = if child.layers() > 60 { initial.clone() } else { child };
            }
        }
    }

    #[test]
    fn steps_reach_widths_between_the_published_ones() {
        let space = Space::find("xxbl").unwrap();
        let initial = space.initial(224);
        let rng = &mut Pcg64Mcg::seed_from_u64(5);
        let tails: BTreeSet<u32> = (0..4000)
            .map(|_| space.step(&initial, &space.bounds, Draw::Uniform, rng))
            .filter_map(|child| child.blocks().last().map(|tail| tail.out_channels))
            .collect();
        for tail in [480, 488, 496, 504, 520, 528, 536, 544] {
            assert!(tails.contains(&tail), "{tail}");
        }
    }

    #[test]
    fn taken_layers_leave_the_beginnings_of_stages() {
        let text =
            "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,16,1,8,1)SuperResK3K3(16,16,2,8,2)";
        let mut blocks = Network::parse(text).unwrap().blocks().to_vec();
        assert!(!take_layer(&mut blocks, 1));
        assert!(take_layer(&mut blocks, 3) && !take_layer(&mut blocks, 3));
        assert!(take_layer(&mut blocks, 2));
        assert_eq!(blocks.len(), 3);
    }
}
