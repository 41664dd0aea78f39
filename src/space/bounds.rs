//! What each part of a network may be: channels, layers and block types of stem, stages and tail.
//!
//! These are the limits on one number each; a search keeps them by construction ([`Bounds::fit`]), a solver enumerates
//! them (`skeleton`). Not here: limits that relate several numbers (`rails`).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::skeleton::begins_stage;
use super::{Rails, SpaceError};
use crate::net::block::BlockKind;
use crate::net::{MAX_LAYERS, SuperBlock};

/// Channel numbers to choose from: multiples between two limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Channels {
    pub least: u32,
    pub most: u32,
    pub multiple: u32,
}

impl Channels {
    /// A single number.
    pub fn fixed(channels: u32) -> Self {
        Self { least: channels, most: channels, multiple: channels }
    }

    /// Every choice in ascending order.
    pub fn values(&self) -> impl Iterator<Item = u32> + use<> {
        let (first, last, multiple) = self.steps();
        (first..=last).map(move |i| i * multiple)
    }

    pub fn contains(&self, channels: u32) -> bool {
        (self.least..=self.most).contains(&channels) && channels.is_multiple_of(self.multiple.max(1))
    }

    /// Whether there is nothing to choose from.
    pub fn is_empty(&self) -> bool {
        let (first, last, _) = self.steps();
        first > last
    }

    /// The choice nearest to a number; meaningless where there is none.
    pub fn nearest(&self, channels: u32) -> u32 {
        let (first, last, multiple) = self.steps();
        (channels.saturating_add(multiple / 2) / multiple).min(last).max(first) * multiple
    }

    /// The first and last choice in multiples, and the multiple.
    fn steps(&self) -> (u32, u32, u32) {
        let multiple = self.multiple.max(1);
        (self.least.div_ceil(multiple).max(1), self.most / multiple, multiple)
    }

    /// The choices that narrower limits leave.
    fn narrowed(mut self, least: Option<u32>, most: Option<u32>, multiple: Option<u32>) -> Self {
        self.least = self.least.max(least.unwrap_or(0));
        self.most = self.most.min(most.unwrap_or(u32::MAX));
        if let Some(multiple) = multiple {
            let both = u64::from(self.multiple.max(1)) / gcd(self.multiple, multiple) * u64::from(multiple);
            self.multiple = u32::try_from(both).unwrap_or(u32::MAX);
        }
        self
    }
}

fn gcd(a: u32, b: u32) -> u64 {
    let (mut a, mut b) = (u64::from(a.max(1)), u64::from(b.max(1)));
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What the residual blocks of a stage may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageBounds {
    /// Of the outputs.
    pub channels: Channels,
    pub bottleneck: Channels,
    /// Most layers in all blocks of the stage.
    pub most_layers: u32,
    pub kinds: Vec<BlockKind>,
}

/// What the parts of a network may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub stem: Channels,
    /// None where a 1x1 tail stays as it is.
    pub tail: Option<Channels>,
    /// One for each stage; the last holds for all that follow. Never empty.
    pub stages: Vec<StageBounds>,
}

impl Bounds {
    /// Of the stage with that number from 0.
    pub fn stage(&self, index: usize) -> &StageBounds {
        &self.stages[index.min(self.stages.len() - 1)]
    }

