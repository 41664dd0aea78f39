//! Single changes of a network: one number of one block.

use crate::net::block::BlockKind;
use crate::net::{Network, SuperBlock};
use crate::space::{MOST_SUB_LAYERS, Skeleton, begins_stage, split_block};

/// Every single change of a network.
pub(super) fn changes(skeleton: &Skeleton, blocks: &[SuperBlock]) -> Vec<Change> {
    const STEPS: [i64; 12] = [-12, -8, -4, -3, -2, -1, 1, 2, 3, 4, 8, 12];
    let mut changes = Vec::new();
    let mut stages = 0;
    for (i, block) in blocks.iter().enumerate() {
        let residual = block.kind.family().residual;
        let begins = begins_stage(blocks, i);
        stages += usize::from(begins);
        let frame = &skeleton.stages[stages.clamp(1, skeleton.stages.len()) - 1];
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
        if !begins {
            changes.push(Change::Remove(i));
        }
    }
    changes
}

/// One change of one block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Output(usize, u32),
    Middle(usize, u32),
    Kind(usize, BlockKind),
    Layers(usize, u32),
    Split(usize, u32),
    Remove(usize),
}

impl Change {
    pub fn is_structural(self) -> bool {
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
    pub fn same_place(self, other: &Self) -> bool {
        self.place() == other.place()
    }

    pub fn apply(self, blocks: &[SuperBlock]) -> Option<Network> {
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
                if first >= blocks[i].sub_layers {
                    return None;
                }
                split_block(&mut blocks, i, first);
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
