//! One node while it is read: its inputs with what is known of them, and what its reader says it computes.
//!
//! Not here: the graph and the weights that it is drawn into (`reader`).

use std::rc::Rc;

use super::constant::{self, Values};
use super::network::Node;
use super::reader::{ORIGIN, Reader};
use super::tensor::{Tensor, WeightId, checked};
use crate::net::{Activation, Branch, Foreign, ForeignKind, Operator, OperatorId, OperatorKind};

/// Tensors of weights that one made of constants is known to come from.
const MAX_ORIGINS: usize = 256;

/// A foreign operator to be.
#[derive(Debug)]
pub(super) struct Draft {
    pub kind: ForeignKind,
    /// Multiply-adds.
    pub flops: u64,
    pub approximation: Option<&'static str>,
}

impl From<ForeignKind> for Draft {
    fn from(kind: ForeignKind) -> Self {
        Self { kind, flops: 0, approximation: None }
    }
}

/// One node that is read.
#[derive(Debug)]
pub(super) struct Call<'r, 'n> {
    pub reader: &'r mut Reader<'n>,
    pub node: &'n Node,
}

impl Call<'_, '_> {
    pub fn opset(&self) -> i64 {
        self.reader.opset
    }

    /// The input at `place`.
    pub fn input(&self, place: usize) -> Result<&Tensor, String> {
        self.optional(place).ok_or_else(|| format!("its input {} is missing; export the model again", place + 1))
    }

    pub fn optional(&self, place: usize) -> Option<&Tensor> {
        self.reader.tensor(self.node.input(place)?)
    }

    /// Whole numbers of the input at `place`, if it is there.
    ///
    /// # Errors
    /// When they are computed from the image or stand in another file.
    pub fn integers(&self, place: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(id) = self.node.input(place) else { return Ok(None) };
        let name = || super::error::shown(self.reader.network.name(id));
        match self.optional(place).and_then(|tensor| tensor.values.as_deref()) {
            Some(Values::Integers(values)) => Ok(Some(values.clone())),
            Some(Values::Floats(_)) => Err(format!(
                "its input `{}` holds floats, but whole numbers are needed; export the model again",
                name()
            )),
            None if self.reader.network.constant(id).is_some_and(|constant| constant.is_external) => Err(format!(
                "the values of its input `{}` are needed, but stand in external data, which is not read; keep small \
                 tensors in the file (size_threshold of onnx.save_model)",
                name()
            )),
            None => Err(format!(
                "the values of its input `{}` are needed but not in the file (computed from the image, from external \
                 data, or too many); export with fixed sizes, or simplify the model",
                name()
            )),
        }
    }

    /// Whole numbers that newer files give as an input and older ones as an attribute.
    pub fn integers_or(&self, place: usize, attribute: &str) -> Result<Option<Vec<i64>>, String> {
        match self.integers(place)? {
            Some(values) => Ok(Some(values)),
            None => Ok(self.node.ints(attribute)?.map(<[i64]>::to_vec)),
        }
    }

    /// A dimension given by `attribute`, counted from the end if negative.
    pub fn axis(&self, attribute: &str, default: i64, rank: usize) -> Result<usize, String> {
        axis(self.node.int(attribute)?.unwrap_or(default), rank)
    }

    /// Inputs that are computed, with their places.
    pub fn maps(&self) -> impl Iterator<Item = (usize, &Tensor)> {
        (0..self.node.inputs.len())
            .filter_map(|place| Some((place, self.optional(place)?)))
            .filter(|(_, tensor)| tensor.map.is_some())
    }

    /// Whether only one node reads the output of `id`'s value.
    pub fn is_read_once(&self, place: usize) -> bool {
        self.node.input(place).is_some_and(|id| self.reader.uses[id].0 == 1)
    }

    /// Whether all readers of the first output are convolutions.
    pub fn feeds_convolutions(&self) -> bool {
        let output = self.node.outputs.first().copied().flatten();
        output.is_some_and(|id| self.reader.uses[id].0 > 0 && self.reader.uses[id].0 == self.reader.uses[id].1)
    }

    /// Whether anything reads the output at `place`.
    pub fn is_read(&self, place: usize) -> bool {
        self.node.outputs.get(place).copied().flatten().is_some_and(|id| self.reader.uses[id].0 > 0)
    }

