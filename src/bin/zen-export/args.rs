//! The options of `zen-export`.

use std::path::PathBuf;

use clap::Parser;
use zen_nas::cli::{self, CompletionArgs, DatabaseArgs, DeviceArgs, LoweringArgs, OutputArgs, count};
use zen_nas::latency::{Precision, SettingQuery};

/// Writes a structure as an ONNX file that onnxruntime, TensorRT and mobile converters accept.
///
/// Batch norms are folded into their convolutions. The file is loaded and run before it appears;
/// if that fails there is none.
#[derive(Parser)]
#[command(name = "zen-export", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", cli::exit_help()))]
pub struct Args {
    /// A structure, or a file with one (- for stdin)
    #[arg(value_name = "STRUCTURE|FILE", required_unless_present = "completions")]
    pub structure: Option<String>,
    /// File to write
    #[arg(long = "output", short = 'o', value_name = "FILE", required_unless_present = "completions")]
    pub path: Option<PathBuf>,
    /// Weights: safetensors, or a PyTorch checkpoint (.pth) with the published names [default: random]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Seed of random weights
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "weights")]
    pub seed: u64,
    /// Numbers of weights and arithmetic: fp32, fp16 or int8 [default: fp32]
    #[arg(long, value_name = "NAME")]
    pub precision: Option<Precision>,
    /// Fix the batch instead of leaving it symbolic
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch: Option<u32>,
    #[command(flatten)]
    pub lowering: LoweringArgs,
    /// Leave the residual links out
    #[arg(long)]
    pub no_residual: bool,
    /// Predicts a latency that is written into the file's metadata
    #[command(flatten)]
    pub table: DeviceArgs,
    /// Precision of the latency table: fp32, fp16 or int8 [default: that of --precision, else the device's]
    #[arg(long, value_name = "NAME", requires = "device")]
    pub table_precision: Option<Precision>,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub completions: CompletionArgs,
}

const EXAMPLES: &str = "Examples:
  zen-export best.txt -o network.onnx
  zen-export best.txt --weights trained.safetensors --classes 100 -o network.onnx
  zen-export best.txt --weights trained.pth --precision fp16 -o half.onnx
  zen-export 'SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,32,2,16,1)' --resolution 96 --batch 1 -o small.onnx";

impl Args {
    /// The latency table that is asked for.
    pub fn query(&self) -> Option<SettingQuery> {
        self.table.query(self.table_precision.or(self.precision))
    }
}
