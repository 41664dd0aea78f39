//! Search spaces: which networks a search may reach, and how it steps between them.
//!
//! A space is data (block types, channel limits, initial structures); `mutate` and `split` are
//! the published rules that work on any of them. No scores, no budgets here.

mod builtin;
mod mutate;
mod rails;
mod skeleton;
mod split;

use crate::names::UnknownName;
use crate::net::Network;

pub use builtin::SPACES;
pub use mutate::Draw;
pub use rails::{OffRails, Rails, stage_layers};
pub use skeleton::{Channels, MOST_SUB_LAYERS, NoSkeleton, Skeleton, Stage};
pub use split::SPLIT_FROM_LAYERS;

/// A search space.
#[derive(Debug)]
pub struct Space {
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Families of block types that a residual block may change into, each in the order that the
    /// published draw weights.
    pub types: &'static [&'static [&'static str]],
    /// Upper limit on mutated channels.
    pub max_channels: u32,
    /// Whether the output channels of the 1x1 tail stay as they are.
    pub fixed_tail: bool,
    /// Initial structures with the smallest resolution each is meant for, smallest first.
    pub initial: &'static [(u32, &'static str)],
    /// Limit on layers when the user names none: the largest of the published runs.
    pub default_max_layers: u32,
}

impl Space {
    /// The space of that name.
    ///
    /// # Errors
    /// Lists the known ones.
    pub fn find(name: &str) -> Result<&'static Self, UnknownName> {
        let found = SPACES.iter().find(|space| space.name == name);
        found.ok_or_else(|| UnknownName::new("search space", name, SPACES.iter().map(|space| space.name)))
    }

    /// The published initial structure for images of that size.
    pub fn initial_structure(&self, resolution: u32) -> &'static str {
        let fitting = self.initial.iter().rev().find(|(smallest, _)| resolution >= *smallest);
        fitting.unwrap_or(&self.initial[0]).1
    }

    /// As [`Space::initial_structure`], parsed.
    pub fn initial(&self, resolution: u32) -> Network {
        // A test parses every built-in structure.
        Network::parse(self.initial_structure(resolution)).expect("built-in structures parse")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::LowerOptions;
    use crate::net::block::BlockKind;

    #[test]
    fn built_in_structures_parse_and_lower() {
        for space in SPACES {
            for (resolution, structure) in space.initial {
                let network = Network::parse(structure).unwrap();
                network.lower(&LowerOptions::new(32.max(*resolution), 10)).unwrap();
                assert_eq!(space.initial(*resolution).to_string(), *structure);
                for block in network.blocks().iter().filter(|block| block.kind.family().residual) {
                    assert!(space.types.concat().contains(&block.kind.name()));
                }
            }
            for name in space.types.iter().copied().flatten() {
                assert!(BlockKind::from_name(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn unknown_names_get_a_hint() {
        assert!(Space::find("idv").unwrap_err().to_string().contains("did you mean idw?"));
    }
}