    /// Sets the output at `place`.
    pub fn set(&mut self, place: usize, tensor: Tensor) {
        if let Some(id) = self.node.outputs.get(place).copied().flatten() {
            self.reader.tensors[id] = Some(tensor);
        }
    }

    /// The output is the first input.
    pub fn alias(&mut self) -> Result<(), String> {
        let tensor = self.input(0)?.clone();
        self.set(0, tensor);
        Ok(())
    }

    /// The output is made of constants alone: sizes, and numbers if they are known.
    ///
    /// # Errors
    /// When it would be larger than any tensor of weights.
    pub fn set_known(&mut self, place: usize, dims: Vec<u64>, values: Option<Values>) -> Result<(), String> {
        constant::checked_sizes(&dims).map_err(|reason| format!("of its output: {reason}"))?;
        let inputs = (0..self.node.inputs.len()).filter_map(|input| self.optional(input));
        let mut weights: Vec<WeightId> = inputs.flat_map(|tensor| &tensor.weights).take(MAX_ORIGINS).copied().collect();
        weights.sort_unstable();
        weights.dedup();
        let values = values.filter(|values| values.len() <= constant::MAX_VALUES).map(Rc::new);
        self.set(place, Tensor { dims, channel_axis: 1, values, weights, ..Tensor::default() });
        Ok(())
    }

    /// Checks that the inputs at `places` are maps, or tensors whose elements can be weights.
    ///
    /// # Errors
    /// When one holds other things, say strings or numbers of 64 bits.
    pub fn check_weights(&self, places: std::ops::Range<usize>) -> Result<(), String> {
        for id in places.filter_map(|place| self.node.input(place)) {
            let Some(constant) = self.reader.network.constant(id) else { continue };
            if !constant::is_weights(constant.data_type) {
                let (name, kind) = (self.reader.network.name(id), constant::type_name(constant.data_type));
                let name = super::error::shown(name);
                return Err(format!(
                    "its weights `{name}` are of type {kind}, but must be floats; export the model again"
                ));
            }
        }
        Ok(())
    }

    /// Weights of the input at `place` that are not yet counted; of constants of a node only if
    /// the operator multiplies by them (`in_node`).
    pub fn claim(&mut self, place: usize, in_node: bool) -> u64 {
        let ids = match self.optional(place) {
            Some(tensor) if tensor.map.is_none() => tensor.weights.clone(),
            _ => return 0,
        };
        self.reader.claim(&ids, |weight| in_node || (weight.is_float && !weight.in_node && weight.elements > 1))
    }

    /// Makes the input at `place` a map whose channels stand first, as operators on images take it.
    pub fn channels_first(&mut self, place: usize) -> Result<(), String> {
        let (Some(id), input) = (self.node.input(place), self.input(place)?) else { return Ok(()) };
        let Some(map) = input.map.filter(|_| input.channel_axis != 1) else { return Ok(()) };
        let mut tensor = Tensor { channel_axis: 1, ..input.clone() };
        let shape = tensor.shape()?;
        if self.reader.graph.get(map).shape != shape {
            let operation = "View".to_owned();
            let kind = ForeignKind::View;
            let view = Foreign { kind, operation, inputs: vec![map], parameters: 0, flops: 0, approximation: None };
            tensor.map = Some(self.reader.graph.push_foreign(view, shape, ORIGIN));
        }
        self.reader.tensors[id] = Some(tensor);
        Ok(())
    }

    /// Weights of a product and its bias that are not yet counted: a bias goes with its weights.
    pub fn claim_with_bias(&mut self, place: usize, bias: usize) -> u64 {
        let weights = self.claim(place, true);
        if weights == 0 { 0 } else { weights + self.claim(bias, true) }
    }

    /// An operator of its own kind on the maps at `places`.
    pub fn operator(
        &mut self,
        kind: OperatorKind,
        places: [usize; 2],
        dims: Vec<u64>,
        channel_axis: usize,
    ) -> Result<(), String> {
        let mut inputs = [OperatorId(0); 2];
        for (input, place) in inputs.iter_mut().zip(places) {
            *input = self.input(place)?.map.ok_or("it needs a map")?;
        }
        self.push(kind, inputs, Tensor { dims, channel_axis, ..Tensor::default() })
    }

