//! Functions of two values, number by number.

use super::super::model::{Options, TensorId};
use super::super::schema::{ActivationFunctionType, BuiltinOperator};
use super::value::plain_order;
use super::{Converter, Family};
use crate::onnx::import::Node;

pub const RULES: Family = &[
    ("Add", |converter, node| binary(converter, node, BuiltinOperator::ADD)),
    ("Div", |converter, node| binary(converter, node, BuiltinOperator::DIV)),
    ("Max", |converter, node| binary(converter, node, BuiltinOperator::MAXIMUM)),
    ("Min", |converter, node| binary(converter, node, BuiltinOperator::MINIMUM)),
    ("Mul", |converter, node| binary(converter, node, BuiltinOperator::MUL)),
    ("Pow", pow),
    ("Reciprocal", reciprocal),
    ("Sub", |converter, node| binary(converter, node, BuiltinOperator::SUB)),
    ("Sum", |converter, node| binary(converter, node, BuiltinOperator::ADD)),
];

/// Operators that can have an activation.
const WITH_ACTIVATION: [BuiltinOperator; 4] =
    [BuiltinOperator::ADD, BuiltinOperator::DIV, BuiltinOperator::MUL, BuiltinOperator::SUB];

fn binary(converter: &mut Converter, node: &Node, code: BuiltinOperator) -> Result<(), String> {
    if node.inputs.len() != 2 {
        return Err(format!("it has {} inputs, but two are written", node.inputs.len()));
    }
    let id = Converter::first_output(node)?;
    let rank = converter.source.dims(id)?.len();
    let maps = node.inputs.iter().flatten().filter_map(|input| converter.values.get(input));
    let largest = maps.clone().max_by_key(|value| value.dims.iter().product::<u64>());
    // Maps of fewer dimensions fit from the end only in ONNX's own order.
    let order = match largest {
        Some(value) if maps.clone().all(|map| map.dims.len() == rank) => value.order.clone(),
        _ => plain_order(rank),
    };
    let name = converter.source.name(id).to_owned();
    let mut inputs = Vec::with_capacity(2);
    for place in 0..2 {
        inputs.push(operand(converter, node, place, &name, &order)?);
    }
    if WITH_ACTIVATION.contains(&code) {
        return converter.operator(code, 1, &inputs, id, order, Options::Arithmetic);
    }
    let output = converter.output(id, order)?;
    converter.model.operate(code, &inputs, output, Options::None);
    Ok(())
}

fn operand(
    converter: &mut Converter,
    node: &Node,
    place: usize,
    name: &str,
    order: &[usize],
) -> Result<TensorId, String> {
    let id = node.input(place).ok_or("an input is missing")?;
    if let Some(value) = converter.values.get(&id).cloned() {
        let own = if value.dims.len() == order.len() { order.to_vec() } else { plain_order(value.dims.len()) };
        return converter.ordered(&value, &own);
    }
    let (values, dims) = converter.weights_of(node, place)?.ok_or("an input is missing")?;
    converter.beside(format!("{name}_operand{place}"), &values, &dims, order)
}

/// Squares and roots as what they are.
fn pow(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let code = match converter.scalar_of(node, 1) {
        Some(2.0) => BuiltinOperator::MUL,
        Some(0.5) => BuiltinOperator::SQRT,
        Some(-0.5) => BuiltinOperator::RSQRT,
        _ => return binary(converter, node, BuiltinOperator::POW),
    };
    let output = converter.output(Converter::first_output(node)?, input.order)?;
    let (inputs, options) = match code {
        BuiltinOperator::MUL => (vec![input.tensor; 2], Options::Arithmetic(ActivationFunctionType::NONE)),
        _ => (vec![input.tensor], Options::None),
    };
    converter.model.operate(code, &inputs, output, options);
    Ok(())
}

fn reciprocal(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let output = converter.output(Converter::first_output(node)?, input.order)?;
    let one = converter.model.floats(format!("{}_one", converter.name_of(output)), &[1], &[1.0]);
    let none = Options::Arithmetic(ActivationFunctionType::NONE);
    converter.model.operate(BuiltinOperator::DIV, &[one, input.tensor], output, none);
    Ok(())
}
