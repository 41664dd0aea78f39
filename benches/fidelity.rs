//! How well the closed forms stand for the exact score, and what a batch is worth.
//!
//! `cargo bench --bench fidelity` scores random networks of the spaces, and winners of short searches by the
//! closed form, in closed form and exactly. A winner is the best of thousands by the closed form, so what
//! the closed form takes for too good would show there. `cargo bench --bench fidelity -- --batches` measures noise
//! and time of one draw by batch size, which decides the default batch of `zen`.

mod published;

use std::collections::BTreeSet;
use std::time::Instant;

use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use zen_agent::Stamp;
use zen_nas::net::{Graph, LowerOptions, Network};
use zen_nas::profile::{Source, draw_networks};
use zen_nas::score::compare::kendall_tau;
use zen_nas::score::{self, Evaluator, Proxy, Sampling, Scratch, Trial, Until};
use zen_nas::search::budget::{Budget, Flops, Layers, Parameters};
use zen_nas::search::{Evolution, SearchConfig};
use zen_nas::space::{Draw, Rails, Space};

/// Closed forms against exact scores.
#[derive(Parser)]
struct Args {
    /// Random networks of each space
    #[arg(long, default_value_t = 200)]
    networks: usize,
    /// Winners of searches of each space
    #[arg(long, default_value_t = 50)]
    winners: usize,
    /// Exact draws of each network; the first alone is one draw, the mean of the others the truth
    #[arg(long, default_value_t = 9)]
    draws: u32,
    /// Images of a draw [default: the proxy's]
    #[arg(long)]
    batch_size: Option<usize>,
    /// Also draws batches of this size, whose mean the truth is compared with
    #[arg(long)]
    other_batch_size: Option<usize>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, |n| n.get()))]
    threads: usize,
    /// Only these spaces, as SPACE@PIXELS
    #[arg(long, value_delimiter = ',', default_value = "xxbl@32,xxbl@224,idw@224")]
    spaces: Vec<String>,
    /// Instead: noise and time of a draw by batch size, with so many draws of each
    #[arg(long, num_args = 0..=1, default_missing_value = "60")]
    batches: Option<u32>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const BATCH_SIZES: [usize; 5] = [1, 2, 4, 8, 16];
const BATCH_NETWORKS: [&str; 3] =
    ["zennet_cifar10_model_size1M", "zennet_imagenet1k_latency02ms", "zennet_imagenet1k_flops400M"];

/// A short search: children, members, and its budget in times of the initial network's.
const ITERATIONS: u64 = 6_000;
const POPULATION: usize = 64;
const BUDGETS: (f64, f64) = (1.0, 4.0);

fn main() {
    let args = Args::parse();
    if let Some(draws) = args.batches {
        return batches(draws, args.seed);
    }
    println!(
        "| networks | n | exact score: mean, sd among networks, standard error of each | tau: form 1 | form 2 | one draw | \
         parameters | FLOPs | form 1 - exact: bias, sd | form 2 - exact | one draw - exact |\n\
         |---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for text in &args.spaces {
        let (space, pixels) = text.split_once('@').expect("SPACE@PIXELS");
        let resolution = pixels.parse().expect("a number of pixels");
        let lower = LowerOptions::new(resolution, if resolution < 64 { 10 } else { 1000 });
        let source = Source { space: Space::find(space).expect("a built-in space"), lower };
        let started = Instant::now();
        report(&args, &format!("{text}, random"), &random(&source, args.networks, args.seed));
        report(&args, &format!("{text}, winners"), &winners(&source, args.winners, args.seed));
        eprintln!("{text}: {:.0} s", started.elapsed().as_secs_f64());
    }
}

/// Distinct networks, each 1 to 40 uniform mutations from the space's initial network, with at most four times its
/// FLOPs and the layers of a search, as tables are learnt from.
fn random(source: &Source, count: usize, seed: u64) -> Vec<Graph> {
    let drawn = draw_networks(&[*source], 2 * count, seed).expect("the initial network lowers");
    let mut seen = BTreeSet::new();
    drawn
        .into_iter()
        .filter(|drawn| seen.insert(drawn.network.to_string()))
        .map(|drawn| drawn.graph)
        .take(count)
        .collect()
}