    /// An operator whose map is the first output, of which `output` has the sizes.
    fn push(&mut self, kind: OperatorKind, inputs: [OperatorId; 2], output: Tensor) -> Result<(), String> {
        let shape = output.shape()?;
        let id = self.reader.graph.push(Operator { kind, inputs, shape, branch: Branch::Trunk, origin: ORIGIN });
        self.reader.graph.name_last(&self.node.name);
        self.set(0, Tensor { map: Some(id), ..output });
        Ok(())
    }

    /// The sum of the first output and the map at `place` becomes the first output.
    pub fn add_to_output(&mut self, place: usize) -> Result<(), String> {
        let summand = self.input(place)?;
        let map = summand.map.ok_or("it needs a map")?;
        let dims = summand.dims.clone();
        self.follow_output(OperatorKind::Add, |output| (output.dims == dims).then_some(map))
    }

    /// An activation of the first output becomes the first output.
    pub fn activate_output(&mut self, activation: Activation) -> Result<(), String> {
        self.follow_output(OperatorKind::Activation(activation), |output| output.map)
    }

    /// An operator on the first output and on the one that `second` says.
    fn follow_output(
        &mut self,
        kind: OperatorKind,
        second: impl FnOnce(&Tensor) -> Option<OperatorId>,
    ) -> Result<(), String> {
        let output = self.node.outputs.first().copied().flatten().and_then(|id| self.reader.tensor(id)).cloned();
        let Some(tensor) = output else { return Ok(()) };
        let first = tensor.map.ok_or("it needs a map")?;
        let second = second(&tensor).ok_or_else(|| format!("what it adds is not of sizes {:?}", tensor.dims))?;
        self.push(kind, [first, second], tensor)
    }

    /// An activation of the first input.
    pub fn activation(&mut self, activation: Activation) -> Result<(), String> {
        let input = self.input(0)?;
        let (dims, axis) = (input.dims.clone(), input.channel_axis);
        if input.map.is_none() {
            return self.set_known(0, dims, None);
        }
        self.operator(OperatorKind::Activation(activation), [0, 0], dims, axis)
    }

    /// Any other operator, on all maps among the inputs; all weights among them are its own.
    pub fn foreign(&mut self, draft: impl Into<Draft>, dims: Vec<u64>, channel_axis: usize) -> Result<(), String> {
        let parameters = (0..self.node.inputs.len()).map(|place| self.claim_unless_known(place)).sum();
        self.foreign_output(0, draft, dims, channel_axis, parameters)
    }

    fn claim_unless_known(&mut self, place: usize) -> u64 {
        if self.maps().next().is_none() { 0 } else { self.claim(place, false) }
    }

    /// As [`Call::foreign`], for the output at `place` and with its number of weights.
    pub fn foreign_output(
        &mut self,
        place: usize,
        draft: impl Into<Draft>,
        dims: Vec<u64>,
        channel_axis: usize,
        parameters: u64,
    ) -> Result<(), String> {
        checked(&dims)?;
        let inputs: Vec<OperatorId> = self.maps().filter_map(|(_, tensor)| tensor.map).collect();
        if inputs.is_empty() {
            return self.set_known(place, dims, None);
        }
        let Draft { kind, flops, approximation } = draft.into();
        let operation = self.node.operation.clone();
        let mut tensor = Tensor { dims, channel_axis, ..Tensor::default() };
        let shape = tensor.shape()?;
        let foreign = Foreign { kind, operation, inputs, parameters, flops, approximation };
        tensor.map = Some(self.reader.graph.push_foreign(foreign, shape, ORIGIN));
        self.reader.graph.name_last(&self.node.name);
        self.set(place, tensor);
        Ok(())
    }

    /// Keeps a note, once.
    pub fn note(&mut self, note: &str) {
        if !self.reader.notes.iter().any(|known| known == note) {
            self.reader.notes.push(note.to_owned());
        }
    }
}

/// The dimension `axis` of `rank`, counted from the end if negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let found = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    found
        .and_then(|found| usize::try_from(found).ok())
        .filter(|found| *found < rank.max(1))
        .ok_or_else(|| format!("its dimension {axis} is none of the {rank} of its input"))
}
