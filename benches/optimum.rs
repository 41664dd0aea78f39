//! How close the solver comes to the best network there is, and how fast.
//!
//! `cargo bench --bench optimum` solves the budgets of the published networks and of the README's first command: the
//! proven bound, the best network found, the gap between them, seconds of processor time. `-- --rails` keeps the guard
//! rails of the space on; a name restricts it to the budgets that contain it. `-- --front` solves the trade-off of latency on
//! a T4 from 0.5 to 10 ms and score instead.

use std::time::Instant;

use zen_nas::latency::{Predictor, Setting, Store, TableChoice};
use zen_nas::net::LowerOptions;
use zen_nas::score::{Sampling, find};
use zen_nas::search::SearchConfig;
use zen_nas::search::budget::{Budget, Flops, Latency, Layers, Parameters};
use zen_nas::search::solve::Problem;
use zen_nas::space::{Draw, Rules, Space};

/// What limits a search.
#[derive(Clone, Copy)]
enum Limit {
    Parameters(f64),
    Flops(f64),
    Latency(&'static str, f64),
}

/// A space, an image, layers and limits.
struct Case {
    name: &'static str,
    space: &'static str,
    resolution: u32,
    classes: u32,
    squeeze_excite: bool,
    layers: u32,
    limits: &'static [Limit],
}

const V100: &str = "v100/published/fp16/b64";

const fn cifar(name: &'static str, layers: u32, limits: &'static [Limit]) -> Case {
    Case { name, space: "xxbl", resolution: 32, classes: 10, squeeze_excite: false, layers, limits }
}

const fn flops(name: &'static str, layers: u32, limits: &'static [Limit]) -> Case {
    Case { name, space: "idw", resolution: 224, classes: 1000, squeeze_excite: true, layers, limits }
}

const fn latency(name: &'static str, layers: u32, limits: &'static [Limit]) -> Case {
    Case { name, space: "xxbl", resolution: 224, classes: 1000, squeeze_excite: false, layers, limits }
}

const CASES: &[Case] = &[
    cifar("cifar-0.5M", 18, &[Limit::Parameters(0.5e6)]),
    cifar("cifar-1M", 18, &[Limit::Parameters(1e6)]),
    cifar("cifar-2M", 20, &[Limit::Parameters(2e6)]),
    flops("flops-400M", 14, &[Limit::Flops(400e6)]),
    flops("flops-600M", 14, &[Limit::Flops(600e6)]),
    flops("flops-900M", 16, &[Limit::Flops(900e6)]),
    latency("v100-0.1ms", 10, &[Limit::Latency(V100, 6.4)]),
    latency("v100-0.2ms", 13, &[Limit::Latency(V100, 12.8)]),
    latency("v100-0.3ms", 16, &[Limit::Latency(V100, 19.2)]),
    latency("v100-0.5ms", 20, &[Limit::Latency(V100, 32.0)]),
    latency("v100-0.8ms", 25, &[Limit::Latency(V100, 51.2)]),
    latency("v100-1.2ms", 30, &[Limit::Latency(V100, 76.8)]),
    latency("t4-5ms", 30, &[Limit::Latency("t4/tensorrt/fp16/b1", 5.0)]),
    cifar("two: 1M and 160M FLOPs", 18, &[Limit::Parameters(1e6), Limit::Flops(160e6)]),
    latency(
        "two: t4 2 ms and pixel2 400 ms",
        20,
        &[Limit::Latency("t4/tensorrt/fp16/b1", 2.0), Limit::Latency("pixel2/tflite/fp32/b1/t1", 400.0)],
    ),
];

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let with_rails = arguments.iter().any(|argument| argument == "--rails");
    arguments.retain(|argument| argument != "--rails");
    let store = Store::in_memory().expect("an empty database");
    if arguments.iter().any(|argument| argument == "--front") {
        return front(&store, with_rails);
    }
    println!("| budget | bound | best found | gap, % | CPU, s | wall, s | network |");
    println!("|---|--:|--:|--:|--:|--:|---|");
    for case in CASES.iter().filter(|case| arguments.first().is_none_or(|name| case.name.contains(name))) {
        let config = config(&store, case, with_rails);
        let (started, before) = (Instant::now(), cpu_s());
        let problem = Problem::new(&config).expect("the spaces can be solved");
        let solution = problem.solve(&|| false, &mut |_| ()).expect("there are networks");
        let bound = solution.certificate.bound;
        let (network, score) =
            solution.networks.first().map_or(("none".to_owned(), f64::NAN), |(n, s)| (n.to_string(), *s));
        println!(
            "| {} | {bound:.3} | {score:.3} | {:.3} | {:.1} | {:.1} | {network} |",
            case.name,
            (bound / score - 1.0) * 100.0,
            cpu_s() - before,
            started.elapsed().as_secs_f64()
        );
    }
}

