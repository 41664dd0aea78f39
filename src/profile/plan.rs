//! Which operators are worth measuring for a search space.
//!
//! Random networks of the space say which operators it needs; a bounded number of them is chosen
//! so that every shape has a measured neighbour. The order is good at any length: a plan of more
//! operators begins with the plan of fewer. Not here: timing, and which network uncertainty pays.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::ProfileError;
use crate::latency::{Fuser, KeyKind, OperatorKey};
use crate::net::{Graph, LowerError, LowerOptions, Network};
use crate::space::{Draw, Space};

/// Most operators that are planned.
pub const MAX_OPERATORS: u32 = 100_000;

/// Networks that say what a space needs.
const DRAWN_NETWORKS: usize = 400;
/// Mutations between the initial network and a drawn one, at most.
const MAX_MUTATIONS: u32 = 40;
/// Drawn networks have at most this many times the FLOPs of the initial one.
const MAX_FLOPS_FACTOR: u64 = 4;
/// Operators of each stratum that come before any stratum's share of the work counts.
const MIN_OF_EACH: usize = 4;
/// Distance between operators of one shape whose fusions differ, in octaves.
const FUSION_DISTANCE: f64 = 0.5;

/// What is planned for.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    pub space: &'static Space,
    pub lower: LowerOptions,
    /// Operators to choose at most.
    pub operators: usize,
    pub seed: u64,
}

/// Operators to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Most useful first.
    pub keys: Vec<OperatorKey>,
    /// Distinct operators that the drawn networks have.
    pub distinct: usize,
    /// Networks that were drawn to find them.
    pub networks: usize,
}

/// Plans the operators of a space. The same options give the same plan.
///
/// # Errors
/// When the space's initial network does not fit the resolution.
pub fn plan(options: &PlanOptions) -> Result<Plan, ProfileError> {
    let drawn = draw_networks(options.space, &options.lower, DRAWN_NETWORKS, options.seed)?;
    let mut counts: BTreeMap<OperatorKey, u32> = BTreeMap::new();
    let mut fuser = Fuser::default();
    for (_, graph) in &drawn {
        for key in fuser.fuse(graph) {
            *counts.entry(*key).or_default() += 1;
        }
    }
    let distinct = counts.len();
    Ok(Plan { keys: choose(counts, options.operators), distinct, networks: drawn.len() })
}

/// Random networks of a space with their graphs: mutations away from its initial network, within
/// its default number of layers and [`MAX_FLOPS_FACTOR`] times the initial FLOPs.
///
/// # Errors
/// When the space's initial network does not fit the resolution.
pub fn draw_networks(
    space: &'static Space,
    lower: &LowerOptions,
    count: usize,
    seed: u64,
) -> Result<Vec<(Network, Graph)>, LowerError> {
    let rng = &mut Pcg64Mcg::seed_from_u64(seed);
    let initial = space.initial(lower.resolution);
    let initial_graph = initial.lower(lower)?;
    let max_flops = MAX_FLOPS_FACTOR * initial_graph.cost().flops;
    let draw = |_| {
        let (mut network, mut graph) = (initial.clone(), initial_graph.clone());
        for _ in 0..rng.random_range(1..=MAX_MUTATIONS) {
            let child = space.mutate(&network, 1, Draw::Uniform, rng);
            // A child that leaves the limits is dropped; the walk goes on from its parent.
            if let Ok(child_graph) = child.lower(lower)
                && child.layers() <= space.default_max_layers
                && child_graph.cost().flops <= max_flops
            {
                (network, graph) = (child, child_graph);
            }
        }
        (network, graph)
    };
    Ok((0..count).map(draw).collect())
}

/// Operators whose times follow one another: the same loops over other sizes.
type Stratum = (KeyKind, u32, u32, bool);

fn stratum(key: &OperatorKey) -> Stratum {
    (key.kind, key.kernel, key.stride, key.in_channels == 3)
}

/// Chooses operators: every stratum gets a few, then strata take turns by the root of their work,
/// so that those with much work are known best and none is known badly.
fn choose(counts: BTreeMap<OperatorKey, u32>, limit: usize) -> Vec<OperatorKey> {
    let mut strata: BTreeMap<Stratum, Candidates> = BTreeMap::new();
    for (key, count) in counts {
        strata.entry(stratum(&key)).or_default().add(key, count);
    }
    let mut strata: Vec<Candidates> = strata.into_values().collect();
    let mut chosen = Vec::new();
    while chosen.len() < limit {
        // D'Hondt's rule.
        let turn = |candidates: &Candidates| {
            let votes = candidates.work.sqrt() / (candidates.chosen + 1) as f64;
            (MIN_OF_EACH.saturating_sub(candidates.chosen), votes)
        };
        let open = strata.iter_mut().filter(|candidates| !candidates.left.is_empty());
        let Some(next) = open.max_by(|a, b| {
            let ((a_first, a_work), (b_first, b_work)) = (turn(a), turn(b));
            a_first.cmp(&b_first).then(a_work.total_cmp(&b_work))
        }) else {
            break;
        };
        chosen.push(next.take());
    }
    chosen
}

