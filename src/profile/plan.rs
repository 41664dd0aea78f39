//! Which operators are worth measuring for a search space.
//!
//! Random networks of the space say which operators it needs; a bounded number of them is chosen
//! so that every shape has a measured neighbour. The order is good at any length: a plan of more
//! operators begins with the plan of fewer. Not here: timing, and which network uncertainty pays.

use std::collections::BTreeMap;

use super::ProfileError;
use super::draw::{Source, draw_networks};
use crate::latency::{Fuser, KeyKind, OperatorKey};

/// Most operators that are planned.
pub const MAX_OPERATORS: u32 = 100_000;

/// Networks that say what a space needs.
const DRAWN_NETWORKS: usize = 400;
/// Operators of each stratum that come before any stratum's share of the work counts.
const MIN_OF_EACH: usize = 4;
/// Distance between operators of one shape whose fusions differ, in octaves.
const FUSION_DISTANCE: f64 = 0.5;

/// What is planned for.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Where the networks come from whose operators are wanted; at least one.
    pub sources: Vec<Source>,
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
/// When a space's initial network does not fit its resolution.
pub fn plan(options: &PlanOptions) -> Result<Plan, ProfileError> {
    let drawn = draw_networks(&options.sources, DRAWN_NETWORKS, options.seed)?;
    let mut counts: BTreeMap<OperatorKey, u32> = BTreeMap::new();
    let mut fuser = Fuser::default();
    for drawn in &drawn {
        for key in fuser.fuse(&drawn.graph) {
            *counts.entry(*key).or_default() += 1;
        }
    }
    let distinct = counts.len();
    Ok(Plan { keys: choose(counts, options.operators), distinct, networks: drawn.len() })
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
    use crate::net::LowerOptions;
    use crate::space::Space;
    use std::collections::BTreeSet;

    fn options(space: &str, operators: usize) -> PlanOptions {
        let lower = LowerOptions { squeeze_excite: space == "idw", ..LowerOptions::new(64, 100) };
        PlanOptions { sources: vec![Source { space: Space::find(space).unwrap(), lower }], operators, seed: 1 }
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
            let fresh = draw_networks(&options.sources, 50, 99).unwrap();
            let mut fuser = Fuser::default();
            let (mut sum, mut count) = (0.0, 0.0);
            for drawn in &fresh {
                for key in fuser.fuse(&drawn.graph) {
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
}
