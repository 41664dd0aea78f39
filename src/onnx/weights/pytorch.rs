//! Tensors of a PyTorch checkpoint (the zip format of `torch.save`), each read when it is asked
//! for by candle's pickle reader.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use candle_core::DType;
use candle_core::pickle::{PthTensors, TensorInfo};
use zip::{CompressionMethod, ZipArchive};

use super::file::{Declared, TensorFile};
use super::pickle;
use crate::onnx::OnnxError;

/// Where training scripts put the tensors, if not at the top.
const KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Largest pickle that is read; those of checkpoints have some hundred bytes for each tensor.
const MAX_PICKLE_BYTES: u64 = 64 << 20;
/// How a zip file begins.
const ZIP: [u8; 2] = *b"PK";

/// A checkpoint whose tensors are all there.
pub struct PytorchFile {
    path: PathBuf,
    file: PthTensors,
    tensors: BTreeMap<String, Declared>,
}

impl std::fmt::Debug for PytorchFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PytorchFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl PytorchFile {
    /// # Errors
    /// When the file cannot be read, is no checkpoint, or lacks bytes that a tensor needs; names
    /// the tensor.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        let mut start = Vec::new();
        let io = |source| OnnxError::ReadWeights { path: path.to_owned(), source };
        File::open(path).and_then(|file| file.take(2).read_to_end(&mut start)).map_err(io)?;
        let wrong = |reason| wrong(path, reason);
        if start != ZIP {
            let reason = "it is no zip file; save a checkpoint from before PyTorch 1.6 again with torch.save";
            return Err(wrong(reason.to_owned()));
        }
        // The reader indexes into what it read, so a malformed file can make it panic.
        let (file, tensors) = caught(|| open(path)).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), file, tensors })
    }
}

impl TensorFile for PytorchFile {
    fn tensors(&self) -> &BTreeMap<String, Declared> {
        &self.tensors
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, OnnxError> {
        let values = || -> Result<Vec<f32>, String> {
            let tensor = self.file.get(name).map_err(text)?.ok_or("it is not there")?;
            let tensor = tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all()).map_err(text)?;
            tensor.to_vec1::<f32>().map_err(text)
        };
        caught(values).map_err(|reason| wrong(&self.path, format!("{name}: {reason}")))
    }
}

fn wrong(path: &Path, reason: String) -> OnnxError {
    OnnxError::WeightFormat { path: path.to_owned(), format: "PyTorch", reason }
}

fn caught<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("its pickle is malformed".to_owned()))
}

/// The first line: the rest may be a stack trace.
fn text(error: candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn open(path: &Path) -> Result<(PthTensors, BTreeMap<String, Declared>), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    check_pickles(&mut archive)?;
    let nested = KEYS.iter().filter_map(|key| PthTensors::new(path, Some(key)).ok());
    let nested = nested.into_iter().find(|file| !file.tensor_infos().is_empty());
    let file = match nested {
        Some(file) => file,
        None => PthTensors::new(path, None).map_err(text)?,
    };
    if file.tensor_infos().is_empty() {
        return Err(format!("it holds no tensors, neither at the top nor under {}", KEYS.join(", ")));
    }
    let mut tensors = BTreeMap::new();
    for (name, info) in file.tensor_infos() {
        check_tensor(&mut archive, info).map_err(|reason| format!("{name} {reason}"))?;
        let odd_type = (!info.dtype.is_float()).then(|| format!("{:?}", info.dtype));
        tensors.insert(name.clone(), Declared { shape: info.layout.dims().to_vec(), odd_type });
    }
    Ok((file, tensors))
}

/// Refuses pickles that are too large or unfold to too much, before anything unpickles them.
fn check_pickles(archive: &mut ZipArchive<BufReader<File>>) -> Result<(), String> {
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(|error| error.to_string())?;
        let name = entry.name().map_err(|error| error.to_string())?.into_owned();
        if !name.ends_with("data.pkl") {
            continue;
        }
        drop(entry);
        let entry = archive.by_index(i).map_err(|error| format!("{name}: {error}"))?;
        if entry.size() > MAX_PICKLE_BYTES {
            return Err(format!("its {name} has {} bytes, more than {MAX_PICKLE_BYTES}", entry.size()));
        }
        let mut bytes = Vec::new();
        entry.take(MAX_PICKLE_BYTES).read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        pickle::check(&bytes).map_err(|reason| format!("its {name} {reason}"))?;
    }
    Ok(())
}

/// Whether the storage of a tensor has the bytes that its shape and offset need.
fn check_tensor(archive: &mut ZipArchive<BufReader<File>>, info: &TensorInfo) -> Result<(), String> {
    let dims = info.layout.dims();
    let elements = dims.iter().try_fold(1usize, |product, d| product.checked_mul(*d));
    let end = elements
        .and_then(|elements| elements.checked_mul(info.dtype.size_in_bytes()))
        .and_then(|bytes| bytes.checked_add(info.layout.start_offset()));
    let entry = archive.by_name(&info.path).map_err(|error| format!("has its numbers in {}: {error}", info.path))?;
    if entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size() {
        return Err(format!("has its numbers in {}, which is compressed; PyTorch compresses nothing", info.path));
    }
    if end.is_none_or(|end| end as u64 > entry.size()) {
        return Err(format!("of shape {dims:?} needs more than the {} bytes of {}", entry.size(), info.path));
    }
    Ok(())
}
