//! The published CIFAR budget: the search finds networks that score above the published one.

use zen_nas::net::{LowerOptions, Network};
use zen_nas::score::{Sampling, Scratch, Trial, find};
use zen_nas::search::budget::{Budget, Layers, Parameters};
use zen_nas::search::{Checkpoint, Evolution, SearchConfig, StopReason};
use zen_nas::space::{Draw, Rules, Space};

fn config(seed: u64, iterations: u64, threads: usize) -> SearchConfig {
    let space = Space::find("xxbl").unwrap();
    SearchConfig {
        rules: Rules::published(&space),
        initial: space.initial(32),
        space,
        lower: LowerOptions::new(32, 10),
        proxy: find("zen-closed").unwrap(),
        sampling: Sampling::default(),
        budgets: vec![Budget::new(Layers, 18.0), Budget::new(Parameters, 1e6)],
        population_size: SearchConfig::DEFAULT_POPULATION,
        iterations,
        draw: Draw::Uniform,
        seed,
        threads,
    }
}

/// The network published for a million parameters and 18 layers.
const PUBLISHED: &str = "SuperConvK3BNRELU(3,88,1,1)SuperResK1K7K1(88,120,1,16,1)SuperResK1K7K1(120,192,2,16,3)\
    SuperResK1K5K1(192,224,1,24,4)SuperResK1K5K1(224,96,2,24,2)SuperResK1K3K1(96,168,2,40,3)\
    SuperResK1K3K1(168,112,1,48,3)SuperConvK1BNRELU(112,512,1,1)";

#[test]
fn beats_the_published_network() {
    let graph = Network::parse(PUBLISHED).unwrap().lower(&LowerOptions::new(32, 10)).unwrap();
    let published = find("zen-closed").unwrap().score(&graph, &Trial::NONE, &mut Scratch::default()).unwrap();
    assert!((published - 192.08).abs() < 0.005, "{published}");
    for seed in 0..3 {
        let config = config(seed, SearchConfig::DEFAULT_ITERATIONS, 2);
        let mut evolution = Evolution::start(&config).unwrap();
        assert_eq!(evolution.run(&|| false, &mut |_| ()), StopReason::Finished);
        let best = evolution.population().best().unwrap();
        eprintln!("seed {seed}: {:.2} {}", best.score, best.network);
        assert!(best.score >= 196.0, "seed {seed}: {}", best.score);
        assert!(config.budget_uses(&best.network).unwrap().iter().all(|budget| budget.is_met()));
        let counts = evolution.counts();
        let children = counts.accepted + counts.duplicates + counts.not_better + counts.too_small + counts.off_rails;
        assert_eq!(children + counts.over_budget.iter().sum::<u64>(), config.iterations);
    }
}

#[test]
fn threads_do_not_change_the_result() {
    let runs = [1, 2, 3].map(|threads| {
        let config = config(9, 20_000, threads);
        let mut evolution = Evolution::start(&config).unwrap();
        evolution.run(&|| false, &mut |_| ());
        (evolution.population().members().to_vec(), evolution.counts().clone())
    });
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

#[test]
fn a_resumed_search_ends_in_the_same_place() {
    let config = config(4, 20_000, 1);
    let mut whole = Evolution::start(&config).unwrap();
    whole.run(&|| false, &mut |_| ());

    let mut first = Evolution::start(&config).unwrap();
    let batches = std::cell::Cell::new(0);
    let stop = || batches.replace(batches.get() + 1) == 100;
    assert_eq!(first.run(&stop, &mut |_| ()), StopReason::Interrupted);
    let text = serde_json::to_string(&Checkpoint::of(&first)).unwrap();
    let checkpoint: Checkpoint = serde_json::from_str(&text).unwrap();
    assert!(checkpoint.iteration() > 0 && checkpoint.iteration() < config.iterations);
    let mut second = checkpoint.resume(&config).unwrap();
    second.run(&|| false, &mut |_| ());
    assert_eq!(second.population().members(), whole.population().members());
    assert_eq!(second.counts(), whole.counts());
}

#[test]
fn no_duplicates_in_the_population() {
    let config = config(2, 30_000, 2);
    let mut evolution = Evolution::start(&config).unwrap();
    evolution.run(&|| false, &mut |_| ());
    let mut structures: Vec<_> = evolution.population().members().iter().map(|m| m.network.to_string()).collect();
    structures.sort();
    structures.dedup();
    assert_eq!(structures.len(), config.population_size);
}
