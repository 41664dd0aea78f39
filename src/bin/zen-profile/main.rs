//! `zen-profile`: latency tables, measured, listed and exported.

mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use zen_nas::cli::{
    self, CompletionArgs, DatabaseArgs, Exit, LoweringArgs, OutputArgs, Progress, SessionProgress, TableArgs, count,
    positive,
};
use zen_nas::latency::Store;
use zen_nas::latency::evaluate::DRAWS;
use zen_nas::latency::{LatencyError, Precision, Setting, SettingQuery, resolve, table_file_help};
use zen_nas::net::{LowerOptions, Network};
use zen_nas::profile::{
    PlanOptions, ProfileError, RUNNERS, Runner, RunnerOptions, SessionOptions, Source, Target, open_runner, profile,
    verify,
};
use zen_nas::report::ReportOptions;
use zen_nas::space::{SPACES, Space};

/// Measures the operators of a search space on a device, and says how far predictions from them
/// are from whole networks.
///
/// Every operator is stored as it is measured: after Ctrl-C the same command goes on where it
/// stopped.
#[derive(Parser)]
#[command(name = "zen-profile", version, args_conflicts_with_subcommands = true, after_help = examples(),
    after_long_help = format!("{}\n\n{}\n\n{}", examples(), names(), cli::exit_help()))]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    measure: MeasureArgs,
    #[command(flatten)]
    completions: CompletionArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Measure given networks as a whole, beside what the table predicts: the winner of a search,
    /// before it is trained
    Verify {
        /// A structure, a file with one on each line, or - for stdin
        #[arg(value_name = "STRUCTURE|FILE", required = true)]
        structures: Vec<String>,
        /// Device to measure on; `cpu` is this machine
        #[arg(long, value_name = "NAME", default_value = "cpu")]
        device: String,
        #[command(flatten)]
        runtime: RuntimeArgs,
        #[command(flatten)]
        lowering: LoweringArgs,
        /// Images in one inference call
        #[arg(long, value_name = "N", default_value = "1", value_parser = count, allow_negative_numbers = true)]
        batch_size: u32,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List every latency table with its evidence and error
    List {
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show where a device's tables come from and how good they are
    Show {
        /// A device, or a setting such as t4/tensorrt/int8/b1
        device: String,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Report how far a table's predictions are from whole networks that no fit has seen
    Report {
        #[command(flatten)]
        table: TableArgs,
        /// Only networks of this search space
        #[arg(long, value_name = "NAME")]
        space: Option<String>,
        /// Worst cases to show with their most expensive operators
        #[arg(long, value_name = "N", default_value_t = ReportOptions::DEFAULT_WORST, allow_negative_numbers = true)]
        worst: usize,
        /// Also draw predicted against measured into this SVG file
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Write a table as text (CSV with a header), as `latency_tables/` holds them
    Export {
        /// A setting such as t4/tensorrt/int8/b1, or a device with one table
        setting: String,
        /// File to write [default: stdout]
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Read tables from files, as `export` writes them or with less; the same file twice changes nothing
    ///
    /// A folder of the third-party files instead, with -o: makes the shipped tables again.
    #[command(after_long_help = table_file_help())]
    Import {
        #[arg(value_name = "FILE|FOLDER", required = true)]
        paths: Vec<PathBuf>,
        /// Folder that the tables made from third-party files are written to
        #[arg(long, short, value_name = "DIR")]
        out: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Predict the published networks with the shipped tables, beside the published figures
    Published {
        /// Replace the table in this Markdown file, between its markers, instead of printing it
        #[arg(long, value_name = "FILE")]
        update: Option<PathBuf>,
    },
    /// Check the predictor on networks and operators that others measured
    Evaluate {
        /// Folder of the third-party files
        raw: PathBuf,
        /// Measured networks [default: help/ofa/v100_networks.csv in that folder]
        #[arg(long, value_name = "FILE")]
        networks: Option<PathBuf>,
        /// Draws of the ten networks that calibrate
        #[arg(long, value_name = "N", default_value_t = DRAWS, value_parser = count, allow_negative_numbers = true)]
        draws: u32,
        /// Instead: how the error of networks falls with the number of rows in the shipped tables
        #[arg(long)]
        curve: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What runs the models.
#[derive(clap::Args)]
struct RuntimeArgs {
    /// Runtime to measure with, e.g. tract or onnxruntime [default: the device's]
    #[arg(long, value_name = "NAME")]
    runtime: Option<String>,
    /// Shared library of onnxruntime [default: $ORT_DYLIB_PATH, or that of the installed Python
    /// package]
    #[arg(long, value_name = "FILE", requires = "runtime")]
    runtime_library: Option<PathBuf>,
}

impl RuntimeArgs {
    fn open(&self, store: &Store, device: &str) -> Result<Box<dyn Runner>, ProfileError> {
        let options = RunnerOptions { library: self.runtime_library.clone() };
        open_runner(store, device, self.runtime.as_deref(), &options)
    }
}

#[derive(clap::Args)]
struct MeasureArgs {
    /// Device to measure; `cpu` is this machine
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    #[command(flatten)]
    runtime: RuntimeArgs,
    /// Search space whose operators are measured, several separated by commas [default: every space, idw
    /// with and without squeeze-and-excitation]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    space: Vec<String>,
    #[command(flatten)]
    lowering: LoweringArgs,
    /// Images in one inference call
    #[arg(long, value_name = "N", default_value = "1", value_parser = count, allow_negative_numbers = true)]
    batch_size: u32,
    /// End after about this time, the check included; the same command goes on
    #[arg(long, value_name = "M", default_value = "10", value_parser = minutes, allow_negative_numbers = true)]
    minutes: Duration,
    /// End when this percentage of fresh networks, each predicted before it is measured, is within 10%
    #[arg(long, value_name = "PERCENT", default_value = "99", value_parser = percent, allow_negative_numbers = true)]
    target_within10: f64,
    /// End when the table has this many operators
    #[arg(long, value_name = "N", default_value = "20000", value_parser = count, allow_negative_numbers = true)]
    operators: u32,
    /// Whole networks held out to check the table on, measured twice each; 0 for none
    #[arg(long, value_name = "N", default_value = "40", allow_negative_numbers = true)]
    networks: u32,
    /// Make the table from this one of a similar device, corrected with 10 whole networks (a device or a
    /// setting such as v100/tensorrt/fp32/b1)
    #[arg(long, value_name = "TABLE")]
    adapt_from: Option<String>,
    /// Measure no operators: check the table there is on fresh networks (another --seed, other networks)
    #[arg(long, conflicts_with = "adapt_from")]
    only_check: bool,
    /// Seed of the plan and of the weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn examples() -> &'static str {
    "Examples:
  zen-profile --device cpu
  zen-profile --device cpu --minutes 15
  zen-profile --device cpu --runtime onnxruntime
  zen-profile --device cpu --adapt-from cpu-amd-epyc
  zen-profile --device cpu --space idw --squeeze-excite --resolution 192
  zen-profile verify best.txt
  zen-profile list
  zen-profile show t4
  zen-profile report cpu --svg report.svg
  zen-profile export v100/tensorrt/fp16/b1 -o v100.csv
  zen-profile import from-a-colleague.csv"
}

fn names() -> String {
    let spaces = SPACES.iter().map(|space| format!("  {:<24} {}", space.name, space.about));
    let runners = RUNNERS.iter().map(|runner| format!("  {:<24} {}", runner.name, runner.about));
    let (spaces, runners) = (spaces.collect::<Vec<_>>().join("\n"), runners.collect::<Vec<_>>().join("\n"));
    format!("Search spaces:\n{spaces}\n\nRunners:\n{runners}")
}

fn minutes(text: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(positive(text)? * 60.0).map_err(|_| "is too long".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if (0.0..=100.0).contains(&percent) { Ok(percent / 100.0) } else { Err("must be from 0 to 100".to_owned()) }
}

/// Where the networks come from whose operators are measured.
fn sources(spaces: &[String], lowering: &LoweringArgs) -> anyhow::Result<Vec<Source>> {
    let lower = lowering.options();
    let mut sources = Vec::new();
    for name in spaces {
        sources.push(Source { space: Space::find(name)?, lower });
    }
    if spaces.is_empty() {
        for space in SPACES {
            sources.push(Source { space, lower });
            // Its published networks are of both kinds.
            if space.name == "idw" && !lower.squeeze_excite {
                sources.push(Source { space, lower: LowerOptions { squeeze_excite: true, ..lower } });
            }
        }
    }
    Ok(sources)
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    cli::finish(match &args.command {
        Some(Command::Verify { structures, device, runtime, lowering, batch_size, database, output }) => {
            verify_networks(structures, device, runtime, lowering, *batch_size, database, output)
        }
        Some(Command::List { database, output }) => tables::list(database, output),
        Some(Command::Show { device, database, output }) => tables::show(device, database, output),
        Some(Command::Report { table, space, worst, svg, database, output }) => {
            let options = ReportOptions { space: space.clone(), worst: *worst };
            tables::report(table, &options, svg.as_deref(), database, output)
        }
        Some(Command::Export { setting, out, database }) => tables::export(setting, out.as_deref(), database),
        Some(Command::Import { paths, out, database, output }) => import(paths, out.as_deref(), database, output),
        Some(Command::Published { update }) => tables::print_published(update.as_deref()),
        Some(Command::Evaluate { raw, networks, curve: true, output, .. }) => {
            tables::print_curves(raw, networks.as_deref(), output)
        }
        Some(Command::Evaluate { raw, networks, draws, output, .. }) => {
            tables::print_evaluation(raw, networks.as_deref(), *draws, output)
        }
        None => match &args.measure.device {
            Some(device) => measure(device, &args.measure),
            None => Args::command()
                .error(
                    clap::error::ErrorKind::MissingRequiredArgument,
                    "name what to measure (zen-profile --device cpu), or use list, show or export",
                )
                .exit(),
        },
    })
}

fn import(paths: &[PathBuf], out: Option<&Path>, database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let usage = |text: &str| -> ! { Args::command().error(clap::error::ErrorKind::ArgumentConflict, text).exit() };
    match (paths, out) {
        ([folder], Some(out)) if folder.is_dir() => tables::import_raw(folder, out, output),
        (_, Some(_)) => usage("-o belongs to one folder of third-party files; a table file is read into the database"),
        (paths, None) if paths.iter().any(|path| path.is_dir()) => {
            usage("a folder of third-party files needs -o DIR, where the tables made from it are written")
        }
        (paths, None) => tables::import(paths, database, output),
    }
}

fn measure(device: &str, args: &MeasureArgs) -> anyhow::Result<Exit> {
    let sources = sources(&args.space, &args.lowering)?;
    let mut store = cli::open_store(&args.database)?;
    let mut runner = args.runtime.open(&store, device)?;
    let adapt_from = match &args.adapt_from {
        Some(table) => Some(adaptable(&store, table, args.batch_size)?),
        None => None,
    };
    let options = SessionOptions {
        adapt_from,
        only_check: args.only_check,
        plan: PlanOptions { sources, operators: args.operators as usize, seed: args.seed },
        batch_size: args.batch_size,
        networks: args.networks as usize,
        time_limit: Some(args.minutes),
        target_within10: Some(args.target_within10),
        operator_target: Target::operator(),
        network_target: Target::network(),
    };
    let mut progress = SessionProgress::new(args.output.quiet);
    cli::interrupted();
    let outcome = profile(&mut store, runner.as_mut(), &options, &cli::interrupted, &mut |event| progress.show(event))?;
    progress.finish();
    if args.output.json {
        cli::print(&serde_json::to_string_pretty(&outcome)?);
    } else {
        cli::print(&cli::describe_session(&outcome, &store));
    }
    Ok(cli::profile_exit(&outcome))
}

/// The table to adapt: a setting, or the one of a device that fits best.
fn adaptable(store: &Store, table: &str, batch_size: u32) -> Result<Setting, LatencyError> {
    if table.contains('/') {
        return table.parse();
    }
    let query = SettingQuery {
        device: table.to_owned(),
        batch_size: Some(batch_size),
        precision: Some(Precision::Fp32),
        ..SettingQuery::default()
    };
    resolve(store, &query)
}

fn verify_networks(
    structures: &[String],
    device: &str,
    runtime: &RuntimeArgs,
    lowering: &LoweringArgs,
    batch_size: u32,
    database: &DatabaseArgs,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    let mut networks = Vec::new();
    for argument in structures {
        for structure in cli::read_structures(argument)? {
            let network = Network::parse(&structure.text).with_context(|| structure.origin.clone())?;
            let graph = network.lower(&lowering.options()).with_context(|| structure.origin.clone())?;
            networks.push((network, graph));
        }
    }
    let mut store = cli::open_store(database)?;
    let mut runner = runtime.open(&store, device)?;
    cli::interrupted();
    let mut progress = Progress::new("verify", networks.len() as u64, output.quiet);
    let mut done = 0;
    let lower = lowering.options();
    let found =
        verify(&mut store, runner.as_mut(), &networks, &lower, batch_size, &cli::interrupted, &mut |network| {
            done += 1;
            progress.set(done, || format!("{:.3} ms", network.measured_ms));
        })?;
    progress.finish();
    if output.json {
        cli::print(&serde_json::to_string_pretty(&found)?);
    } else {
        cli::print(&cli::describe_verification(&found));
    }
    Ok(cli::verification_exit(&found))
}
