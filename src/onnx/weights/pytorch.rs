//! Tensors from a PyTorch checkpoint (the zip format of `torch.save`).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use candle_core::DType;
use candle_core::pickle::PthTensors;

use super::{Tensor, is_ignored};
use crate::onnx::OnnxError;

/// All tensors of the file as 32-bit floats; from under the key `state_dict` where the file holds
/// more than the tensors.
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, OnnxError> {
    let file_bytes =
        std::fs::metadata(path).map_err(|source| OnnxError::ReadWeights { path: path.to_owned(), source })?.len();
    let wrong = |reason| OnnxError::WeightFormat { path: path.to_owned(), format: "PyTorch", reason };
    // The pickle reader indexes into what it read, so a malformed file can make it panic.
    catch_unwind(AssertUnwindSafe(|| read_tensors(path, file_bytes)))
        .unwrap_or_else(|_| Err("its pickle is malformed".to_owned()))
        .map_err(wrong)
}

fn read_tensors(path: &Path, file_bytes: u64) -> Result<BTreeMap<String, Tensor>, String> {
    // The first line: the rest may be a stack trace.
    let text = |error: candle_core::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    let mut file = PthTensors::new(path, None).map_err(text)?;
    if file.tensor_infos().is_empty() {
        file = PthTensors::new(path, Some("state_dict"))
            .map_err(|error| format!("it holds no tensors, and under `state_dict`: {}", text(error)))?;
    }
    let mut tensors = BTreeMap::new();
    for (name, info) in file.tensor_infos() {
        if is_ignored(name) {
            continue;
        }
        // Tensors are stored without compression, so a larger one is not there.
        let elements = info.layout.dims().iter().try_fold(1usize, |product, d| product.checked_mul(*d));
        let bytes = elements.and_then(|elements| elements.checked_mul(info.dtype.size_in_bytes()));
        if bytes.is_none_or(|bytes| bytes as u64 > file_bytes) {
            return Err(format!("{name} of shape {:?} is larger than the file", info.layout.dims()));
        }
        let tensor = file.get(name).map_err(text)?.ok_or_else(|| format!("{name} is not there"))?;
        let shape = tensor.dims().to_vec();
        let values = tensor
            .to_dtype(DType::F32)
            .and_then(|tensor| tensor.flatten_all())
            .and_then(|tensor| tensor.to_vec1::<f32>())
            .map_err(text)?;
        tensors.insert(name.clone(), Tensor { shape, values });
    }
    if tensors.is_empty() {
        return Err("it holds no tensors".to_owned());
    }
    Ok(tensors)
}
