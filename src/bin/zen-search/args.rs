//! The options of `zen-search`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use zen_nas::cli::{
    self, AxesArg, BudgetArgs, CheckArgs, CompletionArgs, ComputeArgs, Confidence, DatabaseArgs, LoweringArgs,
    OutputArgs, RailArgs, SettingArgs, count, count_or_none, large_number, positive,
};
use zen_nas::score::{Compute, ComputeError};
use zen_nas::search::front::FrontSpec;
use zen_nas::search::optimise::Optimiser;
use zen_nas::search::{RunSpec, SearchConfig};
use zen_nas::space::SPACES;

/// Searches for the network with the highest Zen-score within your budgets, in seconds and without
/// training, and writes it as ONNX.
///
/// The search ranks by a fast form of the score. A final round scores the best networks exactly, with a standard error;
/// another one of them wins if its exact score is clearly higher.
///
/// Budgets are upper limits; give any number of them, and latencies on any number of devices. A latency is predicted from
/// a table of operators on the device (`zen-profile list` shows the tables, `zen-profile --device cpu` makes one for this
/// machine).
#[derive(Parser)]
#[command(name = "zen-search", version, args_conflicts_with_subcommands = true, after_help = examples(), after_long_help = format!("{}\n\n{}\n\n{}\n\n{}", examples(), names(), cli::SCORE_ADVICE, cli::exit_help()))]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub budgets: BudgetArgs,
    /// Probability, by the calibrated interval of its table, with which a network meets a latency budget, from 0.5 to
    /// 0.99; `none` compares the prediction itself, which the latency exceeds half of the time
    #[arg(long, value_name = "P|none", default_value = "0.9", value_parser = cli::confidence, allow_negative_numbers = true)]
    pub confidence: Confidence,
    /// Search for a trade-off instead of one network: two or three axes, one of them `score`, the others budgets, as in
    /// latency:t4,score or params,flops,score. The budget of an axis may be a range, as in --latency-ms 0.5..10 [default
    /// range: from the cheapest network to 20 times that]
    #[arg(long, value_name = "AXES", conflicts_with_all = ["resume", "repeat"])]
    pub pareto: Option<AxesArg>,
    /// Points of the trade-off that are looked for
    #[arg(long, value_name = "N", default_value_t = FrontSpec::DEFAULT_POINTS, value_parser = count, requires = "pareto", allow_negative_numbers = true)]
    pub points: u32,
    /// Make the knee of the trade-off the winner: beyond it, more costs more and brings less. Without, the network with the
    /// best score is
    #[arg(long, requires = "pareto")]
    pub knee: bool,
    #[command(flatten)]
    pub setting: SettingArgs,
    /// Search space: a built-in one, or the path of a space file that ends in .toml
    #[arg(long, value_name = "NAME|FILE", default_value = "xxbl")]
    pub space: String,
    #[command(flatten)]
    pub rails: RailArgs,
    #[command(flatten)]
    pub lowering: LoweringArgs,
    /// What ranks networks
    #[arg(long, value_name = "NAME", default_value = "zen-closed")]
    pub proxy: String,
    /// What looks for networks: `solver` for a proven optimum, `evolution` (the published method), or `auto`: the solver
    /// where score and budgets are sums over operators, evolution otherwise
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub optimiser: Optimiser,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Initial structure, or a file with it [default: the published one for the space and resolution]
    #[arg(long, value_name = "STRUCTURE|FILE")]
    pub initial: Option<String>,
    /// Candidates to evaluate
    #[arg(long, value_name = "N", default_value_t = SearchConfig::DEFAULT_ITERATIONS as f64, value_parser = large_number, allow_hyphen_values = true, hide_default_value = true)]
    pub iterations: f64,
    /// Networks kept
    #[arg(long, value_name = "N", default_value_t = SearchConfig::DEFAULT_POPULATION as u32, value_parser = count, allow_negative_numbers = true)]
    pub population: u32,
    /// Networks that a final round scores exactly; at least 15% of their layers differ. 0 for no final round
    #[arg(long, value_name = "N", default_value_t = RunSpec::DEFAULT_FINALISTS as u32, value_parser = count_or_none, allow_negative_numbers = true)]
    pub finalists: u32,
    /// Time limit of the final round, counted in multiply-adds of a nominal core (100 G a second), so that the same seed
    /// gives the same result on every machine
    #[arg(long, value_name = "S", default_value_t = RunSpec::DEFAULT_FINAL_SECONDS, value_parser = positive, allow_negative_numbers = true)]
    pub final_seconds: f64,
    /// Standard error that the final round brings the winner's score to if there is time [default: the proxy's, 0.3 for
    /// zen]
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    pub se: Option<f64>,
    /// Random initialisations for each candidate of the search, by a proxy that uses them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count, allow_negative_numbers = true)]
    pub draws: u32,
    /// Batch size of an evaluation, in the search and the final round [default: the proxy's]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub score_batch_size: Option<u32>,
    /// Draw block types with the unequal weights of the published implementation
    #[arg(long)]
    pub published_draw: bool,
    /// Seed of the search and of the exported weights; the same seed gives the same result
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Threads; no influence on the result [default: all cores]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub threads: Option<u32>,
    /// Networks to give that really differ (at least 15% of the layers), the winner first, each as ONNX too; without this
    /// option 3 as structures
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub top: Option<u32>,
    /// Run directory to make [default: zen-runs/DEVICE-BUDGET-TIME]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue an interrupted run in its directory; everything else is read from there (--minutes, --no-onnx, --db and
    /// --device-compute may be given anew)
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "confidence", "initial", "device", cli::BUDGET_GROUP, cli::RAIL_GROUP, "finalists", "final_seconds", "se", "draws", "score_batch_size"])]
    pub resume: Option<PathBuf>,
    /// Run the search of this directory again in a new one, and say what changed since
    #[arg(long, value_name = "DIR", conflicts_with_all = ["resume", "confidence", "initial", "device", cli::RAIL_GROUP, "finalists", "final_seconds", "se", "draws", "score_batch_size"])]
    pub repeat: Option<PathBuf>,
    /// End the search after so many minutes; the final round follows. What is found by then depends on the machine and
    /// cannot be repeated
    #[arg(long, value_name = "M", value_parser = positive, allow_negative_numbers = true)]
    pub minutes: Option<f64>,
    /// Write no ONNX file
    #[arg(long)]
    pub no_onnx: bool,
    #[command(flatten)]
    pub check: CheckArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Print events as JSON on stdout while the search runs, one object a line: `start`, `best`, `progress`, `finalist`,
    /// `end`, and last `result` with what --json prints, or `failure`
    #[arg(long)]
    pub events: bool,
    #[command(flatten)]
    pub completions: CompletionArgs,
}