/// What short searches by the closed form choose, each with another seed and another budget of parameters (CIFAR)
/// or FLOPs.
fn winners(source: &Source, count: usize, seed: u64) -> Vec<Graph> {
    let initial = source.space.initial(source.lower.resolution);
    let cost = initial.lower(&source.lower).expect("the initial network lowers").cost();
    let mut found: Vec<Graph> = Vec::with_capacity(count);
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    while found.len() < count {
        let factor = rng.random_range(BUDGETS.0.ln()..BUDGETS.1.ln()).exp();
        let size = if source.lower.resolution < 64 {
            Budget::new(Parameters, cost.parameters as f64 * factor)
        } else {
            Budget::new(Flops, cost.flops as f64 * factor)
        };
        let network = search(source, initial.clone(), size, rng.random());
        found.push(network.lower(&source.lower).expect("a winner lowers"));
    }
    found
}

fn search(source: &Source, initial: Network, size: Budget, seed: u64) -> Network {
    let config = SearchConfig {
        rails: Rails::default(),
        space: source.space,
        initial,
        lower: source.lower,
        proxy: score::find("zen-closed").expect("a built-in proxy"),
        sampling: Sampling::default(),
        budgets: vec![Budget::new(Layers, source.space.default_max_layers.into()), size],
        population_size: POPULATION,
        iterations: ITERATIONS,
        draw: Draw::Uniform,
        seed,
        threads: 1,
    };
    let mut evolution = Evolution::start(&config).expect("the initial network is within the budgets");
    evolution.run(&|| false, &mut |_| ());
    evolution.population().best().expect("a winner").network.clone()
}

/// Scores of one network. The truth is the mean of all draws but the first.
struct Scores {
    truth: f64,
    standard_error: f64,
    one_draw: f64,
    form1: f64,
    form2: f64,
    parameters: f64,
    flops: f64,
}

fn report(args: &Args, name: &str, graphs: &[Graph]) {
    // Networks of one seed share their first layers' weights, and one draw would be off for all of them alike.
    let evaluator = |number: usize, batch_size| {
        Evaluator::new(Sampling {
            seed: args.seed.wrapping_add(number as u64),
            batch_size,
            until: Some(Until::Draws(args.draws)),
            threads: args.threads,
            ..Sampling::default()
        })
    };
    let scores: Vec<Scores> =
        graphs.iter().enumerate().map(|(i, graph)| scores(&mut evaluator(i, args.batch_size), graph)).collect();
    if let Some(batch_size) = args.other_batch_size {
        let other = |(i, graph)| evaluator(i, Some(batch_size)).evaluate(exact(), graph, &mut |_| ());
        let other = graphs.iter().enumerate().map(|pair| other(pair).expect("an exact score").score);
        let pairs: Vec<_> = scores.iter().map(|scores| scores.truth).zip(other).collect();
        let (bias, sd) = mean_and_sd(&pairs.iter().map(|(truth, other)| truth - other).collect::<Vec<_>>());
        let tau = kendall_tau(&pairs).unwrap_or(f64::NAN);
        eprintln!("{name}: against batch {batch_size}: tau {tau:.3}, bias {bias:+.2}, sd {sd:.2}");
    }
    if scores.is_empty() {
        return;
    }
    let of = |get: fn(&Scores) -> f64| scores.iter().map(get).collect::<Vec<_>>();
    let tau = |get: fn(&Scores) -> f64| {
        let pairs: Vec<_> = scores.iter().map(|scores| (get(scores), scores.truth)).collect();
        kendall_tau(&pairs).map_or("-".to_owned(), |tau| format!("{tau:.3}"))
    };
    let off = |get: fn(&Scores) -> f64| {
        let differences: Vec<f64> = scores.iter().map(|scores| get(scores) - scores.truth).collect();
        let (mean, sd) = mean_and_sd(&differences);
        format!("{mean:+.2}, {sd:.2}")
    };
    let (mean, sd) = mean_and_sd(&of(|scores| scores.truth));
    println!(
        "| {name} | {} | {mean:.1}, {sd:.1}, {:.2} | {} | {} | {} | {} | {} | {} | {} | {} |",
        scores.len(),
        mean_and_sd(&of(|scores| scores.standard_error)).0,
        tau(|scores| scores.form1),
        tau(|scores| scores.form2),
        tau(|scores| scores.one_draw),
        tau(|scores| scores.parameters),
        tau(|scores| scores.flops),
        off(|scores| scores.form1),
        off(|scores| scores.form2),
        off(|scores| scores.one_draw),
    );
}

