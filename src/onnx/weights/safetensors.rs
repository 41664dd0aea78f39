//! Where the tensors of a safetensors file are.
//!
//! The header is read by hand rather than by the format's library, whose errors do not name the
//! tensor; types and sizes are the library's.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::file::{Place, WeightFile};
use super::float::Float;
use crate::net::{HEADER_KEY, Header};
use crate::onnx::OnnxError;

/// Largest header that is read. A tensor takes some 120 bytes of it, so this is room for a hundred
/// thousand tensors; parsed, it takes some ten times its size.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// # Errors
/// When the file cannot be read, or its header contradicts itself or the file's size; names the
/// tensor.
pub fn open(path: &Path) -> Result<WeightFile, OnnxError> {
    let io = |source| OnnxError::ReadWeights { path: path.to_owned(), source };
    let wrong = |reason| OnnxError::WeightFormat { path: path.to_owned(), format: "safetensors", reason };
    let file = File::open(path).map_err(io)?;
    let file_bytes = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::new(&file);
    if file_bytes < 8 {
        return Err(wrong(format!("it has {file_bytes} bytes, too few for a header")));
    }
    let mut length = [0; 8];
    reader.read_exact(&mut length).map_err(io)?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > MAX_HEADER_BYTES.min(file_bytes - 8) {
        return Err(wrong(format!("its header would take {header_bytes} of {file_bytes} bytes")));
    }
    let mut header = vec![0; header_bytes as usize];
    reader.read_exact(&mut header).map_err(io)?;
    drop(reader);
    let (infos, header) = parse(&header).map_err(wrong)?;
    let start = 8 + header_bytes;
    check(&infos, file_bytes - start).map_err(wrong)?;
    let places = infos.into_iter().map(|(name, info)| {
        let position = start + info.data_offsets.0 as u64;
        (name, Place { shape: info.shape, strides: None, position, float: float(info.dtype) })
    });
    let tensors = places.collect::<BTreeMap<_, _>>();
    Ok(WeightFile::new(path, file, tensors, header))
}

/// The entries of a header, and what its free text says the weights are for.
fn parse(header: &[u8]) -> Result<(HashMap<String, TensorInfo>, Option<Header>), String> {
    let malformed = |error: serde_json::Error| format!("its header is malformed: {error}");
    let mut entries: HashMap<String, serde_json::Value> = serde_json::from_slice(header).map_err(malformed)?;
    let free_text = entries.remove("__metadata__");
    let made_for = free_text.as_ref().and_then(|text| text.get(HEADER_KEY)).and_then(|text| text.as_str());
    let made_for = made_for.map(str::parse).transpose();
    let made_for = made_for.map_err(|reason| format!("its entry {HEADER_KEY} cannot be read: {reason}"))?;
    let infos = entries.into_iter().map(|(name, entry)| {
        let info =
            serde_json::from_value(entry).map_err(|error| format!("its entry of {name} is malformed: {error}"))?;
        Ok((name, info))
    });
    Ok((infos.collect::<Result<_, String>>()?, made_for))
}

/// Whether sizes follow from shapes and types, and tensors fill the `data_bytes` of the file
/// without gaps and overlaps, as the format demands.
fn check(infos: &HashMap<String, TensorInfo>, data_bytes: u64) -> Result<(), String> {
    let mut sorted: Vec<_> = infos.iter().collect();
    sorted.sort_by_key(|(name, info)| (info.data_offsets, *name));
    let mut end = 0;
    for (name, info) in sorted {
        let (from, to) = info.data_offsets;
        let elements = info.shape.iter().try_fold(1usize, |product, d| product.checked_mul(*d));
        let bits = elements.and_then(|elements| elements.checked_mul(info.dtype.bitsize()));
        if to as u64 > data_bytes {
            return Err(format!("{name} would end at byte {to} of {data_bytes}"));
        }
        if to < from || bits != (to - from).checked_mul(8) {
            return Err(format!(
                "{name} of shape {:?} and type {:?} cannot lie from byte {from} to {to}",
                info.shape, info.dtype
            ));
        }
        if from != end {
            let what = if from < end { "overlaps the tensor before it" } else { "leaves a gap before it" };
            return Err(format!("{name} at byte {from} {what}, which ends at {end}"));
        }
        end = to;
    }
    if end as u64 != data_bytes {
        return Err(format!("it holds {data_bytes} bytes of tensors, but its header describes {end}"));
    }
    Ok(())
}

fn float(dtype: Dtype) -> Result<Float, String> {
    match dtype {
        Dtype::F64 => Ok(Float::F64),
        Dtype::F32 => Ok(Float::F32),
        Dtype::F16 => Ok(Float::F16),
        Dtype::BF16 => Ok(Float::Bf16),
        other => Err(format!("{other:?}")),
    }
}
