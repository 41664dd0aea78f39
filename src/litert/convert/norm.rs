//! Normalisation: batch norms folded or as scale and shift, layer norms in steps, softmax.

use super::super::model::Options;
use super::super::schema::{ActivationFunctionType, BuiltinOperator};
use super::{Converter, Family};
use crate::onnx::import::{Node, ValueId};

pub const RULES: Family =
    &[("BatchNormalization", batch_norm), ("LayerNormalization", layer_norm), ("Softmax", softmax)];

/// A batch norm behind a convolution.
pub struct Behind {
    /// Its node's number.
    pub place: usize,
    /// What it multiplies each channel by.
    pub scale: Vec<f64>,
    /// What it adds then.
    pub shift: Vec<f64>,
}

/// The batch norm that alone reads `id`.
pub fn behind(converter: &Converter, id: ValueId) -> Result<Option<Behind>, String> {
    let Some((place, node)) = converter.reader(id, "BatchNormalization") else { return Ok(None) };
    let (scale, shift) = scale_and_shift(converter, node)?;
    Ok(Some(Behind { place, scale, shift }))
}

/// What a batch norm multiplies by and adds.
fn scale_and_shift(converter: &Converter, node: &Node) -> Result<(Vec<f64>, Vec<f64>), String> {
    let epsilon = node.float("epsilon")?.unwrap_or(1e-5);
    let mut tensors = Vec::with_capacity(4);
    for place in 1..5 {
        tensors.push(converter.weights_of(node, place)?.ok_or("it lacks one of its four tensors")?.0);
    }
    let [weight, bias, mean, variance] = &tensors[..] else { return Err("it lacks a tensor".to_owned()) };
    if tensors.iter().any(|tensor| tensor.len() != weight.len()) {
        return Err("its tensors differ in length".to_owned());
    }
    let scale: Vec<f64> =
        weight.iter().zip(variance).map(|(w, v)| f64::from(*w) / (f64::from(*v) + epsilon).sqrt()).collect();
    let shift = scale.iter().zip(mean).zip(bias).map(|((s, m), b)| f64::from(*b) - s * f64::from(*m)).collect();
    Ok((scale, shift))
}

/// Scales filters and biases so that the convolution computes the batch norm, too; rounded once.
pub fn fold(norm: &Behind, weights: &mut [f32], bias: &mut [f32]) -> Result<(), String> {
    let Behind { scale, shift, .. } = norm;
    if scale.len() != bias.len() || bias.is_empty() {
        return Err(format!("the batch norm behind it has {} channels, and it has {}", scale.len(), bias.len()));
    }
    let per_channel = weights.len() / bias.len();
    for (channel, filter) in weights.chunks_exact_mut(per_channel.max(1)).enumerate() {
        filter.iter_mut().for_each(|weight| *weight = (scale[channel] * f64::from(*weight)) as f32);
    }
    for (channel, bias) in bias.iter_mut().enumerate() {
        *bias = (scale[channel] * f64::from(*bias) + shift[channel]) as f32;
    }
    match weights.iter().chain(bias.iter()).all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err("folding the batch norm behind it gives values that are not finite".to_owned()),
    }
}

fn batch_norm(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let (scale, shift) = scale_and_shift(converter, node)?;
    let id = Converter::first_output(node)?;
    let name = converter.source.name(id).to_owned();
    let mut dims = vec![1; input.dims.len()];
    *dims.get_mut(1).ok_or("its input has no channels")? = scale.len() as u64;
    let [scale, shift] = [scale, shift].map(|values| values.into_iter().map(|value| value as f32).collect::<Vec<_>>());
    let scale = converter.beside(format!("{name}_scale"), &scale, &dims, &input.order)?;
    let shift = converter.beside(format!("{name}_shift"), &shift, &dims, &input.order)?;
    let scaled = converter.temporary(format!("{name}_scaled"), &input.dims, &input.order)?;
    let none = Options::Arithmetic(ActivationFunctionType::NONE);
    converter.model.operate(BuiltinOperator::MUL, &[input.tensor, scale], scaled, none);
    converter.operator(BuiltinOperator::ADD, 1, &[scaled, shift], id, input.order, Options::Arithmetic)
}

