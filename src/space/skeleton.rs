//! The fixed frame of a space: stem, stages and tail, with what each of them may become.
//!
//! Mutation never removes or adds a strided block, so every network of a search has the frame of its initial
//! structure: one stem, stages that each begin with a residual block (strided but for the first), one tail. Solvers
//! work on this frame. Not here: how a search steps between networks (`mutate`), limits on whole networks (`rails`).

use super::Space;
use crate::net::block::BlockKind;
use crate::net::{Network, SuperBlock};

/// Layers that one super-block may have before it is split.
pub const MOST_SUB_LAYERS: u32 = super::SPLIT_FROM_LAYERS - 1;

/// Channel numbers to choose from: multiples between two limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        let Self { least, most, multiple } = *self;
        let first = least.div_ceil(multiple.max(1)).max(1);
        (first..=most / multiple.max(1)).map(move |i| i * multiple.max(1))
    }

    pub fn contains(&self, channels: u32) -> bool {
        (self.least..=self.most).contains(&channels) && channels.is_multiple_of(self.multiple.max(1))
    }
}

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

/// Indices of the residual blocks that begin a stage: the first, and each with a stride.
pub fn stage_starts(blocks: &[SuperBlock]) -> Vec<usize> {
    let mut starts = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        let first = i == 0 || !blocks[i - 1].kind.family().residual;
        if block.kind.family().residual && (block.stride > 1 || first) {
            starts.push(i);
        }
    }
    starts
}

impl Space {
    /// The frame of the networks that a search from `initial` reaches.
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
        let widths = self.widths();
        let stages = stage_starts(body).into_iter().map(|start| Stage {
            stride: body[start].stride,
            channels: widths,
            bottleneck: self.bottlenecks(),
            most_layers: crate::net::MAX_LAYERS,
            kinds: self.kinds(),
        });
        let is_fixed_tail = self.fixed_tail && tail.kind.block_type().kernel == 1;
        Ok(Skeleton {
            stem: *stem,
            stem_channels: self.stem_widths(),
            stages: stages.collect(),
            tail: *tail,
            tail_channels: if is_fixed_tail { Channels::fixed(tail.out_channels) } else { self.tail_widths() },
        })
    }

    /// Every block type that a residual block may become.
    pub fn kinds(&self) -> Vec<BlockKind> {
        self.types.iter().copied().flatten().filter_map(|name| BlockKind::from_name(name)).collect()
    }

    fn widths(&self) -> Channels {
        Channels { least: 8, most: self.max_channels, multiple: 8 }
    }

    fn bottlenecks(&self) -> Channels {
        self.widths()
    }

    fn stem_widths(&self) -> Channels {
        self.widths()
    }

    fn tail_widths(&self) -> Channels {
        self.widths()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_multiples_within_limits() {
        let values = |least, most, multiple| Channels { least, most, multiple }.values().collect::<Vec<_>>();
        assert_eq!(values(8, 32, 8), [8, 16, 24, 32]);
        assert_eq!(values(9, 40, 16), [16, 32]);
        assert_eq!(Channels::fixed(2048).values().collect::<Vec<_>>(), [2048]);
    }

    #[test]
    fn built_in_structures_have_the_frame() {
        for (name, resolution, strides, tail) in [
            ("xxbl", 32, vec![1, 2, 2, 2], None),
            ("xxbl", 224, vec![2; 4], None),
            ("idw", 224, vec![2; 4], Some(2048)),
        ] {
            let space = Space::find(name).unwrap();
            let skeleton = space.skeleton(&space.initial(resolution)).unwrap();
            assert_eq!(skeleton.stages.iter().map(|stage| stage.stride).collect::<Vec<_>>(), strides);
            if let Some(tail) = tail {
                assert_eq!(skeleton.tail_channels.values().collect::<Vec<_>>(), [tail]);
            }
        }
        let odd = Network::parse("SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,8,1,1)").unwrap();
        assert!(SPACES_FIRST.skeleton(&odd).is_err());
    }

    const SPACES_FIRST: &Space = &super::super::SPACES[0];
}
