//! From a network's ONNX form to LiteRT's operators: one rule for each operation, in the files beside this one.
//!
//! [`value`] says how maps are stored. Where an operation of ONNX is part of another of LiteRT (an activation, a batch
//! norm behind a convolution, a bias), the rule of the first takes the second with it. Operations without a rule are
//! refused by name. Not here: bytes (`../write.rs`).

mod activation;
mod arithmetic;
mod conv;
mod layout;
mod matmul;
mod norm;
mod pool;
mod reduce;
mod resize;
mod value;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

pub use self::value::stored;
use self::value::{IMAGE_ORDER, Value, long, permutation, plain_order};
use super::LitertError;
use super::model::{Model, Options, Tensor, TensorId};
use super::schema::{ActivationFunctionType, BuiltinOperator, TensorType};
use crate::onnx::Batch;
use crate::onnx::import::{Node, Source, ValueId, shown};

/// What a conversion leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConvertOptions {
    pub batch: Batch,
    /// Weights in float16, made float32 when the file is loaded.
    pub half_weights: bool,
}

/// Values of a constant, and its sizes.
type Numbers = (Vec<f32>, Vec<u64>);

type Rule = for<'s> fn(&mut Converter<'s>, &'s Node) -> Result<(), String>;
type Family = &'static [(&'static str, Rule)];

const FAMILIES: [Family; 9] = [
    activation::RULES,
    arithmetic::RULES,
    conv::RULES,
    layout::RULES,
    matmul::RULES,
    norm::RULES,
    pool::RULES,
    reduce::RULES,
    resize::RULES,
];

/// The model of `source`, without metadata.
///
/// # Errors
/// When operations have no rule (all are named), or one is used in a way that LiteRT has not.
pub fn convert(source: &Source, options: ConvertOptions) -> Result<Model, LitertError> {
    let rules: FxHashMap<&str, Rule> = FAMILIES.iter().flat_map(|family| family.iter().copied()).collect();
    let is_computed = |node: &Node| node.outputs.iter().flatten().any(|output| source.is_map(*output));
    let mut unknown: BTreeMap<String, u32> = BTreeMap::new();
    for node in source.nodes().iter().filter(|node| is_computed(node)) {
        if !node.domain.is_empty() || !rules.contains_key(node.operation.as_str()) {
            let domain = if node.domain.is_empty() { String::new() } else { format!("{}:", node.domain) };
            *unknown.entry(shown(&format!("{domain}{}", node.operation))).or_default() += 1;
        }
    }
    if !unknown.is_empty() {
        let named: Vec<String> = unknown.iter().map(|(operation, count)| format!("{operation} ({count})")).collect();
        return Err(LitertError::Unsupported { operations: named.join(", ") });
    }
    let mut converter = Converter::new(source, options);
    converter.image().map_err(|reason| LitertError::Model { reason })?;
    for (place, node) in source.nodes().iter().enumerate() {
        if converter.absorbed[place] || !is_computed(node) {
            continue;
        }
        let rule = rules.get(node.operation.as_str()).copied().unwrap_or(layout::unknown);
        rule(&mut converter, node).map_err(|reason| LitertError::Node {
            node: shown(&node.name),
            operation: shown(&node.operation),
            reason,
        })?;
    }
    converter.finish().map_err(|reason| LitertError::Model { reason })
}

/// A conversion on its way.
struct Converter<'s> {
    source: &'s Source,
    model: Model,
    values: FxHashMap<ValueId, Value>,
    options: ConvertOptions,
    /// Nodes that became part of an operator before them.
    absorbed: Vec<bool>,
    /// The only node that reads a value; none where several do, or where it is an output.
    readers: FxHashMap<ValueId, usize>,
    /// First value that float16 does not hold.
    outside_half: Option<f32>,
}

impl<'s> Converter<'s> {
    fn new(source: &'s Source, options: ConvertOptions) -> Self {
        let mut readers = FxHashMap::default();
        for (place, node) in source.nodes().iter().enumerate() {
            for input in node.inputs.iter().flatten().filter(|input| source.uses(**input) == 1) {
                readers.insert(*input, place);
            }
        }
        for output in source.outputs() {
            readers.remove(output);
        }
        let absorbed = vec![false; source.nodes().len()];
        let (model, values) = (Model::default(), FxHashMap::default());
        Self { source, model, values, options, absorbed, readers, outside_half: None }
    }

    /// Declares the image, channels last.
    fn image(&mut self) -> Result<(), String> {
        let id = self.source.image;
        let order = if self.source.channel_axis() == 1 { IMAGE_ORDER.to_vec() } else { plain_order(4) };
        let tensor = self.output(id, order)?;
        if self.source.takes_bytes() {
            let image = &mut self.model.tensors[tensor as usize];
            (image.kind, image.is_unit_scaled) = (TensorType::UINT8, true);
        }
        self.model.inputs = vec![(self.source.name(id).to_owned(), tensor)];
        Ok(())
    }

