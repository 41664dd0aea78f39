//! Slots against lowered blocks, the solver against enumeration and against evolution.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::slot::{Part, Values, slots};
use super::*;
use crate::latency::{OperatorKey, Predictor, Store, TableChoice};
use crate::net::block::BlockKind;
use crate::net::{LowerOptions, SuperBlock};
use crate::score::{Sampling, find};
use crate::search::Evolution;
use crate::search::budget::{Budget, Flops, Latency, Layers, Parameters};
use crate::space::{Draw, Rules, Space};

/// Every operator of every residual block type comes from a slot, for any channels and with equal ones.
#[test]
fn slots_are_the_operators_of_their_blocks() {
    let rng = &mut Pcg64Mcg::seed_from_u64(1);
    let residual = BlockKind::all().filter(|kind| kind.family().residual && kind.family().name != "example");
    for kind in residual {
        for squeeze_excite in [false, true] {
            let options = LowerOptions { squeeze_excite, ..LowerOptions::new(20, 10) };
            let stride = rng.random_range(1..=2);
            let block = SuperBlock {
                kind,
                in_channels: 8,
                out_channels: 8,
                stride,
                bottleneck: kind.family().bottleneck.then_some(8),
                sub_layers: 1,
            };
            for _ in 0..20 {
                let mut channels = || 8 * rng.random_range(1..=4);
                let values = Values { input: channels(), middle: channels(), output: channels() };
                for part in [Part::First, Part::Further] {
                    let found = slots(&block, part, &options, 20).unwrap();
                    let mut found: Vec<_> = found.iter().filter_map(|slot| slot.at(values)).collect();
                    let mut real = super::slot::atoms(&block, part, values, &options).unwrap();
                    let key = |atom: &super::atom::Atom| format!("{atom:?}");
                    found.sort_by_key(key);
                    real.sort_by_key(key);
                    assert_eq!(found, real, "{} {part:?} {values:?}", kind.name());
                }
            }
        }
    }
}

/// A space that can be enumerated.
const TOY: &str = r#"
name = "toy"
types = [["SuperResK3K3"], ["SuperResK1K5K1"]]
max_layers = 5
channels = { least = 8, most = 24 }
bottleneck = { most = 16 }
stem = { least = 8, most = 16, stride = 1 }
tail = { least = 16, most = 32, multiple = 16 }
[[stages]]
stride = 1
[[stages]]
stride = 2
"#;

fn config(space: Arc<Space>, resolution: u32, budgets: Vec<Budget>, seed: u64) -> SearchConfig {
    SearchConfig {
        rules: Rules::within(&space, &space.rails).unwrap(),
        initial: space.initial(resolution),
        space,
        lower: LowerOptions::new(resolution, 10),
        proxy: find("zen-closed").unwrap(),
        sampling: Sampling::default(),
        budgets,
        population_size: 64,
        iterations: 3000,
        draw: Draw::Uniform,
        seed,
        threads: 1,
    }
}

/// All networks of the toy space with at most `layers` layers in the stages.
fn enumerate(space: &Space, layers: u32) -> Vec<Network> {
    let initial = space.initial(16);
    let [stem, .., tail] = initial.blocks() else { panic!("an initial structure") };
    let kinds = &space.kinds;
    let mut found = Vec::new();
    // Open networks with the layers left and the stage they are in.
    let mut open: Vec<(Vec<SuperBlock>, u32, usize)> =
        [8, 16].map(|width| (vec![SuperBlock { out_channels: width, ..*stem }], layers, 0)).to_vec();
    while let Some((blocks, left, stage)) = open.pop() {
        let in_channels = blocks[blocks.len() - 1].out_channels;
        if stage == 2 {
            found.extend([16, 32].map(|out_channels| {
                let tail = SuperBlock { in_channels, out_channels, ..*tail };
                Network::new(blocks.iter().copied().chain([tail]).collect()).unwrap()
            }));
        }
        // Another block of the stage, or the first of the next.
        for (next, stride) in [(stage, 1), (stage + 1, if stage == 1 { 2 } else { 1 })] {
            if next == 0 || next > 2 {
                continue;
            }
            for kind in kinds {
                for out_channels in [8, 16, 24] {
                    for bottleneck in [8, 16] {
                        for sub_layers in 1..=left {
                            let bottleneck = Some(bottleneck);
                            let block =
                                SuperBlock { kind: *kind, in_channels, out_channels, stride, bottleneck, sub_layers };
                            let mut blocks = blocks.clone();
                            blocks.push(block);
                            open.push((blocks, left - sub_layers, next));
                        }
                    }
                }
            }
        }
    }
    found
}

