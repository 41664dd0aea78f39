//! Mutation: one random variant of a block, by the published rules.
//!
//! The variants of a block are the product of its distinct output channels, bottleneck channels,
//! layer counts and types, so a uniform draw over the set is one uniform draw per argument.

use rand::{Rng, RngExt};

use super::bounds::change_kind;
use super::skeleton::stage_of;
use super::split::split_long_blocks;
use super::{Bounds, Space};
use crate::net::block::{BlockKind, round8};
use crate::net::{MAX_LAYERS, Network, SuperBlock};

/// How block types are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// Every type equally often.
    #[default]
    Uniform,
    /// As the published implementation, whose list of variants holds the first type of a family
    /// of n types n times, the second n - 1 times, and so on.
    Published,
}

/// Factors between current and new channels.
const CHANNEL_FACTORS: [f64; 9] = [2.5, 2.0, 1.5, 1.25, 1.0, 1.0 / 1.25, 1.0 / 1.5, 1.0 / 2.0, 1.0 / 2.5];

/// Most layers a mutation adds to or takes from a block.
const LAYER_STEP: u32 = 2;

impl Space {
    /// A child of `parent` by the published rules: up to `replacements` random blocks mutated (a block drawn twice
    /// changes once), channels chained again and long blocks split. A space without published limits keeps its bounds.
    pub fn mutate(&self, parent: &Network, replacements: usize, draw: Draw, rng: &mut impl Rng) -> Network {
        let Some(most) = self.published_max_channels else {
            return self.mutate_within(parent, &self.bounds, replacements, draw, rng);
        };
        Network::from_chained(self.mutated(parent, replacements, rng, &|block, _, rng| {
            self.mutate_block(block, most, &self.kinds, draw, rng)
        }))
    }

    /// As [`Space::mutate`], with the result moved into the bounds.
    pub(super) fn mutate_within(
        &self,
        parent: &Network,
        bounds: &Bounds,
        replacements: usize,
        draw: Draw,
        rng: &mut impl Rng,
    ) -> Network {
        let mut blocks = self.mutated(parent, replacements, rng, &|block, i, rng| {
            let blocks = parent.blocks();
            if block.kind.family().residual {
                let stage = bounds.stage(stage_of(blocks, i));
                return self.mutate_block(block, stage.channels.most, &stage.kinds, draw, rng);
            }
            let end = if i == 0 { Some(bounds.stem) } else { bounds.tail };
            self.mutate_block(block, end.map_or(block.out_channels, |channels| channels.most), &[], draw, rng)
        });
        bounds.fit(&mut blocks);
        Network::from_chained(blocks)
    }

    fn mutated<R: Rng>(
        &self,
        parent: &Network,
        replacements: usize,
        rng: &mut R,
        mutate: &dyn Fn(&SuperBlock, usize, &mut R) -> SuperBlock,
    ) -> Vec<SuperBlock> {
        let mut blocks = Vec::with_capacity(parent.blocks().len() + 2);
        blocks.extend_from_slice(parent.blocks());
        let mut mutated = 0u64;
        for _ in 0..replacements {
            let i = rng.random_range(0..blocks.len());
            // Networks longer than the mask only lose the rule for repeated draws.
            let bit = 1u64.checked_shl(i as u32).unwrap_or(0);
            if mutated & bit == 0 {
                mutated |= bit;
                blocks[i] = mutate(&blocks[i], i, rng);
            }
        }
        for i in 1..blocks.len() {
            blocks[i].in_channels = blocks[i - 1].out_channels;
        }
        split_long_blocks(&mut blocks);
        blocks
    }

    /// A block with other channels up to `most`, and if it is residual with other layers and one of `kinds`.
    fn mutate_block(
        &self,
        block: &SuperBlock,
        most: u32,
        kinds: &[BlockKind],
        draw: Draw,
        rng: &mut impl Rng,
    ) -> SuperBlock {
        let mut child = *block;
        let family = block.kind.family();
        let is_fixed_tail = self.fixed_tail && !family.residual && block.kind.block_type().kernel == 1;
        if !is_fixed_tail {
            child.out_channels = draw_channels(block.out_channels, most, rng);
        }
        if !family.residual {
            return child;
        }
        child.bottleneck = block.bottleneck.map(|channels| draw_channels(channels, most, rng));
        let fewest = block.sub_layers.saturating_sub(LAYER_STEP).max(1);
        let most = (block.sub_layers + LAYER_STEP).min(MAX_LAYERS);
        child.sub_layers = rng.random_range(fewest..=most);
        if let Some(kind) = self.draw_type(kinds, draw, rng) {
            change_kind(&mut child, kind);
        }
        child
    }

    /// One of the space's block types, of those in `kinds`.
    pub(super) fn draw_type(&self, kinds: &[BlockKind], draw: Draw, rng: &mut impl Rng) -> Option<BlockKind> {
        let total = self.weighted_types(kinds, draw).map(|(_, weight)| weight).sum();
        if total == 0 {
            return None;
        }
        let mut left = rng.random_range(0..total);
        for (kind, weight) in self.weighted_types(kinds, draw) {
            if left < weight {
                return Some(kind);
            }
            left -= weight;
        }
        None
    }

