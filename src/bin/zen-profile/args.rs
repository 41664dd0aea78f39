//! The command line of `zen-profile`: what can be asked, and the help that teaches it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use zen_nas::cli::{
    self, CompletionArgs, DatabaseArgs, ImportArgs, LoweringArgs, OutputArgs, TableArgs, count, positive,
};
use zen_nas::latency::table_file_help;
use zen_nas::profile::RUNNERS;
use zen_nas::report::ReportOptions;
use zen_nas::space::SPACES;

use crate::remote::RuntimeArgs;

/// Measures the operators of a search space on a device, and says how far predictions from them
/// are from whole networks; or, with --for, the operators of an ONNX file.
///
/// Every operator is stored as it is measured: after Ctrl-C run the same command again to resume where it
/// stopped.
#[derive(Parser)]
#[command(name = "zen-profile", version, args_conflicts_with_subcommands = true, after_help = examples(),
    after_long_help = format!("{}\n\n{}\n\n{}", examples(), names(), cli::exit_help()))]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub measure: MeasureArgs,
    #[command(flatten)]
    pub completions: CompletionArgs,
}

#[derive(Subcommand)]
pub enum Command {
    /// Measure given networks as a whole, beside what the table predicts: the winner of a search,
    /// before it is trained, or an ONNX file, before it is chosen
    Verify(Box<VerifyArgs>),
    /// Try a built-in or imported table of a processor on this machine: six of its networks are measured, and it is
    /// confirmed, scaled or refused
    Check {
        /// Device whose table is tried; `cpu` is this machine
        #[arg(long, value_name = "NAME", default_value = "cpu")]
        device: String,
        /// Runtime of the table: tract or onnxruntime [default: the device's]
        #[arg(long, value_name = "NAME")]
        runtime: Option<String>,
        /// Python interpreter that has onnxruntime [default: the active virtual environment's, else python3]
        #[arg(long, value_name = "PROGRAM")]
        python: Option<String>,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List every device that can be named, built-in ones and your own, with each setting that has a table: evidence,
    /// networks it was checked on, error
    Devices {
        /// Only devices or settings that these words are about, e.g. galaxy, litert, int8
        #[arg(value_name = "WORD")]
        words: Vec<String>,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List every latency table with its evidence, operators and error in full
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
        /// Keep so many operators, those that say most, and the networks held out; the error is worked out
        /// anew [default: everything]
        #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
        max_rows: Option<u32>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Read tables from files, as `export` writes them or with less; the same file twice changes nothing
    #[command(after_long_help = table_file_help())]
    Import {
        #[arg(value_name = "FILE", required = true)]
        paths: Vec<PathBuf>,
        /// Take lines that cannot be true, too, and mark the table
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Remove an imported table from the database; tables that were measured here stay
    Remove {
        /// Its setting, the name of the file that it was read from, or its hash
        #[arg(value_name = "SETTING|FILE")]
        what: String,
        /// Remove every imported table that is meant, where there are several
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(clap::Args)]
pub struct VerifyArgs {
    /// A structure, a run directory of zen-search, a file with a structure on each line, an ONNX file, or - for stdin
    #[arg(value_name = "STRUCTURE|RUN|FILE", required = true)]
    pub networks: Vec<String>,
    /// Device to measure on; `cpu` is this machine [default: that of the run or file, else cpu]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    #[command(flatten)]
    pub lowering: LoweringArgs,
    #[command(flatten)]
    pub import: ImportArgs,
    /// Images in one inference call [default: those of the run or file, else 1]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch_size: Option<u32>,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(clap::Args)]
pub struct MeasureArgs {
    /// Device to measure; `cpu` is this machine, `zen-profile devices` lists all
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// Search space whose operators are measured, several separated by commas [default: every space, idw
    /// with and without squeeze-and-excitation]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub space: Vec<String>,
    /// Measure exactly the operators of this ONNX file instead, then the whole file beside its prediction;
    /// several may be given
    #[arg(long = "for", value_name = "FILE", conflicts_with_all = ["space", "adapt_from", "only_check"])]
    pub files: Vec<String>,
    /// With --for: measure operators again that were measured before
    #[arg(long, requires = "files")]
    pub fresh: bool,
    #[command(flatten)]
    pub lowering: LoweringArgs,
    #[command(flatten)]
    pub import: ImportArgs,
    /// Images in one inference call
    #[arg(long, value_name = "N", default_value = "1", value_parser = count, allow_negative_numbers = true)]
    pub batch_size: u32,
    /// End after about this time, the check included; run the same command again to resume [default: 10; with --for when
    /// all is measured]
    #[arg(long, value_name = "M", value_parser = minutes, allow_negative_numbers = true)]
    pub minutes: Option<Duration>,
    /// End when this percentage of fresh networks, each predicted before it is measured, is within 10%
    #[arg(long, value_name = "PERCENT", default_value = "99", value_parser = percent, allow_negative_numbers = true)]
    pub target_within10: f64,
    /// End when the table has this many operators
    #[arg(long, value_name = "N", default_value = "20000", value_parser = count, allow_negative_numbers = true)]
    pub operators: u32,
    /// Whole networks held out to check the table on, measured twice each; 0 for none
    #[arg(long, value_name = "N", default_value = "40", allow_negative_numbers = true)]
    pub networks: u32,
    /// Make the table from this one of a similar device, corrected with 10 whole networks (a device or a
    /// setting such as v100/tensorrt/fp32/b1)
    #[arg(long, value_name = "TABLE")]
    pub adapt_from: Option<String>,
    /// Measure no operators: check the table there is on fresh networks (another --seed, other networks)
    #[arg(long, conflicts_with = "adapt_from")]
    pub only_check: bool,
    /// Seed of the plan and of the weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

fn examples() -> &'static str {
    "Examples:
  zen-profile --device cpu
  zen-profile --device cpu --minutes 15
  zen-profile --device cpu --runtime onnxruntime
  zen-profile --device cpu --adapt-from cpu-amd-epyc
  zen-profile --device ssh-host --host me@board.local --agent zen-agent-aarch64
  zen-profile devices
  zen-profile devices galaxy
  zen-profile --device cpu --space idw --squeeze-excite --resolution 192
  zen-profile --device cpu --for mobilenet.onnx
  zen-profile verify zen-runs/cpu-20ms-1795519895
  zen-profile verify best.txt mobilenet.onnx
  zen-profile list
  zen-profile show t4
  zen-profile report cpu --svg report.svg
  zen-profile export v100/tensorrt/fp16/b1 -o v100.csv
  zen-profile import from-a-colleague.csv
  zen-profile remove from-a-colleague.csv
  zen-profile check --device cpu"
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