    /// The bounds that the rails leave, of those that limit one number.
    ///
    /// # Errors
    /// When nothing is left of some part.
    pub fn within(&self, rails: &Rails) -> Result<Self, SpaceError> {
        let multiple = rails.channel_multiple;
        let checked = |what: &str, channels: Channels| match channels.is_empty() {
            true => Err(SpaceError::Empty {
                reason: format!(
                    "{what}: no multiple of {} from {} to {}",
                    channels.multiple, channels.least, channels.most
                ),
            }),
            false => Ok(channels),
        };
        let mut stages = Vec::with_capacity(self.stages.len());
        for (i, stage) in self.stages.iter().enumerate() {
            let of = |what: &str| match self.stages.len() {
                1 => what.to_owned(),
                _ => format!("{what} of stage {}", i + 1),
            };
            let mut kinds = stage.kinds.clone();
            if let Some(kernels) = &rails.kernels {
                kinds.retain(|kind| kernels.contains(&kind.block_type().kernel));
            }
            if kinds.is_empty() {
                let sorted: BTreeSet<u32> = stage.kinds.iter().map(|kind| kind.block_type().kernel).collect();
                let kernels: Vec<String> = sorted.iter().map(u32::to_string).collect();
                let reason =
                    format!("{}: none has an allowed kernel; there are {}", of("block types"), kernels.join(", "));
                return Err(SpaceError::Empty { reason });
            }
            stages.push(StageBounds {
                channels: checked(&of("widths"), stage.channels.narrowed(rails.narrowest, rails.widest, multiple))?,
                bottleneck: checked(
                    &of("bottlenecks"),
                    stage.bottleneck.narrowed(rails.narrowest_bottleneck, rails.widest_bottleneck, multiple),
                )?,
                most_layers: stage.most_layers.min(rails.stage_layers.unwrap_or(MAX_LAYERS)),
                kinds,
            });
        }
        let tail = self.tail.map(|tail| checked("tail", tail.narrowed(None, rails.widest_tail, multiple)));
        Ok(Self { stem: checked("stem", self.stem.narrowed(None, None, multiple))?, tail: tail.transpose()?, stages })
    }

    /// Moves every number and block type to the nearest that is allowed, and chains the blocks.
    pub(super) fn fit(&self, blocks: &mut Vec<SuperBlock>) {
        let mut stage = None;
        for i in 0..blocks.len() {
            if begins_stage(blocks, i) {
                stage = Some(stage.map_or(0, |stage| stage + 1));
            }
            let block = &mut blocks[i];
            if block.kind.family().residual {
                let bounds = self.stage(stage.unwrap_or(0));
                block.out_channels = bounds.channels.nearest(block.out_channels);
                if !bounds.kinds.contains(&block.kind) {
                    change_kind(block, nearest_kind(&bounds.kinds, block.kind));
                }
                block.bottleneck = block.bottleneck.map(|channels| bounds.bottleneck.nearest(channels));
            } else if stage.is_none() {
                block.out_channels = self.stem.nearest(block.out_channels);
            } else if let Some(tail) = self.tail {
                block.out_channels = tail.nearest(block.out_channels);
            }
        }
        self.fit_layers(blocks);
        for i in 1..blocks.len() {
            blocks[i].in_channels = blocks[i - 1].out_channels;
        }
    }

    /// Takes layers from the ends of stages that have too many.
    fn fit_layers(&self, blocks: &mut Vec<SuperBlock>) {
        for (stage, (start, layers)) in super::stage_layers(blocks).into_iter().enumerate().rev() {
            let mut excess = layers.saturating_sub(self.stage(stage).most_layers);
            let mut i = start + blocks[start..].iter().take_while(|block| block.kind.family().residual).count();
            // Blocks of the stages behind have strides of their own.
            if let Some(next) = blocks[start + 1..i].iter().position(|block| block.stride > 1) {
                i = start + 1 + next;
            }
            while excess > 0 && i > start {
                i -= 1;
                if i > start && blocks[i].sub_layers <= excess {
                    excess -= blocks.remove(i).sub_layers;
                } else {
                    let taken = excess.min(blocks[i].sub_layers - 1);
                    blocks[i].sub_layers -= taken;
                    excess -= taken;
                }
            }
        }
    }
}

/// Gives a block another type; the bottleneck appears or goes with it.
pub(super) fn change_kind(block: &mut SuperBlock, kind: BlockKind) {
    block.kind = kind;
    block.bottleneck = kind.family().bottleneck.then(|| block.bottleneck.unwrap_or(block.out_channels));
}