    /// The block types that a residual block may become, with the weight of each.
    fn weighted_types<'s>(&'s self, kinds: &'s [BlockKind], draw: Draw) -> impl Iterator<Item = (BlockKind, u32)> + 's {
        let weighted = self.types.iter().flat_map(move |family| {
            family.iter().enumerate().map(move |(i, kind)| match draw {
                Draw::Uniform => (*kind, 1),
                Draw::Published => (*kind, (family.len() - i) as u32),
            })
        });
        weighted.filter(|(kind, _)| kinds.contains(kind))
    }
}

fn draw_channels(channels: u32, most: u32, rng: &mut impl Rng) -> u32 {
    let (choices, count) = channel_choices(channels, most);
    choices[rng.random_range(0..count)]
}

/// The distinct channel numbers near `channels` and up to `most`, and how many there are.
fn channel_choices(channels: u32, most: u32) -> ([u32; CHANNEL_FACTORS.len()], usize) {
    let mut choices = [0; CHANNEL_FACTORS.len()];
    let mut count = 0;
    for factor in CHANNEL_FACTORS {
        let choice = round8((channels as f64 * factor).min(most as f64));
        // Factors fall, so equal choices are neighbours.
        if count == 0 || choices[count - 1] != choice {
            choices[count] = choice;
            count += 1;
        }
    }
    (choices, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;
    use std::collections::BTreeMap;

    fn space(name: &str) -> &'static Space {
        Space::built_in(name).unwrap()
    }

    fn choices(space: &Space, channels: u32) -> Vec<u32> {
        let (choices, count) = channel_choices(channels, space.published_max_channels.unwrap());
        choices[..count].to_vec()
    }

    #[test]
    fn channel_choices_are_the_published_set() {
        // 64 x {2.5 2 1.5 1.25 1 .8 .67 .5 .4} = 160 128 96 80 64 51.2 42.7 32 25.6
        assert_eq!(choices(space("xxbl"), 64), [160, 128, 96, 80, 64, 48, 40, 32, 24]);
        // 8 x the factors = 20 16 12 10 8 ...: halves go to even multiples, nothing below 8.
        assert_eq!(choices(space("xxbl"), 8), [16, 8]);
        assert_eq!(choices(space("xxbl"), 2048), [2048, 1640, 1368, 1024, 816]);
        assert_eq!(choices(space("idw"), 2048)[0], 5120);
    }

    #[test]
    fn draws_have_their_weights() {
        let rng = &mut Pcg64Mcg::seed_from_u64(7);
        let draws = 60_000;
        for (name, draw, first, last) in [
            ("xxbl", Draw::Published, 3.0 / 12.0, 1.0 / 12.0),
            ("idw", Draw::Published, 12.0 / 78.0, 1.0 / 78.0),
            ("idw", Draw::Uniform, 1.0 / 12.0, 1.0 / 12.0),
        ] {
            let space = space(name);
            let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
            for _ in 0..draws {
                *counts.entry(space.draw_type(&space.kinds, draw, rng).unwrap().name()).or_default() += 1;
            }
            for (kind, expected) in [(space.types[0][0], first), (*space.kinds.last().unwrap(), last)] {
                let name = kind.name();
                let share = counts[name] as f64 / draws as f64;
                // Five standard deviations of a binomial share.
                let tolerance = 5.0 * (expected * (1.0 - expected) / draws as f64).sqrt();
                assert!((share - expected).abs() < tolerance, "{name}: {share} for {expected}");
            }
        }
    }

    #[test]
    fn long_walks_stay_in_the_space() {
        for name in ["xxbl", "idw"] {
            let space = space(name);
            let rng = &mut Pcg64Mcg::seed_from_u64(3);
            let initial = space.initial(224);
            let strides = |network: &Network| network.blocks().iter().map(|b| b.stride).product::<u32>();
            let mut network = initial.clone();
            for _ in 0..3000 {
                network = space.mutate(&network, 2, Draw::Uniform, rng);
                if network.layers() > 200 {
                    network = initial.clone();
                }
                assert_eq!(Network::parse(&network.to_string()).as_ref(), Ok(&network));
                assert_eq!(strides(&network), strides(&initial));
                for block in network.blocks() {
                    let residual = block.kind.family().residual;
                    assert!(!residual || (block.sub_layers < 6 && space.kinds.contains(&block.kind)));
                    assert!(block.out_channels >= 8 && Some(block.out_channels) <= space.published_max_channels);
                }
                let tail = network.blocks().last().unwrap();
                assert!(name != "idw" || tail.out_channels == 2048);
                assert!(!tail.kind.family().residual && tail.sub_layers == 1);
            }
        }
    }

    #[test]
    fn one_replacement_changes_at_most_one_block() {
        let rng = &mut Pcg64Mcg::seed_from_u64(11);
        let parent = space("xxbl").initial(32);
        for _ in 0..500 {
            let child = space("xxbl").mutate(&parent, 1, Draw::Uniform, rng);
            // Without growth beyond five layers nothing splits, so blocks correspond.
            let changed = parent.blocks().iter().zip(child.blocks()).filter(|(a, b)| {
                (a.kind, a.out_channels, a.bottleneck, a.sub_layers)
                    != (b.kind, b.out_channels, b.bottleneck, b.sub_layers)
            });
            assert!(changed.count() <= 1);
        }
    }
}
