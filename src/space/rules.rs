//! The rules of one search: what its networks may be, and how it steps between them.
//!
//! By default a space's bounds and rails hold and half of the steps are fine ones; by the published rules a search mutates
//! as the published implementation does and no rail holds.

use rand::{Rng, RngExt};

use super::{Bounds, Draw, Rails, Space, SpaceError};
use crate::net::{Graph, Network};

/// What the networks of a search may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    published: bool,
    rails: Rails,
    bounds: Bounds,
}

impl Rules {
    /// The space's bounds, narrowed by rails.
    ///
    /// # Errors
    /// When the rails leave nothing of some part.
    pub fn within(space: &Space, rails: &Rails) -> Result<Self, SpaceError> {
        Ok(Self { published: false, rails: rails.clone(), bounds: space.bounds.within(rails)? })
    }

    /// The published mutation without rails.
    pub fn published(space: &Space) -> Self {
        Self { published: true, rails: Rails::default(), bounds: space.published_bounds() }
    }

    /// Whether these are the published rules.
    pub fn is_published(&self) -> bool {
        self.published
    }

    /// Limits that relate several numbers; nothing is limited by the published rules.
    pub fn rails(&self) -> &Rails {
        &self.rails
    }

    /// Limits on single numbers.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The network within the bounds that is nearest to one; by the published rules the network as it is.
    pub fn fit(&self, network: &Network) -> Network {
        if self.published {
            return network.clone();
        }
        let mut blocks = network.blocks().to_vec();
        self.bounds.fit(&mut blocks);
        if blocks == network.blocks() { network.clone() } else { Network::from_chained(blocks) }
    }

    /// Whether a network is on the rails; `graph` is its lowering.
    pub fn hold(&self, network: &Network, graph: &Graph) -> bool {
        self.rails.excess(network, graph) <= 1.0
    }
}

impl Space {
    /// A random network near `parent`: by the published rules with up to `replacements` blocks mutated
    /// ([`Space::mutate`]), otherwise half of the time such a one within the bounds and half of the time with fine steps.
    pub fn child(
        &self,
        parent: &Network,
        rules: &Rules,
        replacements: usize,
        draw: Draw,
        rng: &mut impl Rng,
    ) -> Network {
        if rules.published {
            return self.mutate(parent, replacements, draw, rng);
        }
        if rng.random_bool(0.5) {
            return self.step(parent, &rules.bounds, draw, rng);
        }
        self.mutate_within(parent, &rules.bounds, replacements, draw, rng)
    }
}
