//! The fixed frame of a space: stem, stages and tail, with what each of them may become.
//!
//! Mutation never removes or adds a strided block, so every network of a search has the frame of its initial
//! structure: one stem, stages that each begin with a residual block (strided but for the first), one tail. Solvers
//! work on this frame. Not here: how a search steps between networks (`mutate`), limits on whole networks (`rails`).

use super::{Bounds, Channels, Rails, Space};
use crate::net::block::BlockKind;
use crate::net::{Network, SuperBlock};

/// Layers that one super-block may have before it is split.
pub const MOST_SUB_LAYERS: u32 = super::SPLIT_FROM_LAYERS - 1;

/// Residual blocks of one resolution: the first has the stride, any number may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    pub stride: u32,
    /// Of the outputs.
    pub channels: Channels,
    pub bottleneck: Channels,
    /// Most layers in all blocks of the stage.
    pub most_layers: u32,
    pub kinds: Vec<BlockKind>,
}

/// The frame of the networks of one search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeleton {
    /// As in the initial structure, but for its channels.
    pub stem: SuperBlock,
    pub stem_channels: Channels,
    pub stages: Vec<Stage>,
    pub tail: SuperBlock,
    pub tail_channels: Channels,
}

/// An initial structure of another form: what it has instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the initial structure is not a stem, stages of residual blocks and a 1x1 tail: {0}")]
pub struct NoSkeleton(String);

/// Whether a residual block begins a stage: the first, and each with a stride.
pub fn begins_stage(blocks: &[SuperBlock], i: usize) -> bool {
    let is_first = i == 0 || !blocks[i - 1].kind.family().residual;
    blocks[i].kind.family().residual && (blocks[i].stride > 1 || is_first)
}

/// Indices of the residual blocks that begin a stage.
pub fn stage_starts(blocks: &[SuperBlock]) -> Vec<usize> {
    (0..blocks.len()).filter(|i| begins_stage(blocks, *i)).collect()
}

/// Number from 0 of the stage of a residual block.
pub(super) fn stage_of(blocks: &[SuperBlock], i: usize) -> usize {
    (0..=i).filter(|i| begins_stage(blocks, *i)).count().saturating_sub(1)
}

impl Space {
    /// The frame of the networks that a search from `initial` reaches within `rails`: [`Bounds::skeleton`] of the space's
    /// bounds.
    ///
    /// # Errors
    /// When the structure does not have that form, or the rails leave nothing.
    pub fn skeleton(&self, initial: &Network, rails: &Rails) -> Result<Skeleton, NoSkeleton> {
        self.bounds.within(rails).map_err(|error| NoSkeleton(error.to_string()))?.skeleton(initial)
    }
}

impl Bounds {
    /// The frame of the networks that a search from `initial` reaches within these bounds
    /// ([`Rules::bounds`](super::Rules::bounds) of the search).
    ///
    /// # Errors
    /// When the structure does not have that form.
    pub fn skeleton(&self, initial: &Network) -> Result<Skeleton, NoSkeleton> {
        let blocks = initial.blocks();
        let [stem, body @ .., tail] = blocks else {
            return Err(NoSkeleton(format!("it has {} blocks", blocks.len())));
        };
        if stem.kind.family().residual || tail.kind.family().residual || body.is_empty() {
            return Err(NoSkeleton("it begins or ends with a residual block".to_owned()));
        }
        if let Some(block) = body.iter().find(|block| !block.kind.family().residual) {
            return Err(NoSkeleton(format!("{} stands between the stages", block.kind.name())));
        }
        if tail.stride != 1 || tail.sub_layers != 1 || stem.sub_layers != 1 {
            return Err(NoSkeleton("stem or tail have several layers, or the tail a stride".to_owned()));
        }
        let stages = stage_starts(body).into_iter().enumerate().map(|(i, start)| {
            let bounds = self.stage(i).clone();
            Stage {
                stride: body[start].stride,
                channels: bounds.channels,
                bottleneck: bounds.bottleneck,
                most_layers: bounds.most_layers,
                kinds: bounds.kinds,
            }
        });
        Ok(Skeleton {
            stem: *stem,
            stem_channels: self.stem,
            stages: stages.collect(),
            tail: *tail,
            tail_channels: self.tail.unwrap_or(Channels::fixed(tail.out_channels)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_structures_have_the_frame() {
        for (name, resolution, strides, tail) in [
            ("xxbl", 32, vec![1, 2, 2, 2], None),
            ("xxbl", 224, vec![2; 4], None),
            ("idw", 224, vec![2; 4], Some(2048)),
        ] {
            let space = Space::find(name).unwrap();
            let skeleton = space.skeleton(&space.initial(resolution), &Rails::default()).unwrap();
            assert_eq!(skeleton.stages.iter().map(|stage| stage.stride).collect::<Vec<_>>(), strides);
            if let Some(tail) = tail {
                assert_eq!(skeleton.tail_channels.values().collect::<Vec<_>>(), [tail]);
            }
        }
        let odd = Network::parse("SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,8,1,1)").unwrap();
        assert!(super::super::SPACES[0].skeleton(&odd, &Rails::default()).is_err());
    }
}
