//! The options of `zen-export`.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Parser};
use zen_nas::cli::{self, CompletionArgs, DatabaseArgs, DeviceArgs, ImportArgs, LoweringArgs, OutputArgs, count};
use zen_nas::latency::{Precision, SettingQuery};
use zen_nas::litert::DEFAULT_PYTHON;
use zen_nas::onnx::{
    Calibration, CalibrationMethod, InputForm, Interface, Normalization, NormalizeAs, OnnxError, Quantization,
    QuantizedFor, read_labels,
};

use crate::format::Format;

/// Writes a structure as an ONNX file that onnxruntime, TensorRT and mobile converters accept, as a LiteRT file (.tflite)
/// that apps load, or as a PyTorch module to train; or an ONNX file of another program as LiteRT.
///
/// A run directory of zen-search stands for its winner. Resolution, classes, squeeze-and-excitation, the device and the
/// precision are then those of the search, as they are for the files that it wrote, unless an option says otherwise.
///
/// In ONNX and LiteRT, batch norms are folded into their convolutions. The file is loaded and checked before it appears;
/// if that fails there is none.
#[derive(Parser)]
#[command(name = "zen-export", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", cli::exit_help()))]
pub struct Args {
    /// A structure, a run directory of zen-search, whose winner is meant, a file with a structure (- for stdin), or an
    /// ONNX file, which is written as LiteRT
    #[arg(value_name = "STRUCTURE|RUN|FILE|MODEL.onnx", required_unless_present = "completions")]
    pub structure: Option<String>,
    /// Which network of the run or file, counted from the best: 1 is the winner, 2 its first alternative [default: 1]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub rank: Option<u32>,
    /// File to write
    #[arg(long = "output", short = 'o', value_name = "FILE", required_unless_present_any = ["completions", "init_weights"])]
    pub path: Option<PathBuf>,
    /// Kind of file [default: by the ending of its name: .onnx, .tflite or .py]
    #[arg(long, value_name = "NAME", requires = "path")]
    pub format: Option<Format>,
    /// Weights: safetensors, or a PyTorch checkpoint (.pth) with the published names [default: random]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Seed of random weights
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "weights")]
    pub seed: u64,
    /// Also write the random weights of --seed, before folding, as safetensors that PyTorch can start from
    #[arg(long, value_name = "FILE", conflicts_with = "weights")]
    pub init_weights: Option<PathBuf>,
    /// Data type of weights and computation: fp32, fp16 (in LiteRT: weights) or int8 [default: fp16 for a run on a setting in fp16, else fp32]
    #[arg(long, value_name = "NAME")]
    pub precision: Option<Precision>,
    /// Take and give float16 in an fp16 model, instead of float32
    #[arg(long)]
    pub fp16_io: bool,
    /// Images to calibrate an int8 model on: a folder of PNG and JPEG files, or an array in a .npz file of what the
    /// model takes [default: random inputs, which say little]
    #[arg(long, value_name = "FOLDER|FILE")]
    pub calibration: Option<PathBuf>,
    /// Range of activations in an int8 model: min-max, percentile or entropy
    #[arg(long, value_name = "NAME", default_value_t)]
    pub calibration_method: CalibrationMethod,
    /// Quantization scheme of an int8 model: onnxruntime (uint8 activations, int32 biases) or tensorrt (int8 around zero)
    #[arg(long, value_name = "NAME", default_value_t)]
    pub quantized_for: QuantizedFor,
    /// Python with the package ai-edge-quantizer, which makes an int8 LiteRT file
    #[arg(long, value_name = "PROGRAM", default_value = DEFAULT_PYTHON)]
    pub python: String,
    /// Also write what int8 cost as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Image that the model takes: float-nchw (LiteRT: channels last all the same), or uint8-nhwc (0 to 255, as cameras
    /// give it; divided by 255 inside)
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
    /// Fix the batch instead of leaving it open
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch: Option<u32>,
    #[command(flatten)]
    pub import: ImportArgs,
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
  zen-export zen-runs/t4-5ms-1795519895 -o network.onnx
  zen-export zen-runs/t4-5ms-1795519895 --rank 3 -o third.onnx
  zen-export best.txt --classes 100 -o network.py --init-weights initial.safetensors
  zen-export best.txt --weights trained.safetensors --classes 100 -o network.onnx
  zen-export best.txt --weights trained.pth --precision fp16 -o half.onnx
  zen-export best.txt --weights trained.pth --precision int8 --calibration images/ -o int8.onnx
  zen-export best.txt --weights trained.pth --input uint8-nhwc --normalize imagenet --softmax --labels names.txt -o app.onnx
  zen-export best.txt --weights trained.pth --batch 1 -o app.tflite
  zen-export mobilenet_v2.onnx -o mobilenet_v2.tflite
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

    /// How an int8 model becomes one.
    pub fn quantization(&self) -> Result<Quantization, OnnxError> {
        Ok(Quantization {
            quantized_for: self.quantized_for,
            method: self.calibration_method,
            calibration: self.calibration.as_deref().map_or(Ok(Calibration::default()), Calibration::open)?,
        })
    }

    /// The kind of file to write; none where only files to train with are.
    ///
    /// # Errors
    /// When the ending of its name is that of a file that is not written.
    pub fn model_format(&self) -> Result<Option<Format>, String> {
        let Some(path) = &self.path else { return Ok(None) };
        let format = self.format.map_or_else(|| Format::of(path), Ok)?;
        Ok(Some(format).filter(|format| *format != Format::Pytorch))
    }
}

/// Arguments that mean something for a Python file; every other one belongs to ONNX.
const WITH_PYTORCH: [&str; 18] = [
    "structure",
    "rank",
    "path",
    "format",
    "init_weights",
    "resolution",
    "classes",
    "squeeze_excite",
    "no_residual",
    "device",
    "runtime",
    "table_precision",
    "batch_size",
    "runtime_threads",
    "choice",
    "db",
    "json",
    "quiet",
];

/// Arguments that mean something for an int8 model only.
const WITH_INT8: [&str; 5] = ["calibration", "calibration_method", "python", "quantized_for", "report"];

/// An argument on the command line that only an int8 model has a use for.
pub fn only_for_int8(command: &clap::Command, given: &ArgMatches) -> Option<String> {
    let is_given = |id: &&str| given.value_source(id) == Some(ValueSource::CommandLine);
    let id = WITH_INT8.into_iter().find(is_given)?;
    let long = command.get_arguments().find(|argument| argument.get_id() == id)?.get_long()?;
    Some(format!("--{long}"))
}

/// An argument on the command line that has no meaning for a Python file or initial weights.
pub fn without_meaning_in_python(command: &clap::Command, given: &ArgMatches) -> Option<String> {
    let arguments = command.get_arguments().filter(|argument| {
        let id = argument.get_id().as_str();
        let used = WITH_PYTORCH.contains(&id) || (id == "seed" && given.contains_id("init_weights"));
        !used && given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine)
    });
    arguments.filter_map(|argument| argument.get_long()).map(|long| format!("--{long}")).next()
}