    fn finish(mut self) -> Result<Model, String> {
        if let Some(value) = self.outside_half {
            return Err(format!("a weight of {value} is beyond float16's 65504; export in fp32"));
        }
        for output in self.source.outputs().to_vec() {
            // What no image changes is no output of a network.
            if let Some(value) = self.values.get(&output) {
                self.model.outputs.push((self.source.name(output).to_owned(), value.tensor));
            }
        }
        if self.model.outputs.is_empty() {
            return Err("no output depends on the image".to_owned());
        }
        Ok(self.model)
    }

    /// The map that is the input of `node` at `place`.
    fn input(&self, node: &Node, place: usize) -> Result<Value, String> {
        let id = node.input(place).ok_or_else(|| format!("its input {} is missing", place + 1))?;
        let value = self.values.get(&id).cloned();
        value.ok_or_else(|| format!("its input {} is a constant, but must be computed from the image", place + 1))
    }

    /// Numbers of the input at `place` that no image changes, if it is there.
    fn weights_of(&self, node: &Node, place: usize) -> Result<Option<Numbers>, String> {
        let Some(id) = node.input(place) else { return Ok(None) };
        if self.source.is_map(id) {
            return Err(format!("its input {} is computed from the image, but must be a constant", place + 1));
        }
        Ok(Some((self.source.floats(id)?, self.source.dims(id)?.to_vec())))
    }

    /// The only number of the input at `place`, if it is a constant of one.
    fn scalar_of(&self, node: &Node, place: usize) -> Option<f32> {
        match self.weights_of(node, place) {
            Ok(Some((values, _))) if values.len() == 1 => Some(values[0]),
            _ => None,
        }
    }

    fn first_output(node: &Node) -> Result<ValueId, String> {
        node.outputs.first().copied().flatten().ok_or_else(|| "it has no output".to_owned())
    }

    /// Sizes in memory of a map, and whether its batch is open.
    fn shape(&self, dims: &[u64], order: &[usize]) -> Result<(Vec<i32>, bool), String> {
        let side = |axis: &usize| i32::try_from(dims[*axis]).map_err(|_| format!("it has sizes {dims:?}, too large"));
        let mut shape: Vec<i32> = order.iter().map(side).collect::<Result<_, _>>()?;
        let batch_first = order.first() == Some(&0) && dims.first() == Some(&1);
        match self.options.batch {
            Batch::Fixed(1) => Ok((shape, false)),
            _ if !batch_first => Err(format!(
                "its output of sizes {dims:?} does not begin with the batch, so that only --batch 1 can be written"
            )),
            Batch::Fixed(images) => {
                shape[0] = images as i32;
                Ok((shape, false))
            }
            Batch::Symbolic => Ok((shape, true)),
        }
    }

    /// The tensor of a value that an operator will compute, stored in `order`.
    fn output(&mut self, id: ValueId, order: Vec<usize>) -> Result<TensorId, String> {
        let dims = self.source.dims(id)?.to_vec();
        let name = self.source.name(id).to_owned();
        let tensor = self.temporary(name, &dims, &order)?;
        self.values.insert(id, Value { tensor, dims, order, is_nonnegative: false });
        Ok(tensor)
    }

    /// Marks the value of `id` as one that has nothing below zero.
    fn nonnegative(&mut self, id: ValueId, is_nonnegative: bool) {
        if let Some(value) = self.values.get_mut(&id) {
            value.is_nonnegative = is_nonnegative;
        }
    }

    /// A tensor between the operators that a rule writes.
    fn temporary(&mut self, name: String, dims: &[u64], order: &[usize]) -> Result<TensorId, String> {
        let (shape, has_open_batch) = self.shape(dims, order)?;
        let kind = TensorType::FLOAT32;
        Ok(self.model.add(Tensor { name, shape, has_open_batch, kind, data: None, is_unit_scaled: false }))
    }

    /// The tensor of `value` stored in `order`, moved if need be.
    fn ordered(&mut self, value: &Value, order: &[usize]) -> Result<TensorId, String> {
        if value.order == order {
            return Ok(value.tensor);
        }
        let name = format!("{}_ordered{}", self.name_of(value.tensor), self.model.tensors.len());
        if long(&value.dims, &value.order) == long(&value.dims, order) {
            return self.reshaped(value.tensor, name, &value.dims, order);
        }
        let places = permutation(&value.order, order).ok_or("its dimensions cannot be put in order")?;
        let places: Vec<i32> = places.into_iter().map(|place| place as i32).collect();
        let output = self.temporary(name.clone(), &value.dims, order)?;
        let places = self.model.integers(format!("{name}_places"), &[places.len()], &places);
        self.model.operate(BuiltinOperator::TRANSPOSE, &[value.tensor, places], output, Options::None);
        Ok(output)
    }

