//! The exact score against the same work in PyTorch.
//!
//! `cargo bench --bench exact` draws and scores published networks with `zen`; with a Python that has torch in
//! `ZEN_NAS_TORCH_PYTHON` it alternates with PyTorch doing the same (`exact_torch.py`), in both of its memory
//! formats, of which the faster counts. Two threads are two draws at once here; there they are two threads inside the
//! operators, or two processes of one thread. `-- --memory` prints peak memory on the largest published network.

mod ours;
#[path = "../published/mod.rs"]
mod published;
mod torch;

use clap::Parser;
use ours::{Ours, zen};
use serde_json::json;
use torch::{Torch, draws};
use zen_nas::net::{BATCH_NORM_EPSILON, Branch, Graph, OperatorKind};
use zen_nas::score::Randomness;
use zen_nas::score::zen::GAMMA;

/// The exact score against PyTorch.
#[derive(Parser)]
struct Args {
    /// Times that both sides take their turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Draws of a turn
    #[arg(long, default_value_t = 3)]
    draws: u32,
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Only networks whose name contains this
    #[arg(long, default_value = "")]
    network: String,
    /// Batch that published scores are computed with
    #[arg(long, default_value_t = 16)]
    published_batch_size: usize,
    /// Draws that the spread of one draw is estimated from
    #[arg(long, default_value_t = 40)]
    spread_draws: u32,
    /// Instead: peak memory on the largest published network
    #[arg(long)]
    memory: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Networks with the batch of the comparison at the same work.
const NETWORKS: [(&str, usize); 3] =
    [("zennet_cifar10_model_size1M", 16), ("zennet_imagenet1k_latency02ms", 4), ("zennet_imagenet1k_flops400M", 4)];
const LARGEST: &str = "zennet_imagenet1k_latency12ms";
/// What the ratios should be at the same work, and at the same standard error.
const WORK_GOAL: f64 = 2.0;
const ERROR_GOAL: f64 = 8.0;

fn main() {
    let args = Args::parse();
    let python = std::env::var_os("ZEN_NAS_TORCH_PYTHON");
    if python.is_none() {
        println!(
            "no PyTorch to compare with: python3 -m venv torch-venv && torch-venv/bin/pip install torch, then \
             ZEN_NAS_TORCH_PYTHON=torch-venv/bin/python cargo bench --bench exact"
        );
    }
    let torch = python.map(Torch::new);
    if args.memory {
        return memory(torch.as_ref(), args.published_batch_size);
    }
    let chosen = NETWORKS.iter().filter(|(name, _)| name.contains(&args.network));
    for &(name, batch_size) in chosen {
        let (graph, resolution) = published::vanilla(name);
        let case = Case { name, graph, resolution };
        for &threads in &args.threads {
            same_work(&case, batch_size, threads, &args, torch.as_ref());
        }
        same_error(&case, &args, torch.as_ref());
    }
}

struct Case {
    name: &'static str,
    graph: Graph,
    resolution: u32,
}

/// Times of a draw in milliseconds, of every turn.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

/// The same batch on both sides, in turns.
fn same_work(case: &Case, batch_size: usize, threads: usize, args: &Args, torch: Option<&Torch>) {
    let mut ours = Ours::new(threads);
    let mut sides = Vec::new();
    for channels_last in [false, true] {
        let format = if channels_last { "channels_last" } else { "default format" };
        let spec = |threads| case.spec(batch_size, threads, channels_last);
        if let Some(torch) = torch {
            sides.push((format!("PyTorch, {format}"), vec![torch.start(&spec(threads))]));
            if threads > 1 {
                let processes = (0..threads).map(|_| torch.start(&spec(1))).collect();
                sides.push((format!("PyTorch, {format}, {threads} processes"), processes));
            }
        }
    }
    let mut our_times = Times::default();
    let mut times: Vec<Times> = sides.iter().map(|_| Times::default()).collect();
    let (mut our_scores, mut scores) = (Vec::new(), Vec::new());
    // The first turn warms up.
    for round in 0..=args.rounds {
        let (ms, drawn) = ours.draws(&case.graph, batch_size, args.draws);
        our_scores.extend(drawn);
        if round > 0 {
            our_times.0.push(ms);
        }
        for ((_, processes), times) in sides.iter_mut().zip(&mut times) {
            let (ms, drawn) = draws(processes, args.draws);
            scores.extend(drawn);
            if round > 0 {
                times.0.push(ms);
            }
        }
    }
    let Case { name, resolution, .. } = case;
    let plural = if threads == 1 { "" } else { "s" };
    println!(
        "\n{name}, {resolution} pixels, batch {batch_size}, {threads} thread{plural}: ms per draw, fastest and median of {}",
        args.rounds
    );
    println!("  zen-nas: {:.1}, {:.1}", our_times.min(), our_times.median());
    for ((side, _), times) in sides.iter().zip(&times) {
        let ratio = times.min() / our_times.min();
        println!(
            "  {side}: {:.1}, {:.1}; {ratio:.2} and {:.2} times ours",
            times.min(),
            times.median(),
            times.median() / our_times.median()
        );
    }
    let best = |what: &str, processes: bool| {
        let chosen = sides.iter().zip(&times).filter(|((_, running), _)| (running.len() > 1) == processes);
        let best = chosen.map(|(_, times)| times.min()).fold(f64::INFINITY, f64::min);
        if best.is_finite() {
            println!("  {}", verdict(what, best / our_times.min(), WORK_GOAL));
        }
    };
    best("the same work", false);
    best("the same work, PyTorch in processes", true);
    if sides.is_empty() {
        return;
    }
    let (mean, error) = mean_and_error(&our_scores);
    let (other, other_error) = mean_and_error(&scores);
    println!("  mean scores: {mean:.2} +- {error:.2} here, {other:.2} +- {other_error:.2} there");
}

/// Time to the same standard error of the mean: that of a draw times the variance of a draw.
fn same_error(case: &Case, args: &Args, torch: Option<&Torch>) {
    let Randomness::Drawn { batch_size, .. } = zen().randomness() else { return };
    let published = args.published_batch_size;
    let mut ours = Ours::new(1);
    let mut spread = |batch_size| {
        let (ms, scores) = ours.draws(&case.graph, batch_size, args.spread_draws);
        (ms, mean_and_error(&scores).1 * f64::from(args.spread_draws).sqrt())
    };
    let (_, sd) = spread(batch_size);
    // What a score is distributed like is the same in both programs.
    let (_, published_sd) = spread(published);
    let Some(torch) = torch else {
        println!("  one draw: sd {sd:.2} at batch {batch_size}, {published_sd:.2} at batch {published}");
        return;
    };
    let mut processes = [false, true].map(|channels_last| torch.start(&case.spec(published, 1, channels_last)));
    let (mut our_times, mut times) = (Times::default(), Times::default());
    for round in 0..=args.rounds {
        let (ms, _) = ours.draws(&case.graph, batch_size, args.draws);
        let theirs = processes.iter_mut().map(|process| draws(std::slice::from_mut(process), 1).0);
        let theirs = theirs.fold(f64::INFINITY, f64::min);
        if round > 0 {
            our_times.0.push(ms);
            times.0.push(theirs);
        }
    }
    let ratio = times.min() * published_sd.powi(2) / (our_times.min() * sd.powi(2));
    println!(
        "{}, one thread, to the same standard error: batch {batch_size} here ({:.1} ms, sd {sd:.2}), batch {published} in \
         PyTorch ({:.1} ms, sd {published_sd:.2})\n  {}",
        case.name,
        our_times.min(),
        times.min(),
        verdict("the same standard error", ratio, ERROR_GOAL)
    );
}

fn verdict(what: &str, ratio: f64, goal: f64) -> String {
    let word = if ratio >= goal { "met" } else { "MISSED" };
    format!("{what}: {ratio:.2} times faster than PyTorch at its best (goal {goal} {word})")
}

fn memory(torch: Option<&Torch>, published: usize) {
    let Randomness::Drawn { batch_size, .. } = zen().randomness() else { return };
    let (graph, resolution) = published::vanilla(LARGEST);
    let case = Case { name: LARGEST, graph, resolution };
    println!("{LARGEST}, {resolution} pixels: peak resident memory of the process");
    let before = peak_mib();
    for batch_size in [batch_size, published] {
        Ours::new(1).draws(&case.graph, batch_size, 2);
        println!("  zen-nas, batch {batch_size}: {:.0} MiB ({before:.0} before the first draw)", peak_mib());
        let Some(torch) = torch else { continue };
        for channels_last in [false, true] {
            let mut process = torch.start(&case.spec(batch_size, 1, channels_last));
            let answer = process.draw(2);
            println!(
                "  PyTorch, batch {batch_size}{}: {:.0} MiB ({:.0} after the import)",
                if channels_last { ", channels_last" } else { "" },
                answer.peak_mib,
                answer.imported_mib
            );
        }
    }
}

/// Peak resident memory of this process; not a number where the system does not say.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

impl Case {
    /// The scored chain, as `exact_torch.py` reads it.
    fn spec(&self, batch_size: usize, threads: usize, channels_last: bool) -> serde_json::Value {
        let scored = self.graph.operators().iter().take_while(|operator| operator.branch != Branch::Head);
        let convs: Vec<_> = scored
            .filter_map(|operator| match operator.kind {
                OperatorKind::Conv { kernel, stride, groups, .. } => Some(json!({
                    "kernel": kernel,
                    "stride": stride,
                    "groups": groups,
                    "in_channels": self.graph.input_shape(operator).channels,
                    "out_channels": operator.shape.channels,
                })),
                _ => None,
            })
            .collect();
        json!({
            "convs": convs,
            "resolution": self.resolution,
            "batch_size": batch_size,
            "gamma": GAMMA,
            "epsilon": BATCH_NORM_EPSILON,
            "threads": threads,
            "channels_last": channels_last,
        })
    }
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}
