//! The options of `zen-score`.

use clap::Parser;
use zen_nas::cli::{
    self, CheckArgs, CompletionArgs, ComputeArgs, DatabaseArgs, GateArgs, ImportArgs, LoweringArgs, OutputArgs,
    SettingArgs, count, positive, proxies_help,
};
use zen_nas::score::{ComputeError, Sampling, Until};

/// Prints scores, costs and predicted latency of structures and of ONNX files, and compares scores with each
/// other.
///
/// A structure is a string such as 'SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K7(16,40,2,40,1)'. A file holds
/// one on each line, or is CSV with a header: a column `structure`, and as far as there are columns
/// `name`, `dataset`, `resolution`, `classes`, `se` (or `squeeze_excite`) and an accuracy. What a row says replaces the
/// options --resolution, --classes and --squeeze-excite for that network. One bad structure does not
/// stop the others.
///
/// A run directory of zen-search stands for its winner. Resolution, classes, squeeze-and-excitation and the device are
/// then those of the search, as they are for the files that it wrote, unless an option says otherwise.
///
/// With several devices, separated by commas, there is one line for each: `--device t4,v100,pixel2`.
///
/// An ONNX file is read as it was written by whatever program: its parameters, its multiply-adds and its
/// predicted latency are printed, and which share of that nothing is known about. Scores are defined for
/// structures alone. Files come behind the structures in what is printed.
///
/// With budgets (--max-latency-ms 20 --device pixel2) or an earlier result (--baseline) every network is held to them, and
/// the program ends with 7 if one is over.
///
/// Proxies that draw weights are repeated until the standard error of their mean is small; scores are
/// printed as mean +- standard error. The same seed gives the same numbers on any number of threads.
#[derive(Parser)]
#[command(name = "zen-score", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}\n\n{}", proxies_help(), cli::SCORE_ADVICE, cli::exit_help()))]
pub struct Args {
    /// A structure, a run directory, a file with structures or CSV, an ONNX file, or - for stdin
    #[arg(value_name = "STRUCTURE|RUN|FILE", required_unless_present = "completions")]
    pub structures: Vec<String>,
    /// Proxies to print, separated by commas [default: zen-closed; with --compare all that draw nothing, and zen]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub proxy: Vec<String>,
    /// Compare the orders that proxies put the networks in, with each other, with parameters and FLOPs, and
    /// with accuracy where the input has it: Kendall's tau within each data set
    #[arg(long)]
    pub compare: bool,
    /// Column with the accuracy [default: top1_published, accuracy or top1]
    #[arg(long, value_name = "NAME")]
    pub accuracy_column: Option<String>,
    /// Draws for each score, by proxies that draw, instead of as many as the standard error needs
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, conflicts_with = "se")]
    pub draws: Option<u32>,
    /// Standard error to draw down to, in units of the score [default: the proxy's, 0.3 for zen]
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    pub se: Option<f64>,
    /// Images of a draw [default: the proxy's]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub score_batch_size: Option<u32>,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Threads; no influence on the result [default: all cores]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    #[command(flatten)]
    pub setting: SettingArgs,
    #[command(flatten)]
    pub lowering: LoweringArgs,
    #[command(flatten)]
    pub import: ImportArgs,
    /// Leave the residual links out (the network that the Zen-score looks at)
    #[arg(long)]
    pub no_residual: bool,
    /// With one network and one device: the slowest operators and how each time is known
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub check: CheckArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Print the result as CSV on stdout; with --compare, one line for each pair of figures
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print the result as Markdown tables on stdout, for a comment on a pull request
    #[arg(long, conflicts_with_all = ["json", "csv", "compare", "explain"])]
    pub markdown: bool,
    #[command(flatten)]
    pub completions: CompletionArgs,
    // Last: what follows would stand under its heading in the help.
    #[command(flatten)]
    pub gates: GateArgs,
}

const EXAMPLES: &str = "Examples:
  zen-score zen-runs/t4-5ms-1795519895
  zen-score zen-runs/t4-5ms-1795519895/population.txt --csv
  zen-score mobilenet.onnx --device pixel2 --explain
  zen-score mobilenet.onnx --device t4,v100,pixel2,galaxy-s24
  zen-score model.onnx --device pixel2 --max-latency-ms 20 --max-size 20MB --junit checks.xml
  zen-score model.onnx --device pixel2 --baseline main.json --tolerance 5% --markdown
  zen-score networks.txt --proxy zen,params,flops --resolution 32 --classes 10 --csv
  zen-score networks.csv --compare --accuracy-column top1
  zen-search --max-flops 400M --json | jq -r .structure | zen-score - --device pixel2";

impl Args {
    /// How proxies that draw are repeated.
    ///
    /// # Errors
    /// When what is to compute cannot be opened.
    pub fn sampling(&self) -> Result<Sampling, ComputeError> {
        Ok(Sampling {
            seed: self.seed,
            batch_size: self.score_batch_size.map(|images| images as usize),
            until: self.draws.map(Until::Draws).or(self.se.map(Until::StandardError)),
            threads: cli::threads(self.threads),
            compute: self.compute.open()?,
        })
    }
}
