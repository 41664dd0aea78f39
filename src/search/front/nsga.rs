//! NSGA-II (Deb et al., 2002) over the space's own mutation: the front where nothing can be solved.
//!
//! A network within the budgets beats every one outside; of two outside the one that misses them less is better. The
//! result depends on the seed and not on the number of threads.

use rand::RngExt;
use rustc_hash::FxHashSet;

use super::super::evolve::{Worker, stream};
use super::super::{SearchConfig, SearchError, feasible};
use super::hypervolume::hypervolume;
use super::{Along, Found, FrontProgress};
use crate::net::Network;
use crate::parallel::in_order;

/// Keeps the random streams apart from those of other searches.
const STREAM: u64 = 5 << 60;
/// The first networks are up to so many mutations from the initial one.
const FIRST_STEPS: u64 = 16;

#[derive(Clone)]
struct Individual {
    network: Network,
    score: f64,
    /// To be small: costs as shares of their limits, and the score with its sign changed.
    aims: Vec<f64>,
    /// How far it is outside budgets and rails; 0 inside.
    excess: f64,
    front: usize,
    crowding: f64,
}

impl Individual {
    fn dominates(&self, other: &Self) -> bool {
        if self.excess > 0.0 || other.excess > 0.0 {
            return self.excess < other.excess;
        }
        dominates(&self.aims, &other.aims)
    }

    /// The crowded comparison: an earlier front, or the same with more room.
    fn is_better(&self, other: &Self) -> bool {
        self.front < other.front || self.front == other.front && self.crowding > other.crowding
    }
}

/// Nowhere worse and somewhere better.
pub(super) fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a != b
}

/// Evolves a population of the configuration's size; the networks of its first front.
pub(super) fn evolve(
    config: &SearchConfig,
    along: &[Along],
    stop: &(dyn Fn() -> bool + Sync),
    observe: &mut dyn FnMut(FrontProgress),
) -> Result<Vec<Found>, SearchError> {
    let mut workers: Vec<Worker> = (0..config.threads.max(1)).map(|_| Worker::new(config)).collect();
    let initial = feasible::find(config, &mut workers[0])?;
    let size = config.population_size.max(4);
    let generations = (config.iterations / size as u64).max(1);
    let mut population: Vec<Individual> = Vec::new();
    for generation in 0..generations {
        let parents = &population;
        let child = |number: u64| -> Network {
            let mut rng = stream(config.seed, STREAM + generation * size as u64 + number);
            let (space, rules) = (&config.space, &config.rules);
            if parents.is_empty() {
                let steps = number % FIRST_STEPS;
                return (0..steps)
                    .fold(initial.clone(), |network, _| space.child(&network, rules, 2, config.draw, &mut rng));
            }
            let [a, b] = [(); 2].map(|()| &parents[rng.random_range(0..parents.len())]);
            space.child(if a.is_better(b) { &a.network } else { &b.network }, rules, 2, config.draw, &mut rng)
        };
        let children = measured(config, along, size as u64, &mut workers, &child);
        let mut seen: FxHashSet<Network> = population.iter().map(|one| one.network.clone()).collect();
        population.extend(children.into_iter().filter(|child| seen.insert(child.network.clone())));
        population = selected(population, size);
        let aims: Vec<Vec<f64>> = first_front(&population).map(|one| one.aims.clone()).collect();
        // Costs of their whole limit, and a score of 0.
        let reference: Vec<f64> = along.iter().map(|axis| if axis.budget().is_some() { 1.0 } else { 0.0 }).collect();
        let share = (generation + 1) as f64 / generations as f64;
        observe(FrontProgress { share, generation: Some((generation, hypervolume(&aims, &reference))) });
        if stop() {
            break;
        }
    }
    let found = first_front(&population);
    Ok(found.map(|one| Found { network: one.network.clone(), score: one.score, bound: None }).collect())
}

fn first_front(population: &[Individual]) -> impl Iterator<Item = &Individual> {
    population.iter().filter(|one| one.front == 0 && one.excess == 0.0)
}

/// Makes and measures children; none where a network cannot be built or has no score.
fn measured(
    config: &SearchConfig,
    along: &[Along],
    count: u64,
    workers: &mut [Worker],
    child: &(dyn Fn(u64) -> Network + Sync),
) -> Vec<Individual> {
    let numbers: Vec<u64> = (0..count).collect();
    let measured = in_order(workers, &numbers, |worker, number| measure(config, along, child(*number), worker));
    measured.into_iter().flatten().collect()
}

fn measure(config: &SearchConfig, along: &[Along], network: Network, worker: &mut Worker) -> Option<Individual> {
    let score = worker.score(config, &network).ok()?;
    let off_rails = (config.rules.rails().excess(&network, &worker.graph) - 1.0).max(0.0);
    let shares: Vec<f64> = (feasible::values(config, &network, worker).iter().zip(&config.budgets))
        .map(|(value, budget)| value / budget.limit)
        .collect();
    let excess = off_rails + shares.iter().map(|share| (share - 1.0).max(0.0)).sum::<f64>();
    let aims = along.iter().map(|axis| axis.budget().map_or(-score, |budget| shares[budget])).collect();
    Some(Individual { network, score, aims, excess, front: 0, crowding: 0.0 })
}

/// The best of parents and children: whole fronts, and of the last one those with most room.
fn selected(mut all: Vec<Individual>, size: usize) -> Vec<Individual> {
    let mut rest: Vec<usize> = (0..all.len()).collect();
    let mut kept = 0;
    let mut front = 0;
    while kept < size && !rest.is_empty() {
        let is_first = |i: &usize| !rest.iter().any(|j| all[*j].dominates(&all[*i]));
        let (first, later): (Vec<usize>, Vec<usize>) = rest.iter().partition(|i| is_first(i));
        let aims: Vec<&[f64]> = first.iter().map(|i| &all[*i].aims[..]).collect();
        let room = crowding(&aims);
        for (i, room) in first.iter().zip(room) {
            (all[*i].front, all[*i].crowding) = (front, room);
        }
        kept += first.len();
        front += 1;
        rest = later;
    }
    for i in rest {
        all[i].front = usize::MAX;
    }
    all.sort_by(|a, b| a.front.cmp(&b.front).then_with(|| b.crowding.total_cmp(&a.crowding)));
    all.truncate(size);
    all
}

/// For each point the distance between its neighbours along each axis, in shares of the axis; infinite at the ends.
pub(super) fn crowding(points: &[&[f64]]) -> Vec<f64> {
    let mut room = vec![0.0; points.len()];
    for axis in 0..points.first().map_or(0, |point| point.len()) {
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|a, b| points[*a][axis].total_cmp(&points[*b][axis]));
        let (first, last) = (order[0], order[order.len() - 1]);
        let width = points[last][axis] - points[first][axis];
        (room[first], room[last]) = (f64::INFINITY, f64::INFINITY);
        for three in order.windows(3).filter(|_| width > 0.0) {
            room[three[1]] += (points[three[2]][axis] - points[three[0]][axis]) / width;
        }
    }
    room
}