/// The trade-off of latency and score: points, time, gaps.
fn front(store: &Store, with_rails: bool) {
    let case = latency("t4", 30, &[Limit::Latency("t4/tensorrt/fp16/b1", 10.0)]);
    let config = config(store, &case, with_rails);
    let limits: Vec<Vec<f64>> = (0..40).map(|i| vec![10.0 * 20f64.powf(-f64::from(i) / 39.0)]).collect();
    let (started, before) = (Instant::now(), cpu_s());
    let mut stages = Vec::new();
    let problem = Problem::new(&config).expect("the space can be solved");
    let solutions = problem
        .solve_front(&[1], &limits, &|| false, &mut |progress| stages.push((progress.share, started.elapsed())))
        .expect("there are networks");
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_s() - before);
    println!("| limit, ms | bound | best found | gap, % | network |\n|--:|--:|--:|--:|---|");
    let (mut points, mut largest) = (0, 0.0f64);
    for (limit, solution) in limits.iter().zip(&solutions) {
        let bound = solution.certificate.bound;
        let Some((network, score)) = solution.networks.first() else {
            println!("| {:.3} | {bound:.3} | none | | |", limit[0]);
            continue;
        };
        let gap_percent = (bound / score - 1.0) * 100.0;
        (points, largest) = (points + 1, largest.max(gap_percent));
        println!("| {:.3} | {bound:.3} | {score:.3} | {gap_percent:.3} | {network} |", limit[0]);
    }
    let until =
        |share: f64| stages.iter().filter(move |(at, _)| *at <= share + 1e-9).map(|(_, time)| time.as_secs_f64());
    let [coarse, full] = [0.2, 0.6].map(|share| until(share).fold(0.0, f64::max));
    println!(
        "{points} points in {wall:.1} s ({cpu:.1} s of CPU; prices {coarse:.1} s, bounds {:.1} s, networks {:.1} s), largest \
         gap {largest:.3}%",
        full - coarse,
        wall - full
    );
}

fn config(store: &Store, case: &Case, with_rails: bool) -> SearchConfig {
    let space = Space::find(case.space).expect("a built-in space");
    let rules = match with_rails {
        true => Rules::within(&space, &space.rails).expect("the space's own rails"),
        false => Rules::published(&space),
    };
    let mut budgets = vec![Budget::new(Layers, f64::from(case.layers))];
    budgets.extend(case.limits.iter().map(|limit| match *limit {
        Limit::Parameters(limit) => Budget::new(Parameters, limit),
        Limit::Flops(limit) => Budget::new(Flops, limit),
        Limit::Latency(setting, limit_ms) => {
            let setting: Setting = setting.parse().expect("a setting");
            let table = store.table(&setting, &TableChoice::BuiltIn).ok().flatten().expect("a built-in table");
            Budget::new(Latency::new(Predictor::from_table(&table).expect("a model").into()), limit_ms)
        }
    }));
    SearchConfig {
        initial: space.initial(case.resolution),
        space,
        rules,
        lower: LowerOptions { squeeze_excite: case.squeeze_excite, ..LowerOptions::new(case.resolution, case.classes) },
        proxy: find("zen-closed").expect("a built-in proxy"),
        sampling: Sampling::default(),
        budgets,
        population_size: SearchConfig::DEFAULT_POPULATION,
        iterations: SearchConfig::DEFAULT_ITERATIONS,
        draw: Draw::Uniform,
        seed: 0,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Processor time of this program so far, in seconds.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // User and system time in hundredths of a second.
    fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
