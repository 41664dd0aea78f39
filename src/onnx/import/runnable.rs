//! A file as runtimes take it to be timed: its own bytes, with the sizes fixed that it leaves open.
//!
//! Only descriptions are changed: the image's gets numbers, and those of other values go where they
//! are open. Nodes and weights stay byte for byte. Not here: timing it (`profile`).

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::absorbed::operator_names;
use super::decode::{decode, each_raw_field};
use super::error::Problem;
use super::image::Image;
use super::messages::{Dimension, TensorShape, ValueInfo};
use super::{ImportError, ImportOptions, Imported};

/// A network with a file that runs it.
#[derive(Clone, Debug)]
pub struct Runnable {
    pub imported: Imported,
    /// ONNX bytes for a fixed number of images.
    pub model: Vec<u8>,
    /// Names of the file's nodes as runtimes know them, each with the name of its operator in the graph.
    pub operator_names: Vec<(String, String)>,
}

/// Field numbers of `onnx.proto`.
mod field {
    pub const MODEL_GRAPH: u64 = 7;
    pub const GRAPH_INITIALIZER: u64 = 5;
    pub const GRAPH_INPUT: u64 = 11;
    pub const GRAPH_OUTPUT: u64 = 12;
    pub const GRAPH_VALUE_INFO: u64 = 13;
}

/// Reads a network and its file for runs on `batch_size` images.
///
/// # Errors
/// As [`super::import_with`], and when the file fixes another number of images, or keeps weights in
/// other files, which a single file sent to a device lacks.
pub fn runnable(path: &Path, options: &ImportOptions, batch_size: u32) -> Result<Runnable, ImportError> {
    let (name, bytes) = super::read_file(path)?;
    super::litert::refuse(&bytes, "time the ONNX file that it came from").map_err(|problem| problem.in_file(&name))?;
    let (imported, image) = super::from_bytes(&name, bytes.clone(), options)?;
    let model = for_batch(&bytes, &imported, &image, batch_size).map_err(|problem| problem.in_file(&name))?;
    let described = decode(bytes).map_err(|problem| problem.in_file(&name))?;
    let operator_names = operator_names(&described, &imported.graph);
    Ok(Runnable { imported, model, operator_names })
}

fn for_batch(bytes: &Bytes, imported: &Imported, image: &Image, batch_size: u32) -> Result<Vec<u8>, Problem> {
    if let Some(fixed) = imported.batch_size.filter(|fixed| *fixed != u64::from(batch_size)) {
        return Err(Problem::Model(format!(
            "it runs on {fixed} images at a time, not {batch_size}: ask for --batch-size {fixed}, or export it with an \
             open batch"
        )));
    }
    let mut model = Vec::with_capacity(bytes.len());
    each_raw_field(bytes, |number, content, raw| {
        if number == field::MODEL_GRAPH {
            write(&mut model, number, &with_sizes(&bytes.slice_ref(content), image, batch_size)?);
        } else {
            model.extend_from_slice(raw);
        }
        Ok(())
    })?;
    Ok(model)
}

/// A graph whose image has `batch_size` images and no open size.
fn with_sizes(graph: &Bytes, image: &Image, batch_size: u32) -> Result<Vec<u8>, Problem> {
    let mut written = Vec::with_capacity(graph.len());
    each_raw_field(graph, |number, content, raw| {
        let is_value = [field::GRAPH_INPUT, field::GRAPH_OUTPUT, field::GRAPH_VALUE_INFO].contains(&number);
        if number == field::GRAPH_INITIALIZER {
            let tensor = super::messages::Tensor::decode(graph.slice_ref(content)).map_err(broken)?;
            if tensor.data_location == 1 {
                let reason = "its values are in another file; put everything into one file to have it measured \
                              (onnx.save without save_as_external_data)"
                    .to_owned();
                return Err(Problem::Tensor { tensor: tensor.name, reason });
            }
        }
        if !image.is_open || !is_value {
            written.extend_from_slice(raw);
            return Ok(());
        }
        let mut value = ValueInfo::decode(content).map_err(broken)?;
        match number {
            field::GRAPH_INPUT if value.name == image.name => {
                let sizes = image.dims.iter().enumerate().map(|(axis, size)| match axis {
                    0 => i64::from(batch_size),
                    _ => *size as i64,
                });
                let dim = sizes.map(|size| Dimension { dim_value: Some(size), dim_param: None }).collect();
                if let Some(tensor) = value.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()) {
                    tensor.shape = Some(TensorShape { dim });
                }
                write(&mut written, number, &value.encode_to_vec());
            }
            // What they say was of open sizes; runtimes work it out.
            field::GRAPH_OUTPUT if is_open(&value) => {
                if let Some(tensor) = value.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()) {
                    tensor.shape = None;
                }
                write(&mut written, number, &value.encode_to_vec());
            }
            field::GRAPH_VALUE_INFO if is_open(&value) => {}
            _ => written.extend_from_slice(raw),
        }
        Ok(())
    })?;
    Ok(written)
}

fn is_open(value: &ValueInfo) -> bool {
    let shape = value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
    shape.is_some_and(|shape| shape.dim.iter().any(|dim| dim.dim_value.is_none_or(|size| size < 1)))
}

fn write(message: &mut Vec<u8>, number: u64, content: &[u8]) {
    encode_key(number as u32, WireType::LengthDelimited, message);
    encode_varint(content.len() as u64, message);
    message.extend_from_slice(content);
}

fn broken(error: prost::DecodeError) -> Problem {
    Problem::Decode(error.to_string())
}
