//! Weights that stay in their file until they are asked for, so that a large network is held once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::mismatch::Found;
use crate::onnx::OnnxError;

/// What a file says of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub shape: Vec<usize>,
    /// The format's name of a type that is not one of [`FLOATS`].
    pub odd_type: Option<String>,
}

impl Declared {
    pub fn found(&self) -> Found<'_> {
        Found { shape: &self.shape, odd_type: self.odd_type.as_deref() }
    }
}

/// The types that weights may have, for messages.
pub const FLOATS: &str = "F32, F64, F16 or BF16";

/// A file of tensors whose directory was read and checked.
pub trait TensorFile: fmt::Debug + Send + Sync {
    /// Every tensor by its name in the file.
    fn tensors(&self) -> &BTreeMap<String, Declared>;

    /// The values of one, last dimension fastest.
    ///
    /// # Errors
    /// When the file cannot be read or is not what it was when it was opened.
    fn read(&self, name: &str) -> Result<Vec<f32>, OnnxError>;
}

/// A file under the names of the network.
#[derive(Clone, Debug)]
pub struct WeightFile {
    file: Arc<dyn TensorFile>,
    /// The part of names in the file that is not the network's.
    prefix: &'static str,
}

impl WeightFile {
    pub fn new(file: Arc<dyn TensorFile>) -> Self {
        let mut names = file.tensors().keys().filter(|name| !is_ignored(name)).peekable();
        let some = names.peek().is_some();
        let prefix = if some && names.all(|name| name.starts_with(MODULE)) { MODULE } else { "" };
        Self { file, prefix }
    }

    /// Every tensor that inference has a use for, by the network's name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Declared)> {
        let used = self.file.tensors().iter().filter(|(name, _)| !is_ignored(name));
        used.map(|(name, declared)| (name.strip_prefix(self.prefix).unwrap_or(name), declared))
    }

    pub fn get(&self, name: &str) -> Option<&Declared> {
        self.file.tensors().get(&format!("{}{name}", self.prefix))
    }

    pub fn read(&self, name: &str) -> Result<Vec<f32>, OnnxError> {
        self.file.read(&format!("{}{name}", self.prefix))
    }
}

/// What `torch.nn.DataParallel` puts before every name.
const MODULE: &str = "module.";

/// Tensors of checkpoints that inference has no use for.
fn is_ignored(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}
