//! A file as converters to other formats need it: nodes in order with the sizes of all values, and the weights'
//! numbers.
//!
//! Not here: what nodes become (`litert`).

use std::rc::Rc;

use prost::bytes::Bytes;

use super::constant::{Constant, Values};
use super::error::Problem;
use super::messages::data_type;
use super::network::{Network, Node, ValueId};
use super::tensor::Tensor;
use super::{Described, ImportError, ImportOptions, decode, describe, draw, litert, order, rewrite};

/// A network with its weights.
#[derive(Debug)]
pub(crate) struct Source {
    network: Network,
    /// What is known of each value, for one image.
    tensors: Vec<Option<Tensor>>,
    /// Nodes that read each value; an output of the network counts as one.
    uses: Vec<u32>,
    /// The image.
    pub image: ValueId,
    /// Images in one run, where the file fixes them.
    pub batch_size: Option<u64>,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// What wrote the file; may be empty.
    pub producer: String,
}

impl Source {
    /// Reads a model; `name` stands in errors.
    ///
    /// # Errors
    /// As [`super::import_with`].
    pub fn read(name: &str, bytes: Bytes, options: &ImportOptions) -> Result<Self, ImportError> {
        Self::of_bytes(bytes, options).map_err(|problem| problem.in_file(name))
    }

    fn of_bytes(bytes: Bytes, options: &ImportOptions) -> Result<Self, Problem> {
        litert::refuse(&bytes, "convert the ONNX file that it came from")?;
        let Described { mut network, opset, producer, notes } = describe(decode::decode(bytes)?)?;
        rewrite::rewrite_exactly(&mut network);
        order::drop_unused(&mut network);
        let (reader, image) = draw(&network, opset, notes, options)?;
        let id = network.inputs.iter().map(|(id, _)| *id).find(|id| network.name(*id) == image.name);
        let image = id.ok_or_else(|| Problem::Model("it has no image".to_owned()))?;
        let (tensors, batch_size) = (reader.tensors, reader.file_batch);
        let uses = reader.uses.iter().map(|(uses, _)| *uses).collect();
        Ok(Self { network, tensors, uses, image, batch_size, opset, producer })
    }

    /// In execution order.
    pub fn nodes(&self) -> &[Node] {
        &self.network.nodes
    }

    pub fn outputs(&self) -> &[ValueId] {
        &self.network.outputs
    }

    pub fn name(&self, id: ValueId) -> &str {
        self.network.name(id)
    }

    pub fn uses(&self, id: ValueId) -> u32 {
        self.uses.get(id).copied().unwrap_or(0)
    }

    /// Whether the image changes it.
    pub fn is_map(&self, id: ValueId) -> bool {
        self.tensor(id).is_some_and(|tensor| tensor.map.is_some())
    }

    /// Sizes for one image.
    pub fn dims(&self, id: ValueId) -> Result<&[u64], String> {
        let unknown = || format!("the sizes of `{}` are not known", super::error::shown(self.name(id)));
        self.tensor(id).map(|tensor| tensor.dims.as_slice()).ok_or_else(unknown)
    }

    /// The dimension of the image that holds the channels.
    pub fn channel_axis(&self) -> usize {
        self.tensor(self.image).map_or(1, |tensor| tensor.channel_axis)
    }

    /// Whether the image is of bytes and not of floats.
    pub fn takes_bytes(&self) -> bool {
        let info = self.network.inputs.iter().find(|(id, _)| *id == self.image).map(|(_, info)| info);
        let tensor = info.and_then(|info| info.r#type.as_ref()?.tensor_type.as_ref());
        tensor.is_some_and(|tensor| tensor.elem_type == data_type::UINT8)
    }

    /// Numbers that no image changes.
    ///
    /// # Errors
    /// When they are not in the file, no floats, or computed from others in more than the few numbers of sizes.
    pub fn floats(&self, id: ValueId) -> Result<Vec<f32>, String> {
        let reason = |reason: String| format!("of `{}`: {reason}", super::error::shown(self.name(id)));
        if let Some(values) = self.values(id) {
            return Ok(values.floats().into_iter().map(|value| value as f32).collect());
        }
        match self.network.constant(id) {
            Some(constant) => Constant::floats(constant).map_err(reason),
            None => Err(reason("its numbers are computed from weights; simplify the model (onnxsim)".to_owned())),
        }
    }

    /// Whole numbers that no image changes, if they are known.
    pub fn integers(&self, id: ValueId) -> Option<Vec<i64>> {
        self.tensor(id)?.known_integers()
    }

    fn values(&self, id: ValueId) -> Option<&Rc<Values>> {
        self.tensor(id).and_then(|tensor| tensor.values.as_ref())
    }

    fn tensor(&self, id: ValueId) -> Option<&Tensor> {
        self.tensors.get(id).and_then(Option::as_ref)
    }
}
