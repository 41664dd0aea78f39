//! The tensors of a network by their state-dict names, and where they come from.
//!
//! Names and shapes are those of the published PyTorch implementation, so its checkpoints load as
//! they are. Not here: folding (`../emit/fold.rs`), the names themselves (`net::Origin`).

mod file;
mod float;
mod init;
mod mismatch;
#[cfg(feature = "candle")]
mod pickle;
#[cfg(feature = "candle")]
mod pytorch;
mod safetensors;
mod save;
mod spec;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use file::{Place, WeightFile};
pub(super) use init::he_normal;
pub(crate) use init::normal;
use mismatch::Found;
pub use mismatch::WeightMismatch;
pub use save::SavedWeights;
pub use spec::{Role, TensorSpec, required_tensors, tensors_by_operator};

use super::OnnxError;
use crate::net::{Graph, Header, LowerOptions};

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
    /// Read tensor by tensor when asked for.
    File {
        file: WeightFile,
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

    /// Opens a `.safetensors` file or, with the cargo feature `candle`, a PyTorch `.pth` or `.pt`
    /// file, whose tensors may stand under `state_dict`, `model_state_dict` or `model`. A common
    /// prefix `module.` is removed and `num_batches_tracked` is left out. Tensors of 16 and 64-bit
    /// floats become 32-bit ones. Values are read when they are asked for; the file must stay as it
    /// is until then.
    ///
    /// # Errors
    /// When the file cannot be read or is not of the format its name says.
    pub fn load(path: &Path) -> Result<Self, OnnxError> {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        let file = match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("safetensors") => safetensors::open(path)?,
            #[cfg(feature = "candle")]
            Some("pth" | "pt") => pytorch::open(path)?,
            _ => return Err(OnnxError::UnknownWeightFormat { path: path.to_owned() }),
        };
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { source: Source::File { file, description: format!("from {name}") } })
    }

    /// Where the weights are from, for the metadata of a model.
    pub fn description(&self) -> String {
        match &self.source {
            Source::Seeded(seed) => format!("untrained, He-normal, seed {seed}"),
            Source::Given { description, .. } | Source::File { description, .. } => description.clone(),
        }
    }

    /// Seed of untrained weights.
    pub fn seed(&self) -> Option<u64> {
        match self.source {
            Source::Seeded(seed) => Some(seed),
            Source::Given { .. } | Source::File { .. } => None,
        }
    }

    /// What the weights were trained for, where their file says so.
    pub fn header(&self) -> Option<&Header> {
        match &self.source {
            Source::File { file, .. } => file.header(),
            Source::Seeded(_) | Source::Given { .. } => None,
        }
    }

    /// Compares what the file says it was trained for with what it is used for; a note where the image is of another
    /// size, which the network takes, too.
    ///
    /// # Errors
    /// When the weights are of another network.
    pub fn check_use(&self, options: &LowerOptions) -> Result<Option<String>, OnnxError> {
        let Source::File { file, .. } = &self.source else { return Ok(None) };
        let Some(header) = file.header() else { return Ok(None) };
        let mut others = Vec::new();
        if let Some(classes) = header.classes.filter(|classes| *classes != options.classes) {
            others.push(format!("{classes} classes, not {} (--classes {classes})", options.classes));
        }
        if let Some(with) = header.squeeze_excite.filter(|with| *with != options.squeeze_excite) {
            let word = if with { "with" } else { "without" };
            others.push(format!("a network {word} squeeze-and-excitation (--squeeze-excite={with})"));
        }
        if let Some(with) = header.residual_links.filter(|with| *with != options.residual) {
            let way =
                if with { "with residual links (no --no-residual)" } else { "without residual links (--no-residual)" };
            others.push(format!("a network {way}"));
        }
        if !others.is_empty() {
            return Err(OnnxError::TrainedForOther { path: file.path().to_owned(), what: others.join(", ") });
        }
        let other = header.resolution.filter(|resolution| *resolution != options.resolution);
        Ok(other.map(|resolution| {
            let file = file.path().display();
            format!("{file} was trained on images of {resolution} pixels, this is for {} pixels", options.resolution)
        }))
    }

    /// Compares names, shapes and types with what `graph` needs.
    ///
    /// # Errors
    /// Names every missing, surplus, misshapen and mistyped tensor in one message.
    pub fn check(&self, graph: &Graph) -> Result<(), OnnxError> {
        let mut mismatch = WeightMismatch::default();
        match &self.source {
            Source::Seeded(_) => {}
            Source::Given { tensors, .. } => {
                let found = tensors.iter().map(|(name, tensor)| (name.as_str(), found(tensor)));
                mismatch = WeightMismatch::between(&required_tensors(graph), found);
            }
            Source::File { file, .. } => {
                let found = file.tensors().iter().map(|(name, place)| (name.as_str(), place.found()));
                mismatch = WeightMismatch::between(&required_tensors(graph), found);
            }
        }
        if mismatch.is_empty() { Ok(()) } else { Err(OnnxError::Mismatch(mismatch)) }
    }

    /// The values of one tensor.
    ///
    /// # Errors
    /// When there is no tensor of this name and shape, it cannot be read, or a value is not finite.
    pub fn get(&self, spec: &TensorSpec) -> Result<Cow<'_, [f32]>, OnnxError> {
        let found = match &self.source {
            Source::Seeded(_) => None,
            Source::Given { tensors, .. } => tensors.get(&spec.name).map(found),
            Source::File { file, .. } => file.tensors().get(&spec.name).map(Place::found),
        };
        let mut mismatch = WeightMismatch::default();
        if self.seed().is_none() {
            mismatch.compare(spec, found);
        }
        if !mismatch.is_empty() {
            return Err(OnnxError::Mismatch(mismatch));
        }
        let values = match &self.source {
            Source::Seeded(seed) => return Ok(Cow::Owned(init::draw(*seed, spec))),
            Source::Given { tensors, .. } => Cow::Borrowed(&tensors[&spec.name].values[..]),
            Source::File { file, .. } => Cow::Owned(file.read(&file.tensors()[&spec.name])?),
        };
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(OnnxError::WeightNotFinite { name: spec.name.clone(), value: *value }),
            None => Ok(values),
        }
    }
}

fn found(tensor: &Tensor) -> Found<'_> {
    Found { shape: &tensor.shape, odd_type: None }
}
