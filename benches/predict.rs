//! How long predicting a network takes: warm, as in a search, cold, as on the first network, and from the start of a program.
//!
//! `cargo bench --bench predict` predicts networks of 60 to 100 operators on one thread. Warm: every
//! operator was seen before. Cold: nothing was, each operator is looked up or interpolated anew. The
//! plain way is the full breakdown with its evidence and interval, which neither keeps. From the start: a whole
//! `zen-score` with a latency, and the same without one as the baseline.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use zen_nas::latency::{Fuser, PredictScratch, Predictor, Setting, Store, TableChoice};
use zen_nas::net::{Graph, LowerOptions};
use zen_nas::space::{Draw, SPACES};

const SETTINGS: [&str; 4] =
    ["v100/tensorrt/fp32/b64", "cpu-amd-epyc/tract/fp32/b1/t1", "t4/tensorrt/int8/b1", "t4/tensorrt/int8/b64"];
/// Networks, their operators at least and at most, and the mutations behind each at most.
const NETWORKS: usize = 1000;
const OPERATORS: (usize, usize) = (60, 100);
const MUTATIONS: usize = 60;
/// Rounds over the networks; the fastest counts.
const ROUNDS: usize = 5;
/// What a network may take.
const WARM_GOAL: Duration = Duration::from_micros(5);
const COLD_GOAL: Duration = Duration::from_micros(100);

/// What a program may take from its start to its first prediction, and how often that is tried.
const START_GOAL: Duration = Duration::from_millis(50);
const STARTS: usize = 20;

/// The fastest of several runs of `zen-score`, with an empty place for its database.
fn start(arguments: &[&str]) -> Duration {
    let structure = "SuperConvK3BNRELU(3,32,2,1)SuperResK1K3K1(32,256,2,64,3)SuperConvK1BNRELU(256,512,1,1)";
    let run = || {
        let started = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_zen-score"))
            .arg(structure)
            .args(arguments)
            .env("ZEN_NAS_DB", "/nonexistent/tables.sqlite")
            .output()
            .expect("zen-score runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        started.elapsed()
    };
    (0..STARTS).map(|_| run()).min().unwrap_or_default()
}

fn main() {
    let baseline = start(&[]);
    for name in SETTINGS {
        let setting: Setting = name.parse().expect("a setting");
        let precision = setting.precision.to_string();
        let batch_size = setting.batch_size.to_string();
        let found = start(&[
            "--device",
            &setting.device,
            "--runtime",
            &setting.runtime,
            "--precision",
            &precision,
            "--batch-size",
            &batch_size,
        ]);
        println!(
            "{name}: zen-score from its start to its end {:.1} ms ({}), without a latency {:.1} ms",
            found.as_secs_f64() * 1e3,
            met(found, START_GOAL),
            baseline.as_secs_f64() * 1e3
        );
    }
    let store = Store::in_memory().expect("an empty database");
    let graphs = networks();
    let operators: usize = graphs.iter().map(|graph| Fuser::default().fuse(graph).len()).sum();
    println!("{} networks, {:.1} operators on average", graphs.len(), operators as f64 / graphs.len() as f64);
    for name in SETTINGS {
        let setting: Setting = name.parse().expect("a setting");
        let started = Instant::now();
        let table = store.require_table(&setting, &TableChoice::Best).expect("a built-in table");
        let predictor = Predictor::from_table(&table).expect("a model");
        let built = started.elapsed();
        let mut scratch = PredictScratch::default();
        // The first round fills the memo.
        let warm = fastest(&graphs, |graph| predictor.predict_ms(graph, &mut scratch));
        let cold = fastest(&graphs, |graph| predictor.predict_ms(graph, &mut PredictScratch::default()));
        let plain = fastest(&graphs, |graph| predictor.predict(graph).ms);
        let times = |time: Duration| plain.as_secs_f64() / time.as_secs_f64();
        println!(
            "{name}: warm {:.2} us ({}, {:.0} times faster than plain), cold {:.1} us ({}, {:.1} times), plain {:.1} us; \
             predictor built in {:.1} ms",
            warm.as_secs_f64() * 1e6,
            met(warm, WARM_GOAL),
            times(warm),
            cold.as_secs_f64() * 1e6,
            met(cold, COLD_GOAL),
            times(cold),
            plain.as_secs_f64() * 1e6,
            built.as_secs_f64() * 1e3,
        );
    }
}

/// Random networks of the built-in spaces at 224 pixels, of the wanted number of operators.
fn networks() -> Vec<Graph> {
    let mut rng = Pcg64Mcg::seed_from_u64(0);
    let mut graphs = Vec::with_capacity(NETWORKS);
    while graphs.len() < NETWORKS {
        let space = &SPACES[graphs.len() % SPACES.len()];
        let mut network = space.initial(224);
        for _ in 0..rng.random_range(10..MUTATIONS) {
            network = space.mutate(&network, 2, Draw::Uniform, &mut rng);
        }
        let graph = network.lower(&LowerOptions::new(224, 1000)).expect("a network of the space lowers");
        if (OPERATORS.0..=OPERATORS.1).contains(&Fuser::default().fuse(&graph).len()) {
            graphs.push(graph);
        }
    }
    graphs
}

/// Mean time of a network in the fastest round.
fn fastest(graphs: &[Graph], mut predict: impl FnMut(&Graph) -> f64) -> Duration {
    let round = |_| {
        let started = Instant::now();
        for graph in graphs {
            black_box(predict(graph));
        }
        started.elapsed() / graphs.len() as u32
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn met(time: Duration, goal: Duration) -> String {
    let word = if time <= goal { "met" } else { "MISSED" };
    format!("goal {} us {word}", goal.as_micros())
}