/// The operators of one stratum that are not chosen yet.
#[derive(Default)]
struct Candidates {
    left: Vec<Candidate>,
    chosen: usize,
    /// Of all its operators in all drawn networks, see [`work`].
    work: f64,
}

struct Candidate {
    key: OperatorKey,
    /// How often it occurs.
    count: u32,
    /// To the nearest chosen operator, in octaves.
    distance: f64,
}

impl Candidates {
    fn add(&mut self, key: OperatorKey, count: u32) {
        self.work += count as f64 * work(&key);
        self.left.push(Candidate { key, count, distance: f64::INFINITY });
    }

    /// Takes the one farthest from all chosen ones, common ones preferred; first the commonest.
    fn take(&mut self) -> OperatorKey {
        let first = self.chosen == 0;
        let worth = |candidate: &Candidate| {
            let commonness = 1.0 + (candidate.count as f64).ln();
            if first { commonness } else { commonness * candidate.distance }
        };
        let best = (0..self.left.len()).max_by(|a, b| worth(&self.left[*a]).total_cmp(&worth(&self.left[*b])));
        // Only called while candidates are left.
        let taken = self.left.swap_remove(best.unwrap_or(0)).key;
        for candidate in &mut self.left {
            candidate.distance = candidate.distance.min(distance(&candidate.key, &taken));
        }
        self.chosen += 1;
        taken
    }
}

/// Rough work of an operator: multiply-adds, and elements moved, each as dear as several.
fn work(key: &OperatorKey) -> f64 {
    key.flops() as f64 + 8.0 * (key.in_elements() + key.out_elements()) as f64
}

/// Distance between two operators of a stratum in octaves of channels and side.
fn distance(a: &OperatorKey, b: &OperatorKey) -> f64 {
    let octaves = |a: u32, b: u32| (a as f64 / b as f64).log2();
    let fusion = if (a.activation, a.residual_add) == (b.activation, b.residual_add) { 0.0 } else { FUSION_DISTANCE };
    let squares = [
        octaves(a.in_channels, b.in_channels),
        octaves(a.out_channels, b.out_channels),
        octaves(a.in_height, b.in_height),
        fusion,
    ];
    squares.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn options(space: &str, operators: usize) -> PlanOptions {
        let lower = LowerOptions { squeeze_excite: space == "idw", ..LowerOptions::new(64, 100) };
        PlanOptions { space: Space::find(space).unwrap(), lower, operators, seed: 1 }
    }

    #[test]
    fn longer_plans_begin_with_shorter_ones() {
        for space in ["xxbl", "idw"] {
            let long = plan(&options(space, 300)).unwrap();
            assert_eq!(long.keys.len(), 300);
            assert_eq!(long.keys.iter().collect::<BTreeSet<_>>().len(), 300);
            assert_eq!(plan(&options(space, 40)).unwrap().keys, long.keys[..40]);
            assert_ne!(plan(&PlanOptions { seed: 2, ..options(space, 300) }).unwrap().keys, long.keys);
        }
    }

    #[test]
    fn every_operator_of_fresh_networks_has_a_planned_neighbour() {
        for space in ["xxbl", "idw"] {
            let options = options(space, 300);
            let keys = plan(&options).unwrap().keys;
            let fresh = draw_networks(options.space, &options.lower, 50, 99).unwrap();
            let mut fuser = Fuser::default();
            let (mut sum, mut count) = (0.0, 0.0);
            for (_, graph) in &fresh {
                for key in fuser.fuse(graph) {
                    let same = keys.iter().filter(|known| stratum(known) == stratum(key));
                    let nearest = same.map(|known| distance(known, key)).fold(f64::INFINITY, f64::min);
                    assert!(nearest <= 3.5, "{key} is {nearest} octaves from the plan");
                    sum += nearest;
                    count += 1.0;
                }
            }
            assert!(sum / count < 0.6, "{space}: {}", sum / count);
        }
    }

    #[test]
    fn drawn_networks_keep_the_limits() {
        let space = Space::find("xxbl").unwrap();
        let lower = LowerOptions::new(224, 1000);
        let drawn = draw_networks(space, &lower, 30, 7).unwrap();
        let limit = MAX_FLOPS_FACTOR * space.initial(224).lower(&lower).unwrap().cost().flops;
        let distinct: BTreeSet<_> = drawn.iter().map(|(network, _)| network.to_string()).collect();
        assert!(distinct.len() > 25);
        for (network, graph) in &drawn {
            assert!(network.layers() <= space.default_max_layers && graph.cost().flops <= limit);
        }
        assert!(draw_networks(space, &LowerOptions::new(0, 10), 1, 0).is_err());
    }
}