#[derive(Subcommand)]
pub enum Command {
    /// Lists search spaces with what they hold
    Spaces {
        /// Built-in spaces or space files [default: every built-in space]
        #[arg(value_name = "NAME|FILE")]
        spaces: Vec<String>,
        /// Print the JSON schema of space files, for editors
        #[arg(long, conflicts_with = "spaces")]
        schema: bool,
        /// Print the space files themselves, to start your own from
        #[arg(long, conflicts_with = "schema")]
        toml: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Writes report.html of a run anew, with other proxies beside the score
    Report {
        /// The directory of the run
        #[arg(value_name = "RUN")]
        run: PathBuf,
        /// Leave other proxies out: they take minutes for large networks
        #[arg(long)]
        no_proxies: bool,
        /// Threads [default: all cores]
        #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
        threads: Option<u32>,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

fn examples() -> &'static str {
    "Examples:
  zen-search --latency-ms 5 --device t4
  zen-search --latency-ms 5@t4 --latency-ms 90@pixel2 --max-size 20MB
  zen-search --latency-ms 5@t4/tensorrt/int8/b1 --confidence 0.95
  zen-search --ms-per-image 0.2 --device v100 --runtime published --max-layers 13
  zen-search --space idw --max-flops 400M --squeeze-excite --latency-ms 90 --device pixel2
  zen-search --resolution 32 --classes 10 --max-params 1e6 --max-layers 18
  zen-search --space my.toml --max-params 2M
  zen-search --pareto latency:t4,score --latency-ms 0.5..10
  zen-search spaces"
}

fn names() -> String {
    let spaces = SPACES.iter().map(|space| format!("  {:<24} {}", space.name, space.about));
    format!("Search spaces:\n{}\n\n{}", spaces.collect::<Vec<_>>().join("\n"), cli::proxies_help())
}

impl Args {
    /// What the option parser alone cannot see.
    ///
    /// # Errors
    /// Says what to add.
    pub fn check(&self) -> Result<(), String> {
        let continues = self.resume.is_some() || self.repeat.is_some();
        if continues { Ok(()) } else { self.all_budgets().check(&self.setting) }
    }

    /// The budgets, those of the trade-off's axes included.
    pub fn all_budgets(&self) -> BudgetArgs {
        self.pareto.as_ref().map_or_else(|| self.budgets.clone(), |axes| self.budgets.with_axes(axes))
    }

    /// Takes what a run was started with, except where an option says otherwise; what is said is kept for this time only.
    ///
    /// # Errors
    /// When the run names no place to compute.
    pub fn continue_run(&mut self, spec: &mut RunSpec) -> Result<(), ComputeError> {
        self.database.db = self.database.db.take().or_else(|| spec.database.as_ref().map(PathBuf::from));
        if self.compute.device_compute == Compute::Cpu {
            self.compute.device_compute = spec.device_compute.parse()?;
        }
        spec.minutes = self.minutes.or(spec.minutes);
        spec.no_onnx |= self.no_onnx;
        Ok(())
    }
}
