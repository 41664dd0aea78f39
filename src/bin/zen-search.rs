//! `zen-search`: evolutionary search for a network within budgets.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use zen_nas::cli::{
    self, CompletionArgs, ComputeArgs, DatabaseArgs, Exit, LoweringArgs, OutputArgs, Progress, SettingArgs, count,
    large_number, positive,
};
use zen_nas::latency::{Device, Store, resolve};
use zen_nas::report::Quality;
use zen_nas::score::PROXIES;
use zen_nas::search::run::{run, write_onnx, write_results};
use zen_nas::search::{Evolution, Limits, RUN_FORMAT, RunDirectory, RunSpec, SearchConfig, StopReason, Winner};
use zen_nas::space::{Draw, SPACES, Space};

/// Searches for the network with the highest Zen-score within your budgets, in seconds and without
/// training, and writes it as ONNX.
///
/// Budgets are upper limits; give any number of them. A latency is predicted from a table of
/// operators on the device (`zen-profile list` shows the tables, `zen-profile --device cpu` makes
/// one for this machine).
#[derive(Parser)]
#[command(name = "zen-search", version, after_help = examples(), after_long_help = format!("{}\n\n{}\n\n{}", examples(), names(), cli::exit_help()))]
struct Args {
    /// Latency budget: milliseconds of one inference call with the whole batch
    #[arg(long, value_name = "MS", value_parser = positive, requires = "device", conflicts_with = "ms_per_image", allow_negative_numbers = true)]
    latency_ms: Option<f64>,
    /// Latency budget as papers give it: milliseconds per image, at batch 64 unless --batch-size says otherwise
    #[arg(long, value_name = "MS", value_parser = positive, requires = "device", allow_negative_numbers = true)]
    ms_per_image: Option<f64>,
    /// Budget of trainable parameters, e.g. 1M or 1e6
    #[arg(long, value_name = "N", value_parser = large_number, allow_hyphen_values = true)]
    max_params: Option<f64>,
    /// Budget of FLOPs, counted as multiply-adds for one image, e.g. 400M
    #[arg(long, value_name = "N", value_parser = large_number, allow_hyphen_values = true)]
    max_flops: Option<f64>,
    /// Budget of peak float32 activations of one image, in bytes
    #[arg(long, value_name = "BYTES", value_parser = large_number, allow_hyphen_values = true)]
    max_activation_bytes: Option<f64>,
    /// Budget of layers, counted as the sum of sub-layers; `none` for no limit [default: the space's]
    #[arg(long, value_name = "N", value_parser = layers, allow_negative_numbers = true)]
    max_layers: Option<LayerLimit>,
    #[command(flatten)]
    setting: SettingArgs,
    /// Search space
    #[arg(long, value_name = "NAME", default_value = "xxbl")]
    space: String,
    #[command(flatten)]
    lowering: LoweringArgs,
    /// What ranks networks
    #[arg(long, value_name = "NAME", default_value = "zen-closed")]
    proxy: String,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Initial structure, or a file with it [default: the published one for the space and resolution]
    #[arg(long, value_name = "STRUCTURE|FILE")]
    initial: Option<String>,
    /// Children to make
    #[arg(long, value_name = "N", default_value_t = SearchConfig::DEFAULT_ITERATIONS as f64, value_parser = large_number, allow_hyphen_values = true, hide_default_value = true)]
    iterations: f64,
    /// Networks kept
    #[arg(long, value_name = "N", default_value_t = SearchConfig::DEFAULT_POPULATION as u32, value_parser = count, allow_negative_numbers = true)]
    population: u32,
    /// Draw block types with the unequal weights of the published implementation
    #[arg(long)]
    published_draw: bool,
    /// Seed of the search and of the exported weights; the same seed gives the same result
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads; no influence on the result [default: all cores]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    threads: Option<u32>,
    /// Run directory to make [default: zen-runs/DEVICE-BUDGET-TIME]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue an interrupted run in its directory; everything else is read from there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "latency_ms", "ms_per_image", "max_params", "max_flops", "max_layers", "max_activation_bytes", "initial", "device"])]
    resume: Option<PathBuf>,
    /// Write no ONNX file
    #[arg(long)]
    no_onnx: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    completions: CompletionArgs,
}