fn scores(evaluator: &mut Evaluator, graph: &Graph) -> Scores {
    let mut plain = |name: &str| {
        let proxy = score::find(name).expect("a built-in proxy");
        evaluator.evaluate(proxy, graph, &mut |_| ()).expect("a score").score
    };
    let (form1, form2) = (plain("zen-closed"), plain("zen-closed-map"));
    let (parameters, flops) = (plain("params"), plain("flops"));
    let mut means = Vec::new();
    evaluator.evaluate(exact(), graph, &mut |evaluation| means.push(evaluation.score)).expect("an exact score");
    // The draws from their running means.
    let draw = |i: usize| means[i] * (i + 1) as f64 - if i > 0 { means[i - 1] * i as f64 } else { 0.0 };
    let others: Vec<f64> = (1..means.len()).map(draw).collect();
    let (truth, sd) = mean_and_sd(&others);
    let standard_error = sd / (others.len() as f64).sqrt();
    Scores { truth, standard_error, one_draw: draw(0), form1, form2, parameters, flops }
}

fn exact() -> &'static dyn Proxy {
    score::find("zen").expect("the exact score is built in")
}

/// What one draw of a batch tells and costs, on one thread, in processor time.
fn batches(draws: u32, seed: u64) {
    for name in BATCH_NETWORKS {
        let (graph, resolution) = published::vanilla(name);
        let rows: Vec<(usize, f64, f64, f64)> =
            BATCH_SIZES.iter().map(|&batch_size| batch(&graph, batch_size, draws, seed)).collect();
        println!("\n{name}, {resolution} pixels, {draws} draws:\n");
        println!(
            "| batch | mean | sd of one draw | ms per draw | standard error after one second | mean - that of batch 16 |"
        );
        println!("|--:|--:|--:|--:|--:|--:|");
        let (_, reference, reference_sd, _) = rows[rows.len() - 1];
        for (batch_size, mean, sd, ms) in rows {
            let error = ((sd * sd + reference_sd * reference_sd) / draws as f64).sqrt();
            println!(
                "| {batch_size} | {mean:.2} | {sd:.2} | {ms:.1} | {:.3} | {:+.2} +- {error:.2} |",
                sd * (ms / 1e3).sqrt(),
                mean - reference,
            );
        }
    }
}

/// Batch size, mean, standard deviation, and milliseconds of a draw.
fn batch(graph: &Graph, batch_size: usize, draws: u32, seed: u64) -> (usize, f64, f64, f64) {
    let mut scratch = Scratch::default();
    let mut draw = |number| {
        let trial = Trial { draw: score::Draw { seed, number }, batch_size, ..Trial::NONE };
        exact().score(graph, &trial, &mut scratch).expect("an exact score")
    };
    // Memory is allocated in the first.
    draw(0);
    let started = Stamp::now();
    let scores: Vec<f64> = (1..=draws).map(draw).collect();
    let ms = started.elapsed().cpu_ms / draws as f64;
    let (mean, sd) = mean_and_sd(&scores);
    (batch_size, mean, sd, ms)
}

fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}