    /// The numbers of `tensor` under the sizes of `dims` in `order`.
    fn reshaped(&mut self, tensor: TensorId, name: String, dims: &[u64], order: &[usize]) -> Result<TensorId, String> {
        let output = self.temporary(name, dims, order)?;
        self.reshape_into(tensor, output)?;
        Ok(output)
    }

    /// The operator that gives the numbers of `tensor` the sizes of `output`.
    fn reshape_into(&mut self, tensor: TensorId, output: TensorId) -> Result<(), String> {
        let target = self.model.tensor(output).ok_or("its output is missing")?;
        let (mut shape, name) = (target.shape.clone(), format!("{}_shape", target.name));
        if let (Some(first), true) = (shape.first_mut(), self.options.batch != Batch::Fixed(1)) {
            *first = -1;
        }
        let shape = self.model.integers(name, &[shape.len()], &shape);
        self.model.operate(BuiltinOperator::RESHAPE, &[tensor, shape], output, Options::None);
        Ok(())
    }

    fn name_of(&self, tensor: TensorId) -> String {
        self.model.tensor(tensor).map_or(String::new(), |tensor| tensor.name.clone())
    }

    /// A constant that stands beside a map of `rank` dimensions stored in `order`.
    fn beside(&mut self, name: String, values: &[f32], dims: &[u64], order: &[usize]) -> Result<TensorId, String> {
        if values.len() == 1 {
            return Ok(self.model.floats(name, &[1], values));
        }
        let missing = order.len().checked_sub(dims.len()).ok_or("a constant has more dimensions than the map")?;
        let dims: Vec<u64> = std::iter::repeat_n(1, missing).chain(dims.iter().copied()).collect();
        let values = stored(values, &dims, order);
        let shape: Vec<usize> = order.iter().map(|axis| dims[*axis] as usize).skip_while(|side| *side == 1).collect();
        Ok(self.model.floats(name, &shape, &values))
    }

    /// Weights of an operator: float16 where the file is to have such.
    fn weights(&mut self, name: String, shape: &[usize], values: &[f32]) -> TensorId {
        if !self.options.half_weights {
            return self.model.floats(name, shape, values);
        }
        let mut data = Vec::with_capacity(2 * values.len());
        for value in values {
            let half = tract_onnx::prelude::f16::from_f32(*value);
            if half.is_infinite() && value.is_finite() {
                self.outside_half.get_or_insert(*value);
            }
            data.extend_from_slice(&half.to_le_bytes());
        }
        let half = self.model.constant(format!("{name}_half"), shape, TensorType::FLOAT16, data);
        let shape = shape.iter().map(|side| *side as i32).collect();
        let float = self.model.add(Tensor {
            name,
            shape,
            has_open_batch: false,
            kind: TensorType::FLOAT32,
            data: None,
            is_unit_scaled: false,
        });
        self.model.operate_version(BuiltinOperator::DEQUANTIZE, 3, &[half], float, Options::None);
        float
    }

    /// The node that alone reads `id`, if it is of `operation`.
    fn reader(&self, id: ValueId, operation: &str) -> Option<(usize, &'s Node)> {
        let place = *self.readers.get(&id)?;
        let node = &self.source.nodes()[place];
        (node.domain.is_empty() && node.operation == operation && !self.absorbed[place]).then_some((place, node))
    }

    /// The value and the activation of an operator whose own output is `id`: an activation that alone reads it becomes
    /// part of it.
    fn activated(&mut self, id: ValueId) -> (ValueId, ActivationFunctionType) {
        let none = (id, ActivationFunctionType::NONE);
        let found = self.reader(id, "Relu").or_else(|| self.reader(id, "Clip"));
        let Some((place, node)) = found else { return none };
        let (Ok(activation), Ok(output)) = (activation::fusible(self, node), Self::first_output(node)) else {
            return none;
        };
        let Some(activation) = activation else { return none };
        self.absorbed[place] = true;
        (output, activation)
    }

    /// Writes one operator of `node` whose output is stored in `order`, with the activation behind it.
    fn operator(
        &mut self,
        code: BuiltinOperator,
        version: i32,
        inputs: &[TensorId],
        id: ValueId,
        order: Vec<usize>,
        options: impl FnOnce(ActivationFunctionType) -> Options,
    ) -> Result<(), String> {
        let (id, activation) = self.activated(id);
        let output = self.output(id, order)?;
        self.model.operate_version(code, version, inputs, output, options(activation));
        self.nonnegative(id, activation != ActivationFunctionType::NONE);
        Ok(())
    }
}
