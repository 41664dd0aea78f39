//! The block families: everything that knows a family by name is in its own file here.
//!
//! To add one, write `x.rs` with a `FAMILY` and `x.py` with the same layer in PyTorch, and list it in [`FAMILIES`].
//! Parser, printer, lowering, PyTorch modules and search spaces iterate this slice. `example.rs` and `example.py` are
//! such a pair, built into the tests alone.

mod conv;
#[cfg(test)]
mod example;
mod res_idw;
mod res_k1kk1;
mod res_kk;

use super::lower::{Builder, Layer};
use super::structure::SuperBlock;

/// All block families.
pub static FAMILIES: &[&Family] = &[
    &conv::FAMILY,
    &res_kk::FAMILY,
    &res_k1kk1::FAMILY,
    &res_idw::FAMILY,
    #[cfg(test)]
    &example::FAMILY,
];

/// Block types that share arguments and lowering.
#[derive(Debug)]
pub struct Family {
    /// Name for people, e.g. `res_idw`.
    pub name: &'static str,
    /// Whether the arguments include bottleneck channels.
    pub bottleneck: bool,
    /// Whether its layers are residual units (only these are split when they grow long).
    pub residual: bool,
    pub types: &'static [BlockType],
    pub python: Python,
    lower_layer: fn(&mut Builder<'_>, &SuperBlock, &BlockType, Layer),
}

impl Family {
    pub(crate) fn lower_layer(&self, builder: &mut Builder<'_>, block: &SuperBlock, layer: Layer) {
        (self.lower_layer)(builder, block, block.kind.block_type(), layer);
    }
}

/// A layer of a family in PyTorch.
#[derive(Debug)]
pub struct Python {
    /// The function that returns the modules of one layer.
    pub function: &'static str,
    /// Its source; it may use the functions of `pytorch/template/layers.py`.
    pub text: &'static str,
}

/// One block type of a family.
#[derive(Debug)]
pub struct BlockType {
    /// Name in structure strings.
    pub name: &'static str,
    pub kernel: u32,
    /// Expansion of the depthwise stage (1 where there is none).
    pub expansion: u32,
}

/// A block type by its place in [`FAMILIES`]: small, comparable, hashable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockKind {
    family: u8,
    block_type: u8,
}

impl BlockKind {
    /// Finds a block type by its exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name() == name)
    }

    /// Every known block type.
    pub fn all() -> impl Iterator<Item = Self> {
        FAMILIES.iter().enumerate().flat_map(|(family, entry)| {
            (0..entry.types.len()).map(move |block_type| Self { family: family as u8, block_type: block_type as u8 })
        })
    }

    pub fn family(self) -> &'static Family {
        FAMILIES[self.family as usize]
    }

    pub fn block_type(self) -> &'static BlockType {
        &self.family().types[self.block_type as usize]
    }

    pub fn name(self) -> &'static str {
        self.block_type().name
    }
}

impl std::fmt::Debug for BlockKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// `max(8, 8 * round(x / 8))`, halves to even as Python rounds.
pub fn round8(x: f64) -> u32 {
    ((x / 8.0).round_ties_even() as u32 * 8).max(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round8_rounds_halves_to_even() {
        for (x, expected) in [(1.0, 8), (12.0, 16), (20.0, 16), (28.0, 32), (36.0, 32), (100.0, 96), (268.8, 272)] {
            assert_eq!(round8(x), expected, "round8({x})");
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        let all: Vec<_> = BlockKind::all().collect();
        assert_eq!(all.len(), 4 + 3 + 3 + 12 + 2);
        for kind in all {
            assert_eq!(BlockKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(BlockKind::from_name("SuperResK3K5"), None);
    }
}
