//! Tensors from a safetensors file, read one after another.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use tract_onnx::prelude::f16;

use super::{Tensor, is_ignored};
use crate::onnx::OnnxError;

/// Largest header that is read, as in the format's own library.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// All tensors of the file as 32-bit floats.
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, OnnxError> {
    let io = |source| OnnxError::ReadWeights { path: path.to_owned(), source };
    let wrong = |reason: String| OnnxError::WeightFormat { path: path.to_owned(), format: "safetensors", reason };

    let file = File::open(path).map_err(io)?;
    let file_bytes = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::new(file);
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
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| wrong(format!("its header is malformed: {error}")))?;
    let start = 8 + header_bytes;
    let expected_bytes = start + metadata.data_len() as u64;
    if expected_bytes != file_bytes {
        return Err(wrong(format!("it has {file_bytes} bytes, but its header describes {expected_bytes}")));
    }

    let mut tensors = BTreeMap::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        if is_ignored(&name) {
            continue;
        }
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        reader.seek(SeekFrom::Start(start + from as u64)).map_err(io)?;
        reader.read_exact(&mut bytes).map_err(io)?;
        let values = to_f32(&bytes, info.dtype)
            .ok_or_else(|| wrong(format!("{name} is {:?}, but weights are F32, F64, F16 or BF16", info.dtype)))?;
        tensors.insert(name, Tensor { shape: info.shape.clone(), values });
    }
    Ok(tensors)
}

fn to_f32(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    fn convert<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes
            .chunks_exact(N)
            .map(|chunk| {
                let mut word = [0; N];
                word.copy_from_slice(chunk);
                value(word)
            })
            .collect()
    }
    Some(match dtype {
        Dtype::F32 => convert(bytes, f32::from_le_bytes),
        Dtype::F64 => convert(bytes, |word| f64::from_le_bytes(word) as f32),
        Dtype::F16 => convert(bytes, |word| f16::from_bits(u16::from_le_bytes(word)).to_f32()),
        // The upper half of a 32-bit float.
        Dtype::BF16 => convert(bytes, |word| f32::from_bits((u16::from_le_bytes(word) as u32) << 16)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_type_reads_as_the_same_number() {
        assert_eq!(to_f32(&1.5f32.to_le_bytes(), Dtype::F32), Some(vec![1.5]));
        assert_eq!(to_f32(&(-0.25f64).to_le_bytes(), Dtype::F64), Some(vec![-0.25]));
        assert_eq!(to_f32(&[0x00, 0x3e, 0x00, 0xc0], Dtype::F16), Some(vec![1.5, -2.0]));
        assert_eq!(to_f32(&[0xc0, 0x3f], Dtype::BF16), Some(vec![1.5]));
        assert_eq!(to_f32(&[0; 8], Dtype::I64), None);
    }
}
