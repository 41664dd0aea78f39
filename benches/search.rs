//! How fast the search is, and what its time goes into.
//!
//! `cargo bench --bench search` runs the default search (480,000 children, ImageNet structures, a
//! latency budget) on one thread, times each stage of a child alone, and sets the whole against
//! evaluating the same children the plain way (every child lowered anew, scored by the form that
//! keeps its parts, predicted with the full breakdown).

use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use zen_nas::latency::{PredictScratch, Predictor, Setting, Store, TableChoice};
use zen_nas::net::{Graph, LowerOptions, Network};
use zen_nas::score::zen::{Variant, closed_form::form1};
use zen_nas::score::{Sampling, Scratch, Taps, Trial, find};
use zen_nas::search::budget::{Budget, Latency, Layers};
use zen_nas::search::{Evolution, SearchConfig};
use zen_nas::space::{Draw, Rails, Space};

/// Children whose stages are timed one by one.
const SAMPLE: usize = 20_000;

/// Times at which parents are taken from the running search.
const SNAPSHOTS: u64 = 50;

/// A budget, its space and the setting it is for.
struct Case {
    space: &'static str,
    setting: &'static str,
    latency_ms: f64,
}

const CASES: [Case; 3] = [
    Case { space: "xxbl", setting: "t4/tensorrt/int8/b1", latency_ms: 5.0 },
    Case { space: "xxbl", setting: "v100/published/fp16/b64", latency_ms: 0.2 * 64.0 },
    Case { space: "idw", setting: "pixel2/published/fp32/b1", latency_ms: 90.0 },
];

fn main() {
    let store = Store::in_memory().expect("an empty database");
    for case in &CASES {
        bench(&store, case);
    }
}

fn config(store: &Store, case: &Case) -> SearchConfig {
    let space = Space::find(case.space).expect("a built-in space");
    SearchConfig {
        rails: Rails::default(),
        space,
        initial: space.initial(224),
        lower: LowerOptions::new(224, 1000),
        proxy: find("zen-closed").expect("a built-in proxy"),
        sampling: Sampling::default(),
        budgets: vec![
            Budget::new(Layers, space.default_max_layers as f64),
            Budget::new(Latency::new(predictor(store, case).into()), case.latency_ms),
        ],
        population_size: SearchConfig::DEFAULT_POPULATION,
        iterations: SearchConfig::DEFAULT_ITERATIONS,
        draw: Draw::Uniform,
        seed: 0,
        threads: 1,
    }
}

fn predictor(store: &Store, case: &Case) -> Predictor {
    let setting: Setting = case.setting.parse().expect("a setting");
    Predictor::from_table(&store.require_table(&setting, &TableChoice::Best).expect("a built-in table"))
        .expect("a model")
}

fn bench(store: &Store, case: &Case) {
    let config = config(store, case);
    let started = Instant::now();
    let mut evolution = Evolution::start(&config).expect("a feasible budget");
    // Parents from all along the search, since children grow while it runs.
    let mut parents: Vec<Network> = Vec::new();
    let mut next = 0;
    evolution.run(&|| false, &mut |evolution| {
        if evolution.iteration() >= next {
            next += config.iterations / SNAPSHOTS;
            parents.extend(evolution.population().members().iter().step_by(4).map(|member| member.network.clone()));
        }
    });
    let elapsed = started.elapsed();
    let counts = evolution.counts();
    let best = evolution.population().best().expect("a result");
    println!(
        "{} under {} ms on {}: {} children in {:.2} s on one thread, {:.0} a second, best {:.2}",
        case.space,
        case.latency_ms,
        case.setting,
        config.iterations,
        elapsed.as_secs_f64(),
        config.iterations as f64 / elapsed.as_secs_f64(),
        best.score
    );
    println!("  {counts:?}");

    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut children = Vec::with_capacity(SAMPLE);
    let mutation = time(SAMPLE, |_| {
        let parent = &parents[rng.random_range(0..parents.len())];
        children.push(config.space.mutate(parent, 2, config.draw, &mut rng));
    });
    // Only those within the layers go on.
    children.retain(|child| child.layers() <= config.space.default_max_layers);
    let sample = children.len();
    let predictor = predictor(store, case);
    let (mut graph, mut scratch, mut memo) = (Graph::default(), Scratch::default(), PredictScratch::default());
    // Stages are timed one upon the other, as they run: a graph is in cache when it is scored.
    let mut up_to = |stages: usize| {
        time(sample, |i| {
            children[i].lower_into(&config.lower, &mut graph).expect("a child lowers");
            if stages > 1 {
                black_box(config.proxy.score(&graph, &Trial::NONE, &mut scratch).expect("a closed form"));
            }
            if stages > 2 {
                black_box(predictor.predict_ms(&graph, &mut memo));
            }
        })
    };
    // The first round warms the memo, which is warm after a fraction of a search.
    up_to(3);
    let (lowering, scored, predicted) = (up_to(1), up_to(2), up_to(3));
    let (score, latency) = (scored.saturating_sub(lowering), predicted.saturating_sub(scored));

    // How many children reach each stage: layers are checked before lowering, latency after the
    // score and only for those that would enter.
    let all = config.iterations as f64;
    let reach_score = all - (counts.over_budget[0] + counts.duplicates) as f64;
    let reach_latency = (counts.accepted + counts.over_budget[1]) as f64;
    let mut rest = 1.0;
    for (stage, each, reached) in [
        ("mutation", mutation, all),
        ("lowering", lowering, reach_score),
        ("score", score, reach_score),
        ("latency", latency, reach_latency),
    ] {
        let share = each.as_secs_f64() * reached / elapsed.as_secs_f64();
        rest -= share;
        println!(
            "  {stage:<10} {:>7} ns each, {reached:>7} children, {:>4.0}% of the time",
            each.as_nanos(),
            share * 100.0
        );
    }
    println!("  {:<10} {:>45.0}% of the time (duplicates, population, unwarmed caches)", "rest", rest * 100.0);

    let plain = time(sample, |i| {
        let graph = children[i].lower(&config.lower).expect("a child lowers");
        black_box(form1(&graph, &mut Taps::default()).score(Variant::Paper));
        black_box(predictor.predict(&graph).ms);
    });
    let fast = mutation + lowering + score + latency;
    println!(
        "  every stage {} ns; the plain way {} ns without mutation: {:.1} times slower\n",
        fast.as_nanos(),
        plain.as_nanos(),
        plain.as_secs_f64() / (lowering + score + latency).as_secs_f64()
    );
}

/// Mean time of one call.
fn time(calls: usize, mut f: impl FnMut(usize)) -> Duration {
    let started = Instant::now();
    for i in 0..calls {
        f(i);
    }
    started.elapsed() / calls as u32
}