/// The bound is the lowest that prices can give, and the best network is found.
#[test]
fn a_toy_space_is_solved_exactly() {
    let space = Arc::new(Space::parse(TOY, "toy").unwrap());
    let networks = enumerate(&space, 3);
    assert!(networks.len() > 10_000, "{}", networks.len());
    let plain = config(space.clone(), 16, Vec::new(), 0);
    let mut worker = crate::search::evolve::Worker::new(&plain);
    // Score, parameters, score without its end, layers.
    let known: Vec<(f64, f64, f64, u32)> = networks
        .iter()
        .map(|network| {
            let score = worker.score(&plain, network).unwrap();
            let parameters = worker.graph.parameters_and_flops().0 as f64;
            (score, parameters, score - end_of(&plain, &worker.graph), network.layers())
        })
        .collect();
    // The end of the score is bounded by the number of layers.
    let ends = {
        let config = config(space.clone(), 16, vec![Budget::new(Layers, 5.0)], 0);
        let problem = Problem::new(&config).unwrap();
        problem.frame.ends(problem.score, 3)
    };
    let bounded = |(_, _, before, layers): &(f64, f64, f64, u32)| before + ends[*layers as usize - 2].unwrap();
    for price in [0.0, 0.5e-3, 1e-3, 2e-3] {
        // What this network has of the budget is its limit: there no price is better than this one.
        let worth = |known: &(f64, f64, f64, u32)| bounded(known) - price * known.1;
        let best = known.iter().max_by(|a, b| worth(a).total_cmp(&worth(b))).unwrap();
        let budgets = vec![Budget::new(Layers, 5.0), Budget::new(Parameters, best.1)];
        let config = config(space.clone(), 16, budgets, 0);
        let solution = Problem::new(&config).unwrap().solve(&|| false, &mut |_| ()).unwrap();
        let bound = solution.certificate.bound;
        assert!((bound - bounded(best)).abs() < 2e-3, "{price}: {bound} beside {}", bounded(best));
        let within = known.iter().filter(|(_, parameters, ..)| *parameters <= best.1);
        let optimum = within.map(|(score, ..)| *score).fold(f64::NEG_INFINITY, f64::max);
        let (network, score) = &solution.networks[0];
        assert!((score - optimum).abs() < 1e-9, "{price}: {network} has {score}, the best {optimum}");
    }
}

/// What the scalar of the score is worth behind the trunk of a network.
fn end_of(config: &SearchConfig, graph: &Graph) -> f64 {
    let score = config.proxy.additive().unwrap();
    let trunk = graph.operators().iter().map(|operator| graph.lone(operator));
    let trunk = trunk.filter(|operator| operator.trunk_conv().is_some()).skip(1);
    score.end(trunk.fold(score.carry_start(), |carry, operator| score.carry(carry, &operator)))
}

fn latency(setting: &str, limit_ms: f64) -> Budget {
    let setting = setting.parse().unwrap();
    let table = Store::in_memory().unwrap().table(&setting, &TableChoice::BuiltIn).unwrap().unwrap();
    Budget::new(Latency::new(Predictor::from_table(&table).unwrap().into()), limit_ms)
}

/// Under one and under two budgets, a latency among them, no seed of evolution finds more than the bound.
#[test]
fn no_evolution_exceeds_a_bound() {
    let space = Space::built_in("xxbl").unwrap();
    let cases: [fn() -> Vec<Budget>; 3] = [
        || vec![Budget::new(Layers, 14.0), Budget::new(Parameters, 3e5)],
        || vec![Budget::new(Layers, 14.0), Budget::new(Parameters, 3e5), Budget::new(Flops, 4e7)],
        || vec![Budget::new(Layers, 12.0), latency("pixel2/tflite/fp32/b1/t1", 20.0)],
    ];
    for (case, budgets) in cases.iter().enumerate() {
        let solved = config(space.clone(), 32, budgets(), 0);
        let solution = Problem::new(&solved).unwrap().solve(&|| false, &mut |_| ()).unwrap();
        let (bound, best) = (solution.certificate.bound, solution.networks[0].1);
        assert!(best <= bound && (bound - best) / best < 0.01, "case {case}: {best} of {bound}");
        assert!(solution.networks.iter().all(|(network, _)| {
            let graph = network.lower(&solved.lower).unwrap();
            solved.rules.hold(network, &graph) && solved.budget_uses(network).unwrap().iter().all(|used| used.is_met())
        }));
        for seed in 0..6 {
            let evolved = config(space.clone(), 32, budgets(), seed);
            let mut evolution = Evolution::start(&evolved).unwrap();
            evolution.run(&|| false, &mut |_| ());
            let found = evolution.population().best().unwrap().score;
            assert!(found <= bound, "case {case}, seed {seed}: {found} of {bound}");
        }
    }
}

