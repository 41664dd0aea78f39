//! Tensors of a safetensors file, each read when it is asked for.
//!
//! The header is read by hand rather than by the format's library, whose errors do not name the
//! tensor; types and sizes are the library's.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use tract_onnx::prelude::f16;

use super::file::{Declared, FLOATS, TensorFile};
use crate::onnx::OnnxError;

/// Largest header that is read. A tensor takes some 120 bytes of it, so this is room for a hundred
/// thousand tensors; parsed, it takes some ten times its size.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Bytes that are converted at a time; a multiple of every type's size.
const CHUNK_BYTES: usize = 1 << 20;

/// An open file whose header holds together.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: Mutex<File>,
    /// Where in the file the header's offsets begin.
    start: u64,
    infos: HashMap<String, TensorInfo>,
    tensors: BTreeMap<String, Declared>,
}

impl SafetensorsFile {
    /// # Errors
    /// When the file cannot be read, or its header contradicts itself or the file's size; names
    /// the tensor.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        let io = |source| OnnxError::ReadWeights { path: path.to_owned(), source };
        let wrong = |reason: String| wrong(path, reason);
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
        let infos = parse(&header).map_err(wrong)?;
        check(&infos, file_bytes - 8 - header_bytes).map_err(wrong)?;
        let tensors = infos
            .iter()
            .map(|(name, info)| {
                let odd_type = element_bytes(info.dtype).is_none().then(|| format!("{:?}", info.dtype));
                (name.clone(), Declared { shape: info.shape.clone(), odd_type })
            })
            .collect();
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), start: 8 + header_bytes, infos, tensors })
    }
}

impl TensorFile for SafetensorsFile {
    fn tensors(&self) -> &BTreeMap<String, Declared> {
        &self.tensors
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, OnnxError> {
        let Some(info) = self.infos.get(name) else {
            return Err(wrong(&self.path, format!("{name} is not there")));
        };
        let Some(size) = element_bytes(info.dtype) else {
            return Err(wrong(&self.path, format!("{name} is {:?}, but weights are {FLOATS}", info.dtype)));
        };
        let (from, to) = info.data_offsets;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let values = (|| {
            file.seek(SeekFrom::Start(self.start + from as u64))?;
            let mut values = Vec::with_capacity((to - from) / size);
            let mut chunk = vec![0; CHUNK_BYTES.min(to - from)];
            let mut left = to - from;
            while left > 0 {
                let length = left.min(CHUNK_BYTES);
                file.read_exact(&mut chunk[..length])?;
                append(&mut values, &chunk[..length], info.dtype);
                left -= length;
            }
            Ok(values)
        })();
        values.map_err(|source: io::Error| OnnxError::ReadWeights { path: self.path.clone(), source })
    }
}

fn wrong(path: &Path, reason: String) -> OnnxError {
    OnnxError::WeightFormat { path: path.to_owned(), format: "safetensors", reason }
}

/// The entries of a header.
fn parse(header: &[u8]) -> Result<HashMap<String, TensorInfo>, String> {
    let malformed = |error: serde_json::Error| format!("its header is malformed: {error}");
    let entries: HashMap<String, serde_json::Value> = serde_json::from_slice(header).map_err(malformed)?;
    entries
        .into_iter()
        // Free text about the file.
        .filter(|(name, _)| name != "__metadata__")
        .map(|(name, entry)| {
            let info =
                serde_json::from_value(entry).map_err(|error| format!("its entry of {name} is malformed: {error}"))?;
            Ok((name, info))
        })
        .collect()
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

/// Bytes of a number, of the types that weights may have.
fn element_bytes(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F64 => Some(8),
        Dtype::F32 => Some(4),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

fn append(values: &mut Vec<f32>, bytes: &[u8], dtype: Dtype) {
    fn convert<const N: usize>(values: &mut Vec<f32>, bytes: &[u8], value: impl Fn([u8; N]) -> f32) {
        values.extend(bytes.as_chunks::<N>().0.iter().map(|word| value(*word)));
    }
    match dtype {
        Dtype::F32 => convert(values, bytes, f32::from_le_bytes),
        Dtype::F64 => convert(values, bytes, |word| f64::from_le_bytes(word) as f32),
        Dtype::F16 => convert(values, bytes, |word| f16::from_bits(u16::from_le_bytes(word)).to_f32()),
        // The upper half of a 32-bit float.
        Dtype::BF16 => convert(values, bytes, |word| f32::from_bits((u16::from_le_bytes(word) as u32) << 16)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_f32(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
        let mut values = Vec::new();
        append(&mut values, bytes, dtype);
        values
    }

    #[test]
    fn every_float_type_reads_as_the_same_number() {
        assert_eq!(to_f32(&1.5f32.to_le_bytes(), Dtype::F32), [1.5]);
        assert_eq!(to_f32(&(-0.25f64).to_le_bytes(), Dtype::F64), [-0.25]);
        assert_eq!(to_f32(&[0x00, 0x3e, 0x00, 0xc0], Dtype::F16), [1.5, -2.0]);
        assert_eq!(to_f32(&[0xc0, 0x3f], Dtype::BF16), [1.5]);
        assert_eq!(element_bytes(Dtype::I64), None);
    }
}
