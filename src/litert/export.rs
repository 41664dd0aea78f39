//! A network to a checked file.

use std::path::{Path, PathBuf};

use prost::bytes::Bytes;

use super::LitertError;
use super::check::read_back;
use super::compare::{Checked, Reference, compare};
use super::convert::{ConvertOptions, convert};
use super::model::Model;
use super::quantize::{LitertQuantization, quantize};
use super::write::encode;
use crate::files;
use crate::latency::Precision;
use crate::net::{Graph, Shape};
use crate::onnx::import::{self, ImportOptions, Source};
use crate::onnx::{
    Batch, ExportOptions, InputForm, Interface, ModelInput, NormalizeAs, Weights, model_bytes, model_input,
};

/// Largest difference to the ONNX form, both in tract, as a share of the largest result.
const TOLERANCE: f64 = 1e-4;
/// As [`TOLERANCE`], where weights are rounded to float16.
const HALF_TOLERANCE: f64 = 2e-2;

/// What a graph or an ONNX file leaves open.
#[derive(Clone, Debug)]
pub struct LitertOptions {
    /// As for an ONNX file; float16 is for weights only, and images have channels last.
    pub export: ExportOptions,
    /// Program that runs the quantizer for int8.
    pub python: String,
}

/// What was written.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct LitertSummary {
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// LiteRT operators.
    pub operators: usize,
    /// Data type of weights.
    pub precision: Precision,
    /// How the file was checked.
    pub verified: Checked,
    /// What int8 cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<LitertQuantization>,
}

/// Writes `graph` with `weights` to `path`, by way of its ONNX form. The file is read back, and compared with that form
/// where tract has its operators, before it appears; whatever fails, an older file stays as it was.
///
/// # Errors
/// When weights do not fit, an option has no meaning for LiteRT, the destination cannot be written, the quantizer is
/// missing or the check fails.
pub fn export(
    graph: &Graph,
    weights: &Weights,
    options: &LitertOptions,
    path: &Path,
) -> Result<LitertSummary, LitertError> {
    let LitertOptions { export, .. } = options;
    let half_weights = half_weights(export)?;
    files::try_destination(path).map_err(|source| LitertError::Write { path: path.to_owned(), source })?;
    let mut interface = export.interface.clone();
    if half_weights && interface.input == InputForm::Uint8Nhwc {
        // Divided by 255, weights would fall below the smallest float16 of full precision.
        interface.normalize_as = NormalizeAs::Nodes;
    }
    let float = ExportOptions { precision: Precision::Fp32, interface, ..export.clone() };
    let onnx = Bytes::from(model_bytes(graph, weights, &float)?);
    let source = Source::read("the network", onnx.clone(), &ImportOptions::default())?;
    let mut model = convert(&source, ConvertOptions { batch: export.batch, half_weights })?;
    let reference = Reference::new(&onnx, &source);
    model.metadata = crate::onnx::metadata(graph, weights, export).into_iter().collect();
    if export.interface.input == InputForm::FloatNchw {
        model.metadata.push(("input".to_owned(), "float-nhwc".to_owned()));
    }
    finish(&model, reference, options, &model_input(graph, export)?, path)
}

/// Writes the network of the ONNX file `from` to `path`; otherwise as [`export`]. `options.export.batch` is that of
/// the file unless `batch` says another for a file that leaves it open.
///
/// # Errors
/// As [`export`], when the file cannot be read, and when it holds operations that are not written, which are named.
pub fn export_onnx(
    from: &Path,
    import: &ImportOptions,
    batch: Option<u32>,
    options: &LitertOptions,
    path: &Path,
) -> Result<LitertSummary, LitertError> {
    let half_weights = half_weights(&options.export)?;
    files::try_destination(path).map_err(|source| LitertError::Write { path: path.to_owned(), source })?;
    let (name, bytes) = import::read_file(from)?;
    let source = Source::read(&name, bytes.clone(), import)?;
    let batch = match (batch, source.batch_size) {
        (Some(asked), Some(fixed)) if u64::from(asked) != fixed => {
            let reason = format!("{name} fixes a batch of {fixed}; export it with an open batch for one of {asked}");
            return Err(LitertError::Model { reason });
        }
        (Some(asked), _) => Batch::Fixed(asked),
        (None, Some(fixed)) => Batch::Fixed(u32::try_from(fixed).unwrap_or(u32::MAX)),
        (None, None) => Batch::Symbolic,
    };
    batch.check()?;
    let mut model = convert(&source, ConvertOptions { batch, half_weights })?;
    let image = model.inputs.first().and_then(|(_, id)| model.tensor(*id));
    let &[_, height, width, channels] = image.map_or(&[][..], |image| &image.shape[..]) else {
        return Err(LitertError::Model { reason: "its image has no height and width".to_owned() });
    };
    let shape = Shape { channels: channels as u32, height: height as u32, width: width as u32 };
    let form = if source.takes_bytes() { InputForm::Uint8Nhwc } else { InputForm::FloatNchw };
    let entries = [
        ("zen_nas_version", env!("CARGO_PKG_VERSION")),
        ("precision", options.export.precision.name()),
        ("input", if form == InputForm::Uint8Nhwc { "uint8-nhwc" } else { "float-nhwc" }),
        ("source", source.producer.as_str()),
    ];
    model.metadata = entries.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    model.metadata.extend(options.export.metadata.iter().cloned());
    let input = ModelInput { form, shape, normalization: None };
    finish(&model, Reference::new(&bytes, &source), options, &input, path)
}

/// Whether weights are float16.
fn half_weights(export: &ExportOptions) -> Result<bool, LitertError> {
    let Interface { half, .. } = export.interface;
    if half {
        return Err(LitertError::HalfInterface);
    }
    Ok(export.precision == Precision::Fp16)
}

fn finish(
    model: &Model,
    reference: Reference,
    options: &LitertOptions,
    input: &ModelInput,
    path: &Path,
) -> Result<LitertSummary, LitertError> {
    let precision = options.export.precision;
    let check = |reason| LitertError::Check { reason };
    let tolerance = if precision == Precision::Fp16 { HALF_TOLERANCE } else { TOLERANCE };
    let verified = compare(reference, model, tolerance).map_err(check)?;
    let mut bytes = encode(model)?;
    read_back(&bytes, model).map_err(check)?;
    let mut quantization = None;
    if precision == Precision::Int8 {
        let quantized = quantize(&bytes, &options.export.quantization, input, &options.python)?;
        bytes = quantized.0;
        quantization = Some(quantized.1);
    }
    let write = |source| LitertError::Write { path: path.to_owned(), source };
    files::write(path, &bytes).map_err(write)?;
    let operators = model.operators.len();
    let bytes = bytes.len() as u64;
    Ok(LitertSummary { path: path.to_owned(), bytes, operators, precision, verified, quantization })
}
