//! Writing a network to an ONNX file: only a file that was checked appears at its destination.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use onnx_protobuf::ModelProto;
use protobuf::Message;

use super::emit::{Batch, encode, network_model};
use super::verify::{Verification, verify};
use super::{OnnxError, Weights};
use crate::files;
use crate::latency::Precision;
use crate::net::{Graph, OperatorKind};

/// What a graph leaves open.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    pub batch: Batch,
    /// Numbers of weights and arithmetic.
    pub precision: Precision,
    /// Structure string the graph was lowered from.
    pub structure: Option<String>,
    /// More metadata, e.g. the predicted latency and its setting; replaces what [`export`] would
    /// write under the same key.
    pub metadata: Vec<(String, String)>,
}

/// What was written.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ExportSummary {
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// Trainable parameters of the network, as [`Graph::cost`] counts them. The file holds fewer:
    /// batch norms are folded.
    pub parameters: u64,
    /// ONNX nodes.
    pub nodes: usize,
    /// How the file was checked.
    pub verified: Verification,
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
    let write = |source| OnnxError::Write { path: path.to_owned(), source };
    if path.is_dir() || path.file_name().is_none() {
        return Err(write(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    // Made first: an unwritable destination shows before any weight is drawn.
    let mut file = files::temporary_beside(path).map_err(write)?;

    let model = model(graph, weights, options)?;
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
    Ok(ExportSummary { path: path.to_owned(), bytes, parameters, nodes, verified })
}

/// The encoded model, unchecked.
///
/// # Errors
/// When weights do not fit or the model exceeds 2 GiB.
pub fn model_bytes(graph: &Graph, weights: &Weights, options: &ExportOptions) -> Result<Vec<u8>, OnnxError> {
    encode(&model(graph, weights, options)?)
}

fn model(graph: &Graph, weights: &Weights, options: &ExportOptions) -> Result<ModelProto, OnnxError> {
    if options.precision != Precision::Fp32 {
        return Err(OnnxError::Precision { precision: options.precision });
    }
    network_model(graph, weights, options.batch, metadata(graph, weights, options))
}

/// Sorted by key, so that equal exports are equal bytes.
fn metadata(graph: &Graph, weights: &Weights, options: &ExportOptions) -> BTreeMap<String, String> {
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
    metadata.extend(options.metadata.iter().cloned());
    metadata
}

fn classes(graph: &Graph) -> u32 {
    graph.operators().last().map_or(0, |operator| operator.shape.channels)
}