fn examples() -> &'static str {
    "Examples:
  zen-search --latency-ms 5 --device t4
  zen-search --ms-per-image 0.2 --device v100 --runtime published --max-layers 13
  zen-search --space idw --max-flops 400M --squeeze-excite --latency-ms 90 --device pixel2
  zen-search --resolution 32 --classes 10 --max-params 1e6 --max-layers 18"
}

fn names() -> String {
    let spaces = SPACES.iter().map(|space| format!("  {:<24} {}", space.name, space.about));
    let proxies = PROXIES.iter().map(|proxy| format!("  {:<24} {}", proxy.name(), proxy.about()));
    let (spaces, proxies) = (spaces.collect::<Vec<_>>().join("\n"), proxies.collect::<Vec<_>>().join("\n"));
    format!("Search spaces:\n{spaces}\n\nProxies:\n{proxies}")
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct LayerLimit(Option<u32>);

fn layers(text: &str) -> Result<LayerLimit, String> {
    match text {
        "none" => Ok(LayerLimit(None)),
        _ => count(text).map(|limit| LayerLimit(Some(limit))).map_err(|reason| format!("{reason}, or `none`")),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    if args.resume.is_none()
        && [args.latency_ms, args.ms_per_image, args.max_params, args.max_flops].iter().all(Option::is_none)
    {
        let message =
            "give at least one budget: --latency-ms (with --device), --ms-per-image, --max-params or --max-flops";
        Args::command().error(clap::error::ErrorKind::MissingRequiredArgument, message).exit();
    }
    cli::finish(search(&args))
}

fn search(args: &Args) -> anyhow::Result<Exit> {
    cli::interrupted();
    let store = cli::open_store(&args.database)?;
    let (spec, resumed) = match &args.resume {
        Some(path) => {
            let (directory, spec, checkpoint) = RunDirectory::open(path)?;
            (spec, Some((directory, checkpoint)))
        }
        None => (spec(args, &store)?, None),
    };
    let threads =
        args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()), |n| n as usize);
    let predictor = spec.predictor(&store)?;
    let quality = predictor.as_ref().map(|predictor| Quality::of(&store, predictor.setting())).transpose()?;
    if let (Some(predictor), Some(quality)) = (&predictor, &quality) {
        args.output
            .note(format!("latencies are predicted, ms per call on {}; table error {quality}", predictor.setting()));
    }
    let mut config = spec.to_config(predictor.as_ref(), threads)?;
    config.sampling.compute = args.compute.open()?;
    let (mut directory, mut evolution) = match resumed {
        Some((directory, Some(checkpoint))) => (directory, checkpoint.resume(&config)?),
        Some((directory, None)) => (directory, Evolution::start(&config)?),
        None => {
            let evolution = Evolution::start(&config)?;
            let path = args.out.clone().unwrap_or_else(|| default_directory(args, &spec));
            (RunDirectory::create(&path, &spec)?, evolution)
        }
    };
    if evolution.initial().to_string() != spec.initial && evolution.iteration() == 0 {
        args.output.note("note: the initial structure is over a budget; the search starts from a smaller one");
    }
    let started = Instant::now();
    let mut progress = Progress::new("search", config.iterations, args.output.quiet);
    let reason = run(&mut evolution, &config, &mut directory, &cli::interrupted, &mut |evolution| {
        let best = evolution.population().best().map_or(f64::NAN, |member| member.score);
        progress.set(evolution.iteration(), || format!("best {best:.2}"));
    })?;
    progress.finish();
    let elapsed = started.elapsed();
    let (winner, graph) = Winner::of(&evolution, &config, &spec, predictor.as_deref(), reason)?;
    write_results(&directory, &evolution, &winner)?;
    if !args.no_onnx && reason == StopReason::Finished {
        // float32 weights; batch norms fold away.
        let megabytes = winner.cost.parameters as f64 * 4e-6;
        args.output.note(format!("writing best.onnx ({megabytes:.0} MB) and running it once"));
        write_onnx(&directory, &winner, &graph, spec.seed).context("the network was found and is in best.txt")?;
    }
    if args.output.json {
        let mut value = serde_json::to_value(&winner)?;
        value["directory"] = directory.path().display().to_string().into();
        cli::print(&serde_json::to_string_pretty(&value)?);
    } else {
        cli::print(&report(&winner, quality.as_ref(), directory.path(), args.no_onnx));
    }
    let counts = &winner.search.counts;
    args.output.note(format!(
        "{} children in {:.2} s: {} entered, {} duplicates, {} not better, {} over a budget",
        winner.search.iterations,
        elapsed.as_secs_f64(),
        counts.accepted,
        counts.duplicates,
        counts.not_better + counts.too_small,
        counts.over_budget.iter().sum::<u64>()
    ));
    if is_this_machine(&winner) {
        // A search finds what its table takes for too fast.
        args.output.note(format!(
            "measure it before you train it: zen-profile verify {}/best.txt --resolution {} --classes {}{}",
            directory.path().display(),
            winner.resolution,
            winner.classes,
            if winner.squeeze_excite { " --squeeze-excite" } else { "" }
        ));
    }
    if reason == StopReason::Interrupted {
        args.output.note(format!("interrupted; continue with: zen-search --resume {}", directory.path().display()));
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

/// Whether the latency was predicted for the machine that this runs on.
fn is_this_machine(winner: &Winner) -> bool {
    let device = winner.latency.as_ref().map(|prediction| prediction.setting.device.as_str());
    device.is_some_and(|device| Device::find("cpu").is_ok_and(|here| here.table_name() == device))
}

/// The search that the options ask for.
fn spec(args: &Args, store: &Store) -> anyhow::Result<RunSpec> {
    let space = Space::find(&args.space)?;
    let setting = match args.setting.query() {
        Some(mut query) => {
            query.preferred_batch_size = args.ms_per_image.map(|_| 64);
            Some(resolve(store, &query)?)
        }
        None => None,
    };
    let per_call = |ms: f64| setting.as_ref().map(|setting| ms * setting.batch_size as f64);
    let initial = match &args.initial {
        Some(argument) => cli::read_structures(argument)?.remove(0).text.trim().to_owned(),
        None => space.initial_structure(args.lowering.resolution).to_owned(),
    };
    Ok(RunSpec {
        format: RUN_FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        space: space.name.to_owned(),
        initial,
        resolution: args.lowering.resolution,
        classes: args.lowering.classes,
        squeeze_excite: args.lowering.squeeze_excite,
        proxy: args.proxy.clone(),
        draw: if args.published_draw { Draw::Published } else { Draw::Uniform },
        seed: args.seed,
        iterations: args.iterations as u64,
        population: args.population as usize,
        budgets: Limits {
            layers: args.max_layers.map_or(Some(space.default_max_layers), |limit| limit.0),
            parameters: args.max_params,
            flops: args.max_flops,
            activation_bytes: args.max_activation_bytes,
            latency_ms: args.latency_ms.or_else(|| args.ms_per_image.and_then(per_call)),
        },
        setting: setting.map(|setting| setting.id()),
    })
}

fn default_directory(args: &Args, spec: &RunSpec) -> PathBuf {
    let what = args.setting.device.clone().unwrap_or_else(|| spec.space.clone());
    let budget = match (args.latency_ms, args.ms_per_image) {
        (Some(ms), _) => format!("-{ms}ms"),
        (_, Some(ms)) => format!("-{ms}ms-per-image"),
        _ => String::new(),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    Path::new("zen-runs").join(format!("{what}{budget}-{now}"))
}

fn report(winner: &Winner, quality: Option<&Quality>, directory: &Path, no_onnx: bool) -> String {
    let mut lines =
        vec![("structure", winner.structure.clone()), ("score", format!("{:.3} ({})", winner.score, winner.proxy))];
    lines.extend(cli::cost_lines(winner.layers, &winner.cost));
    if let (Some(prediction), Some(quality)) = (&winner.latency, quality) {
        lines.extend(cli::describe_latency(prediction, quality));
    }
    for (i, budget) in winner.budgets.iter().enumerate() {
        lines.push((if i == 0 { "budgets" } else { "" }, format!("{}: {}", budget.name, budget.text)));
    }
    let file = directory.join(if no_onnx || winner.search.stop_reason == StopReason::Interrupted {
        "best.json"
    } else {
        "best.onnx"
    });
    lines.push(("written to", file.display().to_string()));
    cli::table(&lines)
}
