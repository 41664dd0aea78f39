//! Weights that stay in their file until they are asked for, so that a large network is held once.
//!
//! The formats (`safetensors`, `pytorch`) say where in the file each tensor is; reading is the same
//! for all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::float::Float;
use super::mismatch::Found;
use crate::net::Header;
use crate::onnx::OnnxError;

/// Bytes that are converted at a time; a multiple of every type's size.
const CHUNK_BYTES: usize = 1 << 20;

/// Where a tensor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub shape: Vec<usize>,
    /// Steps from one index to the next, in numbers, where the last dimension is not the fastest or
    /// something lies between.
    pub strides: Option<Vec<usize>>,
    /// Byte of the file at which the first number is.
    pub position: u64,
    /// Type of its numbers, or the format's name of a type that weights do not have.
    pub float: Result<Float, String>,
}

impl Place {
    pub fn found(&self) -> Found<'_> {
        Found { shape: &self.shape, odd_type: self.float.as_ref().err().map(String::as_str) }
    }
}

/// An open file under the names of the network.
#[derive(Clone, Debug)]
pub struct WeightFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    tensors: BTreeMap<String, Place>,
    /// What the weights are for, where the file says it.
    header: Option<Header>,
}

impl WeightFile {
    /// `tensors` are all of the file, checked to lie inside it.
    pub fn new(path: &Path, file: File, mut tensors: BTreeMap<String, Place>, header: Option<Header>) -> Self {
        tensors.retain(|name, _| !is_ignored(name));
        if tensors.keys().all(|name| name.starts_with(MODULE)) {
            tensors = tensors.into_iter().map(|(name, place)| (name[MODULE.len()..].to_owned(), place)).collect();
        }
        Self { path: path.to_owned(), file: Arc::new(Mutex::new(file)), tensors, header }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the weights are for, where the file says it.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Every tensor that inference has a use for.
    pub fn tensors(&self) -> &BTreeMap<String, Place> {
        &self.tensors
    }

    /// The values of a tensor, last dimension fastest.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, place: &Place) -> Result<Vec<f32>, OnnxError> {
        let Ok(float) = place.float else { return Ok(Vec::new()) };
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let values = match &place.strides {
            None => read_row(&file, place.position, place.shape.iter().product(), float),
            Some(strides) => read_row(&file, place.position, span(&place.shape, strides).unwrap_or(0), float)
                .map(|row| gathered(&row, &place.shape, strides)),
        };
        values.map_err(|source| OnnxError::ReadWeights { path: self.path.clone(), source })
    }
}

/// What `torch.nn.DataParallel` puts before every name.
const MODULE: &str = "module.";

/// Tensors of checkpoints that inference has no use for.
fn is_ignored(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

/// Numbers from the first to the last of a tensor; none where there are more than can be counted.
pub fn span(shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .zip(strides)
        .try_fold(1usize, |span, (size, stride)| span.checked_add((size - 1).checked_mul(*stride)?))
}

fn read_row(mut file: &File, position: u64, count: usize, float: Float) -> io::Result<Vec<f32>> {
    file.seek(SeekFrom::Start(position))?;
    let mut values = Vec::with_capacity(count);
    let mut left = count * float.bytes();
    let mut chunk = vec![0; CHUNK_BYTES.min(left)];
    while left > 0 {
        let length = left.min(CHUNK_BYTES);
        file.read_exact(&mut chunk[..length])?;
        float.append(&chunk[..length], &mut values);
        left -= length;
    }
    Ok(values)
}

/// The values of a strided tensor from the numbers it spans.
fn gathered(row: &[f32], shape: &[usize], strides: &[usize]) -> Vec<f32> {
    let mut values = Vec::with_capacity(shape.iter().product());
    let mut index = vec![0; shape.len()];
    if shape.contains(&0) {
        return values;
    }
    loop {
        let at: usize = index.iter().zip(strides).map(|(index, stride)| index * stride).sum();
        values.push(row[at]);
        // The next index, last dimension fastest.
        let Some(d) = (0..shape.len()).rev().find(|d| index[*d] + 1 < shape[*d]) else { return values };
        index[d] += 1;
        index[d + 1..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_tensors_are_put_in_order() {
        // Two rows of three, stored by columns with a number between columns.
        let row = [1.0, 4.0, 9.0, 2.0, 5.0, 9.0, 3.0, 6.0];
        assert_eq!(span(&[2, 3], &[1, 3]), Some(8));
        assert_eq!(gathered(&row, &[2, 3], &[1, 3]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(gathered(&[7.0], &[], &[]), [7.0]);
        assert_eq!((span(&[0, 3], &[3, 1]), gathered(&[], &[0, 3], &[3, 1])), (Some(0), vec![]));
        assert_eq!(span(&[2, usize::MAX], &[1, 2]), None);
        assert_eq!(span(&[3], &[usize::MAX]), None);
    }
}
