//! Where the tensors of a PyTorch checkpoint are (the zip format of `torch.save`), by candle's
//! pickle reader. Tensors that are views or lie in another order of memory, such as
//! `channels_last`, are found too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use candle_core::DType;
use candle_core::pickle::{Object, PthTensors, Stack, TensorInfo};
use zip::{CompressionMethod, ZipArchive};

use super::file::{Place, WeightFile, span};
use super::float::Float;
use super::pickle;
use crate::net::{HEADER_KEY, Header};
use crate::onnx::OnnxError;

/// Where training scripts put the tensors, if not at the top.
const KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Largest pickle that is read; those of checkpoints have some hundred bytes for each tensor.
const MAX_PICKLE_BYTES: u64 = 64 << 20;
/// How a zip file begins.
const ZIP: [u8; 2] = *b"PK";

/// # Errors
/// When the file cannot be read, is no checkpoint, or lacks bytes that a tensor needs; names the
/// tensor.
pub fn open(path: &Path) -> Result<WeightFile, OnnxError> {
    let io = |source| OnnxError::ReadWeights { path: path.to_owned(), source };
    let wrong = |reason| OnnxError::WeightFormat { path: path.to_owned(), format: "PyTorch", reason };
    let file = File::open(path).map_err(io)?;
    let mut start = Vec::new();
    (&file).take(2).read_to_end(&mut start).map_err(io)?;
    if start != ZIP {
        let reason = "it is no zip file; save a checkpoint from before PyTorch 1.6 again with torch.save";
        return Err(wrong(reason.to_owned()));
    }
    // The reader indexes into what it read, so a malformed file can make it panic.
    let (tensors, header) = caught(|| places(path, &file)).map_err(wrong)?;
    Ok(WeightFile::new(path, file, tensors, header))
}

fn caught<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("its pickle is malformed".to_owned()))
}

/// The first line: the rest may be a stack trace.
fn text(error: candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The tensors by name, and what the checkpoint says they are for.
fn places(path: &Path, file: &File) -> Result<(BTreeMap<String, Place>, Option<Header>), String> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    let header = check_pickles(&mut archive)?;
    let mut nested = KEYS.iter().filter_map(|key| PthTensors::new(path, Some(key)).ok());
    let checkpoint = match nested.find(|checkpoint| !checkpoint.tensor_infos().is_empty()) {
        Some(checkpoint) => checkpoint,
        None => PthTensors::new(path, None).map_err(text)?,
    };
    if checkpoint.tensor_infos().is_empty() {
        return Err(format!("it holds no tensors, neither at the top nor under {}", KEYS.join(", ")));
    }
    let file_bytes = file.metadata().map_err(|error| error.to_string())?.len();
    let infos = checkpoint.tensor_infos().iter();
    let places = infos.map(|(name, info)| {
        let place = place(&mut archive, file_bytes, info).map_err(|reason| format!("{name} {reason}"))?;
        Ok((name.clone(), place))
    });
    Ok((places.collect::<Result<_, String>>()?, header))
}

/// Refuses pickles that are too large or unfold to too much, before anything unpickles them; returns what the
/// checkpoint is for, where it says so.
fn check_pickles(archive: &mut ZipArchive<BufReader<&File>>) -> Result<Option<Header>, String> {
    let mut header = None;
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
        header = header.or(header_in(&bytes)?);
    }
    Ok(header)
}

/// The text beside the tensors that says what they are for.
fn header_in(pickle: &[u8]) -> Result<Option<Header>, String> {
    // Most checkpoints have none, and unpickling takes time.
    if !pickle.windows(HEADER_KEY.len()).any(|window| window == HEADER_KEY.as_bytes()) {
        return Ok(None);
    }
    let mut stack = Stack::empty();
    let object = stack.read_loop(&mut &pickle[..]).and_then(|()| stack.finalize()).map_err(text)?;
    let entries = object.dict().unwrap_or_default();
    let entry = entries.into_iter().find(|(key, _)| *key == Object::Unicode(HEADER_KEY.to_owned()));
    let Some(Ok(found)) = entry.map(|(_, value)| value.unicode()) else { return Ok(None) };
    found.parse().map(Some).map_err(|reason: String| format!("its entry {HEADER_KEY} cannot be read: {reason}"))
}

/// Where a tensor is, if its storage has the bytes that its shape and offset need.
fn place(archive: &mut ZipArchive<BufReader<&File>>, file_bytes: u64, info: &TensorInfo) -> Result<Place, String> {
    let (shape, strides) = (info.layout.dims(), info.layout.stride());
    let entry = archive.by_name(&info.path).map_err(|error| format!("has its numbers in {}: {error}", info.path))?;
    if entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size() {
        return Err(format!("has its numbers in {}, which is compressed; PyTorch compresses nothing", info.path));
    }
    let end = span(shape, strides)
        .filter(|_| shape.len() == strides.len())
        .and_then(|numbers| numbers.checked_mul(info.dtype.size_in_bytes()))
        .and_then(|bytes| bytes.checked_add(info.layout.start_offset()));
    if end.is_none_or(|end| end as u64 > entry.size()) {
        return Err(format!("of shape {shape:?} needs more than the {} bytes of {}", entry.size(), info.path));
    }
    let inside = |start: &u64| start.checked_add(entry.size()).is_some_and(|end| end <= file_bytes);
    let start = entry.data_start().filter(inside);
    let start = start.ok_or_else(|| format!("has its numbers in {}, which goes beyond the file", info.path))?;
    let float = match info.dtype {
        DType::F32 => Ok(Float::F32),
        DType::F64 => Ok(Float::F64),
        DType::F16 => Ok(Float::F16),
        DType::BF16 => Ok(Float::Bf16),
        other => Err(format!("{other:?}")),
    };
    Ok(Place {
        shape: shape.to_vec(),
        strides: (!info.layout.is_contiguous()).then(|| strides.to_vec()),
        position: start + info.layout.start_offset() as u64,
        float,
    })
}
