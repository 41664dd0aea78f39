//! The options of `zen-export`.

use std::path::PathBuf;

use clap::Parser;
use zen_nas::cli::{self, CompletionArgs, DatabaseArgs, DeviceArgs, LoweringArgs, OutputArgs, count};
use zen_nas::latency::{Precision, SettingQuery};
use zen_nas::onnx::{InputForm, Interface, Normalization, NormalizeAs, OnnxError, read_labels};

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
    /// Take and give float16 in an fp16 model, instead of float32
    #[arg(long, requires = "precision")]
    pub fp16_io: bool,
    /// Image that the model takes: float-nchw, or uint8-nhwc (0 to 255, as cameras give it; divided by 255 inside)
    #[arg(long, value_name = "FORM", default_value_t)]
    pub input: InputForm,
    /// Normalise the image inside the model, from values from 0 to 1: imagenet, cifar, or MEANS/DEVIATIONS
    /// with a number for each channel, e.g. 0.485,0.456,0.406/0.229,0.224,0.225
    #[arg(long, value_name = "NAME|NUMBERS", allow_hyphen_values = true)]
    pub normalize: Option<Normalization>,
    /// How: folded (scales in the first convolution, one node for the mean) or nodes (every weight as trained)
    #[arg(long, value_name = "FORM", default_value_t)]
    pub normalize_as: NormalizeAs,
    /// End in class probabilities instead of logits
    #[arg(long)]
    pub softmax: bool,
    /// Names of the classes, one a line in the order of the output, for the file's metadata
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
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
  zen-export best.txt --weights trained.pth --input uint8-nhwc --normalize imagenet --softmax --labels names.txt -o app.onnx
  zen-export 'SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,32,2,16,1)' --resolution 96 --batch 1 -o small.onnx";

impl Args {
    /// The latency table that is asked for.
    pub fn query(&self) -> Option<SettingQuery> {
        self.table.query(self.table_precision.or(self.precision))
    }

    /// What the model has around the network.
    pub fn interface(&self) -> Result<Interface, OnnxError> {
        Ok(Interface {
            input: self.input,
            half: self.fp16_io,
            normalization: self.normalize.clone(),
            normalize_as: self.normalize_as,
            softmax: self.softmax,
            labels: self.labels.as_deref().map_or(Ok(Vec::new()), read_labels)?,
        })
    }
}
