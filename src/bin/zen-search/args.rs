//! The options of `zen-search`.

use std::path::PathBuf;

use clap::Parser;
use zen_nas::cli::{
    self, CheckArgs, CompletionArgs, ComputeArgs, DatabaseArgs, LoweringArgs, OutputArgs, SettingArgs, count,
    count_or_none, large_number, positive,
};
use zen_nas::search::{RunSpec, SearchConfig};
use zen_nas::space::SPACES;

/// Searches for the network with the highest Zen-score within your budgets, in seconds and without
/// training, and writes it as ONNX.
///
/// The search ranks by a fast form of the score; a final round scores the best networks precisely, with
/// a standard error, and the best of those wins.
///
/// Budgets are upper limits; give any number of them. A latency is predicted from a table of
/// operators on the device (`zen-profile list` shows the tables, `zen-profile --device cpu` makes
/// one for this machine).
#[derive(Parser)]
#[command(name = "zen-search", version, after_help = examples(), after_long_help = format!("{}\n\n{}\n\n{}\n\n{}", examples(), names(), cli::SCORE_ADVICE, cli::exit_help()))]
pub struct Args {
    /// Latency budget: milliseconds of one inference call with the whole batch
    #[arg(long, value_name = "MS", value_parser = positive, requires = "device", conflicts_with = "ms_per_image", allow_negative_numbers = true)]
    pub latency_ms: Option<f64>,
    /// Latency budget as papers give it: milliseconds per image, at batch 64 unless --batch-size says otherwise
    #[arg(long, value_name = "MS", value_parser = positive, requires = "device", allow_negative_numbers = true)]
    pub ms_per_image: Option<f64>,
    /// Budget of trainable parameters, e.g. 1M or 1e6
    #[arg(long, value_name = "N", value_parser = large_number, allow_hyphen_values = true)]
    pub max_params: Option<f64>,
    /// Budget of FLOPs, counted as multiply-adds for one image, e.g. 400M
    #[arg(long, value_name = "N", value_parser = large_number, allow_hyphen_values = true)]
    pub max_flops: Option<f64>,
    /// Budget of peak float32 activations of one image, in bytes
    #[arg(long, value_name = "BYTES", value_parser = large_number, allow_hyphen_values = true)]
    pub max_activation_bytes: Option<f64>,
    /// Budget of layers, counted as the sum of sub-layers; `none` for no limit [default: the space's]
    #[arg(long, value_name = "N", value_parser = layers, allow_negative_numbers = true)]
    pub max_layers: Option<LayerLimit>,
    #[command(flatten)]
    pub setting: SettingArgs,
    /// Search space
    #[arg(long, value_name = "NAME", default_value = "xxbl")]
    pub space: String,
    #[command(flatten)]
    pub lowering: LoweringArgs,
    /// What ranks networks
    #[arg(long, value_name = "NAME", default_value = "zen-closed")]
    pub proxy: String,
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
    /// Networks that a final round scores precisely; the best of them wins. 0 for no final round
    #[arg(long, value_name = "N", default_value_t = RunSpec::DEFAULT_FINALISTS as u32, value_parser = count_or_none, allow_negative_numbers = true)]
    pub finalists: u32,
    /// Standard error that the final round brings the winner's score to [default: the proxy's, 0.3 for zen]
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    pub se: Option<f64>,
    /// Draws for each child of the search, by a proxy that draws
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count, allow_negative_numbers = true)]
    pub draws: u32,
    /// Images of a draw, in the search and the final round [default: the proxy's]
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
    /// Run directory to make [default: zen-runs/DEVICE-BUDGET-TIME]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue an interrupted run in its directory; everything else is read from there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "latency_ms", "ms_per_image", "max_params", "max_flops", "max_layers", "max_activation_bytes", "initial", "device", "finalists", "se", "draws", "score_batch_size"])]
    pub resume: Option<PathBuf>,
    /// Run the search of this directory again in a new one, and say what changed since
    #[arg(long, value_name = "DIR", conflicts_with_all = ["resume", "latency_ms", "ms_per_image", "max_params", "max_flops", "max_layers", "max_activation_bytes", "initial", "device", "finalists", "se", "draws", "score_batch_size"])]
    pub repeat: Option<PathBuf>,
    /// Write no ONNX file
    #[arg(long)]
    pub no_onnx: bool,
    #[command(flatten)]
    pub check: CheckArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub completions: CompletionArgs,
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
    format!("Search spaces:\n{}\n\n{}", spaces.collect::<Vec<_>>().join("\n"), cli::proxies_help())
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerLimit(pub Option<u32>);

fn layers(text: &str) -> Result<LayerLimit, String> {
    match text {
        "none" => Ok(LayerLimit(None)),
        _ => count(text).map(|limit| LayerLimit(Some(limit))).map_err(|reason| format!("{reason}, or `none`")),
    }
}
