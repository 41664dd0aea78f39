//! Search spaces: which networks a search may reach, and how it steps between them.
//!
//! A space is a TOML file (`file`): block types, limits on channels and layers, initial structures, rails. Two are
//! built in (`builtin`). `mutate` and `split` are the published rules that work on any of them, `fine` the small steps,
//! `rules` says which of them a search takes. No scores, no budgets here.

mod bounds;
mod builtin;
mod error;
mod file;
mod fine;
mod mutate;
mod rail_list;
mod rails;
mod rules;
mod skeleton;
mod split;

use std::path::Path;
use std::sync::Arc;

use crate::names::UnknownName;
use crate::net::Network;
use crate::net::block::BlockKind;

pub use bounds::{Bounds, Channels, StageBounds};
pub use builtin::SPACES;
pub use error::SpaceError;
pub use file::schema;
pub use mutate::Draw;
pub use rail_list::{RAILS, Rail};
pub use rails::{OffRails, Rails, stage_layers};
pub use rules::Rules;
pub(crate) use skeleton::begins_stage;
pub use skeleton::{MOST_SUB_LAYERS, NoSkeleton, Skeleton, Stage};
pub use split::SPLIT_FROM_LAYERS;
pub(crate) use split::split_block;

/// Height and width of images, in pixels, for a space that names none.
const RESOLUTION: u32 = 224;

/// A search space.
#[derive(Clone, Debug)]
pub struct Space {
    pub name: String,
    /// One line for people.
    pub about: String,
    /// Families of block types that a residual block may change into, each in the order that the
    /// published draw weights.
    pub types: Vec<Vec<BlockKind>>,
    /// All of them.
    pub kinds: Vec<BlockKind>,
    /// What each part of a network may be, before any rail.
    pub bounds: Bounds,
    /// Upper limit on mutated channels by the published rules; none for a space that nobody published.
    pub published_max_channels: Option<u32>,
    /// Networks of the space that were published.
    pub published: Vec<PublishedNetwork>,
    /// Whether the output channels of the 1x1 tail stay as they are.
    pub fixed_tail: bool,
    /// Strides of the stages where the file fixes them.
    pub strides: Option<Vec<u32>>,
    /// Where a search starts, by the smallest resolution, smallest first. Never empty.
    pub initial: Vec<Initial>,
    /// Limit on layers when the user names none: for the built-in spaces the largest of the published runs.
    pub default_max_layers: u32,
    /// Sizes of images to choose from, the default first; any where there are none.
    pub resolutions: Vec<u32>,
    pub squeeze_excite: bool,
    /// Whether networks have residual links.
    pub residual_links: bool,
    /// Rails of a search that asks for no others.
    pub rails: Rails,
    /// The space file.
    pub text: Arc<str>,
}

/// A network of a space that was published.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedNetwork {
    pub name: String,
    /// Height and width of its images in pixels.
    pub resolution: u32,
    pub network: Network,
}

/// An initial structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Initial {
    /// Smallest height and width of images that it is meant for.
    pub from_resolution: u32,
    pub network: Network,
}

impl Space {
    /// The published networks for images of about that size: those whose searches began at the same initial structure.
    pub fn published_at(&self, resolution: u32) -> impl Iterator<Item = &PublishedNetwork> {
        let group = move |side: u32| self.initial.iter().rposition(|initial| initial.from_resolution <= side);
        self.published.iter().filter(move |published| group(published.resolution) == group(resolution))
    }

    /// A built-in space by its name, or the space of a file by a path that ends in `.toml`.
    ///
    /// # Errors
    /// Lists the built-in spaces, or says where the file is wrong.
    pub fn find(name_or_path: &str) -> Result<Arc<Self>, SpaceError> {
        let path = Path::new(name_or_path);
        if path.extension().is_none_or(|extension| extension != "toml") {
            return Ok(Self::built_in(name_or_path).cloned()?);
        }
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| SpaceError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, name_or_path).map(Arc::new)
    }

    /// The built-in space of that name.
    ///
    /// # Errors
    /// Lists the known ones.
    pub fn built_in(name: &str) -> Result<&'static Arc<Self>, UnknownName> {
        let found = SPACES.iter().find(|space| space.name == name);
        found.ok_or_else(|| UnknownName::new("search space", name, SPACES.iter().map(|space| space.name.as_str())))
    }

    /// Whether the program brings this space along.
    pub fn is_built_in(&self) -> bool {
        Self::built_in(&self.name).is_ok_and(|space| space.text == self.text)
    }

    /// The space's initial network for images of that size.
    pub fn initial(&self, resolution: u32) -> Network {
        let fitting = self.initial.iter().rev().find(|initial| resolution >= initial.from_resolution);
        fitting.unwrap_or(&self.initial[0]).network.clone()
    }

    /// Whether a search may start from a network: where the file fixes the stages, it has them.
    ///
    /// # Errors
    /// Names the strides of both.
    pub fn check_initial(&self, initial: &Network) -> Result<(), SpaceError> {
        let blocks = initial.blocks();
        let found: Vec<u32> = skeleton::stage_starts(blocks).into_iter().map(|start| blocks[start].stride).collect();
        match &self.strides {
            Some(expected) if *expected != found => {
                Err(SpaceError::Stages { space: self.name.clone(), found, expected: expected.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Height and width of images in pixels: what is asked for, if the space allows it, or the space's default.
    ///
    /// # Errors
    /// Names the sizes of the space.
    pub fn resolution(&self, asked: Option<u32>) -> Result<u32, SpaceError> {
        let known = &self.resolutions;
        match asked {
            None => Ok(known.first().copied().unwrap_or(RESOLUTION)),
            Some(resolution) if known.is_empty() || known.contains(&resolution) => Ok(resolution),
            Some(resolution) => {
                Err(SpaceError::Resolution { space: self.name.clone(), resolution, known: known.clone() })
            }
        }
    }

    /// The bounds of the published rules; of a space that nobody published, its own.
    pub fn published_bounds(&self) -> Bounds {
        let Some(most) = self.published_max_channels else { return self.bounds.clone() };
        let channels = Channels { least: 8, most, multiple: 8 };
        let most_layers = crate::net::MAX_LAYERS;
        let stage = StageBounds { channels, bottleneck: channels, most_layers, kinds: self.kinds.clone() };
        Bounds { stem: channels, tail: (!self.fixed_tail).then_some(channels), stages: vec![stage] }
    }
}

#[cfg(test)]
mod tests;