/// For many limits at once as for each alone, and nowhere above a bound.
#[test]
fn a_front_is_solved_as_its_points_are() {
    let space = Arc::new(Space::parse(TOY, "toy").unwrap());
    let budgets = || vec![Budget::new(Layers, 5.0), Budget::new(Parameters, 14_000.0)];
    let config = config(space.clone(), 16, budgets(), 0);
    let limits = [14_000.0, 11_000.0, 9_000.0, 7_500.0, 6_000.0, 100.0];
    let points: Vec<Vec<f64>> = limits.iter().map(|limit| vec![*limit]).collect();
    let problem = Problem::new(&config).unwrap();
    let solutions = problem.solve_front(&[1], &points, &|| false, &mut |_| ()).unwrap();
    let mut worker = crate::search::evolve::Worker::new(&config);
    let known: Vec<(f64, f64)> = enumerate(&space, 3)
        .iter()
        .map(|network| {
            let score = worker.score(&config, network).unwrap();
            (score, worker.graph.parameters_and_flops().0 as f64)
        })
        .collect();
    for (limit, solution) in limits.iter().zip(&solutions) {
        let within = known.iter().filter(|(_, parameters)| parameters <= limit);
        let Some(optimum) = within.map(|(score, _)| *score).reduce(f64::max) else {
            assert!(solution.networks.is_empty(), "{limit}");
            continue;
        };
        let score = solution.networks[0].1;
        assert!(score <= optimum + 1e-9 && score > optimum * 0.98, "{limit}: {score}, the best {optimum}");
        assert!(solution.certificate.bound >= optimum, "{limit}");
    }
    assert!(solutions[5].networks.is_empty());
    assert!(matches!(problem.solve_front(&[0], &points, &|| false, &mut |_| ()), Err(SolveError::Axis("layers"))));
}

/// A rail that no network is on is no reason to stop in the middle.
#[test]
fn rails_without_a_network_leave_no_solution() {
    let space = Space::built_in("xxbl").unwrap();
    let rails = Rails { tail_share: Some(1e-8), ..space.rails.clone() };
    let budgets = vec![Budget::new(Layers, 12.0), Budget::new(Parameters, 3e5)];
    let config = SearchConfig { rules: Rules::within(space, &rails).unwrap(), ..config(space.clone(), 32, budgets, 0) };
    let solution = Problem::new(&config).unwrap().solve(&|| false, &mut |_| ()).unwrap();
    assert!(solution.networks.is_empty() && solution.alternatives.is_empty());
}

/// The same networks in the same order, whatever the number of threads.
#[test]
fn threads_do_not_change_the_solution() {
    let space = Space::built_in("xxbl").unwrap();
    let solve = |threads| {
        let budgets = vec![Budget::new(Layers, 12.0), Budget::new(Parameters, 2e5)];
        let config = SearchConfig { threads, ..config(space.clone(), 32, budgets, 0) };
        let solution = Problem::new(&config).unwrap().solve(&|| false, &mut |_| ()).unwrap();
        (solution.certificate, solution.networks.into_iter().take(20).collect::<Vec<_>>())
    };
    assert_eq!(solve(1), solve(3));
}

/// What the sum of a latency's operators stays below says nothing about what a host adds.
#[test]
fn sums_of_operators_are_those_of_the_prediction() {
    let budget = latency("t4/tensorrt/fp16/b1", 5.0);
    let additive = budget.quantity.additive(5.0).unwrap();
    let Sum::Fused(of) = &additive.sum else { panic!("a latency sums operators as they run") };
    assert!(of(&OperatorKey::conv(3, 1, 64, 64, 56)) > 0.0 && additive.limit > 0.0);
}
