//! Random networks of search spaces: what tables are made from, and what they are checked on.
//!
//! A network is some mutations away from its space's initial one, within the limits of a search.
//! Not here: which of them are worth measuring.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::latency::NetworkCheck;
use crate::net::{Graph, LowerError, LowerOptions, Network};
use crate::space::{Draw, Space};

/// Mutations between the initial network and a drawn one, at most.
const MAX_MUTATIONS: u32 = 40;
/// Drawn networks have at most this many times the FLOPs of the initial one.
pub(super) const MAX_FLOPS_FACTOR: u64 = 4;
/// Tells the networks of sources of one space from each other.
const SAME_SPACE_STREAM: u64 = 0x5e5e_6a7e_d000_0001;

/// Where networks come from: a space, and what its structures leave open.
#[derive(Clone, Debug)]
pub struct Source {
    pub space: Arc<Space>,
    pub lower: LowerOptions,
}

impl Source {
    /// For people: `idw with squeeze-and-excitation at 224x224`.
    /// The same as an id that stays: `idw+se@224x224`.
    pub fn id(&self) -> String {
        let Self { space, lower } = self;
        let gates = if lower.squeeze_excite { "+se" } else { "" };
        format!("{}{gates}@{side}x{side}", space.name, side = lower.resolution)
    }

    /// For people.
    pub fn describe(&self) -> String {
        let Self { space, lower } = self;
        let gates = if lower.squeeze_excite { " with squeeze-and-excitation" } else { "" };
        format!("{}{gates} at {side}x{side}", space.name, side = lower.resolution)
    }
}

/// A drawn network.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub source: Source,
    pub network: Network,
    pub graph: Graph,
}

impl Drawn {
    /// The network as one that was predicted and measured, held out.
    pub(super) fn check(&self, predicted_ms: f64, measured_ms: f64, stderr_ms: Option<f64>) -> NetworkCheck {
        let structure = self.network.to_string();
        NetworkCheck::new(structure, &self.source.lower, predicted_ms, measured_ms, stderr_ms)
    }
}

/// A stream of random networks that takes the sources in turn.
#[derive(Debug)]
pub struct Drawer {
    sources: Vec<Walk>,
    next: usize,
}

#[derive(Debug)]
struct Walk {
    source: Source,
    initial: Network,
    graph: Graph,
    rng: Pcg64Mcg,
}

impl Drawer {
    /// The same sources and seed give the same networks.
    ///
    /// # Errors
    /// When a space's initial network does not fit its resolution.
    pub fn new(sources: &[Source], seed: u64) -> Result<Self, LowerError> {
        let walk = |(index, source): (usize, &Source)| {
            let initial = source.space.initial(source.lower.resolution);
            let graph = initial.lower(&source.lower)?;
            // A space that was there before, with gates or without, draws other networks this time.
            let again = sources[..index].iter().filter(|earlier| earlier.space.name == source.space.name).count();
            let seed = seed ^ SAME_SPACE_STREAM.wrapping_mul(again as u64);
            Ok(Walk { source: source.clone(), initial, graph, rng: Pcg64Mcg::seed_from_u64(seed) })
        };
        Ok(Self { sources: sources.iter().enumerate().map(walk).collect::<Result<_, LowerError>>()?, next: 0 })
    }

    /// The next network; none without sources.
    pub fn draw(&mut self) -> Option<Drawn> {
        let count = self.sources.len().max(1);
        let walk = self.sources.get_mut(self.next % count)?;
        self.next += 1;
        Some(walk.draw())
    }
}

impl Walk {
    fn draw(&mut self) -> Drawn {
        let Source { space, lower } = &self.source;
        let max_flops = MAX_FLOPS_FACTOR * self.graph.cost().flops;
        let (mut network, mut graph) = (self.initial.clone(), self.graph.clone());
        for _ in 0..self.rng.random_range(1..=MAX_MUTATIONS) {
            let child = space.mutate(&network, 1, Draw::Uniform, &mut self.rng);
            // A child that leaves the limits is dropped; the walk goes on from its parent.
            if let Ok(child_graph) = child.lower(lower)
                && child.layers() <= space.default_max_layers
                && child_graph.cost().flops <= max_flops
            {
                (network, graph) = (child, child_graph);
            }
        }
        Drawn { source: self.source.clone(), network, graph }
    }
}

/// The first networks of a [`Drawer`].
///
/// # Errors
/// As [`Drawer::new`].
pub fn draw_networks(sources: &[Source], count: usize, seed: u64) -> Result<Vec<Drawn>, LowerError> {
    let mut drawer = Drawer::new(sources, seed)?;
    Ok((0..count).map_while(|_| drawer.draw()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn drawn_networks_keep_the_limits() {
        let space = Space::find("xxbl").unwrap();
        let source = Source { space: space.clone(), lower: LowerOptions::new(224, 1000) };
        let drawn = draw_networks(std::slice::from_ref(&source), 30, 7).unwrap();
        let limit = MAX_FLOPS_FACTOR * space.initial(224).lower(&source.lower).unwrap().cost().flops;
        let distinct: BTreeSet<_> = drawn.iter().map(|drawn| drawn.network.to_string()).collect();
        assert!(distinct.len() > 25);
        for Drawn { network, graph, .. } in &drawn {
            assert!(network.layers() <= space.default_max_layers && graph.cost().flops <= limit);
        }
        let too_small = Source { space, lower: LowerOptions::new(0, 10) };
        assert!(draw_networks(&[too_small], 1, 0).is_err());
    }

    #[test]
    fn sources_take_turns_and_do_not_disturb_each_other() {
        let source = |name: &str| Source { space: Space::find(name).unwrap(), lower: LowerOptions::new(64, 10) };
        let text = |drawn: &Drawn| drawn.network.to_string();
        let alone: Vec<_> = draw_networks(&[source("idw")], 2, 3).unwrap().iter().map(text).collect();
        let both = draw_networks(&[source("xxbl"), source("idw")], 4, 3).unwrap();
        assert_eq!(
            both.iter().map(|drawn| drawn.source.space.name.as_str()).collect::<Vec<_>>(),
            ["xxbl", "idw", "xxbl", "idw"]
        );
        assert_eq!([text(&both[1]), text(&both[3])], *alone);
        assert!(draw_networks(&[], 4, 3).unwrap().is_empty());
        let idw = source("idw");
        let gated = Source { lower: LowerOptions { squeeze_excite: true, ..idw.lower }, ..idw.clone() };
        let drawn: Vec<_> = draw_networks(&[idw, gated], 4, 3).unwrap().iter().map(text).collect();
        assert_eq!([&drawn[0], &drawn[2]], [&alone[0], &alone[1]]);
        assert!(drawn[1] != drawn[0] && drawn[3] != drawn[2]);
    }
}