/// Over the last dimensions: mean, difference, variance, root, scale and shift.
fn layer_norm(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let rank = input.dims.len();
    let first = node.int("axis")?.unwrap_or(-1);
    let first = if first < 0 { first + rank as i64 } else { first };
    let first = usize::try_from(first).ok().filter(|first| *first < rank).ok_or("its axis is out of range")?;
    let epsilon = node.float("epsilon")?.unwrap_or(1e-5) as f32;
    let id = Converter::first_output(node)?;
    let name = converter.source.name(id).to_owned();
    let part = |word: &str| format!("{name}_{word}");
    let places: Vec<i32> = (first..rank).filter_map(|axis| input.place(axis)).map(|place| place as i32).collect();
    let places = converter.model.integers(part("places"), &[places.len()], &places);
    let mut small = input.dims.clone();
    small[first..].fill(1);
    let none = Options::Arithmetic(ActivationFunctionType::NONE);
    let keep = Options::Reduce { keep_dimensions: true };
    let order = &input.order;

    let mean = converter.temporary(part("mean"), &small, order)?;
    converter.model.operate(BuiltinOperator::MEAN, &[input.tensor, places], mean, keep);
    let centred = converter.temporary(part("centred"), &input.dims, order)?;
    converter.model.operate(BuiltinOperator::SUB, &[input.tensor, mean], centred, none);
    let square = converter.temporary(part("square"), &input.dims, order)?;
    converter.model.operate(BuiltinOperator::MUL, &[centred, centred], square, none);
    let variance = converter.temporary(part("variance"), &small, order)?;
    converter.model.operate(BuiltinOperator::MEAN, &[square, places], variance, keep);
    let epsilon = converter.model.floats(part("epsilon"), &[1], &[epsilon]);
    let shifted = converter.temporary(part("shifted"), &small, order)?;
    converter.model.operate(BuiltinOperator::ADD, &[variance, epsilon], shifted, none);
    let root = converter.temporary(part("root"), &small, order)?;
    converter.model.operate(BuiltinOperator::RSQRT, &[shifted], root, Options::None);
    let mut tensor = converter.temporary(part("ratio"), &input.dims, order)?;
    converter.model.operate(BuiltinOperator::MUL, &[centred, root], tensor, none);
    for (place, code, word) in [(1, BuiltinOperator::MUL, "scale"), (2, BuiltinOperator::ADD, "shift")] {
        let Some((values, dims)) = converter.weights_of(node, place)? else { continue };
        let values = converter.beside(part(word), &values, &dims, order)?;
        let target = converter.temporary(part(&format!("{word}d")), &input.dims, order)?;
        converter.model.operate(code, &[tensor, values], target, none);
        tensor = target;
    }
    converter.values.insert(id, super::Value { tensor, is_nonnegative: false, ..input });
    Ok(())
}

/// Over one dimension, which LiteRT wants last.
fn softmax(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let rank = input.dims.len();
    let default = if converter.source.opset >= 13 { -1 } else { 1 };
    let axis = node.int("axis")?.unwrap_or(default);
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    let axis = usize::try_from(axis).ok().filter(|axis| *axis < rank).ok_or("its axis is out of range")?;
    // Older operators took all dimensions from the axis on together.
    if converter.source.opset < 13 && input.dims[axis + 1..].iter().any(|dim| *dim > 1) {
        return Err("it runs over several dimensions; export with opset 13 or newer".to_owned());
    }
    let mut order: Vec<usize> = input.order.iter().copied().filter(|stored| *stored != axis).collect();
    order.push(axis);
    let tensor = converter.ordered(&input, &order)?;
    let output = converter.output(Converter::first_output(node)?, order)?;
    converter.model.operate(BuiltinOperator::SOFTMAX, &[tensor], output, Options::None);
    Ok(())
}
