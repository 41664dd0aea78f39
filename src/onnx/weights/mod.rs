//! The tensors of a network by their state-dict names, and where they come from.
//!
//! Names and shapes are those of the published PyTorch implementation, so its checkpoints load as
//! they are. Not here: folding (`../emit/fold.rs`), the names themselves (`net::Origin`).

mod init;
mod mismatch;
#[cfg(feature = "candle")]
mod pytorch;
mod safetensors;
mod save;
mod spec;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

pub(super) use init::{he_normal, normal};
pub use mismatch::WeightMismatch;
pub use save::SavedWeights;
pub use spec::{Role, TensorSpec, required_tensors, tensors_by_operator};

use super::OnnxError;
use crate::net::Graph;

/// A tensor of 32-bit floats, last dimension fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Weights for a network.
#[derive(Clone, Debug)]
pub struct Weights {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// Drawn tensor by tensor when asked for, so that a large network is never held twice.
    Seeded(u64),
    Given {
        tensors: BTreeMap<String, Tensor>,
        description: String,
    },
}

impl Weights {
    /// Untrained weights, the same for the same seed: every convolution N(0, 2 / fan_in) (He et
    /// al. 2015), batch norms the identity, classifier N(0, 0.01^2), biases zero. The last
    /// convolution of each of N residual units has its variance divided by N (as GPT-2 does,
    /// Radford et al. 2019): identity batch norms would let every sum double the variance, past
    /// float16 after 30 units and past float32 after 250. A tensor depends on the seed, its own
    /// name and shape, and N only.
    pub fn seeded(seed: u64) -> Self {
        Self { source: Source::Seeded(seed) }
    }

    /// Weights held in memory, by state-dict name; `description` says where they are from.
    pub fn from_tensors(tensors: BTreeMap<String, Tensor>, description: impl Into<String>) -> Self {
        Self { source: Source::Given { tensors, description: description.into() } }
    }

    /// Reads a `.safetensors` file or, with the cargo feature `candle`, a PyTorch `.pth` or `.pt`
    /// file, whose tensors may stand under `state_dict`. A common prefix `module.` is removed and
    /// `num_batches_tracked` is left out.
    ///
    /// # Errors
    /// When the file cannot be read or is not of the format its name says.
    pub fn load(path: &Path) -> Result<Self, OnnxError> {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        let tensors = match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("safetensors") => safetensors::read(path)?,
            #[cfg(feature = "candle")]
            Some("pth" | "pt") => pytorch::read(path)?,
            _ => return Err(OnnxError::UnknownWeightFormat { path: path.to_owned() }),
        };
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self::from_tensors(without_module_prefix(tensors), format!("from {name}")))
    }

    /// Where the weights are from, for the metadata of a model.
    pub fn description(&self) -> String {
        match &self.source {
            Source::Seeded(seed) => format!("untrained, He-normal, seed {seed}"),
            Source::Given { description, .. } => description.clone(),
        }
    }

    /// Seed of untrained weights.
    pub fn seed(&self) -> Option<u64> {
        match self.source {
            Source::Seeded(seed) => Some(seed),
            Source::Given { .. } => None,
        }
    }

    /// Compares names and shapes with what `graph` needs.
    ///
    /// # Errors
    /// Names every missing, surplus and misshapen tensor in one message.
    pub fn check(&self, graph: &Graph) -> Result<(), OnnxError> {
        let Source::Given { tensors, .. } = &self.source else {
            return Ok(());
        };
        let mismatch = WeightMismatch::between(&required_tensors(graph), tensors);
        if mismatch.is_empty() { Ok(()) } else { Err(OnnxError::Mismatch(mismatch)) }
    }

    /// The values of one tensor.
    ///
    /// # Errors
    /// When there is no tensor of this name and shape.
    pub fn get(&self, spec: &TensorSpec) -> Result<Cow<'_, [f32]>, OnnxError> {
        match &self.source {
            Source::Seeded(seed) => Ok(Cow::Owned(init::draw(*seed, spec))),
            Source::Given { tensors, .. } => match tensors.get(&spec.name) {
                Some(tensor) if tensor.shape == spec.shape => Ok(Cow::Borrowed(&tensor.values)),
                _ => {
                    let mut mismatch = WeightMismatch::default();
                    mismatch.compare(spec, tensors.get(&spec.name));
                    Err(OnnxError::Mismatch(mismatch))
                }
            },
        }
    }
}

/// Removes the prefix that `torch.nn.DataParallel` puts before every name.
fn without_module_prefix(tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    const PREFIX: &str = "module.";
    if !tensors.keys().all(|name| name.starts_with(PREFIX)) {
        return tensors;
    }
    tensors.into_iter().map(|(name, tensor)| (name[PREFIX.len()..].to_owned(), tensor)).collect()
}

/// Tensors of checkpoints that inference has no use for.
fn is_ignored(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}
