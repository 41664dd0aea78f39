//! Writing a network to an ONNX file: only a file that was checked appears at its destination.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use onnx_protobuf::ModelProto;
use protobuf::Message;

use super::emit::{Batch, NumberType, encode, network_model};
use super::interface::Interface;
use super::quantize::{ModelInput, Quantization, QuantizationReport, quantize};
use super::verify::{Verification, verify};
use super::{OnnxError, Weights};
use crate::files;
use crate::latency::Precision;
use crate::net::{Graph, OperatorKind};

/// What a graph leaves open.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    pub batch: Batch,
    /// Data type of weights and computation.
    pub precision: Precision,
    /// What stands around the network.
    pub interface: Interface,
    /// How an int8 model becomes one.
    pub quantization: Quantization,
    /// Structure string the graph was lowered from.
    pub structure: Option<String>,
    /// More metadata, e.g. the predicted latency and its setting; replaces what [`export`] would
    /// write under the same key.
    pub metadata: Vec<(String, String)>,
}

/// What was written.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct ExportSummary {
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// Trainable parameters of the network, as [`Graph::cost`] counts them. The file holds fewer:
    /// batch norms are folded.
    pub parameters: u64,
    /// ONNX nodes.
    pub nodes: usize,
    /// Data type of weights and computation.
    pub precision: Precision,
    /// How the file was checked.
    pub verified: Verification,
    /// What int8 cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<QuantizationReport>,
}

/// Writes `graph` with `weights` to `path`. The model is written beside its destination, loaded
/// and run in tract there, and renamed only then; whatever fails, an older file stays as it was.
///
/// # Errors
/// When weights do not fit (all of them named), the model exceeds 2 GiB, the destination cannot
/// be written, or the check fails.
pub fn export(
    graph: &Graph,
    weights: &Weights,
    options: &ExportOptions,
    path: &Path,
) -> Result<ExportSummary, OnnxError> {
    export_with_progress(graph, weights, options, path, &mut |_| {})
}

/// As [`export`]; `progress` is told which share of calibrating and comparing an int8 model is done.
///
/// # Errors
/// As [`export`], and when calibration images cannot be used.
pub fn export_with_progress(
    graph: &Graph,
    weights: &Weights,
    options: &ExportOptions,
    path: &Path,
    progress: &mut dyn FnMut(f64),
) -> Result<ExportSummary, OnnxError> {
    let write = |source| OnnxError::Write { path: path.to_owned(), source };
    files::try_destination(path).map_err(write)?;

    let (model, quantization) = model(graph, weights, options, progress)?;
    let mut file = files::temporary_beside(path).map_err(write)?;
    let nodes = model.graph.node.len();
    let mut writer = BufWriter::new(file.as_file_mut());
    // The encoder writes piece by piece, so a large model is not held a second time.
    model.write_to_writer(&mut writer).map_err(|source| OnnxError::Encode { source })?;
    writer.flush().map_err(write)?;
    drop(writer);
    drop(model);
    file.as_file().sync_all().map_err(write)?;
    let bytes = file.as_file().metadata().map_err(write)?.len();

    let verified = verify(file.path(), classes(graph))?;
    file.persist(path).map_err(|error| write(error.error))?;
    let parameters = graph.cost().parameters;
    let precision = options.precision;
    Ok(ExportSummary { path: path.to_owned(), bytes, parameters, nodes, precision, verified, quantization })
}

/// The encoded model, unchecked.
///
/// # Errors
/// When weights do not fit or the model exceeds 2 GiB.
pub fn model_bytes(graph: &Graph, weights: &Weights, options: &ExportOptions) -> Result<Vec<u8>, OnnxError> {
    encode(&model(graph, weights, options, &mut |_| {})?.0)
}

fn model(
    graph: &Graph,
    weights: &Weights,
    options: &ExportOptions,
    progress: &mut dyn FnMut(f64),
) -> Result<(ModelProto, Option<QuantizationReport>), OnnxError> {
    if options.interface.half && options.precision != Precision::Fp16 {
        return Err(OnnxError::HalfInterface { precision: options.precision });
    }
    let numbers = match options.precision {
        // Integers are made of the float32 model.
        Precision::Fp32 | Precision::Int8 => NumberType::Float,
        Precision::Fp16 => NumberType::Half,
    };
    let quantized_input = (options.precision == Precision::Int8).then(|| model_input(graph, options)).transpose()?;
    let mut metadata = metadata(graph, weights, options);
    if let Some(input) = &quantized_input {
        let quantization = options.quantization.metadata(input)?;
        metadata.extend(quantization);
        metadata.extend(options.metadata.iter().cloned());
    }
    let mut model = network_model(graph, weights, numbers, options.batch, &options.interface, metadata)?;
    let report = match &quantized_input {
        Some(input) => Some(quantize(&mut model, &options.quantization, input, progress)?),
        None => None,
    };
    Ok((model, report))
}

/// What the model takes.
pub(crate) fn model_input(graph: &Graph, options: &ExportOptions) -> Result<ModelInput, OnnxError> {
    let Some(image) = graph.operators().first().filter(|operator| operator.kind == OperatorKind::Input) else {
        return Err(OnnxError::Graph { reason: "it does not begin with an image".to_owned() });
    };
    let Interface { input: form, normalization, .. } = &options.interface;
    Ok(ModelInput { form: *form, shape: image.shape, normalization: normalization.clone() })
}

/// Sorted by key, so that equal exports are equal bytes.
pub(crate) fn metadata(graph: &Graph, weights: &Weights, options: &ExportOptions) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from([
        ("zen_nas_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("classes".to_owned(), classes(graph).to_string()),
        ("precision".to_owned(), options.precision.to_string()),
        ("weights".to_owned(), weights.description()),
    ]);
    if let Some(input) = graph.operators().first().filter(|operator| operator.kind == OperatorKind::Input) {
        metadata.insert("resolution".to_owned(), input.shape.height.to_string());
    }
    if let Some(seed) = weights.seed() {
        metadata.insert("weights_seed".to_owned(), seed.to_string());
    }
    if let Some(structure) = &options.structure {
        metadata.insert("structure".to_owned(), structure.clone());
    }
    metadata.extend(options.interface.metadata());
    metadata.extend(options.metadata.iter().cloned());
    metadata
}

pub(crate) fn classes(graph: &Graph) -> u32 {
    graph.operators().last().map_or(0, |operator| operator.shape.channels)
}