/// The type most like another: of its family if possible, then by kernel and expansion.
fn nearest_kind(kinds: &[BlockKind], of: BlockKind) -> BlockKind {
    let wanted = of.block_type();
    let distance = |kind: &&BlockKind| {
        let is = kind.block_type();
        let is_other = kind.family().name != of.family().name;
        (is_other, is.kernel.abs_diff(wanted.kernel), is.expansion.abs_diff(wanted.expansion))
    };
    kinds.iter().min_by_key(distance).copied().unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Network;
    use crate::space::Space;

    #[test]
    fn channels_are_multiples_within_limits() {
        let channels = |least, most, multiple| Channels { least, most, multiple };
        let values = |least, most, multiple| channels(least, most, multiple).values().collect::<Vec<_>>();
        assert_eq!(values(8, 32, 8), [8, 16, 24, 32]);
        assert_eq!(values(9, 40, 16), [16, 32]);
        assert_eq!(Channels::fixed(2048).values().collect::<Vec<_>>(), [2048]);
        let nearest = |number| channels(9, 100, 16).nearest(number);
        assert_eq!([1, 23, 24, 40, 90, 1000].map(nearest), [16, 16, 32, 48, 96, 96]);
        assert_eq!(channels(8, 64, 8).narrowed(Some(20), Some(60), Some(12)).values().collect::<Vec<_>>(), [24, 48]);
        assert!(channels(33, 47, 16).is_empty() && channels(8, 4, 4).is_empty() && !channels(8, 8, 8).is_empty());
    }

    #[test]
    fn rails_narrow_the_bounds_and_may_leave_nothing() {
        let bounds = &Space::find("xxbl").unwrap().bounds;
        let rails = Rails {
            narrowest: Some(20),
            widest: Some(500),
            kernels: Some(vec![3]),
            channel_multiple: Some(32),
            stage_layers: Some(9),
            widest_tail: Some(1000),
            ..Rails::default()
        };
        let narrowed = bounds.within(&rails).unwrap();
        let stage = narrowed.stage(3);
        assert_eq!(stage.channels, Channels { least: 20, most: 500, multiple: 32 });
        assert_eq!((stage.most_layers, narrowed.tail.unwrap().most, narrowed.stem.multiple), (9, 1000, 32));
        assert_eq!(stage.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>(), ["SuperResK3K3", "SuperResK1K3K1"]);
        for (rails, part) in [
            (Rails { kernels: Some(vec![9]), ..Rails::default() }, "block types"),
            (
                Rails { narrowest: Some(9), widest: Some(15), ..Rails::default() },
                "widths: no multiple of 8 from 9 to 15",
            ),
            (Rails { channel_multiple: Some(5000), ..Rails::default() }, "no multiple of 5000"),
        ] {
            let error = bounds.within(&rails).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn fitting_moves_to_the_nearest() {
        let bounds = Space::find("xxbl").unwrap().bounds.within(&Rails {
            narrowest: Some(32),
            kernels: Some(vec![3]),
            stage_layers: Some(5),
            ..Rails::default()
        });
        let text = "SuperConvK3BNRELU(3,9,1,1)SuperResK1K5K1(9,17,1,8,3)SuperResK7K7(17,20,1,8,4)\
                    SuperResK3K3(20,40,2,40,2)SuperResK3K3(40,40,1,40,1)SuperResK3K3(40,40,1,40,4)SuperConvK1BNRELU(40,512,1,1)";
        let mut blocks = Network::parse(text).unwrap().blocks().to_vec();
        bounds.unwrap().fit(&mut blocks);
        assert_eq!(
            Network::new(blocks).unwrap().to_string(),
            "SuperConvK3BNRELU(3,8,1,1)SuperResK1K3K1(8,32,1,8,3)SuperResK3K3(32,32,1,8,2)\
             SuperResK3K3(32,40,2,40,2)SuperResK3K3(40,40,1,40,1)SuperResK3K3(40,40,1,40,2)SuperConvK1BNRELU(40,512,1,1)"
        );
    }
}
