//! Mutation: one random variant of a block, by the published rules.
//!
//! The variants of a block are the product of its distinct output channels, bottleneck channels,
//! layer counts and types, so a uniform draw over the set is one uniform draw per argument.

use rand::{Rng, RngExt};

use super::Space;
use super::split::split_long_blocks;
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
    /// A child of `parent` with up to `replacements` random blocks mutated (a block drawn twice
    /// changes once), channels chained again and long blocks split.
    pub fn mutate(&self, parent: &Network, replacements: usize, draw: Draw, rng: &mut impl Rng) -> Network {
        let mut blocks = Vec::with_capacity(parent.blocks().len() + 2);
        blocks.extend_from_slice(parent.blocks());
        let mut mutated = 0u64;
        for _ in 0..replacements {
            let i = rng.random_range(0..blocks.len());
            // Networks longer than the mask only lose the rule for repeated draws.
            let bit = 1u64.checked_shl(i as u32).unwrap_or(0);
            if mutated & bit == 0 {
                mutated |= bit;
                blocks[i] = self.mutate_block(&blocks[i], draw, rng);
            }
        }
        for i in 1..blocks.len() {
            blocks[i].in_channels = blocks[i - 1].out_channels;
        }
        split_long_blocks(&mut blocks);
        Network::from_chained(blocks)
    }

    fn mutate_block(&self, block: &SuperBlock, draw: Draw, rng: &mut impl Rng) -> SuperBlock {
        let mut child = *block;
        let family = block.kind.family();
        let is_fixed_tail = self.fixed_tail && !family.residual && block.kind.block_type().kernel == 1;
        if !is_fixed_tail {
            child.out_channels = self.draw_channels(block.out_channels, rng);
        }
        if !family.residual {
            return child;
        }
        child.bottleneck = block.bottleneck.map(|channels| self.draw_channels(channels, rng));
        let fewest = block.sub_layers.saturating_sub(LAYER_STEP).max(1);
        let most = (block.sub_layers + LAYER_STEP).min(MAX_LAYERS);
        child.sub_layers = rng.random_range(fewest..=most);
        child.kind = self.draw_type(draw, rng).unwrap_or(block.kind);
        child
    }

    /// One of the space's block types.
    fn draw_type(&self, draw: Draw, rng: &mut impl Rng) -> Option<BlockKind> {
        let total = self.weighted_types(draw).map(|(_, weight)| weight).sum();
        let mut left = rng.random_range(0..total);
        for (name, weight) in self.weighted_types(draw) {
            if left < weight {
                return BlockKind::from_name(name);
            }
            left -= weight;
        }
        None
    }

    /// The block types that a residual block may become, with the weight of each.
    fn weighted_types(&self, draw: Draw) -> impl Iterator<Item = (&'static str, u32)> {
        self.types.iter().flat_map(move |family| {
            family.iter().enumerate().map(move |(i, name)| match draw {
                Draw::Uniform => (*name, 1),
                Draw::Published => (*name, (family.len() - i) as u32),
            })
        })
    }

    fn draw_channels(&self, channels: u32, rng: &mut impl Rng) -> u32 {
        let (choices, count) = self.channel_choices(channels);
        choices[rng.random_range(0..count)]
    }

    /// The distinct channel numbers near `channels`, and how many there are.
    fn channel_choices(&self, channels: u32) -> ([u32; CHANNEL_FACTORS.len()], usize) {
        let mut choices = [0; CHANNEL_FACTORS.len()];
        let mut count = 0;
        for factor in CHANNEL_FACTORS {
            let choice = round8((channels as f64 * factor).min(self.max_channels as f64));
            // Factors fall, so equal choices are neighbours.
            if count == 0 || choices[count - 1] != choice {
                choices[count] = choice;
                count += 1;
            }
        }
        (choices, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;
    use std::collections::BTreeMap;

    fn space(name: &str) -> &'static Space {
        Space::find(name).unwrap()
    }

    fn choices(space: &Space, channels: u32) -> Vec<u32> {
        let (choices, count) = space.channel_choices(channels);
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
                *counts.entry(space.draw_type(draw, rng).unwrap().name()).or_default() += 1;
            }
            for (name, expected) in [(space.types[0][0], first), (space.types.last().unwrap().last().unwrap(), last)] {
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
                    assert!(!residual || (block.sub_layers < 6 && space.types.concat().contains(&block.kind.name())));
                    assert!(block.out_channels >= 8 && block.out_channels <= space.max_channels);
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
